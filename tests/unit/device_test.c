/* sluice/device.h over a port without a network: delivery, reconnects, deadlines, commands, a full outbox. */
#include "sluice/device.h"

#include "fake_port.h"
#include "wire/frame.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { KEEP_ALIVE_MS = 60000, ANSWER_MS = 10000, PUBACK_MS = 30000, FLUSH_MS = 5000, CONNECT_MS = 20000 };

static const struct sluice_channel channels[] = {
    {"temperature", "Cel", 1, SLUICE_DECIMAL},
    {"door", NULL, 0, SLUICE_BOOLEAN},
};
static const char *const filters[] = {"farm/shed/commands/#"};

static _Alignas(max_align_t) uint8_t memory[32 * 1024];
static struct fake_port fake;
static struct sluice_device *device;
static char commands[256];
static uint64_t now_ms;

static void on_message(void *context, const struct sluice_message *message)
{
    (void)context;
    strncat(commands, message->payload.data, message->payload.len);
    strcat(commands, ";");
    if (message->response_topic.len > 0)
        assert_int_equal(sluice_device_publish(device,
                                               &(struct sluice_message){
                                                   .topic = message->response_topic,
                                                   .payload = {"done", 4},
                                                   .correlation = message->correlation,
                                               }),
                         SLUICE_OK);
}

static struct sluice_device_config base_config(void)
{
    return (struct sluice_device_config){
        .host = "gateway",
        .client_id = "shed",
        .topic = "farm/shed/telemetry",
        .channels = channels,
        .channel_count = 2,
        .on_message = on_message,
        .flush_ms = FLUSH_MS,
        .keep_alive_s = KEEP_ALIVE_MS / 1000,
        .answer_ms = ANSWER_MS,
        .puback_ms = PUBACK_MS,
        .connect_ms = CONNECT_MS,
    };
}

static void open_with(const struct sluice_device_config *config, size_t memory_bytes)
{
    fake_port_init(&fake);
    commands[0] = '\0';
    now_ms = 1000000;
    assert_int_equal(sluice_device_open(memory, memory_bytes, config, &fake.port, &device), SLUICE_OK);
}

static void open_device(void)
{
    struct sluice_device_config config = base_config();
    open_with(&config, sizeof memory);
}

static uint64_t poll_device(void)
{
    return sluice_device_poll(device, now_ms);
}

static enum sluice_device_state poll_at(uint64_t at_ms)
{
    now_ms = at_ms;
    poll_device();
    return sluice_device_state(device);
}

static struct mqtt_packet take(enum mqtt_type type)
{
    struct mqtt_packet packet = {0};
    assert_true(fake_port_take(&fake, &packet));
    assert_string_equal(mqtt_type_name(packet.type), mqtt_type_name(type));
    return packet;
}

static void take_nothing(void)
{
    struct mqtt_packet packet;
    assert_false(fake_port_take(&fake, &packet));
}

static void give_connack(bool session_present, struct span properties)
{
    fake_port_give_packet(&fake, &(struct mqtt_packet){.type = MQTT_CONNACK,
                                                       .version = MQTT_5,
                                                       .connack = {.session_present = session_present},
                                                       .properties = {properties}});
}

/* Polls until CONNECT is out, answers it, and polls again. */
static void go_online(bool session_present)
{
    poll_device();
    take(MQTT_CONNECT);
    give_connack(session_present, SPAN_EMPTY);
    poll_device();
    assert_int_equal(sluice_device_state(device), SLUICE_DEVICE_ONLINE);
}

static void sample(uint64_t time_ms, double temperature)
{
    assert_int_equal(sluice_device_sample(device, now_ms, time_ms, (double[]){temperature, 1}), SLUICE_OK);
}

static enum sluice_error publish(const char *text)
{
    return sluice_device_publish(
        device, &(struct sluice_message){.topic = {"farm/shed/events", 16}, .payload = {text, strlen(text)}});
}

/* The connection breaks; the next attempt is made as soon as it may be. */
static void break_connection(void)
{
    fake.stream_result = SLUICE_CLOSED;
    uint64_t next_ms = poll_device();
    fake.stream_result = SLUICE_OK;
    assert_int_equal(sluice_device_state(device), SLUICE_DEVICE_OFFLINE);
    assert_true(next_ms > now_ms && next_ms < UINT64_MAX);
    now_ms = next_ms;
}

