#include "deliver/live.h"

#include "base/crc32c.h"
#include "base/memory.h"

#include <assert.h>

enum { SMALLEST_CAPACITY = 8 };

static size_t home_of(const struct live_table *table, uint64_t number)
{
    return (size_t)(number * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (table->capacity - 1);
}

static struct live_entry *probe(const struct live_table *table, uint64_t number)
{
    size_t at = home_of(table, number);
    while (table->slots[at].used && table->slots[at].number != number)
        at = (at + 1) & (table->capacity - 1);
    return &table->slots[at];
}

struct live_entry *live_find(const struct live_table *table, uint64_t number)
{
    if (table->count == 0)
        return NULL;
    struct live_entry *entry = probe(table, number);
    return entry->used ? entry : NULL;
}

static void resize(struct live_table *table, size_t capacity)
{
    struct live_table larger = {memory_new_array(capacity, sizeof *larger.slots), capacity, table->count};
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].used)
            *probe(&larger, table->slots[i].number) = table->slots[i];
    }
    memory_free(table->slots);
    *table = larger;
}

struct live_entry *live_put(struct live_table *table, uint64_t number)
{
    if (2 * (table->count + 1) > table->capacity)
        resize(table, table->capacity ? 2 * table->capacity : SMALLEST_CAPACITY);
    struct live_entry *entry = probe(table, number);
    if (!entry->used) {
        *entry = (struct live_entry){.number = number, .used = true};
        table->count++;
    }
    return entry;
}

void live_remove(struct live_table *table, struct live_entry *entry)
{
    size_t mask = table->capacity - 1;
    size_t hole = (size_t)(entry - table->slots);
    for (size_t at = (hole + 1) & mask; table->slots[at].used; at = (at + 1) & mask) {
        /* An entry may move up to the hole unless its home lies after it. */
        size_t distance = (at - home_of(table, table->slots[at].number)) & mask;
        if (distance >= ((at - hole) & mask)) {
            table->slots[hole] = table->slots[at];
            hole = at;
        }
    }
    table->slots[hole].used = false;
    if (--table->count == 0)
        live_fini(table); /* most sessions have no backlog most of the time */
}

void live_fini(struct live_table *table)
{
    memory_free(table->slots);
    *table = (struct live_table){0};
}

static size_t name_bucket(const struct live_queues *queues, enum journal_queue_kind kind, struct span name)
{
    return crc32c((uint32_t)kind, name) & (queues->bucket_count - 1);
}

static size_t id_bucket(const struct live_queues *queues, uint32_t id)
{
    return id & (queues->bucket_count - 1);
}

struct live_queue *live_queue_find(const struct live_queues *queues, uint32_t id)
{
    struct live_queue *queue = queues->count ? queues->by_id[id_bucket(queues, id)] : NULL;
    while (queue && queue->id != id)
        queue = queue->next_of_id;
    return queue;
}

struct live_queue *live_queue_named(const struct live_queues *queues, enum journal_queue_kind kind,
                                    struct span name)
{
    struct live_queue *queue = queues->count ? queues->by_name[name_bucket(queues, kind, name)] : NULL;
    while (queue && !(queue->kind == kind && span_equal(live_queue_name(queue), name)))
        queue = queue->next_of_name;
    return queue;
}

static void link_queue(struct live_queues *queues, struct live_queue *queue)
{
    struct live_queue **id = &queues->by_id[id_bucket(queues, queue->id)];
    struct live_queue **name = &queues->by_name[name_bucket(queues, queue->kind, live_queue_name(queue))];
    queue->next_of_id = *id;
    *id = queue;
    queue->next_of_name = *name;
    *name = queue;
}

static void grow_buckets(struct live_queues *queues)
{
    struct live_queues larger = *queues;
    larger.bucket_count = queues->bucket_count ? 2 * queues->bucket_count : SMALLEST_CAPACITY;
    larger.by_id = memory_new_array(larger.bucket_count, sizeof(struct live_queue *));
    larger.by_name = memory_new_array(larger.bucket_count, sizeof(struct live_queue *));
    for (size_t i = 0; i < queues->bucket_count; i++) {
        for (struct live_queue *queue = queues->by_id[i], *next; queue; queue = next) {
            next = queue->next_of_id;
            link_queue(&larger, queue);
        }
    }
    memory_free(queues->by_id);
    memory_free(queues->by_name);
    *queues = larger;
}

struct live_queue *live_queue_new(struct live_queues *queues, uint32_t id, enum journal_queue_kind kind,
                                  struct span name)
{
    if (queues->count == queues->bucket_count)
        grow_buckets(queues);
    struct live_queue *queue = memory_new(sizeof *queue + name.len);
    queue->id = id;
    queue->kind = kind;
    queue->name_len = name.len;
    if (name.len > 0)
        memcpy(queue->name, name.data, name.len);
    link_queue(queues, queue);
    queues->count++;
    if (id >= queues->next_id)
        queues->next_id = id + 1;
    return queue;
}

void live_queue_free(struct live_queues *queues, struct live_queue *queue)
{
    struct live_queue **id = &queues->by_id[id_bucket(queues, queue->id)];
    while (*id != queue)
        id = &(*id)->next_of_id;
    *id = queue->next_of_id;
    struct live_queue **name = &queues->by_name[name_bucket(queues, queue->kind, live_queue_name(queue))];
    while (*name != queue)
        name = &(*name)->next_of_name;
    *name = queue->next_of_name;
    queues->count--;
    live_fini(&queue->table);
    memory_free(queue);
}

void live_queues_fini(struct live_queues *queues)
{
    for (size_t i = 0; i < queues->bucket_count; i++) {
        while (queues->by_id[i])
            live_queue_free(queues, queues->by_id[i]);
    }
    memory_free(queues->by_id);
    memory_free(queues->by_name);
}

uint32_t stored_new(struct stored_table *table)
{
    if (table->first_free == 0) {
        if (table->count == table->capacity) {
            table->capacity = table->capacity ? 2 * table->capacity : SMALLEST_CAPACITY;
            table->items = memory_resize(table->items, table->capacity * sizeof *table->items);
        }
        table->items[table->count] = (struct stored){.generation = 1};
        return table->count++;
    }
    uint32_t index = table->first_free - 1;
    struct stored *item = &table->items[index];
    table->first_free = item->offset;
    uint32_t generation = item->generation + 1;
    *item = (struct stored){.generation = generation ? generation : 1};
    return index;
}

void stored_release(struct stored_table *table, uint32_t index)
{
    struct stored *item = &table->items[index];
    assert(item->uses == 0);
    item->offset = table->first_free;
    table->first_free = index + 1;
}

uint64_t stored_position(const struct stored_table *table, uint32_t index)
{
    return (uint64_t)table->items[index].generation << 32 | index;
}

struct stored *stored_at(const struct stored_table *table, uint64_t position)
{
    uint32_t index = (uint32_t)position;
    if (index >= table->count)
        return NULL;
    struct stored *item = &table->items[index];
    return item->generation == position >> 32 && item->uses > 0 ? item : NULL;
}

void stored_fini(struct stored_table *table)
{
    memory_free(table->items);
}
