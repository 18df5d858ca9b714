#include "deliver/queue_entries.h"

#include "base/memory.h"

#include <assert.h>

enum { LINE_BLOCK_ENTRIES = 21 }; /* 1 KB: what each queue holds that was ever used */

/* What a struct queue_entry holds before its first attempt. */
struct fresh_entry {
    uint64_t ordinal, position;
    struct message *message;
    uint32_t bytes;
    uint32_t partition; /* or batch_limit */
    uint64_t born_ms, due_ms;
};

struct line_block {
    struct line_block *next;
    struct fresh_entry entries[LINE_BLOCK_ENTRIES];
};

void line_push(struct line *line, const struct queue_entry *entry)
{
    assert(entry->attempts == 0 && entry->first_ms == 0 && entry->bytes <= UINT32_MAX);
    if (!line->last || line->end == LINE_BLOCK_ENTRIES) {
        struct line_block *block = memory_new(sizeof *block);
        *(line->last ? &line->last->next : &line->first) = block;
        line->last = block;
        line->end = 0;
    }
    line->last->entries[line->end++] =
        (struct fresh_entry){entry->ordinal,   entry->position, entry->message, (uint32_t)entry->bytes,
                             entry->partition, entry->born_ms,  entry->due_ms};
    line->count++;
    line->bytes += entry->bytes;
}

struct queue_entry line_first(const struct line *line)
{
    const struct fresh_entry *fresh = &line->first->entries[line->head];
    return (struct queue_entry){.ordinal = fresh->ordinal,
                                .position = fresh->position,
                                .message = fresh->message,
                                .bytes = fresh->bytes,
                                .partition = fresh->partition,
                                .born_ms = fresh->born_ms,
                                .due_ms = fresh->due_ms};
}

struct queue_entry line_pop(struct line *line)
{
    struct queue_entry entry = line_first(line);
    line->count--;
    line->bytes -= entry.bytes;
    if (line->count == 0) {
        line->head = line->end = 0;
    } else if (++line->head == LINE_BLOCK_ENTRIES) {
        struct line_block *block = line->first;
        line->first = block->next;
        line->head = 0;
        memory_free(block);
    }
    return entry;
}

void line_fini(struct line *line)
{
    while (line->first) {
        struct line_block *block = line->first;
        line->first = block->next;
        memory_free(block);
    }
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
