/* Acknowledgements that wait until functions have processed their message. */
#include "broker_host.h"

static const struct client_options publisher = {
    .version = MQTT_5, .client_id = "p", .expiry_s = 600, .keep_session = true};

static struct host *begin(struct client *from)
{
    struct host *host = host_new();
    client_connect(from, host, &publisher);
    host->awaits = 1;
    return host;
}

static void end(struct host *host, struct client *from)
{
    if (from->channel)
        client_vanish(from);
    host_free(host);
}

static void it_comes_after_the_function_and_what_came_of_it(void **state)
{
    (void)state;
    for (uint8_t qos = 1; qos < 3; qos++) {
        struct client from;
        struct host *host = begin(&from);
        host->manual_commit = true;
        uint16_t id = client_publish(&from, "t", "x", qos, false);
        host_commit(host);
        client_expect_nothing(&from);
        host_process(host, 0);
        client_expect_nothing(&from);
        host_commit(host);
        client_expect_ack(&from, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, id, MQTT_SUCCESS);
        assert_int_equal(broker_counters(host->broker)->unprocessed, 0);
        end(host, &from);
    }
}

static void the_message_is_on_disk_too(void **state)
{
    (void)state;
    struct client from;
    struct host *host = begin(&from);
    host->manual_commit = true;
    uint16_t id = client_publish(&from, "t", "x", 1, false);
    broker_processed(host->owed[0], 0);
    host->owed[0] = NULL;
    client_expect_nothing(&from);
    host_commit(host);
    client_expect_ack(&from, MQTT_PUBACK, id, MQTT_SUCCESS);
    end(host, &from);
}

static void it_waits_for_every_function(void **state)
{
    (void)state;
    struct client from;
    struct host *host = begin(&from);
    host->awaits = 3;
    uint16_t id = client_publish(&from, "t", "x", 1, false);
    host_process(host, 2);
    host_process(host, 0);
    host_commit(host);
    client_expect_nothing(&from);
    host_process(host, 1);
    host_commit(host);
    client_expect_ack(&from, MQTT_PUBACK, id, MQTT_SUCCESS);
    end(host, &from);
}

/* [MQTT-4.6.0-2] */
static void the_order_is_that_of_the_publishes(void **state)
{
    (void)state;
    struct client from;
    struct host *host = begin(&from);
    uint16_t first = client_publish(&from, "t", "1", 1, false);
    uint16_t second = client_publish(&from, "t", "2", 2, false);
    host->awaits = 0;
    uint16_t third = client_publish(&from, "t", "3", 1, false);
    uint16_t refused = client_publish(&from, "$t", "4", 1, false);
    host_process(host, 1);
    host_commit(host);
    client_expect_nothing(&from);
    host_process(host, 0);
    host_commit(host);
    client_expect_ack(&from, MQTT_PUBACK, first, MQTT_SUCCESS);
    client_expect_ack(&from, MQTT_PUBREC, second, MQTT_SUCCESS);
    client_expect_ack(&from, MQTT_PUBACK, third, MQTT_SUCCESS);
    client_expect_ack(&from, MQTT_PUBACK, refused, MQTT_TOPIC_NAME_INVALID);
    end(host, &from);
}

/* It neither waits for a function nor holds up the function's result, which may be what it belongs to. */
static void what_a_subscriber_says_is_answered_meanwhile(void **state)
{
    (void)state;
    struct client from;
    struct host *host = begin(&from);
    client_subscribe(&from, "out", 2);
    client_publish(&from, "t", "x", 1, false);
    struct message result = {.qos = 2, .topic = SPAN_LITERAL("out"), .payload = SPAN_LITERAL("r")};
    host->awaits = 0;
    assert_int_equal(broker_publish(host->broker, &result), SLUICE_OK);
    host_commit(host);
    uint16_t id = client_expect_publish(&from, "out", "r", 2).packet_id;
    client_ack(&from, MQTT_PUBREC, id);
    client_expect_ack(&from, MQTT_PUBREL, id, MQTT_SUCCESS);
    end(host, &from);
}

static void nothing_waits_for_a_connection_that_is_gone(void **state)
{
    (void)state;
    struct client from;
    struct host *host = begin(&from);
    client_publish(&from, "t", "x", 1, false);
    client_vanish(&from);
    assert_int_equal(broker_counters(host->broker)->unprocessed, 0);
    host_process(host, 0);
    host_commit(host);
    client_connect(&from, host, &publisher);
    client_expect_nothing(&from);
    end(host, &from);
}

