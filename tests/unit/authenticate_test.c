/* Who a Client is, as the broker sees it: answers at once and later, enhanced authentication (section 4.12 of
 * MQTT 5), identities that expire, and whose a Client Identifier is. */
#include "broker_host.h"

#include <stdio.h>

/* ---- A world that knows the user "ann" with the password "right" and the method "COUNT", whose Client says
 * "1", is told "2", says "3", and is told "4" ---- */

struct world {
    bool later; /* answers are given by answer_later */
    struct channel *asking;
    struct broker_answer answer;
    const char *user;    /* who the method comes to; NULL: ann */
    uint64_t expires_ms; /* of every identity */
    size_t asked, ended;
    struct identity transport; /* as it was asked with */
    bool without_users;        /* by now: none of them is allowed any more */
};

static struct broker_answer accept_user(const struct world *world, const char *name)
{
    struct broker_answer answer = {.reason = MQTT_SUCCESS, .identity.kind = IDENTITY_USER};
    answer.expires_ms = world->expires_ms;
    snprintf(answer.identity.name, sizeof answer.identity.name, "%s", name);
    return answer;
}

static struct broker_answer judge(const struct world *world, const struct broker_credentials *credentials)
{
    struct broker_answer answer = {.reason = MQTT_BAD_USER_NAME_OR_PASSWORD};
    if (credentials->has_method && !span_equal(credentials->method, SPAN_LITERAL("COUNT"))) {
        answer.reason = MQTT_BAD_AUTHENTICATION_METHOD;
    } else if (credentials->has_method && span_equal(credentials->data, SPAN_LITERAL("1"))) {
        answer.reason = MQTT_CONTINUE_AUTHENTICATION;
        answer.data = SPAN_LITERAL("2");
    } else if (credentials->has_method && span_equal(credentials->data, SPAN_LITERAL("3"))) {
        answer = accept_user(world, world->user ? world->user : "ann");
        answer.data = SPAN_LITERAL("4");
    } else if (credentials->has_method) {
        answer.reason = MQTT_NOT_AUTHORIZED;
    } else if (span_equal(credentials->password, SPAN_LITERAL("right"))) {
        answer = accept_user(world, "ann");
    }
    return answer;
}

static enum sluice_error on_authenticate(void *ctx, struct channel *channel, void **exchange,
                                         const struct broker_credentials *credentials,
                                         struct broker_answer *ret_answer)
{
    struct world *world = ((struct host *)ctx)->test;
    world->asked++;
    world->transport = *credentials->transport;
    *exchange = world;
    world->answer = judge(world, credentials);
    if (world->later) {
        world->asking = channel;
        return SLUICE_AGAIN;
    }
    *ret_answer = world->answer;
    return SLUICE_OK;
}

static void on_ended(void *ctx, void *exchange)
{
    struct world *world = exchange;
    (void)ctx;
    world->ended++;
    world->asking = NULL;
}

/* The answer comes, and then what the connection has kept is given again. */
static void answer_later(struct world *world, struct client *client)
{
    assert_non_null(world->asking);
    assert_true(client->paused);
    channel_authenticated(world->asking, &world->answer);
    client_give(client, SPAN_EMPTY);
}

/* Users, while the world has them; others always. */
static bool on_allowed(void *ctx, void *connection, const struct identity *identity)
{
    const struct world *world = ((struct host *)ctx)->test;
    assert_non_null(connection);
    return identity->kind != IDENTITY_USER || !world->without_users;
}

static struct host *host_of(struct world *world)
{
    struct host *host = host_new();
    host->authenticate = on_authenticate;
    host->authentication_ended = on_ended;
    host->allowed = on_allowed;
    host->test = world;
    host_restart_with_config(host);
    struct access *access = access_new();
    access_allow(access, "user:ann", ACCESS_PUBLISH, "%u/#");
    access_allow(access, "user:ann", ACCESS_SUBSCRIBE, "%u/#");
    broker_set_access(host->broker, access);
    return host;
}

