/* What rules make of messages: AWS IoT SQL's semantics, row by row. */
#include "route/reply.h"
#include "route/rule.h"
#include "route/rule_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct message message_with(const char *topic, const char *payload)
{
    return (struct message){.received_ms = 1763632800123,
                            .topic = span_from_string(topic),
                            .payload = span_from_string(payload),
                            .client_id = SPAN_LITERAL("pi-7"),
                            .principal = SPAN_LITERAL("9f86d0")};
}

static struct rule *parse(const char *sql)
{
    struct rule *rule = NULL;
    struct rule_error error = {0};
    if (rule_parse(span_from_string(sql), &rule, &error) != SLUICE_OK)
        fail_msg("%s: %u:%u: %s", sql, error.line, error.column, error.text);
    return rule;
}

/* What a rule makes of a payload on topic farm/7/telemetry, as text. */
static void run(const char *sql, const char *payload, char *text, size_t text_bytes)
{
    struct rule *rule = parse(sql);
    struct message message = message_with("farm/7/telemetry", payload);
    struct rule_input input = rule_input_of(&message);
    struct buffer out = {0};
    enum rule_outcome outcome = rule_matches(rule, &input);
    if (outcome == RULE_MATCH)
        outcome = rule_select(rule, &input, &out);
    if (outcome == RULE_MATCH)
        snprintf(text, text_bytes, "%.*s", (int)buffer_len(&out), (const char *)buffer_span(&out).data);
    else
        snprintf(text, text_bytes, outcome == RULE_NO_MATCH ? "no match" : "bad payload");
    buffer_fini(&out);
    rule_free(rule);
}

