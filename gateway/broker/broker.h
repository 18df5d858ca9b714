/*
 * The MQTT Server's engine. It takes bytes of connections and the time, and
 * gives bytes, the questions of struct broker_hooks, and the next deadline; it
 * does no I/O and reads no clock. One thread owns a broker and everything in it;
 * hooks and channel callbacks are called on that thread, from inside the calls
 * below, and must not call back into the broker (except where it says so).
 *
 * Durability. A session whose Session Expiry Interval is over 0 (3.1.1: Clean
 * Session 0) is durable: each message above QoS 0 for it goes through
 * broker_hooks.store, and is sent only when broker_durable() says that it is on
 * disk. A publisher's acknowledgement waits likewise. A disk that fails only
 * makes them wait longer: the journal keeps what it took until it is written.
 * Messages of other sessions live in memory only. Each durable session's
 * messages are numbered by a 64-bit ordinal, and the Packet Identifier follows
 * from the ordinal alone, so that after a crash a message is sent again under the
 * same Packet Identifier.
 *
 * Every table and queue has its bound in struct broker_config. What is not
 * delivered is counted under a reason in struct broker_counters.
 */
#ifndef SLUICE_BROKER_BROKER_H
#define SLUICE_BROKER_BROKER_H

#include "base/buffer.h"
#include "base/message.h"
#include "broker/access.h"
#include "broker/rate.h"
#include "wire/mqtt.h"

struct broker;
struct channel;

struct broker_config {
    uint32_t packet_bytes;            /* the largest Control Packet that is taken */
    uint32_t connect_bytes;           /* the largest CONNECT */
    uint32_t client_id_bytes;         /* the longest Client Identifier */
    uint32_t topic_bytes;             /* of a Topic Name or Filter */
    uint32_t topic_levels;            /* of a Topic Name or Filter; at most 32 */
    uint32_t connect_timeout_ms;      /* from the opened connection to its CONNECT */
    uint16_t keep_alive_max_s;        /* longer ones, and 0, are replaced where the client can be told (v5) */
    uint32_t session_expiry_max_s;    /* longer ones are cut; it is also that of 3.1.1's Clean Session 0 */
    uint16_t receive_maximum;         /* QoS 1 and 2 messages that a v5 client may have unacknowledged */
    uint16_t inflight_maximum;        /* the same towards a client, below its own Receive Maximum */
    uint16_t topic_alias_maximum;     /* Topic Aliases a client may set */
    uint16_t topic_alias_out_maximum; /* and that are set towards it, within its own maximum; at most 256 */
    uint32_t sessions_count;          /* in all, connected or not */
    uint32_t subscriptions_count;     /* of one session */
    uint32_t subscriptions_total;     /* of all sessions */
    uint32_t filters_count;           /* of one SUBSCRIBE or UNSUBSCRIBE */
    uint32_t property_bytes;          /* of one packet; the User Properties take most of them */
    struct rate publish_rate;         /* of one client; beyond it, it is read no faster */
    uint32_t queue_count;             /* QoS 1 and 2 messages queued for one session */
    uint64_t queue_bytes;             /* the same in bytes */
    uint64_t queue_bytes_total;       /* of all sessions */
    uint64_t queue_memory_bytes;      /* of those, what a durable session holds in memory */
    uint32_t retained_count;          /* retained messages in all */
    uint64_t retained_bytes;          /* the same in bytes */
    uint32_t output_bytes;            /* unsent bytes of a connection beyond which it is too slow */
    uint64_t output_bytes_total;      /* the same of all connections; beyond it, each may have 16 KB */
    uint32_t unacknowledged_count;    /* acknowledgements in all that may wait for the disk */
    uint8_t hash_key[16];             /* random, so that no client can choose names that collide */
};

/* Every bound at its default. hash_key is zero: fill it with random bytes. */
struct broker_config broker_config_default(void);

enum { BROKER_SHARE_MAX = (1 << 26) - 1 };

/* One durable session that gets a message. */
struct broker_target {
    uint64_t queue;
    uint64_t ordinal;
    uint32_t share; /* which of its Shared Subscriptions it comes by, up to BROKER_SHARE_MAX; 0: by none */
    uint8_t qos;
    bool retain; /* the RETAIN flag that it is sent with */
};

