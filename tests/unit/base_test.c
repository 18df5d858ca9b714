/* buffer.h, message.h, digits.h and log.h: what every connection and queue stands on. */
#include "base/buffer.h"
#include "base/digits.h"
#include "base/log.h"
#include "base/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void buffer_keeps_order_over_growth_and_consumption(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    uint8_t in = 0, out = 0;
    for (int round = 0; round < 500; round++) {
        for (int i = 0; i < 37; i++, in++)
            buffer_append(&buffer, span_of(&in, 1));
        for (int i = 0; i < 31; i++, out++) {
            assert_int_equal(buffer_span(&buffer).data[0], out);
            buffer_consume(&buffer, 1);
        }
    }
    assert_int_equal(buffer_len(&buffer), 500 * 6);
    buffer_consume(&buffer, buffer_len(&buffer));
    buffer_trim(&buffer);
    assert_null(buffer.data);
}

static void buffer_does_not_grow_while_drained(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    for (int i = 0; i < 100000; i++) {
        buffer_append(&buffer, SPAN_LITERAL("0123456789"));
        buffer_consume(&buffer, i % 2 ? 12 : 8);
    }
    assert_true(buffer.capacity <= 1024);
    buffer_fini(&buffer);
}

static void message_copies_what_it_is_given(void **state)
{
    (void)state;
    char topic[] = "farm/a";
    struct message *message = message_new(
        &(struct message){.qos = 1, .topic = span_from_string(topic), .payload = SPAN_LITERAL("21.5")});
    topic[0] = 'x';
    assert_true(span_equal(message->topic, SPAN_LITERAL("farm/a")));
    assert_true(span_equal(message->payload, SPAN_LITERAL("21.5")));
    assert_int_equal(message_ref(message)->refs, 2);
    message_unref(message);
    message_unref(message);
}

static void numbers_and_bytes_are_written_as_digits(void **state)
{
    (void)state;
    char text[DECIMAL_BYTES];
    static const struct {
        uint64_t value;
        const char *text;
    } rows[] = {{0, "0"}, {9, "9"}, {10, "10"}, {UINT64_MAX, "18446744073709551615"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(decimal_write(rows[i].value, text).len, strlen(rows[i].text));
        assert_string_equal(text, rows[i].text);
    }
    hex_write(span_of((const uint8_t[]){0x00, 0x0a, 0xf0, 0xff}, 4), text);
    assert_string_equal(text, "000af0ff");
    hex_write(SPAN_EMPTY, text);
    assert_string_equal(text, "");
}

/* HOSTILE.md, 29: U+009B begins a terminal's command as ESC [ does. */
static void control_characters_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        struct span text;
        size_t bytes;
    } rows[] = {
        {SPAN_LITERAL(""), 0},          {SPAN_LITERAL("a\n"), 0},      {SPAN_LITERAL("\n"), 1},
        {SPAN_LITERAL("\0"), 1},        {SPAN_LITERAL("\x7f"), 1},     {SPAN_LITERAL("\xc2\x80"), 2},
        {SPAN_LITERAL("\xc2\x9b["), 2}, {SPAN_LITERAL("\xc2\xa0"), 0}, {SPAN_LITERAL("\xc2"), 0},
        {SPAN_LITERAL("\xc3\x80"), 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(log_control_bytes(rows[i].text), rows[i].bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_keeps_order_over_growth_and_consumption),
        cmocka_unit_test(buffer_does_not_grow_while_drained),
        cmocka_unit_test(message_copies_what_it_is_given),
        cmocka_unit_test(numbers_and_bytes_are_written_as_digits),
        cmocka_unit_test(control_characters_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
