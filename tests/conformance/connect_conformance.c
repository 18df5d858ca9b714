/* Sections 3.1 and 3.2: CONNECT and CONNACK. A statement's id is that of MQTT 5; `3.1.1:` leads those of the
 * older standard. */
#include "exchange.h"

/* CONNECT with Keep Alive 0, these flags, and what follows them (in v5 an empty property block first). */
static struct span connect_bytes(enum mqtt_version version, uint8_t flags, struct span payload)
{
    static uint8_t bytes[128];
    struct writer out = writer_of(bytes, sizeof bytes);
    write_u8(&out, MQTT_CONNECT << 4);
    write_varint(&out, (uint32_t)payload.len + (version == V5 ? 11 : 10));
    write_u16_bytes(&out, SPAN_LITERAL("MQTT"));
    write_u8(&out, (uint8_t)version);
    write_u8(&out, flags);
    write_u16(&out, 0);
    if (version == V5)
        write_u8(&out, 0);
    write_bytes(&out, payload);
    assert_false(out.failed);
    return writer_span(&out);
}

enum { ACCEPTED = MQTT_SUCCESS, MALFORMED = MQTT_MALFORMED_PACKET };

static const struct connect_row {
    const char *title;
    uint8_t flags;
    struct span payload;
    int v3, v5; /* what becomes of it; -1: the row is not for this version */
} connect_rows[] = {
#define ROW(title, flags, payload, v3, v5)                                                                   \
    {                                                                                                        \
        title, flags, {(const uint8_t *)("" payload), sizeof(payload) - 1}, v3, v5                           \
    }
    /* clang-format off */
    ROW("its neighbour that conforms", 0x02, "\x00\x01" "a", ACCEPTED, ACCEPTED),
    ROW("reserved flag", 0x03, "\x00\x01" "a", MALFORMED, MALFORMED),
    ROW("no Client Identifier", 0x02, "", MALFORMED, MALFORMED),
    ROW("Client Identifier that is no UTF-8", 0x02, "\x00\x01\xff", MALFORMED, MALFORMED),
    ROW("Client Identifier with a surrogate", 0x02, "\x00\x03\xed\xa0\x80", MALFORMED, MALFORMED),
    ROW("Client Identifier with U+0000", 0x02, "\x00\x02" "a\x00", MALFORMED, MALFORMED),
    ROW("more than the fields", 0x02, "\x00\x01" "ab", MALFORMED, MALFORMED),
    ROW("Will", 0x06, "\x00\x01" "a\x00\x01w\x00\x01p", ACCEPTED, -1),
    ROW("Will", 0x06, "\x00\x01" "a\x00\x00\x01w\x00\x01p", -1, ACCEPTED),
    ROW("Will of QoS 2", 0x16, "\x00\x01" "a\x00\x01w\x00\x01p", ACCEPTED, -1),
    ROW("Will of QoS 2", 0x16, "\x00\x01" "a\x00\x00\x01w\x00\x01p", -1, ACCEPTED),
    ROW("Will of QoS 3", 0x1e, "\x00\x01" "a\x00\x01w\x00\x01p", MALFORMED, -1),
    ROW("Will of QoS 3", 0x1e, "\x00\x01" "a\x00\x00\x01w\x00\x01p", -1, MALFORMED),
    ROW("Will Flag without a Will", 0x06, "\x00\x01" "a", MALFORMED, MALFORMED),
    ROW("Will Topic without a Payload", 0x06, "\x00\x01" "a\x00\x01w", MALFORMED, -1),
    ROW("Will without its flag", 0x02, "\x00\x01" "a\x00\x01w\x00\x01p", MALFORMED, -1),
    ROW("Will without its flag", 0x02, "\x00\x01" "a\x00\x00\x01w\x00\x01p", -1, MALFORMED),
    ROW("Will QoS 1 without a Will", 0x0a, "\x00\x01" "a", MALFORMED, MALFORMED),
    ROW("Will QoS 2 without a Will", 0x12, "\x00\x01" "a", MALFORMED, MALFORMED),
    ROW("Will Retain without a Will", 0x22, "\x00\x01" "a", MALFORMED, MALFORMED),
    ROW("Will Topic that is no UTF-8", 0x06, "\x00\x01" "a\x00\x01\xff\x00\x01p", MALFORMED, -1),
    ROW("Will Topic that is no UTF-8", 0x06, "\x00\x01" "a\x00\x00\x01\xff\x00\x01p", -1, MALFORMED),
    ROW("User Name without its flag", 0x02, "\x00\x01" "a\x00\x01u", MALFORMED, MALFORMED),
    ROW("User Name Flag without one", 0x82, "\x00\x01" "a", MALFORMED, MALFORMED),
    ROW("User Name that is no UTF-8", 0x82, "\x00\x01" "a\x00\x01\xff", MALFORMED, MALFORMED),
    ROW("Password without its flag", 0x82, "\x00\x01" "a\x00\x01u\x00\x01p", MALFORMED, MALFORMED),
    ROW("Password Flag without one", 0xc2, "\x00\x01" "a\x00\x01u", MALFORMED, MALFORMED),
    ROW("Password without a User Name", 0x42, "\x00\x01" "a\x00\x01p", MALFORMED, -1),
/* clang-format on */
#undef ROW
};

