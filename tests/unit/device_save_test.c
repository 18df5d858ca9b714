/* sluice_device_save and _restore: what a device whose RAM loses its power takes over its sleep. */
#include "device_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static uint8_t saved[16384];
static size_t saved_bytes;

static void save(void)
{
    assert_int_equal(sluice_device_save(device, now_ms, saved, sizeof saved, &saved_bytes), SLUICE_OK);
}

/* The power goes and comes back: another device, on another clock. */
static enum sluice_error restore_with(const struct sluice_device_config *config)
{
    memset(memory, 0xa5, sizeof memory);
    open_with(config, sizeof memory);
    now_ms = 77000;
    return sluice_device_restore(device, now_ms, saved, saved_bytes);
}

static void sleep_once(const struct sluice_device_config *config)
{
    save();
    assert_int_equal(restore_with(config), SLUICE_OK);
}

static void acknowledge(const struct mqtt_packet *packet)
{
    fake_port_give_ack(&fake, MQTT_PUBACK, packet->packet_id, MQTT_SUCCESS);
    poll_device();
}

static void samples_over_many_sleeps_make_the_frame_that_one_wake_makes(void **state)
{
    (void)state;
    static uint8_t whole[1300];
    struct sluice_device_config config = base_config();
    size_t whole_bytes = 0;
    for (int sleeps = 0; sleeps < 2; sleeps++) {
        open_with(&config, sizeof memory);
        for (uint64_t i = 0; i < 50; i++) {
            sample(1700000000000 + i * 10000, 20 + (double)(i * i % 17) / 10);
            if (sleeps)
                sleep_once(&config);
        }
        sluice_device_flush(device);
        go_online(false);
        struct mqtt_packet packet = take(MQTT_PUBLISH);
        struct span payload = packet.publish.payload;
        if (sleeps)
            assert_true(span_equal(payload, span_of(whole, whole_bytes)));
        else
            memcpy(whole, payload.data, whole_bytes = payload.len);
        acknowledge(&packet);
        struct sluice_device_counters counters = sluice_device_counters(device);
        assert_int_equal(counters.samples, 50);
        assert_int_equal(counters.samples_acknowledged, 50);
        assert_balanced();
    }
}

static void the_age_of_a_frame_outlives_the_clock(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    open_with(&config, sizeof memory);
    sample(1700000000000, 20);
    now_ms += FLUSH_MS - 100;
    sleep_once(&config);
    go_online(false);
    assert_int_equal(poll_device(), now_ms + 100);
    poll_at(now_ms + 100);
    take(MQTT_PUBLISH);
}

static void packets_keep_their_order_and_their_session(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    config.filters = filters;
    config.filter_count = 1;
    open_with(&config, sizeof memory);
    poll_device();
    take(MQTT_CONNECT);
    give_connack(false, SPAN_EMPTY);
    poll_device();
    struct mqtt_packet subscribe = take(MQTT_SUBSCRIBE);
    static const uint8_t granted[] = {1};
    fake_port_give_packet(&fake, &(struct mqtt_packet){.type = MQTT_SUBACK,
                                                       .version = MQTT_5,
                                                       .packet_id = subscribe.packet_id,
                                                       .reasons = span_of(granted, 1)});
    publish("one");
    publish("two");
    poll_device();
    struct mqtt_packet one = take(MQTT_PUBLISH), two = take(MQTT_PUBLISH);
    uint16_t one_id = one.packet_id;
    acknowledge(&two);
    break_connection();
    publish("three");
    sleep_once(&config);
    assert_int_equal(sluice_device_counters(device).recovered, 2);
    publish("four");
    poll_device();
    take(MQTT_CONNECT);
    give_connack(true, SPAN_EMPTY);
    poll_device();
    struct mqtt_packet packet = take(MQTT_PUBLISH); /* and no SUBSCRIBE before it */
    assert_int_equal(packet.packet_id, one_id);
    assert_true(packet.publish.dup);
    assert_true(span_equal(packet.publish.payload, SPAN_LITERAL("one")));
    acknowledge(&packet);
    packet = take(MQTT_PUBLISH);
    assert_false(packet.publish.dup);
    assert_true(span_equal(packet.publish.payload, SPAN_LITERAL("three")));
    acknowledge(&packet);
    packet = take(MQTT_PUBLISH);
    assert_true(span_equal(packet.publish.payload, SPAN_LITERAL("four")));
    acknowledge(&packet);
    assert_int_equal(sluice_device_counters(device).queued, 0);
    assert_balanced();
}