static const struct identity unknown = {.kind = IDENTITY_UNKNOWN};
static const struct client_options with_password = {
    .version = MQTT_5, .client_id = "i", .identity = &unknown, .user_name = "ann", .password = "right"};
static const struct client_options with_method = {.version = MQTT_5,
                                                  .client_id = "i",
                                                  .identity = &unknown,
                                                  .authentication_method = "COUNT",
                                                  .authentication_data = "1"};

static void send_auth(struct client *client, enum mqtt_reason reason, const char *method, const char *data)
{
    uint8_t bytes[128];
    struct writer block = writer_of(bytes, sizeof bytes);
    mqtt_write_bytes_property(&block, MQTT_AUTHENTICATION_METHOD, span_from_string(method));
    mqtt_write_bytes_property(&block, MQTT_AUTHENTICATION_DATA, span_from_string(data));
    client_send(client, &(struct mqtt_packet){.type = MQTT_AUTH,
                                              .version = MQTT_5,
                                              .reason = reason,
                                              .properties.bytes = writer_span(&block)});
}

/* [MQTT-4.12.0-5]: the method of the CONNECT, and this data. */
static void expect_method(const struct mqtt_packet *packet, const char *data)
{
    struct span value;
    assert_true(mqtt_property_bytes(packet->properties, MQTT_AUTHENTICATION_METHOD, &value));
    assert_true(span_equal(value, SPAN_LITERAL("COUNT")));
    assert_true(mqtt_property_bytes(packet->properties, MQTT_AUTHENTICATION_DATA, &value));
    assert_true(span_equal(value, span_from_string(data)));
}

static void expect_auth(struct client *client, enum mqtt_reason reason, const char *data)
{
    struct mqtt_packet packet = client_expect(client, MQTT_AUTH);
    assert_int_equal(packet.reason, reason);
    expect_method(&packet, data);
}

static void expect_refused(struct client *client, int reason)
{
    assert_int_equal(client_expect(client, MQTT_CONNACK).reason, reason);
    client_expect_nothing(client);
    assert_true(client->asked_to_close);
    client_vanish(client);
}

/* Through the whole conversation, to its CONNACK. */
static void connect_by_method(struct client *client, struct host *host)
{
    client_begin(client, host, &with_method);
    expect_auth(client, MQTT_CONTINUE_AUTHENTICATION, "2");
    send_auth(client, MQTT_CONTINUE_AUTHENTICATION, "COUNT", "3");
    struct mqtt_packet connack = client_expect(client, MQTT_CONNACK);
    assert_int_equal(connack.reason, MQTT_SUCCESS);
    expect_method(&connack, "4");
}

/* ---- User name and password ---- */

static void a_password_gives_its_rights(void **state)
{
    (void)state;
    for (int later = 0; later < 2; later++) {
        struct world world = {.later = later};
        struct host *host = host_of(&world);
        struct client client;
        client_begin(&client, host, &with_password);
        if (later) {
            client_expect_nothing(&client);
            answer_later(&world, &client);
        }
        struct mqtt_packet connack = client_expect(&client, MQTT_CONNACK);
        struct span method;
        assert_int_equal(connack.reason, MQTT_SUCCESS);
        assert_false(mqtt_property_bytes(connack.properties, MQTT_AUTHENTICATION_METHOD, &method));
        assert_int_equal(client_subscribe(&client, "ann/#", 1), MQTT_GRANTED_QOS_1);
        assert_int_equal(client_subscribe(&client, "bob/#", 1), MQTT_NOT_AUTHORIZED);
        assert_int_equal(world.asked, 1);
        assert_int_equal(world.ended, 1);
        assert_int_equal(world.transport.kind, IDENTITY_UNKNOWN);
        client_vanish(&client);
        assert_int_equal(world.ended, 1);
        host_free(host);
    }
}

