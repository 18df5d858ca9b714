/* What a client is told at a limit, and that each limit holds. */
#include "broker_host.h"

/* The next packet has this Reason String; NULL: none. */
static void expect_reason(struct client *client, enum mqtt_type type, enum mqtt_reason reason,
                          const char *text)
{
    struct mqtt_packet packet = client_expect(client, type);
    enum mqtt_reason got = packet.reasons.len ? (enum mqtt_reason)packet.reasons.data[0] : packet.reason;
    assert_int_equal(got, reason);
    struct span string;
    bool there = mqtt_property_bytes(packet.properties, MQTT_REASON_STRING, &string);
    assert_int_equal(there, text != NULL);
    if (text) {
        assert_int_equal(string.len, strlen(text));
        assert_memory_equal(string.data, text, strlen(text));
    }
}

static void send_subscribe(struct client *client, const char *filter)
{
    uint8_t bytes[256];
    struct writer list = writer_of(bytes, sizeof bytes);
    mqtt_write_filter(&list, MQTT_SUBSCRIBE, &(struct mqtt_filter){.filter = span_from_string(filter)});
    client_send(client, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE,
                                              .version = client->version,
                                              .packet_id = 1,
                                              .filters.list = writer_span(&list)});
}

static void a_refusal_says_what_is_allowed(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.client_id_bytes = 30;
    host->config.topic_levels = 3;
    host->config.topic_bytes = 40;
    host->config.subscriptions_count = 1;
    host_restart_with_config(host);
    struct client client;
    client_begin(
        &client, host,
        &(struct client_options){.version = MQTT_5, .client_id = "a name of over thirty characters"});
    expect_reason(&client, MQTT_CONNACK, MQTT_CLIENT_IDENTIFIER_NOT_VALID,
                  "a Client Identifier has at most 30 bytes, no control characters, and is one that this "
                  "Client may use");
    client_vanish(&client);
    client_connect(&client, host, &(struct client_options){.version = MQTT_5, .client_id = "a"});
    client_publish(&client, "a/b/c/d", "", 1, false);
    expect_reason(&client, MQTT_PUBACK, MQTT_TOPIC_NAME_INVALID,
                  "a Topic Name has at most 3 levels and 40 bytes, and does not begin with $");
    client_publish(&client, "a/b/c/d", "", 2, false);
    expect_reason(&client, MQTT_PUBREC, MQTT_TOPIC_NAME_INVALID,
                  "a Topic Name has at most 3 levels and 40 bytes, and does not begin with $");
    send_subscribe(&client, "a/b/c/d");
    expect_reason(
        &client, MQTT_SUBACK, MQTT_TOPIC_FILTER_INVALID,
        "a Topic Filter has at most 3 levels and 40 bytes, the NAME of $share/NAME/FILTER 30 bytes");
    send_subscribe(&client, "a");
    expect_reason(&client, MQTT_SUBACK, MQTT_SUCCESS, NULL);
    send_subscribe(&client, "b");
    expect_reason(&client, MQTT_SUBACK, MQTT_QUOTA_EXCEEDED,
                  "a SUBSCRIBE has at most 256 Topic Filters, and a session 1 subscriptions");
    client_give(&client, SPAN_LITERAL("\x30\xff\xff\xff\x7f"));
    expect_reason(&client, MQTT_DISCONNECT, MQTT_PACKET_TOO_LARGE,
                  "a Control Packet has at most 262144 bytes");
    assert_true(client.asked_to_close);
    client_vanish(&client);
    host_free(host);
}

