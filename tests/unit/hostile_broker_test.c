/* Hostile clients: what must happen, by the numbers of the list of hostile inputs. */
#include "broker_host.h"

#include "base/memory.h"

#include <stdio.h>

/* Opens a connection, gives it these bytes, and expects it to be closed; returns the bytes of the answer. */
static size_t close_on(struct host *host, struct span bytes)
{
    struct client client;
    client_open(&client, host, NULL);
    client_give(&client, bytes);
    assert_true(client.asked_to_close);
    size_t answer_bytes = buffer_len(&client.out);
    client_vanish(&client);
    assert_int_equal(broker_counters(host->broker)->channels, 0);
    return answer_bytes;
}

/* 1, 14 */
static void what_does_not_begin_with_connect_is_closed_in_silence(void **state)
{
    (void)state;
    static const struct span table[] = {
        SPAN_LITERAL("\x30\x03\x00\x01t"),
        SPAN_LITERAL("\xc0\x00"),
        SPAN_LITERAL("\xf0\x00"),
        SPAN_LITERAL("\x00\x00"),
        SPAN_LITERAL("\x20\x02\x00\x00"),
        SPAN_LITERAL("GET / HTTP/1.1\r\n\r\n"),
        SPAN_LITERAL("\x16\x03\x01\x02\x00"),
        SPAN_LITERAL("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"),
        SPAN_LITERAL("\x11\x00"),
        SPAN_LITERAL("\x10\xff\xff\xff\xff\x7f"),
        SPAN_LITERAL("\x10\xff\xff\xff\x7f"),
        SPAN_LITERAL("\x10\x80\x00"),
    };
    struct host *host = host_new();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(close_on(host, table[i]), 0);
    assert_int_equal(broker_counters(host->broker)->sessions, 0);
    host_free(host);
}

/* 15 */
static void other_protocol_levels_get_the_right_refusal(void **state)
{
    (void)state;
    static const struct {
        struct span connect;
        enum mqtt_version answer;
        int reason;
    } table[] = {
        {SPAN_LITERAL("\x10\x0d\x00\x04MQTT\x02\x02\x00\x00\x00\x01"
                      "a"),
         MQTT_3_1_1, MQTT_V3_UNACCEPTABLE_PROTOCOL_VERSION},
        {SPAN_LITERAL("\x10\x0e\x00\x04MQTT\x06\x02\x00\x00\x00\x00\x01"
                      "a"),
         MQTT_5, MQTT_UNSUPPORTED_PROTOCOL_VERSION},
        {SPAN_LITERAL("\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x00\x00\x01"
                      "a"),
         MQTT_3_1_1, MQTT_V3_UNACCEPTABLE_PROTOCOL_VERSION},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct host *host = host_new();
        struct client client;
        client_open(&client, host, NULL);
        client.version = table[i].answer;
        client_give(&client, table[i].connect);
        assert_int_equal(client_expect(&client, MQTT_CONNACK).reason, table[i].reason);
        assert_true(client.asked_to_close);
        client_vanish(&client);
        host_free(host);
    }
}

/* 20, 26 */
static void a_bad_v5_connect_is_told_why(void **state)
{
    (void)state;
    static const struct {
        struct span connect;
        enum mqtt_reason reason;
    } table[] = {
        {SPAN_LITERAL("\x10\x11\x00\x04MQTT\x05\x02\x00\x00\x03\x21\x00\x00\x00\x01"
                      "a"),
         MQTT_PROTOCOL_ERROR},
        {SPAN_LITERAL("\x10\x13\x00\x04MQTT\x05\x02\x00\x00\x05\x27\x00\x00\x00\x00\x00\x01"
                      "a"),
         MQTT_PROTOCOL_ERROR},
        {SPAN_LITERAL("\x10\x14\x00\x04MQTT\x05\x02\x00\x00\x06\x21\x00\x05\x21\x00\x05\x00\x01"
                      "a"),
         MQTT_PROTOCOL_ERROR},
        {SPAN_LITERAL("\x10\x0f\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01"
                      "ab"),
         MQTT_MALFORMED_PACKET},
        {SPAN_LITERAL("\x10\x12\x00\x04MQTT\x05\x02\x00\x00\x04\x15\x00\x01x\x00\x01"
                      "a"),
         MQTT_BAD_AUTHENTICATION_METHOD},
    };
    struct host *host = host_new();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct client client;
        client_open(&client, host, NULL);
        client.version = MQTT_5;
        client_give(&client, table[i].connect);
        assert_int_equal(client_expect(&client, MQTT_CONNACK).reason, table[i].reason);
        assert_true(client.asked_to_close);
        client_vanish(&client);
    }
    host_free(host);
}

