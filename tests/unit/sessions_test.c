/* Sessions: who a client is, what is kept for it, when it ends, and its will. */
#include "broker_host.h"

static const struct mqtt_will will = {
    .topic = SPAN_LITERAL("will/a"), .payload = SPAN_LITERAL("gone"), .qos = 1};

static void a_durable_session_is_present_again(void **state)
{
    (void)state;
    static const struct {
        const char *title;
        struct client_options first, second;
        bool present;
    } table[] = {
        {"3.1.1 kept", {.keep_session = true}, {.keep_session = true}, true},
        {"3.1.1 clean, then kept", {.keep_session = false}, {.keep_session = true}, false},
        {"3.1.1 kept, then clean", {.keep_session = true}, {.keep_session = false}, false},
        {"v5 with expiry",
         {.version = MQTT_5, .expiry_s = 60},
         {.version = MQTT_5, .keep_session = true},
         true},
        {"v5 without expiry", {.version = MQTT_5}, {.version = MQTT_5, .keep_session = true}, false},
        {"v5, then Clean Start", {.version = MQTT_5, .expiry_s = 60}, {.version = MQTT_5}, false},
        {"3.1.1, then v5", {.keep_session = true}, {.version = MQTT_5, .keep_session = true}, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct host *host = host_new();
        struct client client;
        struct client_options first = table[i].first, second = table[i].second;
        first.client_id = second.client_id = "a";
        assert_false(client_connect(&client, host, &first));
        assert_int_equal(client_subscribe(&client, "t", 1), 1);
        client_disconnect(&client);
        if (client_connect(&client, host, &second) != table[i].present)
            fail_msg("%s", table[i].title);
        assert_int_equal(broker_counters(host->broker)->subscriptions, table[i].present);
        client_vanish(&client);
        host_free(host);
    }
}

static void a_session_ends_when_its_expiry_has_passed(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    struct client_options options = {
        .version = MQTT_5, .client_id = "a", .expiry_s = 60, .keep_session = true};
    client_connect(&client, host, &options);
    host_advance(host, 100000); /* connected it does not expire */
    client_vanish(&client);
    host_advance(host, 59000);
    assert_true(client_connect(&client, host, &options));
    client_vanish(&client);
    host_advance(host, 60000);
    assert_int_equal(broker_counters(host->broker)->sessions, 0);
    assert_false(client_connect(&client, host, &options));
    client_vanish(&client);
    host_free(host);
}

static void no_expiry_overflows(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.session_expiry_max_s = UINT32_MAX;
    host_restart_with_config(host);
    struct client client;
    struct client_options options = {
        .version = MQTT_5, .client_id = "a", .expiry_s = UINT32_MAX, .keep_session = true};
    client_connect(&client, host, &options);
    client_vanish(&client);
    assert_true(broker_next_deadline(host->broker) == UINT64_MAX);
    options.expiry_s = UINT32_MAX - 1;
    client_connect(&client, host, &options);
    client_vanish(&client);
    assert_true(broker_next_deadline(host->broker) == host->now_ms + (UINT32_MAX - 1) * UINT64_C(1000));
    host_free(host);
}

static void an_expiry_over_the_maximum_is_cut_and_told(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    client_begin(&client, host,
                 &(struct client_options){.version = MQTT_5, .client_id = "a", .expiry_s = UINT32_MAX});
    struct mqtt_packet connack = client_expect(&client, MQTT_CONNACK);
    assert_int_equal(mqtt_property_number(connack.properties, MQTT_SESSION_EXPIRY_INTERVAL, 0),
                     host->config.session_expiry_max_s);
    client_vanish(&client);
    host_free(host);
}

static void disconnect_changes_the_expiry(void **state)
{
    (void)state;
    struct host *host = host_new();
    uint8_t bytes[8];
    struct writer block = writer_of(bytes, sizeof bytes);
    mqtt_write_number_property(&block, MQTT_SESSION_EXPIRY_INTERVAL, 0);
    struct mqtt_packet disconnect = {
        .type = MQTT_DISCONNECT, .version = MQTT_5, .properties.bytes = writer_span(&block)};
    struct client client;
    client_connect(&client, host,
                   &(struct client_options){.version = MQTT_5, .client_id = "a", .expiry_s = 60});
    client_send(&client, &disconnect);
    client_vanish(&client);
    assert_int_equal(broker_counters(host->broker)->sessions, 0);

    bytes[4] = 1; /* from 0 to more is against the standard */
    client_connect(&client, host, &(struct client_options){.version = MQTT_5, .client_id = "a"});
    client_send(&client, &disconnect);
    client_expect_closed(&client, MQTT_PROTOCOL_ERROR);
    client_vanish(&client);
    host_free(host);
}

static void a_second_connection_takes_over(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client first, second, third;
    struct client_options options = {
        .version = MQTT_5, .client_id = "a", .expiry_s = 60, .keep_session = true};
    client_connect(&first, host, &options);
    client_subscribe(&first, "t", 1);
    assert_true(client_connect(&second, host, &options));
    client_expect_closed(&first, MQTT_SESSION_TAKEN_OVER);
    client_publish(&second, "t", "x", 0, false);
    client_expect_publish(&second, "t", "x", 0);
    assert_true(client_connect(&third, host, &options));
    client_vanish(&first);
    client_vanish(&second);
    assert_int_equal(broker_counters(host->broker)->sessions, 1);
    assert_int_equal(broker_counters(host->broker)->takeovers, 2);
    client_publish(&third, "t", "y", 0, false);
    client_expect_publish(&third, "t", "y", 0);
    client_vanish(&third);
    host_free(host);
}

/* HOSTILE 47: one Client Identifier from many connections. */
static void churn_on_one_client_id_leaves_one_session(void **state)
{
    (void)state;
    enum { CLIENTS = 100 };
    static struct client clients[CLIENTS];
    struct host *host = host_new();
    for (int i = 0; i < CLIENTS; i++) {
        client_connect(&clients[i], host,
                       &(struct client_options){.version = i % 3 ? MQTT_5 : MQTT_3_1_1,
                                                .client_id = "a",
                                                .expiry_s = i % 3 == 1 ? 60 : 0,
                                                .keep_session = i % 2});
        client_subscribe(&clients[i], i % 2 ? "t" : "u", 2);
        client_publish(&clients[i], "t", "x", (uint8_t)(i % 3), false);
        if (i % 4 == 3)
            client_vanish(&clients[i - 3]);
        assert_int_equal(broker_counters(host->broker)->sessions, 1);
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].channel)
            client_vanish(&clients[i]);
    }
    assert_int_equal(broker_counters(host->broker)->channels, 0);
    host_free(host);
}

