/* From PUBLISH to subscribers: QoS both ways, order, options of subscriptions, retained messages, pressure.
 */
#include "broker_host.h"

#include "base/memory.h"

#include <stdio.h>

static const struct client_options v3 = {.client_id = "v3"}, v5 = {.version = MQTT_5, .client_id = "v5"};
static const struct client_options publisher_v5 = {.version = MQTT_5, .client_id = "publisher"};

static void the_lower_qos_counts(void **state)
{
    (void)state;
    for (uint8_t published = 0; published < 3; published++) {
        for (uint8_t subscribed = 0; subscribed < 3; subscribed++) {
            struct host *host = host_new();
            struct client from, to;
            client_connect(&from, host, &publisher_v5);
            client_connect(&to, host, &v3);
            assert_int_equal(client_subscribe(&to, "t/+", subscribed), subscribed);
            uint16_t id = client_publish(&from, "t/1", "x", published, false);
            if (published == 1)
                client_expect_ack(&from, MQTT_PUBACK, id, MQTT_SUCCESS);
            if (published == 2) {
                client_expect_ack(&from, MQTT_PUBREC, id, MQTT_SUCCESS);
                client_ack(&from, MQTT_PUBREL, id);
                client_expect_ack(&from, MQTT_PUBCOMP, id, MQTT_SUCCESS);
            }
            uint8_t qos = published < subscribed ? published : subscribed;
            uint16_t got = client_expect_publish(&to, "t/1", "x", qos).packet_id;
            if (qos == 1)
                client_ack(&to, MQTT_PUBACK, got);
            if (qos == 2) {
                client_ack(&to, MQTT_PUBREC, got);
                client_expect_ack(&to, MQTT_PUBREL, got, MQTT_SUCCESS);
                client_ack(&to, MQTT_PUBCOMP, got);
            }
            client_expect_nothing(&to);
            client_expect_nothing(&from);
            assert_int_equal(broker_counters(host->broker)->queued, 0);
            client_vanish(&from);
            client_vanish(&to);
            host_free(host);
        }
    }
}

static void a_repeated_qos_2_publish_is_delivered_once(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client from, to;
    client_connect(&from, host, &publisher_v5);
    client_connect(&to, host, &v3);
    client_subscribe(&to, "t", 0);
    for (int i = 0; i < 1000; i++) { /* HOSTILE 44, in small */
        from.next_packet_id = 0;
        client_publish(&from, "t", "x", 2, false);
        client_expect_ack(&from, MQTT_PUBREC, 1, MQTT_SUCCESS);
    }
    client_expect_publish(&to, "t", "x", 0);
    client_expect_nothing(&to);
    assert_int_equal(broker_counters(host->broker)->duplicates_received, 999);
    client_ack(&from, MQTT_PUBREL, 1);
    client_expect_ack(&from, MQTT_PUBCOMP, 1, MQTT_SUCCESS);
    client_ack(&from, MQTT_PUBREL, 1);
    client_expect_ack(&from, MQTT_PUBCOMP, 1, MQTT_PACKET_IDENTIFIER_NOT_FOUND);
    client_vanish(&from);
    client_vanish(&to);
    host_free(host);
}

static void order_holds_while_the_receive_maximum_is_reached(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client from, to;
    client_connect(&from, host, &publisher_v5);
    client_connect(&to, host,
                   &(struct client_options){.version = MQTT_5, .client_id = "to", .receive_maximum = 3});
    client_subscribe(&to, "t", 2);
    char text[8];
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "%d", i);
        client_publish(&from, "t", text, (uint8_t)(1 + i % 2), false);
    }
    uint16_t ids[50];
    for (int i = 0; i < 50; i++) {
        if (i >= 3) { /* each that is finished lets one more through */
            client_expect_nothing(&to);
            client_ack(&to, i % 2 ? MQTT_PUBACK : MQTT_PUBREC, ids[i - 3]);
            if (i % 2 == 0) {
                client_expect_ack(&to, MQTT_PUBREL, ids[i - 3], MQTT_SUCCESS);
                client_expect_nothing(&to);
                client_ack(&to, MQTT_PUBCOMP, ids[i - 3]);
            }
        }
        snprintf(text, sizeof text, "%d", i);
        ids[i] = client_expect_publish(&to, "t", text, (uint8_t)(1 + i % 2)).packet_id;
    }
    client_vanish(&from);
    client_vanish(&to);
    host_free(host);
}

