/* The clients of broker_host.h. */
#include "broker_host.h"

#include "base/memory.h"

static void on_flush_soon(void *ctx)
{
    (void)ctx; /* the test reads `out` when it wants to */
}

static void on_close(void *ctx)
{
    struct client *client = ctx;
    assert_false(client->asked_to_close);
    client->asked_to_close = true;
}

static void on_pause(void *ctx, bool paused)
{
    struct client *client = ctx;
    assert_int_not_equal(client->paused, paused);
    client->paused = paused;
}

void client_open(struct client *client, struct host *host, const struct identity *identity)
{
    *client = (struct client){.host = host, .version = MQTT_3_1_1};
    struct identity anonymous = {.kind = IDENTITY_ANONYMOUS};
    struct channel_io io = {client, &client->out, on_flush_soon, on_close, on_pause};
    client->channel = channel_open(host->broker, &io, identity ? identity : &anonymous, host->now_ms);
}

void client_give(struct client *client, struct span bytes)
{
    buffer_append(&client->in, bytes);
    if (client->paused)
        return;
    size_t used = channel_input(client->channel, buffer_span(&client->in), client->host->now_ms);
    buffer_consume(&client->in, used);
    if (!client->host->manual_commit)
        host_commit(client->host);
}

void client_send(struct client *client, const struct mqtt_packet *packet)
{
    size_t size = mqtt_encoded_size(packet);
    assert_int_not_equal(size, 0);
    uint8_t *bytes = memory_new(size);
    struct writer out = writer_of(bytes, size);
    mqtt_encode(&out, packet);
    client_give(client, writer_span(&out));
    memory_free(bytes);
}

void client_begin(struct client *client, struct host *host, const struct client_options *options)
{
    client_open(client, host, options->identity);
    client->version = options->version ? options->version : MQTT_3_1_1;
    uint8_t bytes[512];
    struct writer block = writer_of(bytes, sizeof bytes);
    if (options->authentication_method)
        mqtt_write_bytes_property(&block, MQTT_AUTHENTICATION_METHOD,
                                  span_from_string(options->authentication_method));
    if (options->authentication_data)
        mqtt_write_bytes_property(&block, MQTT_AUTHENTICATION_DATA,
                                  span_from_string(options->authentication_data));
    if (options->expiry_s)
        mqtt_write_number_property(&block, MQTT_SESSION_EXPIRY_INTERVAL, options->expiry_s);
    if (options->receive_maximum)
        mqtt_write_number_property(&block, MQTT_RECEIVE_MAXIMUM, options->receive_maximum);
    if (options->maximum_packet_bytes)
        mqtt_write_number_property(&block, MQTT_MAXIMUM_PACKET_SIZE, options->maximum_packet_bytes);
    if (options->no_problem_information)
        mqtt_write_number_property(&block, MQTT_REQUEST_PROBLEM_INFORMATION, 0);
    struct mqtt_packet packet = {.type = MQTT_CONNECT,
                                 .version = client->version,
                                 .properties.bytes = writer_span(&block),
                                 .connect = {.client_id = span_from_string(options->client_id),
                                             .clean_start = !options->keep_session,
                                             .keep_alive_s = options->keep_alive_s,
                                             .has_user_name = options->user_name != NULL,
                                             .user_name = span_from_string(options->user_name),
                                             .has_password = options->password != NULL,
                                             .password = span_from_string(options->password)}};
    if (options->will) {
        packet.connect.has_will = true;
        packet.connect.will = *options->will;
    }
    client_send(client, &packet);
}

bool client_connect(struct client *client, struct host *host, const struct client_options *options)
{
    client_begin(client, host, options);
    struct mqtt_packet connack = client_expect(client, MQTT_CONNACK);
    assert_int_equal(connack.reason, MQTT_SUCCESS);
    return connack.connack.session_present;
}

void client_vanish(struct client *client)
{
    channel_closed(client->channel, client->host->now_ms);
    buffer_fini(&client->out);
    buffer_fini(&client->in);
    if (!client->host->manual_commit)
        host_commit(client->host);
    *client = (struct client){.host = client->host};
}

void client_disconnect(struct client *client)
{
    struct mqtt_packet packet = {.type = MQTT_DISCONNECT, .version = client->version};
    client_send(client, &packet);
    assert_true(client->asked_to_close);
    client_vanish(client);
}

