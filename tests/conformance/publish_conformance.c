/* Section 3.3: PUBLISH. A statement's id is that of MQTT 5; `3.1.1:` leads those of the older standard. */
#include "exchange.h"

static const struct client_options second_v5 = {.version = V5, .client_id = "second"};
static const struct client_options second_v3 = {.client_id = "second"};

/* ---- What closes the connection ---- */

static const struct bad_packet bad_packets[] = {
    /* clang-format off */
    {"QoS 3", SPAN_LITERAL("\x36\x05\x00\x01t\x00\x01"), SPAN_LITERAL("\x36\x06\x00\x01t\x00\x01\x00"), MQTT_MALFORMED_PACKET},
    {"DUP at QoS 0", SPAN_LITERAL("\x38\x03\x00\x01t"), SPAN_LITERAL("\x38\x04\x00\x01t\x00"), MQTT_MALFORMED_PACKET},
    {"Packet Identifier 0", SPAN_LITERAL("\x32\x05\x00\x01t\x00\x00"), SPAN_LITERAL("\x32\x06\x00\x01t\x00\x00\x00"), MQTT_PROTOCOL_ERROR},
    {"no Topic Name", SPAN_LITERAL("\x30\x00"), SPAN_LITERAL("\x30\x00"), MQTT_MALFORMED_PACKET},
    {"+ in the Topic Name", SPAN_LITERAL("\x30\x05\x00\x03" "a/+"), SPAN_LITERAL("\x30\x06\x00\x03" "a/+\x00"), MQTT_TOPIC_NAME_INVALID},
    {"# in the Topic Name", SPAN_LITERAL("\x30\x03\x00\x01#"), SPAN_LITERAL("\x30\x04\x00\x01#\x00"), MQTT_TOPIC_NAME_INVALID},
    {"Topic Name that is no UTF-8", SPAN_LITERAL("\x30\x03\x00\x01\xff"), SPAN_LITERAL("\x30\x04\x00\x01\xff\x00"), MQTT_MALFORMED_PACKET},
    {"Topic Name with U+0000", SPAN_LITERAL("\x30\x04\x00\x02t\x00"), SPAN_LITERAL("\x30\x05\x00\x02t\x00\x00"), MQTT_MALFORMED_PACKET},
    {"empty Topic Name", SPAN_LITERAL("\x30\x02\x00\x00"), SPAN_EMPTY, MQTT_TOPIC_NAME_INVALID},
    {"empty Topic Name without an alias", SPAN_EMPTY, SPAN_LITERAL("\x30\x03\x00\x00\x00"), MQTT_PROTOCOL_ERROR},
    {"Topic Alias 0", SPAN_EMPTY, SPAN_LITERAL("\x30\x07\x00\x01t\x03\x23\x00\x00"), MQTT_TOPIC_ALIAS_INVALID},
    {"Subscription Identifier", SPAN_EMPTY, SPAN_LITERAL("\x30\x06\x00\x01t\x02\x0b\x01"), MQTT_PROTOCOL_ERROR},
    {"+ in the Response Topic", SPAN_EMPTY, SPAN_LITERAL("\x30\x08\x00\x01t\x04\x08\x00\x01+"), MQTT_TOPIC_NAME_INVALID},
    {"Response Topic that is no UTF-8", SPAN_EMPTY, SPAN_LITERAL("\x30\x08\x00\x01t\x04\x08\x00\x01\xff"), MQTT_MALFORMED_PACKET},
    {"Content Type that is no UTF-8", SPAN_EMPTY, SPAN_LITERAL("\x30\x08\x00\x01t\x04\x03\x00\x01\xff"), MQTT_MALFORMED_PACKET},
    {"User Property that is no UTF-8", SPAN_EMPTY, SPAN_LITERAL("\x30\x0b\x00\x01t\x07&\x00\x01k\x00\x01\xff"), MQTT_MALFORMED_PACKET},
    {"no Property Length", SPAN_EMPTY, SPAN_LITERAL("\x30\x03\x00\x01t"), MQTT_MALFORMED_PACKET},
    /* clang-format on */
};

