/* journal.h over the simulated disk: what comes back, damage, disk errors, bounds. */
#include "../fault/sim_disk.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "deliver/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const char hex_principal[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/* What journal_visit shows, in order, as text. */
struct shown {
    struct journal *journal;
    char text[8192];
    size_t len, entries;
    uint64_t next_ordinal;
};

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

struct fixture {
    struct sim_disk *sim;
    struct journal_config config;
    struct journal *journal;
    struct shown shown;
    uint64_t now_ms;
    uint32_t queue;
    uint64_t next_ordinal;
};

static struct fixture *fixture_new(void)
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

static void fixture_free(struct fixture *fixture)
{
    journal_free(fixture->journal);
    sim_disk_free(fixture->sim);
    memory_free(fixture);
}

static enum sluice_error commit(struct fixture *fixture)
{
    struct journal_batch *batch = journal_commit_begin(fixture->journal, fixture->now_ms);
    if (!batch)
        return SLUICE_NOT_FOUND;
    journal_batch_run(batch);
    uint64_t durable;
    return journal_commit_end(fixture->journal, batch, fixture->now_ms, &durable);
}

static void commit_all(struct fixture *fixture)
{
    enum sluice_error error;
    while ((error = commit(fixture)) == SLUICE_OK) {
    }
    assert_int_equal(error, SLUICE_NOT_FOUND);
}

/* Without a word to the journal: as kill -9. */
static const char *restart(struct fixture *fixture)
{
    journal_free(fixture->journal);
    assert_int_equal(journal_open(&fixture->config, sim_disk_of(fixture->sim), &fixture->journal), SLUICE_OK);
    fixture->shown = (struct shown){.journal = fixture->journal};
    journal_visit(fixture->journal,
                  &(struct journal_visitor){&fixture->shown, on_queue, on_entry, on_packet_id});
    fixture->next_ordinal = fixture->shown.next_ordinal;
    return fixture->shown.text;
}

