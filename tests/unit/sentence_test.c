#include "port/sentence.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* As snprintf does it, for what both know. */
#define EXPECT_AS_PRINTF(capacity, ...)                                                                      \
    do {                                                                                                     \
        char expected[capacity], sentence[(capacity) + 1];                                                   \
        int len = snprintf(expected, capacity, __VA_ARGS__);                                                 \
        sentence[capacity] = '!';                                                                            \
        assert_int_equal(sentence_write(sentence, capacity, __VA_ARGS__), len);                              \
        assert_string_equal(sentence, expected);                                                             \
        assert_int_equal(sentence[capacity], '!');                                                           \
    } while (0)

static void says_what_printf_says(void **state)
{
    (void)state;
    EXPECT_AS_PRINTF(64, "plain");
    EXPECT_AS_PRINTF(64, "%s", "");
    EXPECT_AS_PRINTF(64, "cannot connect to %s port %u: %s", "gateway", 8883u, "refused");
    EXPECT_AS_PRINTF(64, "%u%u", 0u, UINT_MAX);
    EXPECT_AS_PRINTF(64, "(mbedTLS -0x%x)", 0x7a80u);
}

static void cuts_off_what_does_not_fit(void **state)
{
    (void)state;
    EXPECT_AS_PRINTF(1, "%s", "long");
    EXPECT_AS_PRINTF(5, "%s", "long");
    EXPECT_AS_PRINTF(4, "%s", "long");
    EXPECT_AS_PRINTF(8, "port %u of %s", 8883u, "gateway");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_printf_says),
        cmocka_unit_test(cuts_off_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
