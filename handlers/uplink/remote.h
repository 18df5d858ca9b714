/*
 * The connection to the remote Server, on Eclipse Paho's MQTTAsync: one at a
 * time, made when the caller says so, with nothing kept from one to the next. Paho
 * has threads of its own; what they report becomes events that the caller takes
 * one by one, woken through remote_fd. Nothing is stored here and nothing is
 * retransmitted: the gateway's queue does the one, the caller the other.
 *
 * Thread: the caller's only one. Memory: the settings outlive it; Paho copies what
 * is published. Each remote_connect is answered by CONNECTED or REFUSED, each
 * CONNECTED ends with LOST, unless remote_close comes first: no event of before it
 * comes after it.
 *
 * Limits: QoS 1 only. Paho looks at its sockets at least once a second; name
 * resolution blocks it, and remote_close with it.
 */
#ifndef SLUICE_UPLINK_REMOTE_H
#define SLUICE_UPLINK_REMOTE_H

#include "uplink/settings.h"

struct remote;

enum remote_event_type {
    REMOTE_CONNECTED,
    REMOTE_REFUSED,        /* or not reached: `text` says why */
    REMOTE_LOST,           /* `reason` of its DISCONNECT, or 0 */
    REMOTE_ACKNOWLEDGED,   /* PUBACK: `token`, `reason` */
    REMOTE_NOT_SUBSCRIBED, /* to what comes down: `reason` */
    REMOTE_ARRIVED,        /* `arrival`: a message that has come down; remote_settle is due */
};

/* A message that has come down: a view that lives until remote_settle. */
struct remote_arrival {
    struct span topic, payload;
    struct span properties; /* a block of MQTT 5's, with its Message Expiry Interval; empty: none */
    bool retain;
};

struct remote_event {
    enum remote_event_type type;
    uint8_t reason; /* a Reason Code of MQTT 5; always 0 in MQTT 3.1.1 */
    int token;
    char text[160];
    const struct remote_arrival *arrival;
    /* CONNECTED: what the remote's CONNACK allows. */
    uint32_t receive_maximum;
    uint32_t packet_bytes_max; /* Maximum Packet Size */
    bool takes_qos_1;
    bool takes_retain;
};

/* NULL: Paho could not be set up; `error`, of SETTINGS_ERROR_BYTES, says why. */
struct remote *remote_new(const struct settings *settings, char *error);
/* Closes what is open. */
void remote_free(struct remote *remote);

/* Begins to connect; nothing may be connected or connecting. */
void remote_connect(struct remote *remote);
/* Ends the connection, or the attempt, at once. Unknown if the remote has what was not acknowledged. */
void remote_close(struct remote *remote);

/* Readable while there are events. */
int remote_fd(const struct remote *remote);
bool remote_next(struct remote *remote, struct remote_event *ret_event);

struct remote_message {
    const char *topic;
    struct span payload;
    struct span properties; /* a block of MQTT 5's but for its Message Expiry Interval; 3.1.1: left out */
    uint32_t expiry_s;      /* that Interval; 0: none */
    bool retain;
};

/* SLUICE_OK: REMOTE_ACKNOWLEDGED with this token follows, or REMOTE_LOST. SLUICE_INVALID: the topic is none
 * that can be sent. SLUICE_CLOSED: there is no connection any more; its REMOTE_LOST comes. */
enum sluice_error remote_publish(struct remote *remote, const struct remote_message *message, int *ret_token);
/* The message that has arrived is stored: Paho goes on, and acknowledges it. Until then its thread stands
 * still, and with it every other call here that Paho takes its lock for: whoever takes what comes down only
 * connects, and subscribes by `settings`. */
void remote_settle(struct remote *remote);
/* The bytes that its PUBLISH has on the wire, in MQTT 5. */
size_t remote_packet_bytes(const struct remote_message *message);

#endif