static void a_client_id_belongs_to_its_owner(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct identity a = host_certificate("a"), b = host_certificate("b");
    struct client owner, thief;
    struct client_options options = {.client_id = "a", .identity = &a, .keep_session = true};
    client_connect(&owner, host, &options);
    static const struct {
        enum mqtt_version version;
        int reason;
    } table[] = {{MQTT_3_1_1, MQTT_V3_IDENTIFIER_REJECTED},
                 {MQTT_5, MQTT_CLIENT_IDENTIFIER_NOT_VALID},
                 {MQTT_3_1_1, MQTT_V3_NOT_AUTHORIZED},
                 {MQTT_5, MQTT_NOT_AUTHORIZED}};
    for (size_t i = 0; i < 4; i++) { /* both versions, by another device and by nobody */
        client_begin(&thief, host,
                     &(struct client_options){
                         .version = table[i].version, .client_id = "a", .identity = i < 2 ? &b : NULL});
        assert_int_equal(client_expect(&thief, MQTT_CONNACK).reason, table[i].reason);
        assert_true(thief.asked_to_close);
        client_vanish(&thief);
    }
    assert_false(owner.asked_to_close);
    client_vanish(&owner);
    client_begin(&thief, host, &(struct client_options){.client_id = "a"});
    assert_int_equal(client_expect(&thief, MQTT_CONNACK).reason, MQTT_V3_NOT_AUTHORIZED);
    client_vanish(&thief);
    host_crash(host); /* the binding outlives a restart */
    client_begin(&thief, host, &(struct client_options){.client_id = "a"});
    assert_int_equal(client_expect(&thief, MQTT_CONNACK).reason, MQTT_V3_NOT_AUTHORIZED);
    client_vanish(&thief);
    assert_true(client_connect(&owner, host, &options));
    client_vanish(&owner);
    host_free(host);
}

