/* Appends, and what can be asked of a journal that is open. */
#include "deliver/journal_parts.h"

#include "base/log.h"
#include "base/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
    SPARSE_FACTOR = 4
}; /* a run of ordinals of which fewer than one in so many is there is not counted up */

struct journal_config journal_config_default(void)
{
    return (struct journal_config){
        .segment_bytes = 16 << 20,
        .max_bytes = 1 << 30,
        .compact_bytes = 128 << 20,
        .buffer_bytes = 8 << 20,
        .commit_count = 1000,
        .commit_bytes = 256 << 10,
        .commit_delay_ms = 2,
        .retry_ms = 1000,
    };
}

enum sluice_error journal_open(const struct journal_config *config, struct disk *disk,
                               struct journal **ret_journal)
{
    struct journal *journal = memory_new(sizeof *journal);
    journal->config = *config;
    journal->disk = disk;
    journal->queues.next_id = 1;
    journal->segments.next_number = 1;
    enum sluice_error error = journal_replay(journal);
    if (error) {
        journal_free(journal);
        return error;
    }
    *ret_journal = journal;
    return SLUICE_OK;
}

void journal_free(struct journal *journal)
{
    if (!journal)
        return;
    assert(!journal->in_flight);
    journal_cache_drop(journal);
    if (journal->batch.file)
        journal->disk->ops->close(journal->batch.file);
    buffer_fini(&journal->batch.bytes);
    memory_free(journal->batch.removals);
    buffer_fini(&journal->pending);
    buffer_fini(&journal->compacting);
    memory_free(journal->runs);
    live_queues_fini(&journal->queues);
    stored_fini(&journal->stored);
    memory_free(journal->segments.items);
    memory_free(journal);
}

/* ---- Records into the pending buffer ---- */

static void write_queue(struct writer *body, const struct live_queue *queue)
{
    write_number(body, queue->id);
    write_u8(body, (uint8_t)queue->kind);
    write_number(body, queue->next_ordinal);
    write_bytes(body, live_queue_name(queue));
}

static size_t queue_bytes_max(const struct live_queue *queue)
{
    return 2 * RECORD_NUMBER_BYTES + 1 + queue->name_len;
}

static size_t append(struct journal *journal, const struct writer *body, uint64_t seq, enum record_type type)
{
    size_t bytes =
        record_end(&journal->pending, body, journal->pending_segment, seq, type, journal->pending_count == 0);
    struct segment *segment = segment_newest(&journal->segments);
    segment_set_bytes(&journal->segments, segment, segment->bytes + bytes);
    journal->pending_count++;
    return (size_t)segment->bytes - bytes;
}

/* Every segment begins with the queues there were before its first record, so that those before it can go.
 * The declarations have the seq of the last record before. */
void journal_segment_begin(struct journal *journal, const struct segment *previous, uint64_t before_seq)
{
    struct segment_header header = {
        .number = journal->segments.next_number,
        .previous = previous ? previous->number : 0,
        .previous_bytes = previous ? previous->bytes : 0,
        .first_seq = before_seq + 1,
    };
    segment_header_write(&journal->pending, &header);
    segment_set_bytes(&journal->segments, segment_add(&journal->segments, header.number),
                      RECORD_SEGMENT_HEADER_BYTES);
    journal->pending_segment = header.number;
    journal->pending_offset = 0;
    for (size_t i = 0; i < journal->queues.bucket_count; i++) {
        for (struct live_queue *queue = journal->queues.by_id[i]; queue; queue = queue->next_of_id) {
            if (queue->declared_seq > before_seq)
                continue;
            struct writer body = record_begin(&journal->pending, queue_bytes_max(queue));
            write_queue(&body, queue);
            append(journal, &body, before_seq, RECORD_QUEUE);
        }
    }
}

/* A batch lies in one segment: where its first record goes, all of it goes. */
static void pending_begin(struct journal *journal)
{
    struct segment *newest = segment_newest(&journal->segments);
    if (!newest || newest->closed || newest->bytes >= journal->config.segment_bytes) {
        journal_segment_begin(journal, newest, journal->last_seq);
        return;
    }
    journal->pending_segment = newest->number;
    journal->pending_offset = newest->bytes;
}

struct writer journal_record_begin(struct journal *journal, size_t body_bytes_max)
{
    if (buffer_len(&journal->pending) == 0)
        pending_begin(journal);
    return record_begin(&journal->pending, body_bytes_max);
}

uint64_t journal_record_end(struct journal *journal, const struct writer *body, enum record_type type,
                            size_t *ret_offset)
{
    *ret_offset = append(journal, body, ++journal->last_seq, type);
    return journal->last_seq;
}

/* ---- Queues ---- */

uint32_t journal_queue_open(struct journal *journal, enum journal_queue_kind kind, struct span name)
{
    struct live_queue *queue = live_queue_named(&journal->queues, kind, name);
    if (queue)
        return queue->id;
    /* The record first: a segment that begins with it must not declare the queue before. */
    uint32_t id = journal->queues.next_id;
    size_t offset;
    struct writer body = journal_record_begin(journal, 2 * RECORD_NUMBER_BYTES + 1 + name.len);
    queue = live_queue_new(&journal->queues, id, kind, name);
    write_queue(&body, queue);
    queue->declared_seq = journal_record_end(journal, &body, RECORD_QUEUE, &offset);
    return id;
}

