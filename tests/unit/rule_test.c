/* Rules, sets of rules and reply topics, but for what expressions compute: that is sql_cases_test.c. */
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
        struct rule_input input = rule_input_of(&message, (struct rule_random){0});
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

static void what_keeps_a_message_from_a_rule_is_explained(void **state)
{
    (void)state;
    static const struct {
        const char *where, *payload, *says; /* "": nothing does */
    } rows[] = {
        {"t > 30", "{\"t\":31}", ""},
        {"t > 30", "{\"t\":30}", "WHERE is false"},
        {"t > 30", "{}", "WHERE is Undefined; the payload has no t"},
        {"a.b = 1 AND c IN [d]", "{\"c\":1}", "WHERE is Undefined; the payload has no a.b, no d"},
        {"'x' * 2 > 1", "", "WHERE is Undefined"},
        {"t + 1", "{\"t\":1}", "WHERE is 2, and only true selects a message"},
        {"t", "{\"t\":null}", "WHERE is null, and only true selects a message"},
        {"t > 30", "x", "the payload is not JSON: it is malformed at byte 1 of 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT 1 AS one FROM 'farm/+' WHERE %s", rows[i].where);
        struct rule *rule = parse(sql);
        struct message message = message_with("farm/7", rows[i].payload);
        struct rule_input input = rule_input_of(&message, (struct rule_random){0});
        struct buffer out = {0};
        rule_explain(rule, &input, &out);
        if (!span_equal(buffer_span(&out), span_from_string(rows[i].says)))
            fail_msg("%s of %s: %.*s", rows[i].where, rows[i].payload, (int)buffer_len(&out),
                     (const char *)buffer_span(&out).data);
        buffer_fini(&out);
        rule_free(rule);
    }
}

static void a_message_of_no_client_is_said_to_be_so(void **state)
{
    (void)state;
    struct rule *rule = parse("SELECT clientid() AS c, principal() AS p, newuuid() AS u FROM 'a'");
    struct message message = {.topic = SPAN_LITERAL("a")};
    struct rule_input input = rule_input_of(&message, (struct rule_random){0});
    struct buffer out = {0};
    assert_int_equal(rule_select(rule, &input, &out), RULE_MATCH);
    assert_true(span_equal(buffer_span(&out), SPAN_LITERAL("{\"c\":\"n/a\"}")));
    buffer_fini(&out);
    rule_free(rule);
}

static void events_are_appended_behind_each_other(void **state)
{
    (void)state;
    struct rule *rule = parse("SELECT *, 1 AS one FROM 'a'");
    struct message message = message_with("a", "{\"t\":2}");
    struct rule_input input = rule_input_of(&message, (struct rule_random){0});
    struct buffer out = {0};
    rule_select(rule, &input, &out);
    rule_select(rule, &input, &out);
    assert_true(span_equal(buffer_span(&out), SPAN_LITERAL("{\"t\":2,\"one\":1}{\"t\":2,\"one\":1}")));
    buffer_fini(&out);
    rule_free(rule);
}

static const struct {
    const char *topic, *found; /* the numbers of the filters, in their order */
} searches[] = {{"farm/7/telemetry", "012346"},
                {"farm/8/telemetry", "0126"},
                {"farm", "026"},
                {"farms", "0"},
                {"farm/7/other", "0246"},
                {"$sys/x", "5"},
                {"$sys", "5"}};

static void check_searches(struct rule_set *set, struct rule **rules, size_t count)
{
    for (size_t i = 0; i < sizeof searches / sizeof searches[0]; i++) {
        const struct rule_entry *const *entries;
        size_t found_count = rule_set_find(set, span_from_string(searches[i].topic), &entries);
        char found[64] = "";
        for (size_t rule = 0; rule < count; rule++)
            for (size_t j = 0; j < found_count; j++)
                if (entries[j]->rule == rules[rule] && entries[j]->user == &rules[rule])
                    snprintf(found + strlen(found), sizeof found - strlen(found), "%zu", rule);
        assert_string_equal(found, searches[i].found);
        assert_int_equal(found_count, strlen(searches[i].found));
    }
}

