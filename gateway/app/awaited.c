#include "app/awaited.h"

#include "base/memory.h"

struct awaited_item {
    uint64_t ordinal;
    struct broker_processing *processing; /* NULL: it is over */
};

enum { SMALLEST_CAPACITY = 16 };

void awaited_add(struct awaited *awaited, uint64_t ordinal, struct broker_processing *processing)
{
    if (awaited->count == awaited->capacity) {
        awaited->capacity = awaited->capacity ? 2 * awaited->capacity : SMALLEST_CAPACITY;
        awaited->items = memory_resize(awaited->items, awaited->capacity * sizeof *awaited->items);
    }
    awaited->items[awaited->count++] = (struct awaited_item){ordinal, processing};
}

static struct awaited_item *find(const struct awaited *awaited, uint64_t ordinal)
{
    size_t low = 0, high = awaited->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (awaited->items[middle].ordinal < ordinal)
            low = middle + 1;
        else
            high = middle;
    }
    return low < awaited->count && awaited->items[low].ordinal == ordinal ? &awaited->items[low] : NULL;
}

/* So that one which takes long does not keep the places of all that came after it. */
static void close_ranks(struct awaited *awaited)
{
    size_t kept = 0;
    for (size_t i = 0; i < awaited->count; i++) {
        if (awaited->items[i].processing)
            awaited->items[kept++] = awaited->items[i];
    }
    awaited->count = kept;
    awaited->over_count = 0;
}

void awaited_processed(struct awaited *awaited, uint64_t ordinal, uint64_t seq)
{
    struct awaited_item *item = find(awaited, ordinal);
    if (!item || !item->processing)
        return;
    struct broker_processing *processing = item->processing;
    item->processing = NULL;
    if (++awaited->over_count > awaited->count / 2)
        close_ranks(awaited);
    broker_processed(processing, seq);
}

void awaited_fini(struct awaited *awaited)
{
    for (size_t i = 0; i < awaited->count; i++) {
        if (awaited->items[i].processing)
            broker_processed(awaited->items[i].processing, 0); /* nobody hears of it */
    }
    memory_free(awaited->items);
    *awaited = (struct awaited){0};
}