/* [MQTT-3.1.4-1] with what section 3.1 asks for. 3.1.1: without a CONNACK. */
static void a_connect_that_does_not_conform_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * COUNT(connect_rows); i++) {
        const struct connect_row *row = &connect_rows[i / 2];
        enum mqtt_version version = both_versions[i % 2];
        int outcome = version == V5 ? row->v5 : row->v3;
        if (outcome == -1)
            continue;
        struct host *host = host_new();
        struct client client;
        struct mqtt_packet answer;
        client_open(&client, host, NULL);
        client.version = version;
        client_give(&client, connect_bytes(version, row->flags, row->payload));
        bool answered = client_next(&client, &answer), is_silent = version == V3 && outcome != ACCEPTED;
        if (answered == is_silent || (answered && (int)answer.reason != outcome) ||
            client.asked_to_close != (outcome != ACCEPTED))
            fail_msg("%s in version %d", row->title, version);
        client_expect_nothing(&client);
        assert_int_equal(broker_counters(host->broker)->sessions, outcome == ACCEPTED);
        client_vanish(&client);
        host_free(host);
    }
}

/* [MQTT-3.1.0-2] */
static void a_second_connect_ends_the_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct client client;
        struct host *host = begin_exchange(&client, both_versions[i]);
        client_give(&client, connect_bytes(both_versions[i], 0x02,
                                           SPAN_LITERAL("\x00\x01"
                                                        "a")));
        client_expect_closed(&client, MQTT_PROTOCOL_ERROR);
        end_exchange(host, &client);
    }
}

/* [MQTT-3.1.4-6], 3.1.1: [MQTT-3.1.4-5] */
static void what_follows_a_refused_connect_is_not_processed(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct client watcher, client;
        struct host *host = begin_exchange(&watcher, V3);
        client_subscribe(&watcher, "#", 0);
        struct identity other = host_certificate("other"); /* "a" is another's */
        client_open(&client, host, &other);
        client.version = both_versions[i];
        uint8_t bytes[64];
        struct writer out = writer_of(bytes, sizeof bytes);
        write_bytes(&out, connect_bytes(both_versions[i], 0x02,
                                        SPAN_LITERAL("\x00\x01"
                                                     "a")));
        write_bytes(&out, i == 0 ? SPAN_LITERAL("\x30\x03\x00\x01t\xc0\x00")
                                 : SPAN_LITERAL("\x30\x04\x00\x01t\x00\xc0\x00"));
        client_give(&client, writer_span(&out));
        assert_int_not_equal(client_expect(&client, MQTT_CONNACK).reason, MQTT_SUCCESS);
        client_expect_nothing(&client);
        assert_true(client.asked_to_close);
        client_expect_nothing(&watcher);
        client_vanish(&client);
        end_exchange(host, &watcher);
    }
}