/* As a list, and as the tree that it becomes by many other rules. */
static void a_set_finds_the_rules_of_a_topic(void **state)
{
    (void)state;
    static const char *const filters[] = {"#",     "farm/+/telemetry", "farm/#", "farm/7/telemetry",
                                          "+/7/+", "$sys/#",           "farm/#"};
    enum { FILTERS = sizeof filters / sizeof filters[0] };
    struct rule *rules[FILTERS + RULE_SET_LIST_MAX];
    struct rule_set set = {0};
    for (size_t i = 0; i < FILTERS + RULE_SET_LIST_MAX; i++) {
        char sql[128];
        const char *filter = i < FILTERS ? filters[i] : "elsewhere/+";
        snprintf(sql, sizeof sql, "SELECT * FROM '%s'", filter);
        rules[i] = parse(sql);
        assert_true(span_equal(rule_filter(rules[i]), span_from_string(filter)));
        rule_set_add(&set, rules[i], &rules[i]);
        if (i + 1 == FILTERS)
            check_searches(&set, rules, FILTERS);
    }
    check_searches(&set, rules, FILTERS);
    rule_set_fini(&set);
    for (size_t i = 0; i < FILTERS + RULE_SET_LIST_MAX; i++)
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

static void a_message_is_passed_on_under_its_topic(void **state)
{
    (void)state;
    static const struct {
        const char *template, *event, *topic; /* NULL: none */
    } rows[] = {
        {"${topic}", "not json", "farm/7/t"},
        {"site1/${topic}", "{\"topic\":\"x\"}", "site1/farm/7/t"},
        {"${topic}/${a}/%c", "{\"a\":1}", "farm/7/t/1/pi-7"},
        {"${topic.a}", "{\"topic\":{\"a\":2}}", "2"},
        {"${a}", "{\"a\":\"x/y\"}", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer out = {0};
        enum sluice_error error =
            reply_topic_from(span_from_string(rows[i].template), SPAN_LITERAL("farm/7/t"),
                             span_from_string(rows[i].event), SPAN_LITERAL("pi-7"), &out);
        assert_int_equal(error, rows[i].topic ? SLUICE_OK : SLUICE_INVALID);
        assert_true(span_equal(buffer_span(&out), span_from_string(rows[i].topic)));
        buffer_fini(&out);
    }
}

static void a_rule_that_takes_bytes_gives_any_payload(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        enum rule_outcome outcome;
    } rows[] = {
        {"SELECT * FROM 'a'", RULE_MATCH},
        {"SELECT * FROM 'a' WHERE b = 1", RULE_BAD_PAYLOAD},
        {"SELECT b FROM 'a'", RULE_BAD_PAYLOAD},
        {"SELECT *, 1 AS c FROM 'a'", RULE_BAD_PAYLOAD},
    };
    const struct message message = {.topic = SPAN_LITERAL("a"), .payload = SPAN_LITERAL("\xff\0 no JSON")};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rule *rule;
        struct rule_error error;
        struct buffer out = {0};
        assert_int_equal(rule_parse(span_from_string(rows[i].sql), &rule, &error), SLUICE_OK);
        rule_take_bytes(rule);
        struct rule_input input = rule_input_of(&message, (struct rule_random){0});
        assert_int_equal(rule_matches(rule, &input), rows[i].outcome);
        assert_int_equal(rule_select(rule, &input, &out), rows[i].outcome);
        assert_true(
            span_equal(buffer_span(&out), rows[i].outcome == RULE_MATCH ? message.payload : SPAN_EMPTY));
        buffer_fini(&out);
        rule_free(rule);
    }
}

/* As for partition keys: values keep their levels. */
static void a_text_is_filled_with_values_as_they_are(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct span template = SPAN_LITERAL("${a}-%c-${b.c}");
    assert_int_equal(
        reply_text(template, SPAN_LITERAL("{\"a\":\"x/+\",\"b\":{\"c\":7}}"), SPAN_LITERAL(""), &out),
        SLUICE_OK);
    assert_true(span_equal(buffer_span(&out), SPAN_LITERAL("x/+--7")));
    assert_int_equal(reply_text(template, SPAN_LITERAL("{\"a\":1}"), SPAN_LITERAL("c"), &out),
                     SLUICE_INVALID);
    assert_true(span_equal(buffer_span(&out), SPAN_LITERAL("x/+--7"))); /* nothing is appended */
    buffer_fini(&out);
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
        cmocka_unit_test(a_bad_payload_is_explained),
        cmocka_unit_test(what_keeps_a_message_from_a_rule_is_explained),
        cmocka_unit_test(a_message_of_no_client_is_said_to_be_so),
        cmocka_unit_test(events_are_appended_behind_each_other),
        cmocka_unit_test(a_set_finds_the_rules_of_a_topic),
        cmocka_unit_test(a_reply_topic_is_filled_from_the_event),
        cmocka_unit_test(a_message_is_passed_on_under_its_topic),
        cmocka_unit_test(a_rule_that_takes_bytes_gives_any_payload),
        cmocka_unit_test(a_text_is_filled_with_values_as_they_are),
        cmocka_unit_test(a_malformed_reply_template_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
