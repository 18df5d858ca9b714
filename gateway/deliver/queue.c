#include "deliver/queue.h"

#include "base/memory.h"
#include "deliver/queue_entries.h"

#include <assert.h>

struct lease {
    struct queue_batch batch;
    struct lease *next, *previous;
    struct queue_entry *entries;
};

struct queue {
    struct queue_config config;
    struct queue_hooks hooks;
    struct ring ring;
    struct heap heap;
    struct dying dying;
    struct lease *leases;
    size_t lease_count;
    uint64_t next_ordinal;
    uint64_t held_until_ms; /* the function could not be reached */
    uint32_t held_count;    /* times in a row */
    bool wants_room;
    struct queue_stats stats;
};

struct queue_config queue_config_default(void)
{
    return (struct queue_config){
        .max_count = 100000,
        .max_bytes = 256 << 20,
        .memory_bytes = 8 << 20,
        .batch_size = 1,
        .batch_bytes = 6 << 20,
        .concurrency = 1,
        .max_attempts = 3,
        .max_age_ms = UINT64_C(6) * 3600 * 1000,
        .bisect = true,
        .error_retry = RETRY_AFTER_ERROR,
        .throttle_retry = RETRY_AFTER_THROTTLE,
    };
}

/* ---- Entries ---- */

static void let_go(struct queue *queue, struct queue_entry *entry)
{
    if (!entry->message)
        return;
    queue->stats.memory_bytes -= entry->bytes;
    message_unref(entry->message);
    entry->message = NULL;
}

static void hold(struct queue *queue, struct queue_entry *entry, struct message *message)
{
    entry->message = message;
    queue->stats.memory_bytes += entry->bytes;
}

/* The entry is finished for good. */
static void leave(struct queue *queue, uint64_t ordinal, size_t bytes)
{
    queue->stats.count--;
    queue->stats.bytes -= bytes;
    queue->hooks.acknowledge(queue->hooks.ctx, ordinal);
}

/* Asks again those who found no room, once an eighth of it is free: not one by one. */
static void tell_room(struct queue *queue)
{
    const struct queue_config *config = &queue->config;
    if (!queue->wants_room || queue->stats.count > config->max_count / 8 * 7 ||
        queue->stats.bytes > config->max_bytes / 8 * 7)
        return;
    queue->wants_room = false;
    queue->hooks.on_room(queue->hooks.ctx);
}

static void die(struct queue *queue, struct queue_entry *entry, enum queue_dead_reason reason,
                const struct queue_error *error)
{
    dying_push(&queue->dying, entry->ordinal, entry->bytes);
    queue->stats.dead_count++;
    queue->stats.dead++;
    struct queue_dead dead = {
        .ordinal = entry->ordinal,
        .message = entry->message,
        .reason = reason,
        .attempts = entry->attempts,
        .first_ms = entry->first_ms,
        .last_ms = entry->last_ms,
        .error_type = error ? error->type : SPAN_EMPTY,
        .error_message = error ? error->message : SPAN_EMPTY,
    };
    queue->hooks.dead(queue->hooks.ctx, &dead);
    let_go(queue, entry);
}

static bool is_too_old(const struct queue *queue, const struct queue_entry *entry, uint64_t now_ms)
{
    return queue->config.max_age_ms > 0 && now_ms - entry->born_ms >= queue->config.max_age_ms;
}

/* Has the message in memory; false: the entry is dead. */
static bool have_message(struct queue *queue, struct queue_entry *entry)
{
    if (entry->message)
        return true;
    struct message *message;
    if (queue->hooks.load(queue->hooks.ctx, entry->position, &message)) {
        die(queue, entry, QUEUE_DEAD_UNREADABLE, NULL);
        return false;
    }
    hold(queue, entry, message);
    return true;
}

/* ---- The queue ---- */

struct queue *queue_new(const struct queue_config *config, const struct queue_hooks *hooks,
                        uint64_t next_ordinal)
{
    assert(config->batch_size > 0 && config->max_attempts > 0 && config->concurrency > 0);
    struct queue *queue = memory_new(sizeof *queue);
    queue->config = *config;
    queue->hooks = *hooks;
    queue->next_ordinal = next_ordinal;
    return queue;
}

static void lease_free(struct queue *queue, struct lease *lease)
{
    *(lease->previous ? &lease->previous->next : &queue->leases) = lease->next;
    if (lease->next)
        lease->next->previous = lease->previous;
    queue->lease_count--;
    memory_free(lease->batch.items);
    memory_free(lease->entries);
    memory_free(lease);
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    while (queue->leases) {
        for (size_t i = 0; i < queue->leases->batch.count; i++)
            message_unref(queue->leases->batch.items[i].message);
        lease_free(queue, queue->leases);
    }
    while (queue->ring.count > 0)
        message_unref(ring_pop(&queue->ring).message);
    while (queue->heap.count > 0)
        message_unref(queue->heap.items[--queue->heap.count].message);
    memory_free(queue->ring.items);
    memory_free(queue->heap.items);
    memory_free(queue->dying.items);
    memory_free(queue);
}

