/* What waits for the disk, what a crash leaves, and what a failing disk does. */
#include "broker_host.h"

#include <stdio.h>

static const struct client_options durable = {
    .version = MQTT_5, .client_id = "d", .expiry_s = 600, .keep_session = true};
static const struct client_options publisher = {
    .version = MQTT_5, .client_id = "p", .expiry_s = 600, .keep_session = true};

/* A durable publisher and subscriber whose sessions and subscription are on disk; from here the test commits.
 */
static struct host *begin(struct client *from, struct client *to, uint8_t qos)
{
    struct host *host = host_new();
    client_connect(from, host, &publisher);
    client_connect(to, host, &durable);
    client_subscribe(to, "t", qos);
    host->manual_commit = true;
    return host;
}

static void end(struct host *host, struct client *from, struct client *to)
{
    if (from->channel)
        client_vanish(from);
    if (to->channel)
        client_vanish(to);
    host_free(host);
}

static void nothing_is_acknowledged_or_sent_before_it_is_durable(void **state)
{
    (void)state;
    for (uint8_t qos = 1; qos < 3; qos++) {
        struct client from, to;
        struct host *host = begin(&from, &to, qos);
        uint16_t id = client_publish(&from, "t", "x", qos, false);
        client_expect_nothing(&from);
        client_expect_nothing(&to);
        host_commit(host);
        client_expect_ack(&from, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, id, MQTT_SUCCESS);
        client_expect_publish(&to, "t", "x", qos);
        end(host, &from, &to);
    }
}

static void qos_2_waits_at_each_step(void **state)
{
    (void)state;
    struct client from, to;
    struct host *host = begin(&from, &to, 2);
    uint16_t id = client_publish(&from, "t", "x", 2, false);
    host_commit(host);
    client_expect_ack(&from, MQTT_PUBREC, id, MQTT_SUCCESS);
    client_ack(&from, MQTT_PUBREL, id);
    client_expect_nothing(&from);
    host_commit(host);
    client_expect_ack(&from, MQTT_PUBCOMP, id, MQTT_SUCCESS);

    uint16_t got = client_expect_publish(&to, "t", "x", 2).packet_id;
    client_ack(&to, MQTT_PUBREC, got);
    client_expect_nothing(&to);
    host_commit(host);
    client_expect_ack(&to, MQTT_PUBREL, got, MQTT_SUCCESS);
    client_ack(&to, MQTT_PUBCOMP, got);
    assert_int_equal(host_unfinished_count(host), 0);
    end(host, &from, &to);
}

static void acknowledgements_keep_their_order(void **state)
{
    (void)state;
    struct client from, to;
    struct host *host = begin(&from, &to, 1);
    struct access *access = access_new();
    access_allow(access, "anonymous", ACCESS_PUBLISH, "t");
    access_allow(access, "anonymous", ACCESS_SUBSCRIBE, "t");
    broker_set_access(host->broker, access);
    uint16_t first = client_publish(&from, "t", "1", 1, false);
    uint16_t second = client_publish(&from, "refused", "2", 1, false); /* needs no disk */
    uint16_t third = client_publish(&from, "t", "3", 2, false);
    client_expect_nothing(&from);
    host_commit(host);
    client_expect_ack(&from, MQTT_PUBACK, first, MQTT_SUCCESS);
    client_expect_ack(&from, MQTT_PUBACK, second, MQTT_NOT_AUTHORIZED);
    client_expect_ack(&from, MQTT_PUBREC, third, MQTT_SUCCESS);
    end(host, &from, &to);
}

static void an_acknowledgement_for_a_connection_that_is_gone_is_dropped(void **state)
{
    (void)state;
    struct client from, to;
    struct host *host = begin(&from, &to, 1);
    client_publish(&from, "t", "x", 1, false);
    client_vanish(&from);
    host_commit(host);
    client_expect_publish(&to, "t", "x", 1);
    assert_int_equal(broker_counters(host->broker)->unacknowledged, 0);
    end(host, &from, &to);
}

static void a_qos_2_repetition_waits_like_the_first(void **state)
{
    (void)state;
    struct client from, to;
    struct host *host = begin(&from, &to, 2);
    client_publish(&from, "t", "x", 2, false);
    client_vanish(&from);
    client_connect(&from, host, &publisher);
    client_publish(&from, "t", "x", 2, false); /* the same Packet Identifier */
    client_expect_nothing(&from);
    host_commit(host);
    client_expect_ack(&from, MQTT_PUBREC, 1, MQTT_SUCCESS);
    client_expect_publish(&to, "t", "x", 2);
    client_expect_nothing(&to);
    end(host, &from, &to);
}

