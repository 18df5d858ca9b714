/* Sections 3.1.2.3 to 3.1.2.7 and 4.1: Clean Start, what a session keeps, and wills. A statement's id is that
 * of MQTT 5; `3.1.1:` leads those of the older standard. */
#include "exchange.h"

/* ---- Sessions ---- */

static struct client_options durable(enum mqtt_version version, const char *client_id)
{
    return (struct client_options){
        .version = version, .client_id = client_id, .expiry_s = 60, .keep_session = true};
}

/* [MQTT-3.1.2-5] [MQTT-3.1.2-23] [MQTT-4.1.0-1] [MQTT-4.5.0-1]; 3.1.1: [MQTT-3.1.2-4] [MQTT-3.1.2-5]
 * [MQTT-4.1.0-1] */
static void a_session_keeps_what_comes_while_its_client_is_away(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct client from, to;
        struct host *host = begin_exchange(&from, V3);
        struct client_options options = durable(both_versions[i], "to");
        client_connect(&to, host, &options);
        client_subscribe(&to, "t/#", 2);
        client_disconnect(&to);
        client_publish(&from, "t/1", "one", 1, false);
        client_publish(&from, "t/0", "zero", 0, false);
        client_publish(&from, "t/2", "two", 2, false);
        assert_true(client_connect(&to, host, &options));
        client_expect_publish(&to, "t/1", "one", 1);
        client_expect_publish(&to, "t/2", "two", 2);
        client_expect_nothing(&to);
        client_publish(&from, "t/0", "now", 0, false);
        client_expect_publish(&to, "t/0", "now", 0);
        client_vanish(&to);
        end_exchange(host, &from);
    }
}

/* [MQTT-3.1.2-4] [MQTT-3.1.4-4]; 3.1.1: [MQTT-3.1.2-6] [MQTT-3.1.4-3]: its subscriptions, its messages and
 * the Packet Identifiers that it holds. */
static void clean_start_leaves_nothing_of_the_session(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct client other, client;
        struct host *host = begin_exchange(&other, V3);
        client_subscribe(&other, "from/client", 0);
        struct client_options options = durable(both_versions[i], "client");
        client_connect(&client, host, &options);
        client_subscribe(&client, "t", 1);
        client.next_packet_id = 0;
        client_publish(&client, "from/client", "1", 2, false);
        client_expect_publish(&other, "from/client", "1", 0);
        client_vanish(&client);
        client_publish(&other, "t", "missed", 1, false);
        client_expect(&other, MQTT_PUBACK);
        options.keep_session = false;
        assert_false(client_connect(&client, host, &options));
        client_publish(&other, "t", "not subscribed", 0, false);
        client_expect_nothing(&client);
        client_publish(&client, "from/client", "2", 2, false); /* Packet Identifier 1 again, and new */
        client_expect_publish(&other, "from/client", "2", 0);
        client_vanish(&client);
        end_exchange(host, &other);
    }
}

/* [MQTT-3.1.2-6], 3.1.1: [MQTT-3.1.2-4] */
static void without_a_session_a_new_one_is_made_and_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct host *host = host_new();
        struct client client;
        struct client_options options = durable(both_versions[i], "a");
        assert_false(client_connect(&client, host, &options));
        client_vanish(&client);
        assert_true(client_connect(&client, host, &options));
        end_exchange(host, &client);
    }
}

/* 3.1.1: [MQTT-3.1.2-7] */
static void retained_messages_outlive_the_session_of_their_publisher(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct client client, later;
        struct host *host = begin_exchange(&client, both_versions[i]);
        client_publish(&client, "t", "kept", 0, true);
        client_disconnect(&client);
        assert_int_equal(broker_counters(host->broker)->sessions, 0);
        client_connect(&later, host, &(struct client_options){.client_id = "later"});
        client_subscribe(&later, "t", 0);
        client_expect_publish(&later, "t", "kept", 0);
        end_exchange(host, &later);
    }
}

/* ---- Wills ---- */

/* A client with this will comes and is lost. */
static void leave_a_will(struct host *host, enum mqtt_version version, const struct mqtt_will *will)
{
    struct client client;
    client_connect(&client, host,
                   &(struct client_options){.version = version, .client_id = "willing", .will = will});
    client_vanish(&client);
}

/* [MQTT-3.1.2-7] [MQTT-3.1.2-8] [MQTT-3.1.2-9] [MQTT-3.1.2-12] [MQTT-3.1.2-14] [MQTT-3.1.2-15]; 3.1.1:
 * [MQTT-3.1.2-8] [MQTT-3.1.2-9] [MQTT-3.1.2-14] [MQTT-3.1.2-16] [MQTT-3.1.2-17] */
static void a_will_is_published_as_it_was_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < 12; i++) {
        struct mqtt_will will = {.topic = SPAN_LITERAL("w/t"),
                                 .payload = SPAN_LITERAL("gone"),
                                 .qos = (uint8_t)(i / 4),
                                 .retain = i / 2 % 2};
        struct client watcher, later;
        struct host *host = begin_exchange(&watcher, V5);
        struct mqtt_filter filter = {.filter = SPAN_LITERAL("w/+"), .qos = 2, .retain_as_published = true};
        client_subscribe_with(&watcher, &filter, 0);
        leave_a_will(host, both_versions[i % 2], &will);
        struct mqtt_packet packet = client_expect_publish(&watcher, "w/t", "gone", will.qos);
        assert_int_equal(packet.publish.retain, will.retain);
        client_expect_nothing(&watcher);
        client_connect(&later, host, &(struct client_options){.client_id = "later"});
        client_subscribe(&later, "w/t", 2);
        if (will.retain)
            client_expect_publish(&later, "w/t", "gone", will.qos);
        client_expect_nothing(&later);
        client_vanish(&later);
        end_exchange(host, &watcher);
    }
}

