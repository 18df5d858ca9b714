/*
 * The outbox: encoded PUBLISH packets, in order, until the gateway acknowledges
 * them. A bounded queue in caller-owned memory; no allocation, no I/O. Entries
 * lie one after the other, each with a small header; when the end of the memory
 * is reached, the rest is moved to its start, so that every packet stays in one
 * piece. Pointers to entries are good until the next call that adds or removes.
 *
 * Packets wait, are sent, and leave when acknowledged. Because they are sent in
 * order, entries that are sent stand before those that are not.
 */
#ifndef SLUICE_CLIENT_OUTBOX_H
#define SLUICE_CLIENT_OUTBOX_H

#include "sluice/store.h"
#include "wire/span.h"

enum {
    /* Entries that are not settled: below the number of Packet Identifiers, so that there is always one that
       is not in use. */
    OUTBOX_COUNT_MAX = 32768,
};

enum outbox_state {
    OUTBOX_WAITING, /* to be sent for the first time, or as if */
    OUTBOX_AGAIN,   /* was sent on an earlier connection of this session: to be sent with DUP */
    OUTBOX_SENT,    /* awaits its PUBACK */
    OUTBOX_DONE,    /* acknowledged before one that stands in front of it */
};

struct outbox_entry {
    uint32_t len;          /* of the packet, which follows this header */
    uint16_t packet_id;    /* 0: OUTBOX_DONE, and its own may be in use again */
    uint16_t sample_count; /* of a telemetry frame, which may be thinned out; 0: another message */
    uint8_t state;         /* enum outbox_state */
    bool stored;           /* is in the store too, and leaves it when it leaves here */
};

struct outbox {
    uint8_t *memory;
    size_t capacity_bytes;
    size_t head; /* of the first entry */
    size_t tail; /* where the next entry goes */
    size_t count;

    /* This is a window on the store (client/spool.h); NULL: all is here, and none of the rest is used. */
    struct sluice_store *store;
    size_t stored_count;   /* records of it that are here */
    uint64_t commit_at_ms; /* UINT64_MAX: nothing is to be committed */
    bool store_failed;     /* and that was said */
};

/* `memory` must be aligned as a struct outbox_entry. */
void outbox_init(struct outbox *outbox, void *memory, size_t capacity_bytes);

/* Bytes that a packet of `len` takes in the outbox. */
size_t outbox_entry_bytes(size_t len);

/*
 * Room for a packet of `len` bytes at the end, to be written there before the
 * next call; the entry counts from now on. SLUICE_FULL: not now;
 * SLUICE_TOO_LARGE: not even in an empty outbox, or in half of one before a store.
 */
enum sluice_error outbox_add(struct outbox *outbox, size_t len, uint16_t packet_id, uint16_t sample_count,
                             uint8_t **ret_packet);

/* Where the next entry goes, with `bytes` from there to the end of the memory: no more than are free. */
struct outbox_entry *outbox_place(struct outbox *outbox, size_t bytes);
/* Packets that are not settled, here and in the store. */
size_t outbox_queued(const struct outbox *outbox);

/* The first entry, or NULL; the one after `entry`, or NULL. */
struct outbox_entry *outbox_first(const struct outbox *outbox);
struct outbox_entry *outbox_next(const struct outbox *outbox, const struct outbox_entry *entry);
uint8_t *outbox_packet(struct outbox_entry *entry);
struct outbox_entry *outbox_entry_of(uint8_t *packet);
/* The first that is to be sent (OUTBOX_WAITING or OUTBOX_AGAIN), or NULL. */
struct outbox_entry *outbox_unsent(const struct outbox *outbox);
struct outbox_entry *outbox_find(const struct outbox *outbox, uint16_t packet_id);

/* `entry` is settled: it leaves at once if it is the first, else when those before it have left. */
void outbox_settle(struct outbox *outbox, struct outbox_entry *entry);
/* Takes out every second frame in OUTBOX_WAITING after `keep` (NULL: none is kept) that is only here; gives
 * how many. */
size_t outbox_thin(struct outbox *outbox, const struct outbox_entry *keep);
/* The connection is gone: what was sent is to be sent again. */
void outbox_rewind(struct outbox *outbox);
/* The gateway has no session: nothing was ever sent, as far as it knows. */
void outbox_forget(struct outbox *outbox);

#endif
