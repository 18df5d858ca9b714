/* What is kept beside queues over a crash: retained messages and wills, before whose end nobody is told that
 * they are kept. */
#include "broker_host.h"

static const struct client_options anybody = {.version = MQTT_5, .client_id = "p"};

/* What a new client finds retained under `r/#`, in the order of the arguments that it was published in. */
static void expect_retained(struct host *host, const char *topic, const char *payload)
{
    struct client reader;
    bool by_hand = host->manual_commit;
    host->manual_commit = false;
    client_connect(&reader, host, &(struct client_options){.version = MQTT_5, .client_id = "reader"});
    client_subscribe(&reader, topic, 0);
    if (payload)
        client_expect_publish(&reader, topic, payload, 0);
    client_expect_nothing(&reader);
    client_vanish(&reader);
    host->manual_commit = by_hand;
}

/* The client's connection ends, and then the process; it is started again so much later. */
static void crash_after(struct host *host, struct client *client, uint64_t down_ms)
{
    client_vanish(client);
    host->wall_ms += down_ms;
    host_crash(host);
}

static void crash(struct host *host, struct client *client)
{
    crash_after(host, client, 0);
}

/* ---- Retained messages ---- */

static void a_retained_message_is_acknowledged_when_it_is_durable(void **state)
{
    (void)state;
    for (uint8_t qos = 1; qos < 3; qos++) {
        struct host *host = host_new();
        struct client client;
        client_connect(&client, host, &anybody);
        host->manual_commit = true;
        uint16_t id = client_publish(&client, "r", "x", qos, true);
        client_expect_nothing(&client);
        host_commit(host);
        client_expect_ack(&client, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, id, MQTT_SUCCESS);
        id = client_publish(&client, "r", "", qos, true);
        client_expect_nothing(&client); /* its removal likewise */
        host_commit(host);
        client_expect_ack(&client, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, id, MQTT_SUCCESS);
        client_vanish(&client);
        host_free(host);
    }
}

static void a_crash_leaves_the_last_acknowledged_retained_message(void **state)
{
    (void)state;
    static const struct {
        const char *title, *durable[2], *lost, *left;
    } rows[] = {
        {"one", {"a"}, NULL, "a"},
        {"replaced", {"a", "b"}, NULL, "b"},
        {"its replacement is lost", {"a"}, "b", "a"},
        {"removed", {"a", ""}, NULL, NULL},
        {"its removal is lost", {"a"}, "", "a"},
        {"all is lost", {NULL}, "a", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].title);
        struct host *host = host_new();
        struct client client;
        client_connect(&client, host, &anybody);
        host->manual_commit = true;
        for (size_t j = 0; j < 2 && rows[i].durable[j]; j++)
            client_publish(&client, "r", rows[i].durable[j], 0, true);
        host_commit(host);
        if (rows[i].lost)
            client_publish(&client, "r", rows[i].lost, 0, true);
        crash(host, &client);
        expect_retained(host, "r", rows[i].left);
        host_free(host);
    }
}

static void a_full_disk_refuses_a_retained_message_whole(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    client_connect(&client, host, &anybody);
    client_publish(&client, "r", "old", 0, true);
    host->store_answer = SLUICE_IO;
    uint16_t id = client_publish(&client, "r", "new", 1, true);
    client_expect_ack(&client, MQTT_PUBACK, id, MQTT_QUOTA_EXCEEDED);
    expect_retained(host, "r", "old");
    client_vanish(&client);
    host_free(host);
}

static void publish_expiring(struct client *client, const char *topic, uint32_t expiry_s, uint8_t qos)
{
    uint8_t bytes[8];
    struct writer block = writer_of(bytes, sizeof bytes);
    mqtt_write_number_property(&block, MQTT_MESSAGE_EXPIRY_INTERVAL, expiry_s);
    client_send(client, &(struct mqtt_packet){.type = MQTT_PUBLISH,
                                              .version = MQTT_5,
                                              .properties.bytes = writer_span(&block),
                                              .packet_id = qos ? ++client->next_packet_id : 0,
                                              .publish = {.topic = span_from_string(topic),
                                                          .payload = SPAN_LITERAL("x"),
                                                          .qos = qos,
                                                          .retain = qos == 0}});
}

