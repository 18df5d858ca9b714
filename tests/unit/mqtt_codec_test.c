/* mqtt.h: what is encoded is decoded to the same, however it arrives, and is what the standard's text shows.
 */
#include "mqtt_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static uint8_t stream[3 << 20];
static const enum mqtt_version versions[] = {MQTT_3_1_1, MQTT_5};

static void assert_same_bytes(struct span a, struct span b)
{
    assert_int_equal(a.len, b.len);
    if (a.len > 0)
        assert_memory_equal(a.data, b.data, a.len);
}

static void assert_same_connect(const struct mqtt_connect *a, const struct mqtt_connect *b)
{
    assert_same_bytes(a->client_id, b->client_id);
    assert_int_equal(a->clean_start, b->clean_start);
    assert_int_equal(a->keep_alive_s, b->keep_alive_s);
    assert_int_equal(a->has_will, b->has_will);
    assert_int_equal(a->has_user_name, b->has_user_name);
    assert_int_equal(a->has_password, b->has_password);
    assert_same_bytes(a->will.topic, b->will.topic);
    assert_same_bytes(a->will.payload, b->will.payload);
    assert_same_bytes(a->will.properties.bytes, b->will.properties.bytes);
    assert_int_equal(a->will.qos, b->will.qos);
    assert_int_equal(a->will.retain, b->will.retain);
    assert_same_bytes(a->user_name, b->user_name);
    assert_same_bytes(a->password, b->password);
}

static void assert_same_packet(const struct mqtt_packet *a, const struct mqtt_packet *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->packet_id, b->packet_id);
    assert_int_equal(a->reason, b->reason);
    assert_same_bytes(a->reasons, b->reasons);
    assert_same_bytes(a->properties.bytes, b->properties.bytes);
    if (a->type == MQTT_CONNECT)
        assert_same_connect(&a->connect, &b->connect);
    if (a->type == MQTT_CONNACK)
        assert_int_equal(a->connack.session_present, b->connack.session_present);
    if (a->type == MQTT_SUBSCRIBE || a->type == MQTT_UNSUBSCRIBE)
        assert_same_bytes(a->filters.list, b->filters.list);
    if (a->type != MQTT_PUBLISH)
        return;
    assert_same_bytes(a->publish.topic, b->publish.topic);
    assert_same_bytes(a->publish.payload, b->publish.payload);
    assert_int_equal(a->publish.qos, b->publish.qos);
    assert_int_equal(a->publish.dup, b->publish.dup);
    assert_int_equal(a->publish.retain, b->publish.retain);
}

static struct mqtt_packet decode(struct span bytes, enum mqtt_role role, enum mqtt_version version)
{
    struct mqtt_packet packet;
    enum mqtt_reason reason = MQTT_SUCCESS;
    if (mqtt_decode(bytes, role, version, &packet, &reason) != SLUICE_OK)
        fail_msg("refused with 0x%02X", reason);
    return packet;
}

/* Encodes at the end of `out`, and holds mqtt_encoded_size to it. */
static struct span encode(struct writer *out, const struct mqtt_packet *packet)
{
    size_t before = writer_len(out);
    mqtt_encode(out, packet);
    assert_false(out->failed);
    assert_int_equal(writer_len(out) - before, mqtt_encoded_size(packet));
    return span_of(out->start + before, writer_len(out) - before);
}

static void every_packet_survives_encoding_and_decoding(void **state)
{
    (void)state;
    for (size_t v = 0; v < COUNT(versions); v++) {
        struct mqtt_sample samples[MQTT_SAMPLES_MAX];
        size_t count = mqtt_samples(versions[v], samples);
        for (size_t i = 0; i < count; i++) {
            struct writer out = writer_of(stream, sizeof stream);
            struct span bytes = encode(&out, &samples[i].packet);
            struct mqtt_packet decoded = decode(bytes, mqtt_receiver_of(samples[i].packet.type), versions[v]);
            assert_same_packet(&decoded, &samples[i].packet);
        }
    }
}

/* Feeds `whole` in pieces and holds what mqtt_frame and mqtt_decode find to the samples, in order. */
static void receive_in_pieces(struct span whole, size_t piece_bytes, enum mqtt_version version,
                              const struct mqtt_sample *samples, size_t count)
{
    size_t start = 0, arrived = 0, found = 0;
    while (arrived < whole.len) {
        arrived = arrived + piece_bytes < whole.len ? arrived + piece_bytes : whole.len;
        struct span packet;
        enum sluice_error error;
        while ((error = mqtt_frame(span_of(whole.data + start, arrived - start), UINT32_MAX, &packet)) ==
               SLUICE_OK) {
            assert_true(found < count);
            const struct mqtt_packet *expected = &samples[found++].packet;
            struct mqtt_packet decoded = decode(packet, mqtt_receiver_of(expected->type), version);
            assert_same_packet(&decoded, expected);
            start += packet.len;
        }
        assert_int_equal(error, SLUICE_AGAIN);
        assert_true(packet.len == 0 || packet.len == mqtt_encoded_size(&samples[found].packet));
        assert_null(packet.data);
    }
    assert_int_equal(found, count);
    assert_int_equal(start, whole.len);
}