static void overlapping_subscriptions_give_one_copy_with_all_identifiers(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    client_connect(&client, host, &v5);
    static const struct {
        const char *filter;
        uint8_t qos;
        uint32_t identifier;
    } table[] = {{"a/b", 0, 1}, {"a/+", 1, 268435455}, {"#", 0, 0}};
    for (size_t i = 0; i < 3; i++)
        client_subscribe_with(
            &client, &(struct mqtt_filter){.filter = span_from_string(table[i].filter), .qos = table[i].qos},
            table[i].identifier);
    client_publish(&client, "a/b", "x", 1, false);
    struct mqtt_packet packet = client_expect_publish(&client, "a/b", "x", 1);
    struct reader at = reader_of(packet.properties.bytes);
    struct mqtt_property_value value;
    uint64_t sum = 0;
    int count = 0;
    while (mqtt_property_next(&at, &value)) {
        assert_int_equal(value.id, MQTT_SUBSCRIPTION_IDENTIFIER);
        sum += value.number;
        count++;
    }
    assert_int_equal(count, 2);
    assert_int_equal(sum, 268435456);
    client_expect(&client, MQTT_PUBACK);
    client_expect_nothing(&client);
    client_vanish(&client);
    host_free(host);
}

static void options_of_a_subscription_hold(void **state)
{
    (void)state;
    static const struct {
        const char *title;
        bool no_local, retain_as_published, own, retained;
        bool delivered, flagged;
    } table[] = {
        {"plain", false, false, true, true, true, false},
        {"No Local, own", true, false, true, false, false, false},
        {"No Local, another's", true, false, false, false, true, false},
        {"Retain As Published", false, true, false, true, true, true},
        {"Retain As Published, not retained", false, true, false, false, true, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct host *host = host_new();
        struct client client, other;
        client_connect(&client, host, &v5);
        client_connect(&other, host, &publisher_v5);
        client_subscribe_with(&client,
                              &(struct mqtt_filter){.filter = SPAN_LITERAL("t"),
                                                    .no_local = table[i].no_local,
                                                    .retain_as_published = table[i].retain_as_published},
                              0);
        client_publish(table[i].own ? &client : &other, "t", "x", 0, table[i].retained);
        struct mqtt_packet packet;
        bool delivered = client_next(&client, &packet);
        if (delivered != table[i].delivered || (delivered && packet.publish.retain != table[i].flagged))
            fail_msg("%s", table[i].title);
        client_vanish(&client);
        client_vanish(&other);
        host_free(host);
    }
}

static void properties_are_passed_on_in_order(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client from, to, to_v3;
    client_connect(&from, host, &publisher_v5);
    client_connect(&to, host, &v5);
    client_connect(&to_v3, host, &v3);
    client_subscribe(&to, "t", 0);
    client_subscribe(&to_v3, "t", 0);
    uint8_t bytes[256];
    struct writer block = writer_of(bytes, sizeof bytes);
    mqtt_write_user_property(&block, SPAN_LITERAL("k"), SPAN_LITERAL("1"));
    mqtt_write_number_property(&block, MQTT_TOPIC_ALIAS, 3);
    mqtt_write_bytes_property(&block, MQTT_RESPONSE_TOPIC, SPAN_LITERAL("answer"));
    mqtt_write_number_property(&block, MQTT_MESSAGE_EXPIRY_INTERVAL, 10);
    mqtt_write_bytes_property(&block, MQTT_CORRELATION_DATA, SPAN_LITERAL("\x00\xff"));
    mqtt_write_user_property(&block, SPAN_LITERAL("k"), SPAN_LITERAL("2"));
    client_send(&from, &(struct mqtt_packet){.type = MQTT_PUBLISH,
                                             .version = MQTT_5,
                                             .properties.bytes = writer_span(&block),
                                             .publish = {.topic = SPAN_LITERAL("t")}});
    struct mqtt_packet packet = client_expect_publish(&to, "t", "", 0);
    static const enum mqtt_property order[] = {MQTT_MESSAGE_EXPIRY_INTERVAL, MQTT_USER_PROPERTY,
                                               MQTT_RESPONSE_TOPIC, MQTT_CORRELATION_DATA,
                                               MQTT_USER_PROPERTY};
    struct reader at = reader_of(packet.properties.bytes);
    struct mqtt_property_value value;
    for (size_t i = 0; i < 5; i++) {
        assert_true(mqtt_property_next(&at, &value));
        assert_int_equal(value.id, order[i]);
        if (i == 4)
            assert_true(span_equal(value.bytes, SPAN_LITERAL("2")));
    }
    assert_false(mqtt_property_next(&at, &value));
    client_expect_publish(&to_v3, "t", "", 0);
    client_vanish(&from);
    client_vanish(&to);
    client_vanish(&to_v3);
    host_free(host);
}

static void message_expiry_counts_down_and_drops(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client from, to;
    struct client_options durable = {
        .version = MQTT_5, .client_id = "to", .expiry_s = 1000, .keep_session = true};
    client_connect(&from, host, &publisher_v5);
    client_connect(&to, host, &durable);
    client_subscribe(&to, "t", 1);
    client_disconnect(&to);
    for (uint32_t expiry_s = 10; expiry_s <= 100; expiry_s += 90) {
        uint8_t bytes[8];
        struct writer block = writer_of(bytes, sizeof bytes);
        mqtt_write_number_property(&block, MQTT_MESSAGE_EXPIRY_INTERVAL, expiry_s);
        client_send(&from, &(struct mqtt_packet){.type = MQTT_PUBLISH,
                                                 .version = MQTT_5,
                                                 .packet_id = (uint16_t)expiry_s,
                                                 .properties.bytes = writer_span(&block),
                                                 .publish = {.topic = SPAN_LITERAL("t"), .qos = 1}});
    }
    host_advance(host, 30000);
    client_connect(&to, host, &durable);
    struct mqtt_packet packet = client_expect_publish(&to, "t", "", 1);
    assert_int_equal(mqtt_property_number(packet.properties, MQTT_MESSAGE_EXPIRY_INTERVAL, 0), 70);
    client_ack(&to, MQTT_PUBACK, packet.packet_id);
    client_expect_nothing(&to);
    assert_int_equal(host_dropped(host, BROKER_DROP_EXPIRED), 1);
    assert_int_equal(host_unfinished_count(host), 0);
    client_vanish(&from);
    client_vanish(&to);
    host_free(host);
}

static void topic_aliases_stand_for_topics(void **state)
{
    (void)state;
    static const struct {
        uint32_t alias;
        const char *topic;
        enum mqtt_reason closes; /* SUCCESS: delivered */
    } table[] = {
        {1, "one", MQTT_SUCCESS},
        {16, "sixteen", MQTT_SUCCESS},
        {1, "", MQTT_SUCCESS},
        {1, "new", MQTT_SUCCESS},
        {2, "", MQTT_PROTOCOL_ERROR},
        {17, "x", MQTT_TOPIC_ALIAS_INVALID},
        {65535, "", MQTT_TOPIC_ALIAS_INVALID},
    };
    for (size_t last = 0; last < sizeof table / sizeof *table; last++) {
        if (last < 3 || table[last].closes == MQTT_SUCCESS)
            continue;
        struct host *host = host_new();
        struct client client;
        client_connect(&client, host, &v5);
        client_subscribe(&client, "#", 0);
        for (size_t i = 0; i <= last; i++) {
            if (i != last && table[i].closes != MQTT_SUCCESS)
                continue;
            uint8_t bytes[8];
            struct writer block = writer_of(bytes, sizeof bytes);
            mqtt_write_number_property(&block, MQTT_TOPIC_ALIAS, table[i].alias);
            client_send(&client,
                        &(struct mqtt_packet){.type = MQTT_PUBLISH,
                                              .version = MQTT_5,
                                              .properties.bytes = writer_span(&block),
                                              .publish = {.topic = span_from_string(table[i].topic)}});
            if (i != last)
                client_expect_publish(&client, i == 2 ? "one" : table[i].topic, "", 0);
        }
        client_expect_closed(&client, table[last].closes);
        client_vanish(&client);
        client_connect(&client, host, &v5); /* aliases do not outlive the connection */
        uint8_t bytes[8];
        struct writer block = writer_of(bytes, sizeof bytes);
        mqtt_write_number_property(&block, MQTT_TOPIC_ALIAS, 1);
        client_send(&client, &(struct mqtt_packet){.type = MQTT_PUBLISH,
                                                   .version = MQTT_5,
                                                   .properties.bytes = writer_span(&block)});
        client_expect_closed(&client, MQTT_PROTOCOL_ERROR);
        client_vanish(&client);
        host_free(host);
    }
}

static void one_member_of_a_group_gets_each_message(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client members[3], from;
    static const char *const names[] = {"m0", "m1", "m2"};
    client_connect(&from, host, &publisher_v5);
    for (int i = 0; i < 3; i++) {
        client_connect(&members[i], host, &(struct client_options){.client_id = names[i]});
        assert_int_equal(client_subscribe(&members[i], "$share/g/t", 0), 0);
    }
    for (int i = 0; i < 9; i++)
        client_publish(&from, "t", "x", 0, false);
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++)
            client_expect_publish(&members[i], "t", "x", 0);
        client_expect_nothing(&members[i]);
    }
    client_vanish(&members[0]);
    assert_int_equal(client_unsubscribe(&members[1], "$share/g/t"), MQTT_SUCCESS);
    client_publish(&from, "t", "y", 0, false);
    client_expect_publish(&members[2], "t", "y", 0);
    client_vanish(&members[2]);
    client_vanish(&members[1]);
    client_publish(&from, "t", "z", 0, false);
    client_vanish(&from);
    assert_int_equal(broker_counters(host->broker)->subscriptions, 0);
    host_free(host);
}