bool queue_has_room(struct queue *queue, size_t count, size_t bytes)
{
    /* An empty queue takes what is larger than its bound: it would never fit later. */
    bool fits = queue->stats.count == 0 || (queue->stats.count + count <= queue->config.max_count &&
                                            queue->stats.bytes + bytes <= queue->config.max_bytes);
    if (!fits)
        queue->wants_room = true;
    return fits;
}

uint64_t queue_next_ordinal(const struct queue *queue)
{
    return queue->next_ordinal;
}

static void take_in(struct queue *queue, struct queue_entry *entry, uint64_t now_ms)
{
    entry->born_ms = entry->due_ms = now_ms;
    entry->batch_limit = queue->config.batch_size;
    queue->stats.count++;
    queue->stats.added++;
    queue->stats.bytes += entry->bytes;
    ring_push(&queue->ring, entry);
}

void queue_add(struct queue *queue, struct message *message, uint64_t position, uint64_t now_ms)
{
    struct queue_entry entry = {
        .ordinal = queue->next_ordinal++, .position = position, .bytes = message_bytes(message)};
    if (queue->stats.memory_bytes + entry.bytes <= queue->config.memory_bytes)
        hold(queue, &entry, message_ref(message));
    take_in(queue, &entry, now_ms);
}

void queue_restore(struct queue *queue, uint64_t ordinal, size_t bytes, uint64_t position, uint64_t now_ms)
{
    assert(ordinal < queue->next_ordinal);
    struct queue_entry entry = {.ordinal = ordinal, .position = position, .bytes = bytes};
    take_in(queue, &entry, now_ms);
}

/* ---- Leases ---- */

static bool is_limited(const struct queue *queue, const struct queue_entry *entry)
{
    return entry->batch_limit < queue->config.batch_size;
}

/* When what is there is a batch; UINT64_MAX: nothing is there. The hold and the leases are not looked at. */
static uint64_t batch_due_ms(const struct queue *queue)
{
    const struct ring *ring = &queue->ring;
    uint64_t due_ms = UINT64_MAX;
    if (ring->count >= queue->config.batch_size || ring->bytes >= queue->config.batch_bytes)
        return 0;
    if (ring->count > 0)
        due_ms = ring->items[ring->head].due_ms + queue->config.window_ms;
    if (queue->heap.count > 0) {
        const struct queue_entry *top = &queue->heap.items[0];
        uint64_t retry_ms = top->due_ms + (is_limited(queue, top) ? 0 : queue->config.window_ms);
        if (retry_ms < due_ms)
            due_ms = retry_ms;
    }
    return due_ms;
}

/* What is to be leased next: what is due again, then the oldest fresh one; NULL: nothing. */
static const struct queue_entry *next_entry(const struct queue *queue, uint64_t now_ms, bool *ret_is_retry)
{
    *ret_is_retry = queue->heap.count > 0 && queue->heap.items[0].due_ms <= now_ms;
    if (*ret_is_retry)
        return &queue->heap.items[0];
    return queue->ring.count > 0 ? &queue->ring.items[queue->ring.head] : NULL;
}

static void fill(struct queue *queue, struct lease *lease, uint64_t now_ms)
{
    size_t limit = queue->config.batch_size, bytes = 0;
    bool is_retry;
    for (const struct queue_entry *next; (next = next_entry(queue, now_ms, &is_retry));) {
        size_t count = lease->batch.count;
        size_t next_limit = next->batch_limit < limit ? next->batch_limit : limit;
        if (count >= next_limit || (count > 0 && bytes + next->bytes > queue->config.batch_bytes))
            return;
        struct queue_entry entry = is_retry ? heap_pop(&queue->heap) : ring_pop(&queue->ring);
        if (is_too_old(queue, &entry, now_ms)) {
            if (have_message(queue, &entry))
                die(queue, &entry, QUEUE_DEAD_AGE, NULL);
            continue;
        }
        if (!have_message(queue, &entry))
            continue;
        limit = next_limit;
        bytes += entry.bytes;
        lease->entries[count] = entry;
        lease->batch.items[count] = (struct queue_item){
            .ordinal = entry.ordinal,
            .message = entry.message,
            .attempt = entry.attempts + 1,
            .first_ms = entry.first_ms ? entry.first_ms : now_ms,
        };
        lease->batch.count++;
    }
}

static void expire(struct queue *queue, uint64_t now_ms)
{
    while (queue->ring.count > 0 && is_too_old(queue, &queue->ring.items[queue->ring.head], now_ms)) {
        struct queue_entry entry = ring_pop(&queue->ring);
        if (have_message(queue, &entry))
            die(queue, &entry, QUEUE_DEAD_AGE, NULL);
    }
}