/* 16, 17, 18 */
static void bad_client_ids_are_refused(void **state)
{
    (void)state;
    char long_id[300];
    memset(long_id, 'x', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    const struct {
        struct client_options options;
        int reason;
    } table[] = {
        {{.client_id = "", .keep_session = true}, MQTT_V3_IDENTIFIER_REJECTED},
        {{.client_id = "a\nb"}, MQTT_V3_IDENTIFIER_REJECTED},
        {{.version = MQTT_5, .client_id = "a\x7f"}, MQTT_CLIENT_IDENTIFIER_NOT_VALID},
        {{.version = MQTT_5, .client_id = long_id}, MQTT_CLIENT_IDENTIFIER_NOT_VALID},
    };
    struct host *host = host_new();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct client client;
        client_begin(&client, host, &table[i].options);
        assert_int_equal(client_expect(&client, MQTT_CONNACK).reason, table[i].reason);
        assert_true(client.asked_to_close);
        client_vanish(&client);
    }
    assert_int_equal(broker_counters(host->broker)->sessions, 0);
    host_free(host);
}

/* 17 */
static void a_client_id_is_taken_literally_in_rules(void **state)
{
    (void)state;
    static const char *const ids[] = {"+", "#", "a/b", ".*", "$SYS"};
    struct host *host = host_new();
    struct access *access = access_new();
    access_allow(access, "anonymous", ACCESS_SUBSCRIBE, "x/%c/y");
    broker_set_access(host->broker, access);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct client client;
        client_connect(&client, host, &(struct client_options){.version = MQTT_5, .client_id = ids[i]});
        assert_int_equal(client_subscribe(&client, "x/other/y", 0), MQTT_NOT_AUTHORIZED);
        assert_int_equal(client_subscribe(&client, "x/+/y", 0), MQTT_NOT_AUTHORIZED);
        assert_int_equal(client_subscribe(&client, "x/a/b/y", 0), MQTT_NOT_AUTHORIZED);
        client_vanish(&client);
    }
    host_free(host);
}

/* 10, 11 */
static void packets_out_of_place_close_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *title;
        struct span bytes;
        enum mqtt_reason reason;
    } table[] = {
        {"second CONNECT",
         SPAN_LITERAL("\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01"
                      "a"),
         MQTT_PROTOCOL_ERROR},
        {"CONNACK", SPAN_LITERAL("\x20\x03\x00\x00\x00"), MQTT_PROTOCOL_ERROR},
        {"SUBACK", SPAN_LITERAL("\x90\x04\x00\x01\x00\x00"), MQTT_PROTOCOL_ERROR},
        {"UNSUBACK", SPAN_LITERAL("\xb0\x04\x00\x01\x00\x00"), MQTT_PROTOCOL_ERROR},
        {"PINGRESP", SPAN_LITERAL("\xd0\x00"), MQTT_PROTOCOL_ERROR},
        {"AUTH", SPAN_LITERAL("\xf0\x00"), MQTT_PROTOCOL_ERROR},
        {"bad flags", SPAN_LITERAL("\x80\x00"), MQTT_MALFORMED_PACKET},
        {"long Remaining Length", SPAN_LITERAL("\x30\xff\xff\xff\xff\x7f"), MQTT_MALFORMED_PACKET},
        {"too large", SPAN_LITERAL("\x30\xff\xff\xff\x7f"), MQTT_PACKET_TOO_LARGE},
        {"empty topic", SPAN_LITERAL("\x30\x03\x00\x00\x00"), MQTT_PROTOCOL_ERROR},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct host *host = host_new();
        struct client client, other;
        client_connect(&client, host, &(struct client_options){.version = MQTT_5, .client_id = "a"});
        client_connect(&other, host, &(struct client_options){.client_id = "other"});
        client_give(&client, table[i].bytes);
        struct mqtt_packet packet;
        if (!client_next(&client, &packet) || packet.type != MQTT_DISCONNECT ||
            packet.reason != table[i].reason)
            fail_msg("%s", table[i].title);
        assert_true(client.asked_to_close);
        assert_false(other.asked_to_close);
        client_vanish(&client);
        client_vanish(&other);
        host_free(host);
    }
}

