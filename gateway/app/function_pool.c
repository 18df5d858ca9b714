/* How a function of the configuration becomes a pool of workers. */
#include "app/functions_internal.h"
#include "app/rollout.h"
#include "app/sandbox.h"

#include "app/function_command.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ERROR_TEXT_BYTES = 512,
    PATH_BYTES = 4096,
    /* What is elsewhere waits on the network and not on a core: one worker holds all its invocations. */
    REMOTE_WORKERS = 1,
};

static uint64_t pool_wall_ms(void *ctx)
{
    const struct functions_host *host = &((struct function_version *)ctx)->function->all->host;
    return host->wall_ms(host->ctx);
}

static uint32_t pool_random(void *ctx)
{
    const struct functions_host *host = &((struct function_version *)ctx)->function->all->host;
    return host->random(host->ctx);
}

static struct function_log *log_of(void *ctx)
{
    return ((struct function_version *)ctx)->function->log;
}

static bool pool_log_begin(void *ctx, const char *request_id)
{
    return function_log_begin(log_of(ctx), ((struct function_version *)ctx)->number, request_id);
}

static void pool_log_line(void *ctx, const char *request_id, struct span line)
{
    function_log_line(log_of(ctx), request_id, line);
}

static void pool_log_end(void *ctx, const char *request_id, bool begun, const struct invoke_result *result)
{
    const struct function_version *version = ctx;
    function_log_end(log_of(ctx), request_id, begun, version->config->memory_mb, result);
}

static void *pool_group_enter(void *ctx, int pid)
{
    const struct function_version *version = ctx;
    return cgroups_enter(version->function->all->cgroups, version->config, pid);
}

static uint64_t pool_group_memory(void *group)
{
    return cgroup_memory_bytes(group);
}

static void pool_group_leave(void *ctx, void *group)
{
    cgroups_leave(((struct function_version *)ctx)->function->all->cgroups, group);
}

/* A remote function's worker needs the credentials that the gateway was started with, and where to find more.
 */
static const char *const lambda_environment[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "HOME",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
};

/* A bootstrap finds its programs where the gateway finds them. */
static const char *const runtime_environment[] = {"PATH"};

/* What of the gateway's own environment a kind of worker gets. */
static const char *const *inherited_by(const struct config_function *function, size_t *ret_count)
{
    *ret_count = 0;
    if (function->lambda)
        *ret_count = sizeof lambda_environment / sizeof *lambda_environment;
    else if (!config_is_remote(function) && function->kind != CONFIG_NATIVE)
        *ret_count = sizeof runtime_environment / sizeof *runtime_environment;
    return function->lambda ? lambda_environment : runtime_environment;
}

static char *variable(const char *name, const char *value)
{
    size_t bytes = strlen(name) + strlen(value) + 2;
    char *text = memory_new(bytes);
    snprintf(text, bytes, "%s=%s", name, value);
    return text;
}

/* The function's own variables, and those of the gateway that its kind of worker needs; NULL-terminated. The
 * strings are copied by invoke_pool_start. */
static char **worker_environment(const struct config_function *function)
{
    size_t inherited_count, count = 0;
    const char *const *inherited = inherited_by(function, &inherited_count);
    char **environment =
        memory_new_array(function->environment.count + inherited_count + 1, sizeof *environment);
    for (size_t i = 0; i < function->environment.count; i++)
        environment[count++] = memory_string(span_from_string(function->environment.items[i]));
    for (size_t i = 0; i < inherited_count; i++) {
        const char *value = getenv(inherited[i]);
        if (value)
            environment[count++] = variable(inherited[i], value);
    }
    return environment;
}

static void free_strings(char **strings)
{
    for (char **at = strings; *at; at++)
        memory_free(*at);
    memory_free(strings);
}