static void a_wrong_password_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum mqtt_version version;
        int reason;
    } table[] = {{MQTT_5, MQTT_BAD_USER_NAME_OR_PASSWORD}, {MQTT_3_1_1, MQTT_V3_BAD_USER_NAME_OR_PASSWORD}};
    for (size_t i = 0; i < 4; i++) {
        struct world world = {.later = i >= 2};
        struct host *host = host_of(&world);
        struct client client;
        struct client_options options = with_password;
        options.version = table[i % 2].version;
        options.password = "wrong";
        client_begin(&client, host, &options);
        if (world.later)
            answer_later(&world, &client);
        expect_refused(&client, table[i % 2].reason);
        assert_int_equal(world.ended, 1);
        host_free(host);
    }
}

/* What a Client sends behind its CONNECT waits with it. */
static void packets_behind_a_waiting_connect_keep_their_order(void **state)
{
    (void)state;
    struct world world = {.later = true};
    struct host *host = host_of(&world);
    struct client client;
    client_begin(&client, host, &with_password);
    client_send(&client, &(struct mqtt_packet){.type = MQTT_PINGREQ, .version = MQTT_5});
    client_expect_nothing(&client);
    answer_later(&world, &client);
    client_expect(&client, MQTT_CONNACK);
    client_expect(&client, MQTT_PINGRESP);
    client_vanish(&client);
    host_free(host);
}

static void a_connection_that_goes_while_it_is_checked_leaves_nothing(void **state)
{
    (void)state;
    for (int timeout = 0; timeout < 2; timeout++) {
        struct world world = {.later = true};
        struct host *host = host_of(&world);
        struct client client;
        client_begin(&client, host, &with_password);
        if (timeout) {
            host_advance(host, host->config.connect_timeout_ms);
            assert_true(client.asked_to_close);
            answer_later(&world, &client); /* between the end that was asked for and the end that came */
        }
        client_vanish(&client);
        assert_int_equal(world.ended, 1);
        assert_int_equal(broker_counters(host->broker)->sessions, 0);
        host_free(host);
    }
}

static void nobody_gets_in_where_nothing_can_tell_who_it_is(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    client_begin(&client, host, &with_password);
    expect_refused(&client, MQTT_NOT_AUTHORIZED);
    host_free(host);
}

/* ---- Enhanced authentication ---- */

/* [MQTT-4.12.0-1] */
static void a_method_that_is_not_served_is_refused(void **state)
{
    (void)state;
    struct world world = {0};
    struct host *hosts[] = {host_new(), host_of(&world)};
    for (size_t i = 0; i < 2; i++) {
        struct client client;
        struct client_options options = with_method;
        options.authentication_method = "OTHER";
        client_begin(&client, hosts[i], &options);
        expect_refused(&client, MQTT_BAD_AUTHENTICATION_METHOD);
        host_free(hosts[i]);
    }
}

/* Section 3.1.2.11.10 */
static void authentication_data_needs_a_method(void **state)
{
    (void)state;
    struct world world = {0};
    struct host *host = host_of(&world);
    struct client client;
    struct client_options options = with_method;
    options.authentication_method = NULL;
    client_begin(&client, host, &options);
    expect_refused(&client, MQTT_PROTOCOL_ERROR);
    host_free(host);
}

/* [MQTT-4.12.0-2] [MQTT-4.12.0-3] [MQTT-4.12.0-5] */
static void an_enhanced_authentication_goes_through_auth_packets(void **state)
{
    (void)state;
    struct world world = {0};
    struct host *host = host_of(&world);
    struct client client;
    connect_by_method(&client, host);
    assert_int_equal(client_subscribe(&client, "ann/#", 1), MQTT_GRANTED_QOS_1);
    assert_int_equal(world.ended, 1);
    client_vanish(&client);
    host_free(host);
}

