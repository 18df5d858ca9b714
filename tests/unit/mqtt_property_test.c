/*
 * mqtt.h: properties. The table here is typed from section 2.2.2.2 of the standard,
 * apart from the codec's, so that each holds the other to the text.
 */
#include "mqtt_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

enum kind { NUMBER, STRING, PAIR };

/* `places` has a character for each of: w (Will), c CONNECT, C CONNACK, p PUBLISH, a PUBACK, b PUBREC, l
 * PUBREL, m PUBCOMP, s SUBSCRIBE, S SUBACK, u UNSUBSCRIBE, U UNSUBACK, i PINGREQ, o PINGRESP, d DISCONNECT, x
 * AUTH. */
static const char places[] = "wcCpablmsSuUiodx";

static const struct row {
    const char *name;
    enum mqtt_property id;
    enum kind kind;
    uint32_t values[2]; /* the least and the greatest */
    const char *may;    /* be in these */
} rows[] = {
    {"Payload Format Indicator", (enum mqtt_property)1, NUMBER, {0, 1}, "pw"},
    {"Message Expiry Interval", (enum mqtt_property)2, NUMBER, {0, 4294967295}, "pw"},
    {"Content Type", (enum mqtt_property)3, STRING, {0}, "pw"},
    {"Response Topic", (enum mqtt_property)8, STRING, {0}, "pw"},
    {"Correlation Data", (enum mqtt_property)9, STRING, {0}, "pw"},
    {"Subscription Identifier", (enum mqtt_property)11, NUMBER, {1, 268435455}, "ps"},
    {"Session Expiry Interval", (enum mqtt_property)17, NUMBER, {0, 4294967295}, "cCd"},
    {"Assigned Client Identifier", (enum mqtt_property)18, STRING, {0}, "C"},
    {"Server Keep Alive", (enum mqtt_property)19, NUMBER, {0, 65535}, "C"},
    {"Authentication Method", (enum mqtt_property)21, STRING, {0}, "cCx"},
    {"Authentication Data", (enum mqtt_property)22, STRING, {0}, "cCx"},
    {"Request Problem Information", (enum mqtt_property)23, NUMBER, {0, 1}, "c"},
    {"Will Delay Interval", (enum mqtt_property)24, NUMBER, {0, 4294967295}, "w"},
    {"Request Response Information", (enum mqtt_property)25, NUMBER, {0, 1}, "c"},
    {"Response Information", (enum mqtt_property)26, STRING, {0}, "C"},
    {"Server Reference", (enum mqtt_property)28, STRING, {0}, "Cd"},
    {"Reason String", (enum mqtt_property)31, STRING, {0}, "CablmSUdx"},
    {"Receive Maximum", (enum mqtt_property)33, NUMBER, {1, 65535}, "cC"},
    {"Topic Alias Maximum", (enum mqtt_property)34, NUMBER, {0, 65535}, "cC"},
    {"Topic Alias", (enum mqtt_property)35, NUMBER, {1, 65535}, "p"},
    {"Maximum QoS", (enum mqtt_property)36, NUMBER, {0, 1}, "C"},
    {"Retain Available", (enum mqtt_property)37, NUMBER, {0, 1}, "C"},
    {"User Property", (enum mqtt_property)38, PAIR, {0}, "wcCpablmsSuUdx"},
    {"Maximum Packet Size", (enum mqtt_property)39, NUMBER, {1, 4294967295}, "cC"},
    {"Wildcard Subscription Available", (enum mqtt_property)40, NUMBER, {0, 1}, "C"},
    {"Subscription Identifier Available", (enum mqtt_property)41, NUMBER, {0, 1}, "C"},
    {"Shared Subscription Available", (enum mqtt_property)42, NUMBER, {0, 1}, "C"},
};

static void write_row(struct writer *block, const struct row *row, uint32_t number)
{
    if (row->kind == NUMBER)
        mqtt_write_number_property(block, row->id, number);
    else if (row->kind == STRING)
        mqtt_write_bytes_property(block, row->id, SPAN_LITERAL("r/t"));
    else
        mqtt_write_user_property(block, SPAN_LITERAL("name"), SPAN_LITERAL("value"));
}

/* What else has to be there for the property to be legal. */
static void write_companion(struct writer *block, const struct row *row, enum mqtt_type type)
{
    if (row->id != MQTT_AUTHENTICATION_METHOD && (type == MQTT_AUTH || row->id == MQTT_AUTHENTICATION_DATA))
        mqtt_write_bytes_property(block, MQTT_AUTHENTICATION_METHOD, SPAN_LITERAL("m"));
}

