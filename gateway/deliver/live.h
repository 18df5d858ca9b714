/*
 * What is unfinished, in memory: for each queue a table from ordinal (and from
 * Packet Identifier) to the stored message it names, and the stored messages
 * themselves with where they lie and how many entries need them. The journal's
 * own; loop thread only; no I/O. About 16 bytes an entry at half load, and 24 a
 * message.
 */
#ifndef SLUICE_DELIVER_LIVE_H
#define SLUICE_DELIVER_LIVE_H

#include "deliver/journal.h"

/* Numbers of a queue's table: an ordinal as it is, a Packet Identifier with this bit. */
#define LIVE_PACKET_ID (UINT64_C(1) << 63)

struct live_entry {
    uint64_t number;
    uint32_t stored; /* index into struct stored_table */
    uint32_t share : 26;
    uint32_t qos : 2;
    bool retain : 1, received : 1, used : 1;
};

/* Open addressing with linear probing; removal moves later entries up, so there are no tombstones. */
struct live_table {
    struct live_entry *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

struct live_entry *live_find(const struct live_table *table, uint64_t number);
/* The entry of that number, new (zeroed but for number and used) if it was not there. */
struct live_entry *live_put(struct live_table *table, uint64_t number);
void live_remove(struct live_table *table, struct live_entry *entry);
void live_fini(struct live_table *table);

struct live_queue {
    struct live_queue *next_of_id, *next_of_name;
    uint64_t next_ordinal;
    uint64_t declared_seq; /* of the record that made it */
    struct live_table table;
    uint32_t id;
    enum journal_queue_kind kind;
    size_t name_len;
    uint8_t name[];
};

struct live_queues {
    struct live_queue **by_id, **by_name; /* chains */
    size_t bucket_count;                  /* a power of two, or 0 */
    size_t count;
    uint32_t next_id;
};

static inline struct span live_queue_name(const struct live_queue *queue)
{
    return span_of(queue->name, queue->name_len);
}

struct live_queue *live_queue_find(const struct live_queues *queues, uint32_t id);
struct live_queue *live_queue_named(const struct live_queues *queues, enum journal_queue_kind kind,
                                    struct span name);
/* `id` and the name must be free. */
struct live_queue *live_queue_new(struct live_queues *queues, uint32_t id, enum journal_queue_kind kind,
                                  struct span name);
/* Its table must be empty of what others count. */
void live_queue_free(struct live_queues *queues, struct live_queue *queue);
void live_queues_fini(struct live_queues *queues);

enum { STORED_ORIGIN = UINT16_MAX }; /* index of what a Packet Identifier names: its record, no message */

struct stored {
    uint32_t segment; /* its number */
    uint32_t offset;  /* of the record */
    uint32_t bytes;   /* of the message's parts */
    uint32_t uses;    /* entries that name it; 0: free */
    uint16_t index;   /* among the record's messages */
    uint32_t generation;
};

struct stored_table {
    struct stored *items;
    uint32_t count, capacity;
    uint32_t first_free; /* index plus one, linked by `offset`; 0: none */
};

/* An unused one, with everything but generation zero. */
uint32_t stored_new(struct stored_table *table);
void stored_release(struct stored_table *table, uint32_t index);
/* Positions hold the generation, so that one that is over is told from its successor. Never 0. */
uint64_t stored_position(const struct stored_table *table, uint32_t index);
struct stored *stored_at(const struct stored_table *table, uint64_t position); /* NULL: it is over */
void stored_fini(struct stored_table *table);

#endif
