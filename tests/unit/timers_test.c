/* base/timers: the soonest first, whatever is set, moved and stopped. */
#include "base/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { COUNT = 500 };

struct fixture {
    struct timers timers;
    struct timer timer[COUNT];
    uint64_t last_deadline_ms;
    int fired[COUNT];
};

static struct fixture *now_running;

static void on_expired(void *owner, uint64_t now_ms)
{
    struct fixture *fixture = now_running;
    struct timer *timer = owner;
    assert_true(timer->deadline_ms <= now_ms);
    assert_true(timer->deadline_ms >= fixture->last_deadline_ms);
    assert_int_equal(timer->place, 0);
    fixture->last_deadline_ms = timer->deadline_ms;
    fixture->fired[timer - fixture->timer]++;
}

static void set_up(struct fixture *fixture)
{
    *fixture = (struct fixture){.last_deadline_ms = 0};
    for (int i = 0; i < COUNT; i++) {
        fixture->timer[i].on_expired = on_expired;
        fixture->timer[i].owner = &fixture->timer[i];
    }
    now_running = fixture;
}

static void timers_expire_in_order_after_any_changes(void **state)
{
    (void)state;
    static struct fixture fixture;
    set_up(&fixture);
    uint64_t random = 1;
    uint64_t wanted[COUNT];
    for (int round = 0; round < 5 * COUNT; round++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        int i = (int)(random >> 33) % COUNT;
        wanted[i] = random >> 60 == 0 ? TIMERS_NEVER : 1 + (random >> 40) % 1000;
        timers_set(&fixture.timers, &fixture.timer[i], wanted[i]);
    }
    for (int i = 0; i < COUNT; i += 7)
        timers_stop(&fixture.timers, &fixture.timer[i]);
    timers_run(&fixture.timers, 500);
    timers_run(&fixture.timers, 1001);
    assert_true(timers_next(&fixture.timers) == TIMERS_NEVER);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(fixture.fired[i],
                         i % 7 != 0 && fixture.timer[i].deadline_ms != 0 && wanted[i] != TIMERS_NEVER);
    timers_fini(&fixture.timers);
}

static void timers_that_are_not_due_stay(void **state)
{
    (void)state;
    static struct fixture fixture;
    set_up(&fixture);
    timers_set(&fixture.timers, &fixture.timer[0], 10);
    timers_set(&fixture.timers, &fixture.timer[1], 20);
    timers_run(&fixture.timers, 10);
    assert_int_equal(fixture.fired[0], 1);
    assert_int_equal(fixture.fired[1], 0);
    assert_int_equal(timers_next(&fixture.timers), 20);
    timers_stop(&fixture.timers, &fixture.timer[0]);
    timers_fini(&fixture.timers);
}

static void count_down(void *owner, uint64_t now_ms)
{
    (void)now_ms;
    --*(int *)owner;
}

static void very_many_that_are_due_together_take_turns(void **state)
{
    (void)state;
    enum { VERY_MANY = 2500 };
    static struct timer timer[VERY_MANY];
    struct timers timers = {.heap = NULL};
    int left = VERY_MANY, runs = 0;
    for (int i = 0; i < VERY_MANY; i++) {
        timer[i] = (struct timer){.on_expired = count_down, .owner = &left};
        timers_set(&timers, &timer[i], 10);
    }
    for (; timers_next(&timers) <= 10; runs++) {
        int before = left;
        timers_run(&timers, 10);
        assert_in_range(before - left, 1, 1000);
    }
    assert_int_equal(left, 0);
    assert_int_equal(runs, 3);
    timers_fini(&timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_expire_in_order_after_any_changes),
        cmocka_unit_test(timers_that_are_not_due_stay),
        cmocka_unit_test(very_many_that_are_due_together_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
