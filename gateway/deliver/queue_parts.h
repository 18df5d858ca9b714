/*
 * The queue's inside, for its own files: queue.c (entries and what is common),
 * queue_lease.c (forming batches), queue_done.c (what becomes of them).
 */
#ifndef SLUICE_DELIVER_QUEUE_PARTS_H
#define SLUICE_DELIVER_QUEUE_PARTS_H

#include "deliver/partitions.h"
#include "deliver/queue.h"

struct lease {
    struct queue_batch batch;
    struct lease *next, *previous;
    struct queue_entry *entries;
};

struct queue {
    struct queue_config config;
    struct queue_hooks hooks;
    struct line delayed; /* the first of them is due first */
    struct line fresh;   /* these two of one that is not ordered, */
    struct heap heap;
    struct partitions partitions; /* this of one that is */
    struct dying dying;
    struct lease *leases;
    size_t lease_count;
    uint64_t next_ordinal;
    uint64_t held_until_ms; /* the function could not be reached */
    uint32_t held_count;    /* times in a row */
    bool wants_room;
    struct queue_stats stats;
};

/* Gives up the entry's message; it can be loaded again. */
void queue_let_go(struct queue *queue, struct queue_entry *entry);
/* Has the message in memory; false: the entry is dead. */
bool queue_have_message(struct queue *queue, struct queue_entry *entry);
bool queue_is_too_old(const struct queue *queue, const struct queue_entry *entry, uint64_t now_ms);
/* The entry is finished for good: acknowledges it. */
void queue_leave(struct queue *queue, uint64_t ordinal, size_t bytes);
/* Gives the entry to the dead letters. */
void queue_die(struct queue *queue, struct queue_entry *entry, enum queue_dead_reason reason,
               const struct queue_error *error);
/* Asks again those who found no room, if there is some. */
void queue_tell_room(struct queue *queue);
/* Those whose delay is over can be leased. */
void queue_end_delays(struct queue *queue, uint64_t now_ms);
void queue_lease_free(struct queue *queue, struct lease *lease);

#endif