/* What the CONNECT asked for holds, though it was answered two packets later. */
static void the_connect_of_an_enhanced_authentication_is_kept(void **state)
{
    (void)state;
    struct world world = {0};
    struct host *host = host_of(&world);
    struct client watcher, client;
    struct mqtt_will will = {.topic = SPAN_LITERAL("ann/will"), .payload = SPAN_LITERAL("gone")};
    struct client_options options = with_method;
    options.will = &will;
    options.expiry_s = 60;
    client_connect(&watcher, host,
                   &(struct client_options){
                       .client_id = "w", .identity = &unknown, .user_name = "ann", .password = "right"});
    client_subscribe(&watcher, "ann/will", 0);
    for (int i = 0; i < 2; i++) {
        options.keep_session = true;
        client_begin(&client, host, &options);
        expect_auth(&client, MQTT_CONTINUE_AUTHENTICATION, "2");
        send_auth(&client, MQTT_CONTINUE_AUTHENTICATION, "COUNT", "3");
        assert_int_equal(client_expect(&client, MQTT_CONNACK).connack.session_present, i);
        client_vanish(&client);
        client_expect_publish(&watcher, "ann/will", "gone", 0);
    }
    client_vanish(&watcher);
    host_free(host);
}

/* [MQTT-4.12.0-4] */
static void a_failed_enhanced_authentication_is_refused(void **state)
{
    (void)state;
    struct world world = {0};
    struct host *host = host_of(&world);
    struct client client;
    client_begin(&client, host, &with_method);
    expect_auth(&client, MQTT_CONTINUE_AUTHENTICATION, "2");
    send_auth(&client, MQTT_CONTINUE_AUTHENTICATION, "COUNT", "wrong");
    expect_refused(&client, MQTT_NOT_AUTHORIZED);
    assert_int_equal(broker_counters(host->broker)->sessions, 0);
    host_free(host);
}

/* [MQTT-3.1.2-30], and [MQTT-4.12.0-3] for the AUTH */
static void before_its_connack_a_client_sends_only_auth(void **state)
{
    (void)state;
    struct world world = {0};
    struct host *host = host_of(&world);
    static const struct mqtt_packet packets[] = {
        {.type = MQTT_PINGREQ, .version = MQTT_5},
        {.type = MQTT_PUBLISH, .version = MQTT_5, .publish = {.topic = {(const uint8_t *)"ann/t", 5}}},
        {.type = MQTT_DISCONNECT, .version = MQTT_5},
    };
    for (size_t i = 0; i < 3; i++) {
        struct client client;
        client_begin(&client, host, &with_method);
        expect_auth(&client, MQTT_CONTINUE_AUTHENTICATION, "2");
        client_send(&client, &packets[i]);
        client_expect_nothing(&client);
        assert_true(client.asked_to_close);
        client_vanish(&client);
    }
    static const struct {
        enum mqtt_reason reason;
        const char *method;
    } wrong[] = {
        {MQTT_REAUTHENTICATE, "COUNT"}, {MQTT_SUCCESS, "COUNT"}, {MQTT_CONTINUE_AUTHENTICATION, "X"}};
    for (size_t i = 0; i < 3; i++) {
        struct client client;
        client_begin(&client, host, &with_method);
        expect_auth(&client, MQTT_CONTINUE_AUTHENTICATION, "2");
        send_auth(&client, wrong[i].reason, wrong[i].method, "3");
        expect_refused(&client, MQTT_PROTOCOL_ERROR);
    }
    assert_int_equal(broker_counters(host->broker)->sessions, 0);
    host_free(host);
}

static void an_enhanced_authentication_has_the_connect_timeout(void **state)
{
    (void)state;
    struct world world = {0};
    struct host *host = host_of(&world);
    struct client client;
    client_begin(&client, host, &with_method);
    expect_auth(&client, MQTT_CONTINUE_AUTHENTICATION, "2");
    host_advance(host, host->config.connect_timeout_ms);
    assert_true(client.asked_to_close);
    client_vanish(&client);
    assert_int_equal(world.ended, 1);
    host_free(host);
}

/* [MQTT-4.12.0-6] [MQTT-4.12.0-7] */
static void without_a_method_there_is_no_auth(void **state)
{
    (void)state;
    struct world world = {0};
    struct host *host = host_of(&world);
    for (int i = 0; i < 2; i++) {
        struct client client;
        client_connect(&client, host, &with_password);
        send_auth(&client, i ? MQTT_REAUTHENTICATE : MQTT_CONTINUE_AUTHENTICATION, "COUNT", "1");
        client_expect_closed(&client, MQTT_PROTOCOL_ERROR);
        client_vanish(&client);
    }
    host_free(host);
}

