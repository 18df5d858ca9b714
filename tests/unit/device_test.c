/* sluice/device.h over a port without a network: samples, delivery, reconnects, a full outbox. */
#include "device_fixture.h"
#include "wire/frame.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

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
    assert_int_equal(frame_decode_open(&decoder, packet.publish.payload,
                                       &(struct frame_limits){64, 1000, FRAME_VALUES_TAKEN}, 0),
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
    assert_int_equal(counters.samples_acknowledged, counters.samples);
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

/* What hardly changes takes hardly any bytes: then it is the number of samples that ends a frame. */
static void a_frame_holds_no_more_samples_than_a_gateway_takes(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    config.packet_bytes = 4000;
    open_with(&config, sizeof memory);
    go_online(false);
    for (uint64_t i = 0; i <= FRAME_SAMPLES_TAKEN; i++)
        sample(1700000000000 + i * 1000, 21.5);
    poll_device();
    struct mqtt_packet packet = take(MQTT_PUBLISH);
    static struct frame_decoder decoder;
    assert_int_equal(frame_decode_open(&decoder, packet.publish.payload,
                                       &(struct frame_limits){64, FRAME_SAMPLES_TAKEN, FRAME_VALUES_TAKEN},
                                       0),
                     SLUICE_OK);
    assert_int_equal(decoder.sample_count, FRAME_SAMPLES_TAKEN);
    take_nothing();
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
    assert_int_equal(frame_decode_open(&decoder, packet.publish.payload,
                                       &(struct frame_limits){64, 1000, FRAME_VALUES_TAKEN}, 5000),
                     SLUICE_OK);
    assert_false(decoder.has_clock);
}

static void a_clock_that_is_set_back_or_far_ahead_is_carried_as_it_is(void **state)
{
    (void)state;
    open_device();
    go_online(false);
    const uint64_t times_ms[] = {1700000000000, 1, 1700000000001, 4102444800000, 4102444799000};
    for (size_t i = 0; i < sizeof times_ms / sizeof times_ms[0]; i++)
        sample(times_ms[i], 20);
    sluice_device_flush(device);
    poll_device();
    static struct frame_decoder decoder;
    struct frame_value values[2];
    struct mqtt_packet packet = take(MQTT_PUBLISH);
    assert_int_equal(frame_decode_open(&decoder, packet.publish.payload,
                                       &(struct frame_limits){64, 1000, FRAME_VALUES_TAKEN}, 0),
                     SLUICE_OK);
    for (size_t i = 0; i < sizeof times_ms / sizeof times_ms[0]; i++) {
        int64_t time_ms;
        assert_true(frame_next_sample(&decoder, &time_ms, values));
        assert_int_equal(time_ms, times_ms[i]);
    }
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

static unsigned full_count;

static void count_full(void *context, enum sluice_device_state state)
{
    (void)context;
    (void)state;
    full_count += sluice_device_failure(device) == SLUICE_FULL;
}

static void a_full_outbox_is_named_once_until_something_leaves_it(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    config.on_state = count_full;
    open_with(&config, sluice_device_size(&config, 3000));
    fake.connect_result = SLUICE_AGAIN;
    full_count = 0;
    for (unsigned episode = 1; episode <= 2; episode++) {
        for (int n = 0; n < 200; n++) {
            publish("x");
            poll_device();
        }
        assert_int_equal(full_count, episode);
        assert_string_equal(sluice_device_error(device), "the outbox is full");
        fake.connect_result = SLUICE_OK;
        go_online(episode == 2);
        fake_port_give_ack(&fake, MQTT_PUBACK, take(MQTT_PUBLISH).packet_id, MQTT_SUCCESS);
        poll_device();
        break_connection();
        assert_int_equal(sluice_device_failure(device), SLUICE_CLOSED);
        fake.connect_result = SLUICE_AGAIN;
        full_count = episode;
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
    assert_int_equal(
        frame_decode_open(&decoder, payload, &(struct frame_limits){64, 1000, FRAME_VALUES_TAKEN}, 0),
        SLUICE_OK);
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

/* Attempts that found no room once used up Packet Identifiers, until those came round that were in use. */
static void a_packet_identifier_in_use_is_not_given_again(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    config.when_full = SLUICE_REFUSE;
    config.in_flight_max = 1000;
    open_with(&config, sluice_device_size(&config, 2700));
    uint32_t in_use_count = 0; /* with the identifiers 1 to in_use_count */
    while (publish("x") == SLUICE_OK)
        in_use_count++;
    go_online(false);
    for (uint32_t id = 1; id <= in_use_count; id++)
        assert_int_equal(take(MQTT_PUBLISH).packet_id, id);
    for (uint32_t i = 0; i < UINT16_MAX - in_use_count / 2; i++)
        assert_int_equal(publish("x"), SLUICE_FULL);
    fake_port_give_ack(&fake, MQTT_PUBACK, 1, MQTT_SUCCESS);
    poll_device();
    assert_int_equal(publish("x"), SLUICE_OK);
    poll_device();
    uint16_t id = take(MQTT_PUBLISH).packet_id;
    assert_true(id > in_use_count);
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
        cmocka_unit_test(a_frame_holds_no_more_samples_than_a_gateway_takes),
        cmocka_unit_test(samples_without_a_clock_make_frames_of_their_own),
        cmocka_unit_test(a_clock_that_is_set_back_or_far_ahead_is_carried_as_it_is),
        cmocka_unit_test(what_was_not_acknowledged_is_sent_again_with_dup),
        cmocka_unit_test(a_gateway_without_the_session_gets_new_messages),
        cmocka_unit_test(a_half_sent_packet_starts_anew_on_the_next_connection),
        cmocka_unit_test(no_more_are_in_flight_than_both_sides_allow),
        cmocka_unit_test(a_message_over_the_gateways_limit_is_dropped_and_counted),
        cmocka_unit_test(a_rejected_message_is_counted_and_named),
        cmocka_unit_test(a_gateway_without_room_gets_the_message_again_later),
        cmocka_unit_test(a_full_outbox_does_what_was_chosen),
        cmocka_unit_test(a_full_outbox_is_named_once_until_something_leaves_it),
        cmocka_unit_test(thinning_keeps_the_whole_time_span),
        cmocka_unit_test(a_refused_frame_waits_for_room),
        cmocka_unit_test(a_wrong_configuration_is_refused),
        cmocka_unit_test(a_packet_identifier_in_use_is_not_given_again),
        cmocka_unit_test(nothing_is_lost_over_a_connection_that_keeps_breaking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
