/*
 * Rules over arbitrary SQL and payloads: what comes before the first 0 byte is
 * the SQL, what is behind it the payload; and rules with all that reads a payload
 * over the whole input. Whatever a rule selects from JSON must be JSON again, and
 * a reply template must give a Topic Name or nothing.
 */
#include "route/json.h"
#include "route/reply.h"
#include "route/rule.h"
#include "wire/topic.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* So that payloads are explored also where the SQL of the input is none. */
static const char *const fixed_rules[] = {
    "SELECT *, a = b AS eq, a IN b AS isin, b <> [a, {'c': b}] AS ne FROM '#'",
    "SELECT decode(a, 'base64') AS d, decode(a, 'base64').b AS e, encode(a, 'base64') AS f FROM '#'",
    "SELECT regexp_matches(a, '^(x+)+$') AS lit, regexp_matches(a, b) AS dyn FROM '#'",
    "SELECT cast(a AS Int) AS i, cast(a AS Decimal) AS d, cast(a AS Bool) AS b FROM '#'",
    "SELECT cast(a AS String) AS s, cast(cast(a AS Text) AS Int) AS i FROM '#'",
    "SELECT get(a, b) AS g, get(*, b) AS h, substring(a, b) AS s, trunc(a, b) AS t, a + b AS p FROM '#'",
    "SELECT concat(a, b, [a], {'k': b}) AS c, upper(a) AS u, round(a) AS r, {'x': [a, b]} AS o FROM '#'",
    "SELECT encode(*, 'base64') AS all FROM '#'",
};

static uint32_t no_chance(void *ctx)
{
    (void)ctx;
    return 0;
}

static void select_is_json(const struct rule *rule, struct span payload)
{
    struct message message = {.topic = SPAN_LITERAL("farm/7/telemetry"), .payload = payload};
    struct rule_input input = rule_input_of(&message, (struct rule_random){no_chance, NULL});
    struct buffer out = {0};
    enum rule_outcome matches = rule_matches(rule, &input);
    enum rule_outcome selected = rule_select(rule, &input, &out);
    size_t fault_at;
    assert((matches == RULE_BAD_PAYLOAD) == (selected == RULE_BAD_PAYLOAD));
    assert(selected == RULE_BAD_PAYLOAD || json_check(buffer_span(&out), &fault_at));
    buffer_consume(&out, buffer_len(&out));
    rule_explain(rule, &input, &out);
    assert(!rule_topic_matches(rule, message.topic) || (matches == RULE_MATCH) == (buffer_len(&out) == 0));
    buffer_fini(&out);
}

static void try_sql(struct span sql, struct span payload)
{
    struct rule *rule;
    struct rule_error error;
    if (rule_parse(sql, &rule, &error) == SLUICE_OK) {
        select_is_json(rule, payload);
        rule_free(rule);
    } else {
        assert(error.line > 0 && error.column > 0 && error.text[0]);
    }
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
    try_sql(sql, payload);
    for (size_t i = 0; i < sizeof fixed_rules / sizeof fixed_rules[0]; i++)
        try_sql(span_from_string(fixed_rules[i]), span_of(data, size));
    reply_is_topic(sql, payload);
    return 0;
}