/* Of 3.1.1 it is a packet type that does not exist. */
static void auth_is_no_packet_of_3_1_1(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    client_connect(&client, host, &(struct client_options){.client_id = "i"});
    client_give(&client, SPAN_LITERAL("\xf0\x00"));
    client_expect_closed(&client, MQTT_PROTOCOL_ERROR);
    client_vanish(&client);
    host_free(host);
}

/* [MQTT-4.12.1-1]; other packets go on meanwhile. */
static void a_client_authenticates_again(void **state)
{
    (void)state;
    for (int later = 0; later < 2; later++) {
        struct world world = {0};
        struct host *host = host_of(&world);
        struct client client;
        connect_by_method(&client, host);
        world.later = later;
        for (size_t i = 0; i < 2; i++) {
            send_auth(&client, MQTT_REAUTHENTICATE, "COUNT", "1");
            if (later)
                answer_later(&world, &client);
            expect_auth(&client, MQTT_CONTINUE_AUTHENTICATION, "2");
            assert_int_equal(client_subscribe(&client, "ann/#", 1), MQTT_GRANTED_QOS_1);
            send_auth(&client, MQTT_CONTINUE_AUTHENTICATION, "COUNT", "3");
            if (later)
                answer_later(&world, &client);
            expect_auth(&client, MQTT_SUCCESS, "4");
            assert_int_equal(world.ended, 2 + i);
        }
        assert_false(client.asked_to_close);
        client_vanish(&client);
        host_free(host);
    }
}

/* [MQTT-4.12.1-2] */
static void a_failed_re_authentication_ends_the_connection(void **state)
{
    (void)state;
    static const struct {
        const char *title, *method, *first, *second, *user;
        enum mqtt_reason second_reason, reason;
    } table[] = {
        {"wrong proof", "COUNT", "1", "x", NULL, MQTT_CONTINUE_AUTHENTICATION, MQTT_NOT_AUTHORIZED},
        {"another identity", "COUNT", "1", "3", "bob", MQTT_CONTINUE_AUTHENTICATION, MQTT_NOT_AUTHORIZED},
        {"another method", "X", "1", NULL, NULL, MQTT_CONTINUE_AUTHENTICATION, MQTT_PROTOCOL_ERROR},
        {"begun twice", "COUNT", "1", "1", NULL, MQTT_REAUTHENTICATE, MQTT_PROTOCOL_ERROR},
        {"success is the Server's", "COUNT", "1", "3", NULL, MQTT_SUCCESS, MQTT_PROTOCOL_ERROR},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct world world = {0};
        struct host *host = host_of(&world);
        struct client client;
        connect_by_method(&client, host);
        world.user = table[i].user;
        send_auth(&client, MQTT_REAUTHENTICATE, table[i].method, table[i].first);
        if (table[i].second) {
            expect_auth(&client, MQTT_CONTINUE_AUTHENTICATION, "2");
            send_auth(&client, table[i].second_reason, table[i].method, table[i].second);
        }
        struct mqtt_packet packet;
        if (!client_next(&client, &packet) || packet.type != MQTT_DISCONNECT ||
            packet.reason != table[i].reason || !client.asked_to_close)
            fail_msg("%s", table[i].title);
        client_vanish(&client);
        host_free(host);
    }
}

/* ---- The end of an identity ---- */

