/* The native worker as it is installed, behind a pool: one shared object, good and bad. */
#include "pool_fixture.h"

/* The worker sets no limit to its memory then: see handlers/native/main.c. */
#if defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define ADDRESS_SANITIZER 1
#    endif
#elif defined(__SANITIZE_ADDRESS__)
#    define ADDRESS_SANITIZER 1
#endif

static struct invoke_config native_config(const char *handler)
{
    struct invoke_config config = invoke_config_default();
    config.function_name = "test";
    config.handler = handler;
    config.runtime = "native";
    config.executable = NATIVE_WORKER;
    config.timeout_ms = 60000;
    config.memory_mb = 64;
    config.restart_base_ms = 1;
    config.restart_cap_ms = 2;
    return config;
}

static const struct {
    const char *event;
    enum invoke_outcome outcome;
    const char *text; /* the result, or the error message */
    const char *type;
} rows[] = {
    {"{\"a\":1}", INVOKE_SUCCEEDED, "{\"a\":1}", ""},
    {"", INVOKE_SUCCEEDED, "", ""},
    {"context", INVOKE_SUCCEEDED, "test 8476a536 in time", ""},
    {"count", INVOKE_SUCCEEDED, "1", ""},
    {"count", INVOKE_SUCCEEDED, "2", ""},
    {"fail", INVOKE_FUNCTION_ERROR, "number 42", "BadEvent"},
    {"fail without a reason", INVOKE_FUNCTION_ERROR, "the function gave no reason", "Function.Failed"},
    {"write 7 MB", INVOKE_FUNCTION_ERROR,
     "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
     "Function.ResponseSizeTooLarge"},
    {"count", INVOKE_SUCCEEDED, "3", ""}, /* the same worker all along */
    {"crash", INVOKE_CRASHED, "Runtime exited with error: exit status 11", "Runtime.ExitError"},
    {"count", INVOKE_SUCCEEDED, "1", ""}, /* a fresh one */
};

static void a_function_does_as_it_is_told_and_a_crash_costs_one_worker(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = native_config(TEST_FUNCTION);
    fixture_init(&fixture, &config);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct kept_result *result = fixture_invoke(&fixture, rows[i].event);
        print_message("  %s\n", rows[i].event);
        assert_int_equal(result->outcome, rows[i].outcome);
        assert_string_equal(result->error_type, rows[i].type);
        assert_string_equal(result->outcome == INVOKE_SUCCEEDED ? result->payload : result->error_message,
                            rows[i].text);
    }
    assert_int_equal(invoke_counters(fixture.pool).started_count, 2);
    fixture_fini(&fixture);
}

static const struct {
    const char *handler;
    const char *type;
    const char *message;
} broken[] = {
    {"/nowhere/function.so", "Runtime.ImportModuleError",
     "/nowhere/function.so: cannot open shared object file: No such file or directory"},
    {"function.so", "Runtime.ImportModuleError",
     "./function.so: cannot open shared object file: No such file or directory"},
    {NO_FUNCTION, "Runtime.HandlerNotFound", NO_FUNCTION " has no SLUICE_HANDLER"},
    {OUTDATED_FUNCTION, "Runtime.HandlerNotFound",
     OUTDATED_FUNCTION " was built for version 0 of sluice/handler.h, this gateway has version 1"},
};

static void what_cannot_be_loaded_is_said_in_one_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct fixture fixture;
        struct invoke_config config = native_config(broken[i].handler);
        fixture_init(&fixture, &config);
        const struct kept_result *result = fixture_invoke(&fixture, "{}");
        assert_int_equal(result->outcome, INVOKE_FUNCTION_ERROR);
        assert_string_equal(result->error_type, broken[i].type);
        assert_string_equal(result->error_message, broken[i].message);
        fixture_fini(&fixture);
    }
}

#ifndef ADDRESS_SANITIZER
static void memory_is_bounded_by_memory_size(void **state)
{
    (void)state;
    struct fixture fixture;
    struct invoke_config config = native_config(TEST_FUNCTION);
    fixture_init(&fixture, &config);
    assert_string_equal(fixture_invoke(&fixture, "allocate")->payload, "refused");
    fixture_fini(&fixture);
    config.memory_mb = 0;
    fixture_init(&fixture, &config);
    assert_string_equal(fixture_invoke(&fixture, "allocate")->payload, "too much was given");
    fixture_fini(&fixture);
}
#endif

int main(void)
{
    alarm(120); /* a hang is a failure too */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_function_does_as_it_is_told_and_a_crash_costs_one_worker),
        cmocka_unit_test(what_cannot_be_loaded_is_said_in_one_sentence),
#ifndef ADDRESS_SANITIZER
        cmocka_unit_test(memory_is_bounded_by_memory_size),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
