/* sluice/ledger.h between a device and a port without a network: each byte has one cause, in its hour. */
#include "device_fixture.h"
#include "sluice/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { HOURS = 3, HANDSHAKE_BYTES = 700, HEADER_BYTES = 52 };

static const uint64_t HOUR_MS = 3600000;

static struct sluice_ledger ledger;
static struct sluice_hour hours[HOURS];

static uint64_t clock_ms(void)
{
    return now_ms;
}

/* A TLS that takes a tenth of what it carries, over TCP that sends what it gets in packets of 100 bytes. */
static void traffic(struct sluice_port *port, struct sluice_traffic *ret_traffic)
{
    assert_ptr_equal(port, &fake.port);
    if (fake.open_count == 0)
        return;
    uint64_t sent_bytes = HANDSHAKE_BYTES + fake.sent_bytes * 11 / 10;
    uint64_t received_bytes = 2 * HANDSHAKE_BYTES + fake.given_bytes * 11 / 10;
    *ret_traffic = (struct sluice_traffic){.sent_bytes = sent_bytes,
                                           .received_bytes = received_bytes,
                                           .sent_header_bytes = sent_bytes / 100 * HEADER_BYTES,
                                           .received_header_bytes = received_bytes / 100 * HEADER_BYTES,
                                           .resent_bytes = sent_bytes / 1000};
}

static void open_counted(void (*traffic_of)(struct sluice_port *, struct sluice_traffic *),
                         size_t piece_bytes)
{
    struct sluice_device_config config = base_config();
    config.filters = filters;
    config.filter_count = 1;
    open_device(); /* resets the clock and the port */
    fake.send_max_bytes = fake.receive_max_bytes = piece_bytes;
    sluice_ledger_init(&ledger,
                       &(struct sluice_ledger_config){&fake.port, clock_ms, hours, HOURS, traffic_of});
    assert_int_equal(sluice_device_open(memory, sizeof memory, &config, &ledger.port, &device), SLUICE_OK);
}

static void poll_all(void)
{
    do
        poll_device();
    while (fake.given_bytes < fake.incoming_bytes);
}

static void connect_device(bool session_present)
{
    poll_all();
    take(MQTT_CONNECT);
    give_connack(session_present, SPAN_EMPTY);
    poll_all();
    assert_int_equal(sluice_device_state(device), SLUICE_DEVICE_ONLINE);
}

static void accept_subscription(void)
{
    fake_port_give_packet(&fake, &(struct mqtt_packet){.type = MQTT_SUBACK,
                                                       .version = MQTT_5,
                                                       .packet_id = take(MQTT_SUBSCRIBE).packet_id,
                                                       .reasons = SPAN_LITERAL("\x01")});
    poll_all();
}

static size_t take_bytes(enum mqtt_type type)
{
    size_t before = fake.taken_bytes;
    take(type);
    return fake.taken_bytes - before;
}

/* A command and its answer, a message that is not acknowledged and goes again, and a ping. */
static void live_a_while(size_t *ret_data, size_t *ret_resent)
{
    connect_device(false);
    accept_subscription();
    fake_port_give(&fake, SPAN_LITERAL("\x32\x0d\x00\x01t\x00\x09\x06\x08\x00\x03r/1x"));
    poll_all();
    assert_int_equal(take_bytes(MQTT_PUBACK), 4);
    size_t answer_bytes = take_bytes(MQTT_PUBLISH);
    break_connection();
    connect_device(true);
    *ret_data = answer_bytes;
    *ret_resent = take_bytes(MQTT_PUBLISH);
    fake_port_give_ack(&fake, MQTT_PUBACK, 2, MQTT_SUCCESS);
    now_ms += KEEP_ALIVE_MS;
    poll_all();
    take(MQTT_PINGREQ);
    fake_port_give_ack(&fake, MQTT_PINGRESP, 0, MQTT_SUCCESS);
    poll_all();
}

static uint64_t sum(const uint32_t counts[SLUICE_CAUSE_COUNT], enum sluice_cause without)
{
    uint64_t bytes = 0;
    for (enum sluice_cause cause = 0; cause < SLUICE_CAUSE_COUNT; cause++)
        bytes += cause == without ? 0 : counts[cause];
    return bytes;
}

static void each_byte_has_one_cause(void **state)
{
    (void)state;
    for (size_t piece_bytes = 1; piece_bytes < 100; piece_bytes = piece_bytes * 2 + 1) {
        size_t data_bytes, resent_bytes;
        open_counted(NULL, piece_bytes);
        live_a_while(&data_bytes, &resent_bytes);
        const struct sluice_hour *hour = sluice_ledger_hour(&ledger, 0);
        struct sluice_device_counters counters = sluice_device_counters(device);
        assert_int_equal(hour->sent[SLUICE_CAUSE_DATA], data_bytes);
        assert_int_equal(hour->sent[SLUICE_CAUSE_RETRANSMISSION], resent_bytes);
        assert_int_equal(hour->sent[SLUICE_CAUSE_ACKNOWLEDGEMENT], 4);
        assert_int_equal(hour->sent[SLUICE_CAUSE_KEEP_ALIVE], 2);
        assert_int_equal(hour->received[SLUICE_CAUSE_DATA], 15);
        assert_int_equal(hour->received[SLUICE_CAUSE_ACKNOWLEDGEMENT], 4);
        assert_int_equal(hour->received[SLUICE_CAUSE_KEEP_ALIVE], 2);
        assert_int_equal(sum(hour->sent, SLUICE_CAUSE_COUNT), counters.bytes_sent);
        assert_int_equal(sum(hour->received, SLUICE_CAUSE_COUNT), counters.bytes_received);
    }
}

