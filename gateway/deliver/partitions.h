/*
 * The containers of an ordered queue, by value: its entries by partition, each
 * partition in order. A partition is ready, waits for another attempt, or is
 * leased: then nothing of it is taken until it is released. Partitions come and
 * go with their entries, and may be any number. Private to the queue, which owns the
 * messages; one thread. A zeroed one is empty.
 */
#ifndef SLUICE_DELIVER_PARTITIONS_H
#define SLUICE_DELIVER_PARTITIONS_H

#include "deliver/queue_entries.h"

enum partition_state {
    PARTITION_IDLE, /* no entries; only while it is being made or freed */
    PARTITION_READY,
    PARTITION_WAITING,
    PARTITION_LEASED,
};

struct partition {
    struct partition *next_in_bucket;
    uint32_t key;
    enum partition_state state;
    uint32_t first, last; /* places of entries */
    size_t count, bytes;
    uint32_t limit;  /* of its next batch, which is of this partition alone; 0: none, it may be with others */
    uint64_t due_ms; /* of its next attempt */
    size_t failed_count; /* in the lease that is ending */
    uint64_t order;      /* among the ready, or the waiting: the lowest first */
    size_t heap_index;
};

struct partition_heap {
    struct partition **items;
    size_t count, capacity;
};

struct partitions {
    struct partition **buckets;
    size_t bucket_count, partition_count; /* the first is a power of two, or 0 */
    struct partition_place {
        struct queue_entry entry;
        uint32_t next;
    } * places;
    size_t place_count, place_capacity;
    uint32_t free_place; /* one above it; 0: none */
    struct partition_heap ready, waiting;
    size_t count, ready_count, ready_bytes; /* of entries; the last two of ready partitions */
};

/* Frees all, and gives up the messages of its entries. */
void partitions_fini(struct partitions *partitions);

/* Behind the others of its partition. */
void partitions_add(struct partitions *partitions, const struct queue_entry *entry);
/* In front of them; the partition is leased. */
void partitions_put_back(struct partitions *partitions, const struct queue_entry *entry);

/* The ready partition that has waited longest, those with a limit first; NULL: none. */
struct partition *partitions_first(const struct partitions *partitions);
const struct queue_entry *partitions_head(const struct partitions *partitions,
                                          const struct partition *partition);
/* Its first entry. A partition without entries is gone then. */
struct queue_entry partitions_take(struct partitions *partitions, struct partition *partition);

/* Nothing more of it is taken; also where it is leased already, or has no more entries. */
void partitions_lease(struct partitions *partitions, uint32_t key);
/* NULL: there is none of that key. */
struct partition *partitions_find(const struct partitions *partitions, uint32_t key);
/* Ends its lease: it waits until due_ms, if that is later, with that limit. */
void partitions_release(struct partitions *partitions, struct partition *partition, uint32_t limit,
                        uint64_t now_ms);

/* Those that have waited long enough are ready. */
void partitions_wake(struct partitions *partitions, uint64_t now_ms);
/* When there is one; UINT64_MAX: none waits. */
uint64_t partitions_next_due(const struct partitions *partitions);

#endif