/* ---- Retained messages ---- */

static void retained_messages_are_set_replaced_and_removed(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    client_connect(&client, host, &v5);
    client_publish(&client, "r/1", "old", 0, true);
    client_publish(&client, "r/1", "new", 1, true);
    client_publish(&client, "r/2", "two", 0, true);
    client_expect(&client, MQTT_PUBACK);
    client_subscribe(&client, "r/1", 2);
    assert_true(client_expect_publish(&client, "r/1", "new", 1).publish.retain);
    client_publish(&client, "r/2", "", 0, true);
    client_subscribe(&client, "r/+", 0);
    assert_true(client_expect_publish(&client, "r/1", "new", 0).publish.retain);
    client_expect_nothing(&client);
    assert_int_equal(broker_counters(host->broker)->retained, 1);
    client_vanish(&client);
    host_crash(host);
    client_connect(&client, host, &v5);
    client_subscribe(&client, "#", 0);
    client_expect_publish(&client, "r/1", "new", 0);
    client_vanish(&client);
    host_free(host);
}

static void retain_handling_is_kept_to(void **state)
{
    (void)state;
    static const struct {
        uint8_t handling;
        bool first, again;
    } table[] = {{0, true, true}, {1, true, false}, {2, false, false}};
    for (size_t i = 0; i < 3; i++) {
        struct host *host = host_new();
        struct client client;
        client_connect(&client, host, &v5);
        client_publish(&client, "r", "x", 0, true);
        struct mqtt_filter filter = {.filter = SPAN_LITERAL("r"), .retain_handling = table[i].handling};
        struct mqtt_packet packet;
        client_subscribe_with(&client, &filter, 0);
        assert_int_equal(client_next(&client, &packet), table[i].first);
        client_subscribe_with(&client, &filter, 0);
        assert_int_equal(client_next(&client, &packet), table[i].again);
        client_vanish(&client);
        host_free(host);
    }
}

