#include "client/crc32.h"
#include "client/ring.h"

enum {
    MAGIC = 0x534c5231, /* "SLR1" */
    CRC_START = 8,      /* the magic and the CRC itself are before it */
    PAGE_BYTES = 4096,
    PAGE_MIN_BYTES = 256,
    PAGE_MAX_BYTES = 65536,
    SLOTS_MAX = 65534,
    NUMBER_MAX = INT32_MAX / 2, /* 4 TB of pages: more than any flash takes */
    SEQUENCE_MAX = INT32_MAX,
};

void ring_encode_header(const struct ring *ring, const struct ring_page *page, uint8_t *memory)
{
    struct writer writer = writer_of(memory, RING_PAGE_HEADER_BYTES);
    write_u32(&writer, MAGIC);
    write_u32(&writer, 0);
    write_u32(&writer, ring->page_bytes);
    write_u32(&writer, page->used_bytes);
    write_u32(&writer, page->number);
    write_u32(&writer, page->sequence);
    write_u32(&writer, page->covers);
    write_u32(&writer, page->head_number);
    write_u16(&writer, page->head_record);
    write_u16(&writer, page->record_count);
    struct writer crc = writer_of(memory + 4, 4);
    write_u32(&crc, crc32_of(0, span_of(memory + CRC_START, page->used_bytes - CRC_START)));
}

bool ring_decode_page(const struct ring *ring, const uint8_t *memory, struct ring_page *ret_page)
{
    struct reader reader = reader_of(span_of(memory, RING_PAGE_HEADER_BYTES));
    uint32_t magic = read_u32(&reader), crc = read_u32(&reader), page_bytes = read_u32(&reader);
    struct ring_page page = {.used_bytes = read_u32(&reader)};
    page.number = read_u32(&reader);
    page.sequence = read_u32(&reader);
    page.covers = read_u32(&reader);
    page.head_number = read_u32(&reader);
    page.head_record = read_u16(&reader);
    page.record_count = read_u16(&reader);
    if (magic != MAGIC || page_bytes != ring->page_bytes || page.used_bytes < RING_PAGE_HEADER_BYTES ||
        page.used_bytes > page_bytes || page.number == 0 || page.number > NUMBER_MAX || page.covers == 0 ||
        page.covers > NUMBER_MAX || page.head_number > NUMBER_MAX || page.sequence > SEQUENCE_MAX)
        return false;
    if (crc32_of(0, span_of(memory + CRC_START, page.used_bytes - CRC_START)) != crc)
        return false;
    *ret_page = page;
    return true;
}

/* ---- what an earlier life left ---- */

struct found {
    uint32_t number_max, sequence_max;
    uint32_t head_number;
    uint16_t head_record;
    uint32_t unreadable_count;
};

/* The page in `slot`, through the tail's memory. */
static bool read_page(struct ring *ring, uint32_t slot, struct ring_page *ret_page, struct found *found)
{
    if (ring->medium->read(ring->medium, ring_offset(ring, slot), ring->tail, ring->page_bytes)) {
        found->unreadable_count++;
        return false;
    }
    return ring_decode_page(ring, ring->tail, ret_page);
}

static void scan(struct ring *ring, struct found *found)
{
    for (uint32_t slot = 0; slot < ring->slot_count; slot++) {
        struct ring_page page;
        ring->numbers[slot] = RING_SLOT_FREE;
        if (!read_page(ring, slot, &page, found))
            continue;
        ring->numbers[slot] = page.number;
        ring->record_counts[slot] = page.record_count;
        if (page.number + page.covers - 1 > found->number_max)
            found->number_max = page.number + page.covers - 1;
        if (page.sequence > found->sequence_max) {
            found->sequence_max = page.sequence;
            ring->last_slot = slot;
        }
        if (page.head_number > found->head_number ||
            (page.head_number == found->head_number && page.head_record > found->head_record)) {
            found->head_number = page.head_number;
            found->head_record = page.head_record;
        }
    }
}

/* Of two versions of a page, the one that stays. */
static uint16_t newer(struct ring *ring, uint16_t slot, uint16_t other, struct found *found)
{
    struct ring_page a, b;
    bool a_good = read_page(ring, slot, &a, found), b_good = read_page(ring, other, &b, found);
    bool first = a_good && (!b_good || a.sequence > b.sequence);
    ring->numbers[first ? other : slot] = RING_SLOT_FREE;
    return first ? slot : other;
}

static void sort_in(struct ring *ring, uint16_t slot, struct found *found)
{
    size_t low = 0, high = ring->page_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ring->numbers[ring->order[middle]] < ring->numbers[slot])
            low = middle + 1;
        else
            high = middle;
    }
    uint16_t *place = ring->order + low;
    if (low < ring->page_count && ring->numbers[*place] == ring->numbers[slot]) {
        *place = newer(ring, slot, *place, found);
        return;
    }
    memmove(place + 1, place, (ring->page_count - low) * sizeof *place);
    *place = slot;
    ring->page_count++;
}

/* The oldest make place where a medium that was larger has left more than this one may hold. */
static void shed(struct ring *ring, size_t pages_max)
{
    size_t excess = ring->page_count > pages_max ? ring->page_count - pages_max : 0;
    for (size_t i = 0; i < excess; i++)
        ring->numbers[ring->order[i]] = RING_SLOT_FREE;
    ring->page_count -= excess;
    memmove(ring->order, ring->order + excess, ring->page_count * sizeof ring->order[0]);
}

