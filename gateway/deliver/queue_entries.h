/*
 * The containers of a function queue, by value: fresh entries in a line, those
 * that wait for another attempt in a heap, those whose dead letter is being
 * stored in a list. Private to queue.c, which owns the messages; one thread.
 * Zeroed ones are empty. A line is freed by line_fini, the others by memory_free
 * of their items.
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

/* Entries without an attempt, in order of arrival: 48 bytes for each, and what a backlog took is given back
 * as it goes. */
struct line {
    struct line_block *first, *last; /* one stays when the last entry goes */
    size_t head;                     /* taken of the first block */
    size_t end;                      /* filled of the last */
    size_t count, bytes;
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

void line_push(struct line *line, const struct queue_entry *entry);
/* These need one that is not empty; so does heap_pop. */
struct queue_entry line_first(const struct line *line);
struct queue_entry line_pop(struct line *line);
void line_fini(struct line *line); /* the messages are the caller's */
void heap_push(struct heap *heap, const struct queue_entry *entry);
struct queue_entry heap_pop(struct heap *heap);
void dying_push(struct dying *dying, uint64_t ordinal, size_t bytes);
/* False: it is not there. */
bool dying_take(struct dying *dying, uint64_t ordinal, size_t *ret_bytes);

#endif
