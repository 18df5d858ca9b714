/*
 * The queue of one function: holds entries, forms batches, leases them, and
 * retries what failed until it succeeds or becomes a dead letter. Sans-I/O.
 *
 * An entry is fresh, leased, waiting for its next attempt, or waiting for its
 * dead letter to be stored. It leaves, by the `acknowledge` hook, after it
 * succeeded or after its dead letter is durable (queue_dead_stored); so nothing
 * leaves the journal that was not handled. Entries that failed wait apart: a
 * message that fails for ever delays nobody.
 *
 * An ordered queue keeps the order of each partition: at most one batch at once has entries of a partition,
 * and behind one that failed (or was not reached) all later ones of its partition are tried again, after it.
 * So one that fails for ever delays its partition until it is a dead letter, and no other: a batch of several
 * partitions that failed whole is tried again by partition.
 *
 * A function that cannot be reached, or that throttles, says nothing about its
 * messages: such attempts do not count, but hold back the whole queue for a
 * growing while. Only the maximum record age ends that.
 *
 * Owns: its entries and one reference to each message it holds in memory; up
 * to config.memory_bytes of them, the rest is loaded when it is leased.
 * An entry takes 48 bytes until its first attempt, and is no more than a
 * reference into the journal; where entries wait, max_count bounds the memory.
 * Attempts and ages count from when this process got the entry, on the clock
 * of now_ms (monotonic): a wall clock that is set cannot age a message, and a
 * restart starts both again.
 * One thread. Hooks must not call back, except queue_next_ordinal, queue_has_room and queue_stats; on_room
 * may call anything but queue_free.
 */
#ifndef SLUICE_DELIVER_QUEUE_H
#define SLUICE_DELIVER_QUEUE_H

#include "base/message.h"
#include "deliver/retry.h"
#include "sluice/error.h"

struct queue;

struct queue_config {
    size_t max_count;      /* entries; */
    size_t max_bytes;      /* their message_bytes: beyond either the queue has no room */
    size_t memory_bytes;   /* of messages held in memory */
    uint32_t batch_size;   /* 1: no batches */
    uint32_t delay_ms;     /* from being added to being leased */
    uint32_t window_ms;    /* how long the first of a batch waits for more; 0: not at all */
    size_t batch_bytes;    /* their message_bytes; a single larger message goes alone; see queue_shorten */
    uint32_t concurrency;  /* batches leased at once */
    uint32_t max_attempts; /* then the dead letter */
    uint64_t max_age_ms;   /* the same; 0: no bound */
    bool bisect;  /* a batch that failed whole is tried again in halves, and that counts only alone */
    bool ordered; /* see above */
    /* Of one that is ordered: a batch is of one partition alone, and nothing is leased, nor stands in a batch
     * behind it, while a dead letter is not stored. */
    bool one_partition;
    struct retry_policy error_retry;
    struct retry_policy unreachable_retry; /* of the whole queue, where it is not reached */
    struct retry_policy throttle_retry;    /* the same, where it asks for a lower rate */
};

/* 100,000 entries and 256 MB, 8 MB in memory; no batches; concurrency 1; 3 attempts, 7 days. */
struct queue_config queue_config_default(void);
/* The same for asynchronous invocations, as in Lambda: tried again after 1 and 2 minutes; throttled ones
 * after 1 s to 5 minutes, for 6 h. */
struct queue_config queue_config_asynchronous(void);

enum queue_dead_reason {
    QUEUE_DEAD_ATTEMPTS = 1, /* max_attempts failed */
    QUEUE_DEAD_AGE,          /* older than max_age_ms */
    QUEUE_DEAD_UNREADABLE,   /* the message could not be loaded: there is none in struct queue_dead */
    QUEUE_DEAD_REJECTED,     /* queue_reject */
};

struct queue_dead {
    uint64_t ordinal;
    struct message *message; /* lives until the hook returns, or as long as its reference */
    enum queue_dead_reason reason;
    uint32_t attempts;
    uint64_t first_ms, last_ms; /* the first and the last attempt, on the clock of now_ms; 0: none */
    struct span error_type;     /* of the attempt that ended it; empty if none */
    struct span error_message;
    struct span error_payload;
};

struct queue_hooks {
    void *ctx;
    uint32_t (*random)(void *ctx);
    /* A message not in memory, with a reference: as journal_load. */
    enum sluice_error (*load)(void *ctx, uint64_t position, struct message **ret_message);
    /* The entry is finished for good: journal_acknowledge. */
    void (*acknowledge)(void *ctx, uint64_t ordinal);
    /* Store this dead letter, then call queue_dead_stored (later, not within). */
    void (*dead)(void *ctx, const struct queue_dead *dead);
    /* There is room again after queue_has_room said no. */
    void (*on_room)(void *ctx);
    /* After queue_add, queue_restore, queue_done, and queue_dead_stored where that is waited for: queue_next
     * and queue_next_deadline are worth asking again.
     */
    void (*on_changed)(void *ctx);
};