static void packets_are_found_however_they_are_cut(void **state)
{
    (void)state;
    static const size_t pieces_bytes[] = {1, 2, 3, 5, 7, 11, 64, 127, 128, 129, 1460, 16384, sizeof stream};
    for (size_t v = 0; v < COUNT(versions); v++) {
        struct mqtt_sample samples[MQTT_SAMPLES_MAX];
        size_t count = mqtt_samples(versions[v], samples);
        struct writer out = writer_of(stream, sizeof stream);
        for (size_t i = 0; i < count; i++)
            encode(&out, &samples[i].packet);
        for (size_t p = 0; p < COUNT(pieces_bytes); p++)
            receive_in_pieces(writer_span(&out), pieces_bytes[p], versions[v], samples, count);
    }
}

static void the_header_alone_tells_a_bad_or_too_large_packet(void **state)
{
    (void)state;
    const struct {
        const char *name;
        struct span input;
        uint32_t max_bytes;
        enum sluice_error expected;
        size_t len;
    } rows[] = {
        {"nothing", SPAN_EMPTY, 100, SLUICE_AGAIN, 0},
        {"type alone", SPAN_LITERAL("\x30"), 100, SLUICE_AGAIN, 0},
        {"length not complete", SPAN_LITERAL("\x30\x80"), 100, SLUICE_AGAIN, 0},
        {"size known", SPAN_LITERAL("\x30\x80\x01"), 131, SLUICE_AGAIN, 131},
        {"as large as allowed", SPAN_LITERAL("\xC0\x00"), 2, SLUICE_OK, 2},
        {"one byte over", SPAN_LITERAL("\x30\x80\x01"), 130, SLUICE_TOO_LARGE, 0},
        {"268,435,455 bytes", SPAN_LITERAL("\x10\xFF\xFF\xFF\x7F"), 262144, SLUICE_TOO_LARGE, 0},
        {"five bytes of length", SPAN_LITERAL("\x10\xFF\xFF\xFF\xFF\x7F"), UINT32_MAX, SLUICE_INVALID, 0},
        {"four with more to come", SPAN_LITERAL("\x10\x80\x80\x80\x80"), UINT32_MAX, SLUICE_INVALID, 0},
        {"not the shortest form", SPAN_LITERAL("\xC0\x80\x00"), 100, SLUICE_INVALID, 0},
        {"nor this", SPAN_LITERAL("\x30\xFF\x80\x00"), 100, SLUICE_INVALID, 0},
        {"reserved type", SPAN_LITERAL("\x00\x00"), 100, SLUICE_INVALID, 0},
        {"reserved type, seen at once", SPAN_LITERAL("\x0F"), 100, SLUICE_INVALID, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct span untouched = SPAN_LITERAL("untouched"), packet = untouched;
        enum sluice_error error = mqtt_frame(rows[i].input, rows[i].max_bytes, &packet);
        if (error != rows[i].expected)
            fail_msg("%s: %s", rows[i].name, sluice_error_text(error));
        if (error == SLUICE_OK || error == SLUICE_AGAIN)
            assert_int_equal(packet.len, rows[i].len);
        else
            assert_ptr_equal(packet.data, untouched.data);
    }
}

#define BYTES(literal)                                                                                       \
    {                                                                                                        \
        (const uint8_t *)("" literal), sizeof(literal) - 1                                                   \
    }

/* What the figures and non-normative examples of the two standards show, completed to whole packets. */
static const struct {
    const char *name;
    struct span bytes;
    struct mqtt_packet packet;
} vectors[] = {
    {"3.1.1, figure 3.6: CONNECT",
     BYTES("\x10\x20\x00\x04MQTT\x04\xCE\x00\x0A"
           "\x00\x02id"
           "\x00\x03w/t"
           "\x00\x04gone"
           "\x00\x01u\x00\x02pw"),
     {.type = MQTT_CONNECT,
      .version = MQTT_3_1_1,
      .connect = {.client_id = BYTES("id"),
                  .clean_start = true,
                  .keep_alive_s = 10,
                  .has_will = true,
                  .has_user_name = true,
                  .has_password = true,
                  .will = {.topic = BYTES("w/t"), .payload = BYTES("gone"), .qos = 1},
                  .user_name = BYTES("u"),
                  .password = BYTES("pw")}}},
    {"5, figure 3-6: CONNECT with Session Expiry Interval 10",
     BYTES("\x10\x27\x00\x04MQTT\x05\xCE\x00\x0A"
           "\x05\x11\x00\x00\x00\x0A"
           "\x00\x02id"
           "\x00"
           "\x00\x03w/t"
           "\x00\x04gone"
           "\x00\x01u\x00\x02pw"),
     {.type = MQTT_CONNECT,
      .version = MQTT_5,
      .properties = {BYTES("\x11\x00\x00\x00\x0A")},
      .connect = {.client_id = BYTES("id"),
                  .clean_start = true,
                  .keep_alive_s = 10,
                  .has_will = true,
                  .has_user_name = true,
                  .has_password = true,
                  .will = {.topic = BYTES("w/t"), .payload = BYTES("gone"), .qos = 1},
                  .user_name = BYTES("u"),
                  .password = BYTES("pw")}}},
    {"3.1.1: CONNACK",
     BYTES("\x20\x02\x01\x00"),
     {.type = MQTT_CONNACK, .version = MQTT_3_1_1, .connack = {.session_present = true}}},
    {"5: CONNACK with Receive Maximum 10",
     BYTES("\x20\x06\x00\x00\x03\x21\x00\x0A"),
     {.type = MQTT_CONNACK, .version = MQTT_5, .properties = {BYTES("\x21\x00\x0A")}}},
    {"3.1.1, figure 3.11: PUBLISH",
     BYTES("\x32\x09\x00\x03"
           "a/b\x00\x0Ahi"),
     {.type = MQTT_PUBLISH,
      .version = MQTT_3_1_1,
      .packet_id = 10,
      .publish = {.topic = BYTES("a/b"), .payload = BYTES("hi"), .qos = 1}}},
    {"5, figure 3-9: PUBLISH",
     BYTES("\x3D\x0A\x00\x03"
           "a/b\x00\x0A\x00hi"),
     {.type = MQTT_PUBLISH,
      .version = MQTT_5,
      .packet_id = 10,
      .publish = {.topic = BYTES("a/b"), .payload = BYTES("hi"), .qos = 2, .dup = true, .retain = true}}},
    {"5: PUBLISH by its Topic Alias",
     BYTES("\x30\x08\x00\x00\x03\x23\x00\x07hi"),
     {.type = MQTT_PUBLISH,
      .version = MQTT_5,
      .properties = {BYTES("\x23\x00\x07")},
      .publish = {.payload = BYTES("hi")}}},
    {"PUBACK", BYTES("\x40\x02\x12\x34"), {.type = MQTT_PUBACK, .version = MQTT_5, .packet_id = 0x1234}},
    {"5: PUBACK with a reason",
     BYTES("\x40\x03\x12\x34\x10"),
     {.type = MQTT_PUBACK, .version = MQTT_5, .packet_id = 0x1234, .reason = MQTT_NO_MATCHING_SUBSCRIBERS}},
    {"5: PUBACK with a Reason String",
     BYTES("\x40\x08\x12\x34\x87\x04\x1F\x00\x01n"),
     {.type = MQTT_PUBACK,
      .version = MQTT_5,
      .packet_id = 0x1234,
      .reason = MQTT_NOT_AUTHORIZED,
      .properties = {BYTES("\x1F\x00\x01n")}}},
    {"PUBREC", BYTES("\x50\x02\x00\x01"), {.type = MQTT_PUBREC, .version = MQTT_3_1_1, .packet_id = 1}},
    {"PUBREL", BYTES("\x62\x02\x00\x01"), {.type = MQTT_PUBREL, .version = MQTT_3_1_1, .packet_id = 1}},
    {"PUBCOMP", BYTES("\x70\x02\x00\x01"), {.type = MQTT_PUBCOMP, .version = MQTT_3_1_1, .packet_id = 1}},
    {"3.1.1, figure 3.23: SUBSCRIBE",
     BYTES("\x82\x0E\x00\x0A\x00\x03"
           "a/b\x01\x00\x03"
           "c/d\x02"),
     {.type = MQTT_SUBSCRIBE,
      .version = MQTT_3_1_1,
      .packet_id = 10,
      .filters = {BYTES("\x00\x03"
                        "a/b\x01\x00\x03"
                        "c/d\x02")}}},
    {"5, figure 3-21: SUBSCRIBE",
     BYTES("\x82\x0F\x00\x0A\x00\x00\x03"
           "a/b\x01\x00\x03"
           "c/d\x02"),
     {.type = MQTT_SUBSCRIBE,
      .version = MQTT_5,
      .packet_id = 10,
      .filters = {BYTES("\x00\x03"
                        "a/b\x01\x00\x03"
                        "c/d\x02")}}},
    {"3.1.1, figure 3.27: SUBACK",
     BYTES("\x90\x05\x00\x0A\x00\x02\x80"),
     {.type = MQTT_SUBACK, .version = MQTT_3_1_1, .packet_id = 10, .reasons = BYTES("\x00\x02\x80")}},
    {"3.1.1, figure 3.30: UNSUBSCRIBE",
     BYTES("\xA2\x0C\x00\x0A\x00\x03"
           "a/b\x00\x03"
           "c/d"),
     {.type = MQTT_UNSUBSCRIBE,
      .version = MQTT_3_1_1,
      .packet_id = 10,
      .filters = {BYTES("\x00\x03"
                        "a/b\x00\x03"
                        "c/d")}}},
    {"3.1.1: UNSUBACK",
     BYTES("\xB0\x02\x00\x0A"),
     {.type = MQTT_UNSUBACK, .version = MQTT_3_1_1, .packet_id = 10}},
    {"5: UNSUBACK",
     BYTES("\xB0\x05\x00\x0A\x00\x00\x11"),
     {.type = MQTT_UNSUBACK, .version = MQTT_5, .packet_id = 10, .reasons = BYTES("\x00\x11")}},
    {"PINGREQ", BYTES("\xC0\x00"), {.type = MQTT_PINGREQ, .version = MQTT_5}},
    {"PINGRESP", BYTES("\xD0\x00"), {.type = MQTT_PINGRESP, .version = MQTT_5}},
    {"DISCONNECT", BYTES("\xE0\x00"), {.type = MQTT_DISCONNECT, .version = MQTT_3_1_1}},
    {"5, figure 3-24: DISCONNECT",
     BYTES("\xE0\x07\x00\x05\x11\x00\x00\x00\x00"),
     {.type = MQTT_DISCONNECT, .version = MQTT_5, .properties = {BYTES("\x11\x00\x00\x00\x00")}}},
    {"5: AUTH",
     BYTES("\xF0\x06\x19\x04\x15\x00\x01m"),
     {.type = MQTT_AUTH,
      .version = MQTT_5,
      .reason = MQTT_REAUTHENTICATE,
      .properties = {BYTES("\x15\x00\x01m")}}},
};

static void the_bytes_are_those_of_the_standard(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        struct writer out = writer_of(stream, sizeof stream);
        if (!span_equal(encode(&out, &vectors[i].packet), vectors[i].bytes))
            fail_msg("%s is encoded wrongly", vectors[i].name);
        enum mqtt_role role = mqtt_receiver_of(vectors[i].packet.type);
        struct mqtt_packet decoded = decode(vectors[i].bytes, role, vectors[i].packet.version);
        assert_same_packet(&decoded, &vectors[i].packet);
    }
}