/* [MQTT-4.13.1-1] with what section 3.3 asks for; 3.1.1: [MQTT-4.8.0-1] */
static void a_publish_that_does_not_conform_closes(void **state)
{
    (void)state;
    expect_each_closes(bad_packets, COUNT(bad_packets));
}

/* ---- Flags ---- */

/* [MQTT-3.3.1-2] [MQTT-3.3.1-3] [MQTT-4.3.1-1]: what is sent for the first time says so. */
static void dup_is_not_passed_on(void **state)
{
    (void)state;
    struct client from, to;
    struct host *host = begin_exchange(&from, V3);
    client_connect(&to, host, &second_v3);
    exchange(&to, SPAN_LITERAL("\x82\x06\x00\x01\x00\x01t\x02"), SPAN_LITERAL("\x90\x03\x00\x01\x02"));
    exchange(&from, SPAN_LITERAL("\x3a\x06\x00\x01t\x00\x05x"), SPAN_LITERAL("\x40\x02\x00\x05"));
    expect_bytes(&to, SPAN_LITERAL("\x32\x06\x00\x01t\x00\x01x"));
    exchange(&from, SPAN_LITERAL("\x3c\x06\x00\x01t\x00\x06y"), SPAN_LITERAL("\x50\x02\x00\x06"));
    expect_bytes(&to, SPAN_LITERAL("\x34\x06\x00\x01t\x00\x02y"));
    exchange(&from, SPAN_LITERAL("\x30\x04\x00\x01tz"), SPAN_EMPTY);
    expect_bytes(&to, SPAN_LITERAL("\x30\x04\x00\x01tz"));
    client_vanish(&to);
    end_exchange(host, &from);
}

/* [MQTT-3.3.1-5] to [MQTT-3.3.1-8], 3.1.1: [MQTT-3.3.1-5] [MQTT-3.3.1-7] [MQTT-3.3.1-10] to [MQTT-3.3.1-12]
 */
static void only_retain_touches_the_retained_message(void **state)
{
    (void)state;
    static const struct {
        const char *title, *payload;
        uint8_t qos;
        bool retain;
        const char *then; /* what a new subscriber gets; NULL: nothing */
        uint8_t then_qos;
    } table[] = {
        {"not retained", "1", 1, false, NULL, 0},      {"retained at QoS 2", "2", 2, true, "2", 2},
        {"not retained again", "3", 1, false, "2", 2}, {"empty, not retained", "", 1, false, "2", 2},
        {"replaced at QoS 0", "4", 0, true, "4", 0},   {"replaced at QoS 1", "5", 1, true, "5", 1},
        {"empty and retained", "", 1, true, NULL, 0},  {"and once more", "", 0, true, NULL, 0},
    };
    for (size_t version = 0; version < 2; version++) {
        struct client from, to, late;
        struct host *host = begin_exchange(&from, both_versions[version]);
        client_connect(&to, host, &(struct client_options){.client_id = "always there"});
        client_subscribe(&to, "t", 0);
        for (size_t i = 0; i < COUNT(table); i++) {
            client_publish(&from, "t", table[i].payload, table[i].qos, table[i].retain);
            client_expect_publish(&to, "t", table[i].payload, 0); /* also the empty one */
            client_connect(&late, host, &second_v3);
            client_subscribe(&late, "t", 2);
            if (table[i].then)
                client_expect_publish(&late, "t", table[i].then, table[i].then_qos);
            struct mqtt_packet packet;
            if (client_next(&late, &packet))
                fail_msg("%s", table[i].title);
            client_vanish(&late);
        }
        assert_int_equal(broker_counters(host->broker)->retained, 0);
        client_vanish(&to);
        end_exchange(host, &from);
    }
}