/* [MQTT-3.1.2-29] */
static void who_wants_no_problem_information_gets_it_only_at_the_ends(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    struct client_options options = {.version = MQTT_5, .client_id = "a\n", .no_problem_information = true};
    client_begin(&client, host, &options);
    expect_reason(&client, MQTT_CONNACK, MQTT_CLIENT_IDENTIFIER_NOT_VALID,
                  "a Client Identifier has at most 256 bytes, no control characters, and is one that this "
                  "Client may use");
    client_vanish(&client);
    options.client_id = "a";
    client_connect(&client, host, &options);
    client_publish(&client, "$SYS/x", "", 1, false);
    expect_reason(&client, MQTT_PUBACK, MQTT_TOPIC_NAME_INVALID, NULL);
    send_subscribe(&client, "/////////////////");
    expect_reason(&client, MQTT_SUBACK, MQTT_TOPIC_FILTER_INVALID, NULL);
    client_give(&client, SPAN_LITERAL("\x30\xff\xff\xff\x7f"));
    expect_reason(&client, MQTT_DISCONNECT, MQTT_PACKET_TOO_LARGE,
                  "a Control Packet has at most 262144 bytes");
    client_vanish(&client);
    host_free(host);
}

/* [MQTT-3.2.2-19], [MQTT-3.4.2-2], [MQTT-3.14.2-3] */
static void a_reason_string_that_does_not_fit_is_left_out(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    struct client_options options = {.version = MQTT_5, .client_id = "a\n", .maximum_packet_bytes = 40};
    client_begin(&client, host, &options);
    expect_reason(&client, MQTT_CONNACK, MQTT_CLIENT_IDENTIFIER_NOT_VALID, NULL);
    client_vanish(&client);
    options.client_id = "a";
    client_connect(&client, host, &options);
    client_publish(&client, "$SYS/x", "", 1, false);
    expect_reason(&client, MQTT_PUBACK, MQTT_TOPIC_NAME_INVALID, NULL);
    client_give(&client, SPAN_LITERAL("\x30\xff\xff\xff\x7f"));
    expect_reason(&client, MQTT_DISCONNECT, MQTT_PACKET_TOO_LARGE, NULL);
    client_vanish(&client);
    host_free(host);
}

static uint64_t limited(const struct host *host, enum broker_limit limit)
{
    return broker_counters(host->broker)->limited[limit];
}

static void filters_of_a_packet_are_bounded(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.filters_count = 2;
    host_restart_with_config(host);
    struct client old, client;
    client_connect(&old, host, &(struct client_options){.client_id = "old"});
    client_connect(&client, host, &(struct client_options){.version = MQTT_5, .client_id = "a"});
    client_give(&old, SPAN_LITERAL("\x82\x0e\x00\x01\x00\x01"
                                   "a\x00\x00\x01"
                                   "b\x00\x00\x01"
                                   "c\x00"));
    struct span reasons = client_expect(&old, MQTT_SUBACK).reasons;
    assert_int_equal(reasons.len, 3);
    assert_memory_equal(reasons.data, "\x00\x00\x80", 3);
    client_give(&client, SPAN_LITERAL("\x82\x0f\x00\x01\x00\x00\x01"
                                      "a\x00\x00\x01"
                                      "b\x00\x00\x01"
                                      "c\x00"));
    reasons = client_expect(&client, MQTT_SUBACK).reasons;
    assert_int_equal(reasons.len, 3);
    assert_memory_equal(reasons.data, "\x00\x00\x97", 3);
    assert_int_equal(broker_counters(host->broker)->subscriptions, 4);
    client_give(&client, SPAN_LITERAL("\xa2\x0c\x00\x02\x00\x00\x01"
                                      "a\x00\x01"
                                      "b\x00\x01"
                                      "c"));
    expect_reason(&client, MQTT_DISCONNECT, MQTT_QUOTA_EXCEEDED,
                  "a Control Packet has at most 16384 bytes of properties, an UNSUBSCRIBE 2 Topic Filters");
    assert_int_equal(limited(host, BROKER_LIMIT_FILTERS), 3);
    client_vanish(&client);
    client_vanish(&old);
    host_free(host);
}

