/*
 * Group commit, and the promise of the journal.
 *
 * Why what was acknowledged survives a crash. A record's seq is reported durable
 * only by journal_commit_end, after the batch that holds it was written and
 * fdatasync returned success for all of its file, and, for a new file, fsync for
 * its directory. Batches are written one after the other, so that at any moment
 * the disk holds every earlier batch whole, and any part of at most one more. A
 * crash therefore tears only the end of the newest segment, which nobody was
 * told about; replay cuts it there, and the next segment's header seals the cut.
 *
 * Why what was finished does not come back. An acknowledgement is in the same
 * segment as its message or a later one, and segments are removed oldest first,
 * each removal synced before the next: so no message can be there without the
 * acknowledgements that follow it.
 *
 * Why removing loses nothing. A segment is removed only if no entry needs it and
 * a later segment is on disk whole to say which queues there are. An entry may
 * have been copied out of it, or acknowledged because of what was appended before
 * (a function's result): so the segment stays until all that had been appended
 * when its last entry left is durable (left_seq). The acknowledgement itself need
 * not be: the missing message says the same.
 *
 * After a failed write or fdatasync nothing is known about what that file now
 * holds beyond its last durable batch (a second fdatasync may succeed and mean
 * nothing), so it is never appended to again. The batch is still in memory: it
 * goes to a new segment, whose header seals the old one at its durable end.
 *
 * A start cannot know whether the last fdatasync before it failed: what replay
 * reads may be in the kernel's memory only, and an fdatasync now might succeed
 * without writing it. So the last batch, the only one in doubt, is written once
 * more to a new segment before anybody hears of it.
 *
 * Why writing again changes nothing. Replay reads the same records in the same
 * order, after declarations of all queues that were there before the first of
 * them. Queues that came later are not among those: records before theirs would
 * mean what they did not mean. The declarations are made anew, since a batch that
 * was torn may have lost some of its own; until a batch is stored after a start,
 * no segment is taken for one that holds them all (durable_segment).
 */
#include "deliver/journal_parts.h"

#include "base/log.h"
#include "base/memory.h"

#include <assert.h>
#include <inttypes.h>

/* ---- On any thread ---- */

static enum sluice_error write_batch(struct journal_batch *batch)
{
    const struct disk_ops *ops = batch->disk->ops;
    char name[SEGMENT_NAME_BYTES];
    segment_name(batch->segment, false, name);
    bool create = batch->offset == 0;
    enum sluice_error error = create ? ops->create(batch->disk, name, &batch->file) : SLUICE_OK;
    if (error)
        return error;
    error = ops->write(batch->file, batch->offset, buffer_span(&batch->bytes));
    if (!error)
        error = ops->sync(batch->file);
    if (!error && create)
        error = ops->sync_directory(batch->disk);
    if (!error)
        return SLUICE_OK;
    ops->close(batch->file);
    batch->file = NULL;
    if (create)
        ops->remove(batch->disk, name); /* if that fails too, the next segment's seal passes it over */
    return error;
}

static enum sluice_error remove_segment(struct disk *disk, const struct removal *removal)
{
    char name[SEGMENT_NAME_BYTES], kept[SEGMENT_NAME_BYTES];
    segment_name(removal->number, false, name);
    segment_name(removal->number, true, kept);
    enum sluice_error error =
        removal->keep ? disk->ops->rename(disk, name, kept) : disk->ops->remove(disk, name);
    if (error && error != SLUICE_NOT_FOUND)
        return error;
    return disk->ops->sync_directory(disk);
}

void journal_batch_run(struct journal_batch *batch)
{
    batch->result = batch->segment ? write_batch(batch) : SLUICE_OK;
    batch->removal_result = SLUICE_OK;
    batch->removed_count = 0;
    while (batch->removed_count < batch->removal_count && !batch->removal_result) {
        batch->removal_result = remove_segment(batch->disk, &batch->removals[batch->removed_count]);
        batch->removed_count += !batch->removal_result;
    }
}

/* ---- Begin ---- */

static bool anything_waits(const struct journal *journal)
{
    return journal->pending_count + journal->run_count > 0;
}

static bool pending_is_due(struct journal *journal, uint64_t now_ms)
{
    if (!anything_waits(journal)) {
        journal->pending_urgent = false;
        return false;
    }
    if (journal->pending_urgent || journal->failures > 0 ||
        journal->pending_count + journal->run_count >= journal->config.commit_count ||
        buffer_len(&journal->pending) >= journal->config.commit_bytes)
        return true;
    if (!journal->pending_timed) {
        journal->pending_timed = true;
        journal->pending_since_ms = now_ms;
    }
    return now_ms - journal->pending_since_ms >= journal->config.commit_delay_ms;
}

