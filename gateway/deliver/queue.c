#include "deliver/queue_parts.h"

#include "base/memory.h"

#include <assert.h>

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
        .max_age_ms = UINT64_C(7) * 24 * 3600 * 1000,
        .bisect = true,
        .error_retry = RETRY_AFTER_ERROR,
        .unreachable_retry = RETRY_AFTER_ERROR,
        .throttle_retry = RETRY_AFTER_THROTTLE,
    };
}

struct queue_config queue_config_asynchronous(void)
{
    struct queue_config config = queue_config_default();
    config.max_age_ms = UINT64_C(6) * 3600 * 1000;
    config.error_retry = RETRY_ASYNCHRONOUS_ERROR;
    config.unreachable_retry = config.throttle_retry = RETRY_ASYNCHRONOUS_THROTTLE;
    return config;
}

/* ---- Entries ---- */

void queue_let_go(struct queue *queue, struct queue_entry *entry)
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

void queue_leave(struct queue *queue, uint64_t ordinal, size_t bytes)
{
    queue->stats.count--;
    queue->stats.bytes -= bytes;
    queue->hooks.acknowledge(queue->hooks.ctx, ordinal);
}

/* Once an eighth of it is free: not one by one. */
void queue_tell_room(struct queue *queue)
{
    const struct queue_config *config = &queue->config;
    if (!queue->wants_room || queue->stats.count > config->max_count / 8 * 7 ||
        queue->stats.bytes > config->max_bytes / 8 * 7)
        return;
    queue->wants_room = false;
    queue->hooks.on_room(queue->hooks.ctx);
}

void queue_die(struct queue *queue, struct queue_entry *entry, enum queue_dead_reason reason,
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
        .error_payload = error ? error->payload : SPAN_EMPTY,
    };
    queue->hooks.dead(queue->hooks.ctx, &dead);
    queue_let_go(queue, entry);
}

bool queue_is_too_old(const struct queue *queue, const struct queue_entry *entry, uint64_t now_ms)
{
    return queue->config.max_age_ms > 0 && now_ms - entry->born_ms >= queue->config.max_age_ms;
}

bool queue_have_message(struct queue *queue, struct queue_entry *entry)
{
    if (entry->message)
        return true;
    struct message *message;
    if (queue->hooks.load(queue->hooks.ctx, entry->position, &message)) {
        queue_die(queue, entry, QUEUE_DEAD_UNREADABLE, NULL);
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

void queue_lease_free(struct queue *queue, struct lease *lease)
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
        queue_lease_free(queue, queue->leases);
    }
    while (queue->fresh.count > 0)
        message_unref(line_pop(&queue->fresh).message);
    while (queue->delayed.count > 0)
        message_unref(line_pop(&queue->delayed).message);
    while (queue->heap.count > 0)
        message_unref(queue->heap.items[--queue->heap.count].message);
    partitions_fini(&queue->partitions);
    line_fini(&queue->fresh);
    line_fini(&queue->delayed);
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

static void make_ready(struct queue *queue, const struct queue_entry *entry)
{
    if (queue->config.ordered)
        partitions_add(&queue->partitions, entry);
    else
        line_push(&queue->fresh, entry);
}

void queue_end_delays(struct queue *queue, uint64_t now_ms)
{
    while (queue->delayed.count > 0 && line_first(&queue->delayed).due_ms <= now_ms) {
        struct queue_entry entry = line_pop(&queue->delayed);
        make_ready(queue, &entry);
    }
}

static void take_in(struct queue *queue, struct queue_entry *entry, uint32_t partition, uint64_t waited_ms,
                    uint64_t now_ms)
{
    uint64_t delay_ms = queue->config.delay_ms > waited_ms ? queue->config.delay_ms - waited_ms : 0;
    entry->born_ms = now_ms;
    entry->due_ms = now_ms + delay_ms;
    queue->stats.count++;
    queue->stats.added++;
    queue->stats.bytes += entry->bytes;
    if (queue->config.ordered)
        entry->partition = partition;
    else
        entry->batch_limit = queue->config.batch_size;
    /* Behind one that is delayed, however its own delay went: a clock that was set must not change the order.
     */
    if (delay_ms > 0 || queue->delayed.count > 0)
        line_push(&queue->delayed, entry);
    else
        make_ready(queue, entry);
    queue->hooks.on_changed(queue->hooks.ctx);
}

void queue_add(struct queue *queue, struct message *message, uint32_t partition, uint64_t position,
               uint64_t now_ms)
{
    struct queue_entry entry = {
        .ordinal = queue->next_ordinal++, .position = position, .bytes = message_bytes(message)};
    if (queue->stats.memory_bytes + entry.bytes <= queue->config.memory_bytes)
        hold(queue, &entry, message_ref(message));
    take_in(queue, &entry, partition, 0, now_ms);
}

void queue_restore(struct queue *queue, uint64_t ordinal, size_t bytes, uint32_t partition, uint64_t position,
                   uint64_t waited_ms, uint64_t now_ms)
{
    assert(ordinal < queue->next_ordinal);
    struct queue_entry entry = {.ordinal = ordinal, .position = position, .bytes = bytes};
    take_in(queue, &entry, partition, waited_ms, now_ms);
}

void queue_dead_stored(struct queue *queue, uint64_t ordinal)
{
    size_t bytes;
    if (!dying_take(&queue->dying, ordinal, &bytes))
        return;
    queue->stats.dead_count--;
    queue_leave(queue, ordinal, bytes);
    if (queue->config.one_partition) /* which waits for it */
        queue->hooks.on_changed(queue->hooks.ctx);
    queue_tell_room(queue);
}

struct queue_stats queue_stats(const struct queue *queue)
{
    struct queue_stats stats = queue->stats;
    const struct partitions *partitions = &queue->partitions;
    stats.ready_count = queue->fresh.count + partitions->ready_count;
    stats.waiting_count =
        queue->delayed.count + queue->heap.count + partitions->count - partitions->ready_count;
    return stats;
}