/* [MQTT-3.2.0-1] [MQTT-3.2.0-2]: also where the session has messages waiting. */
static void connack_comes_first_and_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct client from, to;
        struct host *host = begin_exchange(&from, V3);
        struct client_options options = {
            .version = both_versions[i], .client_id = "to", .expiry_s = 60, .keep_session = true};
        client_connect(&to, host, &options);
        client_subscribe(&to, "t", 1);
        client_vanish(&to);
        client_publish(&from, "t", "x", 1, false);
        client_begin(&to, host, &options);
        client_give(&to, SPAN_LITERAL("\xc0\x00"));
        assert_true(client_expect(&to, MQTT_CONNACK).connack.session_present);
        client_expect_publish(&to, "t", "x", 1);
        client_expect(&to, MQTT_PINGRESP);
        client_expect_nothing(&to);
        client_vanish(&to);
        end_exchange(host, &from);
    }
}

/* [MQTT-3.2.0-1]: the CONNACK waits for the disk, as the will of the client does, and messages come
 * meanwhile. */
static void nothing_overtakes_a_connack_that_waits(void **state)
{
    (void)state;
    static const struct mqtt_will will = {.topic = SPAN_LITERAL("w")};
    for (size_t i = 0; i < 2; i++) {
        struct host *host = host_new();
        struct client to;
        struct client_options options = {
            .version = both_versions[i], .client_id = "to", .expiry_s = 60, .keep_session = true};
        client_connect(&to, host, &options);
        client_subscribe(&to, "t", 1);
        client_vanish(&to);
        host->manual_commit = true;
        options.will = &will;
        client_begin(&to, host, &options);
        for (uint8_t qos = 0; qos < 2; qos++) {
            struct message view = {.qos = qos, .topic = SPAN_LITERAL("t")};
            assert_int_equal(broker_publish(host->broker, &view), SLUICE_OK);
        }
        client_expect_nothing(&to);
        host_commit(host);
        client_expect(&to, MQTT_CONNACK);
        client_expect_publish(&to, "t", "", 1);
        client_expect_nothing(&to);
        host->manual_commit = false;
        end_exchange(host, &to);
    }
}

/* [MQTT-3.2.2-1] [MQTT-3.2.2-2] [MQTT-3.2.2-3]; 3.1.1: [MQTT-3.2.2-1] to [MQTT-3.2.2-3] */
static void session_present_is_the_one_flag_of_connack(void **state)
{
    (void)state;
    static const struct {
        bool keeps, clean_again;
        uint8_t flags;
    } table[] = {{true, false, 1}, {true, true, 0}, {false, false, 0}, {false, true, 0}};
    for (size_t i = 0; i < 2 * COUNT(table); i++) {
        struct host *host = host_new();
        struct client client;
        struct client_options options = {.version = both_versions[i % 2],
                                         .client_id = "a",
                                         .expiry_s = table[i / 2].keeps ? 60 : 0,
                                         .keep_session = table[i / 2].keeps};
        client_connect(&client, host, &options);
        client_vanish(&client);
        options.keep_session = !table[i / 2].clean_again;
        client_begin(&client, host, &options);
        struct span connack = buffer_span(&client.out);
        assert_int_equal(connack.data[0], 0x20);
        assert_int_equal(connack.data[2], table[i / 2].flags);
        assert_int_equal(connack.data[3], 0);
        if (options.version == V3)
            assert_int_equal(connack.len, 4);
        client_vanish(&client);
        host_free(host);
    }
}

/* [MQTT-3.2.2-6] [MQTT-3.2.2-7]; 3.1.1: [MQTT-3.2.2-4] [MQTT-3.2.2-5] */
static void a_refusal_tells_nothing_of_the_session_and_closes(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct host *host = host_new();
        struct identity owner = host_certificate("owner"), other = host_certificate("other one");
        struct client client;
        struct client_options options = {.version = both_versions[i],
                                         .client_id = "owner",
                                         .identity = &owner,
                                         .expiry_s = 60,
                                         .keep_session = true};
        client_connect(&client, host, &options);
        client_vanish(&client);
        options.identity = &other;
        client_begin(&client, host, &options);
        assert_int_equal(buffer_span(&client.out).data[2], 0);
        assert_int_not_equal(client_expect(&client, MQTT_CONNACK).reason, MQTT_SUCCESS);
        client_expect_nothing(&client);
        assert_true(client.asked_to_close);
        client_vanish(&client);
        host_free(host);
    }
}

