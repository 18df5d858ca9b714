/*
 * What is on disk, and when: drives the group commits of the journal and of the
 * state (gateway/deliver) on the loop. Work that was asked for during a loop turn
 * goes to the thread pool at its end as one batch each; what comes while that is
 * being written is the next batch. So the disk's own speed sets the group's size.
 * The state's batch waits until the journal has on disk what it was given before.
 *
 * One data folder belongs to one running gateway: it is locked (data_lock.h). Everything runs
 * on the loop's thread but the batches themselves. Owned by the caller until
 * storage_stop has called back.
 */
#ifndef SLUICE_APP_STORAGE_H
#define SLUICE_APP_STORAGE_H

#include "deliver/journal.h"
#include "deliver/state.h"

#include <uv.h>

struct storage;

struct storage_hooks {
    void *ctx;
    void (*on_durable)(void *ctx, uint64_t seq);          /* the journal, up to this seq */
    void (*on_state_durable)(void *ctx, uint64_t ticket); /* the state, up to this ticket */
};

/* Opens DATA/journal and DATA/sluice.db, making what is not there. On failure the log has one sentence. */
enum sluice_error storage_open(uv_loop_t *loop, const char *data, const struct journal_config *config,
                               const struct storage_hooks *hooks, struct storage **ret_storage);
struct journal *storage_journal(struct storage *storage);
struct state *storage_state(struct storage *storage);
int storage_lock(const struct storage *storage); /* of the data folder: see data_lock.h */

/* At the end of each loop turn: starts the batches that are due. */
void storage_turn(struct storage *storage, uint64_t now_ms);
/* When storage_turn may have something without another write; UINT64_MAX: never. */
uint64_t storage_next_deadline(const struct storage *storage);

/* Writes what is pending as far as the disk takes it, closes, frees, then calls back; storage_turn goes on
 * being called until then. */
void storage_stop(struct storage *storage, void (*on_stopped)(void *ctx), void *ctx);

#endif