/* Message Expiry counts the time that the gateway was down too, and what has expired gives its room back. */
static void a_retained_message_expires_also_over_a_crash(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.retained_count = 2;
    host_restart_with_config(host);
    struct client client;
    client_connect(&client, host, &anybody);
    publish_expiring(&client, "soon", 10, 0);
    publish_expiring(&client, "late", UINT32_MAX, 0);
    crash_after(host, &client, 4000);
    client_connect(&client, host, &anybody);
    client_subscribe(&client, "soon", 0);
    struct mqtt_packet packet = client_expect_publish(&client, "soon", "x", 0);
    assert_int_equal(mqtt_property_number(packet.properties, MQTT_MESSAGE_EXPIRY_INTERVAL, 0), 6);
    client_subscribe(&client, "late", 0);
    packet = client_expect_publish(&client, "late", "x", 0);
    assert_int_equal(mqtt_property_number(packet.properties, MQTT_MESSAGE_EXPIRY_INTERVAL, 0),
                     UINT32_MAX - 4);
    host->wall_ms += 6000;
    broker_tick(host->broker, host->now_ms);
    assert_int_equal(broker_counters(host->broker)->retained, 1);
    client_publish(&client, "new", "x", 0, true);
    crash(host, &client);
    expect_retained(host, "soon", NULL);
    expect_retained(host, "new", "x");
    host_free(host);
}

static void a_retained_message_goes_with_its_publishers_right(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct identity gauge = host_certificate("gauge");
    struct client client;
    client_connect(&client, host, &(struct client_options){.client_id = "gauge", .identity = &gauge});
    client_publish(&client, "r", "x", 0, true);
    crash(host, &client);
    expect_retained(host, "r", "x"); /* who published it is known again after a crash */
    struct access *access = access_new();
    access_allow(access, "anonymous", ACCESS_PUBLISH, "#");
    access_allow(access, "anonymous", ACCESS_SUBSCRIBE, "#");
    broker_set_access(host->broker, access);
    expect_retained(host, "r", NULL);
    assert_int_equal(host_dropped(host, BROKER_DROP_NOT_ALLOWED), 1);
    host_free(host);
}

/* ---- Wills ---- */

/* A CONNECT with a will that is retained under "will". */
static void connect_with_will(struct client *client, struct host *host, uint32_t expiry_s, uint32_t delay_s)
{
    static uint8_t bytes[8];
    struct writer block = writer_of(bytes, sizeof bytes);
    mqtt_write_number_property(&block, MQTT_WILL_DELAY_INTERVAL, delay_s);
    static struct mqtt_will will = {
        .topic = SPAN_LITERAL("will"), .payload = SPAN_LITERAL("gone"), .qos = 1, .retain = true};
    will.properties.bytes = writer_span(&block);
    client_begin(
        client, host,
        &(struct client_options){
            .version = MQTT_5, .client_id = "a", .keep_session = true, .expiry_s = expiry_s, .will = &will});
}

static void expect_will(struct host *host, bool there)
{
    expect_retained(host, "will", there ? "gone" : NULL);
}

static void a_connack_waits_until_the_will_is_durable(void **state)
{
    (void)state;
    for (uint32_t expiry_s = 0; expiry_s < 2; expiry_s++) {
        struct host *host = host_new();
        struct client client;
        connect_with_will(&client, host, 100 * expiry_s, 0);
        assert_int_equal(client_expect(&client, MQTT_CONNACK).reason, MQTT_SUCCESS);
        client_disconnect(&client);
        host->manual_commit = true;
        connect_with_will(&client, host, 100 * expiry_s, 0); /* also where the session is present */
        client_expect_nothing(&client);
        host_commit(host);
        assert_int_equal(client_expect(&client, MQTT_CONNACK).reason, MQTT_SUCCESS);
        client_vanish(&client);
        host_free(host);
    }
}

