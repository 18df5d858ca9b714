/* What a journal makes of files that are damaged, or that it did not write. */
#include "journal_fixture.h"

#include "base/crc32c.h"
#include "base/log.h"
#include "deliver/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

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

/* So that files that are not needed go. */
static void write_and_drop_something(struct fixture *fixture)
{
    uint32_t queue = journal_queue_open(fixture->journal, JOURNAL_SESSION, SPAN_LITERAL("short"));
    journal_queue_drop(fixture->journal, queue);
    commit_all(fixture);
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
        case VERSION: content->data[content->start + 11] = RECORD_VERSION + 1; break;
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
            assert_int_equal(append(fixture,
                                    (struct journal_target){.ordinal = fixture->next_ordinal++,
                                                            .queue = fixture->queue,
                                                            .qos = 1},
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

/* A new file begins with all queues, so that the old ones can go; where it is torn there, they cannot yet. */
static void a_file_torn_among_its_queues_forgets_none(void **state)
{
    (void)state;
    enum { FIRST_QUEUE_BYTES = RECORD_HEADER_BYTES + 4 };
    struct fixture *fixture = fixture_new();
    fixture->config.segment_bytes = 1;
    restart(fixture);
    journal_queue_open(fixture->journal, JOURNAL_FUNCTION, SPAN_LITERAL("g"));
    journal_queue_open(fixture->journal, JOURNAL_FUNCTION, SPAN_LITERAL("h"));
    commit_all(fixture);
    assert_int_equal(append_many(fixture, 1), SLUICE_OK);
    assert_int_equal(commit(fixture), SLUICE_OK);
    struct buffer *second = sim_disk_content(fixture->sim, "0000000002.journal");
    second->end = second->start + RECORD_SEGMENT_HEADER_BYTES + FIRST_QUEUE_BYTES;
    for (int start = 0; start < 3; start++) {
        assert_string_equal(restart(fixture), "function g next 0;function h next 0;");
        write_and_drop_something(fixture);
    }
    fixture_free(fixture);
}

/* ---- Records that no journal wrote ---- */

#define MESSAGE_TO_1(FLAGS)                                                                                  \
    "\0\0\1\1\0" FLAGS "\0\0\0\1t\1p\0\0\0" /* queue 1, ordinal 0; topic t, payload p */

struct crafted_record {
    enum record_type type; /* 0: there is none */
    bool first_of_batch;
    uint64_t seq;
    struct span body;
};

static void put_records(struct sim_disk *sim, const struct crafted_record *records, size_t count)
{
    struct buffer file = {0};
    segment_header_write(&file, &(struct segment_header){.number = 1, .first_seq = 1});
    for (size_t i = 0; i < count && records[i].type; i++) {
        struct writer body = record_begin(&file, records[i].body.len);
        write_bytes(&body, records[i].body);
        record_end(&file, &body, 1, records[i].seq, records[i].type, records[i].first_of_batch);
    }
    sim_disk_put(sim, "0000000001.journal", buffer_span(&file));
    buffer_fini(&file);
}

/* At each start the last batch is written again: what it meant must not change by that. */
static void a_restart_shows_the_same_whatever_the_records_say(void **state)
{
    (void)state;
    enum { RECORDS = 4 };
    static const struct span a = SPAN_LITERAL("\1\2\0a"), b = SPAN_LITERAL("\1\2\0b"),
                             b_as_2 = SPAN_LITERAL("\2\2\0b"), message = SPAN_LITERAL(MESSAGE_TO_1("\1")),
                             received_copy = SPAN_LITERAL(MESSAGE_TO_1("\12")),
                             received = SPAN_LITERAL("\1\0");
    const struct {
        const char *name;
        struct crafted_record records[RECORDS];
        const char *expected;
    } rows[] = {
        {"a message",
         {{RECORD_QUEUE, true, 1, a}, {RECORD_MESSAGES, true, 2, message}},
         "function a next 1; 0=p q1;"},
        {"a message before its queue, in the first batch",
         {{RECORD_MESSAGES, true, 1, message}, {RECORD_QUEUE, false, 2, a}},
         "function a next 0;"},
        {"a message before its queue, in a later batch",
         {{RECORD_QUEUE, true, 1, b_as_2}, {RECORD_MESSAGES, true, 2, message}, {RECORD_QUEUE, false, 3, a}},
         "function a next 0;function b next 0;"},
        {"an id that another queue gets",
         {{RECORD_QUEUE, true, 1, a}, {RECORD_MESSAGES, false, 2, message}, {RECORD_QUEUE, true, 3, b}},
         "function b next 0;"},
        {"a name that gets another id",
         {{RECORD_QUEUE, true, 1, b}, {RECORD_MESSAGES, false, 2, message}, {RECORD_QUEUE, true, 3, b_as_2}},
         "function b next 0;"},
        {"an id and a name of two queues that a third gets",
         {{RECORD_QUEUE, true, 1, a}, {RECORD_QUEUE, false, 2, b_as_2}, {RECORD_QUEUE, true, 3, b}},
         "function b next 0;"},
        {"a message with the seq of the record before",
         {{RECORD_QUEUE, true, 1, a}, {RECORD_MESSAGES, true, 1, message}},
         "function a next 0;"},
        {"a PUBREC, then a copy that knows it",
         {{RECORD_QUEUE, true, 1, a},
          {RECORD_MESSAGES, false, 2, message},
          {RECORD_RECEIVED, false, 3, received},
          {RECORD_MESSAGES, true, 4, received_copy}},
         "function a next 1; 0=p q2 received;"},
        {"a PUBREC, then a copy that does not know it",
         {{RECORD_QUEUE, true, 1, a},
          {RECORD_MESSAGES, false, 2, message},
          {RECORD_RECEIVED, false, 3, received},
          {RECORD_MESSAGES, true, 4, message}},
         "function a next 1; 0=p q1;"},
        {"a declaration of nothing before the first", {{RECORD_QUEUE, true, 0, SPAN_LITERAL("\1")}}, ""},
        {"a message with the seq before the first",
         {{RECORD_MESSAGES, true, 0, message}, {RECORD_QUEUE, false, 1, a}},
         ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].name);
        struct fixture *fixture = fixture_new();
        put_records(fixture->sim, rows[i].records, RECORDS);
        for (int start = 0; start < 3; start++) {
            assert_string_equal(restart(fixture), rows[i].expected);
            write_and_drop_something(fixture);
        }
        fixture_free(fixture);
    }
}

/* ---- A directory ---- */

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

/* A journal of the version before is read; of a later one not even the header is known. */
static void the_version_before_is_read(void **state)
{
    (void)state;
    static const struct {
        uint8_t version;
        enum sluice_error error;
    } rows[] = {{0, SLUICE_INVALID},
                {1, SLUICE_OK},
                {RECORD_VERSION, SLUICE_OK},
                {RECORD_VERSION + 1, SLUICE_NOT_FOUND}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer bytes = {0};
        struct segment_header header = {.number = 7, .previous = 6, .previous_bytes = 5, .first_seq = 4};
        segment_header_write(&bytes, &header);
        bytes.data[11] = rows[i].version;
        struct writer crc = writer_of(bytes.data + RECORD_SEGMENT_HEADER_BYTES - 4, 4);
        write_u32(&crc, crc32c(0, span_of(bytes.data, RECORD_SEGMENT_HEADER_BYTES - 4)));
        struct segment_header read = {0};
        assert_int_equal(segment_header_read(buffer_span(&bytes), &read), rows[i].error);
        assert_int_equal(read.first_seq, rows[i].error ? 0 : 4);
        buffer_fini(&bytes);
    }
}

int main(void)
{
    log_set_level(LOG_ERROR + 1); /* damage is reported, and this test makes much of it */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_version_before_is_read),
        cmocka_unit_test(damage_costs_only_what_it_hit_and_the_journal_opens),
        cmocka_unit_test(bytes_that_look_like_records_are_not_searched_for_ever),
        cmocka_unit_test(a_file_torn_among_its_queues_forgets_none),
        cmocka_unit_test(a_restart_shows_the_same_whatever_the_records_say),
        cmocka_unit_test(a_directory_that_cannot_be_written_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
