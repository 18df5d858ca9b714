#include "client/ring.h"

/* The page that two become; it grows in the tail's memory, which is empty meanwhile. */
struct merge {
    struct ring_page page;
    size_t dropped_count;
    bool drop; /* the next frame */
};

/* False: the records cannot be read, or do not fit. */
static bool add_page(struct ring *ring, size_t page, struct merge *merge)
{
    uint32_t offset = RING_PAGE_HEADER_BYTES;
    for (uint16_t i = 0; i < ring_record_count(ring, page); i++) {
        struct ring_record record;
        if (ring_peek(ring, page, offset, &record))
            return false;
        uint32_t bytes = (uint32_t)RING_RECORD_HEADER_BYTES + record.len;
        bool dropped = record.sample_count > 0 && merge->drop;
        if (record.sample_count > 0)
            merge->drop = !merge->drop;
        if (dropped) {
            merge->dropped_count++;
        } else {
            uint8_t *at = ring->tail + merge->page.used_bytes;
            if (bytes > ring->page_bytes - merge->page.used_bytes || merge->page.record_count == UINT16_MAX ||
                ring_load(ring, page, offset, &record, at + RING_RECORD_HEADER_BYTES))
                return false;
            ring_put_record(at, &record);
            merge->page.used_bytes += bytes;
            merge->page.record_count++;
        }
        offset += bytes;
    }
    return true;
}

static uint32_t number_after(const struct ring *ring, size_t page)
{
    return page + 1 < ring->page_count ? ring->numbers[ring->order[page + 1]] : ring->tail_number;
}

/* Pages `page` and the one after it become one. */
static bool merge_pages(struct ring *ring, size_t page, size_t *ret_dropped_count)
{
    uint32_t number = ring->numbers[ring->order[page]];
    uint32_t next_number = number_after(ring, page + 1);
    struct merge merge = {
        .page = {.used_bytes = RING_PAGE_HEADER_BYTES, .number = number, .covers = next_number - number}};
    uint16_t slot;
    if (!add_page(ring, page, &merge) || !add_page(ring, page + 1, &merge) ||
        ring_write_page(ring, &merge.page, &slot))
        return false;
    ring_release(ring, ring->order[page]);
    ring_release(ring, ring->order[page + 1]);
    ring->order[page] = slot;
    ring->page_count--;
    memmove(ring->order + page + 1, ring->order + page + 2,
            (ring->page_count - page - 1) * sizeof ring->order[0]);
    ring->store.count -= merge.dropped_count;
    *ret_dropped_count = merge.dropped_count;
    /* All that was appended is in pages that are written, and so is the head. */
    if (ring_sync(ring) == SLUICE_OK)
        ring_committed(ring);
    return true;
}

/* How many numbers pages `page` and the one after it stand for: the more, the thinner they are already. */
static uint32_t span_of_pair(const struct ring *ring, size_t page)
{
    return number_after(ring, page + 1) - ring->numbers[ring->order[page]];
}

/* The least span above `tried` of a pair that nobody has begun to read; UINT32_MAX: there is none. */
static uint32_t least_span(const struct ring *ring, uint32_t tried)
{
    uint32_t least = UINT32_MAX;
    for (size_t page = ring->read_page + 1; page + 1 < ring->page_count; page++) {
        uint32_t span = span_of_pair(ring, page);
        if (span > tried && span < least)
            least = span;
    }
    return least;
}

/* Each call merges the pair that was thinned out least, the oldest of several, so that all of the waiting
 * time span keeps about the same resolution. Where a pair has nothing to drop, the next one is tried. */
bool ring_thin(struct sluice_store *store, size_t *ret_dropped_count)
{
    struct ring *ring = ring_of(store);
    if (ring->failed || store->count == 0 || ring_close_tail(ring))
        return false;
    for (uint32_t span = 0; !ring->failed && (span = least_span(ring, span)) < UINT32_MAX;)
        for (size_t page = ring->read_page + 1; page + 1 < ring->page_count; page++)
            if (span_of_pair(ring, page) == span && merge_pages(ring, page, ret_dropped_count))
                return true;
    return false;
}
