/* What becomes of a batch. */
#include "deliver/queue_parts.h"

#include <assert.h>

static void wait_again(struct queue *queue, struct queue_entry *entry, uint64_t due_ms)
{
    entry->due_ms = due_ms;
    if (queue->stats.memory_bytes > queue->config.memory_bytes)
        queue_let_go(queue, entry);
    heap_push(&queue->heap, entry);
}

/* What the target asked for counts if it is longer, but it cannot stop a queue for good. */
static uint64_t at_least_as_asked(uint64_t delay_ms, const struct queue_error *error)
{
    uint64_t asked_ms = error ? error->retry_after_ms : 0;
    if (asked_ms > RETRY_AFTER_MAX_MS)
        asked_ms = RETRY_AFTER_MAX_MS;
    return asked_ms > delay_ms ? asked_ms : delay_ms;
}

/* An attempt that failed, and whether it counts. False: the entry is dead; else it is tried again at
 * *ret_due_ms. */
static bool failed(struct queue *queue, struct queue_entry *entry, bool counts, uint64_t now_ms,
                   const struct queue_error *error, uint64_t *ret_due_ms)
{
    queue->stats.failed_attempts++;
    entry->last_ms = now_ms;
    entry->attempts += counts;
    bool spent = entry->attempts >= queue->config.max_attempts;
    if (spent || queue_is_too_old(queue, entry, now_ms)) {
        queue_die(queue, entry, spent ? QUEUE_DEAD_ATTEMPTS : QUEUE_DEAD_AGE, error);
        return false;
    }
    uint64_t delay_ms = retry_delay_ms(queue->config.error_retry, entry->attempts + !counts,
                                       queue->hooks.random(queue->hooks.ctx));
    *ret_due_ms = now_ms + at_least_as_asked(delay_ms, error);
    return true;
}

/* Holds back the queue: longer each time in a row, but several leases that end together are one time. */
static void hold_back(struct queue *queue, uint64_t now_ms, const struct queue_error *error)
{
    if (now_ms < queue->held_until_ms)
        return;
    struct retry_policy policy =
        error && error->is_throttled ? queue->config.throttle_retry : queue->config.unreachable_retry;
    uint64_t delay_ms = retry_delay_ms(policy, ++queue->held_count, queue->hooks.random(queue->hooks.ctx));
    queue->held_until_ms = now_ms + at_least_as_asked(delay_ms, error);
}

static size_t count_outcomes(const struct queue_batch *batch, enum queue_outcome outcome)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++)
        count += batch->items[i].outcome == outcome;
    return count;
}

void queue_reject(struct queue *queue, struct queue_batch *batch, size_t index, uint64_t now_ms,
                  const struct queue_error *error)
{
    struct queue_entry *entry = &((struct lease *)batch)->entries[index];
    assert(batch->items[index].outcome == QUEUE_NOT_ATTEMPTED);
    batch->items[index].outcome = QUEUE_REJECTED;
    message_ref(entry->message); /* the item's, until queue_done */
    entry->first_ms = batch->items[index].first_ms;
    entry->last_ms = now_ms;
    queue->stats.leased_count--;
    queue_die(queue, entry, QUEUE_DEAD_REJECTED, error);
}

/* ---- In any order ---- */

static void done_loose(struct queue *queue, struct lease *lease, size_t halved_to, uint64_t now_ms,
                       const struct queue_error *error)
{
    for (size_t i = 0; i < lease->batch.count; i++) {
        struct queue_entry *entry = &lease->entries[i];
        enum queue_outcome outcome = lease->batch.items[i].outcome;
        uint64_t due_ms = now_ms;
        if (outcome == QUEUE_NOT_ATTEMPTED) {
            wait_again(queue, entry, due_ms);
        } else if (outcome == QUEUE_FAILED) {
            if (halved_to > 0)
                entry->batch_limit = (uint32_t)halved_to;
            if (failed(queue, entry, halved_to == 0, now_ms, error, &due_ms))
                wait_again(queue, entry, due_ms);
        }
    }
}

