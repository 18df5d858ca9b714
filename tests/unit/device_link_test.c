/* sluice/device.h over a port without a network: deadlines, attempts, commands, hostile Servers, the end. */
#include "device_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void silence_is_found_out(void **state)
{
    (void)state;
    const struct {
        const char *missing;
        uint64_t after_ms;
        int stage; /* 0: no connection, 1: no CONNACK, 2: no SUBACK, 3: no PINGRESP, 4: no PUBACK, 5: send
                      blocks */
    } rows[] = {
        {"in time", CONNECT_MS, 0}, {"CONNACK", ANSWER_MS, 1},
        {"SUBACK", ANSWER_MS, 2},   {"PINGRESP", KEEP_ALIVE_MS + ANSWER_MS, 3},
        {"PUBACK", PUBACK_MS, 4},   {"room", PUBACK_MS, 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sluice_device_config config = base_config();
        config.filters = filters;
        config.filter_count = rows[i].stage == 2;
        open_with(&config, sizeof memory);
        fake.connect_result = rows[i].stage == 0 ? SLUICE_AGAIN : SLUICE_OK;
        if (rows[i].stage >= 2)
            go_online(false);
        if (rows[i].stage >= 4)
            publish("x");
        if (rows[i].stage == 5)
            fake.send_max_bytes = 0;
        uint64_t start_ms = now_ms;
        poll_device();
        for (int polls = 0; sluice_device_error(device)[0] == '\0' && polls < 10; polls++)
            poll_at(poll_device());
        if (!strstr(sluice_device_error(device), rows[i].missing) || now_ms - start_ms != rows[i].after_ms)
            fail_msg("%s: '%s' after %d ms", rows[i].missing, sluice_device_error(device),
                     (int)(now_ms - start_ms));
        assert_int_equal(sluice_device_failure(device), SLUICE_TIMEOUT);
        assert_int_equal(sluice_device_state(device), SLUICE_DEVICE_OFFLINE);
        assert_false(fake.is_open);
    }
}

static void an_idle_connection_is_kept_alive(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(poll_device(), now_ms + KEEP_ALIVE_MS);
        poll_at(now_ms + KEEP_ALIVE_MS);
        take(MQTT_PINGREQ);
        fake_port_give_ack(&fake, MQTT_PINGRESP, 0, MQTT_SUCCESS);
    }
    assert_int_equal(poll_at(now_ms + 1), SLUICE_DEVICE_ONLINE);
}

/* A frame an hour, and a Keep Alive of an hour: both come due together. */
static void a_message_takes_the_place_of_a_ping(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    poll_at(now_ms + KEEP_ALIVE_MS - 1);
    publish("x");
    poll_at(now_ms + 1);
    fake_port_give_ack(&fake, MQTT_PUBACK, take(MQTT_PUBLISH).packet_id, MQTT_SUCCESS);
    take_nothing();
    assert_int_equal(poll_device(), now_ms + KEEP_ALIVE_MS);
}

static void attempts_are_spaced_and_start_over_after_an_answer(void **state)
{
    (void)state;
    open_device();
    fake.connect_result = SLUICE_IO;
    const uint64_t delays_ms[] = {1000, 2000, 4000, 8000, 16000, 32000, 64000, 120000, 120000};
    for (size_t i = 0; i < sizeof delays_ms / sizeof delays_ms[0]; i++) {
        uint64_t next_ms = poll_device();
        assert_int_equal(next_ms - now_ms, delays_ms[i]);
        poll_at(next_ms - 1);
        assert_int_equal(sluice_device_counters(device).attempts, i + 1);
        now_ms = next_ms;
    }
    assert_string_equal(sluice_device_error(device), "the cable is out");
    fake.connect_result = SLUICE_OK;
    go_online(false); /* accepted, and broken off at once: that is no answer yet */
    break_connection();
    publish("x");
    go_online(true);
    fake_port_give_ack(&fake, MQTT_PUBACK, take(MQTT_PUBLISH).packet_id, MQTT_SUCCESS);
    poll_device();
    uint64_t before_ms = now_ms;
    break_connection();
    assert_int_equal(now_ms - before_ms, 1000);
}