/* Were the second PUBCOMP sooner, a crash could leave the Packet Identifier held, and the next message under
 * it would pass for a repetition. */
static void a_repeated_pubrel_waits_like_the_first(void **state)
{
    (void)state;
    struct client from, to;
    struct host *host = begin(&from, &to, 2);
    uint16_t id = client_publish(&from, "t", "x", 2, false);
    host_commit(host);
    client_expect_ack(&from, MQTT_PUBREC, id, MQTT_SUCCESS);
    client_ack(&from, MQTT_PUBREL, id);
    client_vanish(&from);
    client_connect(&from, host, &publisher);
    client_ack(&from, MQTT_PUBREL, id);
    client_expect_nothing(&from);
    host_commit(host);
    client_expect_ack(&from, MQTT_PUBCOMP, id, MQTT_PACKET_IDENTIFIER_NOT_FOUND);
    end(host, &from, &to);
}

static void a_durable_session_gets_what_was_published_while_it_was_away(void **state)
{
    (void)state;
    struct client from, to;
    struct host *host = begin(&from, &to, 2);
    host->manual_commit = false;
    client_disconnect(&to);
    char text[8];
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof text, "%d", i);
        client_publish(&from, "t", text, (uint8_t)(i % 3), false);
    }
    assert_true(client_connect(&to, host, &durable));
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof text, "%d", i);
        if (i % 3 != 0) /* QoS 0 is for those who are there */
            assert_false(client_expect_publish(&to, "t", text, (uint8_t)(i % 3)).publish.dup);
    }
    client_expect_nothing(&to);
    end(host, &from, &to);
}

static void what_exceeds_memory_is_read_back_in_order(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.queue_memory_bytes = 1000;
    host_restart_with_config(host);
    struct client from, to;
    client_connect(&from, host, &publisher);
    client_connect(&to, host, &durable);
    client_subscribe(&to, "t", 1);
    client_disconnect(&to);
    char text[8];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "%d", i);
        client_publish(&from, "t", text, 1, false);
    }
    assert_int_equal(host->load_count, 0);
    client_connect(&to, host, &durable);
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "%d", i);
        client_ack(&to, MQTT_PUBACK, client_expect_publish(&to, "t", text, 1).packet_id);
    }
    assert_true(host->load_count > 80 && host->load_count < 100);
    end(host, &from, &to);
}

static void a_reconnected_client_gets_the_unfinished_again(void **state)
{
    (void)state;
    struct client from, to;
    struct host *host = begin(&from, &to, 2);
    host->manual_commit = false;
    for (uint8_t i = 0; i < 4; i++)
        client_publish(&from, "t", "x", (uint8_t)(1 + i % 2), false);
    uint16_t ids[4];
    for (uint8_t i = 0; i < 4; i++)
        ids[i] = client_expect_publish(&to, "t", "x", (uint8_t)(1 + i % 2)).packet_id;
    client_ack(&to, MQTT_PUBACK, ids[2]); /* finished, but the one before it is not */
    client_ack(&to, MQTT_PUBREC, ids[1]);
    client_expect_ack(&to, MQTT_PUBREL, ids[1], MQTT_SUCCESS);
    client_vanish(&to);
    client_connect(&to, host, &durable);
    struct mqtt_packet packet = client_expect_publish(&to, "t", "x", 1);
    assert_true(packet.publish.dup && packet.packet_id == ids[0]);
    client_expect_ack(&to, MQTT_PUBREL, ids[1], MQTT_SUCCESS);
    packet = client_expect_publish(&to, "t", "x", 2);
    assert_true(packet.publish.dup && packet.packet_id == ids[3]);
    client_expect_nothing(&to);
    end(host, &from, &to);
}

/* ---- Crashes ---- */

