/* Sections 4.3 to 4.6: the delivery protocols of each QoS, repetitions, and order. A statement's id is that
 * of MQTT 5; `3.1.1:` leads those of the older standard. */
#include "exchange.h"

#include <stdio.h>

static const struct client_options publisher = {.version = V5, .client_id = "from"};

static struct client_options durable(enum mqtt_version version)
{
    return (struct client_options){
        .version = version, .client_id = "to", .expiry_s = 6000, .keep_session = true};
}

/* A durable subscriber to "t" at this QoS, and a publisher. */
static struct host *begin(struct client *from, struct client *to, enum mqtt_version version, uint8_t qos)
{
    struct host *host = host_new();
    struct client_options options = durable(version);
    client_connect(from, host, &publisher);
    client_connect(to, host, &options);
    client_subscribe(to, "t", qos);
    client_expect_nothing(to);
    return host;
}

static void end(struct host *host, struct client *from, struct client *to)
{
    client_vanish(from);
    client_vanish(to);
    host_free(host);
}

static void reconnect(struct client *client)
{
    struct host *host = client->host;
    struct client_options options = durable(client->version);
    client_vanish(client);
    assert_true(client_connect(client, host, &options));
}

static void expect_publish_with(struct client *client, uint8_t qos, uint16_t packet_id, bool dup)
{
    struct mqtt_packet packet = client_expect_publish(client, "t", "x", qos);
    assert_int_equal(packet.packet_id, packet_id);
    assert_int_equal(packet.publish.dup, dup);
}

/* ---- The Server sends ---- */

/* [MQTT-4.3.2-2] [MQTT-4.3.2-3] [MQTT-4.4.0-1] [MQTT-3.3.1-1]; 3.1.1: [MQTT-4.3.2-1] [MQTT-2.3.1-4] */
static void qos_1_is_unacknowledged_until_puback(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct client from, to;
        struct host *host = begin(&from, &to, both_versions[i], 1);
        client_publish(&from, "t", "x", 1, false);
        uint16_t id = client_expect(&to, MQTT_PUBLISH).packet_id;
        assert_int_equal(buffer_span(&to.out).data[0], 0x32); /* DUP 0 */
        for (int round = 0; round < 3; round++) {
            reconnect(&to);
            expect_publish_with(&to, 1, id, true);
        }
        client_ack(&to, MQTT_PUBACK, id);
        reconnect(&to);
        client_expect_nothing(&to);
        end(host, &from, &to);
    }
}

/* [MQTT-4.3.3-2] to [MQTT-4.3.3-6] [MQTT-2.2.1-5]; 3.1.1: [MQTT-4.3.3-1] [MQTT-2.3.1-6] */
static void qos_2_goes_from_publish_to_pubrel_and_never_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct client from, to;
        struct host *host = begin(&from, &to, both_versions[i], 2);
        client_publish(&from, "t", "x", 2, false);
        uint16_t id = client_expect(&to, MQTT_PUBLISH).packet_id;
        assert_int_equal(buffer_span(&to.out).data[0], 0x34);
        reconnect(&to);
        expect_publish_with(&to, 2, id, true);
        const uint8_t pubrec[] = {0x50, 2, (uint8_t)(id >> 8), (uint8_t)id};
        const uint8_t pubrel[] = {0x62, 2, (uint8_t)(id >> 8), (uint8_t)id};
        exchange(&to, span_of(pubrec, 4), span_of(pubrel, 4));
        for (int round = 0; round < 3; round++) {
            reconnect(&to);
            expect_bytes(&to, span_of(pubrel, 4));
        }
        client_ack(&to, MQTT_PUBCOMP, id);
        reconnect(&to);
        client_expect_nothing(&to);
        end(host, &from, &to);
    }
}

