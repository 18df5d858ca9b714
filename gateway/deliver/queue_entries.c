#include "deliver/queue_entries.h"

#include "base/memory.h"

void ring_push(struct ring *ring, const struct queue_entry *entry)
{
    if (ring->count == ring->capacity) {
        size_t capacity = ring->capacity ? 2 * ring->capacity : 16;
        struct queue_entry *items = memory_new_array(capacity, sizeof *items);
        for (size_t i = 0; i < ring->count; i++)
            items[i] = ring->items[(ring->head + i) & (ring->capacity - 1)];
        memory_free(ring->items);
        ring->items = items;
        ring->capacity = capacity;
        ring->head = 0;
    }
    ring->items[(ring->head + ring->count++) & (ring->capacity - 1)] = *entry;
    ring->bytes += entry->bytes;
}

struct queue_entry ring_pop(struct ring *ring)
{
    struct queue_entry entry = ring->items[ring->head];
    ring->head = (ring->head + 1) & (ring->capacity - 1);
    ring->count--;
    ring->bytes -= entry.bytes;
    return entry;
}

static bool is_before(const struct queue_entry *a, const struct queue_entry *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->ordinal < b->ordinal;
}

void heap_push(struct heap *heap, const struct queue_entry *entry)
{
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity ? 2 * heap->capacity : 16;
        heap->items = memory_resize(heap->items, heap->capacity * sizeof *heap->items);
    }
    size_t at = heap->count++;
    for (; at > 0 && is_before(entry, &heap->items[(at - 1) / 2]); at = (at - 1) / 2)
        heap->items[at] = heap->items[(at - 1) / 2];
    heap->items[at] = *entry;
}

struct queue_entry heap_pop(struct heap *heap)
{
    struct queue_entry top = heap->items[0];
    struct queue_entry last = heap->items[--heap->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < heap->count && is_before(&heap->items[child + 1], &heap->items[child]))
            child++;
        if (child >= heap->count || !is_before(&heap->items[child], &last))
            break;
        heap->items[at] = heap->items[child];
        at = child;
    }
    if (heap->count > 0)
        heap->items[at] = last;
    return top;
}

void dying_push(struct dying *dying, uint64_t ordinal, size_t bytes)
{
    if (dying->end == dying->capacity && dying->head > dying->capacity / 2) {
        dying->end -= dying->head;
        memmove(dying->items, dying->items + dying->head, dying->end * sizeof *dying->items);
        dying->head = 0;
    }
    if (dying->end == dying->capacity) {
        dying->capacity = dying->capacity ? 2 * dying->capacity : 16;
        dying->items = memory_resize(dying->items, dying->capacity * sizeof *dying->items);
    }
    dying->items[dying->end++] = (struct dying_entry){ordinal, bytes};
}

bool dying_take(struct dying *dying, uint64_t ordinal, size_t *ret_bytes)
{
    size_t at = dying->head;
    while (at < dying->end && dying->items[at].ordinal != ordinal)
        at++;
    if (at == dying->end)
        return false;
    *ret_bytes = dying->items[at].bytes;
    memmove(dying->items + dying->head + 1, dying->items + dying->head,
            (at - dying->head) * sizeof *dying->items);
    dying->head++;
    return true;
}
