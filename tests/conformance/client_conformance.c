/* What MQTT 5 asks of a Client, of the SDK's: over a port without a network, before a Server that the test
 * plays. Each packet that is taken here is decoded as a Server does, so one that breaks the standard fails.
 */
#include "../unit/device_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* A message that the Server sends. */
static void give_message(uint8_t qos, uint16_t packet_id)
{
    fake_port_give_packet(
        &fake, &(struct mqtt_packet){.type = MQTT_PUBLISH,
                                     .version = MQTT_5,
                                     .packet_id = packet_id,
                                     .publish = {.topic = SPAN_LITERAL("farm/shed/commands/a"), .qos = qos}});
}

static enum sluice_error publish_to(const char *topic, const char *response_topic, bool retain)
{
    return sluice_device_publish(device, &(struct sluice_message){
                                             .topic = {topic, strlen(topic)},
                                             .payload = {"x", 1},
                                             .response_topic = {response_topic, strlen(response_topic)},
                                             .retain = retain,
                                         });
}

/* [MQTT-3.1.0-1] [MQTT-3.1.0-2] [MQTT-3.1.2-30]; on the second connection as on the first. */
static void connect_is_the_only_packet_before_connack(void **state)
{
    (void)state;
    open_device();
    for (unsigned connection = 1; connection <= 2; connection++) {
        publish("x");
        sample(1700000000000, 20);
        sluice_device_flush(device);
        poll_device();
        take(MQTT_CONNECT);
        poll_at(now_ms + ANSWER_MS - 1);
        take_nothing();
        give_connack(false, SPAN_EMPTY);
        poll_device();
        for (unsigned i = 0; i < 2 * connection; i++)
            take(MQTT_PUBLISH);
        take_nothing();
        break_connection();
    }
}

/* [MQTT-3.1.2-1] to [MQTT-3.1.2-3] [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-16] to [MQTT-3.1.2-19]
 * [MQTT-3.1.3-1] [MQTT-3.1.3-3]: no will, no User Name, no Password; [MQTT-3.3.2-10] [MQTT-4.12.0-7]: and no
 * Topic Aliases or enhanced authentication. */
static void the_connect_says_what_it_means(void **state)
{
    (void)state;
    open_device();
    poll_device();
    static const struct span expected =
        SPAN_LITERAL("\x10\x1e\x00\x04MQTT\x05\x00\x00\x3c"
                     "\x0d\x11\x00\x01\x51\x80\x21\x00\x08\x27\x00\x00\x04\x00"
                     "\x00\x04shed");
    assert_int_equal(fake.sent_bytes, expected.len);
    assert_memory_equal(fake.sent, expected.data, expected.len);
}

/* [MQTT-3.1.3-4] */
static void a_client_identifier_is_utf_8(void **state)
{
    (void)state;
    static const char *const ids[] = {"\xff", "\xed\xa0\x80", "\xc0\xaf", "", "caf\xc3\xa9"};
    for (size_t i = 0; i < 5; i++) {
        struct sluice_device_config config = base_config();
        config.client_id = ids[i];
        fake_port_init(&fake);
        assert_int_equal(sluice_device_open(memory, sizeof memory, &config, &fake.port, &device),
                         i < 4 ? SLUICE_INVALID : SLUICE_OK);
    }
}

/* [MQTT-3.1.2-20] [MQTT-3.1.2-21] [MQTT-3.2.2-21] */
static void the_servers_keep_alive_is_kept_to(void **state)
{
    (void)state;
    open_device();
    poll_device();
    take(MQTT_CONNECT);
    give_connack(false, SPAN_LITERAL("\x13\x00\x07"));
    assert_int_equal(poll_device(), now_ms + 7000);
    poll_at(now_ms + 6999);
    take_nothing();
    poll_at(now_ms + 1);
    take(MQTT_PINGREQ);
}

