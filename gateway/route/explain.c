#include "route/expression.h"
#include "route/json.h"

static void append(struct buffer *out, const char *text)
{
    buffer_append(out, span_from_string(text));
}

static void append_path(const struct expression *path, struct buffer *out)
{
    for (size_t i = 0; i < path->name_count; i++) {
        append(out, i > 0 ? "." : "");
        buffer_append(out, path->names[i]);
    }
}

/* The paths in an expression that lead nowhere, in the order of the text. */
static void append_missing(const struct expression *expression, struct evaluation *evaluation, size_t *count,
                           struct buffer *out)
{
    if (expression->kind == EXPRESSION_PATH && evaluate(expression, evaluation).kind == VALUE_UNDEFINED) {
        append(out, (*count)++ > 0 ? ", no " : "; the payload has no ");
        append_path(expression, out);
    }
    for (size_t i = 0; i < expression->argument_count; i++)
        append_missing(expression->arguments[i], evaluation, count, out);
}

static void explain_where(const struct expression *where, struct evaluation *evaluation, struct buffer *out)
{
    struct value value = evaluate(where, evaluation);
    size_t count = 0;
    if (value.kind == VALUE_UNDEFINED) {
        append(out, "WHERE is Undefined");
        append_missing(where, evaluation, &count, out);
        return;
    }
    append(out, "WHERE is ");
    value_write(value, out);
    append(out, value.kind == VALUE_BOOLEAN ? "" : ", and only true selects a message");
}

void rule_explain(const struct rule *rule, struct rule_input *input, struct buffer *out_text)
{
    char fault[RULE_ERROR_BYTES];
    if (!rule_topic_matches(rule, input->message->topic)) {
        append(out_text, "the topic does not match '");
        buffer_append(out_text, rule->filter);
        append(out_text, "'");
        return;
    }
    enum rule_outcome outcome = rule_matches(rule, input);
    if (outcome == RULE_BAD_PAYLOAD) {
        rule_payload_fault(input, fault, sizeof fault);
        append(out_text, fault);
    } else if (outcome == RULE_NO_MATCH) {
        struct span json = rule->needs_json ? json_trim(input->message->payload) : SPAN_EMPTY;
        struct evaluation evaluation = {.message = input->message, .random = input->random, .json = json};
        explain_where(rule->where, &evaluation, out_text);
        arena_fini(&evaluation.arena);
    }
}
