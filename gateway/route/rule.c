#include "route/rule.h"

#include "base/json_write.h"
#include "base/memory.h"
#include "route/expression.h"
#include "route/json.h"
#include "wire/topic.h"

#include <stdio.h>

enum { SCRATCH_BYTES = 4096 }; /* of the stack, for the values of one evaluation */

void rule_free(struct rule *rule)
{
    if (!rule)
        return;
    for (const struct regex_link *link = rule->regexes; link; link = link->next)
        regex_free(link->regex);
    arena_fini(&rule->arena);
    memory_free(rule);
}

struct span rule_filter(const struct rule *rule)
{
    return rule->filter;
}

bool rule_topic_matches(const struct rule *rule, struct span topic)
{
    return span_starts_with(topic, rule->filter_prefix) && topic_matches(rule->filter, topic);
}

void rule_take_bytes(struct rule *rule)
{
    if (rule->selects_all && rule->item_count == 0 && !rule->where)
        rule->needs_json = false;
}

static bool payload_is_json(struct rule_input *input)
{
    if (input->payload == RULE_PAYLOAD_UNCHECKED)
        input->payload =
            json_check(input->message->payload, &input->fault_at) ? RULE_PAYLOAD_JSON : RULE_PAYLOAD_NOT_JSON;
    return input->payload == RULE_PAYLOAD_JSON;
}

/* Whether the payload is what the rule needs; *ret_json is then what paths look into. */
static bool payload_usable(const struct rule *rule, struct rule_input *input, struct span *ret_json)
{
    *ret_json = SPAN_EMPTY;
    if (!rule->needs_json)
        return true;
    if (!payload_is_json(input))
        return false;
    *ret_json = json_trim(input->message->payload);
    return !rule->selects_all || rule->item_count == 0 || ret_json->data[0] == '{';
}

static bool where_holds(const struct rule *rule, struct evaluation *evaluation)
{
    bool holds;
    return !rule->where || (value_to_boolean(evaluate(rule->where, evaluation), &holds) && holds);
}

enum rule_outcome rule_matches(const struct rule *rule, struct rule_input *input)
{
    struct span json;
    if (!payload_usable(rule, input, &json))
        return RULE_BAD_PAYLOAD;
    uint8_t scratch[SCRATCH_BYTES];
    struct evaluation evaluation = {input->message, input->random, json, arena_of(scratch, sizeof scratch)};
    bool holds = where_holds(rule, &evaluation);
    arena_fini(&evaluation.arena);
    return holds ? RULE_MATCH : RULE_NO_MATCH;
}

static void begin_member(struct buffer *out, size_t start)
{
    if (buffer_len(out) > start + 1)
        buffer_append(out, SPAN_LITERAL(","));
}

/* Whether one of the selected items, which are not Undefined, has the key's name. */
static bool is_replaced(const struct rule *rule, const struct value *values, struct span key,
                        struct arena *arena)
{
    struct span name = json_unescape(key, arena);
    for (size_t i = 0; i < rule->item_count; i++)
        if (values[i].kind != VALUE_UNDEFINED && span_equal(rule->items[i].name, name))
            return true;
    return false;
}

/* The payload's own members as they are, but for those that an item replaces. */
static void write_members(const struct rule *rule, const struct value *values, struct evaluation *evaluation,
                          struct buffer *out, size_t start)
{
    struct json_walk walk = json_walk_of(evaluation->json);
    struct span key, value;
    while (json_next(&walk, &key, &value)) {
        if (is_replaced(rule, values, key, &evaluation->arena))
            continue;
        begin_member(out, start);
        buffer_append(out, key);
        buffer_append(out, SPAN_LITERAL(":"));
        buffer_append(out, value);
    }
}

static void write_object(const struct rule *rule, struct evaluation *evaluation, struct buffer *out)
{
    size_t start = buffer_len(out);
    struct value *values = arena_take(&evaluation->arena, rule->item_count * sizeof *values);
    for (size_t i = 0; i < rule->item_count; i++)
        values[i] = evaluate(rule->items[i].expression, evaluation);
    buffer_append(out, SPAN_LITERAL("{"));
    if (rule->selects_all)
        write_members(rule, values, evaluation, out, start);
    for (size_t i = 0; i < rule->item_count; i++) {
        if (values[i].kind == VALUE_UNDEFINED)
            continue;
        begin_member(out, start);
        json_write_string(out, rule->items[i].name);
        buffer_append(out, SPAN_LITERAL(":"));
        value_write(values[i], out);
    }
    buffer_append(out, SPAN_LITERAL("}"));
}

enum rule_outcome rule_select(const struct rule *rule, struct rule_input *input, struct buffer *out_json)
{
    struct span json;
    if (!payload_usable(rule, input, &json))
        return RULE_BAD_PAYLOAD;
    if (rule->selects_all && rule->item_count == 0) {
        buffer_append(out_json, input->message->payload);
        return RULE_MATCH;
    }
    uint8_t scratch[SCRATCH_BYTES];
    struct evaluation evaluation = {input->message, input->random, json, arena_of(scratch, sizeof scratch)};
    write_object(rule, &evaluation, out_json);
    arena_fini(&evaluation.arena);
    return RULE_MATCH;
}

void rule_payload_fault(const struct rule_input *input, char *text, size_t text_bytes)
{
    size_t len = input->message->payload.len;
    if (input->payload == RULE_PAYLOAD_JSON)
        snprintf(text, text_bytes, "the payload is JSON but no object, and the rule adds members to it");
    else if (len == 0)
        snprintf(text, text_bytes, "the payload is empty, and the rule needs JSON");
    else
        snprintf(text, text_bytes, "the payload is not JSON: it is malformed at byte %zu of %zu",
                 input->fault_at + 1, len);
}
