/*
 * How often a payload is checked to be JSON, which is what costs: json_check is linked through a counter.
 * Paths are looked up in the payload as it is, so there is no other parsing.
 */
#include "route/json.h"
#include "route/rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

bool __real_json_check(struct span text, size_t *ret_fault_at);
bool __wrap_json_check(struct span text, size_t *ret_fault_at);

static size_t checks;

bool __wrap_json_check(struct span text, size_t *ret_fault_at)
{
    checks++;
    return __real_json_check(text, ret_fault_at);
}

static struct rule *parse(const char *sql)
{
    struct rule *rule = NULL;
    struct rule_error error = {0};
    if (rule_parse(span_from_string(sql), &rule, &error) != SLUICE_OK)
        fail_msg("%s: %u:%u: %s", sql, error.line, error.column, error.text);
    return rule;
}

static void run(const char *sql, struct rule_input *input)
{
    struct rule *rule = parse(sql);
    struct buffer out = {0};
    if (rule_matches(rule, input) == RULE_MATCH)
        rule_select(rule, input, &out);
    buffer_fini(&out);
    rule_free(rule);
}

static void a_rule_that_needs_only_the_message_checks_nothing(void **state)
{
    (void)state;
    struct message message = {.topic = SPAN_LITERAL("farm/7"), .payload = SPAN_LITERAL("{\"t\":1}")};
    struct rule_input input = rule_input_of(&message, (struct rule_random){0});
    checks = 0;
    run("SELECT topic(2) AS device, clientid() AS c FROM 'farm/+' WHERE topic(2) IN ['7', '8']", &input);
    run("SELECT encode(*, 'base64') AS image, timestamp() AS at FROM 'farm/+'", &input);
    run("SELECT {'device': topic(2), 'list': [1, 2]} AS event FROM 'farm/+' WHERE timestamp() % 2 = 0",
        &input);
    assert_int_equal(checks, 0);
}

static void several_rules_on_one_message_check_it_once(void **state)
{
    (void)state;
    static const char *const payloads[] = {"{\"t\":31}", "no JSON"};
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        struct message message = {.topic = SPAN_LITERAL("farm/7"), .payload = span_from_string(payloads[i])};
        struct rule_input input = rule_input_of(&message, (struct rule_random){0});
        checks = 0;
        run("SELECT topic(2) AS device FROM 'farm/+'", &input);
        assert_int_equal(checks, 0);
        run("SELECT * FROM 'farm/+'", &input);
        run("SELECT *, topic(2) AS device FROM 'farm/+' WHERE t > 30", &input);
        run("SELECT get(*, 't') AS t FROM 'farm/+'", &input);
        assert_int_equal(checks, 1);
    }
}

static void a_message_that_was_checked_before_is_not_again(void **state)
{
    (void)state;
    struct message message = {
        .topic = SPAN_LITERAL("farm/7"), .payload = SPAN_LITERAL("{\"t\":31}"), .payload_is_json = true};
    struct rule_input input = rule_input_of(&message, (struct rule_random){0});
    checks = 0;
    run("SELECT *, topic(2) AS device FROM 'farm/+' WHERE t > 30", &input);
    assert_int_equal(checks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_that_needs_only_the_message_checks_nothing),
        cmocka_unit_test(several_rules_on_one_message_check_it_once),
        cmocka_unit_test(a_message_that_was_checked_before_is_not_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