/* ---- Ordered ---- */

/* How many of a partition may be in its next batch, after a lease of `tried` entries; 0: as many as fit. */
static uint32_t next_limit(const struct queue *queue, const struct partition *partition, size_t tried,
                           bool whole, bool several)
{
    if (partition->failed_count == 0)
        return 0;
    if (several || (!whole && tried > 1))
        return queue->config.batch_size;
    return (uint32_t)(whole && queue->config.bisect ? (tried + 1) / 2 : tried);
}

/*
 * What did not succeed goes back to the front of its partition, in its order. A batch that failed whole says
 * not which of its partitions is to blame: each is tried again alone, and that does not count.
 */
static void done_ordered(struct queue *queue, struct lease *lease, size_t tried, bool whole, uint64_t now_ms,
                         const struct queue_error *error)
{
    struct partitions *partitions = &queue->partitions;
    struct queue_batch *batch = &lease->batch;
    bool several = false;
    for (size_t i = 0; i < batch->count; i++)
        several = several || lease->entries[i].partition != lease->entries[0].partition;
    bool counts = !whole || (!several && !queue->config.bisect);
    for (size_t i = 0; i < batch->count; i++) {
        uint64_t due_ms;
        if (batch->items[i].outcome != QUEUE_FAILED)
            continue;
        struct partition *partition = partitions_find(partitions, lease->entries[i].partition);
        partition->failed_count++;
        if (!failed(queue, &lease->entries[i], counts, now_ms, error, &due_ms))
            batch->items[i].outcome = QUEUE_REJECTED; /* it is with the dead letters */
        else if (due_ms > partition->due_ms)
            partition->due_ms = due_ms;
    }
    for (size_t i = batch->count; i-- > 0;) {
        if (batch->items[i].outcome == QUEUE_SUCCEEDED || batch->items[i].outcome == QUEUE_REJECTED)
            continue;
        if (queue->stats.memory_bytes > queue->config.memory_bytes)
            queue_let_go(queue, &lease->entries[i]);
        lease->entries[i].due_ms = 0;
        partitions_put_back(partitions, &lease->entries[i]);
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct partition *partition = partitions_find(partitions, lease->entries[i].partition);
        if (partition && partition->state == PARTITION_LEASED)
            partitions_release(partitions, partition, next_limit(queue, partition, tried, whole, several),
                               now_ms);
    }
}

/* ---- Both ---- */

void queue_done(struct queue *queue, struct queue_batch *batch, uint64_t now_ms,
                const struct queue_error *error)
{
    struct lease *lease = (struct lease *)batch;
    assert(queue->config.ordered || count_outcomes(batch, QUEUE_NOT_REACHED) == 0);
    size_t tried = batch->count - count_outcomes(batch, QUEUE_REJECTED);
    bool whole = tried > 1 && count_outcomes(batch, QUEUE_FAILED) == tried;
    if (count_outcomes(batch, QUEUE_NOT_ATTEMPTED) > 0)
        hold_back(queue, now_ms, error);
    else
        queue->held_count = 0;
    queue->stats.leased_count -= tried;
    for (size_t i = 0; i < batch->count; i++) {
        struct queue_entry *entry = &lease->entries[i];
        if (batch->items[i].outcome == QUEUE_SUCCEEDED) {
            queue->stats.succeeded++;
            queue_let_go(queue, entry);
            queue_leave(queue, entry->ordinal, entry->bytes);
        } else if (batch->items[i].outcome == QUEUE_FAILED) {
            entry->first_ms = batch->items[i].first_ms;
        } else if (batch->items[i].outcome == QUEUE_REJECTED) {
            message_unref(batch->items[i].message);
        }
    }
    if (queue->config.ordered)
        done_ordered(queue, lease, tried, whole, now_ms, error);
    else
        done_loose(queue, lease, whole && queue->config.bisect ? (tried + 1) / 2 : 0, now_ms, error);
    queue_lease_free(queue, lease);
    queue->hooks.on_changed(queue->hooks.ctx);
    queue_tell_room(queue);
}