/* [MQTT-4.4.0-1]: nothing is sent again on the same connection, however long it takes. */
static void nothing_is_sent_again_without_a_new_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct client from, to;
        struct host *host = begin(&from, &to, V3, (uint8_t)(1 + i / 2));
        client_publish(&from, "t", "x", 2, false);
        uint16_t id = client_expect_publish(&to, "t", "x", (uint8_t)(1 + i / 2)).packet_id;
        if (i == 3) {
            client_ack(&to, MQTT_PUBREC, id);
            client_expect_ack(&to, MQTT_PUBREL, id, MQTT_SUCCESS);
        }
        host_advance(host, 3600000);
        client_expect_nothing(&to);
        end(host, &from, &to);
    }
}

/* [MQTT-4.4.0-2] [MQTT-4.3.3-4]: a refused message is over; no PUBREL follows. */
static void what_the_client_refuses_is_not_sent_again(void **state)
{
    (void)state;
    for (uint8_t qos = 1; qos < 3; qos++) {
        struct client from, to;
        struct host *host = begin(&from, &to, V5, qos);
        client_publish(&from, "t", "x", qos, false);
        uint16_t id = client_expect_publish(&to, "t", "x", qos).packet_id;
        client_send(&to, &(struct mqtt_packet){.type = qos == 1 ? MQTT_PUBACK : MQTT_PUBREC,
                                               .version = V5,
                                               .packet_id = id,
                                               .reason = MQTT_UNSPECIFIED_ERROR});
        client_expect_nothing(&to);
        reconnect(&to);
        client_expect_nothing(&to);
        assert_int_equal(host_unfinished_count(host), 0);
        end(host, &from, &to);
    }
}

/* [MQTT-4.3.3-7]: the message expires after it was sent. */
static void an_expiry_does_not_end_what_was_begun(void **state)
{
    (void)state;
    uint8_t bytes[8];
    struct writer block = writer_of(bytes, sizeof bytes);
    mqtt_write_number_property(&block, MQTT_MESSAGE_EXPIRY_INTERVAL, 10);
    struct client from, to;
    struct host *host = begin(&from, &to, V5, 2);
    struct mqtt_packet packet = {
        .type = MQTT_PUBLISH,
        .version = V5,
        .packet_id = 1,
        .properties.bytes = writer_span(&block),
        .publish = {.topic = SPAN_LITERAL("t"), .payload = SPAN_LITERAL("x"), .qos = 2}};
    client_send(&from, &packet);
    uint16_t id = client_expect_publish(&to, "t", "x", 2).packet_id;
    host_advance(host, 60000);
    reconnect(&to);
    expect_publish_with(&to, 2, id, true);
    end(host, &from, &to);
}

/* [MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.3-1]; HOSTILE 51: over more than a turn of all Packet Identifiers,
 * with the first still in use. */
static void packet_identifiers_are_not_zero_and_not_in_use(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.queue_count = 100000;
    host_restart_with_config(host);
    struct client to;
    client_connect(&to, host, &(struct client_options){.client_id = "to"});
    client_subscribe(&to, "t", 1);
    struct message view = {.qos = 1, .topic = SPAN_LITERAL("t")};
    broker_publish(host->broker, &view);
    uint16_t first = client_expect_publish(&to, "t", "", 1).packet_id;
    for (uint32_t i = 1; i < 65535; i++) {
        broker_publish(host->broker, &view);
        uint16_t id = client_expect_publish(&to, "t", "", 1).packet_id;
        if (id == 0 || id == first)
            fail_msg("Packet Identifier %u after %u", id, i);
        client_ack(&to, MQTT_PUBACK, id);
    }
    broker_publish(host->broker, &view); /* all have been used: it waits for the first */
    client_expect_nothing(&to);
    client_ack(&to, MQTT_PUBACK, first);
    assert_int_equal(client_expect_publish(&to, "t", "", 1).packet_id, first);
    client_vanish(&to);
    host_free(host);
}

/* ---- The Server receives ---- */

