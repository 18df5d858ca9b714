#include "client/ring.h"

#include "client/crc32.h"

#include <assert.h>

void ring_update(struct ring *ring)
{
    if (ring->fresh_count > ring->store.count)
        ring->fresh_count = ring->store.count;
    ring->store.uncommitted = !ring->failed && (ring->fresh_count > 0 || ring->head_moved);
}

void ring_committed(struct ring *ring)
{
    ring->fresh_count = 0;
    ring->head_stale = false;
    ring->head_moved = false;
    ring_update(ring);
}

uint16_t ring_record_count(const struct ring *ring, size_t page)
{
    return page < ring->page_count ? ring->record_counts[ring->order[page]] : ring->tail_records;
}

/* ---- pages ---- */

enum sluice_error ring_sync(struct ring *ring)
{
    if (ring->failed || ring->medium->sync(ring->medium)) {
        ring->failed = true;
        ring_update(ring);
        return SLUICE_IO;
    }
    for (uint32_t slot = 0; slot < ring->slot_count; slot++)
        if (ring->numbers[slot] == RING_SLOT_RELEASED) {
            ring->numbers[slot] = RING_SLOT_FREE;
            ring->free_count++;
        }
    return SLUICE_OK;
}

void ring_release(struct ring *ring, uint16_t slot)
{
    ring->numbers[slot] = RING_SLOT_RELEASED;
}

/* The next free slot after the one that was written last, so that all wear alike. There always is one: see
 * ring_write_page, and RING_SLOTS_SPARE. */
static uint16_t next_slot(struct ring *ring)
{
    assert(ring->free_count > 0);
    do
        ring->last_slot = (ring->last_slot + 1) % ring->slot_count;
    while (ring->numbers[ring->last_slot] != RING_SLOT_FREE);
    return (uint16_t)ring->last_slot;
}

enum sluice_error ring_write_page(struct ring *ring, struct ring_page *page, uint16_t *ret_slot)
{
    if (ring->failed)
        return SLUICE_IO;
    page->sequence = ring->sequence++;
    page->head_number = ring->page_count > 0 ? ring->numbers[ring->order[0]] : ring->tail_number;
    page->head_record = ring->head_record;
    ring_encode_header(ring, page, ring->tail);
    uint16_t slot = next_slot(ring);
    if (ring->medium->write(ring->medium, ring_offset(ring, slot), ring->tail, ring->page_bytes)) {
        ring->failed = true;
        ring_update(ring);
        return SLUICE_IO;
    }
    ring->store.written_bytes += ring->page_bytes;
    ring->numbers[slot] = page->number;
    ring->record_counts[slot] = page->record_count;
    ring->free_count--;
    *ret_slot = slot;
    return SLUICE_OK;
}

static enum sluice_error write_tail(struct ring *ring)
{
    struct ring_page page = {.used_bytes = ring->tail_bytes,
                             .number = ring->tail_number,
                             .covers = 1,
                             .record_count = ring->tail_records};
    uint16_t slot;
    enum sluice_error error = ring_write_page(ring, &page, &slot);
    if (error)
        return error;
    if (ring->tail_slot != RING_NO_SLOT)
        ring_release(ring, ring->tail_slot);
    ring->tail_slot = slot;
    ring->tail_changed = false;
    return ring->free_count == 0 ? ring_sync(ring) : SLUICE_OK;
}

void ring_start_tail(struct ring *ring)
{
    ring->tail_number++;
    ring->tail_bytes = RING_PAGE_HEADER_BYTES;
    ring->tail_records = 0;
    ring->tail_slot = RING_NO_SLOT;
    ring->tail_changed = false;
}

enum sluice_error ring_close_tail(struct ring *ring)
{
    if (ring->tail_records == 0)
        return SLUICE_OK;
    enum sluice_error error = ring->tail_changed ? write_tail(ring) : SLUICE_OK;
    if (error)
        return error;
    ring->order[ring->page_count++] = ring->tail_slot;
    ring_start_tail(ring);
    return SLUICE_OK;
}