static void select_gives_what_aws_gives(void **state)
{
    (void)state;
    static const struct {
        const char *select, *payload, *event;
    } rows[] = {
        {"*", "{\"t\": 21.50, \"id\":9223372036854775807 }", "{\"t\": 21.50, \"id\":9223372036854775807 }"},
        {"*", "[1, 2]", "[1, 2]"},
        {"*", "{\"t\":1", "bad payload"},
        {"*", "", "bad payload"},
        {"*, topic(2) AS device", "{\"t\": 21.50}", "{\"t\":21.50,\"device\":\"7\"}"},
        {"*, topic(2) AS device", "{}", "{\"device\":\"7\"}"},
        {"*, topic(2) AS t", "{\"a\":1,\"t\":2,\"b\":3}", "{\"a\":1,\"b\":3,\"t\":\"7\"}"},
        {"*, topic(2) AS t", "{\"\\u0074\":2,\"b\":3}", "{\"b\":3,\"t\":\"7\"}"},
        {"*, missing AS t", "{\"t\":2}", "{\"t\":2}"},
        {"*, topic(2) AS device", "[1]", "bad payload"},
        {"t", "{\"t\":1.10,\"u\":2}", "{\"t\":1.10}"},
        {"a.b.c", "{\"a\":{\"b\":{\"c\":[1, {\"d\":2}]}}}", "{\"c\":[1, {\"d\":2}]}"},
        {"a.b AS x, missing, a.b.c", "{\"a\":{\"b\":\"s\"}}", "{\"x\":\"s\"}"},
        {"n", "{\"n\":null}", "{\"n\":null}"},
        {"cpu_busy, _x", "{\"cpu_busy\":1,\"_x\":2}", "{\"cpu_busy\":1,\"_x\":2}"},
        {"t", "{\"t\":123456789012345678901}", "{\"t\":123456789012345678901}"},
        {"t", "{\"t\":1e999}", "{\"t\":1e999}"},
        {"s", "{\"s\":\"a\\u0000\\\"\\ud83d\\ude00\"}", "{\"s\":\"a\\u0000\\\"\xf0\x9f\x98\x80\"}"},
        {"topic() AS t, clientid() AS c, principal() AS p, timestamp() AS at", "not json",
         "{\"t\":\"farm/7/telemetry\",\"c\":\"pi-7\",\"p\":\"9f86d0\",\"at\":1763632800123}"},
        {"topic(0) AS a, topic(3) AS b, topic(4) AS c, topic('2') AS d", "",
         "{\"b\":\"telemetry\",\"d\":\"7\"}"},
        {"encode(*, 'base64') AS a", "\xff\xd8", "{\"a\":\"/9g=\"}"},
        {"encode(*, 'base64') AS a", "", "{\"a\":\"\"}"},
        {"encode(*, 'hex') AS a", "x", "{}"},
        {"encode(t, 'base64') AS a", "{\"t\":\"any carnal\"}", "{\"a\":\"YW55IGNhcm5hbA==\"}"},
        {"get(*, 'a-b') AS x, get(l, 1) AS y, get(l, 2) AS z, get(t, 0) AS w",
         "{\"a-b\":1,\"l\":[1,\"two\"],\"t\":5}", "{\"x\":1,\"y\":\"two\"}"},
        {"'it''s' AS a, \"x\" AS b, true AS c, null AS d, -5 AS e, 2.50 AS f, 007 AS g", "",
         "{\"a\":\"it's\",\"b\":\"x\",\"c\":true,\"d\":null,\"e\":-5,\"f\":2.5,\"g\":7}"},
        {"CASE t WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'many' END AS a", "{\"t\":2}", "{\"a\":\"two\"}"},
        {"CASE t WHEN 1 THEN 'one' ELSE 'many' END AS a", "{\"t\":\"1\"}", "{\"a\":\"many\"}"},
        {"CASE t WHEN 1 THEN 'one' END AS a", "{\"t\":2}", "{}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char sql[512], text[512];
        snprintf(sql, sizeof sql, "SELECT %s FROM 'farm/#'", rows[i].select);
        run(sql, rows[i].payload, text, sizeof text);
        if (strcmp(text, rows[i].event) != 0)
            fail_msg("%s of %s\n  gives %s", sql, rows[i].payload, text);
    }
}

static void expressions_compute_as_aws_documents(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *result; /* NULL: Undefined */
    } rows[] = {
        {"1 + 2 * 3", "7"},
        {"(1 + 2) * 3", "9"},
        {"10 - 2 - 3", "5"},
        {"0 - -3", "3"},
        {"0.1 + 0.2", "0.30000000000000004"},
        {"7 / 2", "3"},
        {"-7 / 2", "-3"},
        {"7.0 / 2", "3.5"},
        {"seven / 2", "3.5"}, /* written 7.0 in the payload, so no Int */
        {"one / 2", "0"},
        {"7 % 4", "3"},
        {"1 / 0", NULL},
        {"1 % 0", NULL},
        {"1e308 * 10", NULL},
        {"huge + 1", NULL},
        {"'3' * '4'", "12"},
        {"'3' + 4", "\"34\""},
        {"4 + ' apples'", "\"4 apples\""},
        {"'x' * 2", NULL},
        {"true + 1", NULL},
        {"missing + 1", NULL},
        {"missing + 'x'", NULL},
        {"null + 1", NULL},
        {"-'5'", "-5"},
        {"-'x'", NULL},
        {"1 = 1.0", "true"},
        {"1 = '1'", "false"},
        {"1 <> '1'", "true"},
        {"'a' = 'a'", "true"},
        {"'a' = 'A'", "false"},
        {"true = true", "true"},
        {"true = 'true'", "false"},
        {"null = null", "true"},
        {"null <> null", "false"},
        {"null = 0", "false"},
        {"missing = missing", NULL},
        {"missing <> 1", NULL},
        {"list = list", NULL},
        {"list = 1", "false"},
        {"'10' > 9", "true"},
        {"'10' > '9'", "true"},
        {"'abc' < 'abd'", NULL},
        {"true > false", NULL},
        {"missing > 1", NULL},
        {"2 >= 2", "true"},
        {"2 <= 1", "false"},
        {"true AND 'TRUE'", "true"},
        {"true AND false", "false"},
        {"false OR 'true'", "true"},
        {"true OR missing", NULL},
        {"false AND missing", NULL},
        {"true AND 1", NULL},
        {"NOT 'false'", "true"},
        {"NOT missing", NULL},
        {"NOT 1 = 2", "true"},
        {"1 = 1 AND 2 = 2 OR missing", NULL},
        {"false AND false OR true", "true"},
        {"true OR false AND false", "true"},
        {"abs(-5)", "5"},
        {"abs('-5.125')", "5.125"},
        {"abs(true)", NULL},
        {"ceil(1.2)", "2"},
        {"ceil(-1.2)", "-1"},
        {"floor(-1.2)", "-2"},
        {"round(1.5)", "2"},
        {"round(-1.5)", "-2"},
        {"round(1.2)", "1"},
        {"trunc(2.888, 2)", "2.88"},
        {"trunc(0.29, 2)", "0.29"},
        {"trunc(-2.3, 0)", "-2"},
        {"trunc('2.39', 1)", "2.3"},
        {"trunc(1e-7, 3)", "0"},
        {"trunc(5, 2)", "5"},
        {"trunc('007', 2)", "7"},
        {"trunc(1.5, 35)", NULL},
        {"lower('AbC-\xc3\x84')", "\"abc-\xc3\x84\""},
        {"upper(true)", "\"TRUE\""},
        {"lower(null)", NULL},
        {"concat()", NULL},
        {"concat(list)", "[1,2]"},
        {"concat('he', 'is', 'man')", "\"heisman\""},
        {"concat(1, 'hello')", "\"1hello\""},
        {"concat(one, 2)", "\"12\""},
        {"concat(list, 3, 'x', list)", "[1,2,3,\"x\",1,2]"},
        {"concat('a', missing)", NULL},
        {"substring('012345', 0)", "\"012345\""},
        {"substring('012345', 2.745)", "\"2345\""},
        {"substring('012345', -50, 50)", "\"012345\""},
        {"substring('012345', 1, 3)", "\"12\""},
        {"substring('012345', 3, 1)", "\"\""},
        {"substring(123, 2)", "\"3\""},
        {"substring(true, 1.2)", "\"rue\""},
        {"substring('\xc3\xa4\xc3\xb6\xc3\xbc', 1, 2)", "\"\xc3\xb6\""},
        {"substring('a', 'x')", NULL},
        {"startswith('ranger', 'ran')", "true"},
        {"startswith('ranger', 'random')", "false"},
        {"startswith(12, 1)", "true"},
        {"startswith(missing, 'a')", NULL},
        {"endswith('cat', 'at')", "true"},
        {"endswith('at', 'cat')", "false"},
        {"isUndefined(missing)", "true"},
        {"isUndefined(nothing)", "false"},
        {"isundefined(missing.more)", "true"},
        {"isNull(nothing)", "true"},
        {"isNull(missing)", "false"},
        {"get(list, -1)", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char sql[256], wanted[256], text[256];
        snprintf(sql, sizeof sql, "SELECT %s AS r FROM 'farm/#'", rows[i].expression);
        snprintf(wanted, sizeof wanted, rows[i].result ? "{\"r\":%s}" : "{}", rows[i].result);
        run(sql, "{\"seven\":7.0,\"one\":1,\"list\":[1,2],\"nothing\":null,\"huge\":1e999}", text,
            sizeof text);
        if (strcmp(text, wanted) != 0)
            fail_msg("%s\n  gives %s, not %s", rows[i].expression, text, wanted);
    }
}

static void where_decides(void **state)
{
    (void)state;
    static const struct {
        const char *where, *payload;
        enum rule_outcome outcome;
    } rows[] = {
        {"temperature > 30", "{\"temperature\":31}", RULE_MATCH},
        {"temperature > 30", "{\"temperature\":30}", RULE_NO_MATCH},
        {"temperature > 30", "{\"temperature\":\"31\"}", RULE_MATCH},
        {"temperature > 30", "{}", RULE_NO_MATCH},
        {"temperature > 30", "31", RULE_NO_MATCH},
        {"temperature > 30", "<xml/>", RULE_BAD_PAYLOAD},
        {"topic(2) = '7'", "<xml/>", RULE_MATCH},
        {"topic(2) = '8'", "<xml/>", RULE_NO_MATCH},
        {"renamed = 1", "{\"a\":1}", RULE_NO_MATCH}, /* WHERE does not see aliases */
        {"flag", "{\"flag\":true}", RULE_MATCH},
        {"flag", "{\"flag\":\"True\"}", RULE_MATCH},
        {"flag", "{\"flag\":1}", RULE_NO_MATCH},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char sql[256];
        snprintf(sql, sizeof sql, "SELECT 1 AS renamed FROM 'farm/#' WHERE %s", rows[i].where);
        struct rule *rule = parse(sql);
        struct message message = message_with("farm/7/telemetry", rows[i].payload);
        struct rule_input input = rule_input_of(&message);
        if (rule_matches(rule, &input) != rows[i].outcome)
            fail_msg("%s of %s", rows[i].where, rows[i].payload);
        rule_free(rule);
    }
}

static void a_bad_payload_is_explained(void **state)
{
    (void)state;
    static const struct {
        const char *payload, *says;
    } rows[] = {{"", "the payload is empty"},
                {"{\"a\":01}", "malformed at byte 7 of 8"},
                {"[1]", "is JSON but no object"}};
    struct rule *rule = parse("SELECT *, 1 AS one FROM 'a'");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message message = message_with("a", rows[i].payload);
        struct rule_input input = rule_input_of(&message);
        struct buffer out = {0};
        assert_int_equal(rule_select(rule, &input, &out), RULE_BAD_PAYLOAD);
        assert_int_equal(buffer_len(&out), 0);
        char text[128];
        rule_payload_fault(&input, text, sizeof text);
        if (!strstr(text, rows[i].says))
            fail_msg("%s: %s", rows[i].payload, text);
    }
    rule_free(rule);
}