static void a_client_without_an_id_gets_one(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client v5, v3;
    client_begin(&v5, host, &(struct client_options){.version = MQTT_5, .client_id = ""});
    struct mqtt_packet connack = client_expect(&v5, MQTT_CONNACK);
    struct span assigned;
    assert_int_equal(connack.reason, MQTT_SUCCESS);
    assert_true(mqtt_property_bytes(connack.properties, MQTT_ASSIGNED_CLIENT_IDENTIFIER, &assigned));
    assert_true(assigned.len > 0);
    client_connect(&v3, host, &(struct client_options){.client_id = ""});
    assert_int_equal(broker_counters(host->broker)->sessions, 2);
    client_vanish(&v5);
    client_vanish(&v3);
    host_free(host);
}

static void the_table_of_sessions_is_bounded(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.sessions_count = 1;
    host_restart_with_config(host);
    struct client first, second;
    client_connect(&first, host, &(struct client_options){.client_id = "a"});
    client_begin(&second, host, &(struct client_options){.version = MQTT_5, .client_id = "b"});
    assert_int_equal(client_expect(&second, MQTT_CONNACK).reason, MQTT_QUOTA_EXCEEDED);
    client_vanish(&second);
    client_connect(&second, host, &(struct client_options){.client_id = "a"}); /* a takeover needs no room */
    client_vanish(&first);
    client_vanish(&second);
    host_free(host);
}

/* ---- Keep Alive ---- */

static void a_silent_client_is_closed_after_one_and_a_half_keep_alives(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    client_connect(&client, host,
                   &(struct client_options){.version = MQTT_5, .client_id = "a", .keep_alive_s = 10});
    host_advance(host, 14000);
    client_send(&client, &(struct mqtt_packet){.type = MQTT_PINGREQ, .version = MQTT_5});
    client_expect(&client, MQTT_PINGRESP);
    host_advance(host, 14999);
    client_expect_nothing(&client);
    host_advance(host, 1);
    client_expect_closed(&client, MQTT_KEEP_ALIVE_TIMEOUT);
    client_vanish(&client);
    host_free(host);
}

static void half_a_packet_is_no_sign_of_life(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    client_connect(&client, host, &(struct client_options){.client_id = "a", .keep_alive_s = 10});
    for (int i = 0; i < 15; i++) {
        host_advance(host, 999);
        client_give(&client, i == 0 ? SPAN_LITERAL("\x30\x7f") : SPAN_LITERAL("x"));
    }
    assert_false(client.asked_to_close);
    host_advance(host, 999);
    assert_true(client.asked_to_close);
    client_vanish(&client);
    host_free(host);
}

static void a_connection_without_connect_is_closed(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    client_open(&client, host, NULL);
    host_advance(host, host->config.connect_timeout_ms - 1);
    assert_false(client.asked_to_close);
    client_give(&client, SPAN_LITERAL("\x10\x20")); /* a byte now and then does not help */
    host_advance(host, 1);
    assert_true(client.asked_to_close);
    client_vanish(&client);
    host_free(host);
}

static void the_server_imposes_its_keep_alive(void **state)
{
    (void)state;
    static const uint16_t asked[] = {0, 65535};
    for (size_t i = 0; i < 2; i++) {
        struct host *host = host_new();
        struct client client;
        client_begin(&client, host,
                     &(struct client_options){.version = MQTT_5, .client_id = "a", .keep_alive_s = asked[i]});
        struct mqtt_packet connack = client_expect(&client, MQTT_CONNACK);
        assert_int_equal(mqtt_property_number(connack.properties, MQTT_SERVER_KEEP_ALIVE, 0),
                         host->config.keep_alive_max_s);
        host_advance(host, host->config.keep_alive_max_s * UINT64_C(1500));
        client_expect_closed(&client, MQTT_KEEP_ALIVE_TIMEOUT);
        client_vanish(&client);
        host_free(host);
    }
}