static void retained_messages_are_bounded(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.retained_count = 2;
    host_restart_with_config(host);
    struct client client;
    client_connect(&client, host, &v5);
    client_publish(&client, "r/1", "x", 0, true);
    client_publish(&client, "r/2", "x", 0, true);
    client_publish(&client, "r/3", "x", 0, true);
    client_publish(&client, "r/1", "y", 0, true); /* replacing needs no room */
    assert_int_equal(broker_counters(host->broker)->retained, 2);
    assert_int_equal(host_dropped(host, BROKER_DROP_RETAINED_FULL), 1);
    client_subscribe(&client, "r/1", 0);
    client_expect_publish(&client, "r/1", "y", 0);
    client_vanish(&client);
    host_free(host);
}

static void a_durable_subscriber_gets_retained_messages_through_the_journal(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    struct client_options options = {
        .version = MQTT_5, .client_id = "a", .expiry_s = 60, .keep_session = true};
    client_connect(&client, host, &options);
    uint16_t id = client_publish(&client, "r", "x", 1, true);
    client_expect_ack(&client, MQTT_PUBACK, id, MQTT_SUCCESS);
    client_subscribe(&client, "r", 1);
    assert_true(client_expect_publish(&client, "r", "x", 1).publish.retain);
    assert_int_equal(host->replay_count, 1);
    client_vanish(&client);
    host_crash(host);
    assert_true(client_connect(&client, host, &options));
    struct mqtt_packet packet = client_expect_publish(&client, "r", "x", 1);
    assert_true(packet.publish.retain && packet.publish.dup);
    client_vanish(&client);
    host_free(host);
}

