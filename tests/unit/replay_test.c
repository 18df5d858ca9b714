/* The retained messages that a new subscription gets: all of them, as fast as the client takes them. */
#include "broker_host.h"

#include <stdio.h>
#include <stdlib.h>

enum { TOPICS = 5000, PAYLOAD_BYTES = 200 };

static struct host *begin(struct client *from, size_t topics, uint8_t qos)
{
    static char payload[PAYLOAD_BYTES + 1];
    memset(payload, 'x', PAYLOAD_BYTES);
    struct host *host = host_new();
    host->keeps_no_retained = true;
    host->config.output_bytes = 20000;
    host_restart_with_config(host);
    client_connect(from, host, &(struct client_options){.version = MQTT_5, .client_id = "from"});
    for (size_t i = 0; i < topics; i++) {
        char topic[32];
        snprintf(topic, sizeof topic, "r/%zu/v", i);
        struct message view = {.qos = qos,
                               .retain = true,
                               .topic = span_from_string(topic),
                               .payload = span_from_string(payload)};
        assert_int_equal(broker_publish(host->broker, &view), SLUICE_OK);
        host->durable_seq = host->seq;
    }
    return host;
}

static void connect_reader(struct client *client, struct host *host, uint32_t expiry_s)
{
    client_connect(client, host,
                   &(struct client_options){
                       .version = MQTT_5, .client_id = "to", .expiry_s = expiry_s, .keep_session = true});
}

/* Takes what is there, marks which topics came, and lets more come; false: there is no more. */
static bool take(struct client *client, uint8_t *seen)
{
    struct mqtt_packet packet;
    while (client_next(client, &packet)) {
        char topic[32];
        size_t number;
        assert_int_equal(packet.type, MQTT_PUBLISH);
        assert_true(packet.publish.retain);
        snprintf(topic, sizeof topic, "%.*s", (int)packet.publish.topic.len,
                 (const char *)packet.publish.topic.data);
        assert_int_equal(sscanf(topic, "r/%zu/v", &number), 1);
        seen[number]++;
        if (packet.publish.qos > 0)
            client_ack(client, MQTT_PUBACK, packet.packet_id);
    }
    channel_drained(client->channel);
    client_give(client, SPAN_EMPTY); /* what it was too slow for to be read */
    host_advance(client->host, 1);
    host_commit(client->host);
    return buffer_len(&client->out) > client->shown_bytes ||
           broker_next_deadline(client->host->broker) <= client->host->now_ms + 1;
}

static void expect_each_once(const uint8_t *seen, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        if (seen[i] != 1)
            fail_msg("r/%zu/v came %d times", i, seen[i]);
    }
}

static void end(struct host *host, struct client *from, struct client *to)
{
    client_vanish(from);
    if (to->channel)
        client_vanish(to);
    host_free(host);
}

static void a_slow_client_gets_all_of_them(void **state)
{
    (void)state;
    for (uint8_t qos = 0; qos < 2; qos++) {
        for (uint32_t expiry_s = 0; expiry_s < 120; expiry_s += 60) {
            struct client from, to;
            uint8_t seen[TOPICS] = {0};
            struct host *host = begin(&from, qos && expiry_s ? HOST_ENTRIES_MAX - 96 : TOPICS, qos);
            connect_reader(&to, host, expiry_s);
            client_subscribe(&to, "r/+/v", qos);
            while (take(&to, seen))
                ;
            expect_each_once(seen, 0, broker_counters(host->broker)->retained);
            assert_int_equal(host_dropped(host, BROKER_DROP_TOO_SLOW), 0);
            end(host, &from, &to);
        }
    }
}

/* What the broker holds for a client that does not read does not grow with what it subscribes to. */
static void a_client_that_does_not_read_gets_no_more_than_it_may_leave_unsent(void **state)
{
    (void)state;
    struct client from, to;
    struct host *host = begin(&from, TOPICS, 0);
    connect_reader(&to, host, 0);
    client_subscribe(&to, "#", 0);
    host_advance(host, 1000);
    assert_true(buffer_len(&to.out) < host->config.output_bytes + 2 * PAYLOAD_BYTES);
    assert_int_equal(host_dropped(host, BROKER_DROP_TOO_SLOW), 0);
    end(host, &from, &to);
}

static void what_changes_meanwhile_is_sent_as_it_is_then(void **state)
{
    (void)state;
    struct client from, to;
    uint8_t seen[TOPICS] = {0};
    struct host *host = begin(&from, TOPICS, 0);
    connect_reader(&to, host, 0);
    client_subscribe(&to, "r/+/v", 0);
    take(&to, seen);
    for (size_t i = 0; i < TOPICS; i += 2) { /* not sent to `to`, who is too slow for what is published */
        char topic[32];
        snprintf(topic, sizeof topic, "r/%zu/v", i);
        client_publish(&from, topic, "", 0, true);
    }
    uint64_t dropped = host_dropped(host, BROKER_DROP_TOO_SLOW);
    struct mqtt_packet packet;
    while (client_next(&to, &packet)) { /* removals are messages too, without RETAIN */
        if (packet.publish.retain)
            seen[strtoul((const char *)packet.publish.topic.data + 2, NULL, 10)]++;
    }
    channel_drained(to.channel);
    while (take(&to, seen))
        ;
    for (size_t i = 1; i < TOPICS; i += 2)
        expect_each_once(seen, i, i + 1);
    size_t removed_unseen = 0;
    for (size_t i = 0; i < TOPICS; i += 2)
        removed_unseen += seen[i] == 0;
    assert_true(removed_unseen > TOPICS / 4);
    assert_int_equal(host_dropped(host, BROKER_DROP_TOO_SLOW), dropped);
    end(host, &from, &to);
}

