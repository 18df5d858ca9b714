/*
 * The QoS 1 and 2 messages of one session on their way to its client: a ring of
 * entries from the oldest unfinished one to the newest, each under its ordinal.
 * It is bookkeeping only: what may be sent when is delivery.c's.
 *
 * The Packet Identifier is a pure function of the ordinal, so it needs no table
 * and is the same after a restart. No two live entries share one, because
 * outgoing_sendable stops a full turn of identifiers behind the oldest.
 *
 * Entries up to the cursor have been sent on the present connection; a new
 * connection puts the cursor back to the oldest. Owned by one thread; bounds are
 * the caller's to check (outgoing_count, .bytes).
 */
#ifndef SLUICE_BROKER_OUTGOING_H
#define SLUICE_BROKER_OUTGOING_H

#include "base/message.h"

enum { PACKET_ID_COUNT = 65535 };

enum outgoing_state {
    OUTGOING_QUEUED,   /* never sent */
    OUTGOING_SENT,     /* PUBLISH sent, on this connection or an earlier one */
    OUTGOING_RECEIVED, /* the client's PUBREC is here: from now on it is PUBREL that is sent */
    OUTGOING_DONE,     /* finished, but an older one is not */
};

struct outgoing_entry {
    struct message *message; /* NULL: to be loaded from position, or sent and not needed again */
    uint32_t *identifiers;   /* Subscription Identifiers, ended by 0; NULL: none */
    uint64_t position;       /* in the journal */
    uint64_t seq;            /* nothing is sent for it before this is durable; 0: at once */
    uint32_t bytes;
    uint32_t share : 26; /* which of the session's Shared Subscriptions it comes by; 0: none */
    uint32_t qos : 2;
    uint32_t state : 2; /* enum outgoing_state */
    bool retain : 1;
    bool restored : 1;  /* from before a restart: whether it was sent then is not known */
    bool old_rules : 1; /* accepted under rules that were replaced since: is its publisher allowed now? */
};

struct outgoing {
    struct outgoing_entry *ring;
    uint32_t capacity;       /* a power of two, or 0 */
    uint32_t inflight_count; /* sent on this connection and not finished */
    uint64_t oldest, cursor, next;
    uint64_t bytes;        /* of all unfinished entries */
    uint64_t memory_bytes; /* of those that hold their message */
};

void outgoing_init(struct outgoing *outgoing, uint64_t next_ordinal);
/* Frees what the entries hold. */
void outgoing_fini(struct outgoing *outgoing);

static inline uint64_t outgoing_count(const struct outgoing *outgoing)
{
    return outgoing->next - outgoing->oldest;
}

static inline uint16_t outgoing_packet_id(uint64_t ordinal)
{
    return (uint16_t)(ordinal % PACKET_ID_COUNT + 1);
}

/* The entry under an ordinal that is in the ring. */
struct outgoing_entry *outgoing_at(const struct outgoing *outgoing, uint64_t ordinal);
/* Takes the ordinal outgoing->next; the entry's references and memory become the ring's. */
struct outgoing_entry *outgoing_append(struct outgoing *outgoing, const struct outgoing_entry *entry);
/* The entry at the cursor, if there is one and its Packet Identifier is free; else NULL. */
struct outgoing_entry *outgoing_sendable(const struct outgoing *outgoing);
/* What was sent under this Packet Identifier on this connection and is not finished; else NULL. */
struct outgoing_entry *outgoing_find(const struct outgoing *outgoing, uint16_t packet_id,
                                     uint64_t *ret_ordinal);
/* Lets go of the entry's message: it is sent, or is to be loaded when its turn comes. */
void outgoing_forget_message(struct outgoing *outgoing, struct outgoing_entry *entry);
void outgoing_finish(struct outgoing *outgoing, uint64_t ordinal);
/* At start, in ascending order: puts an entry under an ordinal below outgoing->next. False: it is out of
 * order, or so far back that it cannot be true. */
bool outgoing_restore(struct outgoing *outgoing, uint64_t ordinal, const struct outgoing_entry *entry);
/* What it holds was accepted under rules that are no longer those in force. */
void outgoing_rules_changed(struct outgoing *outgoing);
/* A new connection: everything unfinished is to be sent again. */
void outgoing_rewind(struct outgoing *outgoing);

#endif