/* [MQTT-4.3.2-4] [MQTT-4.3.2-5]; 3.1.1: [MQTT-4.3.2-2] */
static void qos_1_is_new_each_time(void **state)
{
    (void)state;
    struct client from, to;
    struct host *host = begin_exchange(&from, V3);
    client_connect(&to, host, &(struct client_options){.client_id = "to"});
    client_subscribe(&to, "t", 0);
    for (int i = 0; i < 3; i++) {
        exchange(&from,
                 i == 0 ? SPAN_LITERAL("\x32\x06\x00\x01t\x00\x07x")
                        : SPAN_LITERAL("\x3a\x06\x00\x01t\x00\x07x"),
                 SPAN_LITERAL("\x40\x02\x00\x07"));
        client_expect_publish(&to, "t", "x", 0);
    }
    end(host, &from, &to);
}

/* [MQTT-4.3.3-8] [MQTT-4.3.3-10] to [MQTT-4.3.3-12] [MQTT-3.3.4-1]; 3.1.1: [MQTT-4.3.3-2] [MQTT-3.3.4-1] */
static void qos_2_is_new_after_its_pubcomp(void **state)
{
    (void)state;
    static const struct {
        struct span given, answer;
        bool delivered;
    } table[] = {
        {SPAN_LITERAL("\x34\x06\x00\x01t\x00\x07x"), SPAN_LITERAL("\x50\x02\x00\x07"), true},
        {SPAN_LITERAL("\x3c\x06\x00\x01t\x00\x07x"), SPAN_LITERAL("\x50\x02\x00\x07"), false},
        {SPAN_LITERAL("\x34\x06\x00\x01t\x00\x07x"), SPAN_LITERAL("\x50\x02\x00\x07"), false},
        {SPAN_LITERAL("\x34\x06\x00\x01t\x00\x08x"), SPAN_LITERAL("\x50\x02\x00\x08"), true},
        {SPAN_LITERAL("\x62\x02\x00\x07"), SPAN_LITERAL("\x70\x02\x00\x07"), false},
        {SPAN_LITERAL("\x3c\x06\x00\x01t\x00\x07x"), SPAN_LITERAL("\x50\x02\x00\x07"), true},
        {SPAN_LITERAL("\x3c\x06\x00\x01t\x00\x08x"), SPAN_LITERAL("\x50\x02\x00\x08"), false},
    };
    struct client from, to;
    struct host *host = begin_exchange(&from, V3);
    client_connect(&to, host, &(struct client_options){.client_id = "to"});
    client_subscribe(&to, "t", 0);
    for (size_t i = 0; i < COUNT(table); i++) {
        exchange(&from, table[i].given, table[i].answer);
        if (table[i].delivered)
            client_expect_publish(&to, "t", "x", 0);
        client_expect_nothing(&to);
    }
    end(host, &from, &to);
}

/* The same over a lost connection: the sender repeats what it has no PUBREC for. */
static void a_packet_identifier_is_held_over_a_new_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct client from, to;
        struct host *host = host_new();
        struct client_options options = durable(both_versions[i]);
        client_connect(&to, host, &publisher);
        client_subscribe(&to, "t", 0);
        client_connect(&from, host, &options);
        client_publish(&from, "t", "x", 2, false);
        client_expect_publish(&to, "t", "x", 0);
        reconnect(&from);
        from.next_packet_id = 0;
        client_publish(&from, "t", "x", 2, false);
        client_expect_ack(&from, MQTT_PUBREC, 1, MQTT_SUCCESS);
        client_expect_nothing(&to);
        client_ack(&from, MQTT_PUBREL, 1);
        client_expect_ack(&from, MQTT_PUBCOMP, 1, MQTT_SUCCESS);
        end(host, &from, &to);
    }
}

/* [MQTT-4.3.3-9] */
static void a_refused_qos_2_publish_leaves_its_identifier_free(void **state)
{
    (void)state;
    struct client from, to;
    struct host *host = begin(&from, &to, V5, 0);
    from.next_packet_id = 0;
    client_publish(&from, "$SYS/refused", "x", 2, false);
    client_expect_ack(&from, MQTT_PUBREC, 1, MQTT_TOPIC_NAME_INVALID);
    from.next_packet_id = 0;
    client_publish(&from, "t", "x", 2, false);
    client_expect_ack(&from, MQTT_PUBREC, 1, MQTT_SUCCESS);
    client_expect_publish(&to, "t", "x", 0);
    end(host, &from, &to);
}