static void a_durable_session_gets_the_rest_when_it_comes_back(void **state)
{
    (void)state;
    struct client from, to;
    uint8_t seen[TOPICS] = {0};
    size_t topics = HOST_ENTRIES_MAX - 96;
    struct host *host = begin(&from, topics, 1);
    connect_reader(&to, host, 600);
    client_subscribe(&to, "r/#", 1);
    client_vanish(&to);
    host_advance(host, 1000);
    assert_int_equal(host_unfinished_count(host), topics);
    connect_reader(&to, host, 600);
    host_commit(host);
    while (take(&to, seen))
        ;
    expect_each_once(seen, 0, topics);
    end(host, &from, &to);
}

static void a_full_journal_holds_them_back(void **state)
{
    (void)state;
    struct client from, to;
    uint8_t seen[TOPICS] = {0};
    struct host *host = begin(&from, 100, 1);
    connect_reader(&to, host, 600);
    host->store_answer = SLUICE_FULL;
    client_subscribe(&to, "r/#", 1);
    host_advance(host, 1000);
    client_expect_nothing(&to);
    host->store_answer = SLUICE_OK;
    while (take(&to, seen))
        ;
    expect_each_once(seen, 0, 100);
    assert_int_equal(host_dropped(host, BROKER_DROP_NOT_STORED), 0);
    end(host, &from, &to);
}

/* However many there are that a filter does not match, a SUBSCRIBE looks at few of them at once. */
static void a_filter_that_matches_little_is_walked_in_steps(void **state)
{
    (void)state;
    struct client from, to;
    struct host *host = begin(&from, TOPICS, 0);
    struct message view = {.retain = true, .topic = SPAN_LITERAL("r/7/w"), .payload = SPAN_LITERAL("x")};
    assert_int_equal(broker_publish(host->broker, &view), SLUICE_OK);
    connect_reader(&to, host, 0);
    for (int i = 0; i < 3; i++) {
        static const char *const filters[] = {"+/+/w", "r/+/w", "r/+/none"};
        client_subscribe(&to, filters[i], 0);
        assert_true(broker_next_deadline(host->broker) <= host->now_ms); /* there is more to do, soon */
    }
    assert_int_equal(client_unsubscribe(&to, "+/+/w"),
                     MQTT_SUCCESS); /* the first ends; the next has its turn */
    host_advance(host, 100);
    client_expect_publish(&to, "r/7/w", "x", 0);
    client_expect_nothing(&to);
    assert_true(broker_next_deadline(host->broker) > host->now_ms + 1000);
    end(host, &from, &to);
}

/* As many as may be, each of them short. */
static void the_filters_of_one_subscribe_share_the_steps(void **state)
{
    (void)state;
    enum { FILTERS = 8, FEW_TOPICS = 900 };
    struct client from, to;
    struct host *host = begin(&from, FEW_TOPICS, 0);
    connect_reader(&to, host, 0);
    uint8_t bytes[128];
    struct writer out = writer_of(bytes, sizeof bytes);
    write_u8(&out, MQTT_SUBSCRIBE << 4 | 2);
    write_u8(&out, 3 + FILTERS * 8);
    write_u16(&out, 1);
    write_u8(&out, 0);
    for (int i = 0; i < FILTERS; i++) {
        write_u16(&out, 5);
        write_bytes(&out, SPAN_LITERAL("r/+/"));
        write_u8(&out, (uint8_t)('a' + i));
        write_u8(&out, 0);
    }
    client_give(&to, writer_span(&out));
    client_expect(&to, MQTT_SUBACK);
    for (int i = 0; i < 4; i++) {
        assert_true(broker_next_deadline(host->broker) <= host->now_ms + 1);
        host_advance(host, 1);
    }
    host_advance(host, 100);
    assert_true(broker_next_deadline(host->broker) > host->now_ms + 1000);
    end(host, &from, &to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_client_gets_all_of_them),
        cmocka_unit_test(a_client_that_does_not_read_gets_no_more_than_it_may_leave_unsent),
        cmocka_unit_test(what_changes_meanwhile_is_sent_as_it_is_then),
        cmocka_unit_test(a_durable_session_gets_the_rest_when_it_comes_back),
        cmocka_unit_test(a_full_journal_holds_them_back),
        cmocka_unit_test(a_filter_that_matches_little_is_walked_in_steps),
        cmocka_unit_test(the_filters_of_one_subscribe_share_the_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
