/* base/log.h: lines as they are written to standard error, and what becomes of too many. */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TEXT_BYTES = 64 * 1024 };

/* Standard error is a file while a test runs. */
struct capture {
    FILE *file;
    int saved;
    char text[TEXT_BYTES];
};

static int begin(void **state)
{
    struct capture *capture = calloc(1, sizeof *capture);
    capture->file = tmpfile();
    capture->saved = dup(STDERR_FILENO);
    dup2(fileno(capture->file), STDERR_FILENO);
    *state = capture;
    return 0;
}

static int end(void **state)
{
    struct capture *capture = *state;
    log_set_rate(0);
    log_set_level(LOG_INFO);
    dup2(capture->saved, STDERR_FILENO);
    close(capture->saved);
    fclose(capture->file);
    free(capture);
    return 0;
}

static const char *written(struct capture *capture)
{
    ssize_t len = pread(fileno(capture->file), capture->text, TEXT_BYTES - 1, 0);
    assert_true(len >= 0);
    capture->text[len] = '\0';
    return capture->text;
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        count++;
    return count;
}

static void a_line_is_one_line(void **state)
{
    log_debug("%s", "not seen");
    log_warning("%s", "forged\nERROR\x1b[1m \x7f");
    assert_string_equal(written(*state), "WARNING forged?ERROR?[1m ?\n");
}

static void a_line_too_long_is_cut(void **state)
{
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_info("%s", text);
    assert_int_equal(strlen(written(*state)), 2047);
    assert_int_equal(count_lines(written(*state)), 1);
}

/* A thousand of a kind become a few lines that account for all of them; another kind is not in their way. */
static void a_flood_is_summed_up(void **state)
{
    enum { LINES = 1000, RATE = 3 };
    log_set_rate(RATE);
    for (int i = 0; i < LINES; i++)
        log_warning("flood %d", i);
    log_warning("another kind");
    log_warning("in turn with it");
    log_finish();
    const char *text = written(*state);
    assert_non_null(strstr(text, "WARNING flood 0\nWARNING flood 1\nWARNING flood 2\n"));
    assert_non_null(strstr(text, "WARNING another kind\n"));
    assert_non_null(strstr(text, "WARNING in turn with it\n"));
    size_t more = 0;
    for (const char *at = text; (at = strstr(at, "(and ")) != NULL; at++)
        more += strtoul(at + 5, NULL, 10);
    assert_int_equal(count_lines(text) + more, LINES + 2);
    assert_in_range(count_lines(text), RATE + 3, LINES / 10); /* more seconds than one may have passed */
    log_finish();
    assert_int_equal(count_lines(written(*state)) + more, LINES + 2); /* said once */
}

/* What is held back is written when its second is over. */
static void what_was_held_back_comes_later(void **state)
{
    log_set_rate(1);
    size_t held = 0;
    while (held == 0) { /* until two fall into one second */
        size_t before = count_lines(written(*state));
        for (int i = 0; i < 2; i++)
            log_info("held %d", i);
        held = before + 2 - count_lines(written(*state));
    }
    size_t before = count_lines(written(*state));
    while (count_lines(written(*state)) == before)
        log_settle();
    log_settle();
    assert_int_equal(count_lines(written(*state)), before + held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_is_one_line, begin, end),
        cmocka_unit_test_setup_teardown(a_line_too_long_is_cut, begin, end),
        cmocka_unit_test_setup_teardown(a_flood_is_summed_up, begin, end),
        cmocka_unit_test_setup_teardown(what_was_held_back_comes_later, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
