/* Sections 3.8 to 3.15, 4.7, 4.8 and 4.13: subscriptions, PINGREQ, DISCONNECT. A statement's id is that of
 * MQTT 5; `3.1.1:` leads those of the older standard. */
#include "exchange.h"

static const struct client_options second_v3 = {.client_id = "second"};
static const struct client_options second_v5 = {.version = V5, .client_id = "second"};

/* ---- What closes the connection ---- */

static const struct bad_packet bad_packets[] = {
    /* clang-format off */
    {"PUBREL with flags 0", SPAN_LITERAL("\x60\x02\x00\x01"), SPAN_LITERAL("\x60\x02\x00\x01"), MQTT_MALFORMED_PACKET},
    {"SUBSCRIBE with flags 0", SPAN_LITERAL("\x80\x06\x00\x01\x00\x01t\x00"), SPAN_LITERAL("\x80\x07\x00\x01\x00\x00\x01t\x00"), MQTT_MALFORMED_PACKET},
    {"SUBSCRIBE with flags 3", SPAN_LITERAL("\x83\x06\x00\x01\x00\x01t\x00"), SPAN_LITERAL("\x83\x07\x00\x01\x00\x00\x01t\x00"), MQTT_MALFORMED_PACKET},
    {"UNSUBSCRIBE with flags 0", SPAN_LITERAL("\xa0\x05\x00\x01\x00\x01t"), SPAN_LITERAL("\xa0\x06\x00\x01\x00\x00\x01t"), MQTT_MALFORMED_PACKET},
    {"DISCONNECT with flags 1", SPAN_LITERAL("\xe1\x00"), SPAN_LITERAL("\xe1\x00"), MQTT_MALFORMED_PACKET},
    {"PINGREQ with flags 8", SPAN_LITERAL("\xc8\x00"), SPAN_LITERAL("\xc8\x00"), MQTT_MALFORMED_PACKET},
    {"AUTH with flags 1", SPAN_EMPTY, SPAN_LITERAL("\xf1\x00"), MQTT_MALFORMED_PACKET},
    {"SUBSCRIBE with Packet Identifier 0", SPAN_LITERAL("\x82\x06\x00\x00\x00\x01t\x00"), SPAN_LITERAL("\x82\x07\x00\x00\x00\x00\x01t\x00"), MQTT_PROTOCOL_ERROR},
    {"UNSUBSCRIBE with Packet Identifier 0", SPAN_LITERAL("\xa2\x05\x00\x00\x00\x01t"), SPAN_LITERAL("\xa2\x06\x00\x00\x00\x00\x01t"), MQTT_PROTOCOL_ERROR},
    {"SUBSCRIBE to nothing", SPAN_LITERAL("\x82\x02\x00\x01"), SPAN_LITERAL("\x82\x03\x00\x01\x00"), MQTT_PROTOCOL_ERROR},
    {"UNSUBSCRIBE from nothing", SPAN_LITERAL("\xa2\x02\x00\x01"), SPAN_LITERAL("\xa2\x03\x00\x01\x00"), MQTT_PROTOCOL_ERROR},
    {"SUBSCRIBE, filter that is no UTF-8", SPAN_LITERAL("\x82\x06\x00\x01\x00\x01\xff\x00"), SPAN_LITERAL("\x82\x07\x00\x01\x00\x00\x01\xff\x00"), MQTT_MALFORMED_PACKET},
    {"UNSUBSCRIBE, filter that is no UTF-8", SPAN_LITERAL("\xa2\x05\x00\x01\x00\x01\xff"), SPAN_LITERAL("\xa2\x06\x00\x01\x00\x00\x01\xff"), MQTT_MALFORMED_PACKET},
    {"SUBSCRIBE, filter with U+0000", SPAN_LITERAL("\x82\x06\x00\x01\x00\x01\x00\x00"), SPAN_LITERAL("\x82\x07\x00\x01\x00\x00\x01\x00\x00"), MQTT_MALFORMED_PACKET},
    {"SUBSCRIBE with QoS 3", SPAN_LITERAL("\x82\x06\x00\x01\x00\x01t\x03"), SPAN_LITERAL("\x82\x07\x00\x01\x00\x00\x01t\x03"), MQTT_PROTOCOL_ERROR},
    {"SUBSCRIBE with a reserved bit", SPAN_LITERAL("\x82\x06\x00\x01\x00\x01t\x04"), SPAN_LITERAL("\x82\x07\x00\x01\x00\x00\x01t\x40"), MQTT_MALFORMED_PACKET},
    {"SUBSCRIBE with the highest reserved bit", SPAN_LITERAL("\x82\x06\x00\x01\x00\x01t\x80"), SPAN_LITERAL("\x82\x07\x00\x01\x00\x00\x01t\x80"), MQTT_MALFORMED_PACKET},
    {"SUBSCRIBE, empty filter", SPAN_LITERAL("\x82\x05\x00\x01\x00\x00\x00"), SPAN_LITERAL("\x82\x06\x00\x01\x00\x00\x00\x00"), MQTT_TOPIC_FILTER_INVALID},
    {"SUBSCRIBE, # not at the end", SPAN_LITERAL("\x82\x08\x00\x01\x00\x03#/t\x00"), SPAN_LITERAL("\x82\x09\x00\x01\x00\x00\x03#/t\x00"), MQTT_TOPIC_FILTER_INVALID},
    {"SUBSCRIBE, # beside text", SPAN_LITERAL("\x82\x07\x00\x01\x00\x02t#\x00"), SPAN_LITERAL("\x82\x08\x00\x01\x00\x00\x02t#\x00"), MQTT_TOPIC_FILTER_INVALID},
    {"SUBSCRIBE, + beside text", SPAN_LITERAL("\x82\x07\x00\x01\x00\x02t+\x00"), SPAN_LITERAL("\x82\x08\x00\x01\x00\x00\x02t+\x00"), MQTT_TOPIC_FILTER_INVALID},
    {"No Local on a Shared Subscription", SPAN_EMPTY, SPAN_LITERAL("\x82\x10\x00\x01\x00\x00\x0a$share/g/t\x04"), MQTT_PROTOCOL_ERROR},
    {"Shared Subscription without a ShareName", SPAN_EMPTY, SPAN_LITERAL("\x82\x0f\x00\x01\x00\x00\x09$share//t\x00"), MQTT_TOPIC_FILTER_INVALID},
    {"+ in a ShareName", SPAN_EMPTY, SPAN_LITERAL("\x82\x11\x00\x01\x00\x00\x0b$share/g+/t\x00"), MQTT_TOPIC_FILTER_INVALID},
    {"ShareName without a Topic Filter", SPAN_EMPTY, SPAN_LITERAL("\x82\x0f\x00\x01\x00\x00\x09$share/g/\x00"), MQTT_TOPIC_FILTER_INVALID},
    {"DISCONNECT with a Reason Code of another packet", SPAN_EMPTY, SPAN_LITERAL("\xe0\x01\x01"), MQTT_PROTOCOL_ERROR},
    /* clang-format on */
};

