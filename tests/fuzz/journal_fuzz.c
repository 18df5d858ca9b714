/*
 * Replay of arbitrary bytes. Bit 0 of the first byte chooses: the rest is a
 * segment's file as it is; or it is a list of records {u8 type, u16 length, body}
 * that get valid headers and CRCs, so that what is in them is reached (bit 7 of
 * the type begins a batch, bit 6 repeats the seq of the record before). Bit 1
 * makes the journal copy forward whatever it can. Whatever comes of it must open,
 * show all it has, take messages, and show the same after a restart.
 */
#include "../fault/sim_disk.h"

#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "deliver/journal.h"
#include "deliver/record.h"

#include <stdlib.h>

static const char name[] = "0000000001.journal";

/* The sum of a CRC of each thing that a journal shows: queues come in any order. */
struct shown {
    struct journal *journal;
    uint64_t sum;
};

static void add(struct shown *shown, uint64_t a, uint64_t b, uint64_t c, struct span text)
{
    const uint64_t numbers[] = {a, b, c};
    shown->sum += crc32c(crc32c(0, span_of(numbers, sizeof numbers)), text);
}

static void on_queue(void *ctx, uint32_t queue, enum journal_queue_kind kind, struct span text,
                     uint64_t next_ordinal)
{
    add(ctx, queue, kind, next_ordinal, text);
}

static void on_entry(void *ctx, const struct journal_entry *entry)
{
    struct shown *shown = ctx;
    struct message *message;
    if (journal_load(shown->journal, entry->position, &message) || message_bytes(message) != entry->bytes)
        abort();
    unsigned flags = entry->qos | (unsigned)entry->retain << 2 | (unsigned)entry->received << 3;
    add(shown, entry->queue, entry->ordinal, flags, message->payload);
    message_unref(message);
}

static void on_packet_id(void *ctx, uint32_t queue, uint16_t packet_id)
{
    add(ctx, queue, packet_id, 0, SPAN_EMPTY);
}

static uint64_t show(struct journal *journal)
{
    struct shown shown = {.journal = journal};
    journal_visit(journal, &(struct journal_visitor){&shown, on_queue, on_entry, on_packet_id});
    return shown.sum;
}

static struct journal *open_journal(struct sim_disk *sim, bool copies)
{
    struct journal_config config = journal_config_default();
    if (copies) {
        config.segment_bytes = 1;
        config.compact_bytes = 1;
    }
    struct journal *journal;
    if (journal_open(&config, sim_disk_of(sim), &journal))
        abort();
    return journal;
}

static void write_records(struct buffer *file, struct reader *input)
{
    segment_header_write(file, &(struct segment_header){.number = 1, .first_seq = 1});
    for (uint64_t seq = 0, count = 0; reader_left(input) > 0; count++) {
        uint8_t type = read_u8(input);
        uint16_t len = read_u16(input);
        struct span bytes = read_bytes(input, len < reader_left(input) ? len : reader_left(input));
        struct writer body = record_begin(file, bytes.len);
        write_bytes(&body, bytes);
        seq += !(type & 0x40);
        record_end(file, &body, 1, seq, type % 8, count == 0 || type & 0x80);
    }
}

static void append(struct journal *journal, uint64_t ordinal)
{
    struct message message = {.topic = SPAN_LITERAL("t")};
    struct journal_target target = {
        .queue = journal_queue_open(journal, JOURNAL_FUNCTION, SPAN_LITERAL("fuzz")),
        .ordinal = ordinal,
    };
    struct journal_message one = {.message = &message, .targets = &target, .target_count = 1};
    uint64_t seq;
    if (journal_append_messages(journal, (struct journal_origin){0}, &one, 1, &seq))
        abort();
    journal_commit_now(journal);
    struct journal_batch *batch;
    while ((batch = journal_commit_begin(journal, 0))) {
        journal_batch_run(batch);
        if (journal_commit_end(journal, batch, 0, &seq))
            abort();
    }
}

static void append_and_restart(struct sim_disk *sim, bool copies)
{
    enum { MESSAGES = 3 };
    struct journal *journal = open_journal(sim, copies);
    for (uint64_t i = 0; i < MESSAGES; i++)
        append(journal, (UINT64_C(1) << 61) + i);
    uint64_t shown = show(journal);
    journal_free(journal);
    journal = open_journal(sim, copies);
    if (show(journal) != shown)
        abort();
    journal_free(journal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    log_set_level(LOG_ERROR + 1);
    struct reader input = reader_of(span_of(data, len));
    struct buffer file = {0};
    uint8_t choice = read_u8(&input);
    if (choice & 1)
        write_records(&file, &input);
    else
        buffer_append(&file, read_rest(&input));
    struct sim_disk *sim = sim_disk_new(1);
    sim_disk_put(sim, name, buffer_span(&file));
    append_and_restart(sim, choice & 2);
    sim_disk_free(sim);
    buffer_fini(&file);
    return 0;
}