/* The packet at `place` with this block, encoded; PINGREQ and PINGRESP have no room for one. */
static struct span packet_with(size_t place, struct span block)
{
    static uint8_t bytes[256];
    struct mqtt_packet packet = mqtt_sample_of(place == 0 ? MQTT_CONNECT : (enum mqtt_type)place, MQTT_5);
    if (place == 0) {
        packet.connect.has_will = true;
        packet.connect.will.topic = SPAN_LITERAL("w");
        packet.connect.will.properties.bytes = block;
    } else {
        packet.properties.bytes = block;
    }
    struct writer out = writer_of(bytes, sizeof bytes);
    mqtt_encode(&out, &packet);
    assert_false(out.failed);
    assert_int_equal(writer_len(&out), mqtt_encoded_size(&packet));
    return writer_span(&out);
}

static enum mqtt_role role_at(size_t place, const struct row *row)
{
    if (places[place] == 'p' && row->id == MQTT_SUBSCRIPTION_IDENTIFIER)
        return MQTT_CLIENT; /* only a Server sends it */
    return place == 0 ? MQTT_SERVER : mqtt_receiver_of((enum mqtt_type)place);
}

static void assert_outcome(const struct row *row, size_t place, struct span bytes, enum mqtt_role role,
                           int expected)
{
    struct mqtt_packet packet;
    enum mqtt_reason reason = MQTT_SUCCESS;
    mqtt_decode(bytes, role, MQTT_5, &packet, &reason);
    if ((int)reason != expected)
        fail_msg("%s in `%c`: 0x%02X, not 0x%02X", row->name, places[place], reason, (unsigned)expected);
}

static void assert_value(const struct row *row, struct mqtt_properties properties, uint32_t number)
{
    struct mqtt_property_value value = {.id = (enum mqtt_property)0};
    struct span bytes = SPAN_EMPTY;
    for (struct reader at = reader_of(properties.bytes); value.id != row->id;)
        assert_true(mqtt_property_next(&at, &value));
    if (row->kind == NUMBER) {
        assert_int_equal(value.number, number);
        assert_int_equal(mqtt_property_number(properties, row->id, number + 1), number);
    } else {
        assert_true(mqtt_property_bytes(properties, row->id, &bytes));
        assert_true(span_equal(bytes, row->kind == PAIR ? SPAN_LITERAL("value") : SPAN_LITERAL("r/t")));
        assert_true(span_equal(value.bytes, bytes));
        assert_true(span_equal(value.name, row->kind == PAIR ? SPAN_LITERAL("name") : SPAN_EMPTY));
    }
}

static void each_property_is_taken_where_it_may_be_and_nowhere_else(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rows); r++)
        for (size_t place = 0; place < COUNT(places) - 1; place++) {
            if (place == MQTT_PINGREQ || place == MQTT_PINGRESP)
                continue;
            uint8_t memory[64];
            struct writer block = writer_of(memory, sizeof memory);
            uint32_t number = rows[r].values[1];
            write_companion(&block, &rows[r], (enum mqtt_type)place);
            write_row(&block, &rows[r], number);
            struct span bytes = packet_with(place, writer_span(&block));
            enum mqtt_role role = role_at(place, &rows[r]);
            if (!strchr(rows[r].may, places[place])) {
                assert_outcome(&rows[r], place, bytes, role, MQTT_MALFORMED_PACKET);
                continue;
            }
            struct mqtt_packet packet;
            assert_outcome(&rows[r], place, bytes, role, MQTT_SUCCESS);
            enum mqtt_reason reason;
            assert_int_equal(mqtt_decode(bytes, role, MQTT_5, &packet, &reason), SLUICE_OK);
            assert_value(&rows[r], place == 0 ? packet.connect.will.properties : packet.properties, number);
        }
}

static void only_user_properties_and_delivered_identifiers_repeat(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rows); r++)
        for (size_t place = 0; place < COUNT(places) - 1; place++) {
            if (!strchr(rows[r].may, places[place]))
                continue;
            uint8_t memory[64];
            struct writer block = writer_of(memory, sizeof memory);
            write_companion(&block, &rows[r], (enum mqtt_type)place);
            write_row(&block, &rows[r], rows[r].values[0]);
            write_row(&block, &rows[r], rows[r].values[1]);
            bool repeats =
                rows[r].kind == PAIR || (rows[r].id == MQTT_SUBSCRIPTION_IDENTIFIER && places[place] == 'p');
            assert_outcome(&rows[r], place, packet_with(place, writer_span(&block)), role_at(place, &rows[r]),
                           repeats ? MQTT_SUCCESS : MQTT_PROTOCOL_ERROR);
        }
}

