#include "durable_client.h"

#include "base/log.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_BYTES = 16384,
    SESSION_EXPIRY_S = 3600,
    KEEP_ALIVE_S = 600,
    PUBLISH_DUP_FLAG = 0x08,
};

struct durable_client *durable_client_new(const char *client_id, const struct durable_client_hooks *hooks)
{
    struct durable_client *client = memory_new(sizeof *client);
    snprintf(client->client_id, sizeof client->client_id, "%s", client_id);
    client->hooks = hooks;
    client->fd = -1;
    return client;
}

static void close_connection(struct durable_client *client)
{
    if (client->state > CLIENT_CONNECTING)
        client->owed_will = client->connection;
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->state = CLIENT_CLOSED;
    buffer_consume(&client->in, buffer_len(&client->in));
    buffer_consume(&client->out, buffer_len(&client->out));
}

void durable_client_free(struct durable_client *client)
{
    close_connection(client);
    buffer_fini(&client->in);
    buffer_fini(&client->out);
    memory_free(client);
}

/* ---- Sending ---- */

static void send_packet(struct durable_client *client, struct mqtt_packet packet)
{
    packet.version = MQTT_5;
    size_t size = mqtt_encoded_size(&packet);
    struct writer writer = writer_of(buffer_reserve(&client->out, size), size);
    mqtt_encode(&writer, &packet);
    buffer_grown(&client->out, size);
}

static void send_answer(struct durable_client *client, enum mqtt_type type, uint16_t packet_id,
                        enum mqtt_reason reason)
{
    send_packet(client, (struct mqtt_packet){.type = type, .packet_id = packet_id, .reason = reason});
}

static void flush(struct durable_client *client)
{
    struct span out = buffer_span(&client->out);
    if (client->fd < 0 || out.len == 0)
        return;
    ssize_t sent = send(client->fd, out.data, out.len, MSG_NOSIGNAL);
    if (sent > 0)
        buffer_consume(&client->out, (size_t)sent);
    else if (sent < 0 && errno != EAGAIN) /* the other side is gone; what it had sent is still to be read */
        buffer_consume(&client->out, out.len);
}

static uint16_t packet_id_of(uint32_t number)
{
    return (uint16_t)(number % CLIENT_WINDOW + 1);
}

void durable_client_connect(struct durable_client *client, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof address) != 0)
        log_fatal("%s cannot connect", client->client_id);
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    uint8_t block[16];
    struct writer properties = writer_of(block, sizeof block);
    mqtt_write_number_property(&properties, MQTT_SESSION_EXPIRY_INTERVAL, SESSION_EXPIRY_S);
    mqtt_write_number_property(&properties, MQTT_RECEIVE_MAXIMUM, CLIENT_WINDOW);
    char topic[64], number[16];
    snprintf(topic, sizeof topic, "wills/%s", client->client_id);
    snprintf(number, sizeof number, "%" PRIu32, ++client->connection);
    send_packet(client, (struct mqtt_packet){.type = MQTT_CONNECT,
                                             .properties = {writer_span(&properties)},
                                             .connect = {.client_id = span_from_string(client->client_id),
                                                         .keep_alive_s = KEEP_ALIVE_S,
                                                         .has_will = true,
                                                         .will = {.topic = span_from_string(topic),
                                                                  .payload = span_from_string(number),
                                                                  .qos = 1,
                                                                  .retain = true}}});
    client->state = CLIENT_CONNECTING;
    flush(client);
}

void durable_client_leave(struct durable_client *client, bool politely)
{
    if (politely && client->state != CLIENT_CLOSED) {
        send_packet(client, (struct mqtt_packet){.type = MQTT_DISCONNECT});
        flush(client);
        client->state = CLIENT_CLOSED; /* and so owes no will */
    }
    close_connection(client);
}

bool durable_client_can_publish(const struct durable_client *client)
{
    return client->state == CLIENT_READY && client->next - client->oldest < CLIENT_WINDOW;
}