static struct invoke_config pool_config(const struct functions *all, const struct config_function *function)
{
    const struct config_workers *workers = &all->config->workers;
    struct invoke_config config = invoke_config_default();
    config.function_name = function->name;
    config.handler = config_handler(function);
    config.runtime = config_runtime(function);
    config.workers_max =
        config_is_remote(function) ? REMOTE_WORKERS : (uint32_t)function->reserved_concurrency;
    config.workers_provisioned = (uint32_t)function->provisioned_concurrency;
    if (config.workers_provisioned > config.workers_max)
        config.workers_provisioned = config.workers_max;
    if (function->uplink.url) {
        config.workers_provisioned = REMOTE_WORKERS; /* connected before there is anything to forward */
        config.waiting_count_max = 0; /* what comes back from the worker stays before what never left */
    }
    config.timeout_ms = (uint32_t)function->timeout_ms;
    config.memory_mb = (uint32_t)function->memory_mb;
    config.init_timeout_ms = (uint32_t)workers->init_timeout_ms;
    config.idle_timeout_ms = (uint32_t)workers->idle_timeout_ms;
    config.stop_grace_ms = (uint32_t)workers->stop_grace_ms;
    config.spawn_interval_ms = (uint32_t)workers->spawn_interval_ms;
    config.restart_base_ms = (uint32_t)workers->restart_base_ms;
    config.restart_cap_ms = (uint32_t)workers->restart_cap_ms;
    return config;
}

static const char *worker_of(const struct config_function *function)
{
    if (config_is_remote(function))
        return config_runtime(function);
    return function->kind == CONFIG_NATIVE ? "native" : "runtime";
}

/* What the function is started with, for its kind of worker. */
struct start {
    struct function_command command; /* of those that speak the Runtime API; else empty */
    char *settings;                  /* JSON, or NULL */
};

/* A function that cannot be started is better said now than by each of its events. */
static enum sluice_error find_code(const struct config_function *function,
                                   struct function_command *ret_command)
{
    ret_command->count = 0;
    if (config_is_remote(function))
        return SLUICE_OK;
    if (function->kind != CONFIG_NATIVE)
        return function_command_find(function, ret_command);
    if (access(function->handler, R_OK) == 0)
        return SLUICE_OK;
    log_error("function %s cannot be served: its handler %s cannot be read: %s", function->name,
              function->handler, strerror(errno));
    return SLUICE_NOT_FOUND;
}

enum sluice_error function_pool_check(const struct config_function *function)
{
    struct function_command command;
    return find_code(function, &command);
}

static enum sluice_error prepare(const struct functions *all, const struct config_function *function,
                                 bool down, struct start *ret_start)
{
    enum sluice_error error = find_code(function, &ret_start->command);
    ret_start->settings = NULL;
    if (error)
        return error;
    if (function->uplink.url)
        ret_start->settings = uplink_settings(&function->uplink, down);
    else if (function->lambda)
        ret_start->settings = lambda_settings(all->config, function);
    else if (function->kind != CONFIG_NATIVE)
        ret_start->settings = function_command_settings(&ret_start->command, all->config->region);
    return SLUICE_OK;
}

enum sluice_error function_pool_start(struct function_version *version, bool down,
                                      struct invoke_pool **ret_pool)
{
    struct functions *all = version->function->all;
    const struct config_function *given = version->config;
    struct start start;
    enum sluice_error error = prepare(all, given, down, &start);
    if (error)
        return error;
    struct invoke_config config = pool_config(all, given);
    char version_name[FUNCTION_VERSION_BYTES];
    function_version_name(version->number, version_name);
    config.function_version = version_name;
    struct invoke_hooks hooks = {.ctx = version,
                                 .wall_ms = pool_wall_ms,
                                 .random = pool_random,
                                 .log = {pool_log_begin, pool_log_line, pool_log_end},
                                 .group = {pool_group_enter, pool_group_memory, pool_group_leave},
                                 .started = down ? NULL : rollout_version_started,
                                 .publish = down ? uplink_publish : NULL};
    version->function->files = sandbox_files(all->config, given);
    char executable[PATH_BYTES], error_text[ERROR_TEXT_BYTES];
    snprintf(executable, sizeof executable, "%s/%s", all->workers, worker_of(given));
    char **environment = worker_environment(given);
    char **launcher = sandbox_launcher(all->config, given, &start.command, all->workers, executable);
    config.launcher = (const char *const *)launcher;
    config.executable = executable;
    config.settings_json = start.settings;
    config.environment = (const char *const *)environment;
    error = invoke_pool_start(all->host.loop, &config, &hooks, error_text, sizeof error_text, ret_pool);
    if (error)
        log_error("%s", error_text); /* it names the function */
    else
        all->pools_running++;
    memory_free(start.settings);
    sandbox_launcher_free(launcher);
    free_strings(environment);
    return error;
}
