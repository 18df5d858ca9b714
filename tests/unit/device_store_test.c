/*
 * sluice/device.h with a store: what is kept over a power cut, in which order it
 * goes, what a full, a failing and a damaged store do. The medium is memory.
 */
#include "device_fixture.h"
#include "sluice/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PAGE_BYTES = 512, MEDIUM_BYTES = 12 * PAGE_BYTES, WINDOW_BYTES = 1300, COMMIT_MS = 1000 };

static struct {
    struct sluice_medium medium;
    uint8_t bytes[MEDIUM_BYTES];
    uint8_t durable[MEDIUM_BYTES]; /* what a power cut leaves */
    bool fails;
} flash;

static enum sluice_error flash_read(struct sluice_medium *medium, uint64_t offset, void *data, size_t len)
{
    (void)medium;
    memcpy(data, flash.bytes + offset, len);
    return SLUICE_OK;
}

static enum sluice_error flash_write(struct sluice_medium *medium, uint64_t offset, const void *data,
                                     size_t len)
{
    (void)medium;
    if (flash.fails)
        return SLUICE_IO;
    memcpy(flash.bytes + offset, data, len);
    return SLUICE_OK;
}

static enum sluice_error flash_sync(struct sluice_medium *medium)
{
    (void)medium;
    if (flash.fails)
        return SLUICE_IO;
    memcpy(flash.durable, flash.bytes, sizeof flash.bytes);
    return SLUICE_OK;
}

static _Alignas(max_align_t) uint8_t ring[4096];
static struct sluice_store *store;
static struct sluice_device_config config;

/* The device starts, on what the flash holds. */
static void start(uint32_t commit_ms, enum sluice_when_full when_full)
{
    assert_int_equal(sluice_ring_open(ring, sizeof ring, &flash.medium,
                                      &(struct sluice_ring_config){PAGE_BYTES, commit_ms}, &store),
                     SLUICE_OK);
    config = base_config();
    config.packet_bytes = 200;
    config.store = store;
    config.when_full = when_full;
    open_with(&config, sluice_device_size(&config, WINDOW_BYTES));
}

static void start_new(uint32_t commit_ms, enum sluice_when_full when_full)
{
    memset(&flash, 0, sizeof flash);
    flash.medium = (struct sluice_medium){MEDIUM_BYTES, flash_read, flash_write, flash_sync};
    start(commit_ms, when_full);
}

static void cut_power(void)
{
    memcpy(flash.bytes, flash.durable, sizeof flash.bytes);
}

static void publish_number(unsigned number)
{
    char text[64];
    snprintf(text, sizeof text, "number %u, and some more to fill the window", number);
    assert_int_equal(publish(text), SLUICE_OK);
}

static unsigned number_of(const struct mqtt_packet *packet)
{
    char text[128];
    unsigned number;
    assert_true(packet->publish.payload.len < sizeof text);
    memcpy(text, packet->publish.payload.data, packet->publish.payload.len);
    text[packet->publish.payload.len] = '\0';
    assert_int_equal(sscanf(text, "number %u", &number), 1);
    return number;
}

/* Acknowledges all that comes until nothing does; gives the first number, and the count. */
static unsigned deliver_all(unsigned *ret_count)
{
    struct mqtt_packet packet;
    unsigned first = 0, before = 0, count = 0;
    while (fake_port_take(&fake, &packet)) {
        assert_int_equal(packet.type, MQTT_PUBLISH);
        unsigned number = number_of(&packet);
        assert_true(number > before);
        before = number;
        first = first ? first : number;
        count++;
        fake_port_give_ack(&fake, MQTT_PUBACK, packet.packet_id, MQTT_SUCCESS);
        poll_device();
    }
    *ret_count = count;
    assert_balanced();
    return first;
}

static void committed_packets_outlive_a_power_cut(void **state)
{
    (void)state;
    unsigned count;
    start_new(COMMIT_MS, SLUICE_REFUSE);
    for (unsigned i = 1; i <= 30; i++) /* more than the window holds */
        publish_number(i);
    poll_device();
    poll_at(now_ms + COMMIT_MS);
    publish_number(31); /* is not committed */
    cut_power();
    start(COMMIT_MS, SLUICE_REFUSE);
    assert_int_equal(sluice_device_counters(device).recovered, 30);
    assert_int_equal(sluice_device_counters(device).queued, 30);
    go_online(false);
    assert_int_equal(deliver_all(&count), 1);
    assert_int_equal(count, 30);
    assert_int_equal(sluice_device_counters(device).queued, 0);
}