static void a_crash_before_the_commit_leaves_nothing(void **state)
{
    (void)state;
    for (uint8_t qos = 1; qos < 3; qos++) {
        struct client from, to;
        struct host *host = begin(&from, &to, 2);
        client_publish(&from, "t", "x", qos, false);
        client_expect_nothing(&from);
        client_vanish(&from);
        client_vanish(&to);
        host_crash(host);
        assert_true(client_connect(&from, host, &publisher));
        assert_true(client_connect(&to, host, &durable));
        client_expect_nothing(&to);
        client_publish(&from, "t", "x", qos, false); /* it was not acknowledged, so it comes again */
        host_commit(host);
        client_expect(&from, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC);
        client_expect_publish(&to, "t", "x", qos);
        client_expect_nothing(&to);
        end(host, &from, &to);
    }
}

/* HOSTILE 48: whatever the moment of the crash, QoS 2 arrives once. The publisher and the subscriber do as
 * the standard says: repeat PUBLISH or PUBREL until it is answered, keep Packet Identifiers until PUBREL. */
struct exactly_once {
    struct host *host;
    struct client from, to;
    enum { SENDING, RELEASING, FINISHED } sender;
    bool held[65536]; /* the receiver's */
    int received_count;
    int steps_left; /* to the crash */
};

static void receive(struct exactly_once *test)
{
    struct mqtt_packet packet;
    while (client_next(&test->to, &packet)) {
        uint16_t id = packet.packet_id;
        if (packet.type == MQTT_PUBLISH) {
            test->received_count += !test->held[id];
            test->held[id] = true;
            client_ack(&test->to, MQTT_PUBREC, id);
        } else if (packet.type == MQTT_PUBREL) {
            test->held[id] = false;
            client_ack(&test->to, MQTT_PUBCOMP, id);
        }
    }
    while (client_next(&test->from, &packet)) {
        if (packet.type == MQTT_PUBREC && test->sender == SENDING) {
            test->sender = RELEASING;
            client_ack(&test->from, MQTT_PUBREL, 1);
        } else if (packet.type == MQTT_PUBCOMP) {
            test->sender = FINISHED;
        }
    }
}

static void connect_both(struct exactly_once *test)
{
    bool manual = test->host->manual_commit;
    test->host->manual_commit = false;
    client_connect(&test->from, test->host, &publisher);
    client_connect(&test->to, test->host, &durable);
    if (!broker_counters(test->host->broker)->subscriptions)
        client_subscribe(&test->to, "t", 2);
    test->host->manual_commit = manual;
    test->from.next_packet_id = 0;
    if (test->sender == SENDING)
        client_publish(&test->from, "t", "x", 2, false);
    else if (test->sender == RELEASING)
        client_ack(&test->from, MQTT_PUBREL, 1);
}

static void qos_2_arrives_once_whenever_the_crash_comes(void **state)
{
    (void)state;
    for (int crash_at = 0; crash_at < 10; crash_at++) {
        static struct exactly_once test;
        test = (struct exactly_once){.host = host_new()};
        test.host->manual_commit = true;
        connect_both(&test);
        for (int step = 0; step < 30; step++) {
            if (step == crash_at) {
                client_vanish(&test.from);
                client_vanish(&test.to);
                host_crash(test.host);
                connect_both(&test);
            }
            if (step % 2)
                host_commit(test.host);
            else
                receive(&test);
        }
        assert_int_equal(test.sender, FINISHED);
        if (test.received_count != 1)
            fail_msg("crash at step %d: received %d times", crash_at, test.received_count);
        assert_int_equal(host_unfinished_count(test.host), 0);
        end(test.host, &test.from, &test.to);
    }
}

static void restored_messages_keep_packet_ids_and_identifiers(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client from, to;
    client_connect(&from, host, &publisher);
    client_connect(&to, host, &durable);
    client_subscribe_with(&to, &(struct mqtt_filter){.filter = SPAN_LITERAL("t/#"), .qos = 1}, 77);
    uint16_t ids[3];
    for (int i = 0; i < 3; i++) {
        client_publish(&from, "t/x", "x", 1, false);
        ids[i] = client_expect_publish(&to, "t/x", "x", 1).packet_id;
    }
    client_ack(&to, MQTT_PUBACK, ids[1]);
    client_vanish(&from);
    client_vanish(&to);
    host_crash(host);
    assert_int_equal(broker_counters(host->broker)->queued, 3); /* the middle one holds its place */
    client_connect(&to, host, &durable);
    for (int i = 0; i < 3; i += 2) {
        struct mqtt_packet packet = client_expect_publish(&to, "t/x", "x", 1);
        assert_true(packet.publish.dup);
        assert_int_equal(packet.packet_id, ids[i]);
        assert_int_equal(mqtt_property_number(packet.properties, MQTT_SUBSCRIPTION_IDENTIFIER, 0), 77);
    }
    client_ack(&to, MQTT_PUBACK, ids[0]);
    client_ack(&to, MQTT_PUBACK, ids[2]);
    assert_int_equal(broker_counters(host->broker)->queued, 0);
    client_expect_nothing(&to);
    client_vanish(&to);
    host_free(host);
}

