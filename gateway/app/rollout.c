#include "app/rollout.h"

#include "app/file.h"
#include "app/functions_internal.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

enum { FAULT_TEXT_BYTES = 1024 };

struct rollout {
    struct functions *all;
    struct versions *next;
    struct stat file; /* that it was read from */
    size_t waiting_count;
    char fault[FAULT_TEXT_BYTES]; /* empty: none yet */
    bool is_committing;
    uv_work_t commit;
    int commit_error;
    void (*on_done)(void *ctx, const char *fault);
    void *ctx;
};

static void __attribute__((format(printf, 2, 3))) set_fault(struct rollout *rollout, const char *format, ...)
{
    va_list arguments;
    if (rollout->fault[0])
        return; /* the first one counts */
    va_start(arguments, format);
    vsnprintf(rollout->fault, sizeof rollout->fault, format, arguments);
    va_end(arguments);
}

/* The version that `next` makes live and that is not; NULL: it changes nothing of this function. */
static const struct version *change_of(const struct rollout *rollout, const struct versions_function *next)
{
    const struct versions_function *now = versions_find(rollout->all->versions, span_from_string(next->name));
    return now && next->live == now->live ? NULL : versions_number(next, next->live);
}

/* ---- The end ---- */

static bool is_deployed(const struct functions *all, const struct function_version *version)
{
    const struct versions_function *deployed =
        versions_find(all->versions, span_from_string(version->config->name));
    return deployed && versions_number(deployed, version->number);
}

/* Of those that did not become live nothing is left, or the next ones of their numbers would be taken for
 * them; one that was deployed before may have been invoked meanwhile, and ends as it is. */
static void retire(struct rollout *rollout)
{
    for (size_t i = 0; i < rollout->all->function_count; i++) {
        struct function *function = &rollout->all->functions[i];
        for (struct function_version *at = function->versions; at; at = at->next) {
            if (at->rollout && at != function->live && is_deployed(rollout->all, at))
                invoke_pool_keep(at->pool, 0, 0);
            else if (at->rollout && at != function->live)
                function_version_stop(at);
            at->rollout = NULL;
            at->is_awaited = false;
        }
    }
}

static void finish(struct rollout *rollout)
{
    struct functions *all = rollout->all;
    void (*on_done)(void *ctx, const char *fault) = rollout->on_done;
    void *ctx = rollout->ctx;
    char fault[FAULT_TEXT_BYTES];
    memcpy(fault, rollout->fault, sizeof fault);
    retire(rollout);
    all->rollout = NULL;
    versions_free(rollout->next);
    memory_free(rollout);
    on_done(ctx, fault[0] ? fault : NULL);
}

static void switch_over(struct rollout *rollout)
{
    struct functions *all = rollout->all;
    for (size_t i = 0; i < rollout->next->count; i++) {
        const struct versions_function *next = &rollout->next->functions[i];
        const struct version *change = change_of(rollout, next);
        if (!change)
            continue;
        struct function *function = functions_find(all, span_from_string(next->name));
        function_go_live(function_version_find(function, change->number));
        log_info("function %s: version %" PRIu64 " is live", next->name, next->live);
    }
    versions_free(all->versions);
    all->versions = rollout->next;
    rollout->next = NULL;
}

/* ---- On disk ---- */

/* In the pool. What was read must still be there: another `sluice deploy` would have put its own in its
 * place. Where the fsync fails, nobody knows what a crash leaves; but it is one of the two. */
static void commit(uv_work_t *work)
{
    struct rollout *rollout = work->data;
    char next[PATH_MAX], now[PATH_MAX], folder[PATH_MAX];
    const char *data = rollout->all->config->data;
    struct stat status;
    versions_path(data, VERSIONS_NEXT, next);
    versions_path(data, VERSIONS_NOW, now);
    versions_path(data, VERSIONS_FOLDER, folder);
    if (stat(next, &status) != 0)
        rollout->commit_error = errno;
    else if (status.st_ino != rollout->file.st_ino || status.st_dev != rollout->file.st_dev)
        rollout->commit_error = ESTALE;
    else
        rollout->commit_error = rename(next, now) == 0 && file_sync_folder(folder) == SLUICE_OK ? 0 : errno;
}