static void without_an_interval_each_packet_is_durable_when_publish_returns(void **state)
{
    (void)state;
    unsigned count;
    start_new(0, SLUICE_REFUSE);
    publish_number(1);
    sample(1700000000000, 20);
    assert_int_equal(sluice_device_flush(device), SLUICE_OK);
    cut_power();
    start(0, SLUICE_REFUSE);
    assert_int_equal(sluice_device_counters(device).recovered, 2);
    go_online(false);
    struct mqtt_packet packet = take(MQTT_PUBLISH);
    assert_int_equal(number_of(&packet), 1);
    fake_port_give_ack(&fake, MQTT_PUBACK, packet.packet_id, MQTT_SUCCESS);
    packet = take(MQTT_PUBLISH);
    assert_true(span_equal(packet.publish.topic, SPAN_LITERAL("farm/shed/telemetry")));
    fake_port_give_ack(&fake, MQTT_PUBACK, packet.packet_id, MQTT_SUCCESS);
    poll_device();
    deliver_all(&count);
    struct sluice_device_counters counters = sluice_device_counters(device);
    assert_int_equal(counters.acknowledged, 2);
    assert_int_equal(counters.samples_acknowledged, 1);
}

static void poll_asks_to_be_called_when_a_commit_is_due(void **state)
{
    (void)state;
    start_new(COMMIT_MS, SLUICE_REFUSE);
    go_online(false);
    publish_number(1);
    assert_int_equal(poll_device(), now_ms + COMMIT_MS);
    struct mqtt_packet packet = take(MQTT_PUBLISH);
    assert_true(store->uncommitted);
    fake_port_give_ack(&fake, MQTT_PUBACK, packet.packet_id, MQTT_SUCCESS);
    assert_true(poll_device() > now_ms + COMMIT_MS);
    assert_int_equal(store->written_bytes, 0); /* acknowledged in time: never written */
}

static void what_is_in_flight_is_sent_again_in_order_with_what_follows_from_the_store(void **state)
{
    (void)state;
    unsigned count;
    start_new(COMMIT_MS, SLUICE_REFUSE);
    go_online(false);
    for (unsigned i = 1; i <= 30; i++)
        publish_number(i);
    poll_device();
    struct mqtt_packet first = take(MQTT_PUBLISH), second = take(MQTT_PUBLISH);
    fake_port_give_ack(&fake, MQTT_PUBACK, second.packet_id, MQTT_SUCCESS); /* before the first */
    poll_device();
    uint16_t first_id = first.packet_id;
    break_connection();
    go_online(true);
    struct mqtt_packet again = take(MQTT_PUBLISH);
    assert_int_equal(number_of(&again), 1);
    assert_int_equal(again.packet_id, first_id);
    assert_true(again.publish.dup);
    fake_port_give_ack(&fake, MQTT_PUBACK, again.packet_id, MQTT_SUCCESS);
    poll_device();
    assert_int_equal(deliver_all(&count), 3);
    assert_int_equal(count, 28);
    assert_int_equal(store->count, 0);
}

static void a_full_store_does_what_was_chosen(void **state)
{
    (void)state;
    unsigned count, fits = 0;
    start_new(COMMIT_MS, SLUICE_REFUSE);
    while (publish("number 1 and some more to fill the window fast") == SLUICE_OK)
        fits++;
    assert_true(fits > 30);
    assert_int_equal(sluice_device_counters(device).refused, 1);
    assert_int_equal(sluice_device_counters(device).queued, fits);

    start_new(COMMIT_MS, SLUICE_DROP_OLDEST);
    for (unsigned i = 1; i <= 200; i++)
        publish_number(i);
    struct sluice_device_counters counters = sluice_device_counters(device);
    assert_int_equal(counters.dropped_oldest, 200 - counters.queued);
    go_online(false);
    assert_int_equal(deliver_all(&count), 200 - counters.queued + 1);
    assert_int_equal(count, counters.queued);

    start_new(COMMIT_MS, SLUICE_THIN_OUT);
    for (uint64_t i = 0; i < 400; i++) {
        sample(1700000000000 + i * 1000, (double)i);
        assert_int_equal(sluice_device_flush(device), SLUICE_OK);
    }
    counters = sluice_device_counters(device);
    assert_true(counters.dropped_thinned > 300 && counters.queued > 20);
    assert_int_equal(counters.queued + counters.dropped_thinned, 400);
    assert_balanced();
}