static enum sluice_error append(struct fixture *fixture, struct journal_target target, const char *payload,
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

/* Appends 100-byte messages to the fixture's one queue. */
static enum sluice_error append_many(struct fixture *fixture, size_t count)
{
    if (!fixture->queue)
        fixture->queue = journal_queue_open(fixture->journal, JOURNAL_FUNCTION, SPAN_LITERAL("f"));
    for (size_t i = 0; i < count; i++) {
        char payload[101];
        uint64_t position;
        snprintf(payload, sizeof payload, "%0100u", (unsigned)fixture->next_ordinal);
        enum sluice_error error =
            append(fixture, (struct journal_target){fixture->next_ordinal, fixture->queue, 1, false}, payload,
                   &position);
        if (error)
            return error;
        fixture->next_ordinal++;
    }
    return SLUICE_OK;
}

/* ---- What comes back ---- */

static void all_that_is_unfinished_is_there_after_a_restart(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    uint32_t a = journal_queue_open(fixture->journal, JOURNAL_SESSION, SPAN_LITERAL("a"));
    uint32_t gone = journal_queue_open(fixture->journal, JOURNAL_SESSION, SPAN_LITERAL("gone"));
    assert_int_equal(journal_queue_open(fixture->journal, JOURNAL_SESSION, SPAN_LITERAL("a")), a);
    struct message message = {.topic = SPAN_LITERAL("t"), .payload = SPAN_LITERAL("both")};
    struct journal_target targets[] = {{0, a, 2, true}, {0, gone, 1, false}};
    struct journal_message both = {.message = &message, .targets = targets, .target_count = 2};
    uint64_t seq, position;
    assert_int_equal(journal_append_messages(fixture->journal, (struct journal_origin){a, 5}, &both, 1, &seq),
                     SLUICE_OK);
    assert_int_equal(append(fixture, (struct journal_target){1, a, 1, false}, "done", &position), SLUICE_OK);
    assert_int_equal(append(fixture, (struct journal_target){2, a, 1, false}, "left", &position), SLUICE_OK);
    assert_int_equal(journal_append_messages(fixture->journal, (struct journal_origin){a, 6}, NULL, 0, &seq),
                     SLUICE_OK);
    assert_true(journal_received(fixture->journal, a, 0) > seq);
    journal_acknowledge(fixture->journal, a, 1);
    journal_packet_id_free(fixture->journal, a, 6);
    journal_queue_drop(fixture->journal, gone);
    commit_all(fixture);
    static const char expected[] = "session a next 3; 0=both q2r received; 2=left q1; packet 5;";
    assert_string_equal(restart(fixture), expected);
    assert_string_equal(restart(fixture), expected);
    fixture_free(fixture);
}

static void what_was_not_committed_is_not_there(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(append_many(fixture, 1), SLUICE_OK);
    commit_all(fixture);
    assert_int_equal(append_many(fixture, 1), SLUICE_OK);
    restart(fixture);
    assert_int_equal(fixture->shown.entries, 1);
    fixture_free(fixture);
}

static void a_message_is_loaded_wherever_it_is(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    uint32_t queue = journal_queue_open(fixture->journal, JOURNAL_SESSION, SPAN_LITERAL("a"));
    uint64_t position;
    assert_int_equal(append(fixture, (struct journal_target){0, queue, 1, false}, "here", &position),
                     SLUICE_OK);
    struct journal_batch *batch = NULL;
    for (int stage = 0; stage < 3; stage++) { /* pending, in flight, on disk */
        struct message *message;
        assert_int_equal(journal_load(fixture->journal, position, &message), SLUICE_OK);
        assert_true(span_equal(message->payload, SPAN_LITERAL("here")));
        assert_true(span_equal(message->principal, span_from_string(hex_principal)));
        message_unref(message);
        if (stage == 0)
            batch = journal_commit_begin(fixture->journal, 0);
        if (stage == 1) {
            uint64_t durable;
            journal_batch_run(batch);
            assert_int_equal(journal_commit_end(fixture->journal, batch, 0, &durable), SLUICE_OK);
        }
    }
    journal_acknowledge(fixture->journal, queue, 0);
    struct message *message;
    assert_int_equal(journal_load(fixture->journal, position, &message), SLUICE_NOT_FOUND);
    fixture_free(fixture);
}

static void a_batch_waits_for_its_count_or_its_delay(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->config.commit_delay_ms = 50;
    fixture->config.commit_count = 3;
    restart(fixture);
    assert_int_equal(journal_next_deadline(fixture->journal), UINT64_MAX);
    assert_int_equal(append_many(fixture, 1), SLUICE_OK); /* with its queue's declaration: two records */
    assert_null(journal_commit_begin(fixture->journal, 1000));
    assert_int_equal(journal_next_deadline(fixture->journal), 1050);
    assert_null(journal_commit_begin(fixture->journal, 1049));
    fixture->now_ms = 1050;
    assert_int_equal(commit(fixture), SLUICE_OK);
    assert_int_equal(append_many(fixture, 3), SLUICE_OK);
    assert_int_equal(commit(fixture), SLUICE_OK);
    assert_int_equal(append_many(fixture, 1), SLUICE_OK);
    journal_commit_now(fixture->journal);
    assert_int_equal(commit(fixture), SLUICE_OK);
    fixture_free(fixture);
}

/* ---- Damage ---- */

static void flip(struct sim_disk *sim, const char *name, size_t at, size_t len)
{
    struct buffer *content = sim_disk_content(sim, name);
    assert_non_null(content);
    assert_true(at + len <= buffer_len(content));
    for (size_t i = 0; i < len; i++)
        content->data[content->start + at + i] ^= 0x55;
}

static void zero_bytes(struct sim_disk *sim, const char *name)
{
    struct buffer *content = sim_disk_content(sim, name);
    memset(content->data + content->start, 0, buffer_len(content));
}

enum damage { FLIP, CUT, EMPTY, ZEROS, REMOVE, VERSION };

/* Three files of 24, 24 and 12 messages of about 168 bytes, each message in a batch of its own. */
static void damage_costs_only_what_it_hit_and_the_journal_opens(void **state)
{
    (void)state;
    static const char second[] = "0000000002.journal", last[] = "0000000003.journal";
    static const struct {
        const char *name, *file;
        enum damage damage;
        size_t at, len;
        size_t least, most; /* messages that must be there */
        bool kept;          /* the file as *.damaged, once it is not needed */
    } rows[] = {
        {"a byte in the middle", second, FLIP, 2000, 1, 59, 59, true},
        {"a sector in the middle", second, FLIP, 1536, 512, 55, 57, true},
        {"the header", second, FLIP, 0, 30, 60, 60, true},
        {"the end of a sealed file", second, CUT, 2000, 0, 40, 55, true},
        {"a byte of the last file", last, FLIP, 1000, 1, 59, 59, true},
        {"the torn end of the last file", last, CUT, 1000, 0, 50, 55, false},
        {"an empty file", second, EMPTY, 0, 0, 35, 45, false},
        {"a file of zeros", second, ZEROS, 0, 0, 35, 45, true},
        {"a last file of zeros", last, ZEROS, 0, 0, 46, 50, true},
        {"a missing file", second, REMOVE, 0, 0, 35, 45, false},
        {"a later version", last, VERSION, 0, 0, 46, 50, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].name);
        struct fixture *fixture = fixture_new();
        for (int m = 0; m < 60; m++) {
            assert_int_equal(append_many(fixture, 1), SLUICE_OK);
            commit_all(fixture);
        }
        assert_int_equal(journal_stats(fixture->journal).segments, 3);
        struct buffer *content = sim_disk_content(fixture->sim, rows[i].file);
        switch (rows[i].damage) {
        case FLIP: flip(fixture->sim, rows[i].file, rows[i].at, rows[i].len); break;
        case CUT: content->end = content->start + rows[i].at; break;
        case EMPTY: content->end = content->start; break;
        case ZEROS: zero_bytes(fixture->sim, rows[i].file); break;
        case REMOVE: sim_disk_of(fixture->sim)->ops->remove(sim_disk_of(fixture->sim), rows[i].file); break;
        case VERSION: content->data[content->start + 11] = 2; break;
        }
        restart(fixture);
        assert_in_range(fixture->shown.entries, rows[i].least, rows[i].most);
        assert_true(fixture->next_ordinal <= 60);
        size_t before = fixture->shown.entries;
        uint64_t next_ordinal = fixture->next_ordinal;
        assert_int_equal(append_many(fixture, 5), SLUICE_OK);
        commit_all(fixture);
        restart(fixture);
        assert_int_equal(fixture->shown.entries, before + 5);
        assert_int_equal(fixture->next_ordinal, next_ordinal + 5);
        for (uint64_t o = 0; o < fixture->next_ordinal; o++)
            journal_acknowledge(fixture->journal, fixture->queue, o);
        for (int m = 0; m < 60; m++) { /* a new file, so that the old ones can go */
            uint64_t position;
            assert_int_equal(
                append(fixture, (struct journal_target){fixture->next_ordinal++, fixture->queue, 1, false},
                       "x", &position),
                SLUICE_OK);
            commit_all(fixture);
        }
        char kept[64];
        snprintf(kept, sizeof kept, "%s.damaged", rows[i].file);
        assert_int_equal(sim_disk_content(fixture->sim, kept) != NULL, rows[i].kept);
        assert_int_equal(sim_disk_content(fixture->sim, rows[i].file) != NULL, rows[i].damage == VERSION);
        fixture_free(fixture);
    }
}