static void what_is_unknown_of_the_publisher_is_undefined(void **state)
{
    (void)state;
    struct rule *rule = parse("SELECT clientid() AS c, principal() AS p FROM 'a'");
    struct message message = {.topic = SPAN_LITERAL("a")};
    struct rule_input input = rule_input_of(&message);
    struct buffer out = {0};
    assert_int_equal(rule_select(rule, &input, &out), RULE_MATCH);
    assert_true(span_equal(buffer_span(&out), SPAN_LITERAL("{}")));
    buffer_fini(&out);
    rule_free(rule);
}

static void events_are_appended_behind_each_other(void **state)
{
    (void)state;
    struct rule *rule = parse("SELECT *, 1 AS one FROM 'a'");
    struct message message = message_with("a", "{\"t\":2}");
    struct rule_input input = rule_input_of(&message);
    struct buffer out = {0};
    rule_select(rule, &input, &out);
    rule_select(rule, &input, &out);
    assert_true(span_equal(buffer_span(&out), SPAN_LITERAL("{\"t\":2,\"one\":1}{\"t\":2,\"one\":1}")));
    buffer_fini(&out);
    rule_free(rule);
}

static void a_set_finds_its_rules_in_order(void **state)
{
    (void)state;
    static const char *const filters[] = {"#",     "farm/+/telemetry", "farm/#", "farm/7/telemetry", "+/7/+",
                                          "$sys/#"};
    static const struct {
        const char *topic, *found;
    } rows[] = {{"farm/7/telemetry", "01234"},
                {"farm/8/telemetry", "012"},
                {"farm", "02"},
                {"farms", "0"},
                {"farm/7/other", "024"},
                {"$sys/x", "5"},
                {"$sys", "5"}};
    struct rule *rules[sizeof filters / sizeof filters[0]];
    struct rule_set set = {0};
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT * FROM '%s'", filters[i]);
        rules[i] = parse(sql);
        assert_true(span_equal(rule_filter(rules[i]), span_from_string(filters[i])));
        rule_set_add(&set, rules[i], &rules[i]);
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char found[64] = "";
        size_t cursor = 0;
        const struct rule_entry *entry;
        while ((entry = rule_set_next(&set, span_from_string(rows[i].topic), &cursor)))
            snprintf(found + strlen(found), sizeof found - strlen(found), "%td",
                     (struct rule **)entry->user - rules);
        assert_string_equal(found, rows[i].found);
    }
    rule_set_fini(&set);
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++)
        rule_free(rules[i]);
}

