/* The example function `threshold`, as built. */
#include "handler_fixture.h"

static const struct {
    const char *event;
    const char *result;
} steps[] = {
    {"{\"device\":\"a\",\"temperature\":29.9}", ""},
    {"{\"device\":\"a\",\"temperature\":30}", ""}, /* over means over */
    {"{\"device\":\"a\",\"temperature\":30.5}",
     "{\"device\":\"a\",\"channel\":\"temperature\",\"value\":30.5,\"state\":\"high\"}"},
    {"{\"device\":\"a\",\"temperature\":35}", ""},
    {"{\"device\":\"a\",\"temperature\":28}", ""}, /* in between: still high */
    {"{\"device\":\"b\",\"temperature\":31}",
     "{\"device\":\"b\",\"channel\":\"temperature\",\"value\":31,\"state\":\"high\"}"},
    {"{\"device\":\"a\",\"temperature\":24.9}",
     "{\"device\":\"a\",\"channel\":\"temperature\",\"value\":24.9,\"state\":\"normal\"}"},
    {"{\"device\":\"a\",\"temperature\":28}", ""}, /* in between: still normal */
    {"{\"device\":\"b\",\"temperature\":32}", ""},
    {"{\"device\":\"a\",\"humidity\":99}", ""},
    {"{\"device\":\"a\",\"temperature\":\"hot\"}", ""},
    {"{\"temperature\":40}", "{\"device\":\"\",\"channel\":\"temperature\",\"value\":40,\"state\":\"high\"}"},
    {"[]", ""},
};

static void set_environment(const char *high)
{
    setenv("CHANNEL", "temperature", 1);
    setenv("LOW", "25", 1);
    if (high)
        setenv("HIGH", high, 1);
    else
        unsetenv("HIGH");
}

static void alerts_come_once_and_clear_once_per_device(void **state)
{
    (void)state;
    set_environment("30");
    struct host *host = handler_open(THRESHOLD);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        print_message("  %s\n", steps[i].event);
        handler_expect(host, span_from_string(steps[i].event), steps[i].result);
    }
    host_free(host);
}

static void a_batch_gives_all_its_alerts_at_once(void **state)
{
    (void)state;
    set_environment("30");
    struct host *host = handler_open(THRESHOLD);
    static const char *const bodies[] = {
        "{\"device\":\"a\",\"temperature\":31}", "{\"device\":\"b\",\"temperature\":10}", "not JSON",
        "{\"device\":\"a\",\"temperature\":33}", "{\"device\":\"a\",\"temperature\":20}",
    };
    struct buffer batch = handler_batch(bodies, 5);
    handler_expect(
        host, buffer_span(&batch),
        "{\"alerts\":[{\"device\":\"a\",\"channel\":\"temperature\",\"value\":31,\"state\":\"high\"},"
        "{\"device\":\"a\",\"channel\":\"temperature\",\"value\":20,\"state\":\"normal\"}]}");
    buffer_fini(&batch);
    batch = handler_batch(&bodies[1], 1);
    handler_expect(host, buffer_span(&batch), "");
    buffer_fini(&batch);
    host_free(host);
}

static void an_event_that_is_no_json_fails(void **state)
{
    (void)state;
    set_environment("30");
    struct host *host = handler_open(THRESHOLD);
    struct host_answer answer = handler_invoke(host, SPAN_LITERAL("{\"device\":"));
    assert_false(answer.succeeded);
    assert_string_equal(answer.error_type, "BadEvent");
    host_free(host);
}

static void a_bad_setting_is_said_at_the_start(void **state)
{
    (void)state;
    static const struct {
        const char *high;
        const char *message;
    } settings[] = {
        {NULL, "set CHANNEL and HIGH in the function's environment"},
        {"thirty", "HIGH and LOW must be numbers"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        set_environment(settings[i].high);
        struct host *host = handler_new(THRESHOLD);
        struct host_answer answer = host_start(host);
        assert_false(answer.succeeded);
        assert_string_equal(answer.error_type, "Configuration");
        assert_string_equal(answer.error_message, settings[i].message);
        host_free(host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alerts_come_once_and_clear_once_per_device),
        cmocka_unit_test(a_batch_gives_all_its_alerts_at_once),
        cmocka_unit_test(an_event_that_is_no_json_fails),
        cmocka_unit_test(a_bad_setting_is_said_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