static void subscriptions_of_all_are_bounded(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.subscriptions_total = 2;
    host_restart_with_config(host);
    struct client a, b;
    client_connect(&a, host, &(struct client_options){.version = MQTT_5, .client_id = "a"});
    client_connect(&b, host, &(struct client_options){.version = MQTT_5, .client_id = "b"});
    assert_int_equal(client_subscribe(&a, "t", 0), MQTT_SUCCESS);
    assert_int_equal(client_subscribe(&b, "t", 0), MQTT_SUCCESS);
    assert_int_equal(client_subscribe(&b, "u", 0), MQTT_QUOTA_EXCEEDED);
    assert_int_equal(client_subscribe(&b, "t", 1), MQTT_GRANTED_QOS_1); /* a change is none more */
    assert_int_equal(limited(host, BROKER_LIMIT_SUBSCRIPTIONS_TOTAL), 1);
    client_vanish(&a);
    assert_int_equal(client_subscribe(&b, "u", 0), MQTT_SUCCESS);
    client_vanish(&b);
    host_free(host);
}

static void topics_have_a_length(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.topic_bytes = 8;
    host_restart_with_config(host);
    struct client client;
    struct client_options options = {.version = MQTT_5, .client_id = "a"};
    client_connect(&client, host, &options);
    assert_int_equal(client_subscribe(&client, "$share/group/12345678", 0), MQTT_SUCCESS);
    assert_int_equal(client_subscribe(&client, "$share/group/123456789", 0), MQTT_TOPIC_FILTER_INVALID);
    assert_int_equal(client_subscribe(&client, "123456789", 0), MQTT_TOPIC_FILTER_INVALID);
    uint16_t packet_id = client_publish(&client, "1234567", "", 1, false);
    client_expect_ack(&client, MQTT_PUBACK, packet_id, MQTT_SUCCESS);
    packet_id = client_publish(&client, "123456789", "", 1, false);
    client_expect_ack(&client, MQTT_PUBACK, packet_id, MQTT_TOPIC_NAME_INVALID);
    client_vanish(&client);
    options.will = &(struct mqtt_will){.topic = SPAN_LITERAL("123456789")};
    client_begin(&client, host, &options);
    assert_int_equal(client_expect(&client, MQTT_CONNACK).reason, MQTT_TOPIC_NAME_INVALID);
    client_vanish(&client);
    assert_int_equal(limited(host, BROKER_LIMIT_TOPIC_BYTES), 4);
    assert_int_equal(limited(host, BROKER_LIMIT_TOPIC_LEVELS), 0);
    host_free(host);
}

/* A property block of `count` User Properties of 10 bytes each. */
static struct span user_properties(uint8_t *bytes, size_t size, size_t count)
{
    struct writer block = writer_of(bytes, size);
    for (size_t i = 0; i < count; i++)
        mqtt_write_user_property(&block, SPAN_LITERAL("ab"), SPAN_LITERAL("cde"));
    return writer_span(&block);
}

static void properties_of_a_packet_are_bounded(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct host *host = host_new();
    host->config.property_bytes = 100;
    host_restart_with_config(host);
    struct client client;
    struct client_options options = {.version = MQTT_5, .client_id = "a"};
    struct mqtt_packet publish = {.type = MQTT_PUBLISH,
                                  .version = MQTT_5,
                                  .packet_id = 7,
                                  .properties.bytes = user_properties(bytes, sizeof bytes, 10),
                                  .publish = {.topic = SPAN_LITERAL("t"), .qos = 1}};
    client_connect(&client, host, &options);
    client_send(&client, &publish);
    client_expect_ack(&client, MQTT_PUBACK, 7, MQTT_SUCCESS);
    publish.properties.bytes = user_properties(bytes, sizeof bytes, 11);
    client_send(&client, &publish);
    expect_reason(&client, MQTT_PUBACK, MQTT_QUOTA_EXCEEDED,
                  "a message has at most 100 bytes of properties, and the disk takes none while it is full");
    publish.publish.qos = 0;
    client_send(&client, &publish);
    client_expect_nothing(&client);
    assert_int_equal(host_dropped(host, BROKER_DROP_REFUSED), 2);
    client_send(&client, &(struct mqtt_packet){.type = MQTT_DISCONNECT,
                                               .version = MQTT_5,
                                               .properties.bytes = publish.properties.bytes});
    expect_reason(&client, MQTT_DISCONNECT, MQTT_QUOTA_EXCEEDED,
                  "a Control Packet has at most 100 bytes of properties, an UNSUBSCRIBE 256 Topic Filters");
    client_vanish(&client);

    options.will = &(struct mqtt_will){.topic = SPAN_LITERAL("t"), .properties = publish.properties};
    client_begin(&client, host, &options);
    assert_int_equal(client_expect(&client, MQTT_CONNACK).reason, MQTT_QUOTA_EXCEEDED);
    client_vanish(&client);
    assert_int_equal(limited(host, BROKER_LIMIT_PROPERTY_BYTES), 4);
    host_free(host);
}

