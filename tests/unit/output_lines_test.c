/* output_lines.h and restart.h: what bounds a worker that prints, and one that keeps failing. */
#include "base/buffer.h"
#include "invoke/output_lines.h"
#include "invoke/restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void keep_line(void *ctx, enum worker_log_level level, struct span line)
{
    struct buffer *out = ctx;
    buffer_append(out, level == WORKER_LOG_WARNING ? SPAN_LITERAL("!") : SPAN_LITERAL("["));
    buffer_append(out, line);
    buffer_append(out, SPAN_LITERAL("]"));
}

static void assert_lines(struct buffer *out, const char *expected)
{
    assert_int_equal(buffer_len(out), strlen(expected));
    assert_memory_equal(buffer_span(out).data, expected, strlen(expected));
    buffer_fini(out);
}

static void lines_come_out_whole_however_they_came_in(void **state)
{
    (void)state;
    static const char text[] = "one\ntwo\n\nthree";
    for (size_t size = 1; size < sizeof text; size++) {
        struct buffer out = {0};
        struct output_lines lines;
        output_lines_init(&lines, keep_line, &out);
        for (size_t at = 0; at < sizeof text - 1; at += size) {
            size_t left = sizeof text - 1 - at;
            output_lines_feed(&lines, span_of(text + at, left < size ? left : size), 1000);
        }
        output_lines_end(&lines, 1000);
        assert_lines(&out, "[one][two][three]");
    }
}

static void a_long_line_is_cut(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct output_lines lines;
    output_lines_init(&lines, keep_line, &out);
    for (int i = 0; i < 10000; i++)
        output_lines_feed(&lines, SPAN_LITERAL("x"), 1000);
    output_lines_feed(&lines, SPAN_LITERAL("\nnext\n"), 1000);
    assert_int_equal(buffer_len(&out), OUTPUT_LINE_BYTES_MAX + 2 + 6);
    buffer_fini(&out);
}

static void too_many_lines_are_counted_and_said_in_the_next_second(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct output_lines lines;
    output_lines_init(&lines, keep_line, &out);
    for (int i = 0; i < OUTPUT_LINES_PER_SECOND + 7; i++)
        output_lines_feed(&lines, SPAN_LITERAL("a\n"), 5000);
    assert_int_equal(buffer_len(&out), OUTPUT_LINES_PER_SECOND * 3);
    buffer_consume(&out, buffer_len(&out));
    output_lines_feed(&lines, SPAN_LITERAL("b\n"), 6000);
    assert_lines(&out, "!(7 more lines were dropped)][b]");
}

static const struct {
    uint32_t failures, random, delay_ms;
} restarts[] = {
    {0, UINT32_MAX, 0}, {1, 0, 100},    {1, UINT32_MAX, 51},
    {2, 0, 200},        {3, 0, 400},    {3, UINT32_MAX / 2 + 1, 300},
    {9, 0, 20000},      {40, 0, 20000}, {UINT32_MAX, 0, 20000},
};

static void restarts_slow_down_to_a_cap(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof restarts / sizeof restarts[0]; i++)
        assert_int_equal(restart_delay_ms(100, 20000, restarts[i].failures, restarts[i].random),
                         restarts[i].delay_ms);
}

static void a_worker_that_prints_without_end_is_read_no_faster(void **state)
{
    (void)state;
    static const char block[OUTPUT_BYTES_PER_SECOND / 2];
    struct buffer out = {0};
    struct output_lines lines;
    output_lines_init(&lines, keep_line, &out);
    assert_int_equal(output_lines_pause_ms(&lines, 10000), 0);
    output_lines_feed(&lines, span_of(block, sizeof block), 10000);
    assert_int_equal(output_lines_pause_ms(&lines, 10100), 0);
    output_lines_feed(&lines, span_of(block, sizeof block), 10100);
    assert_int_equal(output_lines_pause_ms(&lines, 10100), 900);
    assert_int_equal(output_lines_pause_ms(&lines, 11000), 0);
    output_lines_feed(&lines, span_of(block, sizeof block), 11000);
    assert_int_equal(output_lines_pause_ms(&lines, 11001), 0);
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_that_prints_without_end_is_read_no_faster),
        cmocka_unit_test(lines_come_out_whole_however_they_came_in),
        cmocka_unit_test(a_long_line_is_cut),
        cmocka_unit_test(too_many_lines_are_counted_and_said_in_the_next_second),
        cmocka_unit_test(restarts_slow_down_to_a_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