/* 12 */
static void one_byte_at_a_time_is_the_same(void **state)
{
    (void)state;
    static const struct span stream = SPAN_LITERAL("\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01"
                                                   "a"
                                                   "\x82\x06\x00\x01\x00\x01t\x01"
                                                   "\x32\x06\x00\x01t\x00\x02x"
                                                   "\xc0\x00\xe0\x00");
    static const struct span answers = SPAN_LITERAL("\x20\x02\x00\x00"
                                                    "\x90\x03\x00\x01\x01"
                                                    "\x32\x06\x00\x01t\x00\x01x"
                                                    "\x40\x02\x00\x02\xd0\x00");
    for (size_t stride = 1; stride <= stream.len; stride++) {
        struct host *host = host_new();
        struct client client;
        client_open(&client, host, NULL);
        for (struct span rest = stream; rest.len > 0;) {
            size_t len = stride < rest.len ? stride : rest.len;
            client_give(&client, span_of(rest.data, len));
            rest = span_skip(rest, len);
        }
        assert_true(client.asked_to_close);
        assert_true(span_equal(buffer_span(&client.out), answers));
        client_vanish(&client);
        host_free(host);
    }
}

/* 13 */
static void connections_leave_nothing_behind(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    for (int i = 0; i < 3000; i++) {
        client_begin(&client, host,
                     &(struct client_options){.client_id = i % 2 ? "a" : "b", .version = MQTT_5});
        client_publish(&client, "t", "x", 2, false);
        client_vanish(&client);
    }
    const struct broker_counters *counters = broker_counters(host->broker);
    assert_int_equal(counters->channels + counters->sessions + counters->unacknowledged, 0);
    assert_true(broker_next_deadline(host->broker) == UINT64_MAX);
    host_free(host);
}

/* 27 */
static void too_many_levels_are_refused_everywhere(void **state)
{
    (void)state;
    char topic[65501];
    memset(topic, '/', sizeof topic - 1);
    topic[sizeof topic - 1] = '\0';
    struct host *host = host_new();
    struct client client;
    client_connect(&client, host, &(struct client_options){.version = MQTT_5, .client_id = "a"});
    uint16_t id = client_publish(&client, topic, "x", 1, false);
    client_expect_ack(&client, MQTT_PUBACK, id, MQTT_TOPIC_NAME_INVALID);
    uint8_t *bytes = memory_new(sizeof topic + 16);
    for (int i = 0; i < 2; i++) {
        enum mqtt_type type = i == 0 ? MQTT_SUBSCRIBE : MQTT_UNSUBSCRIBE;
        struct writer list = writer_of(bytes, sizeof topic + 16);
        mqtt_write_filter(&list, type, &(struct mqtt_filter){.filter = span_from_string(topic)});
        client_send(&client,
                    &(struct mqtt_packet){
                        .type = type, .version = MQTT_5, .packet_id = 9, .filters.list = writer_span(&list)});
        struct mqtt_packet answer = client_expect(&client, i == 0 ? MQTT_SUBACK : MQTT_UNSUBACK);
        assert_int_equal(answer.reasons.data[0],
                         i == 0 ? MQTT_TOPIC_FILTER_INVALID : MQTT_NO_SUBSCRIPTION_EXISTED);
    }
    memory_free(bytes);
    struct mqtt_will will = {.topic = span_of(topic, 15000)};
    struct client willing;
    client_begin(&willing, host,
                 &(struct client_options){.version = MQTT_5, .client_id = "w", .will = &will});
    assert_int_equal(client_expect(&willing, MQTT_CONNACK).reason, MQTT_TOPIC_NAME_INVALID);
    client_vanish(&willing);
    client_vanish(&client);
    host_free(host);
}