/* ---- Wills ---- */

struct will_row {
    const char *title;
    struct client_options options;
    uint32_t delay_s;
    bool disconnects, returns, returns_clean;
    uint64_t wait_ms;
    bool fires;
};

static const struct will_row will_rows[] = {
    {"lost", {.version = MQTT_5}, 0, false, false, false, 0, true},
    {"lost, 3.1.1", {.version = MQTT_3_1_1}, 0, false, false, false, 0, true},
    {"said goodbye", {.version = MQTT_5}, 0, true, false, false, 0, false},
    {"said goodbye, 3.1.1", {.version = MQTT_3_1_1}, 0, true, false, false, 0, false},
    {"taken over", {.version = MQTT_5}, 0, false, true, false, 0, true},
    {"delayed, not yet", {.version = MQTT_5, .expiry_s = 100}, 10, false, false, false, 9999, false},
    {"delayed, due", {.version = MQTT_5, .expiry_s = 100}, 10, false, false, false, 10000, true},
    {"delayed over the session's end",
     {.version = MQTT_5, .expiry_s = 5},
     10,
     false,
     false,
     false,
     5000,
     true},
    {"delayed, no session", {.version = MQTT_5}, 10, false, false, false, 0, true},
    {"delayed, came back", {.version = MQTT_5, .expiry_s = 100}, 10, false, true, false, 20000, false},
    {"delayed, came back clean", {.version = MQTT_5, .expiry_s = 100}, 10, false, true, true, 0, true},
    {"longest delay", {.version = MQTT_5, .expiry_s = 100}, UINT32_MAX, false, false, false, 99999, false},
};

static void wills_fire_as_the_standard_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof will_rows / sizeof *will_rows; i++) {
        const struct will_row *row = &will_rows[i];
        struct host *host = host_new();
        struct client watcher, client, again = {.channel = NULL};
        client_connect(&watcher, host, &(struct client_options){.client_id = "watcher"});
        client_subscribe(&watcher, "will/#", 0);
        uint8_t bytes[8];
        struct writer block = writer_of(bytes, sizeof bytes);
        if (row->delay_s)
            mqtt_write_number_property(&block, MQTT_WILL_DELAY_INTERVAL, row->delay_s);
        struct mqtt_will delayed = will;
        delayed.properties.bytes = writer_span(&block);
        struct client_options options = row->options, second = row->options;
        options.client_id = second.client_id = "a";
        options.will = &delayed;
        second.keep_session = !row->returns_clean;
        client_connect(&client, host, &options);
        if (row->returns)
            client_connect(&again, host, &second);
        if (row->disconnects)
            client_disconnect(&client);
        else
            client_vanish(&client);
        host_advance(host, row->wait_ms);
        struct mqtt_packet packet;
        if (client_next(&watcher, &packet) != row->fires)
            fail_msg("%s", row->title);
        client_expect_nothing(&watcher);
        client_vanish(&watcher);
        if (again.channel)
            client_vanish(&again);
        host_free(host);
    }
}

static void a_goodbye_may_ask_for_the_will(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client, watcher;
    client_connect(&watcher, host, &(struct client_options){.client_id = "watcher"});
    client_subscribe(&watcher, "#", 0);
    client_connect(&client, host,
                   &(struct client_options){.version = MQTT_5, .client_id = "a", .will = &will});
    struct mqtt_packet packet = {
        .type = MQTT_DISCONNECT, .version = MQTT_5, .reason = MQTT_DISCONNECT_WITH_WILL};
    client_send(&client, &packet);
    client_vanish(&client);
    client_expect_publish(&watcher, "will/a", "gone", 0);
    client_vanish(&watcher);
    host_free(host);
}

