/* Batches that run on another thread while the loop's appends, acknowledges, loads and copies forward: for
 * ThreadSanitizer above all. On the real disk, in a temporary folder. */
#include "base/log.h"
#include "deliver/journal.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { BATCHES = 60, MESSAGES_IN_BATCH = 20, KEPT_OF = 10 /* one in so many is not acknowledged */ };

struct load {
    struct journal *journal;
    uint32_t queue;
    uint64_t next_ordinal, kept_count, last_position;
};

static void append_one(struct load *load)
{
    struct message message = {.topic = SPAN_LITERAL("farm/a"), .payload = SPAN_LITERAL("21.5")};
    struct journal_target target = {.queue = load->queue, .ordinal = load->next_ordinal++, .qos = 1};
    struct journal_message one = {.message = &message, .targets = &target, .target_count = 1};
    uint64_t seq;
    assert_int_equal(journal_append_messages(load->journal, (struct journal_origin){0}, &one, 1, &seq),
                     SLUICE_OK);
    if (target.ordinal % KEPT_OF != 0) {
        journal_acknowledge(load->journal, load->queue, target.ordinal);
        return;
    }
    load->kept_count++;
    load->last_position = one.ret_position;
}

static void load_one(const struct load *load)
{
    struct message *message;
    assert_int_equal(journal_load(load->journal, load->last_position, &message), SLUICE_OK);
    assert_true(span_equal(message->payload, SPAN_LITERAL("21.5")));
    message_unref(message);
}

static void *run(void *batch)
{
    journal_batch_run(batch);
    return NULL;
}

static void commit_beside(struct load *load)
{
    uint64_t durable_seq;
    pthread_t thread;
    journal_commit_now(load->journal);
    struct journal_batch *batch = journal_commit_begin(load->journal, 0);
    assert_non_null(batch);
    assert_int_equal(pthread_create(&thread, NULL, run, batch), 0);
    for (int i = 0; i < MESSAGES_IN_BATCH; i++) {
        append_one(load);
        load_one(load);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(journal_commit_end(load->journal, batch, 0, &durable_seq), SLUICE_OK);
}

static void remove_files(const char *path)
{
    for (unsigned number = 1; number < 4 * BATCHES; number++) {
        char name[128];
        snprintf(name, sizeof name, "%s/%010u.journal", path, number);
        unlink(name);
    }
    assert_int_equal(rmdir(path), 0); /* nothing else was in it */
}

static void a_batch_runs_beside_everything_else(void **state)
{
    (void)state;
    char path[] = "/tmp/journal_thread_test.XXXXXX";
    assert_non_null(mkdtemp(path));
    struct disk *disk;
    assert_int_equal(disk_posix_new(path, &disk), SLUICE_OK);
    struct journal_config config = journal_config_default();
    config.segment_bytes = 4096;
    config.compact_bytes = 8192;
    struct load load = {0};
    assert_int_equal(journal_open(&config, disk, &load.journal), SLUICE_OK);
    load.queue = journal_queue_open(load.journal, JOURNAL_FUNCTION, SPAN_LITERAL("f"));
    for (int i = 0; i < BATCHES; i++)
        commit_beside(&load);
    assert_true(journal_stats(load.journal).copied_bytes > 0);
    assert_int_equal(journal_stats(load.journal).entries, load.kept_count);
    journal_free(load.journal);
    disk_posix_free(disk);
    remove_files(path);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_runs_beside_everything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
