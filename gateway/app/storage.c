#include "app/storage.h"

#include "app/data_lock.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

struct storage {
    uv_loop_t *loop;
    struct storage_hooks hooks;
    struct disk *disk;
    struct journal *journal;
    struct state *state;
    int lock;
    uv_work_t journal_work, state_work;
    struct journal_batch *journal_batch; /* in flight */
    struct state_batch *state_batch;     /* in flight, or waiting for the journal */
    bool state_runs;                     /* it is in flight */
    uint64_t state_seq;                  /* the journal's last seq when that batch was taken */
    void (*on_stopped)(void *ctx);
    void *stopped_ctx;
};

/* ---- Opening ---- */

static enum sluice_error make_folder(const char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return SLUICE_OK;
    log_error("the data folder %s cannot be made: %s", path, strerror(errno));
    return SLUICE_IO;
}

static enum sluice_error open_stores(struct storage *storage, const char *data,
                                     const struct journal_config *config)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/sluice.db", data);
    int own = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* SQLite would let everybody read it */
    if (own >= 0)
        close(own);
    enum sluice_error error = state_open(path, &storage->state);
    if (error)
        return error;
    snprintf(path, sizeof path, "%s/journal", data);
    error = disk_posix_new(path, &storage->disk);
    if (error) {
        log_error("the journal's folder %s cannot be used: %s", path, strerror(errno));
        return error;
    }
    return journal_open(config, storage->disk, &storage->journal);
}

static void storage_free(struct storage *storage)
{
    journal_free(storage->journal);
    disk_posix_free(storage->disk);
    state_close(storage->state);
    if (storage->lock >= 0)
        close(storage->lock);
    memory_free(storage);
}

enum sluice_error storage_open(uv_loop_t *loop, const char *data, const struct journal_config *config,
                               const struct storage_hooks *hooks, struct storage **ret_storage)
{
    struct storage *storage = memory_new(sizeof *storage);
    storage->loop = loop;
    storage->hooks = *hooks;
    storage->lock = -1;
    storage->journal_work.data = storage;
    storage->state_work.data = storage;
    enum sluice_error error = make_folder(data);
    if (!error)
        error = data_lock_take(data, &storage->lock);
    if (!error)
        error = open_stores(storage, data, config);
    if (error) {
        storage_free(storage);
        return error;
    }
    *ret_storage = storage;
    return SLUICE_OK;
}

struct journal *storage_journal(struct storage *storage)
{
    return storage->journal;
}

struct state *storage_state(struct storage *storage)
{
    return storage->state;
}

int storage_lock(const struct storage *storage)
{
    return storage->lock;
}

/* ---- Group commits ---- */

static void finish_stop(struct storage *storage)
{
    void (*on_stopped)(void *) = storage->on_stopped;
    void *ctx = storage->stopped_ctx;
    storage_free(storage);
    on_stopped(ctx);
}

static void run_journal(uv_work_t *work)
{
    struct storage *storage = work->data;
    journal_batch_run(storage->journal_batch);
}

static void end_journal(uv_work_t *work, int status)
{
    (void)status; /* the work is never cancelled */
    struct storage *storage = work->data;
    struct journal_batch *batch = storage->journal_batch;
    storage->journal_batch = NULL;
    uint64_t seq;
    enum sluice_error error = journal_commit_end(storage->journal, batch, uv_now(storage->loop), &seq);
    /* A disk that fails makes acknowledgements wait: the journal keeps the batch until it is written. */
    if (!error)
        storage->hooks.on_durable(storage->hooks.ctx, seq);
    storage_turn(storage, uv_now(storage->loop));
}

static void run_state(uv_work_t *work)
{
    struct storage *storage = work->data;
    state_batch_run(storage->state_batch);
}

static void end_state(uv_work_t *work, int status)
{
    (void)status;
    struct storage *storage = work->data;
    struct state_batch *batch = storage->state_batch;
    uint64_t ticket;
    storage->state_batch = NULL;
    storage->state_runs = false;
    if (state_batch_end(storage->state, batch, uv_now(storage->loop), &ticket) == SLUICE_OK)
        storage->hooks.on_state_durable(storage->hooks.ctx, ticket);
    if (storage->on_stopped)
        journal_commit_now(storage->journal); /* what the state's being durable has led to */
    storage_turn(storage, uv_now(storage->loop));
}

/* One batch at a time of each: what this turn wrote while one is in flight is in the next. */
static void begin_journal(struct storage *storage, uint64_t now_ms)
{
    struct journal_batch *batch = journal_commit_begin(storage->journal, now_ms);
    if (!batch)
        return;
    storage->journal_batch = batch;
    uv_queue_work(storage->loop, &storage->journal_work, run_journal, end_journal);
}

/*
 * What is written into the state is written when all that the journal was given before it is on disk. So a
 * crash finds no session ended in the state whose messages the journal has not yet given to others: they
 * would be nobody's. And no new session confirmed whose Client Identifier names the old one's queue still:
 * its QoS 2 Packet Identifiers would make a new message pass for a repetition. A gateway that stops waits for
 * no disk that fails.
 */
static bool state_may_run(const struct storage *storage)
{
    return journal_stats(storage->journal).durable_seq >= storage->state_seq ||
           (storage->on_stopped && !storage->journal_batch);
}

static void begin_state(struct storage *storage, uint64_t now_ms)
{
    if (!storage->state_batch) {
        storage->state_batch = state_batch_begin(storage->state, now_ms);
        storage->state_seq = journal_stats(storage->journal).last_seq;
    }
    if (!storage->state_batch || storage->state_runs || !state_may_run(storage))
        return;
    storage->state_runs = true;
    uv_queue_work(storage->loop, &storage->state_work, run_state, end_state);
}

void storage_turn(struct storage *storage, uint64_t now_ms)
{
    begin_journal(storage, now_ms);
    begin_state(storage, now_ms);
    if (storage->on_stopped && !storage->journal_batch && !storage->state_batch)
        finish_stop(storage);
}

uint64_t storage_next_deadline(const struct storage *storage)
{
    if (storage->on_stopped && !storage->journal_batch && !storage->state_batch)
        return 0; /* a turn ends it */
    uint64_t journal_ms = storage->journal_batch ? UINT64_MAX : journal_next_deadline(storage->journal);
    uint64_t state_ms = storage->state_batch ? UINT64_MAX : state_next_deadline(storage->state);
    return journal_ms < state_ms ? journal_ms : state_ms;
}

void storage_stop(struct storage *storage, void (*on_stopped)(void *ctx), void *ctx)
{
    storage->on_stopped = on_stopped;
    storage->stopped_ctx = ctx;
    journal_commit_now(storage->journal);
}