/* [MQTT-3.1.2-10], 3.1.1: [MQTT-3.1.2-10] [MQTT-3.1.2-12]: it is not there for the next connection. */
static void a_will_is_published_once_and_only_where_one_was_left(void **state)
{
    (void)state;
    static const struct mqtt_will will = {.topic = SPAN_LITERAL("w"), .payload = SPAN_LITERAL("gone")};
    for (size_t i = 0; i < 2; i++) {
        struct client watcher, client;
        struct host *host = begin_exchange(&watcher, V3);
        client_subscribe(&watcher, "w", 0);
        struct client_options options = durable(both_versions[i], "willing");
        options.will = &will;
        client_connect(&client, host, &options);
        client_vanish(&client);
        client_expect_publish(&watcher, "w", "gone", 0);
        options.will = NULL;
        assert_true(client_connect(&client, host, &options));
        client_vanish(&client);
        host_advance(host, 100000); /* the session ends too */
        client_expect_nothing(&watcher);
        end_exchange(host, &watcher);
    }
}

/* [MQTT-3.1.2-8], 3.1.1: [MQTT-3.1.2-8]: whoever closes the connection, for whatever reason. */
static void a_will_is_published_however_the_connection_ends(void **state)
{
    (void)state;
    static const struct mqtt_will will = {.topic = SPAN_LITERAL("w"), .payload = SPAN_LITERAL("gone")};
    enum { LOST, SILENT, BROKEN, TAKEN_OVER, ENDS };
    for (size_t i = 0; i < 2 * ENDS; i++) {
        struct client watcher, client, newer = {.channel = NULL};
        struct host *host = begin_exchange(&watcher, V3);
        client_subscribe(&watcher, "w", 0);
        struct client_options options = {
            .version = both_versions[i % 2], .client_id = "willing", .keep_alive_s = 10, .will = &will};
        client_connect(&client, host, &options);
        client_expect_nothing(&watcher);
        options.will = NULL;
        if (i / 2 == SILENT)
            host_advance(host, 15000);
        else if (i / 2 == BROKEN)
            client_give(&client, SPAN_LITERAL("\x00\x00"));
        else if (i / 2 == TAKEN_OVER)
            client_connect(&newer, host, &options);
        assert_int_equal(client.asked_to_close, i / 2 != LOST);
        client_vanish(&client);
        client_expect_publish(&watcher, "w", "gone", 0);
        client_expect_nothing(&watcher);
        if (newer.channel)
            client_vanish(&newer);
        end_exchange(host, &watcher);
    }
}

/* [MQTT-3.1.3-10], and what else a will says of itself; the Will Delay Interval is the Server's alone. */
static void a_will_keeps_its_properties_and_their_order(void **state)
{
    (void)state;
    uint8_t bytes[128];
    struct writer block = writer_of(bytes, sizeof bytes);
    mqtt_write_user_property(&block, SPAN_LITERAL("b"), SPAN_LITERAL("1"));
    mqtt_write_user_property(&block, SPAN_LITERAL("a"), SPAN_LITERAL("2"));
    mqtt_write_number_property(&block, MQTT_PAYLOAD_FORMAT_INDICATOR, 1);
    mqtt_write_bytes_property(&block, MQTT_CONTENT_TYPE, SPAN_LITERAL("text"));
    mqtt_write_bytes_property(&block, MQTT_RESPONSE_TOPIC, SPAN_LITERAL("r"));
    mqtt_write_bytes_property(&block, MQTT_CORRELATION_DATA, SPAN_LITERAL("\x00"));
    mqtt_write_user_property(&block, SPAN_LITERAL("b"), SPAN_LITERAL("1"));
    struct span kept = writer_span(&block);
    mqtt_write_number_property(&block, MQTT_WILL_DELAY_INTERVAL, 0);
    struct mqtt_will will = {.topic = SPAN_LITERAL("w"), .properties.bytes = writer_span(&block)};
    struct client watcher;
    struct host *host = begin_exchange(&watcher, V5);
    client_subscribe(&watcher, "w", 0);
    leave_a_will(host, V5, &will);
    struct mqtt_packet packet = client_expect_publish(&watcher, "w", "", 0);
    assert_true(span_equal(packet.properties.bytes, kept));
    end_exchange(host, &watcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_keeps_what_comes_while_its_client_is_away),
        cmocka_unit_test(clean_start_leaves_nothing_of_the_session),
        cmocka_unit_test(without_a_session_a_new_one_is_made_and_kept),
        cmocka_unit_test(retained_messages_outlive_the_session_of_their_publisher),
        cmocka_unit_test(a_will_is_published_as_it_was_left),
        cmocka_unit_test(a_will_is_published_once_and_only_where_one_was_left),
        cmocka_unit_test(a_will_is_published_however_the_connection_ends),
        cmocka_unit_test(a_will_keeps_its_properties_and_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
