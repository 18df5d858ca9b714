/* span.h: the one place where bytes from outside are counted. */
#include "wire/span.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void integers_are_big_endian_both_ways(void **state)
{
    (void)state;
    uint8_t memory[15];
    struct writer out = writer_of(memory, sizeof memory);
    write_u8(&out, 0x01);
    write_u16(&out, 0x0203);
    write_u32(&out, 0x04050607);
    write_u64(&out, 0x08090a0b0c0d0e0f);
    assert_int_equal(writer_len(&out), sizeof memory);
    for (size_t i = 0; i < sizeof memory; i++)
        assert_int_equal(memory[i], i + 1);

    struct reader in = reader_of(writer_span(&out));
    assert_int_equal(read_u8(&in), 0x01);
    assert_int_equal(read_u16(&in), 0x0203);
    assert_int_equal(read_u32(&in), 0x04050607);
    assert_true(read_u64(&in) == 0x08090a0b0c0d0e0f);
    assert_int_equal(reader_left(&in), 0);
    assert_false(in.failed);
}

static void reading_past_the_end_sticks(void **state)
{
    (void)state;
    struct reader in = reader_of(SPAN_LITERAL("\x01\x02\x03"));
    assert_int_equal(read_u16(&in), 0x0102);
    assert_int_equal(read_u16(&in), 0); /* one byte is left: none of it is given */
    assert_true(in.failed);
    assert_int_equal(read_u8(&in), 0);
    assert_int_equal(read_rest(&in).len, 0);
    assert_int_equal(reader_left(&in), 0);
    assert_true(in.failed);
}

static void a_length_over_the_rest_reads_nothing(void **state)
{
    (void)state;
    struct reader in = reader_of(SPAN_LITERAL("\x00\x03"
                                              "ab"));
    assert_int_equal(read_u16_bytes(&in).len, 0);
    assert_true(in.failed);
    struct reader huge = reader_of(SPAN_LITERAL("ab"));
    assert_int_equal(read_bytes(&huge, SIZE_MAX).len, 0);
    assert_true(huge.failed);
    struct reader empty = reader_of(SPAN_EMPTY);
    assert_int_equal(read_rest(&empty).len, 0);
    assert_false(empty.failed);
}

/* MQTT 5, table 1-1: where a Variable Byte Integer gets longer. */
static const struct {
    uint32_t value;
    struct span bytes;
} varints[] = {
    {0, {(const uint8_t *)"\x00", 1}},
    {127, {(const uint8_t *)"\x7f", 1}},
    {128, {(const uint8_t *)"\x80\x01", 2}},
    {16383, {(const uint8_t *)"\xff\x7f", 2}},
    {16384, {(const uint8_t *)"\x80\x80\x01", 3}},
    {2097151, {(const uint8_t *)"\xff\xff\x7f", 3}},
    {2097152, {(const uint8_t *)"\x80\x80\x80\x01", 4}},
    {268435455, {(const uint8_t *)"\xff\xff\xff\x7f", 4}},
};

static void varints_follow_the_standards_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof varints / sizeof varints[0]; i++) {
        uint8_t memory[4];
        struct writer out = writer_of(memory, sizeof memory);
        write_varint(&out, varints[i].value);
        assert_true(span_equal(writer_span(&out), varints[i].bytes));
        assert_int_equal(varint_size(varints[i].value), varints[i].bytes.len);
        struct reader in = reader_of(varints[i].bytes);
        assert_int_equal(read_varint(&in), varints[i].value);
        assert_false(in.failed);
        for (size_t cut = 0; cut < varints[i].bytes.len; cut++) {
            struct reader torn = reader_of(span_of(varints[i].bytes.data, cut));
            assert_int_equal(read_varint(&torn), 0);
            assert_true(torn.failed);
        }
    }
}

static void varints_in_a_longer_form_are_refused(void **state)
{
    (void)state;
    const struct span rows[] = {
        SPAN_LITERAL("\x80\x00"),         SPAN_LITERAL("\xff\x00"),
        SPAN_LITERAL("\x80\x80\x00"),     SPAN_LITERAL("\x80\x80\x80\x00"),
        SPAN_LITERAL("\x80\x80\x80\x80"), SPAN_LITERAL("\xff\xff\xff\xff\x7f"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reader in = reader_of(rows[i]);
        assert_int_equal(read_varint(&in), 0);
        assert_true(in.failed);
    }
}

static void what_does_not_fit_fails_the_writer_for_good(void **state)
{
    (void)state;
    uint8_t memory[4] = {0};
    struct writer out = writer_of(memory, 3);
    write_u16(&out, 0x0102);
    write_u16(&out, 0x0304);
    assert_true(out.failed);
    write_u8(&out, 0x05); /* would fit, but comes after a gap */
    assert_int_equal(writer_span(&out).len, 0);
    assert_int_equal(memory[2], 0);
    assert_int_equal(memory[3], 0);
}

static void values_over_their_field_fail_the_writer(void **state)
{
    (void)state;
    static uint8_t big[65536 + 2], memory[65536 + 2];
    struct writer varint = writer_of(memory, sizeof memory);
    write_varint(&varint, 268435456);
    assert_true(varint.failed);
    struct writer longest = writer_of(memory, sizeof memory);
    write_u16_bytes(&longest, span_of(big, 65535));
    assert_int_equal(writer_span(&longest).len, 65537);
    struct writer too_long = writer_of(memory, sizeof memory);
    write_u16_bytes(&too_long, span_of(big, 65536));
    assert_true(too_long.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_big_endian_both_ways),
        cmocka_unit_test(reading_past_the_end_sticks),
        cmocka_unit_test(a_length_over_the_rest_reads_nothing),
        cmocka_unit_test(varints_follow_the_standards_table),
        cmocka_unit_test(varints_in_a_longer_form_are_refused),
        cmocka_unit_test(what_does_not_fit_fails_the_writer_for_good),
        cmocka_unit_test(values_over_their_field_fail_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