static void values_outside_their_range_are_refused_both_ways(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rows); r++) {
        uint8_t memory[8];
        for (int end = 0; end < 2 && rows[r].kind == NUMBER; end++) {
            struct writer legal = writer_of(memory, sizeof memory);
            mqtt_write_number_property(&legal, rows[r].id, rows[r].values[end]);
            assert_false(legal.failed);
            struct writer beyond = writer_of(memory, sizeof memory);
            uint32_t value = rows[r].values[end] + (end ? 1u : UINT32_MAX);
            if (end ? value > rows[r].values[end] : value < rows[r].values[end]) {
                mqtt_write_number_property(&beyond, rows[r].id, value);
                assert_true(beyond.failed);
            }
        }
        if (rows[r].kind != NUMBER || (rows[r].values[0] == 0 && rows[r].values[1] != 1))
            continue; /* every value that the bytes can hold is legal */
        size_t place = (size_t)(strchr(places, rows[r].may[0]) - places);
        struct writer block = writer_of(memory, sizeof memory);
        mqtt_write_number_property(&block, rows[r].id, rows[r].values[0]);
        /* the last byte is the low one: 0 becomes 2, and 1 becomes 0 */
        block.at[-1] = rows[r].values[0] == 0 ? 2 : 0;
        assert_outcome(&rows[r], place, packet_with(place, writer_span(&block)), role_at(place, &rows[r]),
                       rows[r].id == MQTT_TOPIC_ALIAS ? MQTT_TOPIC_ALIAS_INVALID : MQTT_PROTOCOL_ERROR);
    }
}

static void some_properties_have_one_sender_only(void **state)
{
    (void)state;
    const struct {
        enum mqtt_property id;
        size_t place;
        enum mqtt_role receiver, wrong;
    } cases[] = {
        {MQTT_SUBSCRIPTION_IDENTIFIER, MQTT_PUBLISH, MQTT_CLIENT, MQTT_SERVER},    /* [MQTT-3.3.4-6] */
        {MQTT_SESSION_EXPIRY_INTERVAL, MQTT_DISCONNECT, MQTT_SERVER, MQTT_CLIENT}, /* [MQTT-3.14.2-2] */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t memory[16];
        struct writer block = writer_of(memory, sizeof memory);
        mqtt_write_number_property(&block, cases[i].id, 1);
        struct span bytes = packet_with(cases[i].place, writer_span(&block));
        assert_outcome(&rows[0], cases[i].place, bytes, cases[i].receiver, MQTT_SUCCESS);
        assert_outcome(&rows[0], cases[i].place, bytes, cases[i].wrong, MQTT_PROTOCOL_ERROR);
    }
}

static void a_property_that_is_absent_gives_the_default(void **state)
{
    (void)state;
    uint8_t memory[16];
    struct writer block = writer_of(memory, sizeof memory);
    mqtt_write_number_property(&block, MQTT_RECEIVE_MAXIMUM, 7);
    struct mqtt_properties properties = {writer_span(&block)}, none = {SPAN_EMPTY};
    struct span bytes = SPAN_LITERAL("untouched");
    assert_int_equal(mqtt_property_number(properties, MQTT_RECEIVE_MAXIMUM, 65535), 7);
    assert_int_equal(mqtt_property_number(properties, MQTT_TOPIC_ALIAS_MAXIMUM, 65535), 65535);
    assert_int_equal(mqtt_property_number(none, MQTT_RECEIVE_MAXIMUM, 65535), 65535);
    assert_false(mqtt_property_bytes(properties, MQTT_REASON_STRING, &bytes));
    assert_true(span_equal(bytes, SPAN_LITERAL("untouched")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_property_is_taken_where_it_may_be_and_nowhere_else),
        cmocka_unit_test(only_user_properties_and_delivered_identifiers_repeat),
        cmocka_unit_test(values_outside_their_range_are_refused_both_ways),
        cmocka_unit_test(some_properties_have_one_sender_only),
        cmocka_unit_test(a_property_that_is_absent_gives_the_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