/* The broker does not hear of the connection's end: for the state it is still there. */
static void die_connected(struct host *host, struct client *client)
{
    broker_stop(host->broker);
    client_vanish(client);
    for (size_t i = 0; i < HOST_NAMES_MAX; i++)
        host->sessions[i].disconnected_ms = 0;
}

static void wills_survive_a_crash(void **state)
{
    (void)state;
    static const struct {
        const char *title;
        uint32_t expiry_s, delay_s;
        bool lost_before, politely, returns;
        uint64_t down_ms, wait_ms;
        bool fires;
    } rows[] = {
        {"connected, no session", 0, 0, false, false, false, 0, 0, true},
        {"connected, no session, delayed", 0, 10, false, false, false, 0, 0, true},
        {"connected", 100, 0, false, false, false, 0, 0, true},
        {"connected, delayed: counts from the start", 100, 10, false, false, false, 60000, 9999, false},
        {"connected, delayed, due", 100, 10, false, false, false, 60000, 10000, true},
        {"connected, delayed over the session's end", 5, 10, false, false, false, 0, 5000, true},
        {"pending: its due time is kept", 100, 10, true, false, false, 4000, 5999, false},
        {"pending, due", 100, 10, true, false, false, 4000, 6000, true},
        {"pending, due while down", 100, 10, true, false, false, 60000, 0, true},
        {"pending, came back", 100, 10, true, false, true, 4000, 60000, false},
        {"pending, its session ended while down", 5, 10, true, false, false, 6000, 0, true},
        {"the longest delay", 100, UINT32_MAX, true, false, false, 4000, 90000, false},
        {"said goodbye", 100, 0, false, true, false, 0, 60000, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].title);
        struct host *host = host_new();
        struct client client, again = {.channel = NULL};
        connect_with_will(&client, host, rows[i].expiry_s, rows[i].delay_s);
        if (rows[i].politely)
            client_disconnect(&client);
        else if (rows[i].lost_before)
            client_vanish(&client);
        else
            die_connected(host, &client);
        host->wall_ms += rows[i].down_ms;
        host_crash(host);
        broker_tick(host->broker, host->now_ms);
        if (rows[i].returns)
            client_connect(&again, host,
                           &(struct client_options){
                               .version = MQTT_5, .client_id = "a", .keep_session = true, .expiry_s = 100});
        host_advance(host, rows[i].wait_ms);
        expect_will(host, rows[i].fires);
        if (again.channel)
            client_vanish(&again);
        host_free(host);
    }
}

/* Stopping disconnects everybody, so nobody would hear it; the next start fires it. */
static void a_clean_stop_leaves_wills_to_the_next_start(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    connect_with_will(&client, host, 0, 0);
    broker_stop(host->broker);
    client_vanish(&client);
    assert_int_equal(broker_counters(host->broker)->messages, 0);
    host_crash(host);
    broker_tick(host->broker, host->now_ms);
    expect_will(host, true);
    host_free(host);
}

static size_t wills_kept(const struct host *host)
{
    size_t count = 0;
    for (size_t i = 0; i < HOST_NAMES_MAX; i++)
        count += host->wills[i].id != 0;
    return count;
}

/* It is fired again rather than not at all. */
static void a_will_is_kept_until_what_it_fired_is_durable(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    connect_with_will(&client, host, 0, 0);
    host->manual_commit = true;
    client_vanish(&client);
    assert_int_equal(wills_kept(host), 1);
    host_crash(host); /* what it fired is lost */
    expect_will(host, false);
    broker_tick(host->broker, host->now_ms);
    host_commit(host);
    assert_int_equal(wills_kept(host), 0);
    host_crash(host);
    expect_will(host, true);
    host_free(host);
}