/* ---- Pressure ---- */

/* HOSTILE 49: a subscriber that never reads. */
static void a_slow_subscriber_loses_qos_0_and_keeps_qos_1(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.output_bytes = 10000;
    host->config.queue_count = 50;
    host_restart_with_config(host);
    struct client from, slow, quick;
    client_connect(&from, host, &v3);
    client_connect(&slow, host, &v5);
    client_connect(&quick, host, &(struct client_options){.client_id = "quick"});
    client_subscribe(&slow, "+", 1);
    client_subscribe(&quick, "zero", 0);
    char payload[1001];
    memset(payload, 'x', 1000);
    payload[1000] = '\0';
    for (int i = 0; i < 1000; i++) {
        client_publish(&from, "zero", payload, 0, false);
        client_expect_publish(&quick, "zero", payload, 0);
        client_publish(&from, "one", payload, 1, false);
        client_expect(&from, MQTT_PUBACK);
        assert_true(buffer_len(&slow.out) < 10000 + 1100);
    }
    assert_true(host_dropped(host, BROKER_DROP_TOO_SLOW) > 900);
    assert_true(host_dropped(host, BROKER_DROP_QUEUE_FULL) > 900);
    /* Once it reads, what was queued comes, in order and then as before. */
    struct mqtt_packet packet;
    uint64_t ones = 0;
    do {
        while (client_next(&slow, &packet)) {
            if (packet.packet_id != 0) {
                ones++;
                client_ack(&slow, MQTT_PUBACK, packet.packet_id);
            }
        }
        channel_drained(slow.channel);
    } while (buffer_len(&slow.out) > 0);
    assert_int_equal(ones + host_dropped(host, BROKER_DROP_QUEUE_FULL), 1000);
    client_publish(&from, "zero", "y", 0, false);
    client_expect_publish(&slow, "zero", "y", 0);
    client_vanish(&from);
    client_vanish(&slow);
    client_vanish(&quick);
    host_free(host);
}

