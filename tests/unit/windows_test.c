/* windows.h: which window is open, which is over, and what a start finds. */
#include "deliver/windows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { SIZE_MS = 10000 };

struct seen {
    uint32_t partitions[64];
    size_t count, limit;
};

static bool end(void *ctx, struct window *window)
{
    struct seen *seen = ctx;
    if (seen->count == seen->limit)
        return false;
    seen->partitions[seen->count++] = window->partition;
    windows_ended(window, 100 + seen->count);
    return true;
}

static void a_window_opens_with_its_first_message_and_ends_by_the_clock(void **state)
{
    (void)state;
    struct windows windows;
    struct seen seen = {.limit = 64};
    windows_init(&windows, SIZE_MS);
    assert_true(windows_arrived(&windows, 7, 123456));
    assert_false(windows_arrived(&windows, 7, 129999));
    assert_int_equal(windows_find(&windows, 7)->start_ms, 120000);
    assert_int_equal(windows.soonest_end_ms, 130000);
    windows_each_over(&windows, 129999, end, &seen);
    assert_int_equal(seen.count, 0);
    windows_each_over(&windows, 130000, end, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(windows.soonest_end_ms, UINT64_MAX);
    assert_true(windows_arrived(&windows, 7, 130000)); /* the next, while the first is not finished */
    assert_int_equal(windows_find(&windows, 7)->start_ms, 130000);
    assert_int_equal(windows_finished(&windows, 7), 0);
    assert_non_null(windows_find(&windows, 7));
    windows_fini(&windows);
}

static void what_had_no_room_ends_later(void **state)
{
    (void)state;
    struct windows windows;
    struct seen seen = {.limit = 20};
    windows_init(&windows, SIZE_MS);
    for (uint32_t partition = 0; partition < 40; partition++)
        windows_arrived(&windows, partition, 5);
    windows_each_over(&windows, SIZE_MS, end, &seen);
    assert_int_equal(seen.count, 20);
    assert_true(windows.soonest_end_ms <= SIZE_MS);
    seen.limit = 64;
    windows_each_over(&windows, SIZE_MS, end, &seen);
    assert_int_equal(seen.count, 40);
    for (uint32_t partition = 0; partition < 40; partition++)
        windows_finished(&windows, partition);
    assert_int_equal(windows.count, 0);
    windows_fini(&windows);
}

/* A window that is further in the future than the next one is not waited for. */
static void a_clock_that_was_set_back_leaves_no_window_open(void **state)
{
    (void)state;
    struct windows windows;
    struct seen seen = {.limit = 0};
    windows_init(&windows, SIZE_MS);
    windows_each_over(&windows, 1000, end, &seen);
    windows_arrived(&windows, 1, 500000);
    windows_each_over(&windows, 500000, end, &seen);
    windows_each_over(&windows, 490000, end, &seen); /* a little back: it is the next */
    assert_true(windows_find(&windows, 1)->is_open);
    assert_true(windows_is_over(&windows, windows_find(&windows, 1), 100000));
    windows_each_over(&windows, 100000, end, &seen); /* there was no room */
    seen.limit = 64;
    windows_each_over(&windows, 100100, end, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(windows.soonest_end_ms, UINT64_MAX);
    windows_fini(&windows);

    windows_init(&windows, SIZE_MS); /* it was set back before this start */
    windows_arrived(&windows, 1, 500000);
    windows_each_over(&windows, 100000, end, &seen);
    assert_int_equal(seen.count, 2);
    windows_fini(&windows);
}

static void each_state_replaces_the_one_before(void **state)
{
    (void)state;
    struct windows windows;
    windows_init(&windows, SIZE_MS);
    windows_arrived(&windows, 1, 5);
    assert_int_equal(windows_set_state(&windows, 1, &(struct window_state){.included = 3, .ordinal = 1}), 0);
    assert_int_equal(windows_set_state(&windows, 1, &(struct window_state){.included = 6, .ordinal = 2}), 1);
    windows_ended(windows_find(&windows, 1), 7);
    assert_int_equal(windows_finished(&windows, 1), 2);
    assert_null(windows_find(&windows, 1));
    windows_fini(&windows);
}

/* All that a window had is handled, and nothing says any more that it is open: its end is still owed. */
static void a_state_without_an_end_opens_its_window_again(void **state)
{
    (void)state;
    static const struct {
        uint64_t end_ordinal; /* 0: none is queued */
        bool is_open;
    } rows[] = {{0, true}, {4, true}, {9, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct windows windows;
        windows_init(&windows, SIZE_MS);
        if (rows[i].end_ordinal > 0)
            windows_restore_end(&windows, 1, rows[i].end_ordinal);
        struct window_state newer = {.start_ms = 20000, .included = 8, .ordinal = 12};
        struct window_state older = {.start_ms = 10000, .included = 3, .ordinal = 11};
        assert_int_equal(windows_restore_state(&windows, 1, &newer), 0);
        assert_int_equal(windows_restore_state(&windows, 1, &older), 11); /* which is not needed */
        windows_restored(&windows);
        assert_int_equal(windows_find(&windows, 1)->is_open, rows[i].is_open);
        if (rows[i].is_open)
            assert_int_equal(windows.soonest_end_ms, 30000);
        windows_fini(&windows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_opens_with_its_first_message_and_ends_by_the_clock),
        cmocka_unit_test(what_had_no_room_ends_later),
        cmocka_unit_test(a_clock_that_was_set_back_leaves_no_window_open),
        cmocka_unit_test(each_state_replaces_the_one_before),
        cmocka_unit_test(a_state_without_an_end_opens_its_window_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
