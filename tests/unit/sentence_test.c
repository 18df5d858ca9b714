#include "port/sentence.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Both say the same, of the same length, and stay within their bound. */
__attribute__((format(printf, 2, 3))) static void expect_as_printf(size_t capacity_bytes, const char *format,
                                                                   ...)
{
    char expected[64], sentence[65];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(expected, capacity_bytes, format, arguments);
    va_end(arguments);
    sentence[capacity_bytes] = '!';
    va_start(arguments, format);
    assert_int_equal(sentence_write_arguments(sentence, capacity_bytes, format, arguments), len);
    va_end(arguments);
    assert_string_equal(sentence, expected);
    assert_int_equal(sentence[capacity_bytes], '!');
}

static void says_what_printf_says(void **state)
{
    (void)state;
    expect_as_printf(64, "plain");
    expect_as_printf(64, "%s", "");
    expect_as_printf(64, "cannot connect to %s port %u: %s", "gateway", 8883u, "refused");
    expect_as_printf(64, "%u%u", 0u, UINT_MAX);
    expect_as_printf(64, "(mbedTLS -0x%x)", 0x7a80u);
}

static void cuts_off_what_does_not_fit(void **state)
{
    (void)state;
    expect_as_printf(1, "%s", "long");
    expect_as_printf(5, "%s", "long");
    expect_as_printf(4, "%s", "long");
    expect_as_printf(8, "port %u of %s", 8883u, "gateway");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_printf_says),
        cmocka_unit_test(cuts_off_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