static void a_client_that_does_not_read_its_answers_is_not_read(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.output_bytes = 100;
    host_restart_with_config(host);
    struct client client;
    client_connect(&client, host, &v3);
    client_next(&client, &(struct mqtt_packet){.type = 0});
    for (int i = 0; i < 1000; i++)
        client_give(&client, SPAN_LITERAL("\xc0\x00"));
    assert_true(client.paused);
    assert_true(buffer_len(&client.out) <= 102);
    size_t answers = 0;
    struct mqtt_packet packet;
    for (int i = 0; i < 100; i++) {
        while (client_next(&client, &packet))
            answers++;
        channel_drained(client.channel);
        client_give(&client, SPAN_EMPTY);
    }
    assert_int_equal(answers, 1000);
    client_vanish(&client);
    host_free(host);
}

static void what_is_too_large_for_the_client_is_dropped(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client, from;
    client_connect(&client, host,
                   &(struct client_options){.version = MQTT_5, .client_id = "a", .maximum_packet_bytes = 30});
    client_connect(&from, host, &v3);
    client_subscribe(&client, "t", 2);
    for (uint8_t qos = 0; qos < 3; qos++)
        client_publish(&from, "t", "this payload is longer than thirty bytes", qos, false);
    client_publish(&from, "t", "short", 1, false);
    client_expect_publish(&client, "t", "short", 1);
    client_expect_nothing(&client);
    assert_int_equal(host_dropped(host, BROKER_DROP_PACKET_TOO_BIG), 3);
    client_vanish(&client);
    client_vanish(&from);
    host_free(host);
}

static void a_full_queue_holds_the_publisher_back(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client from, to;
    client_connect(&from, host, &v5);
    client_connect(&to, host, &v3);
    client_subscribe(&to, "t", 0);
    host->store_answer = SLUICE_FULL;
    client_publish(&from, "t", "1", 0, false);
    assert_true(from.paused);
    client_publish(&from, "t", "2", 1, false); /* the network keeps it */
    client_expect_nothing(&to);
    broker_resume(host->broker);
    client_give(&from, SPAN_EMPTY);
    assert_true(from.paused); /* still no room */
    host->store_answer = SLUICE_OK;
    broker_resume(host->broker);
    assert_false(from.paused);
    client_give(&from, SPAN_EMPTY);
    client_expect_publish(&to, "t", "1", 0);
    client_expect_publish(&to, "t", "2", 0);
    client_expect(&from, MQTT_PUBACK);
    client_vanish(&from);
    client_vanish(&to);
    host_free(host);
}

static void held_connections_may_leave(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client clients[3];
    static const char *const names[] = {"a", "b", "c"};
    host->store_answer = SLUICE_FULL;
    for (int i = 0; i < 3; i++) {
        client_connect(&clients[i], host,
                       &(struct client_options){.client_id = names[i], .keep_alive_s = 10});
        client_publish(&clients[i], "t", "x", 1, false);
    }
    host_advance(host, 100000); /* a client that the Server does not read cannot be blamed */
    assert_false(clients[0].asked_to_close);
    client_vanish(&clients[1]);
    host->store_answer = SLUICE_OK;
    broker_resume(host->broker);
    client_vanish(&clients[0]);
    client_vanish(&clients[2]);
    host_free(host);
}

static void what_transform_refuses_is_told(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    client_connect(&client, host, &v5);
    host->transform_answer = MQTT_PAYLOAD_FORMAT_INVALID;
    uint16_t id = client_publish(&client, "t", "bad", 1, false);
    client_expect_ack(&client, MQTT_PUBACK, id, MQTT_PAYLOAD_FORMAT_INVALID);
    id = client_publish(&client, "t", "bad", 2, false);
    client_expect_ack(&client, MQTT_PUBREC, id, MQTT_PAYLOAD_FORMAT_INVALID);
    client_publish(&client, "t", "bad", 0, false);
    client_expect_nothing(&client);
    assert_int_equal(host_dropped(host, BROKER_DROP_REFUSED), 3);
    assert_int_equal(host->stored_count, 0);
    client_vanish(&client);
    host_free(host);
}