static void bytes_that_look_like_records_are_not_searched_for_ever(void **state)
{
    (void)state;
    struct sim_disk *sim = sim_disk_new(1);
    struct buffer bytes = {0};
    for (uint32_t i = 0; i < 100000; i++) { /* each says that it reaches nearly to the end */
        uint8_t header[17] = {0, 0, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3};
        buffer_append(&bytes, span_of(header, sizeof header));
    }
    sim_disk_put(sim, "0000000001.journal", buffer_span(&bytes));
    buffer_fini(&bytes);
    struct journal_config config = journal_config_default();
    struct journal *journal;
    assert_int_equal(journal_open(&config, sim_disk_of(sim), &journal), SLUICE_OK);
    assert_non_null(sim_disk_content(sim, "0000000001.journal.damaged"));
    journal_free(journal);
    sim_disk_free(sim);
}

static void a_directory_that_cannot_be_written_refuses(void **state)
{
    (void)state;
    struct sim_disk *sim = sim_disk_new(1);
    sim_disk_set_read_only(sim, true);
    struct journal_config config = journal_config_default();
    struct journal *journal;
    assert_int_equal(journal_open(&config, sim_disk_of(sim), &journal), SLUICE_DENIED);
    sim_disk_free(sim);
}

/* ---- Disk errors ---- */

