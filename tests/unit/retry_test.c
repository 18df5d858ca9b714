/* retry.h: bounds grow, stop at the cap, and the jitter covers all of them. */
#include "deliver/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void waits_double_up_to_the_cap(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t attempt;
        uint64_t bound_ms;
    } rows[] = {
        {"none yet", 0, 100},      {"first", 1, 100},       {"second", 2, 200},
        {"third", 3, 400},         {"below cap", 8, 12800}, {"at cap", 9, 20000},
        {"far beyond", 64, 20000}, {"no wrap", 33, 20000},  {"largest", UINT32_MAX, 20000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (retry_bound_ms(RETRY_AFTER_ERROR, rows[i].attempt) != rows[i].bound_ms)
            fail_msg("%s", rows[i].name);
    }
}

static void jitter_reaches_from_nothing_to_the_bound(void **state)
{
    (void)state;
    for (uint32_t attempt = 1; attempt < 12; attempt++) {
        uint64_t bound_ms = retry_bound_ms(RETRY_AFTER_THROTTLE, attempt);
        assert_int_equal(retry_delay_ms(RETRY_AFTER_THROTTLE, attempt, 0), 0);
        assert_int_equal(retry_delay_ms(RETRY_AFTER_THROTTLE, attempt, UINT32_MAX), bound_ms);
        uint64_t half_ms = retry_delay_ms(RETRY_AFTER_THROTTLE, attempt, UINT32_MAX / 2);
        assert_in_range(half_ms, bound_ms / 2 - 1, bound_ms / 2 + 1);
    }
}

static void what_is_asynchronous_waits_exactly_as_in_lambda(void **state)
{
    (void)state;
    static const struct {
        struct retry_policy policy;
        uint32_t attempt;
        uint64_t delay_ms;
    } rows[] = {
        {RETRY_ASYNCHRONOUS_ERROR, 1, 60000},   {RETRY_ASYNCHRONOUS_ERROR, 2, 120000},
        {RETRY_ASYNCHRONOUS_ERROR, 3, 120000},  {RETRY_ASYNCHRONOUS_THROTTLE, 1, 1000},
        {RETRY_ASYNCHRONOUS_THROTTLE, 2, 2000}, {RETRY_ASYNCHRONOUS_THROTTLE, 20, 300000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(retry_delay_ms(rows[i].policy, rows[i].attempt, 0), rows[i].delay_ms);
        assert_int_equal(retry_delay_ms(rows[i].policy, rows[i].attempt, UINT32_MAX), rows[i].delay_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_up_to_the_cap),
        cmocka_unit_test(jitter_reaches_from_nothing_to_the_bound),
        cmocka_unit_test(what_is_asynchronous_waits_exactly_as_in_lambda),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
