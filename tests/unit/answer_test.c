/* The properties of an answer to a request of MQTT 5: what a function says of its error may be any bytes. */
#include "app/functions_internal.h"
#include "wire/mqtt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { LONG_BYTES = 5000, CUT_BYTES = 1024 };

/* The answer's errorMessage where the error says `text`; its length is SIZE_MAX where there is none. */
static size_t message_len(struct span text)
{
    struct buffer out = {0};
    struct mqtt_property_value property;
    size_t len = SIZE_MAX;
    const struct queue_dead dead = {
        .reason = QUEUE_DEAD_ATTEMPTS, .error_type = SPAN_LITERAL("BadEvent"), .error_message = text};
    answer_write_properties(&(struct message){0}, &dead, &out);
    struct reader at = reader_of(buffer_span(&out));
    while (mqtt_property_next(&at, &property)) {
        if (property.id == MQTT_USER_PROPERTY && span_equal(property.name, SPAN_LITERAL("errorMessage")))
            len = property.bytes.len;
    }
    buffer_fini(&out);
    return len;
}

static void a_long_message_is_cut_between_characters(void **state)
{
    (void)state;
    static char text[LONG_BYTES];
    memset(text, 'x', sizeof text);
    assert_int_equal(message_len(span_of(text, sizeof text)), CUT_BYTES);
    memcpy(text + CUT_BYTES - 2, "\xe2\x82\xac", 3); /* a euro sign, over the cut */
    assert_int_equal(message_len(span_of(text, sizeof text)), CUT_BYTES - 2);
    assert_int_equal(message_len(SPAN_LITERAL("short")), 5);
}

/* Nothing but continuation bytes: the search for the character's beginning went on before the text. */
static void what_is_no_text_is_left_out(void **state)
{
    (void)state;
    static char text[LONG_BYTES];
    memset(text, 0x80, sizeof text);
    assert_true(message_len(span_of(text, 10)) == SIZE_MAX);
    size_t len = message_len(span_of(text, sizeof text));
    assert_true(len == SIZE_MAX || len == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_message_is_cut_between_characters),
        cmocka_unit_test(what_is_no_text_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