static void what_is_below_mqtt_is_counted_too(void **state)
{
    (void)state;
    size_t data_bytes, resent_bytes;
    open_counted(traffic, 7);
    live_a_while(&data_bytes, &resent_bytes);
    const struct sluice_hour *hour = sluice_ledger_hour(&ledger, 0);
    struct sluice_device_counters counters = sluice_device_counters(device);
    assert_int_equal(hour->sent[SLUICE_CAUSE_DATA], data_bytes);
    uint64_t tls_bytes = hour->sent[SLUICE_CAUSE_TLS];
    assert_in_range(tls_bytes, counters.bytes_sent / 10 - 2, counters.bytes_sent / 10);
    assert_in_range(hour->received[SLUICE_CAUSE_TLS], counters.bytes_received / 10 - 2,
                    counters.bytes_received / 10);
    assert_in_range(hour->sent[SLUICE_CAUSE_HANDSHAKE], 2 * HANDSHAKE_BYTES, 2 * HANDSHAKE_BYTES + 150);
    uint64_t below = hour->sent[SLUICE_CAUSE_TCP_IP];
    assert_int_equal(sum(hour->sent, SLUICE_CAUSE_TCP_IP),
                     counters.bytes_sent + 2 * HANDSHAKE_BYTES + tls_bytes);
    assert_int_equal(below % HEADER_BYTES, 0);
    assert_in_range(below, (uint64_t)2 * HANDSHAKE_BYTES / 100 * HEADER_BYTES, (uint64_t)20 * HEADER_BYTES);
}

static void hours_are_kept_in_a_ring(void **state)
{
    (void)state;
    open_counted(NULL, SIZE_MAX);
    connect_device(false);
    accept_subscription();
    uint64_t start_ms = now_ms, handshake_bytes = sluice_device_counters(device).bytes_sent;
    assert_null(sluice_ledger_hour(&ledger, 1));
    now_ms = start_ms + HOUR_MS - 1;
    assert_int_equal(sluice_ledger_hour(&ledger, 0)->start_ms, start_ms);
    now_ms = start_ms + HOUR_MS;
    publish("x");
    poll_device();
    assert_int_equal(sluice_ledger_hour(&ledger, 0)->start_ms, start_ms + HOUR_MS);
    assert_int_equal(sum(sluice_ledger_hour(&ledger, 0)->sent, SLUICE_CAUSE_COUNT),
                     sluice_device_counters(device).bytes_sent - handshake_bytes);
    assert_int_equal(sum(sluice_ledger_hour(&ledger, 1)->sent, SLUICE_CAUSE_COUNT), handshake_bytes);
    now_ms = start_ms + 3 * HOUR_MS;
    assert_int_equal(sluice_ledger_hour(&ledger, 1)->sent[SLUICE_CAUSE_DATA], 0);
    assert_int_equal(sluice_ledger_hour(&ledger, 2)->start_ms, start_ms + HOUR_MS);
    assert_true(sluice_ledger_hour(&ledger, 2)->sent[SLUICE_CAUSE_DATA] > 0);
    assert_null(sluice_ledger_hour(&ledger, 3));
    now_ms = start_ms + 1000 * HOUR_MS;
    for (size_t ago = 0; ago < HOURS; ago++) {
        assert_int_equal(sluice_ledger_hour(&ledger, ago)->start_ms, start_ms + (1000 - ago) * HOUR_MS);
        assert_int_equal(sum(sluice_ledger_hour(&ledger, ago)->sent, SLUICE_CAUSE_COUNT), 0);
    }
}

/* Whatever the gateway sends. */
static void garbage_is_counted(void **state)
{
    (void)state;
    uint32_t random = 1;
    for (int round = 0; round < 200; round++) {
        uint8_t garbage[64];
        open_counted(NULL, 5);
        poll_all();
        for (size_t i = 0; i < sizeof garbage; i++)
            garbage[i] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
        fake_port_give(&fake, span_of(garbage, sizeof garbage));
        poll_device();
        assert_int_equal(sum(sluice_ledger_hour(&ledger, 0)->received, SLUICE_CAUSE_COUNT),
                         sluice_device_counters(device).bytes_received);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_has_one_cause),
        cmocka_unit_test(what_is_below_mqtt_is_counted_too),
        cmocka_unit_test(hours_are_kept_in_a_ring),
        cmocka_unit_test(garbage_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
