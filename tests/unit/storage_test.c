/* app/storage.h: what is told of the two commits, and in which order. */
#include "app/storage.h"

#include "app/data_lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct told {
    uint64_t seq, ticket;
    bool stopped;
};

static void on_durable(void *ctx, uint64_t seq)
{
    ((struct told *)ctx)->seq = seq;
}

static void on_state_durable(void *ctx, uint64_t ticket)
{
    ((struct told *)ctx)->ticket = ticket;
}

static void on_stopped(void *ctx)
{
    ((struct told *)ctx)->stopped = true;
}

struct fixture {
    uv_loop_t loop;
    struct storage *storage;
    struct told told;
    char folder[32];
};

/* A journal that commits nothing by itself. */
static void open_storage(struct fixture *fixture)
{
    struct journal_config config = journal_config_default();
    config.commit_delay_ms = UINT32_MAX;
    struct storage_hooks hooks = {
        .ctx = &fixture->told, .on_durable = on_durable, .on_state_durable = on_state_durable};
    *fixture = (struct fixture){.folder = "/tmp/storage_test.XXXXXX"};
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    assert_int_equal(storage_open(&fixture->loop, fixture->folder, &config, &hooks, &fixture->storage),
                     SLUICE_OK);
}

static void turn(struct fixture *fixture)
{
    storage_turn(fixture->storage, uv_now(&fixture->loop));
    uv_run(&fixture->loop, UV_RUN_ONCE);
}

static void close_storage(struct fixture *fixture)
{
    storage_stop(fixture->storage, on_stopped, &fixture->told);
    while (!fixture->told.stopped)
        turn(fixture);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", fixture->folder);
    assert_int_equal(system(command), 0);
}

static uint64_t save_session(struct fixture *fixture)
{
    return state_save_session(storage_state(fixture->storage),
                              &(struct state_session){.client_id = SPAN_LITERAL("a"), .expiry_s = 60});
}

static void the_state_is_written_after_what_the_journal_was_given_before(void **state)
{
    (void)state;
    struct fixture fixture;
    open_storage(&fixture);
    struct journal *journal = storage_journal(fixture.storage);

    uint64_t ticket = save_session(&fixture);
    while (fixture.told.ticket != ticket) /* with nothing in the journal to wait for */
        turn(&fixture);

    uint32_t queue = journal_queue_open(journal, JOURNAL_SESSION, SPAN_LITERAL("a"));
    journal_queue_drop(journal, queue);
    ticket = save_session(&fixture);
    for (int i = 0; i < 10; i++) /* nothing is in flight that would block */
        turn(&fixture);
    assert_true(state_pending_bytes(storage_state(fixture.storage)) > 0);

    journal_commit_now(journal);
    while (fixture.told.ticket != ticket)
        turn(&fixture);
    assert_true(fixture.told.seq >= journal_stats(journal).last_seq);
    close_storage(&fixture);
}

/* What another process that opens the folder is told. */
static enum sluice_error open_elsewhere(struct fixture *fixture)
{
    pid_t child = fork();
    if (child == 0) {
        struct journal_config config = journal_config_default();
        struct storage_hooks hooks = {.on_durable = on_durable, .on_state_durable = on_state_durable};
        struct storage *storage = NULL;
        _exit((int)storage_open(&fixture->loop, fixture->folder, &config, &hooks, &storage));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return (enum sluice_error)WEXITSTATUS(status);
}

/* Its own process does not see a lock; so the question is asked from another. */
static pid_t owner_seen_elsewhere(struct fixture *fixture)
{
    pid_t child = fork(), owner = 0;
    if (child == 0)
        _exit(data_lock_owner(fixture->folder, &owner) == SLUICE_OK && owner == getppid() ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status == 0 ? getpid() : 0;
}

static void a_folder_belongs_to_one_gateway(void **state)
{
    (void)state;
    struct fixture fixture;
    open_storage(&fixture);
    assert_int_equal(open_elsewhere(&fixture), SLUICE_EXISTS);
    assert_int_equal(owner_seen_elsewhere(&fixture), getpid());
    close_storage(&fixture);
}

static void the_last_word_is_read_whole(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer bytes = {0};
    struct data_lock_word word;
    open_storage(&fixture);
    int lock = storage_lock(fixture.storage);
    assert_int_equal(data_lock_read_word(fixture.folder, &bytes, &word), SLUICE_NOT_FOUND);
    static const char *const texts[] = {"a long sentence\nand another\n", "short\n", ""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        data_lock_leave_word(lock, &(struct data_lock_word){7 + i, i == 1, span_from_string(texts[i])});
        assert_int_equal(data_lock_read_word(fixture.folder, &bytes, &word), SLUICE_OK);
        assert_int_equal(word.began_ns, 7 + i);
        assert_int_equal(word.done, i == 1);
        assert_true(span_equal(word.text, span_from_string(texts[i])));
    }
    /* One that is not whole yet is none. */
    data_lock_leave_word(lock, &(struct data_lock_word){1, true, span_from_string(texts[0])});
    assert_int_equal(ftruncate(lock, 20), 0);
    assert_int_equal(data_lock_read_word(fixture.folder, &bytes, &word), SLUICE_NOT_FOUND);
    buffer_fini(&bytes);
    close_storage(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_state_is_written_after_what_the_journal_was_given_before),
        cmocka_unit_test(a_folder_belongs_to_one_gateway),
        cmocka_unit_test(the_last_word_is_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