static void assert_balanced(void)
{
    struct sluice_device_counters c = sluice_device_counters(device);
    assert_int_equal(c.published, c.acknowledged + c.dropped_oldest + c.dropped_thinned + c.dropped_rejected +
                                      c.dropped_too_large + c.queued);
}

static void samples_arrive_as_one_frame(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    sample(1700000000000, 21.5);
    sample(1700000001000, NAN);
    assert_int_equal(poll_device(), now_ms + FLUSH_MS);
    take_nothing();
    poll_at(now_ms + FLUSH_MS);
    struct mqtt_packet packet = take(MQTT_PUBLISH);
    assert_true(span_equal(packet.publish.topic, SPAN_LITERAL("farm/shed/telemetry")));
    assert_int_equal(packet.publish.qos, 1);
    assert_false(packet.publish.dup);

    static struct frame_decoder decoder;
    struct frame_value values[2];
    int64_t time_ms;
    assert_int_equal(frame_decode_open(&decoder, packet.publish.payload, &(struct frame_limits){64, 1000}, 0),
                     SLUICE_OK);
    assert_true(span_equal(decoder.channels[0].name, SPAN_LITERAL("temperature")));
    assert_true(frame_next_sample(&decoder, &time_ms, values));
    assert_int_equal(time_ms, 1700000000000);
    assert_int_equal(values[0].number, 215);
    assert_int_equal(values[1].number, 1);
    assert_true(frame_next_sample(&decoder, &time_ms, values));
    assert_false(values[0].present);
    assert_false(frame_next_sample(&decoder, &time_ms, values));

    fake_port_give_ack(&fake, MQTT_PUBACK, packet.packet_id, MQTT_SUCCESS);
    poll_device();
    struct sluice_device_counters counters = sluice_device_counters(device);
    assert_int_equal(counters.samples_published, 2);
    assert_int_equal(counters.acknowledged, 1);
    assert_int_equal(counters.queued, 0);
}

static void an_urgent_sample_goes_at_once(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    sample(1700000000000, 99);
    assert_int_equal(sluice_device_flush(device), SLUICE_OK);
    poll_device();
    take(MQTT_PUBLISH);
}

static void a_frame_is_sent_before_it_outgrows_its_packet(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    config.packet_bytes = 300;
    open_with(&config, sizeof memory);
    go_online(false);
    uint32_t noise = 1;
    for (uint64_t i = 0; sluice_device_counters(device).frames < 3; i++) {
        noise = noise * 1664525 + 1013904223;
        sample(1700000000000 + i * 1000, noise >> 16);
    }
    poll_device();
    size_t before = fake.taken_bytes;
    take(MQTT_PUBLISH);
    assert_in_range(fake.taken_bytes - before, 270, 300);
}

static void samples_without_a_clock_make_frames_of_their_own(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    sample(0, 20);
    sample(1700000000000, 21);
    poll_device();
    static struct frame_decoder decoder;
    struct mqtt_packet packet = take(MQTT_PUBLISH);
    assert_int_equal(
        frame_decode_open(&decoder, packet.publish.payload, &(struct frame_limits){64, 1000}, 5000),
        SLUICE_OK);
    assert_false(decoder.has_clock);
}

static void what_was_not_acknowledged_is_sent_again_with_dup(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    publish("a");
    publish("b");
    poll_device();
    uint16_t first = take(MQTT_PUBLISH).packet_id, second = take(MQTT_PUBLISH).packet_id;
    assert_int_not_equal(first, second);
    break_connection();
    publish("c");
    go_online(true);
    const struct {
        const char *payload;
        bool dup;
    } rows[] = {{"a", true}, {"b", true}, {"c", false}};
    for (size_t i = 0; i < 3; i++) {
        struct mqtt_packet packet = take(MQTT_PUBLISH);
        assert_true(span_equal(packet.publish.payload, span_from_string(rows[i].payload)));
        assert_int_equal(packet.publish.dup, rows[i].dup);
        if (i < 2)
            assert_int_equal(packet.packet_id, i ? second : first);
    }
    assert_int_equal(sluice_device_counters(device).resent, 2);
}

static void a_gateway_without_the_session_gets_new_messages(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    publish("a");
    poll_device();
    take(MQTT_PUBLISH);
    break_connection();
    go_online(false);
    assert_false(take(MQTT_PUBLISH).publish.dup); /* [MQTT-3.3.1-1] */
}