/* What a PUBLISH does to the retained message of its topic. */
enum broker_retained {
    BROKER_RETAINED_SAME, /* nothing */
    BROKER_RETAINED_SET,  /* it takes its place */
    BROKER_RETAINED_REMOVED,
};

/* One Application Message of a PUBLISH, with the durable sessions that it is for. */
struct broker_stored {
    const struct message *message; /* a view; see broker_stored_keep */
    const struct broker_target *targets;
    size_t target_count;
    enum broker_retained retained;
    uint64_t ret_position; /* store's answer where there are targets: load's argument */
    struct message *kept;
};

/* The reference-counted copy of a stored message, made when it is first asked for and shared by all who
 * hold it. The reference is the broker's: a keeper takes its own with message_ref. */
struct message *broker_stored_keep(struct broker_stored *stored);

/* One accepted PUBLISH with all that came of it: one record of the journal, or nothing of it. */
struct broker_publish {
    struct broker_stored *messages;
    size_t message_count;
    uint64_t origin_queue;                /* the publisher's own durable session, or 0 */
    struct broker_processing *processing; /* see broker_publish_await */
    uint16_t origin_packet_id; /* of a QoS 2 PUBLISH of a durable session this must be made durable, even */
    uint8_t origin_qos;        /* when the message goes nowhere: it is what tells its repetition apart */
    bool
        replay; /* functions saw it when it was published: now it is for a new subscription, or handed over */
};

/*
 * From inside store that takes the PUBLISH: its acknowledgement is to wait also until broker_processed, once
 * for each call of this. It may be long in coming: meanwhile the later acknowledgements of its connection
 * wait behind it [MQTT-4.6.0-2], up to the Receive Maximum. NULL: the PUBLISH has no acknowledgement.
 */
struct broker_processing;
struct broker_processing *broker_publish_await(struct broker_publish *publish);
/* It is processed, and what came of that is on disk at `seq` of store's. From no call into the broker; also
 * when the Client is gone. */
void broker_processed(struct broker_processing *processing, uint64_t seq);

/* What a Client says of who it is, in CONNECT, or in the AUTH packets of an enhanced authentication (section
 * 4.12 of MQTT 5). Spans are views. */
struct broker_credentials {
    const struct identity *transport; /* who it is as its listener has verified */
    struct span client_id;            /* empty: the Server will choose one */
    struct span user_name, password;
    bool has_user_name, has_password;
    bool has_method, has_data;
    struct span method, data; /* Authentication Method and Authentication Data */
};

/* The most that the Authentication Method and the Authentication Data of one packet come to. */
enum { BROKER_AUTHENTICATION_BYTES = 512 };

struct broker_answer {
    enum mqtt_reason reason;  /* MQTT_SUCCESS, MQTT_CONTINUE_AUTHENTICATION, or why not */
    struct identity identity; /* of MQTT_SUCCESS */
    uint64_t expires_ms;      /* of it: wall clock; 0: never */
    struct span data;         /* Authentication Data for the Client, or empty; a view into the exchange */
};

/* What is kept of a durable session over a restart. Spans are views. */
struct broker_session {
    struct span client_id;
    const struct identity *owner;
    uint32_t expiry_s;        /* UINT32_MAX: never */
    uint64_t disconnected_ms; /* wall clock; 0: it is connected */
};

struct broker_subscription {
    struct span client_id;
    struct span filter; /* as the client sent it, `$share/...` included */
    uint8_t qos;
    bool no_local, retain_as_published;
    uint8_t retain_handling;
    uint32_t identifier; /* 0: none */
};

/* A Will Message. */
struct broker_will {
    uint64_t id;                   /* above that of every earlier one */
    const struct message *message; /* of its session's client_id, with all Will Properties */
    const struct identity *owner;
    uint64_t due_ms; /* wall clock; 0: its connection is there, or was when the gateway ended */
};

/*
 * What the broker asks of the world. All must be there, but for `transform`, `authenticate`,
 * `allowed` and `state_is_full`.
 *
 * The state's part (session_saved and the like) may write later: the ticket
 * that it returns is answered by broker_state_durable(); 0 means that there is
 * nothing to wait for. The client's SUBACK, UNSUBACK, and the CONNACK of a new
 * durable session or with a will wait for it.
 */