static void an_expired_identity_ends_the_connection(void **state)
{
    (void)state;
    struct world world = {0};
    struct host *host = host_of(&world);
    struct client password, method;
    struct client_options options = with_password;
    options.client_id = "p";
    world.expires_ms = host->wall_ms + 60000;
    client_connect(&password, host, &options);
    connect_by_method(&method, host);
    host->wall_ms -= 20000; /* the clock is set back meanwhile */
    host_advance(host, 79999);
    assert_false(password.asked_to_close);
    world.expires_ms = host->wall_ms + 60000; /* a re-authentication renews it */
    send_auth(&method, MQTT_REAUTHENTICATE, "COUNT", "1");
    expect_auth(&method, MQTT_CONTINUE_AUTHENTICATION, "2");
    send_auth(&method, MQTT_CONTINUE_AUTHENTICATION, "COUNT", "3");
    expect_auth(&method, MQTT_SUCCESS, "4");
    host_advance(host, 1);
    client_expect_closed(&password, MQTT_NOT_AUTHORIZED);
    client_vanish(&password);
    assert_false(method.asked_to_close);
    host_advance(host, 60000);
    client_expect_closed(&method, MQTT_NOT_AUTHORIZED);
    client_vanish(&method);
    host_free(host);
}

static void who_is_no_longer_allowed_is_disconnected(void **state)
{
    (void)state;
    struct world world = {0};
    struct host *host = host_of(&world);
    struct client user, late;
    client_connect(&user, host, &with_password);
    broker_recheck(host->broker);
    assert_false(user.asked_to_close);
    world.without_users = true;
    broker_recheck(host->broker);
    client_expect_closed(&user, MQTT_NOT_AUTHORIZED);
    client_vanish(&user);
    client_begin(&late, host, &with_password); /* its connection may be from before */
    expect_refused(&late, MQTT_NOT_AUTHORIZED);
    host_free(host);
}

/* ---- Whose a Client Identifier is ---- */

static struct client_options device_options(const struct identity *identity, const char *client_id)
{
    return (struct client_options){.version = MQTT_5, .client_id = client_id, .identity = identity};
}

/* HOSTILE 40: the owner stays up. */
static void a_device_uses_no_client_id_but_its_own(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct identity a = host_certificate("a"), b = host_certificate("b");
    struct client owner, thief;
    struct client_options options = device_options(&b, "b");
    client_connect(&owner, host, &options);
    options = device_options(&a, "b");
    client_begin(&thief, host, &options);
    expect_refused(&thief, MQTT_CLIENT_IDENTIFIER_NOT_VALID);
    assert_false(owner.asked_to_close);
    client_vanish(&owner);
    client_begin(&thief, host, &options); /* nor when the owner is away */
    expect_refused(&thief, MQTT_CLIENT_IDENTIFIER_NOT_VALID);
    host_free(host);
}

static void a_device_keeps_the_client_id_that_the_server_chose(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct identity a = host_certificate("a"), b = host_certificate("b");
    struct client client;
    struct client_options options = device_options(&a, "");
    options.expiry_s = 60;
    client_begin(&client, host, &options);
    struct mqtt_packet connack = client_expect(&client, MQTT_CONNACK);
    struct span assigned;
    char client_id[64];
    assert_true(mqtt_property_bytes(connack.properties, MQTT_ASSIGNED_CLIENT_IDENTIFIER, &assigned));
    snprintf(client_id, sizeof client_id, "%.*s", (int)assigned.len, (const char *)assigned.data);
    client_vanish(&client);
    options = device_options(&b, client_id);
    client_begin(&client, host, &options);
    expect_refused(&client, MQTT_CLIENT_IDENTIFIER_NOT_VALID);
    options = device_options(&a, client_id);
    options.keep_session = true;
    assert_true(client_connect(&client, host, &options));
    broker_set_access(host->broker, host_everything()); /* new rules do not take it away */
    assert_false(client.asked_to_close);
    client_vanish(&client);
    host_free(host);
}

/* Rules may give a device more Client Identifiers, and take them away again. */
static void rules_give_and_take_client_ids(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct identity a = host_certificate("a");
    struct client client;
    struct access *access = host_everything();
    assert_int_equal(access_allow_client_id(access, "device:*", "%u:*"), SLUICE_OK);
    broker_set_access(host->broker, access);
    struct client_options options = device_options(&a, "a:2");
    client_connect(&client, host, &options);
    broker_set_access(host->broker, host_everything());
    client_expect_closed(&client, MQTT_NOT_AUTHORIZED);
    client_vanish(&client);
    host_free(host);
}