/* [MQTT-3.3.1-8], 3.1.1: [MQTT-3.3.1-12]: nor does it after a restart. */
static void what_was_not_retained_is_not_restored(void **state)
{
    (void)state;
    struct client client;
    struct host *host = begin_exchange(&client, V3);
    client_publish(&client, "kept", "x", 1, true);
    client_publish(&client, "kept", "y", 1, false);
    client_publish(&client, "passed", "z", 1, false);
    client_vanish(&client);
    host_crash(host);
    client_connect(&client, host, &second_v3);
    client_subscribe(&client, "#", 0);
    client_expect_publish(&client, "kept", "x", 0);
    client_expect_nothing(&client);
    end_exchange(host, &client);
}

/* [MQTT-3.3.1-12], 3.1.1: [MQTT-3.3.1-6] [MQTT-3.3.1-8] [MQTT-3.3.1-9] */
static void retain_tells_the_new_subscriber_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct client from, to;
        struct host *host = begin_exchange(&from, V3);
        client_connect(&to, host,
                       &(struct client_options){.version = both_versions[i], .client_id = "second"});
        client_publish(&from, "t/1", "kept", 0, true);
        client_subscribe(&to, "t/+", 0);
        assert_true(client_expect_publish(&to, "t/1", "kept", 0).publish.retain);
        client_publish(&from, "t/1", "new", 0, true);
        assert_false(client_expect_publish(&to, "t/1", "new", 0).publish.retain);
        client_expect_nothing(&to);
        client_vanish(&to);
        end_exchange(host, &from);
    }
}

/* [MQTT-3.3.1-5], 3.1.1: [MQTT-3.3.1-7]: there may be no room for the new one, but the old one is over. */
static void a_retained_message_without_room_still_ends_the_old_one(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.retained_bytes = 1000;
    host_restart_with_config(host);
    struct client client;
    client_connect(&client, host, &(struct client_options){.client_id = "a"});
    char payload[2001];
    memset(payload, 'x', 2000);
    payload[2000] = '\0';
    client_publish(&client, "t", "old", 0, true);
    client_publish(&client, "t", payload, 0, true);
    client_subscribe(&client, "t", 0);
    client_expect_nothing(&client);
    assert_int_equal(broker_counters(host->broker)->retained, 0);
    end_exchange(host, &client);
}

/* ---- Properties ---- */

static struct span all_forwarded(uint8_t *bytes, size_t size)
{
    struct writer block = writer_of(bytes, size);
    mqtt_write_user_property(&block, SPAN_LITERAL("z"), SPAN_LITERAL("1"));
    mqtt_write_bytes_property(&block, MQTT_CORRELATION_DATA, SPAN_LITERAL("\x00\xff\x80"));
    mqtt_write_user_property(&block, SPAN_LITERAL("a"),
                             SPAN_LITERAL("\xef\xbb\xbf"
                                          "2"));
    mqtt_write_number_property(&block, MQTT_PAYLOAD_FORMAT_INDICATOR, 1);
    mqtt_write_bytes_property(&block, MQTT_RESPONSE_TOPIC, SPAN_LITERAL("answers/here"));
    mqtt_write_user_property(&block, SPAN_LITERAL("z"), SPAN_LITERAL("1"));
    mqtt_write_bytes_property(&block, MQTT_CONTENT_TYPE, SPAN_LITERAL("text/plain"));
    mqtt_write_user_property(&block, SPAN_EMPTY, SPAN_EMPTY);
    return writer_span(&block);
}

/* [MQTT-3.3.2-4] [MQTT-3.3.2-15] to [MQTT-3.3.2-18] [MQTT-3.3.2-20] [MQTT-1.5.4-3]: at once, from the queue
 * of an absent session, and retained. */
