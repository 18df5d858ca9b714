/*
 * The containers of a function queue, by value: fresh entries in a ring, those
 * that wait for another attempt in a heap, those whose dead letter is being
 * stored in a list. Private to queue.c, which owns the messages; one thread.
 * Zeroed ones are empty; freeing is memory_free of their items.
 */
#ifndef SLUICE_DELIVER_QUEUE_ENTRIES_H
#define SLUICE_DELIVER_QUEUE_ENTRIES_H

#include "base/message.h"

struct queue_entry {
    uint64_t ordinal;
    uint64_t position;
    struct message *message; /* NULL: to be loaded */
    size_t bytes;
    uint32_t attempts; /* that counted */
    union {
        uint32_t batch_limit; /* how many may be in its next batch */
        uint32_t partition;   /* of an ordered queue */
    };
    uint64_t born_ms;
    uint64_t due_ms; /* fresh: when it was added; else of its next attempt */
    uint64_t first_ms, last_ms;
};

/* Fresh entries in order of arrival. */
struct ring {
    struct queue_entry *items;
    size_t capacity; /* a power of two, or 0 */
    size_t head, count, bytes;
};

/* Entries that are tried again, the earliest due first. */
struct heap {
    struct queue_entry *items;
    size_t capacity, count;
};

/* Entries whose dead letter is being stored; mostly stored in the order they died in. */
struct dying {
    struct dying_entry {
        uint64_t ordinal;
        size_t bytes;
    } * items;
    size_t capacity, head, end;
};

void ring_push(struct ring *ring, const struct queue_entry *entry);
/* The ring must not be empty; nor the heap. */
struct queue_entry ring_pop(struct ring *ring);
void heap_push(struct heap *heap, const struct queue_entry *entry);
struct queue_entry heap_pop(struct heap *heap);
void dying_push(struct dying *dying, uint64_t ordinal, size_t bytes);
/* False: it is not there. */
bool dying_take(struct dying *dying, uint64_t ordinal, size_t *ret_bytes);

#endif