static void other_filters_are_subscribed_to_again(void **state)
{
    (void)state;
    static const char *const others[] = {"farm/shed/other"};
    packets_keep_their_order_and_their_session(state);
    struct sluice_device_config config = base_config();
    config.filters = others;
    config.filter_count = 1;
    sleep_once(&config);
    poll_device();
    take(MQTT_CONNECT);
    give_connack(true, SPAN_EMPTY);
    poll_device();
    take(MQTT_SUBSCRIBE);
}

static void a_frame_without_a_clock_is_finished(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    open_with(&config, sizeof memory);
    sample(0, 20);
    sleep_once(&config);
    assert_int_equal(sluice_device_counters(device).queued, 1);
    go_online(false);
    take(MQTT_PUBLISH);
}

static void a_finished_frame_that_waits_for_room_is_kept(void **state)
{
    (void)state;
    struct sluice_device_config config = base_config();
    config.when_full = SLUICE_REFUSE;
    open_with(&config, sizeof memory);
    while (publish("fills the outbox") == SLUICE_OK)
        continue;
    while (publish("") == SLUICE_OK)
        continue;
    sample(1700000000000, 20);
    assert_int_equal(sluice_device_flush(device), SLUICE_FULL);
    static uint8_t large[sizeof memory];
    assert_int_equal(sluice_device_save(device, now_ms, large, 64, &saved_bytes), SLUICE_TOO_LARGE);
    assert_int_equal(sluice_device_save(device, now_ms, large, sizeof large, &saved_bytes), SLUICE_OK);
    uint64_t queued = sluice_device_counters(device).queued;
    open_with(&config, sizeof memory);
    assert_int_equal(sluice_device_restore(device, now_ms, large, saved_bytes), SLUICE_OK);
    assert_int_equal(sluice_device_counters(device).queued, queued);
    assert_balanced();
    assert_int_equal(sluice_device_flush(device), SLUICE_FULL);
    open_with(&config, sluice_device_size(&config, 2700)); /* with less memory some do not fit */
    assert_int_equal(sluice_device_restore(device, now_ms, large, saved_bytes), SLUICE_FULL);
    assert_true(sluice_device_counters(device).dropped_too_large > 0);
    assert_balanced();
}

static void what_is_damaged_or_of_another_device_is_refused(void **state)
{
    (void)state;
    static const struct sluice_channel others[] = {{"pressure", "Pa", 0, SLUICE_DECIMAL},
                                                   {"door", NULL, 0, SLUICE_BOOLEAN}};
    struct sluice_device_config config = base_config();
    open_with(&config, sizeof memory);
    publish("one");
    sample(1700000000000, 20);
    save();
    assert_int_equal(sluice_device_restore(device, now_ms, saved, saved_bytes), SLUICE_EXISTS);
    for (size_t i = 0; i < saved_bytes; i++) {
        saved[i] ^= 1;
        assert_int_equal(restore_with(&config), SLUICE_INVALID);
        saved[i] ^= 1;
    }
    while (saved_bytes-- > 0)
        assert_int_equal(restore_with(&config), SLUICE_INVALID);
    open_with(&config, sizeof memory);
    sample(1700000000000, 20);
    save();
    config.channels = others;
    assert_int_equal(restore_with(&config), SLUICE_INVALID);
    sample(1700000000000, 20); /* it goes on without */
    assert_int_equal(sluice_device_flush(device), SLUICE_OK);
    assert_balanced();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_over_many_sleeps_make_the_frame_that_one_wake_makes),
        cmocka_unit_test(the_age_of_a_frame_outlives_the_clock),
        cmocka_unit_test(packets_keep_their_order_and_their_session),
        cmocka_unit_test(other_filters_are_subscribed_to_again),
        cmocka_unit_test(a_frame_without_a_clock_is_finished),
        cmocka_unit_test(a_finished_frame_that_waits_for_room_is_kept),
        cmocka_unit_test(what_is_damaged_or_of_another_device_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
