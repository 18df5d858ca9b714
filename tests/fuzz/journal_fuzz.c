/*
 * Replay of arbitrary bytes. The first byte chooses: the rest is a segment's file
 * as it is; or it is a list of records {u8 type, u16 length, body} that get valid
 * headers and CRCs, so that what is in them is reached. Whatever comes of it must
 * open, show all it has, take a message, and show it again after a restart.
 */
#include "../fault/sim_disk.h"

#include "base/buffer.h"
#include "base/log.h"
#include "deliver/journal.h"
#include "deliver/record.h"

#include <stdlib.h>

static const char name[] = "0000000001.journal";

static void on_queue(void *ctx, uint32_t queue, enum journal_queue_kind kind, struct span text,
                     uint64_t next_ordinal)
{
    (void)ctx, (void)queue, (void)kind, (void)text, (void)next_ordinal;
}

static void on_entry(void *ctx, const struct journal_entry *entry)
{
    struct message *message;
    if (journal_load(ctx, entry->position, &message))
        abort();
    message_unref(message);
}

static void on_packet_id(void *ctx, uint32_t queue, uint16_t packet_id)
{
    (void)ctx, (void)queue, (void)packet_id;
}

static struct journal *open_and_show(struct sim_disk *sim)
{
    struct journal_config config = journal_config_default();
    struct journal *journal;
    if (journal_open(&config, sim_disk_of(sim), &journal))
        abort();
    journal_visit(journal, &(struct journal_visitor){journal, on_queue, on_entry, on_packet_id});
    return journal;
}

static void write_records(struct buffer *file, struct reader *input)
{
    segment_header_write(file, &(struct segment_header){.number = 1, .first_seq = 1});
    for (uint64_t seq = 1; reader_left(input) > 0; seq++) {
        uint8_t type = read_u8(input);
        uint16_t len = read_u16(input);
        struct span bytes = read_bytes(input, len < reader_left(input) ? len : reader_left(input));
        struct writer body = record_begin(file, bytes.len);
        write_bytes(&body, bytes);
        record_end(file, &body, 1, seq, type % 8, seq == 1 || type & 0x80);
    }
}

/* Appends a message to a queue of its own, and finds the same number of entries after a restart. */
static void append_and_restart(struct sim_disk *sim)
{
    struct journal *journal = open_and_show(sim);
    uint32_t queue = journal_queue_open(journal, JOURNAL_FUNCTION, SPAN_LITERAL("fuzz"));
    struct message message = {.topic = SPAN_LITERAL("t")};
    struct journal_target target = {.queue = queue, .ordinal = UINT64_C(1) << 61};
    struct journal_message one = {.message = &message, .targets = &target, .target_count = 1};
    uint64_t seq;
    if (journal_append_messages(journal, (struct journal_origin){0}, &one, 1, &seq))
        abort();
    journal_commit_now(journal);
    struct journal_batch *batch = journal_commit_begin(journal, 0);
    journal_batch_run(batch);
    if (journal_commit_end(journal, batch, 0, &seq))
        abort();
    uint64_t entries = journal_stats(journal).entries;
    journal_free(journal);
    journal = open_and_show(sim);
    if (journal_stats(journal).entries != entries)
        abort();
    journal_free(journal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    log_set_level(LOG_ERROR + 1);
    struct reader input = reader_of(span_of(data, len));
    struct buffer file = {0};
    if (read_u8(&input) & 1)
        write_records(&file, &input);
    else
        buffer_append(&file, read_rest(&input));
    struct sim_disk *sim = sim_disk_new(1);
    sim_disk_put(sim, name, buffer_span(&file));
    append_and_restart(sim);
    sim_disk_free(sim);
    buffer_fini(&file);
    return 0;
}
