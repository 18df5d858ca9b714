/*
 * Sessions: everything that the Server keeps for a Client Identifier, connected
 * or not [MQTT-4.1.0-1]. A session is in the table from its CONNECT until it ends:
 * at once when the connection closes if its Session Expiry Interval is 0, else
 * when that has passed. It owns its subscriptions, its queues, its will and its
 * rights. Bounds are in struct broker_config.
 */
#ifndef SLUICE_BROKER_SESSION_H
#define SLUICE_BROKER_SESSION_H

#include "base/timers.h"
#include "broker/broker.h"
#include "broker/incoming.h"
#include "broker/outgoing.h"
#include "broker/subscriptions.h"

#define SESSION_NEVER_EXPIRES UINT32_MAX

struct session {
    struct broker *broker;
    struct channel *channel; /* NULL: not connected */
    const struct identity *owner;
    struct grants *grants;
    struct session *next_in_bucket;
    uint64_t hash;
    uint64_t queue; /* the journal's; 0: the session is not durable */
    struct outgoing outgoing;
    struct incoming incoming;
    uint64_t freed_seq; /* of the last record that freed a Packet Identifier of these */
    struct subscription *subscriptions;
    uint32_t subscription_count;
    uint32_t expiry_s;
    struct timer expiry;
    struct replay *replays;                          /* see replay.h; NULL: none */
    struct will *will;                               /* NULL: none */
    struct session *next_waiting, *previous_waiting; /* for the disk, to send what is queued */
    bool waiting;
    uint64_t match_stamp; /* of the message that is being matched (publish.c): its delivery, and how many */
    uint32_t match_place; /* ordinals of this session the PUBLISH has taken so far */
    uint32_t reserved_count;
    size_t reserved_bytes;
    uint16_t client_id_len;
    uint8_t client_id[];
};

struct session_table {
    struct session **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
};

static inline struct span session_client_id(const struct session *session)
{
    return span_of(session->client_id, session->client_id_len);
}

/* A copy for as long as a connection or session has this owner; anonymous ones share one. */
const struct identity *identity_keep(const struct identity *identity);
void identity_release(const struct identity *identity);

struct session *session_find(struct broker *broker, struct span client_id);
/* `queue` 0: not durable. The table's bound is the caller's to check. */
struct session *session_new(struct broker *broker, struct span client_id, const struct identity *owner,
                            uint32_t expiry_s, uint64_t queue, uint64_t next_ordinal);
/* Adds what the session has queued to the broker's counters, or takes it off: around what changes it. */
void session_count_queue(struct session *session, bool added);
/* Tells the state's keeper of a durable session; returns the ticket. */
uint64_t session_save(struct session *session, uint64_t disconnected_ms);
/* The connection is gone: arms or fires the will, and ends the session, in bounded steps, or lets it wait for
 * its expiry. */
void session_detach(struct session *session, uint64_t now_ms);
/* Fires the will that is due, gives the other members of its Shared Subscriptions what the journal takes now,
 * and forgets the session with all that it had. */
void session_end(struct session *session);
/* Nobody is connected to it again: it only gives the other members of its Shared Subscriptions what it has.
 */
static inline bool session_is_leaving(const struct session *session)
{
    return !session->channel && session->expiry_s == 0;
}
/* Calls `visit` for each; it may end that session. */
void session_each(struct broker *broker, void (*visit)(void *ctx, struct session *session), void *ctx);
void session_table_fini(struct broker *broker);

/* Links or unlinks a session that waits for the disk. */
void session_wait(struct session *session);
void session_stop_waiting(struct session *session);

/* Its subscription to exactly this filter, of this share or plain; or NULL. */
struct subscription *session_subscription(const struct session *session, struct span share,
                                          struct span filter);
/* Adds or changes one; share and filter are the parts of wanted->filter. */
struct subscription *session_subscribe(struct session *session, const struct broker_subscription *wanted,
                                       struct span share, struct span filter);
void session_unsubscribe(struct session *session, struct subscription *subscription);

#endif