/* Ten messages a second: the eleventh waits, and comes; other packets and other clients do not wait. */
static void a_client_that_publishes_too_fast_is_read_no_faster(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.publish_rate.messages_a_second = 10;
    host_restart_with_config(host);
    struct client fast, other;
    client_connect(&fast, host, &(struct client_options){.client_id = "fast", .keep_alive_s = 10});
    client_connect(&other, host, &(struct client_options){.client_id = "other"});
    for (int i = 0; i < 12; i++)
        client_publish(&fast, "t", "", 1, false);
    for (int i = 0; i < 10; i++)
        client_expect(&fast, MQTT_PUBACK);
    client_expect_nothing(&fast);
    assert_true(fast.paused);
    assert_int_equal(limited(host, BROKER_LIMIT_PUBLISH_RATE), 1);
    client_publish(&other, "t", "", 1, false);
    client_expect(&other, MQTT_PUBACK);

    host_advance(host, 50);
    assert_true(fast.paused);
    host_advance(host, 60);
    assert_false(fast.paused);
    client_give(&fast, SPAN_EMPTY);
    client_expect(&fast, MQTT_PUBACK);
    client_expect_nothing(&fast);
    assert_true(fast.paused);

    host_advance(host, 110);
    assert_false(fast.paused);
    client_give(&fast, SPAN_EMPTY);
    client_expect(&fast, MQTT_PUBACK);
    assert_int_equal(broker_counters(host->broker)->publishes_received[1], 13);
    host_advance(host, 16000);
    assert_true(fast.asked_to_close); /* its Keep Alive counts on */
    client_vanish(&fast);
    client_vanish(&other);
    host_free(host);
}

/* A message of many bytes passes, and its debt is paid before the next. */
static void bytes_of_messages_have_a_rate_too(void **state)
{
    (void)state;
    struct rate rate = {.messages_a_second = 1, .bytes_a_second = 1000};
    struct rate_credit credit = rate_full(&rate, 0);
    assert_true(rate_allows(&rate, &credit, 0));
    rate_take(&credit, 5000);
    assert_false(rate_allows(&rate, &credit, 0));
    uint64_t then_ms = rate_continues_ms(&rate, &credit);
    assert_int_equal(then_ms, 4001);
    for (uint64_t now_ms = 1; now_ms < then_ms; now_ms++) /* asking often gives no more */
        assert_false(rate_allows(&rate, &credit, now_ms));
    assert_true(rate_allows(&rate, &credit, then_ms));
    rate_take(&credit, 1);
    assert_false(rate_allows(&rate, &credit, then_ms));
    assert_true(rate_allows(&rate, &credit, then_ms + 1000));
    assert_true(rate_allows(&rate, &credit, UINT64_MAX)); /* however long it was silent */
}

static void the_rate_holds_over_a_minute(void **state)
{
    (void)state;
    struct rate rate = {.messages_a_second = 300, .bytes_a_second = 1000000};
    struct rate_credit credit = rate_full(&rate, 0);
    size_t passed = 0;
    for (uint64_t now_ms = 0; now_ms < 60000; now_ms++) {
        for (; rate_allows(&rate, &credit, now_ms); passed++)
            rate_take(&credit, 100);
    }
    assert_in_range(passed, 60 * 300 - 300, 61 * 300);
}