static void subscription_options_keep_their_bits(void **state)
{
    (void)state;
    const struct mqtt_filter in[] = {
        {.filter = BYTES("a/b"), .qos = 2, .no_local = true, .retain_handling = 1},
        {.filter = BYTES("+"), .qos = 1, .retain_as_published = true, .retain_handling = 2},
        {.filter = BYTES("c/#")},
    };
    uint8_t list[64];
    struct writer out = writer_of(list, sizeof list);
    for (size_t i = 0; i < COUNT(in); i++)
        mqtt_write_filter(&out, MQTT_SUBSCRIBE, &in[i]);
    assert_same_bytes(writer_span(&out), SPAN_LITERAL("\x00\x03"
                                                      "a/b\x16\x00\x01+\x29\x00\x03"
                                                      "c/#\x00"));
    struct reader at = reader_of(writer_span(&out));
    struct mqtt_filter filter;
    for (size_t i = 0; i < COUNT(in); i++) {
        assert_true(mqtt_filter_next(&at, MQTT_SUBSCRIBE, &filter));
        assert_same_bytes(filter.filter, in[i].filter);
        assert_int_equal(filter.qos, in[i].qos);
        assert_int_equal(filter.no_local, in[i].no_local);
        assert_int_equal(filter.retain_as_published, in[i].retain_as_published);
        assert_int_equal(filter.retain_handling, in[i].retain_handling);
    }
    assert_false(mqtt_filter_next(&at, MQTT_SUBSCRIBE, &filter));
    assert_false(at.failed);
}