/* The client was away: it repeats the PUBLISH, which is taken once, and answered when the first is processed.
 */
static void a_qos_2_repetition_waits_like_the_first(void **state)
{
    (void)state;
    for (int processed_before = 0; processed_before < 2; processed_before++) {
        struct client from;
        struct host *host = begin(&from);
        client_publish(&from, "t", "x", 2, false);
        client_vanish(&from);
        if (processed_before)
            host_process(host, 0);
        client_connect(&from, host, &publisher);
        client_publish(&from, "t", "x", 2, false); /* the same Packet Identifier */
        assert_int_equal(host->stored_count, 1);
        if (!processed_before) {
            client_expect_nothing(&from);
            host_process(host, 0);
            host_commit(host);
        }
        client_expect_ack(&from, MQTT_PUBREC, 1, MQTT_SUCCESS);
        client_ack(&from, MQTT_PUBREL, 1);
        client_expect_ack(&from, MQTT_PUBCOMP, 1, MQTT_SUCCESS);
        end(host, &from);
    }
}

static void the_receive_maximum_bounds_it(void **state)
{
    (void)state;
    struct client from;
    struct host *host = host_new();
    host->config.receive_maximum = 3;
    host_restart_with_config(host);
    host->awaits = 1;
    client_connect(&from, host, &publisher);
    for (int i = 0; i < 4; i++)
        client_publish(&from, "t", "x", 1, false);
    client_expect_closed(&from, MQTT_RECEIVE_MAXIMUM_EXCEEDED);
    assert_int_equal(host->owed_count, 3);
    end(host, &from);
}

/* 3.1.1 knows no Receive Maximum: such a client is read no further. */
static void a_client_that_knows_no_bound_is_not_read_beyond_it(void **state)
{
    (void)state;
    struct client from;
    struct host *host = host_new();
    host->config.receive_maximum = 3;
    host_restart_with_config(host);
    host->awaits = 1;
    client_connect(&from, host, &(struct client_options){.client_id = "p"});
    for (int i = 0; i < 5; i++)
        client_publish(&from, "t", "x", 1, false);
    assert_int_equal(host->owed_count, 3);
    assert_true(from.paused);
    host_process(host, 1);
    assert_true(from.paused);
    host_process(host, 0);
    assert_false(from.paused);
    client_give(&from, SPAN_EMPTY);
    assert_int_equal(host->owed_count, 5);
    for (size_t i = 2; i < 5; i++)
        host_process(host, i);
    host_commit(host);
    for (uint16_t id = 1; id <= 5; id++)
        client_expect_ack(&from, MQTT_PUBACK, id, MQTT_SUCCESS);
    end(host, &from);
}

/* Of all clients together; who has none waiting may still have one. */
static void the_whole_is_bounded_too(void **state)
{
    (void)state;
    struct client one, other;
    struct host *host = host_new();
    host->config.unacknowledged_count = 2;
    host_restart_with_config(host);
    host->awaits = 1;
    client_connect(&one, host, &publisher);
    client_connect(&other, host, &(struct client_options){.version = MQTT_5, .client_id = "o"});
    for (int i = 0; i < 3; i++)
        client_publish(&one, "t", "x", 1, false);
    assert_int_equal(host->owed_count, 2);
    client_publish(&other, "t", "x", 1, false);
    assert_int_equal(host->owed_count, 3);
    assert_true(one.paused && other.paused);
    host_process(host, 2);
    host_process(host, 0);
    host_process(host, 1);
    assert_false(one.paused);
    assert_int_equal(broker_counters(host->broker)->unprocessed, 0);
    assert_false(other.paused);
    client_vanish(&one);
    client_vanish(&other);
    host_free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_after_the_function_and_what_came_of_it),
        cmocka_unit_test(the_message_is_on_disk_too),
        cmocka_unit_test(it_waits_for_every_function),
        cmocka_unit_test(the_order_is_that_of_the_publishes),
        cmocka_unit_test(what_a_subscriber_says_is_answered_meanwhile),
        cmocka_unit_test(nothing_waits_for_a_connection_that_is_gone),
        cmocka_unit_test(a_qos_2_repetition_waits_like_the_first),
        cmocka_unit_test(the_receive_maximum_bounds_it),
        cmocka_unit_test(a_client_that_knows_no_bound_is_not_read_beyond_it),
        cmocka_unit_test(the_whole_is_bounded_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