static void queues_of_all_sessions_are_bounded(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.queue_bytes_total = 5000;
    host_restart_with_config(host);
    struct client publisher, away[2];
    const char *const names[] = {"a", "b"};
    for (size_t i = 0; i < 2; i++) {
        client_connect(&away[i], host,
                       &(struct client_options){.version = MQTT_5, .client_id = names[i], .expiry_s = 100});
        client_subscribe(&away[i], names[i], 1);
        client_vanish(&away[i]);
    }
    char payload[1000];
    memset(payload, 'x', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    client_connect(&publisher, host, &(struct client_options){.client_id = "p"});
    for (size_t i = 0; i < 10; i++)
        client_publish(&publisher, names[i % 2], payload, 1, false);
    assert_int_equal(broker_counters(host->broker)->queued, 4);
    assert_in_range(broker_counters(host->broker)->queued_bytes, 4000, 5000);
    assert_int_equal(host_dropped(host, BROKER_DROP_QUEUES_FULL), 6);
    client_vanish(&publisher);
    host_advance(host, 101000);
    assert_int_equal(broker_counters(host->broker)->queued_bytes, 0);
    assert_int_equal(broker_counters(host->broker)->sessions_expired, 2);
    host_free(host);
}

/* Beyond the bound of all, nobody gets more than 16 KB; who reads gets all again. */
static void what_is_unsent_of_all_is_bounded(void **state)
{
    (void)state;
    enum { SUBSCRIBERS = 4, MESSAGES = 100 };
    char payload[1001];
    memset(payload, 'x', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    struct host *host = host_new();
    host->config.output_bytes_total = 20000;
    host_restart_with_config(host);
    struct client publisher, subscribers[SUBSCRIBERS];
    char name[] = "a";
    client_connect(&publisher, host, &(struct client_options){.client_id = "p"});
    uint64_t connack_bytes = broker_counters(host->broker)->output_bytes;
    for (size_t i = 0; i < SUBSCRIBERS; i++, name[0]++) {
        client_connect(&subscribers[i], host, &(struct client_options){.client_id = name});
        client_subscribe(&subscribers[i], "t", 0);
    }
    for (size_t i = 0; i < MESSAGES; i++)
        client_publish(&publisher, "t", payload, 0, false);
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        assert_in_range(buffer_len(&subscribers[i].out), 16 * 1024, 18 * 1024);
    assert_int_equal(limited(host, BROKER_LIMIT_OUTPUT_BYTES_TOTAL), 1);
    assert_true(host_dropped(host, BROKER_DROP_TOO_SLOW) >= SUBSCRIBERS * (MESSAGES - 18));
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        buffer_consume(&subscribers[i].out, buffer_len(&subscribers[i].out));
        subscribers[i].shown_bytes = 0;
        channel_drained(subscribers[i].channel);
    }
    assert_int_equal(broker_counters(host->broker)->output_bytes, connack_bytes);
    client_publish(&publisher, "t", "y", 0, false);
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        client_expect_publish(&subscribers[i], "t", "y", 0);
        client_vanish(&subscribers[i]);
    }
    client_vanish(&publisher);
    assert_int_equal(broker_counters(host->broker)->output_bytes, 0);
    host_free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_says_what_is_allowed),
        cmocka_unit_test(who_wants_no_problem_information_gets_it_only_at_the_ends),
        cmocka_unit_test(a_reason_string_that_does_not_fit_is_left_out),
        cmocka_unit_test(filters_of_a_packet_are_bounded),
        cmocka_unit_test(subscriptions_of_all_are_bounded),
        cmocka_unit_test(topics_have_a_length),
        cmocka_unit_test(properties_of_a_packet_are_bounded),
        cmocka_unit_test(a_client_that_publishes_too_fast_is_read_no_faster),
        cmocka_unit_test(bytes_of_messages_have_a_rate_too),
        cmocka_unit_test(the_rate_holds_over_a_minute),
        cmocka_unit_test(queues_of_all_sessions_are_bounded),
        cmocka_unit_test(what_is_unsent_of_all_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