/* 32, 37 */
static void odd_subscriptions_are_refused_one_by_one(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        int v5, v3;
    } table[] = {
        {"$share/g/public/#", 1, 1},
        {"$share/g/secret/#", MQTT_NOT_AUTHORIZED, 0x80},
        {"$share/g/#", MQTT_NOT_AUTHORIZED, 0x80},
        {"secret", MQTT_NOT_AUTHORIZED, 0x80},
        {"public/+", 1, 1},
    };
    struct host *host = host_new();
    struct access *access = access_new();
    access_allow(access, "anonymous", ACCESS_SUBSCRIBE, "public/#");
    broker_set_access(host->broker, access);
    struct client v5, v3;
    client_connect(&v5, host, &(struct client_options){.version = MQTT_5, .client_id = "v5"});
    client_connect(&v3, host, &(struct client_options){.client_id = "v3"});
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_int_equal(client_subscribe(&v5, table[i].filter, 1), table[i].v5);
        assert_int_equal(client_subscribe(&v3, table[i].filter, 1), table[i].v3);
    }
    client_vanish(&v5);
    client_vanish(&v3);
    host_free(host);
}

static void malformed_shared_subscriptions_make_no_subscription(void **state)
{
    (void)state;
    static const char *const filters[] = {"$share/", "$share//t", "$share/g", "$share/g/", "$share/g+/t"};
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        struct host *host = host_new();
        struct client client;
        client_connect(&client, host, &(struct client_options){.version = MQTT_5, .client_id = "a"});
        uint8_t bytes[64];
        struct writer list = writer_of(bytes, sizeof bytes);
        mqtt_write_filter(&list, MQTT_SUBSCRIBE,
                          &(struct mqtt_filter){.filter = span_from_string(filters[i])});
        client_send(&client, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE,
                                                   .version = MQTT_5,
                                                   .packet_id = 1,
                                                   .filters.list = writer_span(&list)});
        struct mqtt_packet answer;
        assert_true(client_next(&client, &answer));
        if (answer.type == MQTT_SUBACK)
            assert_int_equal(answer.reasons.data[0], MQTT_TOPIC_FILTER_INVALID);
        else
            assert_true(answer.type == MQTT_DISCONNECT && client.asked_to_close);
        assert_int_equal(broker_counters(host->broker)->subscriptions, 0);
        client_vanish(&client);
        host_free(host);
    }
}

/* 34 */
static void subscriptions_of_a_client_are_bounded(void **state)
{
    (void)state;
    enum { FILTERS = 20000 };
    struct host *host = host_new();
    host->config.filters_count = FILTERS;
    host_restart_with_config(host);
    struct client client;
    client_connect(&client, host, &(struct client_options){.version = MQTT_5, .client_id = "a"});
    uint8_t *bytes = memory_new(FILTERS * 10);
    struct writer list = writer_of(bytes, FILTERS * 10);
    char filter[16];
    for (int i = 0; i < FILTERS; i++) {
        snprintf(filter, sizeof filter, "t%d", i);
        mqtt_write_filter(&list, MQTT_SUBSCRIBE, &(struct mqtt_filter){.filter = span_from_string(filter)});
    }
    client_send(&client, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE,
                                               .version = MQTT_5,
                                               .packet_id = 1,
                                               .filters.list = writer_span(&list)});
    memory_free(bytes);
    struct mqtt_packet answer = client_expect(&client, MQTT_SUBACK);
    assert_int_equal(answer.reasons.len, FILTERS);
    for (size_t i = 0; i < FILTERS; i++)
        assert_int_equal(answer.reasons.data[i],
                         i < host->config.subscriptions_count ? MQTT_SUCCESS : MQTT_QUOTA_EXCEEDED);
    assert_int_equal(client_subscribe(&client, "t5", 1), 1); /* one that is there may be changed */
    client_vanish(&client);
    assert_int_equal(broker_counters(host->broker)->subscriptions, 0);
    host_free(host);
}