static void damaged_records_are_refused(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct identity nobody = {.kind = IDENTITY_ANONYMOUS};
    struct broker_session session = {SPAN_EMPTY, &nobody, 60, 0};
    assert_int_equal(broker_restore_session(host->broker, &session, host->now_ms), SLUICE_INVALID);
    session.client_id = SPAN_LITERAL("a");
    assert_int_equal(broker_restore_session(host->broker, &session, host->now_ms), SLUICE_OK);
    assert_int_equal(broker_restore_session(host->broker, &session, host->now_ms), SLUICE_EXISTS);
    static const struct {
        const char *filter;
        enum sluice_error error;
    } filters[] = {{"a/#/b", SLUICE_INVALID},
                   {"$share/g", SLUICE_INVALID},
                   {"", SLUICE_INVALID},
                   {"1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", SLUICE_INVALID},
                   {"$share/g/t", SLUICE_OK}};
    for (size_t i = 0; i < 5; i++) {
        struct broker_subscription subscription = {.client_id = session.client_id,
                                                   .filter = span_from_string(filters[i].filter)};
        assert_int_equal(broker_restore_subscription(host->broker, &subscription), filters[i].error);
    }
    struct broker_target target = {.queue = 1, .ordinal = 5, .qos = 1};
    assert_int_equal(broker_restore_entry(host->broker, &target, false, 1, 10), SLUICE_NOT_FOUND);
    assert_int_equal(broker_restore_queue(host->broker, SPAN_LITERAL("b"), 1, 10), SLUICE_NOT_FOUND);
    assert_int_equal(broker_restore_queue(host->broker, SPAN_LITERAL("a"), 1, 10), SLUICE_OK);
    assert_int_equal(broker_restore_entry(host->broker, &target, false, 1, 10), SLUICE_OK);
    assert_int_equal(broker_restore_entry(host->broker, &target, false, 1, 10), SLUICE_INVALID);
    target.qos = 3;
    assert_int_equal(broker_restore_entry(host->broker, &target, false, 1, 10), SLUICE_INVALID);
    assert_int_equal(broker_restore_packet_id(host->broker, 1, 0), SLUICE_INVALID);
    assert_int_equal(broker_restore_packet_id(host->broker, 1, 9), SLUICE_OK);
    assert_int_equal(broker_restore_packet_id(host->broker, 1, 9), SLUICE_INVALID);
    host_free(host);
}

/* HOSTILE 38, 39: the rules changed while the gateway was down. */
static void what_is_not_allowed_any_more_is_not_restored(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct access *access = access_new();
    access_allow(access, "anonymous", ACCESS_PUBLISH, "b");
    access_allow(access, "anonymous", ACCESS_SUBSCRIBE, "b");
    broker_set_access(host->broker, access);
    struct identity nobody = {.kind = IDENTITY_ANONYMOUS};
    struct broker_session session = {SPAN_LITERAL("a"), &nobody, 60, 0};
    assert_int_equal(broker_restore_session(host->broker, &session, host->now_ms), SLUICE_OK);
    static const char *const topics[] = {"a", "b"};
    for (size_t i = 0; i < 2; i++) {
        struct span topic = span_from_string(topics[i]);
        enum sluice_error wanted = i == 0 ? SLUICE_DENIED : SLUICE_OK;
        struct broker_subscription subscription = {.client_id = session.client_id, .filter = topic};
        struct message message = {.topic = topic, .payload = SPAN_LITERAL("x")};
        assert_int_equal(broker_restore_subscription(host->broker, &subscription), wanted);
        assert_int_equal(broker_restore_retained(host->broker, &message), wanted);
    }
    assert_int_equal(host_dropped(host, BROKER_DROP_NOT_ALLOWED), 1);
    host_free(host);
}

/* ---- Trouble ---- */