/* [MQTT-4.13.1-1] [MQTT-4.13.2-1] with what these sections ask for; 3.1.1: [MQTT-4.8.0-1] */
static void a_packet_that_does_not_conform_closes(void **state)
{
    (void)state;
    expect_each_closes(bad_packets, COUNT(bad_packets));
}

/* ---- SUBSCRIBE ---- */

/* [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-5] to [MQTT-3.8.4-7] [MQTT-3.9.3-1] [MQTT-3.9.3-2]
 * [MQTT-2.2.1-6]; 3.1.1: [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-4] [MQTT-3.8.4-5] [MQTT-3.9.3-1]
 * [MQTT-3.9.3-2] [MQTT-2.3.1-7] */
static void one_suback_answers_each_filter_in_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct client client;
        struct host *host = begin_exchange(&client, both_versions[i]);
        struct access *access = access_new();
        access_allow(access, "anonymous", ACCESS_SUBSCRIBE, "yes/#");
        broker_set_access(host->broker, access);
        if (i == 0)
            exchange(&client,
                     SPAN_LITERAL("\x82\x1f\x12\x34"
                                  "\x00\x05yes/2\x02\x00\x02no\x01\x00\x05yes/0\x00\x00\x05yes/1\x01"),
                     SPAN_LITERAL("\x90\x06\x12\x34\x02\x80\x00\x01"));
        else
            exchange(&client,
                     SPAN_LITERAL("\x82\x20\x12\x34\x00"
                                  "\x00\x05yes/2\x02\x00\x02no\x01\x00\x05yes/0\x00\x00\x05yes/1\x01"),
                     SPAN_LITERAL("\x90\x07\x12\x34\x00\x02\x87\x00\x01"));
        assert_int_equal(broker_counters(host->broker)->subscriptions, 3);
        for (uint8_t qos = 0; qos < 3; qos++) {
            const char topic[] = {'y', 'e', 's', '/', (char)('0' + qos), '\0'};
            struct message view = {.qos = 2, .topic = span_from_string(topic)};
            broker_publish(host->broker, &view);
            client_expect_publish(&client, topic, "", qos);
        }
        end_exchange(host, &client);
    }
}