/* 36, 38, 39 */
static void withdrawn_rights_end_what_they_allowed(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client_options durable = {
        .version = MQTT_5, .client_id = "d", .expiry_s = 600, .keep_session = true};
    struct client from, to, late;
    client_connect(&from, host, &(struct client_options){.version = MQTT_5, .client_id = "p"});
    client_connect(&to, host, &durable);
    client_subscribe(&to, "a", 2);
    client_subscribe(&to, "b", 2);
    client_vanish(&to);
    client_publish(&from, "a", "queued", 1, false);
    client_publish(&from, "b", "queued", 1, false);
    client_publish(&from, "a", "retained", 0, true);
    client_publish(&from, "b", "retained", 0, true);
    struct access *access = access_new();
    access_allow(access, "anonymous", ACCESS_PUBLISH, "b");
    access_allow(access, "anonymous", ACCESS_SUBSCRIBE, "b");
    access_allow(access, "device:late", ACCESS_SUBSCRIBE, "#");
    broker_set_access(host->broker, access);
    assert_int_equal(broker_counters(host->broker)->subscriptions, 1);
    assert_int_equal(broker_counters(host->broker)->retained, 1);
    client_expect(&from, MQTT_PUBACK);
    client_expect(&from, MQTT_PUBACK);
    uint16_t id = client_publish(&from, "a", "x", 1, false);
    client_expect_ack(&from, MQTT_PUBACK, id, MQTT_NOT_AUTHORIZED);
    assert_true(client_connect(&to, host, &durable));
    client_expect_publish(&to, "b", "queued", 1);
    client_expect_nothing(&to);
    struct identity identity = host_certificate("late");
    client_connect(&late, host, &(struct client_options){.client_id = "late", .identity = &identity});
    client_subscribe(&late, "#", 0);
    client_expect_publish(&late, "b", "retained", 0);
    client_expect_nothing(&late);
    client_vanish(&from);
    client_vanish(&to);
    client_vanish(&late);
    host_free(host);
}

/* 39 */
static void a_queued_message_ends_with_its_publishers_right(void **state)
{
    (void)state;
    struct host *host = host_new();
    const struct client_options durable = {
        .version = MQTT_5, .client_id = "d", .expiry_s = 600, .keep_session = true};
    struct identity mine = host_certificate("mine");
    struct client from, to;
    client_connect(&from, host,
                   &(struct client_options){.version = MQTT_5, .client_id = "mine", .identity = &mine});
    client_connect(&to, host, &durable);
    client_subscribe(&to, "#", 1);
    client_vanish(&to);
    client_publish(&from, "a", "withdrawn", 1, false);
    client_publish(&from, "b", "allowed", 1, false);
    for (int round = 0; round < 2; round++) {
        struct access *access = access_new();
        access_allow(access, "device:mine", ACCESS_PUBLISH, "b");
        access_allow(access, "anonymous", ACCESS_PUBLISH, "#"); /* is somebody else's right */
        access_allow(access, "anonymous", ACCESS_SUBSCRIBE, "#");
        broker_set_access(host->broker, access);
        assert_true(client_connect(&to, host, &durable));
        client_expect_publish(&to, "b", "allowed", 1); /* not acknowledged: it comes again */
        client_expect_nothing(&to);
        client_vanish(&to);
        assert_int_equal(broker_counters(host->broker)->dropped[BROKER_DROP_NOT_ALLOWED], 1);
    }
    client_vanish(&from);
    host_free(host);
}