static void a_half_sent_packet_starts_anew_on_the_next_connection(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    publish("a message of some length");
    fake.send_max_bytes = 10;
    poll_device();
    take(MQTT_PUBLISH); /* in pieces of 10 */
    publish("another one, of which the half goes out");
    fake.send_max_bytes = 0;
    poll_device();
    break_connection();
    fake.send_max_bytes = SIZE_MAX;
    go_online(true);
    assert_true(take(MQTT_PUBLISH).publish.dup);
    assert_false(take(MQTT_PUBLISH).publish.dup);
}

static void no_more_are_in_flight_than_both_sides_allow(void **state)
{
    (void)state;
    open_device();
    poll_device();
    take(MQTT_CONNECT);
    give_connack(false, SPAN_LITERAL("\x21\x00\x02")); /* Receive Maximum 2 */
    for (int i = 0; i < 5; i++)
        publish("x");
    poll_device();
    uint16_t first = take(MQTT_PUBLISH).packet_id;
    take(MQTT_PUBLISH);
    take_nothing();
    fake_port_give_ack(&fake, MQTT_PUBACK, first, MQTT_NO_MATCHING_SUBSCRIBERS);
    poll_device();
    take(MQTT_PUBLISH);
    take_nothing();
}

static void a_message_over_the_gateways_limit_is_dropped_and_counted(void **state)
{
    (void)state;
    open_device();
    poll_device();
    take(MQTT_CONNECT);
    give_connack(false, SPAN_LITERAL("\x27\x00\x00\x00\x28")); /* Maximum Packet Size 40 */
    publish("this one is longer than the gateway takes");
    publish("short");
    poll_device();
    assert_true(span_equal(take(MQTT_PUBLISH).publish.payload, SPAN_LITERAL("short")));
    assert_int_equal(sluice_device_counters(device).dropped_too_large, 1);
    assert_balanced();
}

static void a_rejected_message_is_counted_and_named(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    publish("x");
    poll_device();
    fake_port_give_ack(&fake, MQTT_PUBACK, take(MQTT_PUBLISH).packet_id, MQTT_NOT_AUTHORIZED);
    poll_device();
    assert_int_equal(sluice_device_counters(device).dropped_rejected, 1);
    assert_non_null(strstr(sluice_device_error(device), mqtt_reason_text(MQTT_NOT_AUTHORIZED)));
    assert_balanced();
}

static void a_gateway_without_room_gets_the_message_again_later(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    config.backoff_max_ms = 20000;
    open_with(&config, sizeof memory);
    go_online(false);
    publish("x");
    poll_device();
    fake_port_give_ack(&fake, MQTT_PUBACK, take(MQTT_PUBLISH).packet_id, MQTT_QUOTA_EXCEEDED);
    assert_int_equal(poll_device(), now_ms + 20000);
    take_nothing();
    poll_at(now_ms + 20000);
    assert_false(take(MQTT_PUBLISH).publish.dup);
    assert_int_equal(sluice_device_counters(device).queued, 1);
}

