/* Reading one message back: from memory while it waits there, else from its file. */
#include "deliver/journal_parts.h"

#include "base/log.h"

#include <inttypes.h>

void journal_cache_drop(struct journal *journal)
{
    struct load_cache *cache = &journal->cache;
    if (cache->file)
        journal->disk->ops->close(cache->file);
    buffer_fini(&cache->record);
    *cache = (struct load_cache){0};
}

/* The bytes from a place on, if it is among those that are not on disk yet. */
static bool find_in_memory(const struct buffer *buffer, uint32_t segment, uint64_t base,
                           const struct stored *stored, struct span *ret_bytes)
{
    if (stored->segment != segment || stored->offset < base || stored->offset - base >= buffer_len(buffer))
        return false;
    *ret_bytes = span_skip(buffer_span(buffer), (size_t)(stored->offset - base));
    return true;
}

static enum sluice_error open_cached(struct journal *journal, uint32_t segment)
{
    struct load_cache *cache = &journal->cache;
    if (cache->segment == segment)
        return SLUICE_OK;
    journal_cache_drop(journal);
    char name[SEGMENT_NAME_BYTES];
    segment_name(segment, false, name);
    enum sluice_error error = journal->disk->ops->open(journal->disk, name, &cache->file);
    if (!error)
        cache->segment = segment;
    return error;
}

/* Appends `len` bytes of the cached file to the cached record; SLUICE_INVALID if there are not so many. */
static enum sluice_error read_more(struct journal *journal, uint64_t offset, size_t len)
{
    struct load_cache *cache = &journal->cache;
    size_t count = 0;
    enum sluice_error error =
        journal->disk->ops->read(cache->file, offset, buffer_reserve(&cache->record, len), len, &count);
    if (!error && count < len)
        error = SLUICE_INVALID;
    if (!error)
        buffer_grown(&cache->record, len);
    return error;
}

static enum sluice_error read_cached(struct journal *journal, const struct stored *stored)
{
    enum sluice_error error = open_cached(journal, stored->segment);
    if (error)
        return error;
    struct load_cache *cache = &journal->cache;
    if (cache->has_record && cache->record_offset == stored->offset)
        return SLUICE_OK;
    cache->has_record = false;
    buffer_fini(&cache->record);
    error = read_more(journal, stored->offset, RECORD_HEADER_BYTES);
    if (error)
        return error;
    const struct segment *segment = segment_find(&journal->segments, stored->segment);
    uint32_t body_bytes = record_body_bytes(buffer_span(&cache->record).data);
    if (body_bytes > segment->bytes)
        return SLUICE_INVALID;
    error = read_more(journal, stored->offset + RECORD_HEADER_BYTES, body_bytes);
    cache->record_offset = stored->offset;
    cache->has_record = !error;
    return error;
}

static enum sluice_error take_message(struct span bytes, const struct stored *stored,
                                      struct message **ret_message)
{
    struct record record;
    if (!record_read(bytes, stored->segment, &record) || record.type != RECORD_MESSAGES)
        return SLUICE_INVALID;
    struct reader body = reader_of(record.body);
    read_number(&body);
    read_number(&body);
    struct message_view view;
    for (uint32_t index = 0; read_message(&body, &view); index++) {
        if (index == stored->index) {
            *ret_message = message_new(&view.message);
            return SLUICE_OK;
        }
    }
    return SLUICE_INVALID;
}

enum sluice_error journal_load(struct journal *journal, uint64_t position, struct message **ret_message)
{
    const struct stored *stored = stored_at(&journal->stored, position);
    if (!stored)
        return SLUICE_NOT_FOUND;
    struct span bytes;
    enum sluice_error error = SLUICE_OK;
    if (!find_in_memory(&journal->pending, journal->pending_segment, journal->pending_offset, stored,
                        &bytes) &&
        !find_in_memory(&journal->batch.bytes, journal->batch.segment, journal->batch.offset, stored,
                        &bytes)) {
        error = read_cached(journal, stored);
        bytes = buffer_span(&journal->cache.record);
    }
    if (!error)
        error = take_message(bytes, stored, ret_message);
    if (error)
        log_error("journal: a message in file %" PRIu32 " at byte %" PRIu32 " cannot be read again: %s",
                  stored->segment, stored->offset, sluice_error_text(error));
    return error;
}
