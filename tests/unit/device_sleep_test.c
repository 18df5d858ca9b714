/* A device that sleeps (sluice_device_deliver): what it delivers, fetches and leaves for later. */
#include "device_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void open_sleeper(size_t filter_count)
{
    struct sluice_device_config config = base_config();
    config.sleeps = true;
    config.filters = filters;
    config.filter_count = filter_count;
    open_with(&config, sizeof memory);
}

/* As go_online, for a device that may have left before this returns. */
static void accept_device(bool session_present)
{
    poll_device();
    take(MQTT_CONNECT);
    give_connack(session_present, SPAN_EMPTY);
    poll_device();
}

static void a_device_that_sleeps_connects_to_deliver(void **state)
{
    (void)state;
    open_sleeper(0);
    for (unsigned round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++) {
            sample(1700000000000 + now_ms, 20 + i);
            assert_int_equal(poll_device(), UINT64_MAX);
            assert_int_equal(poll_at(now_ms + 2 * FLUSH_MS), SLUICE_DEVICE_ASLEEP);
        }
        assert_int_equal(fake.open_count, round);
        sluice_device_deliver(device, now_ms, 20000);
        go_online(round > 0);
        struct mqtt_packet packet = take(MQTT_PUBLISH);
        take_nothing();
        fake_port_give_ack(&fake, MQTT_PUBACK, packet.packet_id, MQTT_SUCCESS);
        assert_int_equal(poll_device(), UINT64_MAX);
        assert_int_equal(take(MQTT_DISCONNECT).reason, MQTT_SUCCESS);
        assert_false(fake.is_open);
        assert_int_equal(sluice_device_state(device), SLUICE_DEVICE_ASLEEP);
        assert_int_equal(sluice_device_counters(device).samples_acknowledged, 5 * (round + 1));
        assert_int_equal(sluice_device_counters(device).frames, round + 1);
    }
    sluice_device_deliver(device, now_ms, 20000); /* there is nothing */
    assert_int_equal(poll_device(), UINT64_MAX);
    assert_int_equal(fake.open_count, 3);
    assert_balanced();
}

static void a_delivery_ends_with_its_limit(void **state)
{
    (void)state;
    for (int online = 0; online < 2; online++) {
        open_sleeper(0);
        fake.connect_result = online ? SLUICE_OK : SLUICE_AGAIN;
        sample(1700000000000, 20);
        sluice_device_deliver(device, now_ms, 5000);
        if (online) {
            go_online(false);
            take(MQTT_PUBLISH);
        }
        assert_int_equal(poll_device(), now_ms + 5000);
        assert_int_equal(poll_at(now_ms + 5000), SLUICE_DEVICE_ASLEEP);
        assert_false(fake.is_open);
        assert_string_equal(sluice_device_error(device),
                            online ? "not all was delivered in time"
                                   : "not all was delivered in time: there is no connection");
        assert_int_equal(sluice_device_counters(device).queued, 1);
        fake.connect_result = SLUICE_OK;
        sluice_device_deliver(device, now_ms, 5000); /* tries at once, and not as after a failure */
        go_online(true);
        assert_int_equal(take(MQTT_PUBLISH).publish.dup, online);
        assert_balanced();
    }
}

/* They come in the segments after CONNACK, and more of them when those are acknowledged. */
static void a_device_that_sleeps_fetches_its_commands(void **state)
{
    (void)state;
    open_sleeper(1);
    for (int round = 0; round < 2; round++) {
        commands[0] = '\0';
        sluice_device_deliver(device, now_ms, 5000);
        accept_device(round > 0);
        if (round == 0) {
            uint16_t id = take(MQTT_SUBSCRIBE).packet_id;
            take_nothing();
            fake_port_give_packet(&fake, &(struct mqtt_packet){.type = MQTT_SUBACK,
                                                               .version = MQTT_5,
                                                               .packet_id = id,
                                                               .reasons = SPAN_LITERAL("\x01")});
            poll_device();
        }
        take(MQTT_PINGREQ);
        give_command("open", 1, 1, SPAN_EMPTY);
        fake_port_give_ack(&fake, MQTT_PINGRESP, 0, MQTT_SUCCESS);
        poll_device();
        assert_int_equal(take(MQTT_PUBACK).packet_id, 1);
        take(MQTT_PINGREQ); /* are there more? */
        give_command("close", 1, 2, SPAN_LITERAL("\x08\x00\x03r/1"));
        poll_device();
        assert_int_equal(take(MQTT_PUBACK).packet_id, 2);
        uint16_t answer_id = take(MQTT_PUBLISH).packet_id;
        fake_port_give_ack(&fake, MQTT_PINGRESP, 0, MQTT_SUCCESS);
        poll_device();
        take(MQTT_PINGREQ);
        fake_port_give_ack(&fake, MQTT_PINGRESP, 0, MQTT_SUCCESS);
        assert_int_equal(poll_at(now_ms + 1), SLUICE_DEVICE_ONLINE); /* the answer is on its way */
        fake_port_give_ack(&fake, MQTT_PUBACK, answer_id, MQTT_SUCCESS);
        assert_int_equal(poll_at(now_ms + 1), SLUICE_DEVICE_ASLEEP);
        take(MQTT_DISCONNECT);
        take_nothing();
        assert_string_equal(commands, "open;close;");
    }
}