/* [MQTT-3.1.4-3], 3.1.1: [MQTT-3.1.4-2] */
static void a_client_that_connects_again_ends_its_older_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct client older, newer;
        struct host *host = begin_exchange(&older, both_versions[i / 2]);
        client_connect(&newer, host,
                       &(struct client_options){.version = both_versions[i % 2], .client_id = "a"});
        client_expect_closed(&older, MQTT_SESSION_TAKEN_OVER);
        assert_false(newer.asked_to_close);
        client_vanish(&older);
        end_exchange(host, &newer);
    }
}

/* [MQTT-3.1.3-5] */
static void short_identifiers_of_letters_and_digits_are_taken(void **state)
{
    (void)state;
    static const char *const ids[] = {"0", "abcdefghijklmnopqrstuvw", "xyzABCDEFGHIJKLMNOPQRST",
                                      "UVWXYZ0123456789abcdefg"};
    for (size_t i = 0; i < 2 * COUNT(ids); i++) {
        struct host *host = host_new();
        struct client client;
        client_connect(&client, host,
                       &(struct client_options){.version = both_versions[i % 2], .client_id = ids[i / 2]});
        end_exchange(host, &client);
    }
}

static struct span connect_without_id(struct client *client, struct host *host, char copy[64])
{
    client_begin(client, host, &(struct client_options){.version = V5, .client_id = "", .expiry_s = 60});
    struct mqtt_packet connack = client_expect(client, MQTT_CONNACK);
    struct span id;
    assert_int_equal(connack.reason, MQTT_SUCCESS);
    assert_true(mqtt_property_bytes(connack.properties, MQTT_ASSIGNED_CLIENT_IDENTIFIER, &id));
    assert_true(id.len > 0 && id.len < 64);
    memcpy(copy, id.data, id.len);
    copy[id.len] = '\0';
    return span_of(copy, id.len);
}

/* [MQTT-3.1.3-6] [MQTT-3.1.3-7]: it is as good as one that the client brought. */
static void an_assigned_identifier_names_the_session(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    char id[64];
    connect_without_id(&client, host, id);
    client_vanish(&client);
    assert_true(client_connect(
        &client, host, &(struct client_options){.version = V5, .client_id = id, .keep_session = true}));
    client_vanish(&client);
    client_connect(&client, host, &(struct client_options){.version = V5, .client_id = id});
    end_exchange(host, &client);
}

/* [MQTT-3.2.2-16]: though the same random number comes twice. */
static void an_assigned_identifier_is_nobody_elses(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client first, second;
    char ids[2][64];
    uint64_t random = host->random;
    connect_without_id(&first, host, ids[0]);
    host->random = random;
    connect_without_id(&second, host, ids[1]);
    assert_string_not_equal(ids[0], ids[1]);
    assert_false(first.asked_to_close);
    client_vanish(&first);
    end_exchange(host, &second);
}

/* [MQTT-3.1.2-22] [MQTT-3.2.2-22], 3.1.1: [MQTT-3.1.2-24] */
static void the_clients_own_keep_alive_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct host *host = host_new();
        struct client client;
        client_begin(
            &client, host,
            &(struct client_options){.version = both_versions[i], .client_id = "a", .keep_alive_s = 20});
        struct mqtt_packet connack = client_expect(&client, MQTT_CONNACK);
        assert_int_equal(mqtt_property_number(connack.properties, MQTT_SERVER_KEEP_ALIVE, 7), 7);
        host_advance(host, 29999);
        assert_false(client.asked_to_close);
        host_advance(host, 1);
        client_expect_closed(&client, MQTT_KEEP_ALIVE_TIMEOUT);
        end_exchange(host, &client);
    }
    struct client client; /* 0 turns it off; v5 is given one instead */
    struct host *host = begin_exchange(&client, V3);
    host_advance(host, 1000000);
    assert_false(client.asked_to_close);
    end_exchange(host, &client);
}