bool client_next(struct client *client, struct mqtt_packet *ret_packet)
{
    buffer_consume(&client->out, client->shown_bytes);
    client->shown_bytes = 0;
    struct span packet;
    if (buffer_len(&client->out) == 0)
        return false;
    assert_int_equal(mqtt_frame(buffer_span(&client->out), UINT32_MAX, &packet), SLUICE_OK);
    enum mqtt_reason reason;
    assert_int_equal(mqtt_decode(packet, MQTT_CLIENT, client->version, ret_packet, &reason), SLUICE_OK);
    client->shown_bytes = packet.len;
    return true;
}

struct mqtt_packet client_expect(struct client *client, enum mqtt_type type)
{
    struct mqtt_packet packet;
    if (!client_next(client, &packet))
        fail_msg("no packet where %s was expected", mqtt_type_name(type));
    assert_string_equal(mqtt_type_name(packet.type), mqtt_type_name(type));
    return packet;
}

void client_expect_nothing(struct client *client)
{
    struct mqtt_packet packet;
    if (client_next(client, &packet))
        fail_msg("%s where nothing was expected", mqtt_type_name(packet.type));
}

struct mqtt_packet client_expect_publish(struct client *client, const char *topic, const char *payload,
                                         uint8_t qos)
{
    struct mqtt_packet packet = client_expect(client, MQTT_PUBLISH);
    assert_int_equal(packet.publish.qos, qos);
    assert_int_equal(packet.publish.topic.len, strlen(topic));
    assert_memory_equal(packet.publish.topic.data, topic, strlen(topic));
    assert_int_equal(packet.publish.payload.len, strlen(payload));
    assert_memory_equal(packet.publish.payload.data, payload, strlen(payload));
    return packet;
}

void client_expect_ack(struct client *client, enum mqtt_type type, uint16_t packet_id,
                       enum mqtt_reason reason)
{
    struct mqtt_packet packet = client_expect(client, type);
    assert_int_equal(packet.packet_id, packet_id);
    assert_int_equal(packet.reason, reason);
}

void client_expect_closed(struct client *client, enum mqtt_reason reason)
{
    if (client->version == MQTT_5)
        assert_int_equal(client_expect(client, MQTT_DISCONNECT).reason, reason);
    client_expect_nothing(client);
    assert_true(client->asked_to_close);
}

uint16_t client_publish(struct client *client, const char *topic, const char *payload, uint8_t qos,
                        bool retain)
{
    struct mqtt_packet packet = {.type = MQTT_PUBLISH,
                                 .version = client->version,
                                 .packet_id = qos ? ++client->next_packet_id : 0,
                                 .publish = {.topic = span_from_string(topic),
                                             .payload = span_from_string(payload),
                                             .qos = qos,
                                             .retain = retain}};
    client_send(client, &packet);
    return packet.packet_id;
}

void client_ack(struct client *client, enum mqtt_type type, uint16_t packet_id)
{
    struct mqtt_packet packet = {.type = type, .version = client->version, .packet_id = packet_id};
    client_send(client, &packet);
}

static enum mqtt_reason exchange(struct client *client, enum mqtt_type type, const struct mqtt_filter *filter,
                                 uint32_t identifier)
{
    uint8_t list_bytes[512], block_bytes[8];
    struct writer list = writer_of(list_bytes, sizeof list_bytes),
                  block = writer_of(block_bytes, sizeof block_bytes);
    mqtt_write_filter(&list, type, filter);
    if (identifier)
        mqtt_write_number_property(&block, MQTT_SUBSCRIPTION_IDENTIFIER, identifier);
    struct mqtt_packet packet = {.type = type,
                                 .version = client->version,
                                 .packet_id = ++client->next_packet_id,
                                 .properties.bytes = writer_span(&block),
                                 .filters.list = writer_span(&list)};
    client_send(client, &packet);
    struct mqtt_packet answer = client_expect(client, type == MQTT_SUBSCRIBE ? MQTT_SUBACK : MQTT_UNSUBACK);
    assert_int_equal(answer.packet_id, client->next_packet_id);
    return answer.reasons.len ? (enum mqtt_reason)answer.reasons.data[0] : MQTT_SUCCESS;
}

enum mqtt_reason client_subscribe_with(struct client *client, const struct mqtt_filter *filter,
                                       uint32_t identifier)
{
    return exchange(client, MQTT_SUBSCRIBE, filter, identifier);
}

enum mqtt_reason client_subscribe(struct client *client, const char *filter, uint8_t qos)
{
    return client_subscribe_with(client,
                                 &(struct mqtt_filter){.filter = span_from_string(filter), .qos = qos}, 0);
}

enum mqtt_reason client_unsubscribe(struct client *client, const char *filter)
{
    return exchange(client, MQTT_UNSUBSCRIBE, &(struct mqtt_filter){.filter = span_from_string(filter)}, 0);
}