void durable_client_publish(struct durable_client *client, struct span topic, struct span payload,
                            uint8_t qos)
{
    struct sent_message *sent = &client->window[client->next % CLIENT_WINDOW];
    struct mqtt_packet packet = {
        .type = MQTT_PUBLISH,
        .version = MQTT_5,
        .packet_id = packet_id_of(client->next),
        .publish = {.topic = topic, .payload = payload, .qos = qos, .retain = client->retains}};
    struct writer writer = writer_of(sent->packet, sizeof sent->packet);
    mqtt_encode(&writer, &packet);
    if (writer.failed)
        log_fatal("a message is over %d bytes", CLIENT_PACKET_BYTES);
    sent->len = writer_len(&writer);
    sent->state = SENT_PUBLISH;
    buffer_append(&client->out, span_of(sent->packet, sent->len));
    client->next++;
    client->sent_count++;
    flush(client);
}

uint32_t durable_client_acknowledged_count(const struct durable_client *client)
{
    uint32_t count = client->oldest;
    while (count != client->next && client->window[count % CLIENT_WINDOW].state != SENT_PUBLISH)
        count++;
    return count;
}

/* Section 4.4: unacknowledged PUBLISH and PUBREL again, in the order in which they were sent first. */
static void resume(struct durable_client *client)
{
    for (uint32_t number = client->oldest; number != client->next; number++) {
        struct sent_message *sent = &client->window[number % CLIENT_WINDOW];
        if (sent->state == SENT_PUBREL)
            send_answer(client, MQTT_PUBREL, packet_id_of(number), MQTT_SUCCESS);
        if (sent->state != SENT_PUBLISH)
            continue;
        sent->packet[0] |= PUBLISH_DUP_FLAG;
        buffer_append(&client->out, span_of(sent->packet, sent->len));
        client->sent_count++;
        client->repeated_count++;
    }
}

/* ---- Receiving ---- */

static void on_connack(struct durable_client *client, const struct mqtt_packet *packet)
{
    if (packet->reason != MQTT_SUCCESS)
        log_fatal("%s is refused: %s", client->client_id, mqtt_reason_text(packet->reason));
    if (client->has_session && !packet->connack.session_present)
        log_fatal("%s has lost its session", client->client_id);
    if (client->has_session || !client->filter) {
        client->has_session = true;
        client->state = CLIENT_READY;
        resume(client);
        return;
    }
    uint8_t list[64];
    struct writer filters = writer_of(list, sizeof list);
    mqtt_write_filter(
        &filters, MQTT_SUBSCRIBE,
        &(struct mqtt_filter){.filter = span_from_string(client->filter), .qos = client->filter_qos});
    client->state = CLIENT_SUBSCRIBING;
    send_packet(client, (struct mqtt_packet){
                            .type = MQTT_SUBSCRIBE, .packet_id = 1, .filters = {writer_span(&filters)}});
}

static void on_suback(struct durable_client *client, const struct mqtt_packet *packet)
{
    if (packet->reasons.len != 1 || packet->reasons.data[0] != client->filter_qos)
        log_fatal("%s may not subscribe", client->client_id);
    client->has_session = true;
    client->state = CLIENT_READY;
}

static void advance(struct durable_client *client)
{
    while (client->oldest != client->next &&
           client->window[client->oldest % CLIENT_WINDOW].state == SENT_FREE)
        client->oldest++;
}

/* PUBACK, PUBREC, PUBCOMP. After a restart a PUBCOMP may say that the Packet Identifier was released already.
 */
