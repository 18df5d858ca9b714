/*
 * Reading the journal at start.
 *
 * Each segment's successor says how much of it was on disk (its seal), so all
 * up to there must be valid, and all beyond counts for nothing. Only the newest
 * has no seal: there, bytes that are no record are the torn end of a batch that
 * was never acknowledged, unless a later batch follows them; since a batch is
 * written only after the one before is on disk, that shows that those bytes were
 * on disk once and are damaged now. A segment that a later one does not count
 * among its predecessors was begun and given up, and is void.
 *
 * Around damage everything that can be read is kept: records are found again by
 * their CRC and ascending seq. What contradicts an earlier record counts: where
 * two queues have one id or one name, the record that dropped the first is lost.
 */
#include "deliver/journal_parts.h"

#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>

enum { SEARCH_FACTOR = 64 }; /* bytes checked for each byte of a damaged file, at most */

struct found_segment {
    uint32_t number;
    enum sluice_error header_error; /* as segment_header_read, or why the file cannot be read */
    struct segment_header header;
    uint64_t seal; /* UINT64_MAX: none */
    bool is_void;
};

struct listing {
    struct found_segment *items;
    size_t count, capacity;
    uint32_t highest; /* of any file of ours, damaged ones too */
};

struct scan {
    struct journal *journal;
    uint32_t number;
    struct span bytes; /* as far as they count */
    bool sealed;
    uint64_t budget;
    uint64_t least_seq;
    size_t offset;
    size_t evidence_offset; /* a later batch is known to begin here */
    uint64_t records, later_records;
    bool damaged;
    size_t damage_offset;
    struct tail tail;
};

/* ---- Which files there are ---- */

static void on_name(void *ctx, const char *name)
{
    struct listing *listing = ctx;
    uint32_t number;
    bool damaged;
    if (!segment_name_read(name, &number, &damaged))
        return;
    if (number > listing->highest)
        listing->highest = number;
    if (damaged)
        return;
    if (listing->count == listing->capacity) {
        listing->capacity = listing->capacity ? 2 * listing->capacity : 16;
        listing->items = memory_resize(listing->items, listing->capacity * sizeof *listing->items);
    }
    listing->items[listing->count++] = (struct found_segment){.number = number, .seal = UINT64_MAX};
}