void journal_queue_drop(struct journal *journal, uint32_t id)
{
    struct live_queue *queue = live_queue_find(&journal->queues, id);
    if (!queue)
        return;
    struct writer body = journal_record_begin(journal, RECORD_NUMBER_BYTES);
    write_number(&body, id);
    size_t offset;
    journal_record_end(journal, &body, RECORD_QUEUE_DROP, &offset);
    journal_forget_queue(journal, queue);
}

/* ---- Messages ---- */

static size_t parts_bytes(const struct message *message)
{
    return message_bytes(message) - sizeof *message;
}

static void enter_targets(struct journal *journal, struct journal_message *message, size_t offset,
                          uint16_t index)
{
    uint32_t stored =
        journal_store(journal, journal->pending_segment, offset, index, parts_bytes(message->message));
    for (size_t i = 0; i < message->target_count; i++) {
        const struct journal_target *target = &message->targets[i];
        struct live_queue *queue = live_queue_find(&journal->queues, target->queue);
        assert(queue && !(target->ordinal & LIVE_PACKET_ID));
        journal_enter_target(journal, queue, target, stored);
    }
    message->ret_position = stored_position(&journal->stored, stored);
}

static enum sluice_error room_for(const struct journal *journal, size_t bytes, bool may_use_reserve)
{
    uint64_t max_bytes = journal->config.max_bytes - (may_use_reserve ? 0 : journal->config.reserve_bytes);
    if (journal->failed)
        return SLUICE_IO;
    if (bytes > journal->config.buffer_bytes)
        return SLUICE_TOO_LARGE;
    if (buffer_len(&journal->pending) + bytes > journal->config.buffer_bytes ||
        journal->segments.bytes + bytes > max_bytes)
        return SLUICE_FULL;
    return SLUICE_OK;
}

enum sluice_error journal_append_messages(struct journal *journal, struct journal_origin origin,
                                          struct journal_message *messages, size_t message_count,
                                          uint64_t *ret_seq)
{
    size_t bytes_max = (size_t)2 * RECORD_NUMBER_BYTES;
    for (size_t i = 0; i < message_count; i++)
        bytes_max += messages[i].target_count ? message_bytes_max(&messages[i]) : 0;
    if (message_count >= STORED_ORIGIN)
        return SLUICE_TOO_LARGE;
    enum sluice_error error = room_for(journal, bytes_max + RECORD_HEADER_BYTES, origin.may_use_reserve);
    if (error)
        return error;

    struct writer body = journal_record_begin(journal, bytes_max);
    write_number(&body, origin.queue);
    write_number(&body, origin.packet_id);
    for (size_t i = 0; i < message_count; i++) {
        if (messages[i].target_count > 0)
            write_message(&body, &messages[i]);
    }
    size_t offset;
    uint64_t seq = journal_record_end(journal, &body, RECORD_MESSAGES, &offset);

    uint16_t index = 0;
    for (size_t i = 0; i < message_count; i++) {
        messages[i].ret_position = 0;
        if (messages[i].target_count > 0)
            enter_targets(journal, &messages[i], offset, index++);
    }
    struct live_queue *queue = live_queue_find(&journal->queues, origin.queue);
    if (origin.packet_id && queue)
        journal_enter(journal, queue, LIVE_PACKET_ID | origin.packet_id,
                      journal_store(journal, journal->pending_segment, offset, STORED_ORIGIN, 0));
    *ret_seq = seq;
    return SLUICE_OK;
}

/* ---- What is finished ---- */

/* One record has all: its runs are at most the entries that a turn can finish, so their bytes are less than
 * what those took in memory. */
void journal_flush_runs(struct journal *journal)
{
    if (journal->run_count == 0)
        return;
    struct writer body = journal_record_begin(journal, journal->run_count * 3 * RECORD_NUMBER_BYTES);
    for (size_t i = 0; i < journal->run_count; i++) {
        write_number(&body, journal->runs[i].queue);
        write_number(&body, journal->runs[i].first_ordinal);
        write_number(&body, journal->runs[i].count);
    }
    journal->run_count = 0;
    size_t offset;
    journal_record_end(journal, &body, RECORD_ACKNOWLEDGED, &offset);
    if (journal->run_capacity > ACKNOWLEDGED_RUNS) { /* what the burst of a moment needed is not kept */
        memory_free(journal->runs);
        journal->runs = NULL;
        journal->run_capacity = 0;
    }
}

static void add_run(struct journal *journal, uint32_t queue, uint64_t ordinal)
{
    if (journal->run_count == journal->run_capacity) {
        journal->run_capacity = journal->run_capacity ? 2 * journal->run_capacity : ACKNOWLEDGED_RUNS;
        journal->runs = memory_resize(journal->runs, journal->run_capacity * sizeof *journal->runs);
    }
    assert(journal->runs);
    journal->runs[journal->run_count++] = (struct acknowledged_run){queue, ordinal, 1};
}