/* `order` has what is needed; all other slots are free. */
static void sort(struct ring *ring, struct found *found)
{
    for (uint32_t slot = 0; slot < ring->slot_count; slot++)
        if (ring->numbers[slot] != RING_SLOT_FREE && ring->numbers[slot] < found->head_number)
            ring->numbers[slot] = RING_SLOT_FREE;
        else if (ring->numbers[slot] != RING_SLOT_FREE)
            sort_in(ring, (uint16_t)slot, found);
    size_t kept_count = 0;
    uint64_t covered = 0; /* numbers below it */
    for (size_t i = 0; i < ring->page_count; i++) {
        uint16_t slot = ring->order[i];
        struct ring_page page;
        if (ring->numbers[slot] < covered || ring->record_counts[slot] == 0 ||
            !read_page(ring, slot, &page, found)) {
            ring->numbers[slot] = RING_SLOT_FREE;
            continue;
        }
        covered = (uint64_t)page.number + page.covers;
        ring->order[kept_count++] = slot;
    }
    ring->page_count = kept_count;
    shed(ring, ring->slot_count - RING_SLOTS_SPARE);
}

/* The last page goes on being filled; but where a damaged medium has left a head beyond it, new records in it
 * would count as removed. */
static void reopen_tail(struct ring *ring, struct found *found)
{
    ring->tail_number = found->number_max > found->head_number ? found->number_max : found->head_number;
    uint16_t slot = ring->page_count > 0 ? ring->order[ring->page_count - 1] : RING_NO_SLOT;
    struct ring_page page;
    if (slot == RING_NO_SLOT || !read_page(ring, slot, &page, found) || page.number != ring->tail_number ||
        (found->head_number == page.number && found->head_record > page.record_count)) {
        ring_start_tail(ring);
        return;
    }
    ring->page_count--;
    ring->tail_bytes = page.used_bytes;
    ring->tail_records = page.record_count;
    ring->tail_slot = slot;
}

static void set_head(struct ring *ring, const struct found *found)
{
    uint32_t first = ring->page_count > 0 ? ring->numbers[ring->order[0]] : ring->tail_number;
    ring->head_record = first == found->head_number ? found->head_record : 0;
    if (ring->page_count > 0 && ring->head_record >= ring_record_count(ring, 0)) {
        ring->numbers[ring->order[0]] = RING_SLOT_FREE;
        ring->page_count--;
        memmove(ring->order, ring->order + 1, ring->page_count * sizeof ring->order[0]);
        ring->head_record = 0;
    }
}

static void set_reading(struct ring *ring)
{
    ring->store.rewind(&ring->store);
    for (size_t page = 0; page <= ring->page_count; page++)
        ring->store.count += ring_record_count(ring, page);
    ring->store.count -= ring->head_record;
}

static enum sluice_error recover(struct ring *ring)
{
    if (ring->medium->sync(ring->medium))
        return SLUICE_IO;
    struct found found = {0};
    scan(ring, &found);
    if (found.unreadable_count == ring->slot_count)
        return SLUICE_IO;
    ring->sequence = found.sequence_max + 1;
    sort(ring, &found);
    reopen_tail(ring, &found);
    set_head(ring, &found);
    set_reading(ring);
    if (ring->numbers[ring->last_slot] == RING_SLOT_FREE) /* it may be the only one that knows the head */
        ring_release(ring, (uint16_t)ring->last_slot);
    for (uint32_t slot = 0; slot < ring->slot_count; slot++)
        ring->free_count += ring->numbers[slot] == RING_SLOT_FREE;
    return SLUICE_OK;
}

/* ---- opening ---- */

static uint32_t slots_of(uint64_t medium_bytes, uint32_t page_bytes)
{
    uint64_t count = medium_bytes / page_bytes;
    return count < SLOTS_MAX ? (uint32_t)count : SLOTS_MAX;
}

static size_t align(size_t bytes)
{
    size_t unit = _Alignof(max_align_t);
    return (bytes + unit - 1) / unit * unit;
}

size_t sluice_ring_size(uint64_t medium_bytes, const struct sluice_ring_config *config)
{
    uint32_t page_bytes = config->page_bytes ? config->page_bytes : PAGE_BYTES;
    return align(sizeof(struct ring)) +
           slots_of(medium_bytes, page_bytes) * (sizeof(uint32_t) + 2 * sizeof(uint16_t)) + page_bytes;
}

enum sluice_error sluice_ring_open(void *memory, size_t memory_bytes, struct sluice_medium *medium,
                                   const struct sluice_ring_config *config, struct sluice_store **ret_store)
{
    uint32_t page_bytes = config->page_bytes ? config->page_bytes : PAGE_BYTES;
    uint32_t slot_count = slots_of(medium->bytes, page_bytes);
    if (page_bytes < PAGE_MIN_BYTES || page_bytes > PAGE_MAX_BYTES || slot_count < RING_SLOTS_MIN)
        return SLUICE_INVALID;
    if (memory_bytes < sluice_ring_size(medium->bytes, config))
        return SLUICE_NO_MEMORY;
    struct ring *ring = memory;
    *ring = (struct ring){
        .store = ring_functions, .medium = medium, .page_bytes = page_bytes, .slot_count = slot_count};
    ring->store.spool = &sluice_spool;
    ring->store.commit_ms = config->commit_ms;
    ring->store.record_max_bytes = page_bytes - RING_PAGE_HEADER_BYTES - RING_RECORD_HEADER_BYTES;
    ring->numbers = (uint32_t *)(void *)((uint8_t *)memory + align(sizeof *ring));
    ring->record_counts = (uint16_t *)(void *)(ring->numbers + slot_count);
    ring->order = ring->record_counts + slot_count;
    ring->tail = (uint8_t *)(ring->order + slot_count);
    enum sluice_error error = recover(ring);
    if (error)
        return error;
    *ret_store = &ring->store;
    return SLUICE_OK;
}
