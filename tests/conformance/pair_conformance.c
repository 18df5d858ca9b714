/* Our Client and our Server with each other, byte by byte, and neither needs more than the standard has. */
#include "../unit/broker_host.h"
#include "../unit/device_fixture.h"

/* The device's connection to the broker; a client of broker_host.h without an MQTT of its own. */
static struct client wire;

/* Carries what either side has for the other, a few bytes at a time, until both are silent. */
static void carry(size_t piece_bytes)
{
    size_t before;
    do {
        poll_device();
        before = fake.taken_bytes + fake.incoming_bytes;
        while (fake.taken_bytes < fake.sent_bytes) {
            size_t left = fake.sent_bytes - fake.taken_bytes, len = left < piece_bytes ? left : piece_bytes;
            struct span piece = span_of(fake.sent + fake.taken_bytes, len);
            fake.taken_bytes += len;
            client_give(&wire, piece);
        }
        fake_port_give(&fake, buffer_span(&wire.out));
        buffer_consume(&wire.out, buffer_len(&wire.out));
    } while (fake.taken_bytes + fake.incoming_bytes > before || fake.given_bytes < fake.incoming_bytes);
}

static struct host *meet(struct client *dashboard)
{
    struct host *host = host_new();
    struct sluice_device_config config = base_config();
    config.filters = filters;
    config.filter_count = 1;
    open_with(&config, sizeof memory);
    client_connect(dashboard, host, &(struct client_options){.client_id = "dashboard"});
    client_subscribe(dashboard, "farm/#", 1);
    client_open(&wire, host, NULL);
    return host;
}

/* [MQTT-4.2.0-1], 3.1.1: [MQTT-7.1.1-1] [MQTT-7.1.2-1]: any stream of bytes will do, however it is cut.
 * [MQTT-7.0.0-1] [MQTT-7.0.0-2] of 3.1.1: plain MQTT on both sides, and with a 3.1.1 Client as the third. */
static void the_device_and_the_server_need_nothing_but_the_standard(void **state)
{
    (void)state;
    static const size_t pieces_bytes[] = {1, 3, 1000};
    for (size_t i = 0; i < 3; i++) {
        struct client dashboard;
        struct host *host = meet(&dashboard);
        carry(pieces_bytes[i]);
        assert_int_equal(sluice_device_state(device), SLUICE_DEVICE_ONLINE);
        assert_int_equal(publish("event"), SLUICE_OK);
        carry(pieces_bytes[i]);
        assert_int_equal(sluice_device_counters(device).acknowledged, 1);
        client_expect_publish(&dashboard, "farm/shed/events", "event", 1);
        client_publish(&dashboard, "farm/shed/commands/door", "open", 1, false);
        carry(pieces_bytes[i]);
        assert_string_equal(commands, "open;");
        assert_int_equal(host_unfinished_count(host), 0);
        client_vanish(&wire);
        client_vanish(&dashboard);
        host_free(host);
    }
}

/* The connection breaks with a message unacknowledged on both ways; each is delivered after all. */
static void what_a_break_interrupts_is_completed(void **state)
{
    (void)state;
    struct client dashboard;
    struct host *host = meet(&dashboard);
    carry(1000);
    publish("event");
    poll_device();
    client_publish(&dashboard, "farm/shed/commands/door", "open", 1, false);
    client_expect(&dashboard, MQTT_PUBLISH); /* its own command */
    client_expect(&dashboard, MQTT_PUBACK);
    client_vanish(&wire);
    break_connection();
    client_open(&wire, host, NULL);
    carry(1000);
    assert_int_equal(sluice_device_counters(device).resent, 1);
    client_expect_publish(&dashboard, "farm/shed/events", "event", 1);
    assert_string_equal(commands, "open;");
    assert_int_equal(host_unfinished_count(host), 0);
    client_vanish(&wire);
    client_vanish(&dashboard);
    host_free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_and_the_server_need_nothing_but_the_standard),
        cmocka_unit_test(what_a_break_interrupts_is_completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