/* 35: the rest of the input waits, and the others do not. */
static void publishes_that_make_much_work_take_turns(void **state)
{
    (void)state;
    enum { LEVELS = 9, PUBLISHES = 200 };
    struct host *host = host_new();
    struct client reader, writer, other;
    client_connect(&reader, host, &(struct client_options){.client_id = "reader"});
    client_connect(&writer, host, &(struct client_options){.client_id = "writer", .keep_alive_s = 10});
    client_connect(&other, host, &(struct client_options){.client_id = "other"});
    for (unsigned i = 0; i < 1u << LEVELS; i++) {
        char filter[2 * LEVELS + 1] = "";
        for (unsigned level = 0; level < LEVELS; level++)
            strcat(filter, i >> level & 1 ? "/+" : "/a");
        assert_int_equal(client_subscribe(&reader, filter + 1, 0), MQTT_SUCCESS);
    }
    struct buffer burst = {0};
    for (int i = 0; i < PUBLISHES; i++)
        buffer_append(&burst, SPAN_LITERAL("\x30\x13\x00\x11"
                                           "a/a/a/a/a/a/a/a/a"));
    client_give(&writer, buffer_span(&burst));
    uint64_t turns = 1, taken = 0;
    for (; writer.paused; turns++) {
        assert_true(broker_counters(host->broker)->messages > taken);
        taken = broker_counters(host->broker)->messages;
        client_publish(&other, "b", "", 1, false);
        client_expect(&other, MQTT_PUBACK);
        host_advance(host, 1);
        assert_false(writer.paused);
        client_give(&writer, SPAN_EMPTY);
    }
    assert_in_range(turns, 4, PUBLISHES / 4);
    assert_int_equal(broker_counters(host->broker)->messages, PUBLISHES + turns - 1);
    host_advance(host, 16000);
    assert_true(writer.asked_to_close); /* its Keep Alive counts on */
    client_vanish(&reader);
    client_vanish(&writer);
    client_vanish(&other);
    buffer_fini(&burst);
    host_free(host);
}

/* A few bytes that become many, or of which it was found out how many they would become. */
static void publishes_that_are_made_into_much_take_turns(void **state)
{
    (void)state;
    enum { PUBLISHES = 20 };
    static const uint8_t much[256 * 1024];
    static const struct {
        struct span made;
        enum mqtt_reason answer;
        int turns_min, turns_max;
    } rows[] = {
        {{much, sizeof much}, MQTT_SUCCESS, PUBLISHES, PUBLISHES},
        {{much, 16 * 1024}, MQTT_SUCCESS, 2, PUBLISHES / 2},
        {{much, 1}, MQTT_SUCCESS, 1, 1},
        {{0}, MQTT_IMPLEMENTATION_SPECIFIC_ERROR, PUBLISHES, PUBLISHES},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct host *host = host_new();
        host->made = rows[i].made;
        host->transform_answer = rows[i].answer;
        struct client client;
        client_connect(&client, host, &(struct client_options){.client_id = "client"});
        uint8_t burst[PUBLISHES * 5];
        for (size_t at = 0; at < sizeof burst; at += 5)
            memcpy(burst + at, "\x30\x03\x00\x01t", 5);
        client_give(&client, span_of(burst, sizeof burst));
        int turns = 1;
        for (; client.paused; turns++) {
            host_advance(host, 1);
            client_give(&client, SPAN_EMPTY);
        }
        assert_in_range(turns, rows[i].turns_min, rows[i].turns_max);
        assert_int_equal(buffer_len(&client.in), 0);
        client_vanish(&client);
        host_free(host);
    }
}