struct broker_hooks {
    void *ctx;
    uint64_t (*wall_ms)(void *ctx); /* Unix epoch */
    void (*random)(void *ctx, uint8_t *bytes, size_t len);

    /*
     * Who is it? SLUICE_OK: *ret_answer says it. SLUICE_AGAIN: channel_authenticated() will; until then the
     * connection is not read, and its connect timeout goes on. *exchange is NULL at first, and the world's
     * own from then on: what it keeps for a connection from one step to the next. authentication_ended
     * takes it back, exactly once if it is not NULL: when it has succeeded or failed, or the connection is
     * gone; afterwards nothing is answered for it. Without the hook a Client is who its listener says.
     */
    enum sluice_error (*authenticate)(void *ctx, struct channel *channel, void **exchange,
                                      const struct broker_credentials *credentials,
                                      struct broker_answer *ret_answer);
    void (*authentication_ended)(void *ctx, void *exchange);
    /* Whether a Client may be connected as who it is, over this connection (its channel_io.ctx): asked when
     * its CONNECT is about to be accepted, and by broker_recheck. NULL: everybody. */
    bool (*allowed)(void *ctx, void *connection, const struct identity *identity);

    /* Turns a received message into 1..N messages, which live until the next call. MQTT_SUCCESS, or the
     * Reason Code to refuse it with. NULL: each message is itself. */
    enum mqtt_reason (*transform)(void *ctx, const struct message *view, const struct message **ret_messages,
                                  size_t *ret_count);

    /*
     * Called once for each accepted PUBLISH, before anything of it is delivered. SLUICE_OK: taken, with
     * what it changes of the retained messages;
     * *ret_seq is what broker_durable() must reach, 0 for nothing. SLUICE_FULL: a queue has no room;
     * the PUBLISH is held back with its connection until broker_resume(). SLUICE_IO: it cannot be
     * stored now; v5 is told 0x97, 3.1.1 is held back until broker_resume(). Others: it can never be
     * stored; v5 is told 0x83, which nobody tries again, and 3.1.1 is closed.
     */
    enum sluice_error (*store)(void *ctx, struct broker_publish *publish, uint64_t *ret_seq);

    uint64_t (*queue_open)(void *ctx, struct span client_id); /* never 0 */
    void (*queue_drop)(void *ctx, uint64_t queue);
    /* The subscriber has finished with it, or it was dropped (and counted). */
    void (*acknowledged)(void *ctx, uint64_t queue, uint64_t ordinal);
    /* The subscriber's PUBREC; the PUBREL waits for the returned seq. */
    uint64_t (*received)(void *ctx, uint64_t queue, uint64_t ordinal);
    /* The publisher's PUBREL; the PUBCOMP waits for the returned seq. */
    uint64_t (*packet_id_free)(void *ctx, uint64_t queue, uint16_t packet_id);
    /* A message that is no longer in memory; its reference is the caller's. */
    enum sluice_error (*load)(void *ctx, uint64_t position, struct message **ret_message);

    /* Whether so much waits to be written that a CONNECT of a durable session or with a will, SUBSCRIBE and
     * UNSUBSCRIBE are held back with their connections until broker_resume(). NULL: never. */
    bool (*state_is_full)(void *ctx);
    uint64_t (*session_saved)(void *ctx, const struct broker_session *session);
    uint64_t (*session_removed)(void *ctx, struct span client_id); /* with its subscriptions */
    uint64_t (*subscription_saved)(void *ctx, const struct broker_subscription *subscription);
    uint64_t (*subscription_removed)(void *ctx, struct span client_id, struct span filter);
    uint64_t (*will_saved)(void *ctx, const struct broker_will *will); /* a new one, or that it is due */
    uint64_t (*will_removed)(void *ctx, uint64_t id);
    /* Without a PUBLISH: it has expired, or its publisher's right is gone. */
    uint64_t (*retained_removed)(void *ctx, struct span topic);
};

