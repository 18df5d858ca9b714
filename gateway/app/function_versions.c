/* Which versions of a function have workers, and which of them gets what comes. */
#include "app/functions_internal.h"

#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

/* ---- Starting ---- */

/* -1: it is not there, or is just being deleted. */
static int lock_code(const char *path)
{
    int code = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (code >= 0 && flock(code, LOCK_SH | LOCK_NB) == 0)
        return code;
    if (code >= 0)
        close(code);
    return -1;
}

static void version_free(struct function_version *version)
{
    struct function *function = version->function;
    struct function_version **link = &function->versions;
    while (*link && *link != version)
        link = &(*link)->next;
    if (*link)
        *link = version->next;
    if (function->live == version) {
        function->live = NULL;
        function->config = function->given;
    }
    if (version->code >= 0)
        close(version->code);
    arena_fini(&version->arena);
    memory_free(version);
}

static struct function_version *version_new(struct function *function, const struct version *given)
{
    struct function_version *version = memory_new(sizeof *version);
    version->function = function;
    version->config = function->given;
    version->code = -1;
    if (given) {
        version->number = given->number;
        version->own = version_apply(given, function->given, function->all->config->data, &version->arena);
        version->config = &version->own;
        version->code = lock_code(version->own.task_root);
    }
    return version;
}

enum sluice_error function_version_start(struct function *function, const struct version *version,
                                         struct function_version **ret_version)
{
    struct function_version *started = version_new(function, version);
    enum sluice_error error = function_pool_start(started, false, &started->pool);
    if (error) {
        version_free(started);
        return error;
    }
    function->all->any_not_live = true;
    started->next = function->versions;
    function->versions = started;
    *ret_version = started;
    return SLUICE_OK;
}

/* ---- Which ---- */

struct function_version *function_version_find(const struct function *function, uint64_t number)
{
    struct function_version *version = function->versions;
    while (version && (version->number != number || version->is_stopping))
        version = version->next;
    return version;
}

static const struct versions_function *deployed(const struct function *function)
{
    return function->all->versions
               ? versions_find(function->all->versions, span_from_string(function->given->name))
               : NULL;
}

static const struct version *find_deployed(const struct function *function, uint64_t number)
{
    const struct versions_function *versions = deployed(function);
    return versions ? versions_number(versions, number) : NULL;
}

enum sluice_error function_version_obtain(struct function *function, uint64_t number,
                                          struct function_version **ret_version)
{
    const struct version *given = find_deployed(function, number);
    struct function_version *version = function_version_find(function, number);
    if (!version && number > 0 && !given)
        return SLUICE_NOT_FOUND;
    if (!version) {
        if (function_version_start(function, given, &version) != SLUICE_OK)
            return SLUICE_NOT_FOUND;
        invoke_pool_keep(version->pool, 0, (uint32_t)function->all->config->workers.idle_timeout_ms);
    }
    *ret_version = version;
    return SLUICE_OK;
}

/* ---- By name ---- */

/* Digits without a zero in front, or 0. */
static uint64_t number_of(struct span text)
{
    uint64_t number = 0;
    if (text.len == 0 || text.len > 15 || text.data[0] == '0')
        return 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        number = number * 10 + text.data[i] - '0';
    }
    return number;
}

enum sluice_error function_resolve(const struct function *function, struct span qualifier,
                                   uint64_t *ret_version)
{
    uint64_t number = number_of(qualifier);
    uint64_t live = function_live_version(function);
    bool is_live = span_equal(qualifier, SPAN_LITERAL("live")) && live > 0;
    bool is_latest = span_equal(qualifier, SPAN_LITERAL("$LATEST"));
    if (qualifier.len > 0 && !is_live && !is_latest && !(number > 0 && find_deployed(function, number)))
        return SLUICE_NOT_FOUND;
    *ret_version = qualifier.len == 0 || is_live ? live : number;
    return SLUICE_OK;
}

struct span mapping_qualifier(const struct mapping *mapping, const struct message *message)
{
    const uint8_t *colon = NULL;
    if (mapping == mapping->function->direct && message)
        colon = memchr(message->topic.data, ':', message->topic.len);
    return colon ? span_skip(message->topic, (size_t)(colon - message->topic.data) + 1) : SPAN_EMPTY;
}

uint64_t mapping_version(const struct mapping *mapping, const struct message *message)
{
    struct span qualifier = mapping_qualifier(mapping, message);
    uint64_t number;
    return function_resolve(mapping->function, qualifier, &number) == SLUICE_OK ? number
                                                                                : number_of(qualifier);
}

