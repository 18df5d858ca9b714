/*
 * How deployed versions become live. `sluice deploy` has written what is to be, in
 * versions.next.json (app/versions.h). A rollout starts a worker of each version
 * that is to be live beside those that are, and waits for all to have initialised.
 * Then one rename makes it so on disk, and new invocations go to the new versions;
 * what runs in the old ones ends as it is. If one does not start, or anything else
 * fails, all stays as it was. A crash leaves the one or the other.
 *
 * The loop's thread; the rename and its fsync are done in the pool. One at a time.
 */
#ifndef SLUICE_APP_ROLLOUT_H
#define SLUICE_APP_ROLLOUT_H

#include "app/functions.h"
#include "invoke/invoke.h"

/* `on_done` is called once, perhaps before this returns; `fault` is NULL, or the sentence why all stays as it
 * was. A rollout that functions_stop meets ends so too. */
void rollout_start(struct functions *functions, void (*on_done)(void *ctx, const char *fault), void *ctx);
/* The functions stop: one that is under way gives up, unless it is just being written. */
void rollout_stop(struct functions *functions);
/* invoke_hooks.started; ctx is the struct function_version. */
void rollout_version_started(void *ctx, const struct invoke_result *why);

#endif