static void a_failed_sync_moves_to_a_new_file(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(append_many(fixture, 3), SLUICE_OK);
    commit_all(fixture);
    sim_disk_fail_syncs(fixture->sim, 1);
    assert_int_equal(append_many(fixture, 3), SLUICE_OK);
    assert_int_equal(commit(fixture), SLUICE_AGAIN);
    assert_int_equal(append_many(fixture, 3), SLUICE_OK); /* accepted meanwhile */
    assert_int_equal(journal_next_deadline(fixture->journal), 0);
    assert_int_equal(commit(fixture), SLUICE_OK);
    assert_int_equal(journal_stats(fixture->journal).segments, 2);
    sim_disk_power_cut(fixture->sim);
    restart(fixture);
    assert_int_equal(fixture->shown.entries, 9);
    fixture_free(fixture);
}

static void a_disk_that_fails_twice_takes_nothing_until_it_works(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool full;
        enum sluice_error expected;
    } rows[] = {{"sync fails", false, SLUICE_IO}, {"no space left", true, SLUICE_FULL}};
    for (size_t i = 0; i < 2; i++) {
        print_message("%s\n", rows[i].name);
        struct fixture *fixture = fixture_new();
        assert_int_equal(append_many(fixture, 3), SLUICE_OK);
        commit_all(fixture);
        if (rows[i].full)
            sim_disk_set_capacity(fixture->sim, 10);
        else
            sim_disk_fail_syncs(fixture->sim, 2);
        assert_int_equal(append_many(fixture, 3), SLUICE_OK);
        assert_int_equal(commit(fixture), SLUICE_AGAIN);
        assert_int_equal(commit(fixture), rows[i].expected);
        assert_int_equal(append_many(fixture, 1), SLUICE_IO);
        journal_acknowledge(fixture->journal, fixture->queue, 0); /* still works */
        assert_null(journal_commit_begin(fixture->journal, fixture->now_ms));
        sim_disk_set_capacity(fixture->sim, UINT64_MAX);
        fixture->now_ms = journal_next_deadline(fixture->journal);
        assert_int_equal(commit(fixture), SLUICE_OK);
        assert_int_equal(append_many(fixture, 1), SLUICE_OK);
        commit_all(fixture);
        sim_disk_power_cut(fixture->sim);
        restart(fixture);
        assert_int_equal(fixture->shown.entries, 6);
        fixture_free(fixture);
    }
}