static void every_property_reaches_every_subscriber_unaltered(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct span properties = all_forwarded(bytes, sizeof bytes);
    struct client from, there, absent, late;
    struct host *host = begin_exchange(&from, V5);
    struct client_options durable = {
        .version = V5, .client_id = "absent", .expiry_s = 60, .keep_session = true};
    client_connect(&there, host, &second_v5);
    client_subscribe(&there, "t", 0);
    client_connect(&absent, host, &durable);
    client_subscribe(&absent, "t", 1);
    client_vanish(&absent);
    client_send(
        &from,
        &(struct mqtt_packet){
            .type = MQTT_PUBLISH,
            .version = V5,
            .packet_id = 1,
            .properties.bytes = properties,
            .publish = {.topic = SPAN_LITERAL("t"), .payload = SPAN_LITERAL("x"), .qos = 1, .retain = true}});
    client_connect(&absent, host, &durable);
    client_connect(&late, host, &(struct client_options){.version = V5, .client_id = "late"});
    client_subscribe(&late, "t", 1);
    assert_true(span_equal(client_expect_publish(&there, "t", "x", 0).properties.bytes, properties));
    assert_true(span_equal(client_expect_publish(&absent, "t", "x", 1).properties.bytes, properties));
    assert_true(span_equal(client_expect_publish(&late, "t", "x", 1).properties.bytes, properties));
    client_vanish(&there);
    client_vanish(&absent);
    client_vanish(&late);
    end_exchange(host, &from);
}

/* Section 3.3.2.3.2: a payload that says it is UTF-8 text, and what becomes of it. */
static const struct {
    const char *title;
    uint32_t indicator;
    struct span payload;
    enum mqtt_reason reason;
} format_rows[] = {
    {"text", 1, SPAN_LITERAL("caf\xc3\xa9"), MQTT_SUCCESS},
    {"nothing", 1, SPAN_EMPTY, MQTT_SUCCESS},
    {"U+0000 is text", 1, SPAN_LITERAL("\0a\0\0b\0"), MQTT_SUCCESS},
    {"bytes that say so", 0, SPAN_LITERAL("\xff"), MQTT_SUCCESS},
    {"bytes that say they are text", 1, SPAN_LITERAL("text\xff"), MQTT_PAYLOAD_FORMAT_INVALID},
    {"a sequence cut by U+0000", 1, SPAN_LITERAL("\xc3\0\xa9"), MQTT_PAYLOAD_FORMAT_INVALID},
    {"a surrogate", 1, SPAN_LITERAL("\0\xed\xa0\x80"), MQTT_PAYLOAD_FORMAT_INVALID},
};

static void a_payload_is_held_to_its_payload_format_indicator(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3 * COUNT(format_rows); i++) {
        struct client from, to;
        struct host *host = begin_exchange(&from, V5);
        uint8_t bytes[4], qos = (uint8_t)(i % 3);
        struct writer block = writer_of(bytes, sizeof bytes);
        mqtt_write_number_property(&block, MQTT_PAYLOAD_FORMAT_INDICATOR, format_rows[i / 3].indicator);
        client_connect(&to, host, &second_v5);
        client_subscribe(&to, "t", 0);
        client_send(&from, &(struct mqtt_packet){.type = MQTT_PUBLISH,
                                                 .version = V5,
                                                 .packet_id = qos ? 7 : 0,
                                                 .properties.bytes = writer_span(&block),
                                                 .publish = {.topic = SPAN_LITERAL("t"),
                                                             .payload = format_rows[i / 3].payload,
                                                             .qos = qos}});
        if (qos > 0)
            client_expect_ack(&from, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, 7, format_rows[i / 3].reason);
        struct mqtt_packet packet;
        if (client_next(&to, &packet) != (format_rows[i / 3].reason == MQTT_SUCCESS) || from.asked_to_close)
            fail_msg("%s", format_rows[i / 3].title);
        client_vanish(&to);
        end_exchange(host, &from);
    }
}