struct invoke_pool *mapping_pool(const struct mapping *mapping, const struct message *message)
{
    struct function *function = mapping->function;
    struct span qualifier = mapping_qualifier(mapping, message);
    struct function_version *version;
    uint64_t number;
    if (qualifier.len == 0)
        return function->pool;
    return function_resolve(function, qualifier, &number) == SLUICE_OK &&
                   function_version_obtain(function, number, &version) == SLUICE_OK
               ? version->pool
               : NULL;
}

void function_version_name(uint64_t version, char ret_name[FUNCTION_VERSION_BYTES])
{
    if (version > 0)
        snprintf(ret_name, FUNCTION_VERSION_BYTES, "%" PRIu64, version);
    else
        snprintf(ret_name, FUNCTION_VERSION_BYTES, "$LATEST");
}

uint64_t function_live_version(const struct function *function)
{
    return function->live ? function->live->number : 0; /* none when it stops */
}

uint64_t function_version_at(const struct function *function, size_t index)
{
    const struct versions_function *versions = deployed(function);
    return versions && index < versions->count ? versions->items[index].number : 0;
}

struct config_function function_version_config(const struct function *function, uint64_t version,
                                               struct arena *arena)
{
    const struct version *given = find_deployed(function, version);
    return given ? version_apply(given, function->given, function->all->config->data, arena)
                 : *function->given;
}

/* ---- Which is live ---- */

void function_go_live(struct function_version *version)
{
    struct function *function = version->function;
    const struct functions *all = function->all;
    if (function->live && function->live != version)
        invoke_pool_keep(function->pool, 0, 0);
    function->live = version;
    function->pool = version->pool;
    function->config = version->config;
    if (!config_is_remote(version->config))
        invoke_pool_keep(version->pool, (uint32_t)version->config->provisioned_concurrency,
                         (uint32_t)all->config->workers.idle_timeout_ms);
}

enum sluice_error function_start_live(struct function *function)
{
    const struct versions_function *versions = config_is_remote(function->given) ? NULL : deployed(function);
    struct function_version *version;
    enum sluice_error error = function_version_start(
        function, versions ? versions_number(versions, versions->live) : NULL, &version);
    if (error)
        return error;
    function_go_live(version);
    if (version->number > 0)
        log_info("function %s: version %" PRIu64 " is live", function->config->name, version->number);
    return function->config->uplink.down_count > 0 ? function_pool_start(version, true, &function->down_pool)
                                                   : SLUICE_OK;
}

/* ---- Ending ---- */

static void on_version_stopped(void *ctx)
{
    struct function_version *version = ctx;
    struct functions *all = version->function->all;
    version_free(version);
    functions_pool_stopped(all);
}

void function_version_stop(struct function_version *version)
{
    if (version->is_stopping)
        return;
    version->is_stopping = true;
    invoke_pool_stop(version->pool, on_version_stopped, version);
}

static void stop_versions(struct function *function)
{
    for (struct function_version *version = function->versions; version; version = version->next)
        function_version_stop(version);
}

static void on_down_pool_stopped(void *ctx)
{
    struct function *function = ctx;
    function->down_pool = NULL;
    function->coming_down.id =
        0; /* what the disk gets from now on is answered to nobody: the remote brings it again */
    stop_versions(function);
    functions_pool_stopped(function->all);
}

/* The pool that brings topics down has the same version as the one that forwards, and ends before it is
 * freed. */
void function_stop_versions(struct function *function)
{
    if (function->down_pool)
        invoke_pool_stop(function->down_pool, on_down_pool_stopped, function);
    else
        stop_versions(function);
}

/* One that backs off counts: a new pool in its place would start a worker at once, and with each request. */
static bool is_used(const struct function_version *version)
{
    struct invoke_counters counters = invoke_counters(version->pool);
    return version == version->function->live || version->rollout || counters.workers > 0 ||
           counters.waiting > 0 || invoke_backs_off(version->pool);
}

void functions_sweep_versions(struct functions *functions)
{
    functions->any_not_live = false;
    for (size_t i = 0; i < functions->function_count; i++) {
        for (struct function_version *version = functions->functions[i].versions; version;
             version = version->next) {
            if (!version->is_stopping && !is_used(version))
                function_version_stop(version);
            functions->any_not_live |= version != version->function->live;
        }
    }
}