static void a_will_that_is_not_allowed_is_refused_or_does_not_fire(void **state)
{
    (void)state;
    static const char *const topics[] = {"secret", "$SYS/x", "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"};
    static const enum mqtt_reason reasons[] = {MQTT_NOT_AUTHORIZED, MQTT_TOPIC_NAME_INVALID,
                                               MQTT_TOPIC_NAME_INVALID};
    struct host *host = host_new();
    struct access *access = access_new();
    access_allow(access, "anonymous", ACCESS_PUBLISH, "will/#");
    access_allow(access, "anonymous", ACCESS_SUBSCRIBE, "#");
    broker_set_access(host->broker, access);
    struct client client, watcher;
    for (size_t i = 0; i < 3; i++) {
        struct mqtt_will refused = {.topic = span_from_string(topics[i])};
        client_begin(&client, host,
                     &(struct client_options){.version = MQTT_5, .client_id = "a", .will = &refused});
        assert_int_equal(client_expect(&client, MQTT_CONNACK).reason, reasons[i]);
        client_vanish(&client);
    }
    client_connect(&client, host, &(struct client_options){.client_id = "a", .will = &will});
    client_connect(&watcher, host, &(struct client_options){.client_id = "watcher"});
    client_subscribe(&watcher, "#", 0);
    access = access_new();
    access_allow(access, "anonymous", ACCESS_SUBSCRIBE, "#");
    broker_set_access(host->broker, access);
    client_vanish(&client);
    client_expect_nothing(&watcher);
    assert_int_equal(host_dropped(host, BROKER_DROP_NOT_ALLOWED), 1);
    client_vanish(&watcher);
    host_free(host);
}

static void a_will_waits_for_room(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client, watcher;
    client_connect(&watcher, host, &(struct client_options){.client_id = "watcher"});
    client_subscribe(&watcher, "#", 0);
    client_connect(&client, host,
                   &(struct client_options){.client_id = "a", .keep_session = true, .will = &will});
    host->store_answer = SLUICE_FULL;
    client_vanish(&client);
    client_expect_nothing(&watcher);
    host->store_answer = SLUICE_OK;
    host_advance(host, 1000);
    client_expect_publish(&watcher, "will/a", "gone", 0);
    client_vanish(&watcher);
    host_free(host);
}

static void stopping_says_goodbye(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client, late;
    client_connect(&client, host, &(struct client_options){.version = MQTT_5, .client_id = "a"});
    broker_stop(host->broker);
    client_expect_closed(&client, MQTT_SERVER_SHUTTING_DOWN);
    client_begin(&late, host, &(struct client_options){.version = MQTT_5, .client_id = "b"});
    assert_int_equal(client_expect(&late, MQTT_CONNACK).reason, MQTT_SERVER_BUSY);
    client_vanish(&client);
    client_vanish(&late);
    host_free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_durable_session_is_present_again),
        cmocka_unit_test(a_session_ends_when_its_expiry_has_passed),
        cmocka_unit_test(no_expiry_overflows),
        cmocka_unit_test(an_expiry_over_the_maximum_is_cut_and_told),
        cmocka_unit_test(disconnect_changes_the_expiry),
        cmocka_unit_test(a_second_connection_takes_over),
        cmocka_unit_test(churn_on_one_client_id_leaves_one_session),
        cmocka_unit_test(a_client_id_belongs_to_its_owner),
        cmocka_unit_test(a_client_without_an_id_gets_one),
        cmocka_unit_test(the_table_of_sessions_is_bounded),
        cmocka_unit_test(a_silent_client_is_closed_after_one_and_a_half_keep_alives),
        cmocka_unit_test(half_a_packet_is_no_sign_of_life),
        cmocka_unit_test(a_connection_without_connect_is_closed),
        cmocka_unit_test(the_server_imposes_its_keep_alive),
        cmocka_unit_test(wills_fire_as_the_standard_says),
        cmocka_unit_test(a_goodbye_may_ask_for_the_will),
        cmocka_unit_test(a_will_that_is_not_allowed_is_refused_or_does_not_fire),
        cmocka_unit_test(a_will_waits_for_room),
        cmocka_unit_test(stopping_says_goodbye),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
