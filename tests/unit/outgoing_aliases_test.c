/* Topic Aliases towards a client: which names get one, and what that is worth. */
#include "broker_host.h"

#include "broker/outgoing_aliases.h"

#include <stdio.h>

/* The Topic Name and the alias that a PUBLISH of this topic takes, in bytes; without any it is the name. */
static size_t cost_of(struct outgoing_aliases *aliases, const char *topic)
{
    bool is_new = false;
    struct span name = span_from_string(topic);
    uint16_t alias = outgoing_aliases_use(aliases, name, name.data[name.len - 1], &is_new);
    return (alias && !is_new ? 0 : name.len) + (alias ? 3 : 0);
}

/* Rounds over so many topics of 30 bytes each, with 16 aliases. */
static size_t cost_of_rounds(size_t topics, size_t rounds)
{
    struct outgoing_aliases *aliases = outgoing_aliases_new(16);
    size_t cost = 0;
    for (size_t i = 0; i < rounds * topics; i++) {
        char topic[64];
        snprintf(topic, sizeof topic, "plant/hall-2/machine-%09zu", i % topics);
        cost += cost_of(aliases, topic);
    }
    outgoing_aliases_free(aliases);
    return cost;
}

static void names_in_use_keep_their_aliases(void **state)
{
    (void)state;
    static const struct {
        size_t topics, percent_at_most; /* of the bytes of their names */
    } rows[] = {{1, 11}, {16, 11}, {17, 17}, {24, 41}, {32, 56}, {64, 79}, {250, 95}, {1000, 101}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t whole = rows[i].topics * 100 * 30;
        size_t percent = cost_of_rounds(rows[i].topics, 100) * 100 / whole;
        print_message("%zu topics: %zu %% of the bytes of their names\n", rows[i].topics, percent);
        assert_true(percent <= rows[i].percent_at_most);
    }
}

static void a_name_that_is_used_no_more_gives_its_alias_up(void **state)
{
    (void)state;
    struct outgoing_aliases *aliases = outgoing_aliases_new(2);
    for (int i = 0; i < 100; i++) {
        cost_of(aliases, "topic/a");
        cost_of(aliases, "topic/b");
    }
    size_t cost = 0;
    for (int i = 0; i < 100; i++)
        cost += cost_of(aliases, "topic/c");
    assert_true(cost < 100 * 7 * 6 / 10);
    outgoing_aliases_free(aliases);
}

static void a_name_must_be_worth_it(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        bool aliased;
    } rows[] = {{1, false}, {3, false}, {4, true}, {255, true}, {256, false}, {60000, false}};
    static char name[60001];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct outgoing_aliases *aliases = outgoing_aliases_new(1);
        memset(name, 'a', rows[i].len);
        name[rows[i].len] = '\0';
        cost_of(aliases, name);
        assert_int_equal(cost_of(aliases, name), rows[i].aliased ? 3 : rows[i].len);
        outgoing_aliases_free(aliases);
    }
}

static void names_of_one_hash_are_told_apart(void **state)
{
    (void)state;
    struct outgoing_aliases *aliases = outgoing_aliases_new(2);
    bool is_new = false;
    assert_int_equal(outgoing_aliases_use(aliases, SPAN_LITERAL("topic/a"), 7, &is_new), 1);
    assert_int_equal(outgoing_aliases_use(aliases, SPAN_LITERAL("topic/b"), 7, &is_new), 2);
    assert_true(is_new);
    assert_int_equal(outgoing_aliases_use(aliases, SPAN_LITERAL("topic/a"), 7, &is_new), 1);
    assert_false(is_new);
    outgoing_aliases_free(aliases);
}

static void connect_with_aliases(struct client *client, struct host *host, const char *name,
                                 uint32_t packet_bytes)
{
    uint8_t bytes[16];
    struct writer block = writer_of(bytes, sizeof bytes);
    mqtt_write_number_property(&block, MQTT_TOPIC_ALIAS_MAXIMUM, 4);
    mqtt_write_number_property(&block, MQTT_MAXIMUM_PACKET_SIZE, packet_bytes);
    client_open(client, host, NULL);
    client->version = MQTT_5;
    client_send(client, &(struct mqtt_packet){.type = MQTT_CONNECT,
                                              .version = MQTT_5,
                                              .properties.bytes = writer_span(&block),
                                              .connect.client_id = span_from_string(name)});
    client_expect(client, MQTT_CONNACK);
}

/* One that fits only without its alias is sent so, and the next that is smaller sets the alias. */
static void an_alias_keeps_no_message_from_its_client(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    connect_with_aliases(&client, host, "a", 100);
    client_subscribe(&client, "#", 0);
    char payload[128];
    memset(payload, 'x', sizeof payload);
    payload[88] = '\0'; /* with 2 of header, 7 of topic, 1 of properties and 2 of its length: 100 */
    client_publish(&client, "topic/a", payload, 0, false);
    struct mqtt_packet packet = client_expect_publish(&client, "topic/a", payload, 0);
    assert_int_equal(mqtt_property_number(packet.properties, MQTT_TOPIC_ALIAS, 0), 0);
    client_publish(&client, "topic/a", "x", 0, false);
    packet = client_expect_publish(&client, "topic/a", "x", 0);
    uint32_t alias = mqtt_property_number(packet.properties, MQTT_TOPIC_ALIAS, 0);
    assert_in_range(alias, 1, 4);
    payload[88] = 'x';
    payload[92] = '\0'; /* and now it fits only with it: 7 less of topic, 3 more of alias */
    client_publish(&client, "topic/a", payload, 0, false);
    packet = client_expect_publish(&client, "", payload, 0);
    assert_int_equal(mqtt_property_number(packet.properties, MQTT_TOPIC_ALIAS, 0), alias);
    assert_int_equal(host_dropped(host, BROKER_DROP_PACKET_TOO_BIG), 0);
    client_vanish(&client);
    host_free(host);
}

/* What is encoded once for many is not what is encoded with one client's alias. */
static void subscribers_with_and_without_aliases_get_the_same_messages(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client clients[4];
    for (size_t i = 0; i < 4; i++) {
        static const char *const names[] = {"a", "b", "c", "d"};
        if (i % 2)
            connect_with_aliases(&clients[i], host, names[i], 1000);
        else
            client_connect(&clients[i], host,
                           &(struct client_options){.version = MQTT_5, .client_id = names[i]});
        client_subscribe(&clients[i], "#", 0);
    }
    for (int round = 0; round < 3; round++) {
        client_publish(&clients[0], "topic/a", "x", 0, false);
        for (size_t i = 0; i < 4; i++) {
            struct mqtt_packet packet =
                client_expect_publish(&clients[i], i % 2 && round > 0 ? "" : "topic/a", "x", 0);
            assert_int_equal(mqtt_property_number(packet.properties, MQTT_TOPIC_ALIAS, 0), i % 2);
        }
    }
    for (size_t i = 0; i < 4; i++)
        client_vanish(&clients[i]);
    host_free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_in_use_keep_their_aliases),
        cmocka_unit_test(a_name_that_is_used_no_more_gives_its_alias_up),
        cmocka_unit_test(a_name_must_be_worth_it),
        cmocka_unit_test(names_of_one_hash_are_told_apart),
        cmocka_unit_test(an_alias_keeps_no_message_from_its_client),
        cmocka_unit_test(subscribers_with_and_without_aliases_get_the_same_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