static void one_publish_may_become_many_messages(void **state)
{
    (void)state;
    static const struct {
        struct client_options options;
        const char *filter;
        uint8_t qos;
    } table[] = {
        {{.client_id = "all"}, "+", 0},
        {{.client_id = "third"}, "2", 0},
        {{.client_id = "all at QoS 1"}, "+", 1},
        {{.client_id = "durable", .keep_session = true}, "+", 1},
    };
    struct host *host = host_new();
    host->copies = 5;
    struct client from, to[4];
    client_connect(&from, host, &v5);
    for (size_t i = 0; i < 4; i++) {
        client_connect(&to[i], host, &table[i].options);
        client_subscribe(&to[i], table[i].filter, table[i].qos);
    }
    uint16_t id = client_publish(&from, "frame", "x", 1, false);
    client_expect_ack(&from, MQTT_PUBACK, id, MQTT_SUCCESS);
    for (int message = 0; message < 5; message++) {
        char text[2] = {(char)('0' + message), '\0'};
        for (size_t i = 0; i < 4; i++) {
            if (i != 1 || message == 2)
                client_expect_publish(&to[i], text, text, table[i].qos);
        }
    }
    assert_int_equal(broker_counters(host->broker)->messages, 5);
    for (size_t i = 0; i < 4; i++) {
        client_expect_nothing(&to[i]);
        client_vanish(&to[i]);
    }
    client_vanish(&from);
    host_free(host);
}

/* The second copy must not be made from the first one's bytes: they move when their output grows. */
static void a_member_that_subscribes_besides_gets_two_copies(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client, from;
    client_connect(&client, host, &v3);
    client_connect(&from, host, &v5);
    client_subscribe(&client, "t", 0);
    client_subscribe(&client, "$share/g/t", 0);
    client_subscribe(&client, "$share/h/t", 0);
    client_expect_nothing(&client);
    char payload[3001];
    memset(payload, 'x', 3000);
    payload[3000] = '\0';
    client_publish(&from, "t", payload, 0, false);
    for (int i = 0; i < 3; i++)
        client_expect_publish(&client, "t", payload, 0);
    client_expect_nothing(&client);
    client_vanish(&client);
    client_vanish(&from);
    host_free(host);
}