struct queue *queue_new(const struct queue_config *config, const struct queue_hooks *hooks,
                        uint64_t next_ordinal);
void queue_free(struct queue *queue); /* with leased batches, if any; NULL is allowed */

/* Whether `count` more entries of together `bytes` (message_bytes) fit; if not, on_room follows. */
bool queue_has_room(struct queue *queue, size_t count, size_t bytes);
/* The ordinal that the next queue_add will take. */
uint64_t queue_next_ordinal(const struct queue *queue);
/* Adds a message that is stored (or about to be: the lease does not wait) under the next ordinal.
 * `partition`: of an ordered queue, any number. `position`: for load. */
void queue_add(struct queue *queue, struct message *message, uint32_t partition, uint64_t position,
               uint64_t now_ms);
/* Adds an entry found at start; ordinals ascend and stay below next_ordinal. `waited_ms` of its delay are
 * over. */
void queue_restore(struct queue *queue, uint64_t ordinal, size_t bytes, uint32_t partition, uint64_t position,
                   uint64_t waited_ms, uint64_t now_ms);

enum queue_outcome {
    QUEUE_NOT_ATTEMPTED = 0, /* throttled, not reachable, or the worker never took it */
    QUEUE_SUCCEEDED,
    QUEUE_FAILED,
    QUEUE_NOT_REACHED, /* only of an ordered queue: behind one that failed */
    QUEUE_REJECTED,    /* set by queue_reject alone */
};

struct queue_item {
    uint64_t ordinal;
    struct message *message;    /* the queue's; lives until queue_done */
    uint32_t attempt;           /* this one, counted from 1 */
    uint64_t first_ms;          /* of its first attempt */
    enum queue_outcome outcome; /* for queue_done, set by whoever holds the lease */
};

/* A lease. Freed by queue_done, or with the queue. */
struct queue_batch {
    size_t count;
    struct queue_item *items; /* retries that are due, then in order of arrival */
    uint32_t partition;       /* of an ordered queue: that of the first item */
    void *user;               /* of whoever holds the lease */
};

/*
 * Leases the next batch that is due. SLUICE_OK: *ret_batch is leased. SLUICE_AGAIN: nothing is
 * due now (see queue_next_deadline), or all leases are out. Call until it says so. Of those that are too old
 * at most 64 die in one call, or become unreadable; the deadline of the others is over then.
 */
enum sluice_error queue_next(struct queue *queue, uint64_t now_ms, struct queue_batch **ret_batch);

/* Why the items that did not succeed did not; for the log and the dead letter. */
struct queue_error {
    bool is_throttled; /* of items that were not attempted: the target is there, and asks for a lower rate */
    uint64_t retry_after_ms; /* at least so long, up to RETRY_AFTER_MAX_MS; 0: nothing was said */
    struct span type;
    struct span message;
    struct span payload; /* all that the function said of it, or empty */
};

/* Gives one item of a lease up for good, without an attempt, because it can never succeed (its payload is not
 * what the rule needs): it becomes a dead letter at once, its outcome is QUEUE_REJECTED, and queue_done
 * leaves it alone. The item's message stays until queue_done. */
void queue_reject(struct queue *queue, struct queue_batch *batch, size_t index, uint64_t now_ms,
                  const struct queue_error *error);

/* Gives the items of a lease from `count` on, at least 1, back as they were: they are leased again before
 * anything that came later, and wait for no window. */
void queue_shorten(struct queue *queue, struct queue_batch *batch, size_t count, uint64_t now_ms);

/* Ends a lease as items[].outcome says. `error` may be NULL if all succeeded. */
void queue_done(struct queue *queue, struct queue_batch *batch, uint64_t now_ms,
                const struct queue_error *error);
/* The dead letter of that entry is durable. */
void queue_dead_stored(struct queue *queue, uint64_t ordinal);

/* When queue_next may have something without another call; UINT64_MAX: never. */
uint64_t queue_next_deadline(const struct queue *queue);

struct queue_stats {
    size_t count;                                                /* entries, in whatever state */
    size_t bytes;                                                /* their message_bytes */
    size_t memory_bytes;                                         /* of these in memory */
    size_t ready_count, waiting_count, leased_count, dead_count; /* what makes up count */
    uint64_t added, succeeded, failed_attempts, dead; /* since the start; `dead` letters given out */
};

struct queue_stats queue_stats(const struct queue *queue);

#endif
