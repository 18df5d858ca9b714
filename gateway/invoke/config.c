#include "base/json_write.h"
#include "base/memory.h"
#include "invoke/pool.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct invoke_config invoke_config_default(void)
{
    return (struct invoke_config){
        .function_version = "$LATEST",
        .workers_max = 1,
        .timeout_ms = 3000,
        .init_timeout_ms = 10000,
        .idle_timeout_ms = 300000,
        .stop_grace_ms = 5000,
        .waiting_count_max = 16,
        .waiting_bytes_max = 16 * 1024 * 1024,
        .spawn_interval_ms = 20,
        .restart_base_ms = 100,
        .restart_cap_ms = 30000,
    };
}

static char *copy_string(const char *string)
{
    return string ? memory_string(span_from_string(string)) : NULL;
}

static const char *const *copy_list(const char *const *list)
{
    size_t count = 0;
    while (list && list[count])
        count++;
    const char **copy = memory_new_array(count + 1, sizeof *copy);
    for (size_t i = 0; i < count; i++)
        copy[i] = copy_string(list[i]);
    return copy;
}

struct invoke_config invoke_config_copy(const struct invoke_config *config)
{
    struct invoke_config copy = *config;
    copy.function_name = copy_string(config->function_name);
    copy.function_version = copy_string(config->function_version);
    copy.handler = copy_string(config->handler);
    copy.runtime = copy_string(config->runtime);
    copy.settings_json = copy_string(config->settings_json);
    copy.launcher = copy_list(config->launcher);
    copy.executable = copy_string(config->executable);
    copy.arguments = copy_list(config->arguments);
    copy.environment = copy_list(config->environment);
    return copy;
}

/* The copies are const to everyone but their owner. */
static void free_const(const void *memory)
{
    memory_free((void *)(uintptr_t)memory);
}

static void free_list(const char *const *list)
{
    for (size_t i = 0; list[i]; i++)
        free_const(list[i]);
    free_const(list);
}

void invoke_config_free(struct invoke_config *config)
{
    free_const(config->function_name);
    free_const(config->function_version);
    free_const(config->handler);
    free_const(config->runtime);
    free_const(config->settings_json);
    free_list(config->launcher);
    free_const(config->executable);
    free_list(config->arguments);
    free_list(config->environment);
}

enum sluice_error invoke_config_check(const struct invoke_config *config, char *error, size_t error_bytes)
{
    struct stat file;
    if (stat(config->executable, &file) != 0) {
        enum sluice_error kind = errno == ENOENT ? SLUICE_NOT_FOUND : SLUICE_IO;
        snprintf(error, error_bytes, "function %s: the worker %s cannot be started: %s",
                 config->function_name, config->executable, strerror(errno));
        return kind;
    }
    if (!S_ISREG(file.st_mode) || access(config->executable, X_OK) != 0) {
        snprintf(error, error_bytes,
                 "function %s: the worker %s cannot be started: it is not an executable file",
                 config->function_name, config->executable);
        return SLUICE_DENIED;
    }
    struct buffer init = {0};
    invoke_config_write_init(config, &init);
    bool too_large = buffer_len(&init) > WORKER_INIT_BYTES_MAX;
    buffer_fini(&init);
    if (too_large) {
        snprintf(error, error_bytes, "function %s: its settings are over 1 MiB", config->function_name);
        return SLUICE_TOO_LARGE;
    }
    return SLUICE_OK;
}

void invoke_config_write_init(const struct invoke_config *config, struct buffer *out)
{
    json_write_raw(out, "{\"protocol\":");
    json_write_u64(out, WORKER_PROTOCOL_VERSION);
    json_write_raw(out, ",\"functionName\":");
    json_write_string(out, span_from_string(config->function_name));
    json_write_raw(out, ",\"functionVersion\":");
    json_write_string(out, span_from_string(config->function_version));
    json_write_raw(out, ",\"handler\":");
    json_write_string(out, span_from_string(config->handler));
    json_write_raw(out, ",\"runtime\":");
    json_write_string(out, span_from_string(config->runtime));
    json_write_raw(out, ",\"timeoutMs\":");
    json_write_u64(out, config->timeout_ms);
    json_write_raw(out, ",\"memorySizeMb\":");
    json_write_u64(out, config->memory_mb);
    json_write_raw(out, ",\"settings\":");
    buffer_append(out, span_from_string(config->settings_json ? config->settings_json : "{}"));
    json_write_raw(out, "}");
}