static void a_dead_disk_is_told_or_held_back(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client v5, v3;
    client_connect(&v5, host, &publisher);
    client_connect(&v3, host, &(struct client_options){.client_id = "v3"});
    host->store_answer = SLUICE_IO;
    for (uint8_t qos = 0; qos < 3; qos++) {
        uint16_t id = client_publish(&v5, "t", "x", qos, false);
        if (qos > 0)
            client_expect_ack(&v5, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, id, MQTT_QUOTA_EXCEEDED);
    }
    assert_int_equal(host_dropped(host, BROKER_DROP_NOT_STORED), 3);
    uint16_t id = client_publish(&v3, "t", "x", 1, false);
    client_expect_nothing(&v3);
    assert_true(v3.paused);
    host->store_answer = SLUICE_OK;
    broker_resume(host->broker);
    client_give(&v3, SPAN_EMPTY);
    client_expect_ack(&v3, MQTT_PUBACK, id, MQTT_SUCCESS);
    client_vanish(&v5);
    client_vanish(&v3);
    host_free(host);
}

/* Waiting would not help: it would be tried again with every commit, for ever. */
static void what_can_never_be_stored_is_not_held_back(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client v5, v3;
    client_connect(&v5, host, &publisher);
    client_connect(&v3, host, &(struct client_options){.client_id = "v3"});
    host->store_answer = SLUICE_TOO_LARGE;
    uint16_t id = client_publish(&v5, "t", "x", 1, false);
    client_expect_ack(&v5, MQTT_PUBACK, id, MQTT_IMPLEMENTATION_SPECIFIC_ERROR);
    client_publish(&v3, "t", "x", 1, false);
    client_expect_closed(&v3, MQTT_SUCCESS);
    assert_int_equal(host_dropped(host, BROKER_DROP_NOT_STORED), 2);
    client_vanish(&v5);
    client_vanish(&v3);
    host_free(host);
}

static void waiting_acknowledgements_are_bounded(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.unacknowledged_count = 10;
    host_restart_with_config(host);
    struct client from;
    client_connect(&from, host, &(struct client_options){.client_id = "v3"});
    host->manual_commit = true;
    for (int i = 0; i < 25; i++)
        client_publish(&from, "t", "x", 1, false);
    assert_int_equal(broker_counters(host->broker)->unacknowledged, 10);
    uint16_t next = 1;
    for (int round = 0; round < 3; round++) {
        host_commit(host);
        struct mqtt_packet packet;
        while (client_next(&from, &packet))
            assert_int_equal(packet.packet_id, next++);
        client_give(&from, SPAN_EMPTY);
    }
    assert_int_equal(next, 26);
    client_vanish(&from);
    host_free(host);
}