static void a_full_outbox_does_what_was_chosen(void **state)
{
    (void)state;
    const struct {
        const char *name;
        enum sluice_when_full when_full;
        bool drops_oldest;
    } rows[] = {
        {"drop oldest", SLUICE_DROP_OLDEST, true},
        {"refuse", SLUICE_REFUSE, false},
        {"thin out, without any telemetry", SLUICE_THIN_OUT, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sluice_device_config config = base_config();
        config.when_full = rows[i].when_full;
        open_with(&config, sluice_device_size(&config, 3000));
        unsigned refused_count = 0;
        for (int n = 0; n < 200; n++)
            refused_count += publish(n < 100 ? "early" : "late") == SLUICE_FULL;
        struct sluice_device_counters counters = sluice_device_counters(device);
        if ((counters.dropped_oldest > 0) != rows[i].drops_oldest ||
            (refused_count > 0) == rows[i].drops_oldest)
            fail_msg("%s: %u refused", rows[i].name, refused_count);
        assert_int_equal(counters.refused, refused_count);
        assert_int_equal(counters.published + counters.refused, 200);
        assert_balanced();
        go_online(false);
        assert_true(span_equal(take(MQTT_PUBLISH).publish.payload,
                               span_from_string(rows[i].drops_oldest ? "late" : "early")));
    }
}

static void thinning_keeps_the_whole_time_span(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    config.when_full = SLUICE_THIN_OUT;
    open_with(&config, sluice_device_size(&config, 4000));
    for (uint64_t i = 0; i < 500; i++) {
        sample(1700000000000 + i * 1000, (double)i);
        assert_int_equal(sluice_device_flush(device), SLUICE_OK);
    }
    struct sluice_device_counters counters = sluice_device_counters(device);
    assert_true(counters.dropped_thinned > 300 && counters.queued > 10);
    assert_balanced();
    go_online(false);
    static struct frame_decoder decoder;
    struct frame_value values[2];
    int64_t time_ms;
    struct span payload = take(MQTT_PUBLISH).publish.payload;
    assert_int_equal(frame_decode_open(&decoder, payload, &(struct frame_limits){64, 1000}, 0), SLUICE_OK);
    assert_true(frame_next_sample(&decoder, &time_ms, values));
    assert_int_equal(time_ms, 1700000000000);
}

static void a_refused_frame_waits_for_room(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    config.when_full = SLUICE_REFUSE;
    open_with(&config, sluice_device_size(&config, 2700));
    while (publish("fills the outbox") == SLUICE_OK)
        continue;
    sample(1700000000000, 20);
    assert_int_equal(sluice_device_flush(device), SLUICE_FULL);
    double values[] = {21, 0};
    assert_int_equal(sluice_device_sample(device, now_ms, 1700000001000, values), SLUICE_FULL);
    assert_int_equal(sluice_device_counters(device).samples_dropped, 1);
    go_online(false);
    struct mqtt_packet packet;
    while (fake_port_take(&fake, &packet)) {
        fake_port_give_ack(&fake, MQTT_PUBACK, packet.packet_id, MQTT_SUCCESS);
        poll_device();
        poll_device();
    }
    struct sluice_device_counters counters = sluice_device_counters(device);
    assert_int_equal(counters.samples_published, 1);
    assert_int_equal(counters.queued, 0);
}

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
}