static void a_store_that_fails_is_named_and_ram_takes_over(void **state)
{
    (void)state;
    unsigned count;
    start_new(COMMIT_MS, SLUICE_DROP_OLDEST);
    publish_number(1);
    flash.fails = true;
    poll_device();
    poll_at(now_ms + COMMIT_MS);
    assert_string_equal(sluice_device_error(device),
                        "the store of the outbox cannot be written: packets are kept in RAM");
    for (unsigned i = 2; i <= 5; i++)
        publish_number(i);
    struct sluice_device_counters counters = sluice_device_counters(device);
    assert_int_equal(counters.not_stored, 4);
    assert_int_equal(counters.queued, 5);
    go_online(false);
    assert_int_equal(deliver_all(&count), 1);
    assert_int_equal(count, 5);
    for (unsigned i = 10; i < 100; i++) /* nobody fetches these: the RAM is full, and the oldest go */
        publish_number(i);
    assert_true(sluice_device_counters(device).dropped_oldest > 50);
    assert_balanced();
}

static void a_damaged_packet_is_counted_and_the_rest_is_sent(void **state)
{
    (void)state;
    unsigned count;
    start_new(COMMIT_MS, SLUICE_REFUSE);
    for (unsigned i = 1; i <= 30; i++)
        publish_number(i);
    unsigned damaged = 0;
    for (size_t i = 0; i + 9 < sizeof flash.bytes; i++)
        if (memcmp(flash.bytes + i, "number 20", 9) == 0) {
            flash.bytes[i] ^= 1;
            damaged++;
        }
    assert_int_equal(damaged, 1);
    go_online(false);
    deliver_all(&count);
    struct sluice_device_counters counters = sluice_device_counters(device);
    assert_in_range(counters.dropped_damaged, 1, 6); /* up to the end of its page */
    assert_int_equal(counters.acknowledged + counters.dropped_damaged, 30);
    assert_int_equal(counters.queued, 0);
    assert_int_equal(store->count, 0);
}

static void a_record_that_no_window_holds_is_counted_and_passed_over(void **state)
{
    (void)state;
    unsigned count;
    char large[420];
    start_new(0, SLUICE_REFUSE);
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    publish_number(1);
    assert_int_equal(publish(large), SLUICE_OK);
    publish_number(2);
    struct sluice_device_config smaller = config;
    assert_int_equal(sluice_ring_open(ring, sizeof ring, &flash.medium,
                                      &(struct sluice_ring_config){PAGE_BYTES, 0}, &store),
                     SLUICE_OK);
    smaller.store = store;
    open_with(&smaller, sluice_device_size(&smaller, 500)); /* restarted with less memory */
    go_online(false);
    assert_int_equal(deliver_all(&count), 1);
    assert_int_equal(count, 2);
    assert_int_equal(sluice_device_counters(device).dropped_too_large, 1);
    assert_int_equal(sluice_device_counters(device).queued, 0);
}

static void closing_commits_what_is_left(void **state)
{
    (void)state;
    start_new(COMMIT_MS, SLUICE_REFUSE);
    publish_number(1);
    sluice_device_close(device, now_ms, 0);
    poll_device();
    assert_int_equal(sluice_device_state(device), SLUICE_DEVICE_CLOSED);
    cut_power();
    start(COMMIT_MS, SLUICE_REFUSE);
    assert_int_equal(sluice_device_counters(device).recovered, 1);
}

static void a_device_that_is_opened_again_on_its_store_sends_all_of_it(void **state)
{
    (void)state;
    unsigned count;
    start_new(COMMIT_MS, SLUICE_REFUSE);
    for (unsigned i = 1; i <= 30; i++)
        publish_number(i);
    go_online(false);
    struct mqtt_packet packet = take(MQTT_PUBLISH);
    fake_port_give_ack(&fake, MQTT_PUBACK, packet.packet_id, MQTT_SUCCESS);
    poll_device();
    sluice_device_close(device, now_ms, 0);
    poll_device();
    open_with(&config, sluice_device_size(&config, WINDOW_BYTES));
    assert_int_equal(sluice_device_counters(device).recovered, 29);
    go_online(false);
    assert_int_equal(deliver_all(&count), 2);
    assert_int_equal(count, 29);
    assert_int_equal(store->count, 0);
}

static void a_last_commit_that_fails_is_named(void **state)
{
    (void)state;
    for (int sleeps = 0; sleeps < 2; sleeps++) {
        start_new(COMMIT_MS, SLUICE_REFUSE);
        config.sleeps = sleeps;
        open_with(&config, sluice_device_size(&config, WINDOW_BYTES));
        publish_number(1);
        flash.fails = true;
        if (sleeps)
            sluice_device_deliver(device, now_ms, 0);
        else
            sluice_device_close(device, now_ms, 0);
        poll_device();
        assert_int_equal(sluice_device_state(device), sleeps ? SLUICE_DEVICE_ASLEEP : SLUICE_DEVICE_CLOSED);
        assert_int_equal(sluice_device_failure(device), SLUICE_IO);
        assert_non_null(strstr(sluice_device_error(device), "cannot be written"));
    }
}