static void take_pending(struct journal *journal)
{
    struct journal_batch *batch = &journal->batch;
    journal_flush_runs(journal);
    if (journal->pending_offset == 0 && batch->file) {
        journal->disk->ops->close(batch->file);
        batch->file = NULL;
    }
    struct buffer empty = batch->bytes;
    batch->bytes = journal->pending;
    batch->segment = journal->pending_segment;
    batch->offset = journal->pending_offset;
    batch->last_seq = journal->last_seq;
    journal->pending = empty;
    journal->pending_count = 0;
    journal->pending_timed = journal->pending_urgent = false;
}

static void collect_removals(struct journal *journal)
{
    struct journal_batch *batch = &journal->batch;
    const struct segments *segments = &journal->segments;
    batch->removal_count = 0;
    batch->removals = memory_resize(batch->removals, segments->count * sizeof *batch->removals);
    for (size_t i = 0; i < segments->count; i++) {
        const struct segment *segment = &segments->items[i];
        if (segment->number >= journal->durable_segment || segment->uses > 0 ||
            segment->left_seq > journal->durable_seq)
            return;
        batch->removals[batch->removal_count++] = (struct removal){segment->number, segment->damaged};
    }
}

struct journal_batch *journal_commit_begin(struct journal *journal, uint64_t now_ms)
{
    /* While a batch is in flight, or the disk fails, runs must not pile up: a record has those of few turns.
     */
    if (journal->run_count >= ACKNOWLEDGED_RUNS)
        journal_flush_runs(journal);
    bool due = pending_is_due(journal, now_ms); /* the delay counts from the arrival, also behind a batch */
    if (journal->in_flight || (journal->failed && now_ms < journal->retry_at_ms))
        return NULL;
    journal_compact(journal);
    struct journal_batch *batch = &journal->batch;
    batch->disk = journal->disk;
    if (due)
        take_pending(journal);
    collect_removals(journal);
    journal->in_flight = batch->segment != 0 || batch->removal_count > 0;
    return journal->in_flight ? batch : NULL;
}

void journal_commit_now(struct journal *journal)
{
    journal->pending_urgent = true;
}

uint64_t journal_next_deadline(const struct journal *journal)
{
    if (journal->in_flight)
        return UINT64_MAX;
    if (journal->failed)
        return journal->retry_at_ms;
    if (journal_may_compact(journal)) /* appends may be waiting for what that gives back */
        return 0;
    if (!anything_waits(journal))
        return UINT64_MAX;
    if (!journal->pending_timed || journal->pending_urgent || journal->failures > 0)
        return 0;
    return journal->pending_since_ms + journal->config.commit_delay_ms;
}

/* ---- End ---- */

static void end_removals(struct journal *journal)
{
    struct journal_batch *batch = &journal->batch;
    for (size_t i = 0; i < batch->removed_count; i++) {
        uint32_t number = batch->removals[i].number;
        if (journal->cache.segment == number)
            journal_cache_drop(journal);
        if (journal->compacting_segment == number)
            journal_compact_stop(journal);
        segment_remove(&journal->segments, segment_find(&journal->segments, number));
    }
    if (batch->removal_result && !journal->removal_failed)
        log_error("journal: file %" PRIu32 " is not needed any more but cannot be removed: %s",
                  batch->removals[batch->removed_count].number, sluice_error_text(batch->removal_result));
    journal->removal_failed = batch->removal_result != SLUICE_OK;
}

/* The same record lies elsewhere now: so do the messages in it that are needed. */
static void move_record(struct journal *journal, const struct record *record, uint32_t old_segment,
                        size_t old_offset, size_t new_offset)
{
    struct reader body = reader_of(record->body);
    struct live_entry *entry = journal_find_origin(journal, &body, old_segment, old_offset);
    if (entry)
        journal_move(journal, entry->stored, journal->pending_segment, new_offset, STORED_ORIGIN);
    struct message_view view;
    for (uint16_t index = 0; index < STORED_ORIGIN && read_message(&body, &view); index++) {
        struct reader targets = reader_of(view.targets);
        struct journal_target target;
        while (read_target(&targets, &target)) {
            entry = journal_find_at(journal, &target, old_segment, old_offset, index);
            if (!entry)
                continue;
            journal_move(journal, entry->stored, journal->pending_segment, new_offset, index);
            break; /* the other entries name the same struct stored */
        }
    }
}

/* Appends once more what `old` holds; its segment's header and declarations have been made anew. */
static void append_again(struct journal *journal, struct span old, uint32_t old_segment, uint64_t old_offset)
{
    size_t at = old_offset == 0 ? RECORD_SEGMENT_HEADER_BYTES : 0;
    struct record record;
    for (; at < old.len; at += record.bytes) {
        bool valid = record_read(span_skip(old, at), old_segment, &record);
        assert(valid);
        if (record.seq <= journal->durable_seq)
            continue;
        struct segment *segment = segment_newest(&journal->segments);
        size_t new_offset = (size_t)segment->bytes;
        struct writer body = record_begin(&journal->pending, record.body.len);
        write_bytes(&body, record.body);
        size_t bytes = record_end(&journal->pending, &body, journal->pending_segment, record.seq, record.type,
                                  journal->pending_count++ == 0);
        segment_set_bytes(&journal->segments, segment, segment->bytes + bytes);
        if (record.type == RECORD_MESSAGES)
            move_record(journal, &record, old_segment, (size_t)old_offset + at, new_offset);
    }
}