static void give_command(const char *payload, uint8_t qos, uint16_t packet_id, struct span properties)
{
    fake_port_give_packet(&fake,
                          &(struct mqtt_packet){.type = MQTT_PUBLISH,
                                                .version = MQTT_5,
                                                .packet_id = packet_id,
                                                .properties = {properties},
                                                .publish = {.topic = SPAN_LITERAL("farm/shed/commands/a"),
                                                            .payload = span_from_string(payload),
                                                            .qos = qos}});
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

    break_connection();
    fake.receive_max_bytes = SIZE_MAX;
    go_online(true); /* the Session still has the subscription */
    assert_true(take(MQTT_PUBLISH).publish.dup);
    break_connection();
    go_online(false);
    take(MQTT_SUBSCRIBE);
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

static void a_wrong_configuration_is_refused(void **state)
{
    (void)state;
    static const struct sluice_channel twice[] = {{"a", NULL, 0, SLUICE_DECIMAL},
                                                  {"a", NULL, 0, SLUICE_DECIMAL}};
    static const char *const bad_filters[] = {"a/#/b"};
    static const struct sluice_channel long_name[] = {
        {"a name that leaves no room for values in so small a packet", NULL, 0, SLUICE_DECIMAL}};
    const struct {
        const char *name;
        struct sluice_device_config config;
    } rows[] = {
        {"no host", {.client_id = "c", .topic = "t"}},
        {"no client id", {.host = "h", .topic = "t"}},
        {"wildcard in the topic",
         {.host = "h", .client_id = "c", .topic = "t/#", .channels = channels, .channel_count = 1}},
        {"no topic", {.host = "h", .client_id = "c", .channels = channels, .channel_count = 1}},
        {"a name twice",
         {.host = "h", .client_id = "c", .topic = "t", .channels = twice, .channel_count = 2}},
        {"bad filter", {.host = "h", .client_id = "c", .filters = bad_filters, .filter_count = 1}},
        {"tiny packets", {.host = "h", .client_id = "c", .packet_bytes = 10}},
        {"tiny packets for these channels",
         {.host = "h",
          .client_id = "c",
          .topic = "t",
          .packet_bytes = 64,
          .channels = long_name,
          .channel_count = 1}},
        {"back-off from more to less",
         {.host = "h", .client_id = "c", .backoff_min_ms = 10, .backoff_max_ms = 5}},
    };
    fake_port_init(&fake);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (sluice_device_open(memory, sizeof memory, &rows[i].config, &fake.port, &device) != SLUICE_INVALID)
            fail_msg("accepted: %s", rows[i].name);
    struct sluice_device_config config = base_config();
    size_t enough = sluice_device_size(&config, 2700);
    assert_int_equal(sluice_device_open(memory, 1024, &config, &fake.port, &device), SLUICE_NO_MEMORY);
    assert_int_equal(sluice_device_open(memory, enough, &config, &fake.port, &device), SLUICE_OK);
}

/* Every message arrives exactly in order, whatever the connection does in between. */
static void nothing_is_lost_over_a_connection_that_keeps_breaking(void **state)
{
    (void)state;
    open_device();
    uint32_t random = 7, sent = 0, expected = 0;
    bool session = false;
    while (expected < 2000) {
        random = random * 1664525 + 1013904223;
        struct sluice_message message = {.topic = {"n", 1}, .payload = {&sent, sizeof sent}};
        if (sent < 2000 && sluice_device_counters(device).queued < 40) {
            assert_int_equal(sluice_device_publish(device, &message), SLUICE_OK);
            sent++;
        }
        fake.send_max_bytes = 1 + random / 7 % 60;
        fake.receive_max_bytes = 1 + random / 11 % 5;
        now_ms = fake.is_open ? now_ms + 1 : now_ms + 200000;
        poll_device();
        struct mqtt_packet packet;
        while (fake.is_open && fake_port_take(&fake, &packet)) {
            if (packet.type == MQTT_CONNECT) {
                give_connack(session, SPAN_EMPTY);
                session = true;
                continue;
            }
            assert_int_equal(packet.type, MQTT_PUBLISH);
            uint32_t number;
            assert_int_equal(packet.publish.payload.len, sizeof number);
            memcpy(&number, packet.publish.payload.data, sizeof number);
            assert_true(number < expected ? packet.publish.dup : number == expected);
            expected += number == expected;
            fake_port_give_ack(&fake, MQTT_PUBACK, packet.packet_id, MQTT_SUCCESS);
        }
        fake.stream_result = random % 13 == 0 ? SLUICE_IO : SLUICE_OK;
    }
    struct sluice_device_counters counters = sluice_device_counters(device);
    assert_true(counters.connects > 50);
    assert_int_equal(counters.published, 2000);
    assert_balanced();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_arrive_as_one_frame),
        cmocka_unit_test(an_urgent_sample_goes_at_once),
        cmocka_unit_test(a_frame_is_sent_before_it_outgrows_its_packet),
        cmocka_unit_test(samples_without_a_clock_make_frames_of_their_own),
        cmocka_unit_test(what_was_not_acknowledged_is_sent_again_with_dup),
        cmocka_unit_test(a_gateway_without_the_session_gets_new_messages),
        cmocka_unit_test(a_half_sent_packet_starts_anew_on_the_next_connection),
        cmocka_unit_test(no_more_are_in_flight_than_both_sides_allow),
        cmocka_unit_test(a_message_over_the_gateways_limit_is_dropped_and_counted),
        cmocka_unit_test(a_rejected_message_is_counted_and_named),
        cmocka_unit_test(a_gateway_without_room_gets_the_message_again_later),
        cmocka_unit_test(a_full_outbox_does_what_was_chosen),
        cmocka_unit_test(thinning_keeps_the_whole_time_span),
        cmocka_unit_test(a_refused_frame_waits_for_room),
        cmocka_unit_test(silence_is_found_out),
        cmocka_unit_test(an_idle_connection_is_kept_alive),
        cmocka_unit_test(attempts_are_spaced_and_start_over_after_an_answer),
        cmocka_unit_test(a_refusing_gateway_is_not_hammered),
        cmocka_unit_test(commands_arrive_are_acknowledged_and_answered),
        cmocka_unit_test(a_refused_subscription_is_named),
        cmocka_unit_test(a_hostile_server_is_left),
        cmocka_unit_test(an_unlimited_sender_is_left),
        cmocka_unit_test(unknown_acknowledgements_change_nothing),
        cmocka_unit_test(close_waits_for_what_is_left_and_disconnects),
        cmocka_unit_test(close_does_not_wait_for_ever),
        cmocka_unit_test(a_wrong_configuration_is_refused),
        cmocka_unit_test(nothing_is_lost_over_a_connection_that_keeps_breaking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
