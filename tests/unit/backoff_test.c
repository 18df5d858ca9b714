/* backoff.h: the spacing of attempts, at its edges and over a fleet. */
#include "client/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void delays_stay_in_their_bounds(void **state)
{
    (void)state;
    const struct {
        const char *name;
        uint32_t min_ms, max_ms;
        unsigned failure_count;
        uint32_t random, delay_ms;
    } rows[] = {
        {"least chance is no delay", 1000, 60000, 0, 0, 0},
        {"most chance is all of the minimum", 1000, 60000, 0, UINT32_MAX, 1000},
        {"doubles", 1000, 60000, 3, UINT32_MAX, 8000},
        {"half the chance is half the delay", 1000, 60000, 3, 0x80000000, 4000},
        {"capped", 1000, 60000, 6, UINT32_MAX, 60000},
        {"any number of failures", 1000, 60000, UINT32_MAX, UINT32_MAX, 60000},
        {"the widest numbers", UINT32_MAX, UINT32_MAX, 32, UINT32_MAX, UINT32_MAX},
        {"no delay at all", 0, 0, 5, UINT32_MAX, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t delay_ms =
            backoff_delay_ms(rows[i].min_ms, rows[i].max_ms, rows[i].failure_count, rows[i].random);
        if (delay_ms != rows[i].delay_ms)
            fail_msg("%s: %u", rows[i].name, delay_ms);
    }
}

static void a_fleet_is_spread_evenly(void **state)
{
    (void)state;
    unsigned counts[10] = {0};
    const uint32_t devices = 10000;
    for (uint32_t i = 0; i < devices; i++)
        counts[backoff_delay_ms(1000, 60000, 10, i * (UINT32_MAX / devices)) / 6001]++;
    for (size_t i = 0; i < 10; i++)
        assert_in_range(counts[i], devices / 10 - 10, devices / 10 + 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_stay_in_their_bounds),
        cmocka_unit_test(a_fleet_is_spread_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