/* Nothing in the ring is wanted any more: what the tail holds need not be written. */
static void restart_tail(struct ring *ring)
{
    if (ring->tail_slot != RING_NO_SLOT) {
        ring_release(ring, ring->tail_slot);
        ring->head_moved = true;
    }
    ring_start_tail(ring);
    ring->head_record = 0;
    ring->read_record = 0;
    ring->read_offset = RING_PAGE_HEADER_BYTES;
}

/* ---- records ---- */

enum sluice_error ring_peek(struct ring *ring, size_t page, uint32_t offset, struct ring_record *ret_record)
{
    uint8_t bytes[RING_RECORD_HEADER_BYTES];
    if (offset + sizeof bytes > ring->page_bytes)
        return SLUICE_INVALID;
    if (page == ring->page_count)
        memcpy(bytes, ring->tail + offset, sizeof bytes);
    else if (ring->medium->read(ring->medium, ring_offset(ring, ring->order[page]) + offset, bytes,
                                sizeof bytes))
        return SLUICE_IO;
    struct reader reader = reader_of(span_of(bytes, sizeof bytes));
    struct ring_record record = {.crc = read_u32(&reader)};
    record.len = read_u16(&reader);
    record.sample_count = read_u16(&reader);
    if (record.len > ring->page_bytes - offset - sizeof bytes)
        return SLUICE_INVALID;
    *ret_record = record;
    return SLUICE_OK;
}

static uint32_t record_crc(const struct ring_record *record, const void *data)
{
    uint8_t bytes[4];
    struct writer writer = writer_of(bytes, sizeof bytes);
    write_u16(&writer, record->len);
    write_u16(&writer, record->sample_count);
    return crc32_of(crc32_of(0, writer_span(&writer)), span_of(data, record->len));
}

enum sluice_error ring_load(struct ring *ring, size_t page, uint32_t offset, const struct ring_record *record,
                            void *memory)
{
    offset += RING_RECORD_HEADER_BYTES;
    if (page == ring->page_count)
        memcpy(memory, ring->tail + offset, record->len);
    else if (ring->medium->read(ring->medium, ring_offset(ring, ring->order[page]) + offset, memory,
                                record->len))
        return SLUICE_IO;
    return record_crc(record, memory) == record->crc ? SLUICE_OK : SLUICE_INVALID;
}

void ring_put_record(uint8_t *at, const struct ring_record *record)
{
    struct writer writer = writer_of(at, RING_RECORD_HEADER_BYTES);
    write_u32(&writer, record->crc);
    write_u16(&writer, record->len);
    write_u16(&writer, record->sample_count);
}

/* Room in the tail for so many bytes more, if need be in a new one. */
static enum sluice_error make_place(struct ring *ring, size_t bytes)
{
    size_t pages_max = ring->slot_count - RING_SLOTS_SPARE; /* the tail included */
    if (ring->tail_bytes + bytes > ring->page_bytes || ring->tail_records == UINT16_MAX) {
        if (ring->store.count == 0)
            restart_tail(ring);
        else if (ring->page_count + 2 > pages_max)
            return SLUICE_FULL;
        else
            return ring_close_tail(ring);
    }
    /* Thinning out may have left an empty tail and no page to spare for it. */
    return ring->tail_records == 0 && ring->page_count + 1 > pages_max ? SLUICE_FULL : SLUICE_OK;
}

static enum sluice_error ring_append(struct sluice_store *store, const void *data, size_t len,
                                     uint16_t sample_count)
{
    struct ring *ring = ring_of(store);
    if (ring->failed)
        return SLUICE_IO;
    if (len > store->record_max_bytes)
        return SLUICE_TOO_LARGE;
    enum sluice_error error = make_place(ring, RING_RECORD_HEADER_BYTES + len);
    if (error)
        return error;
    struct ring_record record = {.len = (uint16_t)len, .sample_count = sample_count};
    record.crc = record_crc(&record, data);
    uint8_t *at = ring->tail + ring->tail_bytes;
    ring_put_record(at, &record);
    memcpy(at + RING_RECORD_HEADER_BYTES, data, len);
    ring->tail_bytes += (uint32_t)(RING_RECORD_HEADER_BYTES + len);
    ring->tail_records++;
    ring->tail_changed = true;
    ring->fresh_count++;
    store->count++;
    ring_update(ring);
    return SLUICE_OK;
}