static void subscribes_that_make_much_work_take_turns(void **state)
{
    (void)state;
    enum { SUBSCRIBES = 100, FILTERS = 50, FILTER_BYTES = 4 };
    struct host *host = host_new();
    struct client client, other;
    client_connect(&client, host, &(struct client_options){.client_id = "client"});
    client_connect(&other, host, &(struct client_options){.client_id = "other"});
    struct buffer burst = {0};
    for (int i = 0; i < SUBSCRIBES; i++) {
        const uint8_t header[] = {0x82, 0x80 | (2 + FILTERS * FILTER_BYTES) % 128,
                                  (2 + FILTERS * FILTER_BYTES) / 128, 0, 1};
        buffer_append(&burst, span_of(header, sizeof header));
        for (uint8_t j = 0; j < FILTERS; j++)
            buffer_append(&burst, span_of((const uint8_t[]){0, 1, 'A' + j % 4, 0}, FILTER_BYTES));
    }
    client_give(&client, buffer_span(&burst));
    int turns = 1;
    for (; client.paused; turns++) {
        client_publish(&other, "b", "", 1, false);
        client_expect(&other, MQTT_PUBACK);
        host_advance(host, 1);
        client_give(&client, SPAN_EMPTY);
    }
    assert_in_range(turns, 2, SUBSCRIBES / 4);
    for (int i = 0; i < SUBSCRIBES; i++)
        client_expect(&client, MQTT_SUBACK);
    client_vanish(&client);
    client_vanish(&other);
    buffer_fini(&burst);
    host_free(host);
}

static void a_3_1_1_publish_without_right_closes(void **state)
{
    (void)state;
    struct host *host = host_new();
    broker_set_access(host->broker, access_new());
    struct client client;
    client_connect(&client, host, &(struct client_options){.client_id = "a"});
    client_publish(&client, "t", "x", 0, false);
    assert_false(client.asked_to_close);
    client_publish(&client, "t", "x", 1, false);
    client_expect_closed(&client, MQTT_NOT_AUTHORIZED);
    assert_int_equal(host_dropped(host, BROKER_DROP_NOT_ALLOWED), 2);
    assert_int_equal(host->stored_count, 0);
    client_vanish(&client);
    host_free(host);
}

static void topics_of_the_server_are_not_for_clients(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    client_connect(&client, host, &(struct client_options){.version = MQTT_5, .client_id = "a"});
    uint16_t id = client_publish(&client, "$SYS/x", "x", 1, false);
    client_expect_ack(&client, MQTT_PUBACK, id, MQTT_TOPIC_NAME_INVALID);
    client_vanish(&client);
    host_free(host);
}

/* 45 */
static void acknowledgements_of_nothing_change_nothing(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    client_connect(&client, host, &(struct client_options){.version = MQTT_5, .client_id = "a"});
    client_ack(&client, MQTT_PUBACK, 7);
    client_ack(&client, MQTT_PUBCOMP, 7);
    client_expect_nothing(&client);
    client_ack(&client, MQTT_PUBREL, 7);
    client_expect_ack(&client, MQTT_PUBCOMP, 7, MQTT_PACKET_IDENTIFIER_NOT_FOUND);
    client_ack(&client, MQTT_PUBREC, 7);
    client_expect_ack(&client, MQTT_PUBREL, 7, MQTT_PACKET_IDENTIFIER_NOT_FOUND);
    client_subscribe(&client, "t", 2);
    static const struct {
        uint8_t qos;
        enum mqtt_type wrong;
    } table[] = {{1, MQTT_PUBREC}, {2, MQTT_PUBACK}, {2, MQTT_PUBCOMP}};
    for (size_t i = 0; i < 3; i++) {
        struct message view = {.qos = table[i].qos, .topic = SPAN_LITERAL("t")};
        assert_int_equal(broker_publish(host->broker, &view), SLUICE_OK);
        client_ack(&client, table[i].wrong, client_expect_publish(&client, "t", "", table[i].qos).packet_id);
        client_expect_closed(&client, MQTT_PROTOCOL_ERROR);
        client_vanish(&client);
        client_connect(&client, host, &(struct client_options){.version = MQTT_5, .client_id = "a"});
        client_subscribe(&client, "t", 2);
    }
    client_vanish(&client);
    host_free(host);
}

/* 46 */
static void over_the_receive_maximum_closes(void **state)
{
    (void)state;
    for (uint8_t qos = 1; qos < 3; qos++) {
        struct host *host = host_new();
        host->config.receive_maximum = 5;
        host_restart_with_config(host);
        struct client client;
        client_connect(&client, host, &(struct client_options){.version = MQTT_5, .client_id = "a"});
        host->manual_commit = true;
        for (int i = 0; i < 5; i++)
            client_publish(&client, "t", "x", qos, false);
        assert_false(client.asked_to_close);
        client_publish(&client, "t", "x", qos, false);
        client_expect_closed(&client, MQTT_RECEIVE_MAXIMUM_EXCEEDED);
        client_vanish(&client);
        host_commit(host);
        host_free(host);
    }
}

