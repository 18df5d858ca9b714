/* deploy_submit: who has the data folder starts what is to be live, and then renames what was written. */
#include "app/command_host.h"
#include "app/commands.h"
#include "app/data_lock.h"
#include "app/deploy.h"
#include "app/file.h"
#include "app/functions_internal.h"
#include "app/rollout.h"
#include "app/sandbox.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_AGAIN_MS = 10, FAULT_BYTES_MAX = 64 * 1024 };

static enum sluice_error complain(const struct deploy *deploy, const char *what, const char *why)
{
    fprintf(stderr, "sluice %s: %s%s%s\n", deploy->command, what, *why ? ": " : "", why);
    return SLUICE_IO;
}

static enum sluice_error refuse(const struct deploy *deploy, const char *fault)
{
    complain(deploy, fault, "");
    fprintf(stderr, "sluice %s: what was live stays so\n", deploy->command);
    return SLUICE_INVALID;
}

/* ---- By a gateway ---- */

static bool is_same(const char *path, const struct stat *file)
{
    struct stat status;
    return stat(path, &status) == 0 && status.st_ino == file->st_ino && status.st_dev == file->st_dev;
}

/* Says why it was refused, if it was. */
static bool was_refused(const struct deploy *deploy, const char *refused)
{
    struct buffer fault = {0};
    if (file_read(refused, FAULT_BYTES_MAX, &fault) != SLUICE_OK || buffer_len(&fault) == 0) {
        buffer_fini(&fault);
        return false;
    }
    buffer_append(&fault, span_of("", 1));
    refuse(deploy, (const char *)buffer_span(&fault).data);
    buffer_fini(&fault);
    return true;
}

/* However long functions take to start: the gateway bounds that. SLUICE_CLOSED: it has ended. */
static enum sluice_error wait_for_answer(const char *data, pid_t gateway, const char *refused)
{
    static const struct timespec pause = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};
    for (;; nanosleep(&pause, NULL)) {
        struct stat answer;
        pid_t owner = gateway;
        bool has_ended = data_lock_owner(data, &owner) == SLUICE_NOT_FOUND || owner != gateway;
        if (stat(refused, &answer) != 0 || answer.st_size > 0)
            return SLUICE_OK;
        if (has_ended)
            return SLUICE_CLOSED;
    }
}

/* A gateway that has ended may have got as far as the rename, but not to its fsync. */
static enum sluice_error wait_for_gateway(const struct deploy *deploy, pid_t gateway, const struct stat *file)
{
    const char *data = deploy->config->data;
    char now[PATH_MAX], folder[PATH_MAX], refused[PATH_MAX];
    versions_path(data, VERSIONS_NOW, now);
    versions_path(data, VERSIONS_FOLDER, folder);
    versions_path(data, VERSIONS_REFUSED, refused);
    bool has_ended = wait_for_answer(data, gateway, refused) == SLUICE_CLOSED;
    if (was_refused(deploy, refused))
        return SLUICE_INVALID;
    if (has_ended && file_sync_folder(folder) != SLUICE_OK)
        return complain(deploy, folder, strerror(errno));
    if (is_same(now, file))
        return SLUICE_OK;
    return complain(deploy,
                    has_ended ? "the gateway has ended meanwhile; what was live stays so"
                              : "the gateway has refused it; its log says why",
                    "");
}

static enum sluice_error ask_gateway(const struct deploy *deploy, pid_t gateway, const struct stat *file)
{
    if (gateway <= 0) /* a process that this one cannot see has no number here */
        return complain(deploy, "the gateway cannot be signalled from here", "");
    if (kill(gateway, SIGUSR2) != 0)
        return complain(deploy, "the gateway cannot be signalled", strerror(errno));
    return wait_for_gateway(deploy, gateway, file);
}

/* ---- By this process ---- */

struct run {
    uv_loop_t loop;
    struct functions functions;
    const struct deploy *deploy;
    enum sluice_error error;
};

static void on_done(void *ctx, const char *fault)
{
    struct run *run = ctx;
    run->error = fault ? refuse(run->deploy, fault) : SLUICE_OK;
    command_stop_functions(&run->functions);
}

/* Functions without messages: only their workers. */
static void run_rollout(struct run *run, char *workers)
{
    const struct config *config = run->deploy->config;
    char path[PATH_MAX], text[VERSIONS_TEXT_BYTES];
    struct functions *all = &run->functions;
    versions_path(config->data, VERSIONS_NOW, path);
    enum sluice_error error = versions_read(path, &all->versions, text);
    if (error && error != SLUICE_NOT_FOUND) {
        run->error = refuse(run->deploy, text);
        return;
    }
    all->config = config;
    all->workers = workers;
    all->host = command_host(&run->loop);
    all->functions = memory_new_array(config->function_count, sizeof *all->functions);
    all->function_count = config->function_count;
    for (size_t i = 0; i < all->function_count; i++)
        all->functions[i] =
            (struct function){.all = all, .given = &config->functions[i], .config = &config->functions[i]};
    rollout_start(all, on_done, run);
    uv_run(&run->loop, UV_RUN_DEFAULT);
    versions_free(all->versions);
    memory_free(all->functions);
}

static enum sluice_error roll_out_here(const struct deploy *deploy)
{
    struct run run = {.deploy = deploy, .error = SLUICE_IO};
    char workers[PATH_MAX];
    int lock;
    /* What `sluice reload` and `sluice dlq` say to who has the lock, which is taken for a gateway. */
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    if (!find_workers(workers) || sandbox_check(deploy->config, workers) || uv_loop_init(&run.loop) != 0 ||
        data_lock_take(deploy->config->data, &lock) != SLUICE_OK)
        return SLUICE_IO; /* the log has said why */
    signal(SIGPIPE, SIG_IGN);
    run_rollout(&run, workers);
    uv_loop_close(&run.loop);
    close(lock);
    return run.error;
}

/* ---- Either ---- */

enum sluice_error deploy_submit(const struct deploy *deploy)
{
    const char *data = deploy->config->data;
    char next[PATH_MAX], refused[PATH_MAX];
    struct buffer text = {0};
    struct stat file;
    pid_t gateway;
    versions_path(data, VERSIONS_NEXT, next);
    versions_path(data, VERSIONS_REFUSED, refused);
    versions_write(deploy->versions, &text);
    enum sluice_error error = file_replace(refused, 0600, SPAN_EMPTY);
    if (!error)
        error = file_replace(next, 0600, buffer_span(&text));
    buffer_fini(&text);
    if (error || stat(next, &file) != 0)
        return complain(deploy, "what is to be live cannot be written to the data folder", strerror(errno));
    error = data_lock_owner(data, &gateway);
    if (error == SLUICE_NOT_FOUND)
        error = roll_out_here(deploy);
    else if (error)
        complain(deploy, "the data folder's lock cannot be looked at", strerror(errno));
    else
        error = ask_gateway(deploy, gateway, &file);
    unlink(refused);
    if (error)
        unlink(next);
    return error;
}