/* [MQTT-4.3.3-13]: a message that has expired on arrival is acknowledged like any other. */
static void an_expired_qos_2_message_is_acknowledged_to_the_end(void **state)
{
    (void)state;
    struct client from;
    struct host *host = begin_exchange(&from, V5);
    exchange(&from, SPAN_LITERAL("\x34\x0b\x00\x01t\x00\x07\x05\x02\x00\x00\x00\x00"),
             SPAN_LITERAL("\x50\x02\x00\x07"));
    host_advance(host, 10000);
    exchange(&from, SPAN_LITERAL("\x62\x02\x00\x07"), SPAN_LITERAL("\x70\x02\x00\x07"));
    end_exchange(host, &from);
}

/* ---- Order ---- */

/* [MQTT-4.6.0-5] [MQTT-4.6.0-6], and the Server's own repetitions as [MQTT-4.6.0-1] has them of a
 * Client; 3.1.1: [MQTT-4.6.0-1] [MQTT-4.6.0-5] [MQTT-4.6.0-6] */
static void order_is_kept_over_every_reconnection(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct client from, to;
        uint8_t qos = (uint8_t)(1 + i / 2);
        struct host *host = begin(&from, &to, both_versions[i % 2], qos);
        char text[12];
        for (int n = 0; n < 10; n++) {
            snprintf(text, sizeof text, "%d", n);
            client_publish(&from, "t", text, qos, false);
        }
        for (int round = 0; round < 3; round++) { /* what was sent, what was not, and what is new */
            for (int n = 0; n < 10 + round; n++) {
                snprintf(text, sizeof text, "%d", n);
                assert_int_equal(client_expect_publish(&to, "t", text, qos).publish.dup,
                                 round > 0 && n < 9 + round);
            }
            client_expect_nothing(&to);
            client_vanish(&to);
            snprintf(text, sizeof text, "%d", 10 + round);
            client_publish(&from, "t", text, qos, false);
            struct client_options options = durable(both_versions[i % 2]);
            client_connect(&to, host, &options);
        }
        end(host, &from, &to);
    }
}

/* [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-4] bind a Client; the Server answers in order, too. 3.1.1:
 * [MQTT-4.6.0-6] */
static void answers_come_in_the_order_of_what_they_answer(void **state)
{
    (void)state;
    struct client client;
    struct host *host = begin_exchange(&client, V3);
    exchange(&client,
             SPAN_LITERAL("\x32\x05\x00\x01t\x00\x05"
                          "\x34\x05\x00\x01t\x00\x04"
                          "\x32\x05\x00\x01t\x00\x03"
                          "\x34\x05\x00\x01t\x00\x02"
                          "\x62\x02\x00\x02"
                          "\x62\x02\x00\x04"),
             SPAN_LITERAL("\x40\x02\x00\x05"
                          "\x50\x02\x00\x04"
                          "\x40\x02\x00\x03"
                          "\x50\x02\x00\x02"
                          "\x70\x02\x00\x02"
                          "\x70\x02\x00\x04"));
    end_exchange(host, &client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qos_1_is_unacknowledged_until_puback),
        cmocka_unit_test(qos_2_goes_from_publish_to_pubrel_and_never_back),
        cmocka_unit_test(nothing_is_sent_again_without_a_new_connection),
        cmocka_unit_test(what_the_client_refuses_is_not_sent_again),
        cmocka_unit_test(an_expiry_does_not_end_what_was_begun),
        cmocka_unit_test(packet_identifiers_are_not_zero_and_not_in_use),
        cmocka_unit_test(qos_1_is_new_each_time),
        cmocka_unit_test(qos_2_is_new_after_its_pubcomp),
        cmocka_unit_test(a_packet_identifier_is_held_over_a_new_connection),
        cmocka_unit_test(a_refused_qos_2_publish_leaves_its_identifier_free),
        cmocka_unit_test(an_expired_qos_2_message_is_acknowledged_to_the_end),
        cmocka_unit_test(order_is_kept_over_every_reconnection),
        cmocka_unit_test(answers_come_in_the_order_of_what_they_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