/* Nor the next subscriber's, where a copy of another kind has followed the first in its output. */
static void what_follows_the_first_copy_does_not_harm_the_next_subscriber(void **state)
{
    (void)state;
    static const struct {
        uint8_t qos;
        uint32_t identifier;
    } rows[] = {{0, 7}, {1, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct host *host = host_new();
        struct client twice, once, from;
        client_connect(&twice, host, &v5);
        client_connect(&once, host, &(struct client_options){.version = MQTT_5, .client_id = "once"});
        client_connect(&from, host, &v3);
        client_subscribe(&twice, "#", 0);
        struct mqtt_filter shared = {.filter = SPAN_LITERAL("$share/g/#"), .qos = rows[i].qos};
        client_subscribe_with(&twice, &shared, rows[i].identifier);
        client_subscribe(&once, "t", 0); /* found after `#` */
        client_expect_nothing(&twice);
        char payload[3001];
        memset(payload, 'x', 3000);
        payload[3000] = '\0';
        client_publish(&from, "t", payload, rows[i].qos, false);
        client_expect_publish(&once, "t", payload, 0);
        client_expect_publish(&twice, "t", payload, 0);
        client_expect_publish(&twice, "t", payload, rows[i].qos);
        client_vanish(&twice);
        client_vanish(&once);
        client_vanish(&from);
        host_free(host);
    }
}

static void the_gateway_publishes_too(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    client_connect(&client, host, &v3);
    client_subscribe(&client, "t", 1);
    struct message view = {.qos = 1, .topic = SPAN_LITERAL("t"), .payload = SPAN_LITERAL("x")};
    assert_int_equal(broker_publish(host->broker, &view), SLUICE_OK);
    client_expect_publish(&client, "t", "x", 1);
    view.topic = SPAN_LITERAL("t/+");
    assert_int_equal(broker_publish(host->broker, &view), SLUICE_INVALID);
    view.topic = SPAN_LITERAL("t");
    host->store_answer = SLUICE_FULL;
    assert_int_equal(broker_publish(host->broker, &view), SLUICE_FULL);
    client_expect_nothing(&client);
    client_vanish(&client);
    host_free(host);
}

/* What the gateway says of itself is retained beside the bound, stored nowhere, and not for functions. */
static void status_is_retained_in_memory_only(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.retained_count = 1;
    host_restart_with_config(host);
    struct access *access = host_everything();
    access_allow(access, "anonymous", ACCESS_SUBSCRIBE, "$SYS/#");
    broker_set_access(host->broker, access);
    struct client reader, late, publisher;
    client_connect(&reader, host,
                   &(struct client_options){.version = MQTT_5, .client_id = "r", .expiry_s = 100});
    client_connect(&late, host, &(struct client_options){.client_id = "l"});
    client_connect(&publisher, host, &(struct client_options){.client_id = "p"});
    assert_int_equal(client_subscribe(&reader, "$SYS/#", 2), 2);
    broker_publish_status(host->broker, SPAN_LITERAL("$SYS/a"), SPAN_LITERAL("1"));
    broker_publish_status(host->broker, SPAN_LITERAL("$SYS/a"), SPAN_LITERAL("2"));
    assert_false(client_expect_publish(&reader, "$SYS/a", "1", 0).publish.retain);
    assert_false(client_expect_publish(&reader, "$SYS/a", "2", 0).publish.retain);
    assert_int_equal(client_subscribe(&late, "$SYS/#", 2), 2);
    assert_true(client_expect_publish(&late, "$SYS/a", "2", 0).publish.retain);
    assert_int_equal(host->stored_count, 0);
    assert_int_equal(broker_counters(host->broker)->retained, 0);
    client_publish(&publisher, "t", "x", 0, true);
    assert_int_equal(broker_counters(host->broker)->retained, 1);
    assert_int_equal(host_dropped(host, BROKER_DROP_RETAINED_FULL), 0);
    assert_int_equal(broker_publish(host->broker, &(struct message){.topic = SPAN_LITERAL("$SYS/a")}),
                     SLUICE_INVALID);
    client_vanish(&reader);
    client_vanish(&late);
    client_vanish(&publisher);
    host_free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lower_qos_counts),
        cmocka_unit_test(a_repeated_qos_2_publish_is_delivered_once),
        cmocka_unit_test(order_holds_while_the_receive_maximum_is_reached),
        cmocka_unit_test(overlapping_subscriptions_give_one_copy_with_all_identifiers),
        cmocka_unit_test(options_of_a_subscription_hold),
        cmocka_unit_test(properties_are_passed_on_in_order),
        cmocka_unit_test(message_expiry_counts_down_and_drops),
        cmocka_unit_test(topic_aliases_stand_for_topics),
        cmocka_unit_test(one_member_of_a_group_gets_each_message),
        cmocka_unit_test(retained_messages_are_set_replaced_and_removed),
        cmocka_unit_test(retain_handling_is_kept_to),
        cmocka_unit_test(retained_messages_are_bounded),
        cmocka_unit_test(a_durable_subscriber_gets_retained_messages_through_the_journal),
        cmocka_unit_test(a_slow_subscriber_loses_qos_0_and_keeps_qos_1),
        cmocka_unit_test(a_client_that_does_not_read_its_answers_is_not_read),
        cmocka_unit_test(what_is_too_large_for_the_client_is_dropped),
        cmocka_unit_test(a_full_queue_holds_the_publisher_back),
        cmocka_unit_test(held_connections_may_leave),
        cmocka_unit_test(what_transform_refuses_is_told),
        cmocka_unit_test(one_publish_may_become_many_messages),
        cmocka_unit_test(a_member_that_subscribes_besides_gets_two_copies),
        cmocka_unit_test(what_follows_the_first_copy_does_not_harm_the_next_subscriber),
        cmocka_unit_test(the_gateway_publishes_too),
        cmocka_unit_test(status_is_retained_in_memory_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