static int by_number(const void *a, const void *b)
{
    const struct found_segment *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static void read_header(struct journal *journal, struct found_segment *found)
{
    struct buffer bytes = {0};
    found->header_error = segment_read(journal->disk, found->number, RECORD_SEGMENT_HEADER_BYTES, &bytes);
    if (!found->header_error)
        found->header_error = segment_header_read(buffer_span(&bytes), &found->header);
    if (!found->header_error && found->header.number != found->number)
        found->header_error = SLUICE_INVALID;
    buffer_fini(&bytes);
}

static void judge(struct listing *listing)
{
    const struct found_segment *next = NULL;
    for (size_t i = listing->count; i-- > 0;) {
        struct found_segment *found = &listing->items[i];
        if (next && next->header.previous == found->number)
            found->seal = next->header.previous_bytes;
        found->is_void = next && next->header.previous < found->number;
        if (!found->is_void && !found->header_error)
            next = found;
    }
}

/* ---- What records say ---- */

static void apply_queue(struct journal *journal, struct reader *body, uint64_t seq)
{
    uint64_t id = read_number(body);
    uint8_t kind = read_u8(body);
    uint64_t next_ordinal = read_number(body);
    struct span name = read_rest(body);
    if (body->failed || id == 0 || id >= UINT32_MAX || next_ordinal > RECORD_SEQ_MAX ||
        kind < JOURNAL_SESSION || kind > JOURNAL_WINDOW)
        return;
    struct live_queue *queue = live_queue_find(&journal->queues, (uint32_t)id);
    struct live_queue *named = live_queue_named(&journal->queues, kind, name);
    if (queue && queue != named)
        journal_forget_queue(journal, queue);
    if (named && named != queue)
        journal_forget_queue(journal, named);
    if (!queue || queue != named) {
        queue = live_queue_new(&journal->queues, (uint32_t)id, kind, name);
        queue->declared_seq = seq;
    }
    if (next_ordinal > queue->next_ordinal)
        queue->next_ordinal = next_ordinal;
}

static void apply_drop(struct journal *journal, struct reader *body)
{
    uint64_t id = read_number(body);
    struct live_queue *queue = id <= UINT32_MAX ? live_queue_find(&journal->queues, (uint32_t)id) : NULL;
    if (id <= UINT32_MAX && id >= journal->queues.next_id)
        journal->queues.next_id = (uint32_t)id + 1;
    if (queue)
        journal_forget_queue(journal, queue);
}

static void apply_message(struct journal *journal, const struct message_view *view, uint32_t segment,
                          size_t offset, uint16_t index)
{
    struct reader targets = reader_of(view->targets);
    struct journal_target target;
    uint32_t stored = UINT32_MAX;
    while (read_target(&targets, &target)) {
        struct live_queue *queue = live_queue_find(&journal->queues, target.queue);
        if (!queue)
            continue; /* its declaration was damaged, or it was dropped */
        if (stored == UINT32_MAX)
            stored = journal_store(journal, segment, offset, index,
                                   message_bytes(&view->message) - sizeof view->message);
        journal_enter_target(journal, queue, &target, stored); /* of one that was copied forward, the copy */
    }
}

static void apply_messages(struct journal *journal, struct reader *body, uint32_t segment, size_t offset)
{
    uint64_t id = read_number(body);
    uint64_t packet_id = read_number(body);
    struct live_queue *queue = id <= UINT32_MAX ? live_queue_find(&journal->queues, (uint32_t)id) : NULL;
    if (queue && packet_id > 0 && packet_id <= UINT16_MAX)
        journal_enter(journal, queue, LIVE_PACKET_ID | packet_id,
                      journal_store(journal, segment, offset, STORED_ORIGIN, 0));
    struct message_view view;
    for (uint16_t index = 0; index < STORED_ORIGIN && read_message(body, &view); index++)
        apply_message(journal, &view, segment, offset, index);
}

static struct live_entry *read_entry(struct journal *journal, uint64_t id, uint64_t number,
                                     struct live_queue **ret_queue)
{
    *ret_queue = id <= UINT32_MAX ? live_queue_find(&journal->queues, (uint32_t)id) : NULL;
    return *ret_queue ? live_find(&(*ret_queue)->table, number) : NULL;
}

static void apply_acknowledged(struct journal *journal, struct reader *body)
{
    while (reader_left(body) > 0) {
        uint64_t id = read_number(body), first = read_number(body), count = read_number(body);
        if (body->failed || count > ACKNOWLEDGED_RUN_COUNT || first > RECORD_SEQ_MAX)
            return;
        for (uint64_t i = 0; i < count; i++) {
            struct live_queue *queue;
            struct live_entry *entry = read_entry(journal, id, first + i, &queue);
            if (entry)
                journal_leave(journal, queue, entry);
        }
    }
}

static void apply(struct journal *journal, const struct record *record, uint32_t segment, size_t offset)
{
    struct reader body = reader_of(record->body);
    struct live_queue *queue;
    struct live_entry *entry;
    uint64_t id;
    switch (record->type) {
    case RECORD_QUEUE: apply_queue(journal, &body, record->seq); break;
    case RECORD_QUEUE_DROP: apply_drop(journal, &body); break;
    case RECORD_MESSAGES: apply_messages(journal, &body, segment, offset); break;
    case RECORD_ACKNOWLEDGED: apply_acknowledged(journal, &body); break;
    case RECORD_RECEIVED:
        id = read_number(&body);
        entry = read_entry(journal, id, read_number(&body), &queue);
        if (entry)
            entry->received = true;
        break;
    case RECORD_PACKET_ID_FREE:
        id = read_number(&body);
        entry = read_entry(journal, id, LIVE_PACKET_ID | read_number(&body), &queue);
        if (entry)
            journal_leave(journal, queue, entry);
        break;
    default: log_warning("journal: a record of type %u, of a later version, was passed over", record->type);
    }
    if (record->seq > journal->last_seq)
        journal->last_seq = record->seq;
}

/* ---- Scanning a segment ---- */

/* Whether the batch that these bytes belong to was on disk once: see above. */
static bool was_on_disk(struct scan *scan)
{
    if (scan->sealed || scan->evidence_offset > scan->offset)
        return true;
    struct record record;
    size_t at = scan->offset;
    while (segment_find_record(scan->bytes, scan->number, scan->least_seq, &scan->budget, &at, &record)) {
        if (record.first_of_batch && at > RECORD_SEGMENT_HEADER_BYTES) {
            scan->evidence_offset = at;
            return true;
        }
        at += record.bytes;
    }
    return false;
}

/* Passes over bytes that are no record; false: nothing that counts follows. */
static bool pass_damage(struct scan *scan)
{
    if (!was_on_disk(scan))
        return false;
    struct record record;
    size_t from = scan->offset;
    scan->tail.whole = false;
    if (!scan->damaged) {
        scan->damaged = true;
        scan->damage_offset = from;
    }
    scan->offset++;
    bool more = segment_find_record(scan->bytes, scan->number, scan->least_seq, &scan->budget, &scan->offset,
                                    &record);
    if (!more)
        scan->offset = scan->bytes.len;
    scan->journal->damaged_bytes += scan->offset - from;
    return more;
}

/* Each record has a seq above the one before, but for the declarations that a segment begins with. */
static bool follows(const struct scan *scan, const struct record *record)
{
    bool declares = record->type == RECORD_QUEUE && (!record->first_of_batch || scan->records == 0);
    return record->seq > scan->least_seq || (declares && record->seq == scan->least_seq);
}

static void scan_records(struct scan *scan)
{
    while (scan->offset < scan->bytes.len) {
        struct record record;
        if (!record_read(span_skip(scan->bytes, scan->offset), scan->number, &record) ||
            !follows(scan, &record)) {
            if (!pass_damage(scan))
                return;
            continue;
        }
        if (record.first_of_batch)
            scan->tail = (struct tail){
                .offset = scan->offset == RECORD_SEGMENT_HEADER_BYTES ? 0 : scan->offset,
                .before_seq = scan->least_seq,
                .whole = scan->offset >= RECORD_SEGMENT_HEADER_BYTES,
            };
        apply(scan->journal, &record, scan->number, scan->offset);
        scan->least_seq = record.seq;
        scan->offset += record.bytes;
        scan->records++;
        scan->later_records += scan->damaged;
    }
}

/* ---- Segment by segment ---- */

static void set_aside(struct journal *journal, uint32_t number, const char *why)
{
    char name[SEGMENT_NAME_BYTES], kept[SEGMENT_NAME_BYTES];
    segment_name(number, false, name);
    segment_name(number, true, kept);
    log_warning("journal: %s %s, and is kept as %s", name, why, kept);
    journal->disk->ops->rename(journal->disk, name, kept);
}

static void report_damage(const struct scan *scan)
{
    char name[SEGMENT_NAME_BYTES], kept[SEGMENT_NAME_BYTES];
    segment_name(scan->number, false, name);
    segment_name(scan->number, true, kept);
    log_error("journal: %s is damaged from byte %zu on; %" PRIu64 " records before and %" PRIu64
              " after it were read; once they are not needed it is kept as %s",
              name, scan->damage_offset, scan->records - scan->later_records, scan->later_records, kept);
}

/* A file without a record. */
static void drop_file(struct journal *journal, uint32_t number, bool damaged)
{
    char name[SEGMENT_NAME_BYTES];
    if (damaged) {
        set_aside(journal, number, "holds nothing that can be read");
        return;
    }
    segment_name(number, false, name);
    journal->disk->ops->remove(journal->disk, name);
}

/* What make_durable writes once more, if no later segment holds a record. */
static void keep_tail(struct journal *journal, const struct scan *scan)
{
    journal->tail = scan->tail;
    buffer_fini(&journal->tail_bytes);
    if (scan->tail.whole)
        buffer_append(&journal->tail_bytes,
                      span_skip(span_of(scan->bytes.data, scan->offset), (size_t)scan->tail.offset));
}

/* Reads one whole segment into the journal. */
static void take_segment(struct journal *journal, const struct found_segment *found, struct span bytes)
{
    const struct segment *before = segment_newest(&journal->segments);
    if (!found->header_error && before && before->number != found->header.previous)
        log_error("journal: files between %" PRIu32 " and %" PRIu32 " are missing or unreadable",
                  before->number, found->number);
    bool sealed = found->seal != UINT64_MAX;
    size_t limit = sealed && found->seal < bytes.len ? (size_t)found->seal : bytes.len;
    struct scan scan = {
        .journal = journal,
        .number = found->number,
        .bytes = span_of(bytes.data, limit),
        .sealed = sealed,
        .budget = (uint64_t)limit * SEARCH_FACTOR,
        .least_seq = found->header_error ? 0 : found->header.first_seq - 1,
        .offset = found->header_error ? 0 : RECORD_SEGMENT_HEADER_BYTES,
    };
    segment_set_bytes(&journal->segments, segment_add(&journal->segments, found->number), bytes.len);
    scan_records(&scan);
    if (sealed && found->seal > bytes.len && !scan.damaged) {
        scan.damaged = true;
        scan.damage_offset = bytes.len;
    }
    struct segment *segment = segment_newest(&journal->segments);
    segment_set_bytes(&journal->segments, segment, scan.offset);
    segment->closed = true;
    segment->damaged = scan.damaged;
    if (scan.records == 0) {
        segment_remove(&journal->segments, segment);
        drop_file(journal, found->number, bytes.len > 0 && (found->header_error || scan.damaged));
        return;
    }
    keep_tail(journal, &scan);
    if (scan.damaged)
        report_damage(&scan);
}

static void replay_segment(struct journal *journal, const struct found_segment *found)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(found->number, false, name);
    if (found->header_error == SLUICE_NOT_FOUND) {
        log_error("journal: %s is of a version that this program does not know, and is left alone", name);
        return;
    }
    if (found->is_void) {
        set_aside(journal, found->number, "was begun and given up");
        return;
    }
    struct buffer bytes = {0};
    enum sluice_error error = segment_read(journal->disk, found->number, SEGMENT_BYTES_MAX, &bytes);
    if (error)
        log_error("journal: %s cannot be read (%s), and is left alone", name, sluice_error_text(error));
    else
        take_segment(journal, found, buffer_span(&bytes));
    buffer_fini(&bytes);
}