enum sluice_error queue_next(struct queue *queue, uint64_t now_ms, struct queue_batch **ret_batch)
{
    expire(queue, now_ms);
    if (queue->lease_count >= queue->config.concurrency || now_ms < queue->held_until_ms ||
        batch_due_ms(queue) > now_ms)
        return SLUICE_AGAIN;
    size_t room = queue->ring.count + queue->heap.count;
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
    fill(queue, lease, now_ms);
    if (lease->batch.count == 0) { /* all of it was dead */
        lease_free(queue, lease);
        return SLUICE_AGAIN;
    }
    queue->stats.leased_count += lease->batch.count;
    *ret_batch = &lease->batch;
    return SLUICE_OK;
}

static void wait_again(struct queue *queue, struct queue_entry *entry, uint64_t due_ms)
{
    entry->due_ms = due_ms;
    if (queue->stats.memory_bytes > queue->config.memory_bytes)
        let_go(queue, entry);
    heap_push(&queue->heap, entry);
}

static void failed(struct queue *queue, struct queue_entry *entry, uint32_t halved_to, uint64_t now_ms,
                   const struct queue_error *error)
{
    queue->stats.failed_attempts++;
    entry->last_ms = now_ms;
    if (halved_to > 0)
        entry->batch_limit = halved_to;
    else
        entry->attempts++;
    if (entry->attempts >= queue->config.max_attempts) {
        die(queue, entry, QUEUE_DEAD_ATTEMPTS, error);
        return;
    }
    if (is_too_old(queue, entry, now_ms)) {
        die(queue, entry, QUEUE_DEAD_AGE, error);
        return;
    }
    uint64_t delay_ms = retry_delay_ms(queue->config.error_retry, entry->attempts + (halved_to > 0),
                                       queue->hooks.random(queue->hooks.ctx));
    if (error && error->retry_after_ms > delay_ms)
        delay_ms = error->retry_after_ms;
    wait_again(queue, entry, now_ms + delay_ms);
}

/* Holds back the queue: longer each time in a row, but several leases that end together are one time. */
static void hold_back(struct queue *queue, uint64_t now_ms, const struct queue_error *error)
{
    if (now_ms < queue->held_until_ms)
        return;
    uint64_t delay_ms = retry_delay_ms(queue->config.throttle_retry, ++queue->held_count,
                                       queue->hooks.random(queue->hooks.ctx));
    if (error && error->retry_after_ms > delay_ms)
        delay_ms = error->retry_after_ms;
    queue->held_until_ms = now_ms + delay_ms;
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
    die(queue, entry, QUEUE_DEAD_REJECTED, error);
}

void queue_done(struct queue *queue, struct queue_batch *batch, uint64_t now_ms,
                const struct queue_error *error)
{
    struct lease *lease = (struct lease *)batch;
    size_t count = batch->count;
    size_t tried = count - count_outcomes(batch, QUEUE_REJECTED);
    bool halve = queue->config.bisect && tried > 1 && count_outcomes(batch, QUEUE_FAILED) == tried;
    uint32_t halved_to = halve ? (uint32_t)((tried + 1) / 2) : 0;
    if (count_outcomes(batch, QUEUE_NOT_ATTEMPTED) > 0)
        hold_back(queue, now_ms, error);
    else
        queue->held_count = 0;
    queue->stats.leased_count -= tried;
    for (size_t i = 0; i < count; i++) {
        struct queue_entry *entry = &lease->entries[i];
        switch (batch->items[i].outcome) {
        case QUEUE_SUCCEEDED:
            queue->stats.succeeded++;
            let_go(queue, entry);
            leave(queue, entry->ordinal, entry->bytes);
            break;
        case QUEUE_FAILED:
            entry->first_ms = batch->items[i].first_ms;
            failed(queue, entry, halved_to, now_ms, error);
            break;
        case QUEUE_NOT_ATTEMPTED: wait_again(queue, entry, now_ms); break;
        case QUEUE_REJECTED: message_unref(batch->items[i].message); break;
        }
    }
    lease_free(queue, lease);
    tell_room(queue);
}

void queue_dead_stored(struct queue *queue, uint64_t ordinal)
{
    size_t bytes;
    if (!dying_take(&queue->dying, ordinal, &bytes))
        return;
    queue->stats.dead_count--;
    leave(queue, ordinal, bytes);
    tell_room(queue);
}

uint64_t queue_next_deadline(const struct queue *queue)
{
    uint64_t deadline_ms = UINT64_MAX;
    if (queue->config.max_age_ms > 0 && queue->ring.count > 0)
        deadline_ms = queue->ring.items[queue->ring.head].born_ms + queue->config.max_age_ms;
    if (queue->lease_count >= queue->config.concurrency)
        return deadline_ms;
    uint64_t due_ms = batch_due_ms(queue);
    if (due_ms < queue->held_until_ms)
        due_ms = queue->held_until_ms;
    return due_ms < deadline_ms ? due_ms : deadline_ms;
}

struct queue_stats queue_stats(const struct queue *queue)
{
    struct queue_stats stats = queue->stats;
    stats.ready_count = queue->ring.count;
    stats.waiting_count = queue->heap.count;
    return stats;
}