/* A state that cannot be written, or not so fast, does not fill the memory. */
static void what_is_for_a_full_state_is_held_back(void **state)
{
    (void)state;
    static const struct mqtt_will will = {.topic = SPAN_LITERAL("w"), .payload = SPAN_LITERAL("x")};
    static const struct {
        struct client_options options;
        bool held;
    } rows[] = {
        {{.version = MQTT_5, .client_id = "a", .expiry_s = 60}, true},
        {{.version = MQTT_5, .client_id = "a", .will = &will}, true},
        {{.version = MQTT_5, .client_id = "a", .keep_session = true}, false},
        {{.version = MQTT_3_1_1, .client_id = "a", .keep_session = true}, true},
        {{.version = MQTT_3_1_1, .client_id = "a"}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct host *host = host_new();
        struct client client;
        host->state_is_full = true;
        client_begin(&client, host, &rows[i].options);
        assert_int_equal(client.paused, rows[i].held);
        uint64_t ticket = host->ticket;
        if (!rows[i].held) {
            client_expect(&client, MQTT_CONNACK);
            uint8_t filter[] = {0x82, 6, 0, 1, 0, 1, 't', 0}, v5[] = {0x82, 7, 0, 1, 0, 0, 1, 't', 0};
            client_give(&client,
                        client.version == MQTT_5 ? span_of(v5, sizeof v5) : span_of(filter, sizeof filter));
            assert_true(client.paused);
        }
        assert_int_equal(host->ticket, ticket);
        host->state_is_full = false;
        broker_resume(host->broker);
        client_give(&client, SPAN_EMPTY);
        client_expect(&client, rows[i].held ? MQTT_CONNACK : MQTT_SUBACK);
        client_vanish(&client);
        host_free(host);
    }
}

static void an_unreadable_message_does_not_stop_the_queue(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.queue_memory_bytes = 0;
    host_restart_with_config(host);
    struct client from, to;
    client_connect(&from, host, &publisher);
    client_connect(&to, host, &durable);
    client_subscribe(&to, "t", 1);
    client_vanish(&to);
    client_publish(&from, "t", "1", 1, false);
    client_publish(&from, "t", "2", 1, false);
    host->failing_loads = 1;
    client_connect(&to, host, &durable);
    client_expect_publish(&to, "t", "2", 1);
    assert_int_equal(host_dropped(host, BROKER_DROP_UNREADABLE), 1);
    assert_int_equal(host_unfinished_count(host), 1);
    end(host, &from, &to);
}

static void promises_wait_for_the_state(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->manual_commit = true;
    struct client client, transient;
    client_begin(&client, host, &durable);
    client_expect_nothing(&client);
    assert_true(client.paused);
    host_commit(host);
    client_expect(&client, MQTT_CONNACK);
    assert_false(client.paused);
    uint8_t bytes[16];
    struct writer list = writer_of(bytes, sizeof bytes);
    mqtt_write_filter(&list, MQTT_SUBSCRIBE, &(struct mqtt_filter){.filter = SPAN_LITERAL("t")});
    struct mqtt_packet packet = {
        .type = MQTT_SUBSCRIBE, .version = MQTT_5, .packet_id = 5, .filters.list = writer_span(&list)};
    client_send(&client, &packet);
    client_expect_nothing(&client);
    host_commit(host);
    assert_int_equal(client_expect(&client, MQTT_SUBACK).packet_id, 5);
    client_connect(&transient, host, &(struct client_options){.client_id = "t"}); /* is promised nothing */
    client_subscribe(&transient, "t", 1);
    client_vanish(&transient);
    client_begin(&transient, host, &publisher);
    client_vanish(&transient); /* before its CONNACK */
    host_commit(host);
    client_vanish(&client);
    host_free(host);
}

static void a_session_that_ends_takes_its_queue_along(void **state)
{
    (void)state;
    struct client from, to;
    struct host *host = begin(&from, &to, 1);
    host->manual_commit = false;
    client_vanish(&to);
    client_publish(&from, "t", "1", 1, false);
    client_publish(&from, "t", "2", 1, false);
    struct client_options clean = durable;
    clean.keep_session = false;
    assert_false(client_connect(&to, host, &clean));
    client_expect_nothing(&to);
    assert_int_equal(host_unfinished_count(host), 0);
    assert_int_equal(host_dropped(host, BROKER_DROP_SESSION_ENDED), 2);
    assert_int_equal(broker_counters(host->broker)->queued, 0);
    end(host, &from, &to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_acknowledged_or_sent_before_it_is_durable),
        cmocka_unit_test(qos_2_waits_at_each_step),
        cmocka_unit_test(acknowledgements_keep_their_order),
        cmocka_unit_test(an_acknowledgement_for_a_connection_that_is_gone_is_dropped),
        cmocka_unit_test(a_qos_2_repetition_waits_like_the_first),
        cmocka_unit_test(a_repeated_pubrel_waits_like_the_first),
        cmocka_unit_test(a_durable_session_gets_what_was_published_while_it_was_away),
        cmocka_unit_test(what_exceeds_memory_is_read_back_in_order),
        cmocka_unit_test(a_reconnected_client_gets_the_unfinished_again),
        cmocka_unit_test(a_crash_before_the_commit_leaves_nothing),
        cmocka_unit_test(qos_2_arrives_once_whenever_the_crash_comes),
        cmocka_unit_test(restored_messages_keep_packet_ids_and_identifiers),
        cmocka_unit_test(damaged_records_are_refused),
        cmocka_unit_test(what_is_not_allowed_any_more_is_not_restored),
        cmocka_unit_test(a_dead_disk_is_told_or_held_back),
        cmocka_unit_test(what_can_never_be_stored_is_not_held_back),
        cmocka_unit_test(waiting_acknowledgements_are_bounded),
        cmocka_unit_test(what_is_for_a_full_state_is_held_back),
        cmocka_unit_test(an_unreadable_message_does_not_stop_the_queue),
        cmocka_unit_test(promises_wait_for_the_state),
        cmocka_unit_test(a_session_that_ends_takes_its_queue_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