/* What was read may be in the kernel's memory only, written by a process that died before its fdatasync. */
static enum sluice_error sync_newest(struct journal *journal, uint32_t number)
{
    const struct disk_ops *ops = journal->disk->ops;
    char name[SEGMENT_NAME_BYTES];
    segment_name(number, false, name);
    struct disk_file *file;
    enum sluice_error error = ops->open(journal->disk, name, &file);
    if (error)
        return error;
    error = ops->sync(file);
    ops->close(file);
    return error ? error : ops->sync_directory(journal->disk);
}

/* See commit.c. Where the tail cannot be written once more, that it was synced has to do. */
static enum sluice_error make_durable(struct journal *journal)
{
    const struct segment *newest = segment_newest(&journal->segments);
    if (!newest)
        return journal->disk->ops->sync_directory(journal->disk);
    enum sluice_error error = sync_newest(journal, newest->number);
    journal->durable_seq = journal->last_seq;
    if (!error && journal->tail.whole)
        journal_write_tail(journal);
    buffer_fini(&journal->tail_bytes);
    return error;
}

/* A full disk is one that can be written later. */
static enum sluice_error check_writable(struct journal *journal)
{
    static const char name[] = "writable";
    const struct disk_ops *ops = journal->disk->ops;
    struct disk_file *file;
    enum sluice_error error = ops->create(journal->disk, name, &file);
    if (!error)
        ops->close(file);
    if (!error || error == SLUICE_EXISTS)
        error = ops->remove(journal->disk, name);
    return error == SLUICE_FULL ? SLUICE_OK : error;
}

enum sluice_error journal_replay(struct journal *journal)
{
    struct listing listing = {0};
    enum sluice_error error = check_writable(journal);
    if (!error)
        error = journal->disk->ops->list(journal->disk, on_name, &listing);
    if (listing.count > 0)
        qsort(listing.items, listing.count, sizeof *listing.items, by_number);
    for (size_t i = 0; i < listing.count && !error; i++)
        read_header(journal, &listing.items[i]);
    judge(&listing);
    for (size_t i = 0; i < listing.count && !error; i++)
        replay_segment(journal, &listing.items[i]);
    memory_free(listing.items);
    if (listing.highest >= journal->segments.next_number)
        journal->segments.next_number = listing.highest + 1;
    if (!error)
        error = make_durable(journal);
    if (error) {
        log_error("journal: its directory cannot be used: %s", sluice_error_text(error));
        return error;
    }
    return SLUICE_OK;
}