/* The will of the connection before waits for a disk that fails, and does not touch the new one's. */
static void each_connection_has_a_will_of_its_own(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    connect_with_will(&client, host, 0, 0);
    host->store_answer = SLUICE_IO;
    client_vanish(&client);
    host_advance(host, 5000);
    connect_with_will(&client, host, 0, 0);
    assert_int_equal(wills_kept(host), 2);
    host->store_answer = SLUICE_OK;
    host_advance(host, 1000);
    host_commit(host);
    assert_int_equal(wills_kept(host), 1);
    expect_will(host, true);
    die_connected(host, &client);
    host_crash(host);
    broker_tick(host->broker, host->now_ms);
    host_commit(host);
    assert_int_equal(broker_counters(host->broker)->messages, 1);
    assert_int_equal(wills_kept(host), 0);
    host_free(host);
}

static void a_stored_will_that_is_damaged_or_not_allowed_does_not_fire(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct access *access = access_new();
    access_allow(access, "anonymous", ACCESS_PUBLISH, "b");
    broker_set_access(host->broker, access);
    struct identity nobody = {.kind = IDENTITY_ANONYMOUS};
    static const struct {
        uint64_t id;
        const char *topic;
        enum sluice_error error;
    } rows[] = {{1, "a", SLUICE_OK},           {2, "", SLUICE_INVALID}, {2, "+", SLUICE_INVALID},
                {2, "$SYS/a", SLUICE_INVALID}, {2, "b", SLUICE_OK},     {2, "b", SLUICE_INVALID}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message message = {.topic = span_from_string(rows[i].topic), .client_id = SPAN_LITERAL("c")};
        struct broker_will will = {.id = rows[i].id, .message = &message, .owner = &nobody};
        assert_int_equal(broker_restore_will(host->broker, &will, host->now_ms), rows[i].error);
    }
    broker_tick(host->broker, host->now_ms);
    assert_int_equal(broker_counters(host->broker)->messages, 1);
    assert_int_equal(host_dropped(host, BROKER_DROP_NOT_ALLOWED), 1);
    host_free(host);
}

/* Message Expiry counts from when the will is published; 0 is an interval too. */
static void a_will_brings_its_message_expiry(void **state)
{
    (void)state;
    for (uint32_t expiry_s = 0; expiry_s < 10; expiry_s += 5) {
        struct host *host = host_new();
        struct client client, watcher;
        client_connect(&watcher, host, &(struct client_options){.version = MQTT_5, .client_id = "watcher"});
        client_subscribe(&watcher, "w", 0);
        uint8_t bytes[8];
        struct writer block = writer_of(bytes, sizeof bytes);
        mqtt_write_number_property(&block, MQTT_MESSAGE_EXPIRY_INTERVAL, expiry_s);
        struct mqtt_will will = {.topic = SPAN_LITERAL("w"), .properties.bytes = writer_span(&block)};
        client_connect(&client, host,
                       &(struct client_options){.version = MQTT_5, .client_id = "a", .will = &will});
        host_advance(host, 60000);
        client_vanish(&client);
        struct mqtt_packet packet = client_expect_publish(&watcher, "w", "", 0);
        assert_int_equal(mqtt_property_number(packet.properties, MQTT_MESSAGE_EXPIRY_INTERVAL, UINT32_MAX),
                         expiry_s);
        client_vanish(&watcher);
        host_free(host);
    }
}

/* ---- Intervals, which go on while the gateway is down ---- */

static bool is_present(struct host *host)
{
    struct client client;
    bool present = client_connect(
        &client, host,
        &(struct client_options){
            .version = MQTT_5, .client_id = "a", .keep_session = true, .expiry_s = UINT32_MAX});
    client_vanish(&client);
    return present;
}

