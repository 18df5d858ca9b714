#include "journal_fixture.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

const char hex_principal[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static void show(struct shown *shown, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void show(struct shown *shown, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(shown->text + shown->len, sizeof shown->text - shown->len, format, arguments);
    va_end(arguments);
    if (len > 0 && shown->len + (size_t)len < sizeof shown->text)
        shown->len += (size_t)len;
}

static void on_queue(void *ctx, uint32_t queue, enum journal_queue_kind kind, struct span name,
                     uint64_t next_ordinal)
{
    struct shown *shown = ctx;
    (void)queue;
    shown->next_ordinal = next_ordinal;
    show(shown, "%s %.*s next %u;", kind == JOURNAL_SESSION ? "session" : "function", (int)name.len,
         (const char *)name.data, (unsigned)next_ordinal);
}

static void on_entry(void *ctx, const struct journal_entry *entry)
{
    struct shown *shown = ctx;
    struct message *message;
    assert_int_equal(journal_load(shown->journal, entry->position, &message), SLUICE_OK);
    assert_int_equal(entry->bytes, message_bytes(message));
    shown->entries++;
    show(shown, " %u=%.*s q%u%s%s;", (unsigned)entry->ordinal, (int)message->payload.len,
         (const char *)message->payload.data, entry->qos, entry->retain ? "r" : "",
         entry->received ? " received" : "");
    message_unref(message);
}

static void on_packet_id(void *ctx, uint32_t queue, uint16_t packet_id)
{
    (void)queue;
    show(ctx, " packet %u;", packet_id);
}

struct fixture *fixture_new(void)
{
    struct fixture *fixture = memory_new(sizeof *fixture);
    fixture->sim = sim_disk_new(7);
    fixture->config = journal_config_default();
    fixture->config.segment_bytes = 4096;
    fixture->config.commit_delay_ms = 0;
    fixture->config.retry_ms = 100;
    assert_int_equal(journal_open(&fixture->config, sim_disk_of(fixture->sim), &fixture->journal), SLUICE_OK);
    return fixture;
}

void fixture_free(struct fixture *fixture)
{
    journal_free(fixture->journal);
    sim_disk_free(fixture->sim);
    memory_free(fixture);
}

enum sluice_error commit(struct fixture *fixture)
{
    struct journal_batch *batch = journal_commit_begin(fixture->journal, fixture->now_ms);
    if (!batch)
        return SLUICE_NOT_FOUND;
    journal_batch_run(batch);
    uint64_t durable;
    return journal_commit_end(fixture->journal, batch, fixture->now_ms, &durable);
}

void commit_all(struct fixture *fixture)
{
    enum sluice_error error;
    while ((error = commit(fixture)) == SLUICE_OK) {
    }
    assert_int_equal(error, SLUICE_NOT_FOUND);
}

const char *restart(struct fixture *fixture)
{
    journal_free(fixture->journal);
    assert_int_equal(journal_open(&fixture->config, sim_disk_of(fixture->sim), &fixture->journal), SLUICE_OK);
    fixture->shown = (struct shown){.journal = fixture->journal};
    journal_visit(fixture->journal,
                  &(struct journal_visitor){&fixture->shown, on_queue, on_entry, on_packet_id});
    fixture->next_ordinal = fixture->shown.next_ordinal;
    return fixture->shown.text;
}

enum sluice_error append(struct fixture *fixture, struct journal_target target, const char *payload,
                         uint64_t *ret_position)
{
    struct message message = {.topic = SPAN_LITERAL("farm/a"),
                              .payload = span_from_string(payload),
                              .principal = span_from_string(hex_principal)};
    struct journal_message one = {.message = &message, .targets = &target, .target_count = 1};
    uint64_t seq;
    enum sluice_error error =
        journal_append_messages(fixture->journal, (struct journal_origin){0}, &one, 1, &seq);
    if (!error)
        *ret_position = one.ret_position;
    return error;
}

enum sluice_error append_many(struct fixture *fixture, size_t count)
{
    if (!fixture->queue)
        fixture->queue = journal_queue_open(fixture->journal, JOURNAL_FUNCTION, SPAN_LITERAL("f"));
    for (size_t i = 0; i < count; i++) {
        char payload[101];
        uint64_t position;
        snprintf(payload, sizeof payload, "%0100u", (unsigned)fixture->next_ordinal);
        enum sluice_error error = append(
            fixture,
            (struct journal_target){.ordinal = fixture->next_ordinal, .queue = fixture->queue, .qos = 1},
            payload, &position);
        if (error)
            return error;
        fixture->next_ordinal++;
    }
    return SLUICE_OK;
}