static void forget_segment(struct journal *journal, uint32_t number)
{
    struct segment *segment = segment_find(&journal->segments, number);
    assert(segment->uses == 0);
    segment_remove(&journal->segments, segment);
}

/* Puts the batch that failed, and what came after it, into a new segment. */
static void write_again(struct journal *journal)
{
    struct journal_batch *batch = &journal->batch;
    struct buffer later = journal->pending;
    uint32_t later_segment = journal->pending_segment;
    uint64_t later_offset = journal->pending_offset;
    journal->pending = (struct buffer){0};
    journal->pending_count = 0;

    struct segment *failed = segment_find(&journal->segments, batch->segment);
    segment_set_bytes(&journal->segments, failed, batch->offset);
    struct segment sealed = *failed;
    bool has_sealed = batch->offset > 0;
    if (!has_sealed && failed > journal->segments.items) {
        sealed = failed[-1];
        has_sealed = true;
    }
    journal_segment_begin(journal, has_sealed ? &sealed : NULL, journal->durable_seq);
    append_again(journal, buffer_span(&batch->bytes), batch->segment, batch->offset);
    append_again(journal, buffer_span(&later), later_segment, later_offset);
    if (later_segment != batch->segment && buffer_len(&later) > 0)
        forget_segment(journal, later_segment);
    if (batch->offset == 0)
        forget_segment(journal, batch->segment);
    buffer_fini(&later);
}

static void end_batch(struct journal *journal)
{
    struct journal_batch *batch = &journal->batch;
    /* What the burst of a moment needed is not kept; what each batch needs is. */
    if (batch->bytes.capacity > 4 * (size_t)journal->config.commit_bytes)
        buffer_fini(&batch->bytes);
    else
        buffer_consume(&batch->bytes, buffer_len(&batch->bytes));
    batch->segment = 0;
}

static void batch_failed(struct journal *journal, uint64_t now_ms)
{
    enum sluice_error error = journal->batch.result;
    write_again(journal);
    journal->failures++;
    if (journal->failures == 1) {
        log_error("journal: writing failed (%s); it is tried once more in a new file",
                  sluice_error_text(error));
        return;
    }
    if (!journal->failed)
        log_error("journal: %s; nothing is acknowledged until it can be written again",
                  error == SLUICE_FULL ? "the disk is full" : "the disk cannot be written");
    journal->failed = error == SLUICE_FULL ? SLUICE_FULL : SLUICE_IO;
    journal->retry_at_ms = now_ms + journal->config.retry_ms;
}

static void batch_stored(struct journal *journal)
{
    struct journal_batch *batch = &journal->batch;
    if (journal->failed)
        log_info("journal: it can be written again");
    journal->failed = SLUICE_OK;
    journal->failures = 0;
    journal->durable_seq = batch->last_seq;
    journal->durable_segment = batch->segment;
    journal->written_bytes += buffer_len(&batch->bytes);
}

void journal_write_tail(struct journal *journal)
{
    struct journal_batch *batch = &journal->batch;
    const struct segment *newest = segment_newest(&journal->segments);
    struct removal old = {newest->number, newest->damaged};
    batch->disk = journal->disk;
    batch->segment = old.number;
    batch->offset = journal->tail.offset;
    batch->bytes = journal->tail_bytes;
    journal->tail_bytes = (struct buffer){0};
    journal->durable_seq = journal->tail.before_seq;
    write_again(journal);
    end_batch(journal);
    journal_commit_now(journal);
    uint64_t durable_seq;
    batch = journal_commit_begin(journal, 0);
    enum sluice_error error = SLUICE_OK;
    if (batch) { /* NULL: it held nothing but declarations, of no queue */
        journal_batch_run(batch);
        error = journal_commit_end(journal, batch, 0, &durable_seq);
    }
    if (!error && journal->tail.offset == 0)
        remove_segment(journal->disk, &old);
}

enum sluice_error journal_commit_end(struct journal *journal, struct journal_batch *batch, uint64_t now_ms,
                                     uint64_t *ret_durable_seq)
{
    assert(journal->in_flight && batch == &journal->batch);
    journal->in_flight = false;
    end_removals(journal);
    enum sluice_error error = SLUICE_OK;
    if (batch->segment && batch->result) {
        batch_failed(journal, now_ms);
        error = journal->failed ? journal->failed : SLUICE_AGAIN;
    } else if (batch->segment) {
        batch_stored(journal);
    }
    end_batch(journal);
    if (!error)
        *ret_durable_seq = journal->durable_seq;
    return error;
}