static void without_an_interval_a_packet_that_cannot_be_committed_counts_as_not_stored(void **state)
{
    (void)state;
    start_new(0, SLUICE_REFUSE);
    flash.fails = true;
    for (unsigned i = 1; i <= 3; i++)
        publish_number(i);
    assert_int_equal(sluice_device_counters(device).not_stored, 3);
    assert_int_equal(sluice_device_counters(device).queued, 3);
}

/* Each pass drops what the window holds, and nothing from outside would call for the next. */
static void a_whole_window_over_the_gateways_maximum_is_passed_over_at_once(void **state)
{
    (void)state;
    char large[160];
    struct mqtt_packet packet;
    start_new(COMMIT_MS, SLUICE_REFUSE);
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    for (int i = 0; i < 12; i++)
        assert_int_equal(publish(large), SLUICE_OK);
    publish_number(1);
    poll_device();
    take(MQTT_CONNECT);
    give_connack(false, SPAN_LITERAL("\x27\x00\x00\x00\x80")); /* Maximum Packet Size: 128 */
    poll_device();
    assert_int_equal(sluice_device_counters(device).dropped_too_large, 12);
    packet = take(MQTT_PUBLISH);
    assert_int_equal(number_of(&packet), 1);
    assert_balanced();
}

/* A store without an end, of packets of 9 bytes. */
static enum sluice_error endless_read(struct sluice_store *endless, void *data, size_t capacity,
                                      size_t *ret_len, uint16_t *ret_sample_count)
{
    static const uint8_t packet[] = {0x32, 7, 0, 1, 'a', 0, 1, 0, 'x'};
    (void)endless;
    assert_true(capacity >= sizeof packet);
    memcpy(data, packet, sizeof packet);
    *ret_len = sizeof packet;
    *ret_sample_count = 0;
    return SLUICE_OK;
}

static void endless_rewind(struct sluice_store *endless)
{
    (void)endless;
}

/* As the sentence on Packet Identifiers in engine_internal.h says. */
static void a_window_larger_than_all_packet_identifiers_is_not_filled(void **state)
{
    (void)state;
    struct sluice_store endless = {.spool = &sluice_spool,
                                   .read = endless_read,
                                   .rewind = endless_rewind,
                                   .record_max_bytes = 65536,
                                   .count = 1000000};
    config = base_config();
    config.store = &endless;
    size_t bytes = sluice_device_size(&config, 4 << 20);
    void *large = malloc(bytes);
    fake_port_init(&fake);
    assert_int_equal(sluice_device_open(large, bytes, &config, &fake.port, &device), SLUICE_OK);
    go_online(false);
    take(MQTT_PUBLISH);
    assert_int_equal(sluice_device_counters(device).queued, 1000000);
    free(large);
}

static void packets_over_the_stores_records_are_a_wrong_configuration(void **state)
{
    (void)state;
    start_new(COMMIT_MS, SLUICE_REFUSE);
    config.packet_bytes = PAGE_BYTES;
    assert_int_equal(sluice_device_open(memory, sizeof memory, &config, &fake.port, &device), SLUICE_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(committed_packets_outlive_a_power_cut),
        cmocka_unit_test(without_an_interval_each_packet_is_durable_when_publish_returns),
        cmocka_unit_test(poll_asks_to_be_called_when_a_commit_is_due),
        cmocka_unit_test(what_is_in_flight_is_sent_again_in_order_with_what_follows_from_the_store),
        cmocka_unit_test(a_full_store_does_what_was_chosen),
        cmocka_unit_test(a_store_that_fails_is_named_and_ram_takes_over),
        cmocka_unit_test(a_damaged_packet_is_counted_and_the_rest_is_sent),
        cmocka_unit_test(a_record_that_no_window_holds_is_counted_and_passed_over),
        cmocka_unit_test(closing_commits_what_is_left),
        cmocka_unit_test(a_device_that_is_opened_again_on_its_store_sends_all_of_it),
        cmocka_unit_test(a_last_commit_that_fails_is_named),
        cmocka_unit_test(without_an_interval_a_packet_that_cannot_be_committed_counts_as_not_stored),
        cmocka_unit_test(a_whole_window_over_the_gateways_maximum_is_passed_over_at_once),
        cmocka_unit_test(a_window_larger_than_all_packet_identifiers_is_not_filled),
        cmocka_unit_test(packets_over_the_stores_records_are_a_wrong_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
