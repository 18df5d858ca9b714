/*
 * Copying forward: when the files take more than config.compact_bytes and those
 * at the old end are at most half needed, what is needed of the oldest moves to
 * the new end, so that a stuck queue does not keep every later file on disk.
 *
 * The choice looks at the shortest run of oldest segments of which at most half
 * is needed, so each byte copied frees at least one byte that nobody needs:
 * compaction never writes more than the appends did. A step reads at most
 * STEP_BYTES of the old segment; the segment itself is read into memory once.
 */
#include "deliver/journal_parts.h"

#include "base/memory.h"

enum {
    STEP_BYTES = 256 << 10,
    ENTRY_OVERHEAD_BYTES = 40, /* of a record around a message's parts, roughly */
};

static bool worth_it(const struct journal *journal)
{
    const struct segments *segments = &journal->segments;
    if (segments->bytes <= journal->config.compact_bytes || segments->items[0].copied ||
        segments->items[0].uses == 0)
        return false;
    uint64_t needed = 0, total = 0;
    for (size_t i = 0; i + 1 < segments->count; i++) {
        const struct segment *segment = &segments->items[i];
        needed += segment->use_bytes + segment->uses * ENTRY_OVERHEAD_BYTES;
        total += segment->bytes;
        if (2 * needed <= total)
            return true;
    }
    return false;
}

/* The targets of a message that are unfinished, as they are by now; memory for view->target_count of them is
 * the caller's. */
static size_t live_targets(struct journal *journal, const struct message_view *view, uint32_t segment,
                           size_t offset, uint16_t index, struct journal_target *ret_targets)
{
    struct reader reader = reader_of(view->targets);
    struct journal_target target;
    size_t count = 0;
    while (read_target(&reader, &target)) {
        const struct live_entry *entry = journal_find_at(journal, &target, segment, offset, index);
        if (!entry)
            continue;
        target.received = entry->received; /* the RECEIVED record goes with the old segment */
        ret_targets[count++] = target;
    }
    return count;
}

/* Writes what is needed of the record into `copy`; false: nothing is. */
static bool write_needed(struct journal *journal, const struct record *record, uint32_t segment,
                         size_t offset, struct writer *copy)
{
    struct reader body = reader_of(record->body);
    struct reader origin = body;
    bool needed = journal_find_origin(journal, &body, segment, offset) != NULL;
    write_number(copy, needed ? read_number(&origin) : 0);
    write_number(copy, needed ? read_number(&origin) : 0);
    struct message_view view;
    for (uint16_t index = 0; index < STORED_ORIGIN && read_message(&body, &view); index++) {
        struct journal_target *targets = memory_new_array(view.target_count, sizeof *targets);
        size_t count = live_targets(journal, &view, segment, offset, index, targets);
        if (count > 0) {
            write_message(copy, &(struct journal_message){&view.message, targets, count, 0});
            needed = true;
        }
        memory_free(targets);
    }
    return needed;
}

/* The entries of a message that lay at the old place: now at the new one. */
static bool move_message(struct journal *journal, const struct message_view *view, uint32_t segment,
                         size_t offset, uint16_t index, size_t new_offset, uint16_t new_index)
{
    struct reader reader = reader_of(view->targets);
    struct journal_target target;
    while (read_target(&reader, &target)) {
        const struct live_entry *entry = journal_find_at(journal, &target, segment, offset, index);
        if (entry) { /* the other entries name the same struct stored */
            journal_move(journal, entry->stored, journal->pending_segment, new_offset, new_index);
            return true;
        }
    }
    return false;
}

static void move_record(struct journal *journal, const struct record *record, uint32_t segment, size_t offset,
                        size_t new_offset)
{
    struct reader body = reader_of(record->body);
    struct live_entry *origin = journal_find_origin(journal, &body, segment, offset);
    if (origin)
        journal_move(journal, origin->stored, journal->pending_segment, new_offset, STORED_ORIGIN);
    struct message_view view;
    uint16_t new_index = 0;
    for (uint16_t index = 0; index < STORED_ORIGIN && read_message(&body, &view); index++) {
        if (move_message(journal, &view, segment, offset, index, new_offset, new_index))
            new_index++;
    }
}

static void copy_record(struct journal *journal, const struct record *record, uint32_t segment, size_t offset)
{
    struct writer copy = journal_record_begin(journal, record->body.len);
    if (!write_needed(journal, record, segment, offset, &copy))
        return; /* what was begun is not ended, and so is nothing */
    size_t new_offset;
    journal->copied_bytes += RECORD_HEADER_BYTES + writer_len(&copy);
    journal_record_end(journal, &copy, RECORD_MESSAGES, &new_offset);
    move_record(journal, record, segment, offset, new_offset);
}

void journal_compact_stop(struct journal *journal)
{
    buffer_fini(&journal->compacting);
    journal->compacting_segment = 0;
}

static bool compact_start(struct journal *journal, struct segment *oldest)
{
    if (segment_read(journal->disk, oldest->number, oldest->bytes, &journal->compacting)) {
        oldest->copied = true; /* it cannot be read, and whoever loads from it will say so */
        journal_compact_stop(journal);
        return false;
    }
    journal->compacting_segment = oldest->number;
    journal->compacting_offset = RECORD_SEGMENT_HEADER_BYTES;
    return true;
}

bool journal_may_compact(const struct journal *journal)
{
    return journal->failures == 0 && buffer_len(&journal->pending) <= journal->config.buffer_bytes / 2 &&
           worth_it(journal);
}

void journal_compact(struct journal *journal)
{
    if (!journal_may_compact(journal))
        return;
    uint32_t number = journal->segments.items[0].number;
    if (journal->compacting_segment != number) {
        journal_compact_stop(journal);
        if (!compact_start(journal, &journal->segments.items[0]))
            return;
    }
    struct span bytes = buffer_span(&journal->compacting);
    uint64_t budget = 2 * (uint64_t)bytes.len + STEP_BYTES;
    size_t end = journal->compacting_offset + STEP_BYTES;
    struct record record;
    while (journal->compacting_offset < end) {
        if (!segment_find_record(bytes, number, 0, &budget, &journal->compacting_offset, &record)) {
            segment_find(&journal->segments, number)->copied = true;
            journal_compact_stop(journal);
            return;
        }
        if (record.type == RECORD_MESSAGES)
            copy_record(journal, &record, number, journal->compacting_offset);
        journal->compacting_offset += record.bytes;
    }
}
