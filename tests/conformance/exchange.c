#include "exchange.h"

#include <stdio.h>

const enum mqtt_version both_versions[2] = {MQTT_3_1_1, MQTT_5};

struct host *begin_exchange(struct client *client, enum mqtt_version version)
{
    struct host *host = host_new();
    client_connect(
        client, host,
        &(struct client_options){.version = version, .client_id = "a", .no_problem_information = true});
    client_expect_nothing(client);
    return host;
}

void end_exchange(struct host *host, struct client *client)
{
    client_vanish(client);
    host_free(host);
}

enum { SHOWN_BYTES_MAX = 200 };

static void print_hex(const char *what, struct span bytes)
{
    fprintf(stderr, "%s:", what);
    for (size_t i = 0; i < bytes.len && i < SHOWN_BYTES_MAX; i++)
        fprintf(stderr, " %02x", bytes.data[i]);
    fprintf(stderr, "\n");
}

void expect_bytes(struct client *client, struct span expected)
{
    buffer_consume(&client->out, client->shown_bytes);
    client->shown_bytes = 0;
    struct span written = buffer_span(&client->out);
    if (!span_equal(written, expected)) {
        print_hex("expected", expected);
        print_hex("written", written);
        fail();
    }
    buffer_consume(&client->out, written.len);
}

void exchange(struct client *client, struct span given, struct span expected)
{
    client_give(client, given);
    expect_bytes(client, expected);
}

static void expect_closes(const struct bad_packet *bad, enum mqtt_version version)
{
    struct client client, watcher;
    struct host *host = begin_exchange(&client, version);
    client_connect(&watcher, host, &(struct client_options){.client_id = "watcher"});
    client_subscribe(&watcher, "#", 0);
    client_give(&client, version == V5 ? bad->v5 : bad->v3);
    struct mqtt_packet packet = {.reason = bad->reason};
    if (client_next(&client, &packet) != (version == V5) || packet.reason != bad->reason ||
        !client.asked_to_close)
        fail_msg("%s in version %d: 0x%02x", bad->title, version, packet.reason);
    client_expect_nothing(&client);
    client_expect_nothing(&watcher);
    assert_int_equal(broker_counters(host->broker)->subscriptions, 1);
    client_vanish(&watcher);
    end_exchange(host, &client);
}

void expect_each_closes(const struct bad_packet *packets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (packets[i].v3.len > 0)
            expect_closes(&packets[i], V3);
        if (packets[i].v5.len > 0)
            expect_closes(&packets[i], V5);
    }
}

void publish_with(struct client *client, const char *topic, struct span properties)
{
    client_send(client, &(struct mqtt_packet){.type = MQTT_PUBLISH,
                                              .version = client->version,
                                              .properties.bytes = properties,
                                              .publish.topic = span_from_string(topic)});
}

struct mqtt_packet request_filters(struct client *client, enum mqtt_type type,
                                   const struct mqtt_filter *filters, size_t count)
{
    uint8_t bytes[512];
    struct writer list = writer_of(bytes, sizeof bytes);
    for (size_t i = 0; i < count; i++)
        mqtt_write_filter(&list, type, &filters[i]);
    client_send(client, &(struct mqtt_packet){.type = type,
                                              .version = client->version,
                                              .packet_id = 9,
                                              .filters.list = writer_span(&list)});
    struct mqtt_packet answer = client_expect(client, type == MQTT_SUBSCRIBE ? MQTT_SUBACK : MQTT_UNSUBACK);
    assert_int_equal(answer.packet_id, 9);
    return answer;
}
