#include "deliver/partitions.h"

#include "base/memory.h"

#include <assert.h>

enum { BUCKETS_FIRST = 16 };

/* ---- The heaps ---- */

static void heap_put(struct partition_heap *heap, size_t at, struct partition *partition)
{
    heap->items[at] = partition;
    partition->heap_index = at;
}

static void sift_up(struct partition_heap *heap, size_t at, struct partition *partition)
{
    for (; at > 0 && partition->order < heap->items[(at - 1) / 2]->order; at = (at - 1) / 2)
        heap_put(heap, at, heap->items[(at - 1) / 2]);
    heap_put(heap, at, partition);
}

static void sift_down(struct partition_heap *heap, size_t at, struct partition *partition)
{
    for (size_t child; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && heap->items[child + 1]->order < heap->items[child]->order)
            child++;
        if (heap->items[child]->order >= partition->order)
            break;
        heap_put(heap, at, heap->items[child]);
    }
    sift_up(heap, at, partition);
}

static void heap_add(struct partition_heap *heap, struct partition *partition)
{
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity ? 2 * heap->capacity : 16;
        heap->items = memory_resize(heap->items, heap->capacity * sizeof *heap->items);
    }
    sift_up(heap, heap->count++, partition);
}

static void heap_remove(struct partition_heap *heap, const struct partition *partition)
{
    size_t at = partition->heap_index;
    struct partition *last = heap->items[--heap->count];
    if (last != partition)
        sift_down(heap, at, last);
}

/* ---- The table ---- */

static struct partition **bucket_of(const struct partitions *partitions, uint32_t key)
{
    return &partitions->buckets[key & (partitions->bucket_count - 1)];
}

struct partition *partitions_find(const struct partitions *partitions, uint32_t key)
{
    struct partition *at = partitions->bucket_count > 0 ? *bucket_of(partitions, key) : NULL;
    while (at && at->key != key)
        at = at->next_in_bucket;
    return at;
}

static void grow_table(struct partitions *partitions)
{
    struct partition **old = partitions->buckets;
    size_t old_count = partitions->bucket_count;
    partitions->bucket_count = old_count ? 2 * old_count : BUCKETS_FIRST;
    partitions->buckets = memory_new_array(partitions->bucket_count, sizeof *partitions->buckets);
    for (size_t i = 0; i < old_count; i++) {
        for (struct partition *at = old[i], *next; at; at = next) {
            next = at->next_in_bucket;
            struct partition **bucket = bucket_of(partitions, at->key);
            at->next_in_bucket = *bucket;
            *bucket = at;
        }
    }
    memory_free(old);
}

static struct partition *find_or_make(struct partitions *partitions, uint32_t key)
{
    struct partition *partition = partitions_find(partitions, key);
    if (partition)
        return partition;
    if (partitions->partition_count >= partitions->bucket_count)
        grow_table(partitions);
    partition = memory_new(sizeof *partition);
    partition->key = key;
    struct partition **bucket = bucket_of(partitions, key);
    partition->next_in_bucket = *bucket;
    *bucket = partition;
    partitions->partition_count++;
    return partition;
}

static void forget(struct partitions *partitions, struct partition *partition)
{
    struct partition **at = bucket_of(partitions, partition->key);
    while (*at != partition)
        at = &(*at)->next_in_bucket;
    *at = partition->next_in_bucket;
    partitions->partition_count--;
    memory_free(partition);
}

/* ---- States ---- */

/* Ordinals stay below it, so that a partition with a limit, which is being tried again, comes before the
 * rest. */
#define WITHOUT_LIMIT (UINT64_C(1) << 63)

static void leave_state(struct partitions *partitions, struct partition *partition)
{
    if (partition->state == PARTITION_READY) {
        heap_remove(&partitions->ready, partition);
        partitions->ready_count -= partition->count;
        partitions->ready_bytes -= partition->bytes;
    } else if (partition->state == PARTITION_WAITING) {
        heap_remove(&partitions->waiting, partition);
    }
    partition->state = PARTITION_IDLE;
}

static void be_ready(struct partitions *partitions, struct partition *partition)
{
    leave_state(partitions, partition);
    uint64_t ordinal = partitions->places[partition->first].entry.ordinal;
    partition->state = PARTITION_READY;
    partition->order = ordinal | (partition->limit > 0 ? 0 : WITHOUT_LIMIT);
    heap_add(&partitions->ready, partition);
    partitions->ready_count += partition->count;
    partitions->ready_bytes += partition->bytes;
}