/* [MQTT-3.2.2-14] */
static void nothing_is_retained_where_that_is_not_available(void **state)
{
    (void)state;
    for (int available = 0; available < 2; available++) {
        open_device();
        poll_device();
        take(MQTT_CONNECT);
        give_connack(false, available ? SPAN_LITERAL("\x25\x01") : SPAN_LITERAL("\x25\x00"));
        assert_int_equal(publish_to("t", "", true), SLUICE_OK);
        poll_device();
        assert_int_equal(take(MQTT_PUBLISH).publish.retain, available);
    }
}

/* [MQTT-3.2.2-17] [MQTT-3.2.2-18] [MQTT-3.3.2-8] [MQTT-3.3.2-9]: whatever the Server would take;
 * [MQTT-3.3.4-6]. */
static void messages_go_out_under_their_names(void **state)
{
    (void)state;
    open_device();
    poll_device();
    take(MQTT_CONNECT);
    give_connack(false, SPAN_LITERAL("\x22\x00\x10"));
    for (int i = 0; i < 3; i++) {
        publish("x");
        poll_device();
        struct mqtt_packet packet = take(MQTT_PUBLISH);
        assert_true(span_equal(packet.publish.topic, SPAN_LITERAL("farm/shed/events")));
        assert_int_equal(packet.properties.bytes.len, 0);
        assert_false(packet.publish.dup);
    }
}

/* [MQTT-3.3.2-1] [MQTT-3.3.2-2] [MQTT-3.3.2-13] [MQTT-3.3.2-14] [MQTT-4.7.0-1] [MQTT-4.7.3-1] [MQTT-4.7.3-2]
 */
static void what_is_no_topic_name_is_not_sent(void **state)
{
    (void)state;
    static const char *const bad[] = {"#", "a/+", "\xff", "\xed\xa0\x80"};
    open_device();
    go_online(false);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(publish_to(bad[i], "", false), SLUICE_INVALID);
        assert_int_equal(publish_to("t", bad[i], false), SLUICE_INVALID);
    }
    assert_int_equal(publish_to("", "", false), SLUICE_INVALID);
    struct sluice_message with_null = {.topic = {"a\0b", 3}};
    assert_int_equal(sluice_device_publish(device, &with_null), SLUICE_INVALID);
    poll_device();
    take_nothing();
    assert_int_equal(publish_to("t", "answers", false), SLUICE_OK);
    poll_device();
    take(MQTT_PUBLISH);
}

/* [MQTT-3.3.4-7] [MQTT-3.3.4-8] [MQTT-4.9.0-1] to [MQTT-4.9.0-3]: with Receive Maximum 1, and that one out.
 */
static void a_used_up_quota_delays_nothing_but_publishes(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    config.puback_ms = 2 * KEEP_ALIVE_MS;
    open_with(&config, sizeof memory);
    poll_device();
    take(MQTT_CONNECT);
    give_connack(false, SPAN_LITERAL("\x21\x00\x01"));
    publish("1");
    publish("2");
    poll_device();
    uint16_t first = take(MQTT_PUBLISH).packet_id;
    take_nothing();
    give_message(1, 5);
    poll_device();
    assert_int_equal(take(MQTT_PUBACK).packet_id, 5);
    poll_at(now_ms + KEEP_ALIVE_MS);
    take(MQTT_PINGREQ);
    take_nothing();
    fake_port_give_ack(&fake, MQTT_PINGRESP, 0, MQTT_SUCCESS);
    fake_port_give_ack(&fake, MQTT_PUBACK, first, MQTT_SUCCESS);
    poll_device();
    take(MQTT_PUBLISH);
    take_nothing();
}

/* [MQTT-4.6.0-2] [MQTT-4.5.0-2] [MQTT-4.3.2-4] [MQTT-2.2.1-5] [MQTT-3.4.2-1]: also when nobody wants the
 * message. */