/* The same of a will, at CONNECT. */
static void a_will_is_held_to_its_payload_format_indicator(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(format_rows); i++) {
        uint8_t bytes[4];
        struct writer block = writer_of(bytes, sizeof bytes);
        mqtt_write_number_property(&block, MQTT_PAYLOAD_FORMAT_INDICATOR, format_rows[i].indicator);
        struct mqtt_will will = {.topic = SPAN_LITERAL("w"),
                                 .payload = format_rows[i].payload,
                                 .properties.bytes = writer_span(&block)};
        struct host *host = host_new();
        struct client client;
        client_begin(&client, host, &(struct client_options){.version = V5, .client_id = "a", .will = &will});
        assert_int_equal(client_expect(&client, MQTT_CONNACK).reason, format_rows[i].reason);
        end_exchange(host, &client);
    }
}

static void publish_expiring(struct client *client, uint32_t expiry_s)
{
    uint8_t bytes[8];
    struct writer block = writer_of(bytes, sizeof bytes);
    mqtt_write_number_property(&block, MQTT_MESSAGE_EXPIRY_INTERVAL, expiry_s);
    client_send(client,
                &(struct mqtt_packet){
                    .type = MQTT_PUBLISH,
                    .version = V5,
                    .properties.bytes = writer_span(&block),
                    .publish = {.topic = SPAN_LITERAL("t"), .payload = SPAN_LITERAL("x"), .retain = true}});
}

static void expect_expiring(struct client *client, uint32_t expiry_s)
{
    struct mqtt_packet packet = client_expect_publish(client, "t", "x", 0);
    assert_true(mqtt_property_number(packet.properties, MQTT_MESSAGE_EXPIRY_INTERVAL, 0) == expiry_s);
}

/* [MQTT-3.3.2-5] [MQTT-3.3.2-6], also of what is retained; the longest interval is one, too. */
static void the_expiry_that_is_left_is_told(void **state)
{
    (void)state;
    static const uint32_t intervals_s[] = {1, 10, 3600, UINT32_MAX - 1, UINT32_MAX};
    for (size_t i = 0; i < COUNT(intervals_s); i++) {
        struct client from, to;
        struct host *host = begin_exchange(&from, V5);
        client_connect(&to, host, &second_v5);
        client_subscribe(&to, "t", 0);
        publish_expiring(&from, intervals_s[i]);
        expect_expiring(&to, intervals_s[i]);
        client_vanish(&to);
        host_advance(host, 5000);
        client_connect(&to, host, &second_v5);
        client_subscribe(&to, "t", 0);
        if (intervals_s[i] > 5)
            expect_expiring(&to, intervals_s[i] - 5);
        client_expect_nothing(&to);
        client_vanish(&to);
        end_exchange(host, &from);
    }
}

/* [MQTT-3.3.2-12], by the maximum that CONNACK told; [MQTT-3.2.2-17]: and none above it. */
static void every_alias_up_to_the_maximum_is_taken(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    client_begin(&client, host, &(struct client_options){.version = V5, .client_id = "a"});
    uint32_t maximum =
        mqtt_property_number(client_expect(&client, MQTT_CONNACK).properties, MQTT_TOPIC_ALIAS_MAXIMUM, 0);
    assert_true(maximum > 0);
    client_subscribe(&client, "#", 0);
    for (uint32_t i = 1; i <= 2 * maximum + 1; i++) {
        uint8_t bytes[4];
        struct writer block = writer_of(bytes, sizeof bytes);
        mqtt_write_number_property(&block, MQTT_TOPIC_ALIAS, i <= maximum ? i : i - maximum);
        const char topic[] = {(char)('A' + (i - 1) % maximum % 26), '\0'};
        publish_with(&client, i <= maximum ? topic : "", writer_span(&block));
        if (i <= 2 * maximum)
            client_expect_publish(&client, topic, "", 0);
    }
    client_expect_closed(&client, MQTT_TOPIC_ALIAS_INVALID);
    end_exchange(host, &client);
}

/* ---- Actions ---- */