void journal_acknowledge(struct journal *journal, uint32_t id, uint64_t ordinal)
{
    struct live_queue *queue = live_queue_find(&journal->queues, id);
    struct live_entry *entry = queue ? live_find(&queue->table, ordinal) : NULL;
    if (!entry)
        return;
    journal_leave(journal, queue, entry);
    struct acknowledged_run *last = journal->run_count ? &journal->runs[journal->run_count - 1] : NULL;
    if (last && last->queue == id && last->first_ordinal + last->count == ordinal &&
        last->count < ACKNOWLEDGED_RUN_COUNT) {
        last->count++;
        return;
    }
    add_run(journal, id, ordinal);
}

static uint64_t append_pair(struct journal *journal, enum record_type type, uint64_t first, uint64_t second)
{
    struct writer body = journal_record_begin(journal, (size_t)2 * RECORD_NUMBER_BYTES);
    write_number(&body, first);
    write_number(&body, second);
    size_t offset;
    return journal_record_end(journal, &body, type, &offset);
}

uint64_t journal_received(struct journal *journal, uint32_t id, uint64_t ordinal)
{
    struct live_queue *queue = live_queue_find(&journal->queues, id);
    struct live_entry *entry = queue ? live_find(&queue->table, ordinal) : NULL;
    if (!entry)
        return journal->last_seq;
    entry->received = true;
    return append_pair(journal, RECORD_RECEIVED, id, ordinal);
}

uint64_t journal_packet_id_free(struct journal *journal, uint32_t id, uint16_t packet_id)
{
    struct live_queue *queue = live_queue_find(&journal->queues, id);
    struct live_entry *entry = queue ? live_find(&queue->table, LIVE_PACKET_ID | packet_id) : NULL;
    if (!entry)
        return journal->last_seq;
    journal_leave(journal, queue, entry);
    return append_pair(journal, RECORD_PACKET_ID_FREE, id, packet_id);
}

/* ---- Looking ---- */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void visit_entry(struct journal *journal, const struct live_queue *queue, uint64_t number,
                        const struct journal_visitor *visitor)
{
    const struct live_entry *entry = live_find(&queue->table, number);
    if (!entry)
        return;
    if (number & LIVE_PACKET_ID) {
        visitor->on_packet_id(visitor->ctx, queue->id, (uint16_t)number);
        return;
    }
    const struct stored *stored = &journal->stored.items[entry->stored];
    visitor->on_entry(visitor->ctx, &(struct journal_entry){
                                        .queue = queue->id,
                                        .ordinal = number,
                                        .position = stored_position(&journal->stored, entry->stored),
                                        .bytes = sizeof(struct message) + stored->bytes,
                                        .share = entry->share,
                                        .qos = entry->qos,
                                        .retain = entry->retain,
                                        .received = entry->received,
                                    });
}

/* A backlog mostly is a run of ordinals: those are counted up. What lies far apart is sorted, which takes
 * memory. */
static void visit_queue(struct journal *journal, const struct live_queue *queue,
                        const struct journal_visitor *visitor)
{
    const struct live_table *table = &queue->table;
    uint64_t least = UINT64_MAX, most = 0;
    visitor->on_queue(visitor->ctx, queue->id, queue->kind, live_queue_name(queue), queue->next_ordinal);
    for (size_t i = 0; i < table->capacity; i++) {
        if (!table->slots[i].used)
            continue;
        least = table->slots[i].number < least ? table->slots[i].number : least;
        most = table->slots[i].number > most ? table->slots[i].number : most;
    }
    if (table->count > 0 && most - least <= SPARSE_FACTOR * table->count) {
        for (uint64_t number = least; number <= most; number++)
            visit_entry(journal, queue, number, visitor);
        return;
    }
    uint64_t *numbers = memory_new_array(table->count, sizeof *numbers);
    size_t count = 0;
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].used)
            numbers[count++] = table->slots[i].number;
    }
    qsort(numbers, count, sizeof *numbers, by_value);
    for (size_t i = 0; i < count; i++)
        visit_entry(journal, queue, numbers[i], visitor);
    memory_free(numbers);
}

void journal_visit(struct journal *journal, const struct journal_visitor *visitor)
{
    for (size_t i = 0; i < journal->queues.bucket_count; i++) {
        for (struct live_queue *queue = journal->queues.by_id[i]; queue; queue = queue->next_of_id)
            visit_queue(journal, queue, visitor);
    }
}

struct journal_stats journal_stats(const struct journal *journal)
{
    return (struct journal_stats){
        .bytes = journal->segments.bytes,
        .segments = journal->segments.count,
        .entries = journal->entry_count,
        .written_bytes = journal->written_bytes,
        .copied_bytes = journal->copied_bytes,
        .durable_seq = journal->durable_seq,
        .last_seq = journal->last_seq,
        .damaged_bytes = journal->damaged_bytes,
    };
}