static void on_answer(struct durable_client *client, const struct mqtt_packet *packet)
{
    struct sent_message *sent = &client->window[(packet->packet_id - 1U) % CLIENT_WINDOW];
    enum sent_state expected = packet->type == MQTT_PUBCOMP ? SENT_PUBREL : SENT_PUBLISH;
    bool is_released = packet->type == MQTT_PUBCOMP && packet->reason == MQTT_PACKET_IDENTIFIER_NOT_FOUND;
    if (sent->state != expected ||
        (packet->reason != MQTT_SUCCESS && packet->reason != MQTT_NO_MATCHING_SUBSCRIBERS && !is_released))
        log_fatal("%s: %s %u: %s", client->client_id, mqtt_type_name(packet->type), packet->packet_id,
                  mqtt_reason_text(packet->reason));
    if (packet->type != MQTT_PUBCOMP)
        client->hooks->on_acknowledged(client->hooks->ctx, client);
    sent->state = SENT_FREE;
    if (packet->type == MQTT_PUBREC) {
        sent->state = SENT_PUBREL;
        send_answer(client, MQTT_PUBREL, packet->packet_id, MQTT_SUCCESS);
    }
    advance(client);
}

static bool is_held(const struct durable_client *client, uint16_t packet_id)
{
    return client->held[packet_id / 8] >> packet_id % 8 & 1;
}

static void flip_held(struct durable_client *client, uint16_t packet_id)
{
    client->held[packet_id / 8] ^= (uint8_t)(1U << packet_id % 8);
}

static void on_publish(struct durable_client *client, const struct mqtt_packet *packet)
{
    uint8_t qos = packet->publish.qos;
    bool is_new = qos < 2 || !is_held(client, packet->packet_id);
    if (is_new)
        client->hooks->on_message(client->hooks->ctx, client, &packet->publish);
    if (is_new && qos == 2) {
        flip_held(client, packet->packet_id);
        client->held_count++;
    }
    if (qos > 0)
        send_answer(client, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, packet->packet_id, MQTT_SUCCESS);
}

static void on_pubrel(struct durable_client *client, const struct mqtt_packet *packet)
{
    enum mqtt_reason reason = MQTT_PACKET_IDENTIFIER_NOT_FOUND;
    if (is_held(client, packet->packet_id)) {
        reason = MQTT_SUCCESS;
        flip_held(client, packet->packet_id);
        client->held_count--;
    }
    send_answer(client, MQTT_PUBCOMP, packet->packet_id, reason);
}

static void on_packet(struct durable_client *client, const struct mqtt_packet *packet)
{
    client->hooks->on_packet(client->hooks->ctx);
    switch (packet->type) {
    case MQTT_CONNACK: on_connack(client, packet); break;
    case MQTT_SUBACK: on_suback(client, packet); break;
    case MQTT_PUBLISH: on_publish(client, packet); break;
    case MQTT_PUBREL: on_pubrel(client, packet); break;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBCOMP: on_answer(client, packet); break;
    default:
        log_fatal("%s: %s: %s", client->client_id, mqtt_type_name(packet->type),
                  mqtt_reason_text(packet->reason));
    }
}

static void take_packets(struct durable_client *client)
{
    struct span whole;
    while (mqtt_frame(buffer_span(&client->in), UINT32_MAX, &whole) == SLUICE_OK) {
        struct mqtt_packet packet;
        enum mqtt_reason reason;
        if (mqtt_decode(whole, MQTT_CLIENT, MQTT_5, &packet, &reason) != SLUICE_OK)
            log_fatal("%s cannot read a packet: %s", client->client_id, mqtt_reason_text(reason));
        on_packet(client, &packet);
        buffer_consume(&client->in, whole.len);
    }
}

short durable_client_events(const struct durable_client *client)
{
    return (short)(POLLIN | (buffer_len(&client->out) > 0 ? POLLOUT : 0));
}

bool durable_client_run(struct durable_client *client)
{
    ssize_t count;
    while ((count = recv(client->fd, buffer_reserve(&client->in, READ_BYTES), READ_BYTES, 0)) > 0) {
        buffer_grown(&client->in, (size_t)count);
        take_packets(client);
        flush(client);
    }
    if (count < 0 && errno == EAGAIN) {
        flush(client);
        return true;
    }
    close_connection(client);
    return false;
}