/* [MQTT-3.1.2-28]: Response Information is never returned, asked for or not. */
static void no_response_information_is_returned(void **state)
{
    (void)state;
    for (uint32_t wanted = 0; wanted < 2; wanted++) {
        struct host *host = host_new();
        struct client client;
        uint8_t bytes[4];
        struct writer block = writer_of(bytes, sizeof bytes);
        mqtt_write_number_property(&block, MQTT_REQUEST_RESPONSE_INFORMATION, wanted);
        client_open(&client, host, NULL);
        client.version = V5;
        client_send(&client,
                    &(struct mqtt_packet){.type = MQTT_CONNECT,
                                          .version = V5,
                                          .properties.bytes = writer_span(&block),
                                          .connect = {.client_id = SPAN_LITERAL("a"), .clean_start = true}});
        struct mqtt_packet connack = client_expect(&client, MQTT_CONNACK);
        struct span information;
        assert_int_equal(connack.reason, MQTT_SUCCESS);
        assert_false(mqtt_property_bytes(connack.properties, MQTT_RESPONSE_INFORMATION, &information));
        end_exchange(host, &client);
    }
}

/* [MQTT-3.2.2-9] [MQTT-3.2.2-10] [MQTT-3.2.2-12] [MQTT-3.2.2-13]: nothing is missing, so nothing is told. */
static void every_qos_and_retained_messages_are_supported(void **state)
{
    (void)state;
    static const enum mqtt_property told_if_missing[] = {
        MQTT_MAXIMUM_QOS, MQTT_RETAIN_AVAILABLE, MQTT_WILDCARD_SUBSCRIPTION_AVAILABLE,
        MQTT_SUBSCRIPTION_IDENTIFIER_AVAILABLE, MQTT_SHARED_SUBSCRIPTION_AVAILABLE};
    static const struct mqtt_will will = {.topic = SPAN_LITERAL("w"), .qos = 2, .retain = true};
    struct host *host = host_new();
    struct client client;
    client_begin(&client, host, &(struct client_options){.version = V5, .client_id = "a", .will = &will});
    struct mqtt_packet connack = client_expect(&client, MQTT_CONNACK);
    assert_int_equal(connack.reason, MQTT_SUCCESS);
    for (size_t i = 0; i < COUNT(told_if_missing); i++)
        assert_int_equal(mqtt_property_number(connack.properties, told_if_missing[i], 7), 7);
    for (uint8_t qos = 0; qos < 3; qos++)
        assert_int_equal(client_subscribe(&client, "t/+", qos), qos);
    uint16_t id = client_publish(&client, "other", "x", 2, true);
    client_expect_ack(&client, MQTT_PUBREC, id, MQTT_SUCCESS);
    end_exchange(host, &client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connect_that_does_not_conform_is_refused),
        cmocka_unit_test(a_second_connect_ends_the_connection),
        cmocka_unit_test(what_follows_a_refused_connect_is_not_processed),
        cmocka_unit_test(connack_comes_first_and_once),
        cmocka_unit_test(nothing_overtakes_a_connack_that_waits),
        cmocka_unit_test(session_present_is_the_one_flag_of_connack),
        cmocka_unit_test(a_refusal_tells_nothing_of_the_session_and_closes),
        cmocka_unit_test(a_client_that_connects_again_ends_its_older_connection),
        cmocka_unit_test(short_identifiers_of_letters_and_digits_are_taken),
        cmocka_unit_test(an_assigned_identifier_names_the_session),
        cmocka_unit_test(an_assigned_identifier_is_nobody_elses),
        cmocka_unit_test(the_clients_own_keep_alive_holds),
        cmocka_unit_test(no_response_information_is_returned),
        cmocka_unit_test(every_qos_and_retained_messages_are_supported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