static void a_reply_topic_is_filled_from_the_event(void **state)
{
    (void)state;
    static const struct {
        const char *template, *event, *topic; /* NULL: none */
    } rows[] = {
        {"farm/${device}/alerts", "{\"device\":\"7\"}", "farm/7/alerts"},
        {"farm/${device.id}/%c", " {\"device\":{\"id\":12}}", "farm/12/pi-7"},
        {"${a}${b}", "{\"a\":\"x\",\"b\":1.50}", "x1.50"},
        {"farm/%c", "not json", "farm/pi-7"},
        {"100%/$x", "{}", "100%/$x"},
        {"farm/${device}", "{}", NULL},
        {"farm/${device}", "not json", NULL},
        {"farm/${device}", "{\"device\":\"\"}", NULL},
        {"farm/${device}", "{\"device\":true}", NULL},
        {"farm/${device}", "{\"device\":{\"id\":1}}", NULL},
        {"farm/${device}", "{\"device\":\"a/b\"}", NULL},
        {"farm/${device}", "{\"device\":\"#\"}", NULL},
        {"farm/${device}", "{\"device\":\"a+\"}", NULL},
        {"farm/${device}", "{\"device\":\"a\\u0000\"}", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer out = {0};
        struct span template = span_from_string(rows[i].template);
        assert_null(reply_template_fault(template));
        enum sluice_error error =
            reply_topic(template, span_from_string(rows[i].event), SPAN_LITERAL("pi-7"), &out);
        assert_int_equal(error, rows[i].topic ? SLUICE_OK : SLUICE_INVALID);
        assert_true(span_equal(buffer_span(&out), span_from_string(rows[i].topic)));
        buffer_fini(&out);
    }
}

static void a_malformed_reply_template_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"",      "a/+/b",   "a/#",     "a/${b",
                                       "a/${}", "a/${b.}", "a/${.b}", "a/${b..c}"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!reply_template_fault(span_from_string(rows[i])))
            fail_msg("%s", rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(select_gives_what_aws_gives),
        cmocka_unit_test(expressions_compute_as_aws_documents),
        cmocka_unit_test(where_decides),
        cmocka_unit_test(a_bad_payload_is_explained),
        cmocka_unit_test(what_is_unknown_of_the_publisher_is_undefined),
        cmocka_unit_test(events_are_appended_behind_each_other),
        cmocka_unit_test(a_set_finds_its_rules_in_order),
        cmocka_unit_test(a_reply_topic_is_filled_from_the_event),
        cmocka_unit_test(a_malformed_reply_template_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