/* Why a message did not reach a subscriber, or a PUBLISH was not accepted. */
enum broker_drop {
    BROKER_DROP_TOO_SLOW,       /* QoS 0: the connection does not keep up */
    BROKER_DROP_QUEUE_FULL,     /* the session's queue is at its bound */
    BROKER_DROP_QUEUES_FULL,    /* the queues of all sessions are */
    BROKER_DROP_EXPIRED,        /* its Message Expiry Interval has passed */
    BROKER_DROP_PACKET_TOO_BIG, /* over the client's Maximum Packet Size */
    BROKER_DROP_NOT_ALLOWED,    /* the publisher, or by now the subscriber, has no right */
    BROKER_DROP_SESSION_ENDED,  /* it was queued for a session that ended */
    BROKER_DROP_UNREADABLE,     /* the journal could not give it back */
    BROKER_DROP_NOT_STORED,     /* the journal did not take it */
    BROKER_DROP_REFUSED,        /* the PUBLISH itself: transform, topic, quota */
    BROKER_DROP_RETAINED_FULL,  /* not retained: the retained messages are at their bound */
    BROKER_DROP_COUNT,
};
const char *broker_drop_text(enum broker_drop reason); /* "queue_full": a metric's label */

/* The bounds that a client is told of, or slowed down at. */
enum broker_limit {
    BROKER_LIMIT_SESSIONS,
    BROKER_LIMIT_PACKET_BYTES,
    BROKER_LIMIT_PROPERTY_BYTES,
    BROKER_LIMIT_TOPIC_BYTES,
    BROKER_LIMIT_TOPIC_LEVELS,
    BROKER_LIMIT_FILTERS,
    BROKER_LIMIT_SUBSCRIPTIONS,
    BROKER_LIMIT_SUBSCRIPTIONS_TOTAL,
    BROKER_LIMIT_RECEIVE_MAXIMUM,
    BROKER_LIMIT_PUBLISH_RATE,
    BROKER_LIMIT_OUTPUT_BYTES_TOTAL,
    BROKER_LIMIT_COUNT,
};
const char *broker_limit_text(enum broker_limit limit); /* its name in the configuration */

struct broker_counters {
    uint64_t connects, connects_refused, takeovers;
    uint64_t sessions_expired;
    uint64_t packets_received, packets_sent; /* Control Packets of every type */
    uint64_t publishes_received[3];          /* accepted PUBLISH packets, by QoS */
    uint64_t messages;          /* Application Messages that came of them, of wills and of the gateway */
    uint64_t publishes_sent[3]; /* PUBLISH packets, by QoS; repetitions included */
    uint64_t payload_bytes_received, payload_bytes_sent; /* of those PUBLISH packets */
    uint64_t publishes_repeated;                         /* sent again with DUP */
    uint64_t duplicates_received; /* QoS 2 PUBLISH whose Packet Identifier was held already */
    uint64_t dropped[BROKER_DROP_COUNT];
    uint64_t limited[BROKER_LIMIT_COUNT]; /* how often each bound was met */
    uint64_t protocol_errors;             /* connections closed for what they sent */
    /* What there is now: */
    uint64_t channels, sessions, subscriptions, retained, retained_bytes, queued, unacknowledged;
    uint64_t unprocessed; /* acknowledgements that wait for functions, or behind one that does */
    uint64_t connected, connected_maximum; /* sessions that have a connection; the most there ever were */
    uint64_t output_bytes;                 /* unsent, of all connections */
    uint64_t shared_subscriptions;         /* of the subscriptions */
    uint64_t queued_bytes, inflight;       /* of what is queued: its size, and how many are sent but not
                                              finished */
};

struct broker *broker_new(const struct broker_config *config, const struct broker_hooks *hooks);
/* Every channel must have been closed before. Durable state stays where the hooks keep it. */
void broker_free(struct broker *broker);
const struct broker_counters *broker_counters(const struct broker *broker);

/* Replaces the rules (the broker owns them from here; until the first call nothing is allowed), and takes
 * away what they no longer allow: subscriptions, retained messages, wills. */
void broker_set_access(struct broker *broker, struct access *access);

/* ---- Connections ---- */

/* What a connection offers to its channel. None of them calls back into the broker from inside. */
struct channel_io {
    void *ctx;
    struct buffer *out;                    /* packets are encoded here; whoever sends them consumes it */
    void (*flush_soon)(void *ctx);         /* out has something: send it at the end of this loop turn */
    void (*close)(void *ctx);              /* send out, then close; channel_closed must still follow */
    void (*pause)(void *ctx, bool paused); /* stop or continue to read; on continuing give again what
                                              was not consumed, from the loop and not from inside */
};