static void on_committed(uv_work_t *work, int status)
{
    struct rollout *rollout = work->data;
    struct functions *all = rollout->all;
    (void)status;
    if (rollout->commit_error)
        set_fault(rollout, "the versions cannot be written to the data folder: %s",
                  strerror(rollout->commit_error));
    else if (!all->stopping)
        switch_over(rollout);
    finish(rollout);
    functions_pool_stopped(all);
}

/* As one pool more: the functions are there until it is done. */
static void commit_soon(struct rollout *rollout)
{
    rollout->is_committing = true;
    rollout->all->pools_running++;
    rollout->commit.data = rollout;
    uv_queue_work(rollout->all->host.loop, &rollout->commit, commit, on_committed);
}

/* ---- Starting ---- */

void rollout_version_started(void *ctx, const struct invoke_result *why)
{
    struct function_version *version = ctx;
    struct rollout *rollout = version->rollout;
    if (!rollout || !version->is_awaited || rollout->is_committing)
        return;
    version->is_awaited = false;
    if (why) {
        set_fault(rollout, "function %s: version %" PRIu64 " has not started: %.*s: %.*s",
                  version->config->name, version->number, (int)why->error_type.len,
                  (const char *)why->error_type.data, (int)why->error_message.len,
                  (const char *)why->error_message.data);
        finish(rollout);
    } else if (--rollout->waiting_count == 0) {
        commit_soon(rollout);
    }
}

static void start_version(struct rollout *rollout, struct function *function, const struct version *given)
{
    struct function_version *version = function_version_find(function, given->number);
    if (!version && function_version_start(function, given, &version) != SLUICE_OK) {
        set_fault(rollout,
                  "function %s: version %" PRIu64 " cannot be started: the log of the gateway says why",
                  function->given->name, given->number);
        return;
    }
    uint32_t provisioned = (uint32_t)version->config->provisioned_concurrency;
    version->rollout = rollout;
    version->is_awaited = !invoke_serves(version->pool);
    rollout->waiting_count += version->is_awaited;
    invoke_pool_keep(version->pool, provisioned > 0 ? provisioned : 1,
                     (uint32_t)rollout->all->config->workers.idle_timeout_ms);
}

static void start_versions(struct rollout *rollout)
{
    for (size_t i = 0; i < rollout->next->count && !rollout->fault[0]; i++) {
        const struct versions_function *next = &rollout->next->functions[i];
        const struct version *change = change_of(rollout, next);
        struct function *function = functions_find(rollout->all, span_from_string(next->name));
        if (change && function && !config_is_remote(function->given))
            start_version(rollout, function, change);
        else if (change)
            set_fault(rollout, "%s is no local function of the gateway's configuration as it was started",
                      next->name);
    }
}

static void read_next(struct rollout *rollout)
{
    char path[PATH_MAX], text[VERSIONS_TEXT_BYTES];
    versions_path(rollout->all->config->data, VERSIONS_NEXT, path);
    if (stat(path, &rollout->file) != 0)
        set_fault(rollout, "%s cannot be read: %s", path, strerror(errno));
    else if (versions_read(path, &rollout->next, text) != SLUICE_OK)
        set_fault(rollout, "%s", text);
}

void rollout_start(struct functions *functions, void (*on_done)(void *ctx, const char *fault), void *ctx)
{
    if (functions->rollout || functions->stopping) {
        on_done(ctx, functions->stopping ? "the gateway stops" : "another deploy is under way; try again");
        return;
    }
    struct rollout *rollout = memory_new(sizeof *rollout);
    rollout->all = functions;
    rollout->on_done = on_done;
    rollout->ctx = ctx;
    functions->rollout = rollout;
    read_next(rollout);
    if (!rollout->fault[0])
        start_versions(rollout);
    if (rollout->fault[0])
        finish(rollout);
    else if (rollout->waiting_count == 0)
        commit_soon(rollout);
}

void rollout_stop(struct functions *functions)
{
    struct rollout *rollout = functions->rollout;
    if (!rollout || rollout->is_committing)
        return;
    set_fault(rollout, "the gateway stops");
    finish(rollout);
}
