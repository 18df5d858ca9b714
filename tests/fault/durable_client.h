/*
 * An MQTT 5 Client with a durable session and a will, for tests in which the Server dies:
 * the session's state (unacknowledged messages, Packet Identifiers received)
 * outlives connections, and a new connection goes on as section 4.4 of the
 * standard says. It never blocks but in connect(2) to the loopback; the caller
 * polls.
 *
 * What the Server does against the standard ends the program with status 1 and
 * a sentence: a refusal, a lost session, an unknown Packet Identifier. One
 * thread; memory from base/memory.h; what a callback receives lives until it
 * returns.
 */
#ifndef DURABLE_CLIENT_H
#define DURABLE_CLIENT_H

#include "base/buffer.h"
#include "wire/mqtt.h"

enum {
    CLIENT_WINDOW = 64,         /* messages sent and not acknowledged; also how many it takes so */
    CLIENT_PACKET_BYTES = 1024, /* of a PUBLISH that it sends */
    CLIENT_PACKET_IDS = 65536,
};

struct durable_client;

struct durable_client_hooks {
    void *ctx;
    void (*on_packet)(void *ctx); /* each packet, before what comes of it */
    /* The Server has taken responsibility for the message: PUBACK, PUBREC. */
    void (*on_acknowledged)(void *ctx, struct durable_client *client);
    /* A message: with QoS 2 once for each Packet Identifier, until that is released. */
    void (*on_message)(void *ctx, struct durable_client *client, const struct mqtt_publish *publish);
};

enum client_state {
    CLIENT_CLOSED,
    CLIENT_CONNECTING,
    CLIENT_SUBSCRIBING,
    CLIENT_READY,
};

enum sent_state {
    SENT_FREE,
    SENT_PUBLISH,
    SENT_PUBREL,
};

struct sent_message {
    enum sent_state state;
    size_t len;
    uint8_t packet[CLIENT_PACKET_BYTES];
};

struct durable_client {
    char client_id[32];
    const char *filter; /* what it subscribes to when it has no session yet, or NULL */
    uint8_t filter_qos;
    bool retains; /* what it publishes */
    const struct durable_client_hooks *hooks;
    enum client_state state;
    bool has_session; /* a CONNACK said so: from now on it must be there */
    int fd;           /* -1: closed */
    struct buffer in, out;
    struct sent_message window[CLIENT_WINDOW]; /* message n is in place n modulo the window */
    uint32_t connection;                 /* its number, from 1: the payload of its will, which is retained */
    uint32_t owed_will;                  /* the last one that was accepted and ended without DISCONNECT */
    uint32_t oldest, next;               /* numbers of messages: [oldest, next) may be unacknowledged */
    uint64_t sent_count, repeated_count; /* PUBLISH packets */
    uint8_t held[CLIENT_PACKET_IDS / 8]; /* QoS 2 Packet Identifiers that were received, not released */
    size_t held_count;
};

struct durable_client *durable_client_new(const char *client_id, const struct durable_client_hooks *hooks);
void durable_client_free(struct durable_client *client);

/* Connects to the loopback's `port`; the session goes on once the CONNACK is there. */
void durable_client_connect(struct durable_client *client, uint16_t port);
/* Leaves, with a DISCONNECT or as if the network had been cut. */
void durable_client_leave(struct durable_client *client, bool politely);

/* Whether durable_client_publish may be called now. */
bool durable_client_can_publish(const struct durable_client *client);
void durable_client_publish(struct durable_client *client, struct span topic, struct span payload,
                            uint8_t qos);
/* How many of its messages, from the first on, the Server has taken responsibility for. */
uint32_t durable_client_acknowledged_count(const struct durable_client *client);
static inline bool durable_client_is_idle(const struct durable_client *client)
{
    return client->oldest == client->next && client->held_count == 0;
}

/* What poll(2) is to wait for, and what to do when it has come. False: the Server closed the connection; what
 * it had sent before was taken, and the client is CLIENT_CLOSED. */
short durable_client_events(const struct durable_client *client);
bool durable_client_run(struct durable_client *client);

#endif