void partitions_lease(struct partitions *partitions, uint32_t key)
{
    struct partition *partition = find_or_make(partitions, key);
    leave_state(partitions, partition);
    partition->state = PARTITION_LEASED;
}

void partitions_release(struct partitions *partitions, struct partition *partition, uint32_t limit,
                        uint64_t now_ms)
{
    assert(partition->state == PARTITION_LEASED);
    partition->state = PARTITION_IDLE;
    partition->limit = limit;
    partition->failed_count = 0;
    if (partition->count == 0) {
        forget(partitions, partition);
    } else if (partition->due_ms > now_ms) {
        partition->state = PARTITION_WAITING;
        partition->order = partition->due_ms;
        heap_add(&partitions->waiting, partition);
    } else {
        be_ready(partitions, partition);
    }
}

void partitions_wake(struct partitions *partitions, uint64_t now_ms)
{
    while (partitions_next_due(partitions) <= now_ms)
        be_ready(partitions, partitions->waiting.items[0]);
}

uint64_t partitions_next_due(const struct partitions *partitions)
{
    return partitions->waiting.count > 0 ? partitions->waiting.items[0]->due_ms : UINT64_MAX;
}

/* ---- Entries ---- */

static uint32_t take_place(struct partitions *partitions, const struct queue_entry *entry)
{
    uint32_t at = partitions->free_place;
    if (at > 0) {
        partitions->free_place = partitions->places[--at].next;
    } else {
        if (partitions->place_count == partitions->place_capacity) {
            partitions->place_capacity = partitions->place_capacity ? 2 * partitions->place_capacity : 16;
            partitions->places =
                memory_resize(partitions->places, partitions->place_capacity * sizeof *partitions->places);
        }
        at = (uint32_t)partitions->place_count++;
    }
    partitions->places[at].entry = *entry;
    return at;
}

static void count_in(struct partitions *partitions, struct partition *partition,
                     const struct queue_entry *entry)
{
    partition->count++;
    partition->bytes += entry->bytes;
    partitions->count++;
    if (partition->state == PARTITION_READY) {
        partitions->ready_count++;
        partitions->ready_bytes += entry->bytes;
    }
}

void partitions_add(struct partitions *partitions, const struct queue_entry *entry)
{
    struct partition *partition = find_or_make(partitions, entry->partition);
    uint32_t place = take_place(partitions, entry);
    if (partition->count > 0)
        partitions->places[partition->last].next = place;
    else
        partition->first = place;
    partition->last = place;
    count_in(partitions, partition, entry);
    if (partition->state == PARTITION_IDLE)
        be_ready(partitions, partition);
}

void partitions_put_back(struct partitions *partitions, const struct queue_entry *entry)
{
    struct partition *partition = partitions_find(partitions, entry->partition);
    assert(partition && partition->state == PARTITION_LEASED);
    uint32_t place = take_place(partitions, entry);
    if (partition->count > 0)
        partitions->places[place].next = partition->first;
    else
        partition->last = place;
    partition->first = place;
    count_in(partitions, partition, entry);
}

struct partition *partitions_first(const struct partitions *partitions)
{
    return partitions->ready.count > 0 ? partitions->ready.items[0] : NULL;
}

const struct queue_entry *partitions_head(const struct partitions *partitions,
                                          const struct partition *partition)
{
    return &partitions->places[partition->first].entry;
}

struct queue_entry partitions_take(struct partitions *partitions, struct partition *partition)
{
    uint32_t place = partition->first;
    struct queue_entry entry = partitions->places[place].entry;
    leave_state(partitions, partition);
    partition->first = partitions->places[place].next;
    partition->count--;
    partition->bytes -= entry.bytes;
    partitions->count--;
    partitions->places[place].next = partitions->free_place;
    partitions->free_place = place + 1;
    if (partition->count > 0)
        be_ready(partitions, partition);
    else
        forget(partitions, partition);
    return entry;
}

void partitions_fini(struct partitions *partitions)
{
    for (size_t i = 0; i < partitions->bucket_count; i++) {
        for (struct partition *at = partitions->buckets[i], *next; at; at = next) {
            next = at->next_in_bucket;
            for (; at->count > 0; at->count--, at->first = partitions->places[at->first].next)
                message_unref(partitions->places[at->first].entry.message);
            memory_free(at);
        }
    }
    memory_free(partitions->buckets);
    memory_free(partitions->places);
    memory_free(partitions->ready.items);
    memory_free(partitions->waiting.items);
}
