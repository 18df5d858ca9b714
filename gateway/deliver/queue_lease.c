/* Forming batches. */
#include "deliver/queue_parts.h"

#include "base/memory.h"

#include <assert.h>

/* ---- In any order ---- */

static bool is_limited(const struct queue *queue, const struct queue_entry *entry)
{
    return entry->batch_limit < queue->config.batch_size;
}

static uint64_t loose_due_ms(const struct queue *queue)
{
    const struct line *fresh = &queue->fresh;
    uint64_t due_ms = UINT64_MAX;
    if (fresh->count >= queue->config.batch_size || fresh->bytes >= queue->config.batch_bytes)
        return 0;
    if (fresh->count > 0)
        due_ms = line_first(fresh).due_ms + queue->config.window_ms;
    if (queue->heap.count > 0) {
        const struct queue_entry *top = &queue->heap.items[0];
        bool waits_for_window = top->due_ms > 0 && !is_limited(queue, top); /* 0: see queue_shorten */
        uint64_t retry_ms = top->due_ms + (waits_for_window ? queue->config.window_ms : 0);
        if (retry_ms < due_ms)
            due_ms = retry_ms;
    }
    return due_ms;
}

/* What is to be leased next: what is due again, then the oldest fresh one. False: nothing. */
static bool next_entry(const struct queue *queue, uint64_t now_ms, bool *ret_is_retry,
                       struct queue_entry *ret_entry)
{
    *ret_is_retry = queue->heap.count > 0 && queue->heap.items[0].due_ms <= now_ms;
    if (*ret_is_retry)
        *ret_entry = queue->heap.items[0];
    else if (queue->fresh.count > 0)
        *ret_entry = line_first(&queue->fresh);
    else
        return false;
    return true;
}

/* Each is copied for where it goes: the rest comes with the next call. */
enum { DEAD_MAX = 64 };

/* Puts an entry that was taken into the lease. False: it is dead. */
static bool lease_entry(struct queue *queue, struct lease *lease, struct queue_entry *entry, uint64_t now_ms)
{
    if (!queue_have_message(queue, entry))
        return false;
    if (queue_is_too_old(queue, entry, now_ms)) {
        queue_die(queue, entry, QUEUE_DEAD_AGE, NULL);
        return false;
    }
    size_t at = lease->batch.count++;
    lease->entries[at] = *entry;
    lease->batch.items[at] = (struct queue_item){
        .ordinal = entry->ordinal,
        .message = entry->message,
        .attempt = entry->attempts + 1,
        .first_ms = entry->first_ms ? entry->first_ms : now_ms,
    };
    return true;
}

static void fill_loose(struct queue *queue, struct lease *lease, uint64_t now_ms, uint64_t dead_max)
{
    size_t limit = queue->config.batch_size, bytes = 0;
    bool is_retry;
    for (struct queue_entry entry;
         queue->stats.dead < dead_max && next_entry(queue, now_ms, &is_retry, &entry);) {
        size_t count = lease->batch.count;
        size_t next_limit = entry.batch_limit < limit ? entry.batch_limit : limit;
        if (count >= next_limit || (count > 0 && bytes + entry.bytes > queue->config.batch_bytes))
            return;
        entry = is_retry ? heap_pop(&queue->heap) : line_pop(&queue->fresh);
        if (!lease_entry(queue, lease, &entry, now_ms))
            continue;
        limit = next_limit;
        bytes += entry.bytes;
    }
}

/* ---- Ordered ---- */

/* Who keeps a state of each partition says how far it reaches by an ordinal: that must not pass a message
 * whose dead letter is not stored yet, which a crash would bring back. */
static bool waits_for_letter(const struct queue *queue)
{
    return queue->config.one_partition && queue->stats.dead_count > 0;
}

static uint64_t ordered_due_ms(const struct queue *queue)
{
    const struct partitions *partitions = &queue->partitions;
    const struct partition *first = partitions_first(partitions);
    bool alone = first && queue->config.one_partition;
    if ((alone ? first->count : partitions->ready_count) >= queue->config.batch_size ||
        (alone ? first->bytes : partitions->ready_bytes) >= queue->config.batch_bytes ||
        (first && first->limit > 0))
        return 0;
    uint64_t due_ms = partitions_next_due(partitions);
    uint64_t fresh_ms = UINT64_MAX;
    if (first) /* 0: it was in a batch already, and waits for no window */
        fresh_ms = partitions_head(partitions, first)->due_ms;
    if (first && fresh_ms > 0)
        fresh_ms += queue->config.window_ms;
    return fresh_ms < due_ms ? fresh_ms : due_ms;
}

/* A partition that is being tried again has its batch alone, and each where batches are of one partition; the
 * others share one, in the order of arrival. Behind what dies nothing is leased: see waits_for_letter.
 */
static void fill_ordered(struct queue *queue, struct lease *lease, uint64_t now_ms, uint64_t dead_max)
{
    struct partitions *partitions = &queue->partitions;
    struct partition *at = partitions_first(partitions);
    bool alone = at && (at->limit > 0 || queue->config.one_partition);
    size_t limit = at && at->limit > 0 ? at->limit : queue->config.batch_size;
    size_t bytes = 0, left = at ? at->count : 0;
    while (at && lease->batch.count < limit && queue->stats.dead < dead_max) {
        const struct queue_entry *next = partitions_head(partitions, at);
        if (lease->batch.count > 0 && bytes + next->bytes > queue->config.batch_bytes)
            break;
        struct queue_entry entry = partitions_take(partitions, at);
        if (lease_entry(queue, lease, &entry, now_ms))
            bytes += entry.bytes;
        if (!alone)
            at = partitions_first(partitions);
        else if (--left == 0 || waits_for_letter(queue))
            at = NULL;
    }
    lease->batch.partition = lease->batch.count > 0 ? lease->entries[0].partition : 0;
    for (size_t i = 0; i < lease->batch.count; i++)
        partitions_lease(partitions, lease->entries[i].partition);
}

