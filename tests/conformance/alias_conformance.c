/* MQTT 5: Topic Aliases of what the Server sends, as a Client that keeps to section 3.3.2.3.4 sees them. */
#include "exchange.h"

enum { TOPICS = 12, MAXIMUM_MOST = 8 };

static const char *const topics[TOPICS] = {"site/a/temperature", "site/b/temperature", "site/c/temperature",
                                           "site/d/temperature", "site/e/temperature", "site/f/temperature",
                                           "site/g/temperature", "site/h/temperature", "site/i/temperature",
                                           "site/j/temperature", "site/k/temperature", "site/l/temperature"};

/* The Client's side of one connection: what each alias stands for. */
struct aliases {
    uint32_t maximum;
    const char *names[MAXIMUM_MOST + 1];
    size_t used_count; /* PUBLISH packets that came without their Topic Name */
};

static void connect_with_maximum(struct client *client, struct host *host, uint32_t maximum)
{
    uint8_t bytes[8];
    struct writer block = writer_of(bytes, sizeof bytes);
    mqtt_write_number_property(&block, MQTT_SESSION_EXPIRY_INTERVAL, 60);
    if (maximum > 0)
        mqtt_write_number_property(&block, MQTT_TOPIC_ALIAS_MAXIMUM, maximum);
    client_open(client, host, NULL);
    client->version = MQTT_5;
    client_send(client, &(struct mqtt_packet){.type = MQTT_CONNECT,
                                              .version = MQTT_5,
                                              .properties.bytes = writer_span(&block),
                                              .connect.client_id = SPAN_LITERAL("to")});
    assert_int_equal(client_expect(client, MQTT_CONNACK).reason, MQTT_SUCCESS);
}

/* Returns its Packet Identifier. */
static uint16_t expect_topic(struct client *client, struct aliases *aliases, const char *topic)
{
    struct mqtt_packet packet = client_expect(client, MQTT_PUBLISH);
    uint32_t alias = mqtt_property_number(packet.properties, MQTT_TOPIC_ALIAS, UINT32_MAX);
    struct span name = packet.publish.topic;
    if (alias != UINT32_MAX) {
        assert_in_range(alias, 1, aliases->maximum); /* no alias is in range where the maximum is 0 */
        if (name.len > 0) {
            aliases->names[alias] = topic;
        } else {
            assert_non_null(aliases->names[alias]);
            name = span_from_string(aliases->names[alias]);
            aliases->used_count++;
        }
    }
    assert_true(span_equal(name, span_from_string(topic)));
    return packet.packet_id;
}

/* Publishes so that some topics are hot and each comes a few times in turn, and reads it all. */
static void publish_some(struct host *host, struct client *client, struct aliases *aliases)
{
    for (size_t i = 0; i < 400; i++) {
        size_t turn = i / 4;
        const char *topic = topics[turn % 3 ? turn % 4 : turn % TOPICS];
        struct message view = {.qos = (uint8_t)(i % 2), .topic = span_from_string(topic)};
        assert_int_equal(broker_publish(host->broker, &view), SLUICE_OK);
        host_commit(host);
        uint16_t id = expect_topic(client, aliases, topic);
        if (id != 0)
            client_ack(client, MQTT_PUBACK, id);
    }
    client_expect_nothing(client);
}

/* [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-8] [MQTT-3.3.2-11], and [MQTT-3.3.2-7] over a new connection.
 */
static void aliases_keep_to_the_clients_maximum(void **state)
{
    (void)state;
    static const uint32_t maxima[] = {0, 1, 3, MAXIMUM_MOST};
    for (size_t i = 0; i < COUNT(maxima); i++) {
        struct host *host = host_new();
        struct client client;
        for (int connection = 0; connection < 2; connection++) {
            struct aliases aliases = {.maximum = maxima[i]};
            connect_with_maximum(&client, host, maxima[i]);
            if (connection == 0)
                assert_int_equal(client_subscribe(&client, "site/#", 1), 1);
            publish_some(host, &client, &aliases);
            assert_int_equal(aliases.used_count > 0, maxima[i] > 0);
            client_vanish(&client);
        }
        host_free(host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aliases_keep_to_the_clients_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