/* [MQTT-3.8.4-3] [MQTT-3.8.4-4] [MQTT-3.8.4-8]; 3.1.1: [MQTT-3.8.4-3] [MQTT-3.8.4-6] */
static void the_same_filter_replaces_the_subscription(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct client client, from;
        struct host *host = begin_exchange(&client, both_versions[i]);
        client_connect(&from, host, &second_v3);
        client_publish(&from, "t/1", "kept", 2, true);
        client_expect(&from, MQTT_PUBREC);
        static const uint8_t steps[] = {0, 2, 1};
        for (size_t step = 0; step < COUNT(steps); step++) {
            assert_int_equal(client_subscribe(&client, "t/+", steps[step]), steps[step]);
            client_expect_publish(&client, "t/1", "kept", steps[step]);
            client_publish(&from, "t/2", "x", 2, false);
            client_expect_publish(&client, "t/2", "x", steps[step]);
            client_expect_nothing(&client);
            assert_int_equal(broker_counters(host->broker)->subscriptions, 1);
        }
        client_vanish(&from);
        end_exchange(host, &client);
    }
}

/* [MQTT-3.8.4-4]: nothing that was queued is lost when the subscription is replaced. */
static void replacing_a_subscription_loses_nothing(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client, from;
    client_connect(&client, host,
                   &(struct client_options){.version = V5, .client_id = "a", .receive_maximum = 1});
    client_connect(&from, host, &second_v3);
    client_subscribe(&client, "t", 1);
    client_publish(&from, "t", "1", 1, false);
    client_publish(&from, "t", "2", 1, false);
    uint16_t id = client_expect_publish(&client, "t", "1", 1).packet_id;
    struct mqtt_filter filter = {.filter = SPAN_LITERAL("t"), .qos = 2, .retain_handling = 2};
    client_subscribe_with(&client, &filter, 7);
    client_ack(&client, MQTT_PUBACK, id);
    client_expect_publish(&client, "t", "2", 1);
    client_vanish(&from);
    end_exchange(host, &client);
}

/* [MQTT-3.8.3-3]: also what is retained. */
static void no_local_keeps_a_clients_own_messages_from_it(void **state)
{
    (void)state;
    struct client client, other;
    struct host *host = begin_exchange(&client, V5);
    client_connect(&other, host, &second_v5);
    client_publish(&client, "t/own", "x", 0, true);
    client_publish(&other, "t/other", "x", 0, true);
    struct mqtt_filter filter = {.filter = SPAN_LITERAL("t/+"), .no_local = true};
    client_subscribe_with(&client, &filter, 0);
    client_expect_publish(&client, "t/other", "x", 0);
    client_publish(&client, "t/own", "y", 0, false);
    client_publish(&other, "t/other", "y", 0, false);
    client_expect_publish(&client, "t/other", "y", 0);
    client_expect_nothing(&client);
    client_vanish(&other);
    end_exchange(host, &client);
}

/* ---- UNSUBSCRIBE ---- */

/* [MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-4] to [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT-3.11.3-2]; 3.1.1:
 * [MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-4] to [MQTT-3.10.4-6] */