static enum sluice_error read_next(struct ring *ring, void *memory, size_t capacity,
                                   struct ring_record *ret_record)
{
    if (ring->read_offset == 0)
        return SLUICE_INVALID;
    enum sluice_error error = ring_peek(ring, ring->read_page, ring->read_offset, ret_record);
    if (error)
        return SLUICE_INVALID;
    if (ret_record->len > capacity)
        return SLUICE_TOO_LARGE;
    if (!memory)
        return SLUICE_OK;
    return ring_load(ring, ring->read_page, ring->read_offset, ret_record, memory) ? SLUICE_INVALID
                                                                                   : SLUICE_OK;
}

static enum sluice_error ring_read(struct sluice_store *store, void *memory, size_t capacity, size_t *ret_len,
                                   uint16_t *ret_sample_count)
{
    struct ring *ring = ring_of(store);
    while (ring->read_record == ring_record_count(ring, ring->read_page)) {
        if (ring->read_page == ring->page_count)
            return SLUICE_AGAIN;
        ring->read_page++;
        ring->read_record = 0;
        ring->read_offset = RING_PAGE_HEADER_BYTES;
    }
    struct ring_record record;
    enum sluice_error error = read_next(ring, memory, capacity, &record);
    if (error == SLUICE_TOO_LARGE)
        return error;
    ring->read_record++;
    if (error) {
        ring->read_offset = 0;
        return error;
    }
    ring->read_offset += (uint32_t)RING_RECORD_HEADER_BYTES + record.len;
    *ret_len = record.len;
    *ret_sample_count = record.sample_count;
    return SLUICE_OK;
}

static void ring_rewind(struct sluice_store *store)
{
    struct ring *ring = ring_of(store);
    ring->read_page = 0;
    ring->read_offset = RING_PAGE_HEADER_BYTES;
    for (ring->read_record = 0; ring->read_record < ring->head_record; ring->read_record++) {
        struct ring_record record;
        if (ring->read_offset == 0 || ring_peek(ring, 0, ring->read_offset, &record))
            ring->read_offset = 0;
        else
            ring->read_offset += (uint32_t)RING_RECORD_HEADER_BYTES + record.len;
    }
}

static void drop_first_page(struct ring *ring)
{
    ring_release(ring, ring->order[0]);
    ring->page_count--;
    memmove(ring->order, ring->order + 1, ring->page_count * sizeof ring->order[0]);
    ring->head_record = 0;
    ring->head_moved = true;
    if (ring->read_page > 0) {
        ring->read_page--;
    } else {
        ring->read_record = 0;
        ring->read_offset = RING_PAGE_HEADER_BYTES;
    }
}

static void ring_remove(struct sluice_store *store)
{
    struct ring *ring = ring_of(store);
    assert(store->count > 0);
    ring->head_stale |= store->count > ring->fresh_count;
    store->count--;
    ring->head_record++;
    if (ring->page_count > 0 && ring->head_record == ring_record_count(ring, 0))
        drop_first_page(ring);
    if (store->count == 0 && ring->tail_slot == RING_NO_SLOT)
        restart_tail(ring); /* nobody but the RAM ever knew of them */
    ring_update(ring);
}

static enum sluice_error ring_commit(struct sluice_store *store)
{
    struct ring *ring = ring_of(store);
    if (ring->failed)
        return SLUICE_IO;
    if (!store->uncommitted && !ring->head_stale)
        return SLUICE_OK;
    enum sluice_error error =
        ring->tail_changed || ring->head_stale || ring->head_moved ? write_tail(ring) : SLUICE_OK;
    if (!error)
        error = ring_sync(ring);
    if (error)
        return error;
    ring_committed(ring);
    return SLUICE_OK;
}

const struct sluice_store ring_functions = {
    .append = ring_append,
    .read = ring_read,
    .rewind = ring_rewind,
    .remove = ring_remove,
    .thin = ring_thin,
    .commit = ring_commit,
};
