/*
 * Rules over arbitrary SQL and payloads: what comes before the first 0 byte is
 * the SQL, what is behind it the payload. Whatever a rule selects from JSON must
 * be JSON again, and a reply template must give a Topic Name or nothing.
 */
#include "route/json.h"
#include "route/reply.h"
#include "route/rule.h"
#include "wire/topic.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void select_is_json(const struct rule *rule, struct span payload)
{
    struct message message = {.topic = SPAN_LITERAL("farm/7/telemetry"), .payload = payload};
    struct rule_input input = rule_input_of(&message, (struct rule_random){0});
    struct buffer out = {0};
    enum rule_outcome matches = rule_matches(rule, &input);
    enum rule_outcome selected = rule_select(rule, &input, &out);
    size_t fault_at;
    assert((matches == RULE_BAD_PAYLOAD) == (selected == RULE_BAD_PAYLOAD));
    assert(selected == RULE_BAD_PAYLOAD || json_check(buffer_span(&out), &fault_at));
    buffer_fini(&out);
}

static void reply_is_topic(struct span reply_template, struct span event)
{
    struct buffer out = {0};
    bool valid = !reply_template_fault(reply_template);
    if (valid && reply_topic(reply_template, event, SPAN_LITERAL("pi-7"), &out) == SLUICE_OK)
        assert(topic_name_valid(buffer_span(&out)));
    buffer_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
    size_t sql_len = end ? (size_t)(end - data) : size;
    struct span sql = {data, sql_len}, payload = span_skip(span_of(data, size), end ? sql_len + 1 : size);
    struct rule *rule;
    struct rule_error error;
    if (rule_parse(sql, &rule, &error) == SLUICE_OK) {
        select_is_json(rule, payload);
        rule_free(rule);
    } else {
        assert(error.line > 0 && error.column > 0 && error.text[0]);
    }
    reply_is_topic(sql, payload);
    return 0;
}
