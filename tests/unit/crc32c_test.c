/* crc32c.h: the values of RFC 3720, appendix B.4, from this CPU's instruction and from the table. */
#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct {
    const char *name;
    struct span bytes;
    uint32_t expected;
} rows[] = {
    {"nothing", SPAN_LITERAL(""), 0},
    {"the check value of CRC catalogues", SPAN_LITERAL("123456789"), 0xe3069283},
    {"32 bytes of zeros", SPAN_LITERAL("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
     0x8a9136aa},
    {"32 bytes of ones",
     SPAN_LITERAL("\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377"
                  "\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377"),
     0x62a8ab43},
    {"32 ascending bytes",
     SPAN_LITERAL("\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17"
                  "\20\21\22\23\24\25\26\27\30\31\32\33\34\35\36\37"),
     0x46dd794e},
    {"32 descending bytes",
     SPAN_LITERAL("\37\36\35\34\33\32\31\30\27\26\25\24\23\22\21\20"
                  "\17\16\15\14\13\12\11\10\7\6\5\4\3\2\1\0"),
     0x113fdb5c},
};

/* In one stroke, and continued from every place in it. */
static void check_rows(uint32_t (*compute)(uint32_t crc, struct span bytes))
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].name);
        struct span bytes = rows[i].bytes;
        for (size_t cut = 0; cut <= bytes.len; cut++) {
            uint32_t first = compute(0, span_of(bytes.data, cut));
            assert_int_equal(compute(first, span_skip(bytes, cut)), rows[i].expected);
        }
    }
}

static void this_cpu_gives_the_values_of_the_rfc(void **state)
{
    (void)state;
    check_rows(crc32c);
}

static void the_table_gives_the_values_of_the_rfc(void **state)
{
    (void)state;
    check_rows(crc32c_by_table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_cpu_gives_the_values_of_the_rfc),
        cmocka_unit_test(the_table_gives_the_values_of_the_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