static void unsubscribe_ends_exactly_the_filters_it_names(void **state)
{
    (void)state;
    static const struct mqtt_filter subscribed[] = {
        {.filter = SPAN_LITERAL("t/+")}, {.filter = SPAN_LITERAL("t/1")}, {.filter = SPAN_LITERAL("u")}};
    static const struct mqtt_filter ended[] = {{.filter = SPAN_LITERAL("t/#")},
                                               {.filter = SPAN_LITERAL("t/1")},
                                               {.filter = SPAN_LITERAL("T/+")},
                                               {.filter = SPAN_LITERAL("u")},
                                               {.filter = SPAN_LITERAL("u")}};
    for (size_t i = 0; i < 2; i++) {
        struct client client, from;
        struct host *host = begin_exchange(&client, both_versions[i]);
        client_connect(&from, host, &second_v3);
        request_filters(&client, MQTT_SUBSCRIBE, subscribed, 3);
        struct span reasons = request_filters(&client, MQTT_UNSUBSCRIBE, ended, 5).reasons;
        assert_true(span_equal(reasons, i == 0 ? SPAN_EMPTY : SPAN_LITERAL("\x11\x00\x11\x00\x11")));
        client_publish(&from, "u", "x", 0, false);
        client_publish(&from, "t/1", "x", 0, false);
        client_expect_publish(&client, "t/1", "x", 0);
        reasons = request_filters(&client, MQTT_UNSUBSCRIBE, subscribed, 1).reasons;
        assert_true(span_equal(reasons, i == 0 ? SPAN_EMPTY : SPAN_LITERAL("\x00")));
        client_publish(&from, "t/1", "x", 0, false);
        client_expect_nothing(&client);
        reasons =
            request_filters(&client, MQTT_UNSUBSCRIBE, subscribed, 1).reasons; /* there is nothing left */
        assert_true(span_equal(reasons, i == 0 ? SPAN_EMPTY : SPAN_LITERAL("\x11")));
        client_vanish(&from);
        end_exchange(host, &client);
    }
}

/* [MQTT-3.10.4-3]: in each state that a delivery can be in. */
static void unsubscribe_lets_what_was_begun_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct host *host = host_new();
        struct client client, from;
        struct client_options options = {
            .version = both_versions[i], .client_id = "a", .expiry_s = 60, .keep_session = true};
        client_connect(&client, host, &options);
        client_connect(&from, host, &second_v3);
        client_subscribe(&client, "t", 2);
        client_publish(&from, "t", "1", 1, false);
        client_publish(&from, "t", "2", 2, false);
        client_publish(&from, "t", "3", 2, false);
        uint16_t one = client_expect_publish(&client, "t", "1", 1).packet_id;
        uint16_t two = client_expect_publish(&client, "t", "2", 2).packet_id;
        client_expect_publish(&client, "t", "3", 2);
        client_ack(&client, MQTT_PUBREC, two);
        client_expect_ack(&client, MQTT_PUBREL, two, MQTT_SUCCESS);
        client_unsubscribe(&client, "t");
        client_vanish(&client);
        client_connect(&client, host, &options);
        assert_true(client_expect_publish(&client, "t", "1", 1).publish.dup);
        client_expect_ack(&client, MQTT_PUBREL, two, MQTT_SUCCESS);
        assert_true(client_expect_publish(&client, "t", "3", 2).publish.dup);
        client_ack(&client, MQTT_PUBACK, one);
        client_ack(&client, MQTT_PUBCOMP, two);
        assert_int_equal(host_unfinished_count(host), 1);
        client_vanish(&from);
        end_exchange(host, &client);
    }
}

/* ---- Topics ---- */

/* [MQTT-4.7.3-4]: texts that only look alike are different. */
static void topics_are_compared_byte_by_byte(void **state)
{
    (void)state;
    static const char *const alike[] = {"caf\xc3\xa9",
                                        "cafe\xcc\x81",
                                        "CAF\xc3\x89",
                                        " caf\xc3\xa9",
                                        "caf\xc3\xa9/",
                                        "/caf\xc3\xa9",
                                        "\xef\xbb\xbf"
                                        "caf\xc3\xa9"};
    struct client client;
    struct host *host = begin_exchange(&client, V3);
    for (size_t subscribed = 0; subscribed < COUNT(alike); subscribed++) {
        client_subscribe(&client, alike[subscribed], 0);
        for (size_t i = 0; i < COUNT(alike); i++)
            client_publish(&client, alike[i], "", 0, false);
        client_expect_publish(&client, alike[subscribed], "", 0);
        client_expect_nothing(&client);
        client_unsubscribe(&client, alike[subscribed]);
    }
    end_exchange(host, &client);
}

/* [MQTT-4.7.2-1], also of retained messages. */
static void wildcards_do_not_begin_a_topic_of_the_server(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        bool matches;
    } table[] = {{"#", false}, {"+/x", false}, {"+/#", false}, {"$SYS/#", true}, {"$SYS/+", true}};
    struct client client;
    struct host *host = begin_exchange(&client, V3);
    struct access *access = host_everything();
    access_allow(access, "anonymous", ACCESS_SUBSCRIBE, "$SYS/#");
    broker_set_access(host->broker, access);
    for (size_t i = 0; i < COUNT(table); i++) {
        broker_publish_status(host->broker, SPAN_LITERAL("$SYS/x"), SPAN_LITERAL("y"));
        assert_int_equal(client_subscribe(&client, table[i].filter, 0), 0);
        if (table[i].matches)
            client_expect_publish(&client, "$SYS/x", "y", 0);
        broker_publish_status(host->broker, SPAN_LITERAL("$SYS/x"), SPAN_LITERAL("y"));
        if (table[i].matches)
            client_expect_publish(&client, "$SYS/x", "y", 0);
        client_expect_nothing(&client);
        client_unsubscribe(&client, table[i].filter);
    }
    end_exchange(host, &client);
}