static void shorten_ordered(struct queue *queue, struct lease *lease, size_t count, uint64_t now_ms)
{
    struct partitions *partitions = &queue->partitions;
    for (size_t i = lease->batch.count; i-- > count;)
        partitions_put_back(partitions, &lease->entries[i]);
    for (size_t i = count; i < lease->batch.count; i++) {
        struct partition *partition = partitions_find(partitions, lease->entries[i].partition);
        if (partition->state == PARTITION_LEASED)
            partitions_release(partitions, partition, partition->limit, now_ms);
    }
    for (size_t i = 0; i < count; i++) /* some of these have been released with what was given back */
        partitions_lease(partitions, lease->entries[i].partition);
}

/* ---- Both ---- */

void queue_shorten(struct queue *queue, struct queue_batch *batch, size_t count, uint64_t now_ms)
{
    struct lease *lease = (struct lease *)batch;
    assert(count > 0 && count <= batch->count);
    for (size_t i = count; i < batch->count; i++) {
        assert(batch->items[i].outcome == QUEUE_NOT_ATTEMPTED);
        lease->entries[i].due_ms = 0; /* it was in a batch already */
        if (queue->stats.memory_bytes > queue->config.memory_bytes)
            queue_let_go(queue, &lease->entries[i]);
        if (!queue->config.ordered)
            heap_push(&queue->heap, &lease->entries[i]);
    }
    if (queue->config.ordered)
        shorten_ordered(queue, lease, count, now_ms);
    queue->stats.leased_count -= batch->count - count;
    batch->count = count;
}

/* When what is there is a batch; UINT64_MAX: nothing is there. The hold and the leases are not looked at. */
static uint64_t batch_due_ms(const struct queue *queue)
{
    return queue->config.ordered ? ordered_due_ms(queue) : loose_due_ms(queue);
}

/* What is next and does not wait for another attempt. False: nothing. */
static bool oldest(const struct queue *queue, struct queue_entry *ret_entry)
{
    const struct partition *first = partitions_first(&queue->partitions);
    if (first)
        *ret_entry = *partitions_head(&queue->partitions, first);
    else if (queue->fresh.count > 0)
        *ret_entry = line_first(&queue->fresh);
    return first || queue->fresh.count > 0;
}

static void expire(struct queue *queue, uint64_t now_ms, uint64_t dead_max)
{
    for (struct queue_entry entry;
         queue->stats.dead < dead_max && oldest(queue, &entry) && queue_is_too_old(queue, &entry, now_ms);) {
        entry = queue->config.ordered
                    ? partitions_take(&queue->partitions, partitions_first(&queue->partitions))
                    : line_pop(&queue->fresh);
        if (queue_have_message(queue, &entry))
            queue_die(queue, &entry, QUEUE_DEAD_AGE, NULL);
    }
}

enum sluice_error queue_next(struct queue *queue, uint64_t now_ms, struct queue_batch **ret_batch)
{
    queue_end_delays(queue, now_ms);
    partitions_wake(&queue->partitions, now_ms);
    uint64_t dead_max = queue->stats.dead + DEAD_MAX; /* all that have ever died are counted */
    expire(queue, now_ms, dead_max);
    if (queue->stats.dead >= dead_max || queue->lease_count >= queue->config.concurrency ||
        now_ms < queue->held_until_ms || waits_for_letter(queue) || batch_due_ms(queue) > now_ms)
        return SLUICE_AGAIN;
    size_t room = queue->fresh.count + queue->heap.count + queue->partitions.ready_count;
    if (room > queue->config.batch_size)
        room = queue->config.batch_size;
    struct lease *lease = memory_new(sizeof *lease);
    lease->entries = memory_new_array(room, sizeof *lease->entries);
    lease->batch.items = memory_new_array(room, sizeof *lease->batch.items);
    lease->next = queue->leases;
    if (lease->next)
        lease->next->previous = lease;
    queue->leases = lease;
    queue->lease_count++;
    (queue->config.ordered ? fill_ordered : fill_loose)(queue, lease, now_ms, dead_max);
    if (lease->batch.count == 0) { /* all of it was dead */
        queue_lease_free(queue, lease);
        return SLUICE_AGAIN;
    }
    queue->stats.leased_count += lease->batch.count;
    *ret_batch = &lease->batch;
    return SLUICE_OK;
}

uint64_t queue_next_deadline(const struct queue *queue)
{
    uint64_t deadline_ms = UINT64_MAX;
    struct queue_entry first;
    if (queue->config.max_age_ms > 0 && oldest(queue, &first))
        deadline_ms = first.born_ms + queue->config.max_age_ms;
    if (queue->lease_count >= queue->config.concurrency || waits_for_letter(queue))
        return deadline_ms;
    uint64_t due_ms = batch_due_ms(queue);
    if (queue->delayed.count > 0 && line_first(&queue->delayed).due_ms < due_ms)
        due_ms = line_first(&queue->delayed).due_ms;
    if (due_ms < queue->held_until_ms)
        due_ms = queue->held_until_ms;
    return due_ms < deadline_ms ? due_ms : deadline_ms;
}