static void what_cannot_be_encoded_has_no_size_and_fails_the_writer(void **state)
{
    (void)state;
    struct span too_long = span_of(stream, 65536), huge = span_of(stream, 268435456);
    const struct mqtt_packet rows[] = {
        {.type = MQTT_CONNECT, .version = MQTT_5, .connect = {.client_id = too_long}},
        {.type = MQTT_CONNECT, .version = MQTT_5, .connect = {.has_will = true, .will = {.topic = too_long}}},
        {.type = MQTT_CONNECT,
         .version = MQTT_5,
         .connect = {.has_will = true, .will = {.payload = too_long}}},
        {.type = MQTT_CONNECT, .version = MQTT_5, .connect = {.has_user_name = true, .user_name = too_long}},
        {.type = MQTT_CONNECT, .version = MQTT_5, .connect = {.has_password = true, .password = too_long}},
        {.type = MQTT_PUBLISH, .version = MQTT_3_1_1, .publish = {.topic = too_long}},
        {.type = MQTT_PUBLISH, .version = MQTT_3_1_1, .publish = {.topic = BYTES("a"), .payload = huge}},
        {.type = MQTT_PUBACK, .version = MQTT_5, .packet_id = 1, .properties = {huge}},
        {.type = MQTT_SUBACK, .version = MQTT_5, .packet_id = 1, .reasons = huge},
        {.type = MQTT_AUTH, .version = MQTT_3_1_1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct writer out = writer_of(stream, sizeof stream);
        assert_int_equal(mqtt_encoded_size(&rows[i]), 0);
        mqtt_encode(&out, &rows[i]);
        assert_true(out.failed);
        assert_int_equal(writer_len(&out), 0);
    }
}

static void a_packet_that_does_not_fit_fails_the_writer(void **state)
{
    (void)state;
    for (size_t v = 0; v < COUNT(versions); v++) {
        struct mqtt_sample samples[MQTT_SAMPLES_MAX];
        size_t count = mqtt_samples(versions[v], samples);
        for (size_t i = 0; i < count; i++) {
            size_t size = mqtt_encoded_size(&samples[i].packet);
            for (size_t room = size > 64 ? size - 64 : 0; room <= size; room++) {
                struct writer out = writer_of(stream, room);
                mqtt_encode(&out, &samples[i].packet);
                assert_int_equal(out.failed, room < size);
            }
        }
    }
}

static void reasons_have_names_and_v3_codes(void **state)
{
    (void)state;
    assert_string_equal(mqtt_type_name(MQTT_PUBLISH), "PUBLISH");
    assert_string_equal(mqtt_type_name(MQTT_AUTH), "AUTH");
    assert_string_equal(mqtt_reason_text(MQTT_PACKET_TOO_LARGE), "Packet too large");
    assert_string_equal(mqtt_reason_text((enum mqtt_reason)0x03), "Unknown reason");
    assert_string_equal(mqtt_reason_text((enum mqtt_reason)0xFF), "Unknown reason");
    const struct {
        enum mqtt_reason reason;
        enum mqtt_v3_return_code code;
    } rows[] = {
        {MQTT_SUCCESS, MQTT_V3_ACCEPTED},
        {MQTT_UNSUPPORTED_PROTOCOL_VERSION, MQTT_V3_UNACCEPTABLE_PROTOCOL_VERSION},
        {MQTT_CLIENT_IDENTIFIER_NOT_VALID, MQTT_V3_IDENTIFIER_REJECTED},
        {MQTT_SERVER_BUSY, MQTT_V3_SERVER_UNAVAILABLE},
        {MQTT_BAD_USER_NAME_OR_PASSWORD, MQTT_V3_BAD_USER_NAME_OR_PASSWORD},
        {MQTT_NOT_AUTHORIZED, MQTT_V3_NOT_AUTHORIZED},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(mqtt_v3_return_code(rows[i].reason), rows[i].code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_packet_survives_encoding_and_decoding),
        cmocka_unit_test(packets_are_found_however_they_are_cut),
        cmocka_unit_test(the_header_alone_tells_a_bad_or_too_large_packet),
        cmocka_unit_test(the_bytes_are_those_of_the_standard),
        cmocka_unit_test(subscription_options_keep_their_bits),
        cmocka_unit_test(what_cannot_be_encoded_has_no_size_and_fails_the_writer),
        cmocka_unit_test(a_packet_that_does_not_fit_fails_the_writer),
        cmocka_unit_test(reasons_have_names_and_v3_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