/* ---- PINGREQ and DISCONNECT ---- */

/* [MQTT-3.12.4-1] */
static void each_pingreq_is_answered(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct client client;
        struct host *host = begin_exchange(&client, both_versions[i]);
        exchange(&client, SPAN_LITERAL("\xc0\x00\xc0\x00"), SPAN_LITERAL("\xd0\x00\xd0\x00"));
        end_exchange(host, &client);
    }
}

/* [MQTT-3.14.4-1] to [MQTT-3.14.4-3], by what the Server makes of it; 3.1.1: [MQTT-3.14.4-1] to
 * [MQTT-3.14.4-3] */
static void disconnect_is_the_last_packet_and_ends_the_will(void **state)
{
    (void)state;
    static const struct mqtt_will will = {.topic = SPAN_LITERAL("will")};
    for (size_t i = 0; i < 2; i++) {
        struct client watcher, client;
        struct host *host = begin_exchange(&watcher, V3);
        client_subscribe(&watcher, "#", 0);
        client_connect(
            &client, host,
            &(struct client_options){.version = both_versions[i], .client_id = "client", .will = &will});
        client_expect_nothing(&client);
        exchange(&client,
                 i == 0 ? SPAN_LITERAL("\xe0\x00\x30\x03\x00\x01t\xc0\x00")
                        : SPAN_LITERAL("\xe0\x00\x30\x04\x00\x01t\x00\xc0\x00"),
                 SPAN_EMPTY);
        assert_true(client.asked_to_close);
        client_vanish(&client);
        host_advance(host, 100000);
        client_expect_nothing(&watcher);
        end_exchange(host, &watcher);
    }
}

/* [MQTT-3.14.0-1] [MQTT-3.14.2-2] [MQTT-3.14.4-1]: the Server's DISCONNECT comes after CONNACK, and last. */
static void the_servers_disconnect_is_its_last_packet(void **state)
{
    (void)state;
    struct client client;
    struct host *host = begin_exchange(&client, V5);
    client_subscribe(&client, "t", 0);
    broker_stop(host->broker);
    struct mqtt_packet packet = client_expect(&client, MQTT_DISCONNECT);
    assert_int_equal(packet.reason, MQTT_SERVER_SHUTTING_DOWN);
    assert_int_equal(mqtt_property_number(packet.properties, MQTT_SESSION_EXPIRY_INTERVAL, 7), 7);
    struct message view = {.topic = SPAN_LITERAL("t")};
    broker_publish(host->broker, &view);
    exchange(&client, SPAN_LITERAL("\xc0\x00"), SPAN_EMPTY);
    assert_true(client.asked_to_close);
    client_vanish(&client);
    client_open(&client, host, NULL); /* not connected: no DISCONNECT */
    client.version = V5;
    exchange(&client, SPAN_LITERAL("\xc0\x00"), SPAN_EMPTY);
    assert_true(client.asked_to_close);
    end_exchange(host, &client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_that_does_not_conform_closes),
        cmocka_unit_test(one_suback_answers_each_filter_in_its_place),
        cmocka_unit_test(the_same_filter_replaces_the_subscription),
        cmocka_unit_test(replacing_a_subscription_loses_nothing),
        cmocka_unit_test(no_local_keeps_a_clients_own_messages_from_it),
        cmocka_unit_test(unsubscribe_ends_exactly_the_filters_it_names),
        cmocka_unit_test(unsubscribe_lets_what_was_begun_end),
        cmocka_unit_test(topics_are_compared_byte_by_byte),
        cmocka_unit_test(wildcards_do_not_begin_a_topic_of_the_server),
        cmocka_unit_test(each_pingreq_is_answered),
        cmocka_unit_test(disconnect_is_the_last_packet_and_ends_the_will),
        cmocka_unit_test(the_servers_disconnect_is_its_last_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