static void a_session_expires_counted_from_its_disconnection(void **state)
{
    (void)state;
    static const struct {
        const char *title;
        uint32_t expiry_s, at_disconnect_s; /* 0: it is not changed */
        uint64_t down_ms, wait_ms;
        bool present;
    } rows[] = {
        {"before", 60, 0, 40000, 19999, true},
        {"after", 60, 0, 40000, 20000, false},
        {"it was over while down", 60, 0, 61000, 0, false},
        {"shortened by DISCONNECT", 600, 60, 40000, 20000, false},
        {"prolonged by DISCONNECT", 30, 60, 40000, 19999, true},
        {"never", UINT32_MAX, 0, UINT64_C(1) << 50, UINT64_C(1) << 50, true},
        {"nearly never", UINT32_MAX - 1, 0, UINT64_C(4294967000) * 1000, 293999, true},
        {"nearly never, over", UINT32_MAX - 1, 0, UINT64_C(4294967000) * 1000, 294000, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].title);
        struct host *host = host_new();
        host->config.session_expiry_max_s = UINT32_MAX;
        host_restart_with_config(host);
        struct client client;
        client_connect(
            &client, host,
            &(struct client_options){.version = MQTT_5, .client_id = "a", .expiry_s = rows[i].expiry_s});
        uint8_t bytes[8];
        struct writer block = writer_of(bytes, sizeof bytes);
        mqtt_write_number_property(&block, MQTT_SESSION_EXPIRY_INTERVAL, rows[i].at_disconnect_s);
        if (rows[i].at_disconnect_s)
            client_send(&client, &(struct mqtt_packet){.type = MQTT_DISCONNECT,
                                                       .version = MQTT_5,
                                                       .properties.bytes = writer_span(&block)});
        crash_after(host, &client, rows[i].down_ms);
        broker_tick(host->broker, host->now_ms);
        host_advance(host, rows[i].wait_ms);
        assert_int_equal(is_present(host), rows[i].present);
        host_free(host);
    }
}

/* A gateway that dies again and again does not keep what is over. */
static void intervals_go_on_over_a_second_crash(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    connect_with_will(&client, host, 60, 10);
    die_connected(host, &client);
    for (int i = 0; i < 2; i++) {
        host_crash(host);
        broker_tick(host->broker, host->now_ms);
        expect_will(host, false);
        host_advance(host, i == 0 ? 6000 : 4000);
    }
    expect_will(host, true);
    host_advance(host, 49000);
    host_crash(host);
    host_advance(host, 1000);
    assert_false(is_present(host));
    host_free(host);
}

static void a_queued_message_expires_also_over_a_crash(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client, from;
    struct client_options durable = {
        .version = MQTT_5, .client_id = "a", .keep_session = true, .expiry_s = 600};
    client_connect(&client, host, &durable);
    client_subscribe(&client, "#", 1);
    client_vanish(&client);
    client_connect(&from, host, &anybody);
    publish_expiring(&from, "soon", 10, 1);
    publish_expiring(&from, "late", 100, 1);
    crash_after(host, &from, 40000);
    assert_true(client_connect(&client, host, &durable));
    struct mqtt_packet packet = client_expect_publish(&client, "late", "x", 1);
    assert_int_equal(mqtt_property_number(packet.properties, MQTT_MESSAGE_EXPIRY_INTERVAL, 0), 60);
    client_expect_nothing(&client);
    assert_int_equal(host_dropped(host, BROKER_DROP_EXPIRED), 1);
    client_vanish(&client);
    host_free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_retained_message_is_acknowledged_when_it_is_durable),
        cmocka_unit_test(a_crash_leaves_the_last_acknowledged_retained_message),
        cmocka_unit_test(a_full_disk_refuses_a_retained_message_whole),
        cmocka_unit_test(a_retained_message_expires_also_over_a_crash),
        cmocka_unit_test(a_retained_message_goes_with_its_publishers_right),
        cmocka_unit_test(a_connack_waits_until_the_will_is_durable),
        cmocka_unit_test(wills_survive_a_crash),
        cmocka_unit_test(a_clean_stop_leaves_wills_to_the_next_start),
        cmocka_unit_test(a_will_is_kept_until_what_it_fired_is_durable),
        cmocka_unit_test(each_connection_has_a_will_of_its_own),
        cmocka_unit_test(a_stored_will_that_is_damaged_or_not_allowed_does_not_fire),
        cmocka_unit_test(a_will_brings_its_message_expiry),
        cmocka_unit_test(a_session_expires_counted_from_its_disconnection),
        cmocka_unit_test(intervals_go_on_over_a_second_crash),
        cmocka_unit_test(a_queued_message_expires_also_over_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
