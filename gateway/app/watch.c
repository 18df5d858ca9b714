#include "app/watch.h"

#include "base/log.h"
#include "base/memory.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

enum { QUIET_MS = 200 };

/* A folder, and for whose sake it is watched. */
struct target {
    struct watch *watch;
    uv_fs_event_t handle;
    const struct config_function *function; /* NULL: the configuration */
    char *folder;
    char *file; /* the one that counts; NULL: all of them do */
    bool changed;
};

struct watch {
    struct watch_hooks hooks;
    uv_timer_t quiet;
    struct target *targets; /* the first is the configuration's */
    size_t target_count;
    size_t open_handles;
    bool stopped;
};

/* ---- What has changed ---- */

/* A hook may stop the watch; its memory is there until the loop goes on. */
static void on_quiet(uv_timer_t *quiet)
{
    struct watch *watch = quiet->data;
    for (size_t i = 0; i < watch->target_count && !watch->stopped; i++) {
        struct target *target = &watch->targets[i];
        if (!target->changed)
            continue;
        target->changed = false;
        if (target->function)
            watch->hooks.function_changed(watch->hooks.ctx, target->function);
        else
            watch->hooks.config_changed(watch->hooks.ctx);
    }
}

static bool is_code(const struct target *target, const char *name)
{
    char path[PATH_MAX];
    struct stat status;
    size_t len = strlen(name);
    if (len == 0 || name[0] == '.' || name[len - 1] == '~')
        return false;
    snprintf(path, sizeof path, "%s/%s", target->folder, name);
    return stat(path, &status) != 0 || !S_ISDIR(status.st_mode);
}

static void on_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
    struct target *target = handle->data;
    (void)events;
    if (status != 0 || !name || (target->file ? strcmp(name, target->file) != 0 : !is_code(target, name)))
        return;
    target->changed = true;
    uv_timer_start(&target->watch->quiet, on_quiet, QUIET_MS, 0);
}

/* ---- Starting and stopping ---- */

/* Of a file's path: its folder and its name. */
static void split_path(const char *path, char **ret_folder, char **ret_file)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t len = slash ? (size_t)(slash - path) : 0;
    *ret_folder = !slash     ? memory_string(SPAN_LITERAL("."))
                  : len == 0 ? memory_string(SPAN_LITERAL("/"))
                             : memory_string(span_of(path, len));
    *ret_file = memory_string(span_from_string(name));
}

static void start_target(struct watch *watch, struct target *target)
{
    target->watch = watch;
    target->handle.data = target;
    uv_fs_event_init(watch->quiet.loop, &target->handle);
    int error = uv_fs_event_start(&target->handle, on_event, target->folder, 0);
    if (error)
        log_warning("%s cannot be watched: %s", target->folder, uv_strerror(error));
    uv_unref((uv_handle_t *)&target->handle);
    watch->open_handles++;
}

static void watch_function(struct watch *watch, const struct config_function *function)
{
    struct target *target = &watch->targets[watch->target_count];
    bool is_native = function->runtime && strcmp(function->runtime, "native") == 0;
    char path[PATH_MAX];
    if (function->lambda || !function->handler) /* nothing of it is on this disk */
        return;
    bool is_whole = is_native || function->handler[0] == '/' || !function->task_root;
    snprintf(path, sizeof path, "%s%s%s", is_whole ? "" : function->task_root, is_whole ? "" : "/",
             function->handler);
    split_path(path, &target->folder, &target->file);
    target->function = function;
    if (!is_native) {
        memory_free(target->file);
        target->file = NULL;
    }
    watch->target_count++;
    start_target(watch, target);
}

struct watch *watch_start(uv_loop_t *loop, const struct config *config, const struct watch_hooks *hooks)
{
    struct watch *watch = memory_new(sizeof *watch);
    watch->hooks = *hooks;
    watch->targets = memory_new_array(config->function_count + 1, sizeof *watch->targets);
    uv_timer_init(loop, &watch->quiet);
    watch->quiet.data = watch;
    uv_unref((uv_handle_t *)&watch->quiet);
    watch->open_handles = 1;
    split_path(config->file, &watch->targets[0].folder, &watch->targets[0].file);
    watch->target_count = 1;
    start_target(watch, &watch->targets[0]);
    for (size_t i = 0; i < config->function_count; i++)
        watch_function(watch, &config->functions[i]);
    return watch;
}

static void on_handle_closed(struct watch *watch)
{
    if (--watch->open_handles > 0)
        return;
    for (size_t i = 0; i < watch->target_count; i++) {
        memory_free(watch->targets[i].folder);
        memory_free(watch->targets[i].file);
    }
    memory_free(watch->targets);
    memory_free(watch);
}

static void on_timer_closed(uv_handle_t *timer)
{
    on_handle_closed(timer->data);
}

static void on_target_closed(uv_handle_t *handle)
{
    on_handle_closed(((struct target *)handle->data)->watch);
}

void watch_stop(struct watch *watch)
{
    if (!watch || watch->stopped)
        return;
    watch->stopped = true;
    uv_close((uv_handle_t *)&watch->quiet, on_timer_closed);
    for (size_t i = 0; i < watch->target_count; i++)
        uv_close((uv_handle_t *)&watch->targets[i].handle, on_target_closed);
}
