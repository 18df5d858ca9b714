/* Clients of both versions with each other: a 3.1.1 Client never sees a byte of MQTT 5, and loses nothing of
 * what 3.1.1 has. */
#include "exchange.h"

enum way { AT_ONCE, FROM_THE_QUEUE, RETAINED, WAYS };

static const char properties[] = "\x01\x01"     /* Payload Format Indicator */
                                 "\x03\x00\x01" /* Content Type */
                                 "c"
                                 "\x08\x00\x01r"        /* Response Topic */
                                 "\x09\x00\x01\xff"     /* Correlation Data */
                                 "&\x00\x01k\x00\x01v"  /* User Property */
                                 "&\x00\x01k\x00\x01w"; /* and another */
enum { PROPERTIES_BYTES = sizeof properties - 1 };

static void publish(struct client *client, uint8_t qos, bool retain)
{
    struct mqtt_packet packet = {
        .type = MQTT_PUBLISH,
        .version = client->version,
        .packet_id = qos ? 1 : 0,
        .publish = {.topic = SPAN_LITERAL("t"), .payload = SPAN_LITERAL("xy"), .qos = qos, .retain = retain}};
    if (client->version == V5)
        packet.properties.bytes = span_of(properties, PROPERTIES_BYTES);
    client_send(client, &packet);
}

/* The whole PUBLISH that the subscriber must see. */
static void expect_publish(struct client *client, uint8_t qos, bool retain, bool has_properties)
{
    uint8_t bytes[64], body_bytes[64];
    struct writer body = writer_of(body_bytes, sizeof body_bytes), out = writer_of(bytes, sizeof bytes);
    write_u16_bytes(&body, SPAN_LITERAL("t"));
    if (qos > 0)
        write_u16(&body, 1); /* the Packet Identifier of a session's first message */
    if (client->version == V5) {
        write_u8(&body, has_properties ? PROPERTIES_BYTES : 0);
        write_bytes(&body, span_of(properties, has_properties ? PROPERTIES_BYTES : 0));
    }
    write_bytes(&body, SPAN_LITERAL("xy"));
    write_u8(&out, (uint8_t)(0x30 | qos << 1 | (retain ? 1 : 0)));
    write_u8(&out, (uint8_t)writer_len(&body));
    write_bytes(&out, writer_span(&body));
    expect_bytes(client, writer_span(&out));
}

static void carry(enum mqtt_version from_version, enum mqtt_version to_version, uint8_t qos, enum way way)
{
    struct host *host = host_new();
    struct client from, to;
    bool is_durable = way == FROM_THE_QUEUE;
    struct client_options options = {.version = to_version,
                                     .client_id = "to",
                                     .expiry_s = is_durable ? 60 : 0,
                                     .keep_session = is_durable};
    client_connect(&from, host, &(struct client_options){.version = from_version, .client_id = "from"});
    client_connect(&to, host, &options);
    if (way != RETAINED)
        client_subscribe(&to, "t", 2);
    if (way == FROM_THE_QUEUE)
        client_vanish(&to);
    publish(&from, qos, way == RETAINED);
    if (way == FROM_THE_QUEUE)
        client_connect(&to, host, &options);
    if (way == RETAINED)
        client_subscribe(&to, "t", 2);
    expect_publish(&to, qos, way == RETAINED, from_version == V5);
    client_vanish(&from);
    end_exchange(host, &to);
}

static void messages_cross_the_versions(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        for (uint8_t qos = 0; qos < 3; qos++) {
            for (enum way way = AT_ONCE; way < WAYS; way++) {
                if (qos > 0 || way != FROM_THE_QUEUE)
                    carry(both_versions[i / 2], both_versions[i % 2], qos, way);
            }
        }
    }
}

/* The queue of a session waits for its client in either version. */
static void a_session_is_continued_in_the_other_version(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct host *host = host_new();
        struct client from, to;
        struct client_options options = {
            .version = both_versions[i], .client_id = "to", .expiry_s = 60, .keep_session = true};
        client_connect(&from, host, &(struct client_options){.version = V5, .client_id = "from"});
        client_connect(&to, host, &options);
        client_subscribe(&to, "t", 2);
        client_vanish(&to);
        publish(&from, 2, false);
        options.version = both_versions[1 - i];
        assert_true(client_connect(&to, host, &options));
        expect_publish(&to, 2, false, true);
        client_vanish(&from);
        end_exchange(host, &to);
    }
}

/* What v5 is told by Reason Codes, 3.1.1 has other words for, or none. */
static void a_3_1_1_client_is_answered_in_its_own_words(void **state)
{
    (void)state;
    struct client client, newer;
    struct host *host = begin_exchange(&client, V3);
    exchange(&client, SPAN_LITERAL("\x32\x05\x00\x01t\x00\x01"), SPAN_LITERAL("\x40\x02\x00\x01"));
    exchange(&client, SPAN_LITERAL("\x62\x02\x00\x07"), SPAN_LITERAL("\x70\x02\x00\x07"));
    exchange(&client, SPAN_LITERAL("\x50\x02\x00\x08"), SPAN_LITERAL("\x62\x02\x00\x08"));
    exchange(&client, SPAN_LITERAL("\xa2\x05\x00\x02\x00\x01t"), SPAN_LITERAL("\xb0\x02\x00\x02"));
    exchange(&client, SPAN_LITERAL("\x82\x26\x00\x03\x00\x21/////////////////////////////////\x00"),
             SPAN_LITERAL("\x90\x03\x00\x03\x80"));
    client_begin(&newer, host, &(struct client_options){.client_id = "a"});
    expect_bytes(&newer, SPAN_LITERAL("\x20\x02\x00\x00"));
    expect_bytes(&client, SPAN_EMPTY); /* taken over: no DISCONNECT */
    assert_true(client.asked_to_close);
    client_vanish(&client);
    exchange(&newer, SPAN_LITERAL("\x32\x09\x00\x05$SYS/\x00\x01"), SPAN_EMPTY); /* refused: closed */
    assert_true(newer.asked_to_close);
    end_exchange(host, &newer);
}

/* [MQTT-2.2.2-1]: the property block that MQTT 5 adds is there, though empty. */
static void a_v5_packet_without_properties_says_so(void **state)
{
    (void)state;
    struct client client;
    struct host *host = begin_exchange(&client, V5);
    exchange(&client, SPAN_LITERAL("\x82\x07\x00\x01\x00\x00\x01t\x00"),
             SPAN_LITERAL("\x90\x04\x00\x01\x00\x00"));
    exchange(&client, SPAN_LITERAL("\x30\x05\x00\x01t\x00x"), SPAN_LITERAL("\x30\x05\x00\x01t\x00x"));
    exchange(&client, SPAN_LITERAL("\xa2\x06\x00\x02\x00\x00\x01t"),
             SPAN_LITERAL("\xb0\x04\x00\x02\x00\x00"));
    end_exchange(host, &client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_cross_the_versions),
        cmocka_unit_test(a_session_is_continued_in_the_other_version),
        cmocka_unit_test(a_3_1_1_client_is_answered_in_its_own_words),
        cmocka_unit_test(a_v5_packet_without_properties_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
