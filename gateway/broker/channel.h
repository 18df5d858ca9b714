/*
 * A connection as the broker sees it: the packets of one client, in and out. It
 * is new until a CONNECT was accepted and its CONNACK has left, then ready, and
 * closing from the moment that its end was asked for; it is freed once the
 * transport is gone and no deferred acknowledgement names it any more.
 */
#ifndef SLUICE_BROKER_CHANNEL_H
#define SLUICE_BROKER_CHANNEL_H

#include "broker/session.h"

enum channel_state {
    CHANNEL_NEW,            /* no CONNECT yet */
    CHANNEL_AUTHENTICATING, /* its CONNECT is kept, and AUTH packets go to and fro */
    CHANNEL_CONNECTING,     /* the CONNACK waits for the session to be on disk */
    CHANNEL_READY,
    CHANNEL_CLOSING, /* nothing more is read or written */
};

/* Why reading is paused; several may hold at once. */
enum channel_pause {
    PAUSE_HELD = 1,            /* a PUBLISH waits for room: broker_resume */
    PAUSE_OUTPUT = 2,          /* the client does not read its answers: channel_drained */
    PAUSE_CONNACK = 4,         /* nothing may be answered before the CONNACK */
    PAUSE_RATE = 8,            /* it publishes too fast: the channel's timer */
    PAUSE_AUTHENTICATION = 16, /* the world has not said yet who it is */
    PAUSE_TURN = 32,           /* its PUBLISHes made much work, and others are waiting: the channel's timer */
    PAUSE_PROCESSING = 64,     /* as many of its acknowledgements wait for functions as may */
};

struct channel {
    struct broker *broker;
    struct channel_io io;
    const struct identity *identity;
    struct authentication *authentication; /* see authenticate.h; NULL: there is nothing to remember of it */
    struct session *session;               /* NULL: before CONNECT, after takeover */
    struct timer timer;                    /* connect timeout, then Keep Alive, and the end of two pauses */
    struct rate_credit credit;
    uint64_t output_bytes; /* unsent, as the broker's sum has it */
    uint64_t last_packet_ms;
    struct topic_alias *topic_aliases;         /* see receive.c; NULL: none */
    struct outgoing_aliases *outgoing_aliases; /* NULL: none yet */
    struct channel *next_held, *previous_held;
    struct deferred_ring
        *processing;          /* acknowledgements that wait for functions, or behind one; NULL: none yet */
    uint64_t deferred_seq;    /* of its newest acknowledgement that waits for the journal */
    uint32_t deferred_count;  /* acknowledgements of it that wait, in both rings */
    uint32_t waiting_count;   /* of those, in the journal's ring */
    uint32_t receiving_count; /* QoS 1 PUBLISHes of it that are not acknowledged */
    uint32_t maximum_packet_bytes;   /* the client's */
    uint16_t receive_maximum;        /* the client's, or ours if that is lower */
    uint16_t outgoing_alias_maximum; /* 0: the client takes none */
    uint16_t keep_alive_s;
    uint8_t state;            /* enum channel_state */
    uint8_t version;          /* enum mqtt_version */
    uint8_t paused;           /* enum channel_pause */
    bool gone;                /* channel_closed was called */
    bool problem_information; /* the client wants Reason Strings on every packet that may have one */
};

/* Encodes a packet into the connection's output. False: over the client's Maximum Packet Size. */
bool channel_send(struct channel *channel, const struct mqtt_packet *packet);
/* Appends a packet that is encoded already. */
void channel_send_bytes(struct channel *channel, struct span bytes);
/* The same, counted as the peer's fault. */
void channel_fail(struct channel *channel, enum mqtt_reason reason);
/* Ends the connection without a word. */
void channel_abort(struct channel *channel);
/* The CONNACK is out. */
void channel_ready(struct channel *channel);
void channel_pause(struct channel *channel, enum channel_pause why);
void channel_continue(struct channel *channel, enum channel_pause why);
/* Holds the connection back until broker_resume. */
void channel_hold(struct channel *channel);
/* Frees it if nothing names it any more. */
void channel_release(struct channel *channel);
/* Whether the world lets it be connected: broker_hooks.allowed. */
bool channel_is_allowed(const struct channel *channel);
/* Whether so much is unsent that it takes nothing more for now. */
bool channel_is_slow(const struct channel *channel);

/* The packet handlers. SLUICE_AGAIN: the packet is held back and will be given again. */
enum sluice_error connect_on_connect(struct channel *channel, const struct mqtt_packet *packet,
                                     uint64_t now_ms);
enum sluice_error receive_on_publish(struct channel *channel, const struct mqtt_packet *packet,
                                     uint64_t now_ms);
enum sluice_error receive_on_pubrel(struct channel *channel, const struct mqtt_packet *packet,
                                    uint64_t now_ms);
enum sluice_error delivery_on_puback(struct channel *channel, const struct mqtt_packet *packet,
                                     uint64_t now_ms);
enum sluice_error delivery_on_pubrec(struct channel *channel, const struct mqtt_packet *packet,
                                     uint64_t now_ms);
enum sluice_error delivery_on_pubcomp(struct channel *channel, const struct mqtt_packet *packet,
                                      uint64_t now_ms);
enum sluice_error subscribe_on_subscribe(struct channel *channel, const struct mqtt_packet *packet,
                                         uint64_t now_ms);
enum sluice_error subscribe_on_unsubscribe(struct channel *channel, const struct mqtt_packet *packet,
                                           uint64_t now_ms);
enum sluice_error connect_on_disconnect(struct channel *channel, const struct mqtt_packet *packet,
                                        uint64_t now_ms);

/* Whether its owner may still use the session's Client Identifier. */
bool connect_client_id_kept(const struct session *session);
/* Goes on with a CONNECT whose sender is known by now. */
void connect_authenticated(struct channel *channel, const struct mqtt_packet *packet, uint64_t now_ms);
/* Answers a CONNECT with a refusal, and closes. */
void connect_refuse(struct channel *channel, enum mqtt_version version, enum mqtt_reason reason);

/* A first packet that is no valid CONNECT: answered where its protocol version can be told. */
void connect_on_undecodable(struct channel *channel, struct span packet, enum mqtt_reason reason);

/* Frees the Topic Aliases of a connection (receive.c). */
void receive_forget_aliases(struct channel *channel);

#endif