/* [MQTT-3.3.4-5]: a Shared Subscription's copy is one of its own, and carries its identifier alone. */
static void each_copy_carries_the_identifier_of_its_subscription(void **state)
{
    (void)state;
    struct client client;
    struct host *host = begin_exchange(&client, V5);
    client_subscribe_with(&client, &(struct mqtt_filter){.filter = SPAN_LITERAL("t")}, 1);
    client_subscribe_with(&client, &(struct mqtt_filter){.filter = SPAN_LITERAL("$share/g/t")}, 2);
    client_subscribe_with(&client, &(struct mqtt_filter){.filter = SPAN_LITERAL("$share/h/t")}, 0);
    client_publish(&client, "t", "", 0, false);
    uint32_t seen = 0;
    for (int i = 0; i < 3; i++) {
        struct span properties = client_expect_publish(&client, "t", "", 0).properties.bytes;
        assert_true(properties.len <= 2);
        seen |=
            1u << mqtt_property_number((struct mqtt_properties){properties}, MQTT_SUBSCRIPTION_IDENTIFIER, 0);
    }
    assert_int_equal(seen, 7);
    client_expect_nothing(&client);
    end_exchange(host, &client);
}

/* [MQTT-3.3.4-10] [MQTT-4.9.0-3]: with Receive Maximum 1, and that one not acknowledged. */
static void a_used_up_quota_delays_nothing_but_publishes(void **state)
{
    (void)state;
    struct client from, to;
    struct host *host = begin_exchange(&from, V5);
    client_connect(&to, host,
                   &(struct client_options){.version = V5, .client_id = "to", .receive_maximum = 1});
    client_subscribe(&to, "t", 2);
    client_publish(&from, "t", "first", 2, false);
    client_publish(&from, "t", "second", 1, false);
    uint16_t first = client_expect_publish(&to, "t", "first", 2).packet_id;
    client_expect_nothing(&to);
    exchange(&to, SPAN_LITERAL("\xc0\x00"), SPAN_LITERAL("\xd0\x00"));
    assert_int_equal(client_subscribe(&to, "zero", 1), 1);
    assert_int_equal(client_unsubscribe(&to, "other"), MQTT_NO_SUBSCRIPTION_EXISTED);
    exchange(&to, SPAN_LITERAL("\x32\x06\x00\x01u\x00\x07\x00"), SPAN_LITERAL("\x40\x02\x00\x07"));
    client_publish(&from, "zero", "not held back", 0, false);
    client_expect_publish(&to, "zero", "not held back", 0);
    client_ack(&to, MQTT_PUBREC, first);
    client_expect_ack(&to, MQTT_PUBREL, first, MQTT_SUCCESS);
    client_expect_nothing(&to); /* the quota comes back with PUBCOMP */
    client_ack(&to, MQTT_PUBCOMP, first);
    client_expect_publish(&to, "t", "second", 1);
    client_vanish(&to);
    end_exchange(host, &from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_publish_that_does_not_conform_closes),
        cmocka_unit_test(dup_is_not_passed_on),
        cmocka_unit_test(only_retain_touches_the_retained_message),
        cmocka_unit_test(what_was_not_retained_is_not_restored),
        cmocka_unit_test(retain_tells_the_new_subscriber_only),
        cmocka_unit_test(a_retained_message_without_room_still_ends_the_old_one),
        cmocka_unit_test(every_property_reaches_every_subscriber_unaltered),
        cmocka_unit_test(a_payload_is_held_to_its_payload_format_indicator),
        cmocka_unit_test(a_will_is_held_to_its_payload_format_indicator),
        cmocka_unit_test(the_expiry_that_is_left_is_told),
        cmocka_unit_test(every_alias_up_to_the_maximum_is_taken),
        cmocka_unit_test(each_copy_carries_the_identifier_of_its_subscription),
        cmocka_unit_test(a_used_up_quota_delays_nothing_but_publishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