/* While the disk does nothing, whatever is answered in turn with a PUBACK that waits for it waits too. */
static void answers_that_wait_for_the_disk_are_bounded(void **state)
{
    (void)state;
    static const enum mqtt_type table[] = {MQTT_PUBREL, MQTT_PUBREC};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct host *host = host_new();
        host->config.unacknowledged_count = 4;
        host_restart_with_config(host);
        struct client client;
        client_connect(&client, host, &(struct client_options){.client_id = "a"});
        host->manual_commit = true;
        client_publish(&client, "t", "x", 1, false);
        for (int j = 0; j < 100; j++)
            client_ack(&client, table[i], 7);
        assert_int_equal(broker_counters(host->broker)->unacknowledged, 4);
        assert_true(client.paused);
        host_commit(host);
        assert_false(client.paused);
        client_give(&client, SPAN_EMPTY);
        assert_int_equal(broker_counters(host->broker)->unacknowledged, 0);
        struct mqtt_packet packet;
        size_t answers = 0;
        while (client_next(&client, &packet))
            answers++;
        assert_int_equal(answers, 101);
        client_vanish(&client);
        host_free(host);
    }
}

static void subscriptions_that_wait_for_the_disk_are_bounded(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.unacknowledged_count = 4;
    host_restart_with_config(host);
    struct client client;
    client_connect(&client, host,
                   &(struct client_options){.version = MQTT_5, .client_id = "a", .expiry_s = 100});
    host->manual_commit = true;
    for (int i = 0; i < 100; i++)
        client_give(&client, SPAN_LITERAL("\x82\x07\x00\x01\x00\x00\x01t\x00"));
    assert_int_equal(broker_counters(host->broker)->unacknowledged, 4);
    assert_true(client.paused);
    for (int i = 0; i < 25; i++) {
        host_commit(host);
        assert_false(client.paused);
        client_give(&client, SPAN_EMPTY);
    }
    for (int i = 0; i < 100; i++)
        client_expect(&client, MQTT_SUBACK);
    client_vanish(&client);
    host_commit(host);
    host_free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_begin_with_connect_is_closed_in_silence),
        cmocka_unit_test(other_protocol_levels_get_the_right_refusal),
        cmocka_unit_test(a_bad_v5_connect_is_told_why),
        cmocka_unit_test(bad_client_ids_are_refused),
        cmocka_unit_test(a_client_id_is_taken_literally_in_rules),
        cmocka_unit_test(packets_out_of_place_close_with_a_reason),
        cmocka_unit_test(one_byte_at_a_time_is_the_same),
        cmocka_unit_test(connections_leave_nothing_behind),
        cmocka_unit_test(too_many_levels_are_refused_everywhere),
        cmocka_unit_test(odd_subscriptions_are_refused_one_by_one),
        cmocka_unit_test(malformed_shared_subscriptions_make_no_subscription),
        cmocka_unit_test(subscriptions_of_a_client_are_bounded),
        cmocka_unit_test(withdrawn_rights_end_what_they_allowed),
        cmocka_unit_test(a_queued_message_ends_with_its_publishers_right),
        cmocka_unit_test(publishes_that_make_much_work_take_turns),
        cmocka_unit_test(publishes_that_are_made_into_much_take_turns),
        cmocka_unit_test(subscribes_that_make_much_work_take_turns),
        cmocka_unit_test(a_3_1_1_publish_without_right_closes),
        cmocka_unit_test(topics_of_the_server_are_not_for_clients),
        cmocka_unit_test(acknowledgements_of_nothing_change_nothing),
        cmocka_unit_test(over_the_receive_maximum_closes),
        cmocka_unit_test(answers_that_wait_for_the_disk_are_bounded),
        cmocka_unit_test(subscriptions_that_wait_for_the_disk_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