/* A function's result is appended, then what it came of is acknowledged: one of them must be there. */
static void nothing_goes_before_what_was_appended_first_is_durable(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->config.commit_delay_ms = 1000;
    restart(fixture);
    for (size_t i = 0; i < 50; i++) { /* several files */
        assert_int_equal(append_many(fixture, 1), SLUICE_OK);
        journal_commit_now(fixture->journal);
        commit_all(fixture);
    }
    uint64_t position;
    struct journal_target target = {50, fixture->queue, 1, false};
    assert_int_equal(append(fixture, target, "result", &position), SLUICE_OK);
    for (uint64_t ordinal = 0; ordinal < 50; ordinal++)
        journal_acknowledge(fixture->journal, fixture->queue, ordinal);
    commit(fixture); /* too soon for the result */
    restart(fixture);
    assert_int_equal(fixture->shown.entries, 50);
    fixture_free(fixture);
}

/* ---- Bounds ---- */

static void at_its_bound_it_is_full_until_messages_are_finished(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->config.max_bytes = 20000;
    restart(fixture);
    while (append_many(fixture, 1) == SLUICE_OK)
        commit_all(fixture);
    assert_in_range(fixture->next_ordinal, 80, 125);
    for (uint64_t o = 0; o < fixture->next_ordinal; o++)
        journal_acknowledge(fixture->journal, fixture->queue, o);
    commit_all(fixture);
    assert_int_equal(append_many(fixture, 1), SLUICE_OK);
    fixture_free(fixture);
}

static void a_record_larger_than_the_buffer_is_refused_for_good(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->config.buffer_bytes = 150;
    restart(fixture);
    assert_int_equal(append_many(fixture, 1), SLUICE_TOO_LARGE);
    fixture_free(fixture);
}

static void one_stuck_queue_does_not_keep_the_disk(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->config.compact_bytes = 16384;
    restart(fixture);
    uint32_t stuck = journal_queue_open(fixture->journal, JOURNAL_FUNCTION, SPAN_LITERAL("stuck"));
    uint64_t most_bytes = 0, position;
    for (uint64_t i = 0; i < 3000; i++) {
        if (i % 100 == 0)
            assert_int_equal(
                append(fixture, (struct journal_target){i / 100, stuck, 1, false}, "waits", &position),
                SLUICE_OK);
        assert_int_equal(append_many(fixture, 1), SLUICE_OK);
        journal_acknowledge(fixture->journal, fixture->queue, i);
        commit_all(fixture);
        struct journal_stats stats = journal_stats(fixture->journal);
        most_bytes = stats.bytes > most_bytes ? stats.bytes : most_bytes;
    }
    struct journal_stats stats = journal_stats(fixture->journal);
    assert_true(most_bytes < 40000);
    assert_true(stats.copied_bytes > 0 && stats.copied_bytes < stats.written_bytes / 2);
    restart(fixture);
    assert_int_equal(fixture->shown.entries, 30);
    fixture_free(fixture);
}

int main(void)
{
    log_set_level(LOG_ERROR + 1); /* damage is reported, and this test makes much of it */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_is_unfinished_is_there_after_a_restart),
        cmocka_unit_test(what_was_not_committed_is_not_there),
        cmocka_unit_test(a_message_is_loaded_wherever_it_is),
        cmocka_unit_test(a_batch_waits_for_its_count_or_its_delay),
        cmocka_unit_test(damage_costs_only_what_it_hit_and_the_journal_opens),
        cmocka_unit_test(bytes_that_look_like_records_are_not_searched_for_ever),
        cmocka_unit_test(a_directory_that_cannot_be_written_refuses),
        cmocka_unit_test(a_failed_sync_moves_to_a_new_file),
        cmocka_unit_test(a_disk_that_fails_twice_takes_nothing_until_it_works),
        cmocka_unit_test(nothing_goes_before_what_was_appended_first_is_durable),
        cmocka_unit_test(at_its_bound_it_is_full_until_messages_are_finished),
        cmocka_unit_test(a_record_larger_than_the_buffer_is_refused_for_good),
        cmocka_unit_test(one_stuck_queue_does_not_keep_the_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