/* Who sits on a device's Client Identifier goes when the device comes, with its session. */
static void a_device_takes_its_client_id_from_a_squatter(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct identity a = host_certificate("a");
    struct client squatter, device;
    struct client_options options = {
        .version = MQTT_5, .client_id = "a", .keep_session = true, .expiry_s = 60};
    for (int connected = 0; connected < 2; connected++) {
        client_connect(&squatter, host, &options);
        client_subscribe(&squatter, "t", 1);
        if (!connected)
            client_vanish(&squatter);
        struct client_options own = device_options(&a, "a");
        own.keep_session = true;
        assert_false(client_connect(&device, host, &own));
        if (connected) {
            client_expect_closed(&squatter, MQTT_NOT_AUTHORIZED);
            client_vanish(&squatter);
        }
        client_publish(&device, "t", "x", 0, false);
        client_expect_nothing(&device); /* the squatter's subscription is gone */
        assert_int_equal(broker_counters(host->broker)->sessions, 1);
        client_vanish(&device);
    }
    host_free(host);
}

/* Its share of what was queued cannot be handed over while the journal is full; still there is one session.
 */
static void a_squatter_goes_although_the_journal_is_full(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct identity a = host_certificate("a");
    struct client squatter, member, device;
    struct client_options options = {
        .version = MQTT_5, .client_id = "a", .keep_session = true, .expiry_s = 60, .receive_maximum = 1};
    client_connect(&squatter, host, &options);
    client_subscribe(&squatter, "$share/g/t", 1);
    options.client_id = "b";
    client_connect(&member, host, &options);
    client_subscribe(&member, "$share/g/t", 1);
    for (int i = 0; i < 4; i++)
        client_publish(&member, "t", "x", 1, false);
    host->store_answer = SLUICE_FULL;
    options = device_options(&a, "a");
    client_connect(&device, host, &options);
    assert_int_equal(broker_counters(host->broker)->sessions, 2);
    assert_true(squatter.asked_to_close);
    client_vanish(&squatter);
    client_vanish(&device);
    client_vanish(&member);
    host_free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_gives_its_rights),
        cmocka_unit_test(a_wrong_password_is_refused),
        cmocka_unit_test(packets_behind_a_waiting_connect_keep_their_order),
        cmocka_unit_test(a_connection_that_goes_while_it_is_checked_leaves_nothing),
        cmocka_unit_test(nobody_gets_in_where_nothing_can_tell_who_it_is),
        cmocka_unit_test(a_method_that_is_not_served_is_refused),
        cmocka_unit_test(authentication_data_needs_a_method),
        cmocka_unit_test(an_enhanced_authentication_goes_through_auth_packets),
        cmocka_unit_test(the_connect_of_an_enhanced_authentication_is_kept),
        cmocka_unit_test(a_failed_enhanced_authentication_is_refused),
        cmocka_unit_test(before_its_connack_a_client_sends_only_auth),
        cmocka_unit_test(an_enhanced_authentication_has_the_connect_timeout),
        cmocka_unit_test(without_a_method_there_is_no_auth),
        cmocka_unit_test(auth_is_no_packet_of_3_1_1),
        cmocka_unit_test(a_client_authenticates_again),
        cmocka_unit_test(a_failed_re_authentication_ends_the_connection),
        cmocka_unit_test(an_expired_identity_ends_the_connection),
        cmocka_unit_test(who_is_no_longer_allowed_is_disconnected),
        cmocka_unit_test(a_device_uses_no_client_id_but_its_own),
        cmocka_unit_test(a_device_keeps_the_client_id_that_the_server_chose),
        cmocka_unit_test(rules_give_and_take_client_ids),
        cmocka_unit_test(a_device_takes_its_client_id_from_a_squatter),
        cmocka_unit_test(a_squatter_goes_although_the_journal_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