static void a_refusing_gateway_is_not_hammered(void **state)
{
    (void)state;
    open_device();
    poll_device();
    take(MQTT_CONNECT);
    fake_port_give_ack(&fake, MQTT_CONNACK, 0, MQTT_NOT_AUTHORIZED);
    assert_int_equal(poll_device() - now_ms, 120000);
    assert_non_null(strstr(sluice_device_error(device), mqtt_reason_text(MQTT_NOT_AUTHORIZED)));
    assert_int_equal(sluice_device_failure(device), SLUICE_DENIED);
}

static void commands_arrive_are_acknowledged_and_answered(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    config.filters = filters;
    config.filter_count = 1;
    open_with(&config, sizeof memory);
    fake.receive_max_bytes = 3;
    go_online(false);
    struct mqtt_packet packet = take(MQTT_SUBSCRIBE);
    struct reader at = reader_of(packet.filters.list);
    struct mqtt_filter filter;
    assert_true(mqtt_filter_next(&at, MQTT_SUBSCRIBE, &filter));
    assert_true(span_equal(filter.filter, span_from_string(filters[0])));
    assert_int_equal(filter.qos, 1);
    fake_port_give_packet(&fake, &(struct mqtt_packet){.type = MQTT_SUBACK,
                                                       .version = MQTT_5,
                                                       .packet_id = packet.packet_id,
                                                       .reasons = SPAN_LITERAL("\x01")});
    give_command("open", 1, 77, SPAN_LITERAL("\x08\x00\x03r/1\x09\x00\x02id"));
    give_command("close", 0, 0, SPAN_EMPTY);
    while (fake.given_bytes < fake.incoming_bytes)
        poll_device();
    assert_string_equal(commands, "open;close;");
    assert_int_equal(take(MQTT_PUBACK).packet_id, 77);
    packet = take(MQTT_PUBLISH);
    struct span correlation;
    assert_true(span_equal(packet.publish.topic, SPAN_LITERAL("r/1")));
    assert_true(mqtt_property_bytes(packet.properties, MQTT_CORRELATION_DATA, &correlation));
    assert_true(span_equal(correlation, SPAN_LITERAL("id")));

    take_nothing(); /* the second wants no answer */

    break_connection();
    fake.receive_max_bytes = SIZE_MAX;
    go_online(true); /* the Session still has the subscription */
    assert_true(take(MQTT_PUBLISH).publish.dup);
    break_connection();
    go_online(false);
    take(MQTT_SUBSCRIBE);
}

/* As the answer of a function that failed does. */
static void an_answer_says_what_went_wrong(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    give_command("close", 1, 78, SPAN_LITERAL("\x08\x00\x03r/2\x09\x00\x02\x00\xff"));
    poll_device();
    assert_int_equal(take(MQTT_PUBACK).packet_id, 78);
    struct mqtt_packet packet = take(MQTT_PUBLISH);
    assert_true(span_equal(packet.publish.topic, SPAN_LITERAL("r/2")));
    assert_true(span_equal(packet.publish.payload, SPAN_LITERAL("done")));
    assert_true(span_equal(packet.properties.bytes, SPAN_LITERAL("\x09\x00\x02\x00\xff\x26\x00\x09"
                                                                 "errorType\x00\x05Stuck")));
    const struct sluice_message command = {.response_topic = {"r/3", 3}};
    const struct sluice_message wildcard = {.response_topic = {"r/#", 3}};
    assert_int_equal(sluice_device_answer(device, &command, (struct sluice_bytes){"", 0}, "\xff"),
                     SLUICE_INVALID);
    assert_int_equal(sluice_device_answer(device, &wildcard, (struct sluice_bytes){"", 0}, NULL),
                     SLUICE_INVALID);
    poll_device();
    take_nothing();
}

static void an_answers_properties_may_have_240_bytes(void **state)
{
    (void)state;
    char text[240];
    memset(text, 'x', sizeof text);
    open_device();
    struct sluice_message message = {.topic = {"a", 1},
                                     .response_topic = {text, 100},
                                     .correlation = {text, 120},
                                     .error_type = {text, 20}};
    assert_int_equal(sluice_device_publish(device, &message), SLUICE_OK);
    message.error_type.len++;
    assert_int_equal(sluice_device_publish(device, &message), SLUICE_TOO_LARGE);
}