struct channel *channel_open(struct broker *broker, const struct channel_io *io,
                             const struct identity *identity, uint64_t now_ms);
/* Takes the whole packets at the start of `input` and returns their bytes; the rest is to be given again
 * with more. */
size_t channel_input(struct channel *channel, struct span input, uint64_t now_ms);
/* The connection sent everything that was in `out`, at once or later: a slow one may go on. */
void channel_drained(struct channel *channel);
/* Ends the connection; a v5 client that is connected is told why. */
void channel_disconnect(struct channel *channel, enum mqtt_reason reason);
/* The connection is gone: exactly once, also after io.close. `channel` and `out` are not used again. */
void channel_closed(struct channel *channel, uint64_t now_ms);

/* Ends (v5: 0x87) every connection that broker_hooks.allowed no longer wants. */
void broker_recheck(struct broker *broker);

/* ---- The world's answers ---- */

/* What broker_hooks.authenticate still owed. */
void channel_authenticated(struct channel *channel, const struct broker_answer *answer);

/* Everything that store, received and packet_id_free numbered up to `seq` is on disk. */
void broker_durable(struct broker *broker, uint64_t seq);
void broker_state_durable(struct broker *broker, uint64_t ticket);
/* There is room again, or the disk works again: connections that were held back may go on. */
void broker_resume(struct broker *broker);

void broker_tick(struct broker *broker, uint64_t now_ms);
uint64_t broker_next_deadline(const struct broker *broker); /* UINT64_MAX: none */

/* Publishes for the gateway itself: function results, alerts. SLUICE_FULL, SLUICE_IO: as store said,
 * nothing was done. SLUICE_INVALID: the Topic Name is none, or begins with `$`. */
enum sluice_error broker_publish(struct broker *broker, const struct message *view);

/* Whether the Client that published this message may subscribe to that topic, by the rules as they are now.
 */
bool broker_may_receive(const struct broker *broker, const struct message *message, struct span topic);

/* Publishes what the gateway says of itself, on a topic that begins with `$`: to those who are connected, at
 * QoS 0, and retained in memory. Nothing of it is stored, and no hook is called. */
void broker_publish_status(struct broker *broker, struct span topic, struct span payload);

/* Refuses new connections' CONNECT with 0x89 and says goodbye (0x8B) to those there are. */
void broker_stop(struct broker *broker);

/* ---- Restoring at start: after broker_set_access, before any channel, in this order ---- */

/* A damaged record is refused (SLUICE_INVALID, SLUICE_EXISTS), and one that the rules no longer allow
 * (SLUICE_DENIED), which the state need not keep any more; the rest goes on. The session's queue is opened by
 * hooks.queue_open. Who was connected when the gateway ended has been disconnected since now, and the state
 * is told. */
enum sluice_error broker_restore_session(struct broker *broker, const struct broker_session *session,
                                         uint64_t now_ms);
enum sluice_error broker_restore_subscription(struct broker *broker,
                                              const struct broker_subscription *subscription);
/* A retained message, or with an empty payload that its topic has none; the later one of a topic holds. */
enum sluice_error broker_restore_retained(struct broker *broker, const struct message *message);
/* In ascending ids. What is due fires at the first broker_tick. */
enum sluice_error broker_restore_will(struct broker *broker, const struct broker_will *will, uint64_t now_ms);

/* A session's queue; what it holds follows, before the next queue. Its ordinals from next_ordinal on are
 * free. SLUICE_NOT_FOUND: no session has this queue, so its owner may drop it. */
enum sluice_error broker_restore_queue(struct broker *broker, struct span client_id, uint64_t queue,
                                       uint64_t next_ordinal);
/* A message of that queue that is not finished, in ascending order. `received`: the subscriber's PUBREC is
 * on disk. `message_bytes` as message_bytes() had it. */
enum sluice_error broker_restore_entry(struct broker *broker, const struct broker_target *target,
                                       bool received, uint64_t position, size_t message_bytes);
/* A QoS 2 Packet Identifier that the session's client has not released. */
enum sluice_error broker_restore_packet_id(struct broker *broker, uint64_t queue, uint16_t packet_id);

#endif