static void each_message_is_acknowledged_in_order(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    config.on_message = NULL;
    open_with(&config, sizeof memory);
    go_online(false);
    static const uint16_t ids[] = {9, 3, 65535, 1, 3};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        give_message(1, ids[i]);
        give_message(0, 0);
    }
    poll_device();
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct mqtt_packet puback = take(MQTT_PUBACK);
        assert_int_equal(puback.packet_id, ids[i]);
        assert_int_equal(puback.reason, MQTT_SUCCESS);
    }
    take_nothing();
}

/* [MQTT-4.3.2-5]: one that comes again is a message again. */
static void a_repeated_packet_identifier_is_a_new_message(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    for (int i = 0; i < 2; i++) {
        give_message(1, 7);
        poll_device();
        assert_int_equal(take(MQTT_PUBACK).packet_id, 7);
    }
    assert_int_equal(sluice_device_counters(device).received, 2);
}

/* [MQTT-4.4.0-1] [MQTT-4.4.0-2]: only a new connection sends again, and never what was answered. */
static void only_a_new_connection_sends_again(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    config.puback_ms = 3600000;
    open_with(&config, sizeof memory);
    go_online(false);
    publish("refused");
    publish("kept");
    poll_device();
    fake_port_give_ack(&fake, MQTT_PUBACK, take(MQTT_PUBLISH).packet_id, MQTT_NOT_AUTHORIZED);
    uint16_t kept = take(MQTT_PUBLISH).packet_id;
    for (int i = 0; i < 10; i++) {
        poll_at(now_ms + KEEP_ALIVE_MS);
        take(MQTT_PINGREQ);
        fake_port_give_ack(&fake, MQTT_PINGRESP, 0, MQTT_SUCCESS);
        poll_device();
    }
    take_nothing();
    break_connection();
    go_online(true);
    struct mqtt_packet packet = take(MQTT_PUBLISH);
    assert_true(packet.publish.dup && packet.packet_id == kept);
    take_nothing();
}

/* [MQTT-3.2.2-4]: never Clean Start, so the Session State is never missing, only empty at first: a Session of
 * an earlier run is taken up, and nothing of it is guessed. */
static void a_session_of_an_earlier_run_is_taken_up(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    config.filters = filters;
    config.filter_count = 1;
    open_with(&config, sizeof memory);
    poll_device();
    assert_false(take(MQTT_CONNECT).connect.clean_start);
    give_connack(true, SPAN_EMPTY);
    publish("x");
    poll_device();
    take(MQTT_SUBSCRIBE);
    assert_false(take(MQTT_PUBLISH).publish.dup);
    assert_int_equal(sluice_device_state(device), SLUICE_DEVICE_ONLINE);
}

/* [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-3.14.2-1] */
static void disconnect_is_the_last_packet(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    sluice_device_close(device, now_ms, 0);
    poll_device();
    assert_int_equal(take(MQTT_DISCONNECT).reason, MQTT_SUCCESS);
    take_nothing();
    assert_false(fake.is_open);
    publish("too late");
    poll_at(now_ms + KEEP_ALIVE_MS);
    take_nothing();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_is_the_only_packet_before_connack),
        cmocka_unit_test(the_connect_says_what_it_means),
        cmocka_unit_test(a_client_identifier_is_utf_8),
        cmocka_unit_test(the_servers_keep_alive_is_kept_to),
        cmocka_unit_test(nothing_is_retained_where_that_is_not_available),
        cmocka_unit_test(messages_go_out_under_their_names),
        cmocka_unit_test(what_is_no_topic_name_is_not_sent),
        cmocka_unit_test(a_used_up_quota_delays_nothing_but_publishes),
        cmocka_unit_test(each_message_is_acknowledged_in_order),
        cmocka_unit_test(a_repeated_packet_identifier_is_a_new_message),
        cmocka_unit_test(only_a_new_connection_sends_again),
        cmocka_unit_test(a_session_of_an_earlier_run_is_taken_up),
        cmocka_unit_test(disconnect_is_the_last_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