static void a_refused_subscription_is_named(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    config.filters = filters;
    config.filter_count = 1;
    open_with(&config, sizeof memory);
    go_online(false);
    fake_port_give_packet(&fake, &(struct mqtt_packet){.type = MQTT_SUBACK,
                                                       .version = MQTT_5,
                                                       .packet_id = take(MQTT_SUBSCRIBE).packet_id,
                                                       .reasons = SPAN_LITERAL("\x87")});
    poll_device();
    assert_non_null(strstr(sluice_device_error(device), filters[0]));
    assert_int_equal(sluice_device_state(device), SLUICE_DEVICE_ONLINE);
}

/* HOSTILE.md, 58. */
static void a_hostile_server_is_left(void **state)
{
    (void)state;
    const struct {
        const char *name;
        bool online;
        struct span bytes;
        int reason; /* of our DISCONNECT; -1: none is owed; -2: the codec chooses */
    } rows[] = {
        {"PINGRESP before CONNACK", false, SPAN_LITERAL("\xd0\x00"), MQTT_PROTOCOL_ERROR},
        {"a 3.1.1 CONNACK", false, SPAN_LITERAL("\x20\x02\x00\x01"), -2},
        {"HTTP", false,
         SPAN_LITERAL("HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"
                      "<html><body><h1>Bad Request</h1></body></html>"),
         MQTT_MALFORMED_PACKET},
        {"Maximum QoS 0", false, SPAN_LITERAL("\x20\x05\x00\x00\x02\x24\x00"), MQTT_QOS_NOT_SUPPORTED},
        {"Receive Maximum 0", false, SPAN_LITERAL("\x20\x06\x00\x00\x03\x21\x00\x00"), MQTT_PROTOCOL_ERROR},
        {"second CONNACK", true, SPAN_LITERAL("\x20\x03\x00\x00\x00"), MQTT_PROTOCOL_ERROR},
        {"SUBACK without codes", true, SPAN_LITERAL("\x90\x03\x00\x01\x00"), -2},
        {"SUBACK for nothing", true, SPAN_LITERAL("\x90\x04\x00\x01\x00\x01"), MQTT_PROTOCOL_ERROR},
        {"packet of 268,435,455 bytes", true, SPAN_LITERAL("\x30\xff\xff\xff\x7f"), MQTT_PACKET_TOO_LARGE},
        {"Remaining Length of 5 bytes", true, SPAN_LITERAL("\x30\xff\xff\xff\xff\x7f"),
         MQTT_MALFORMED_PACKET},
        {"a property that PUBACK has not", true, SPAN_LITERAL("\x40\x06\x00\x01\x00\x02\x24\x00"), -2},
        {"QoS 2", true, SPAN_LITERAL("\x34\x06\x00\x01x\x00\x01\x00"), MQTT_PROTOCOL_ERROR},
        {"PUBREC", true, SPAN_LITERAL("\x50\x02\x00\x01"), MQTT_PROTOCOL_ERROR},
        {"PUBREL", true, SPAN_LITERAL("\x62\x02\x00\x01"), MQTT_PROTOCOL_ERROR},
        {"Topic Alias", true, SPAN_LITERAL("\x30\x07\x00\x01x\x03\x23\x00\x01"), MQTT_TOPIC_ALIAS_INVALID},
        {"CONNECT", true, SPAN_LITERAL("\x10\x0d\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00"), -2},
        {"AUTH", true, SPAN_LITERAL("\xf0\x00"), MQTT_PROTOCOL_ERROR},
        {"DISCONNECT", true, SPAN_LITERAL("\xe0\x01\x8e"), -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        open_device();
        if (rows[i].online)
            go_online(false);
        else
            poll_device(), take(MQTT_CONNECT);
        fake_port_give(&fake, rows[i].bytes);
        poll_device();
        if (sluice_device_state(device) != SLUICE_DEVICE_OFFLINE || fake.is_open)
            fail_msg("%s: still %s", rows[i].name, sluice_device_state_name(sluice_device_state(device)));
        assert_true(strlen(sluice_device_error(device)) > 10);
        assert_int_equal(sluice_device_failure(device),
                         rows[i].reason == -1 ? SLUICE_CLOSED : SLUICE_INVALID);
        struct mqtt_packet packet;
        if (rows[i].reason == -1)
            take_nothing();
        else if (!fake_port_take(&fake, &packet) || packet.type != MQTT_DISCONNECT)
            fail_msg("%s: no DISCONNECT", rows[i].name);
        else if (rows[i].reason >= 0 && (int)packet.reason != rows[i].reason)
            fail_msg("%s: 0x%02x", rows[i].name, packet.reason);
    }
}

static void an_unlimited_sender_is_left(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    fake.send_max_bytes = 0; /* no PUBACK gets through, and still it sends */
    for (uint16_t id = 1; id <= 100; id++)
        give_command("x", 1, id, SPAN_EMPTY);
    for (int i = 0; i < 10 && fake.is_open; i++)
        poll_device();
    assert_false(fake.is_open);
    assert_non_null(strstr(sluice_device_error(device), "Receive Maximum"));
}

static void unknown_acknowledgements_change_nothing(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    publish("x");
    poll_device();
    uint16_t id = take(MQTT_PUBLISH).packet_id;
    for (uint16_t i = 1; i < 200; i++)
        fake_port_give_ack(&fake, MQTT_PUBACK, (uint16_t)(id + i), MQTT_SUCCESS);
    poll_device();
    assert_int_equal(sluice_device_counters(device).acknowledged, 0);
    assert_int_equal(sluice_device_counters(device).queued, 1);
    assert_int_equal(sluice_device_state(device), SLUICE_DEVICE_ONLINE);
}

static void close_waits_for_what_is_left_and_disconnects(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    sample(1700000000000, 20);
    sluice_device_close(device, now_ms, 5000);
    poll_device();
    struct mqtt_packet packet = take(MQTT_PUBLISH);
    take_nothing();
    assert_int_equal(sluice_device_state(device), SLUICE_DEVICE_CLOSING);
    fake_port_give_ack(&fake, MQTT_PUBACK, packet.packet_id, MQTT_SUCCESS);
    assert_int_equal(poll_at(now_ms + 1), SLUICE_DEVICE_CLOSED);
    assert_int_equal(take(MQTT_DISCONNECT).reason, MQTT_SUCCESS);
    assert_false(fake.is_open);
    assert_int_equal(poll_device(), UINT64_MAX);
}

static void close_does_not_wait_for_ever(void **state)
{
    (void)state;
    for (int online = 0; online < 2; online++) {
        open_device();
        if (online)
            go_online(false);
        else
            fake.connect_result = SLUICE_AGAIN;
        sample(1700000000000, 20);
        sluice_device_close(device, now_ms, 5000);
        assert_int_equal(poll_device(), now_ms + 5000);
        assert_int_equal(poll_at(now_ms + 5000), SLUICE_DEVICE_CLOSED);
        assert_int_equal(sluice_device_counters(device).queued, 1);
        assert_balanced();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_found_out),
        cmocka_unit_test(an_idle_connection_is_kept_alive),
        cmocka_unit_test(a_message_takes_the_place_of_a_ping),
        cmocka_unit_test(attempts_are_spaced_and_start_over_after_an_answer),
        cmocka_unit_test(a_refusing_gateway_is_not_hammered),
        cmocka_unit_test(commands_arrive_are_acknowledged_and_answered),
        cmocka_unit_test(an_answer_says_what_went_wrong),
        cmocka_unit_test(an_answers_properties_may_have_240_bytes),
        cmocka_unit_test(a_refused_subscription_is_named),
        cmocka_unit_test(a_hostile_server_is_left),
        cmocka_unit_test(an_unlimited_sender_is_left),
        cmocka_unit_test(unknown_acknowledgements_change_nothing),
        cmocka_unit_test(close_waits_for_what_is_left_and_disconnects),
        cmocka_unit_test(close_does_not_wait_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