/* Nothing may follow a DISCONNECT [MQTT-3.14.4-1], so that command comes again. */
static void a_command_that_comes_while_disconnect_waits_is_not_done(void **state)
{
    (void)state;
    open_sleeper(0);
    sample(1700000000000, 20);
    sluice_device_deliver(device, now_ms, 5000);
    accept_device(false);
    uint16_t id = take(MQTT_PUBLISH).packet_id;
    fake.send_max_bytes = 0;
    fake_port_give_ack(&fake, MQTT_PUBACK, id, MQTT_SUCCESS);
    poll_device();
    give_command("open", 1, 9, SPAN_EMPTY);
    poll_device();
    assert_true(fake.is_open);
    fake.send_max_bytes = SIZE_MAX;
    assert_int_equal(poll_at(now_ms + 1), SLUICE_DEVICE_ASLEEP);
    take(MQTT_DISCONNECT);
    take_nothing();
    assert_string_equal(commands, "");
}

static void what_was_never_tried_is_no_attempt(void **state)
{
    (void)state;
    open_sleeper(0);
    for (int i = 0; i < 3; i++) {
        sluice_device_deliver(device, now_ms, 5000);
        assert_int_equal(poll_at(now_ms + 1), SLUICE_DEVICE_ASLEEP);
    }
    assert_int_equal(sluice_device_counters(device).attempts, 0);
    assert_int_equal(fake.open_count, 0);
}

static void a_good_delivery_forgets_the_failures_before_it(void **state)
{
    (void)state;
    open_sleeper(0);
    fake.connect_result = SLUICE_IO;
    sample(1700000000000, 20);
    sluice_device_deliver(device, now_ms, UINT32_MAX);
    for (int i = 0; i < 10; i++)
        now_ms = poll_device();
    fake.connect_result = SLUICE_OK;
    accept_device(false);
    fake_port_give_ack(&fake, MQTT_PUBACK, take(MQTT_PUBLISH).packet_id, MQTT_SUCCESS);
    assert_int_equal(poll_at(now_ms + 1), SLUICE_DEVICE_ASLEEP);
    sample(1700000000000, 21);
    sluice_device_deliver(device, now_ms, UINT32_MAX);
    poll_device();
    take(MQTT_CONNECT);
    fake.stream_result = SLUICE_CLOSED;
    assert_in_range(poll_device(), now_ms, now_ms + 1000); /* backoff_min_ms */
}

static void what_a_sleeping_device_has_is_delivered_at_its_end(void **state)
{
    (void)state;
    open_sleeper(0);
    sample(1700000000000, 20);
    poll_device();
    sluice_device_close(device, now_ms, 5000);
    accept_device(false);
    fake_port_give_ack(&fake, MQTT_PUBACK, take(MQTT_PUBLISH).packet_id, MQTT_SUCCESS);
    assert_int_equal(poll_at(now_ms + 1), SLUICE_DEVICE_CLOSED);
    assert_balanced();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_that_sleeps_connects_to_deliver),
        cmocka_unit_test(a_delivery_ends_with_its_limit),
        cmocka_unit_test(a_device_that_sleeps_fetches_its_commands),
        cmocka_unit_test(a_command_that_comes_while_disconnect_waits_is_not_done),
        cmocka_unit_test(what_was_never_tried_is_no_attempt),
        cmocka_unit_test(a_good_delivery_forgets_the_failures_before_it),
        cmocka_unit_test(what_a_sleeping_device_has_is_delivered_at_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
