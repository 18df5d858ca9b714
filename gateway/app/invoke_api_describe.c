/* How functions are shown. Variables of the environment are not: they may be secrets. */
#include "app/invoke_api_internal.h"

#include "app/function_log.h"
#include "base/json_write.h"

#include <stdio.h>

static void write_text(struct buffer *out, const char *name, const char *value)
{
    if (!value)
        return;
    json_write_raw(out, ",\"");
    buffer_append(out, span_from_string(name));
    json_write_raw(out, "\":");
    json_write_string(out, span_from_string(value));
}

static void write_number(struct buffer *out, const char *name, uint64_t value)
{
    json_write_raw(out, ",\"");
    buffer_append(out, span_from_string(name));
    json_write_raw(out, "\":");
    json_write_u64(out, value);
}

/* A version's ARN has its name behind it; $LATEST's has not. */
static void write_arn(struct buffer *out, const struct function *function, const char *version)
{
    char arn[512];
    bool is_latest = *version == '$';
    snprintf(arn, sizeof arn, "%s%s%s", function_arn(function), is_latest ? "" : ":",
             is_latest ? "" : version);
    write_text(out, "FunctionArn", arn);
}

void invoke_api_write_configuration(const struct function *function, uint64_t version, struct buffer *out)
{
    struct arena arena = {0};
    const struct config_function config = function_version_config(function, version, &arena);
    char name[FUNCTION_VERSION_BYTES];
    function_version_name(version, name);
    json_write_raw(out, "{\"FunctionName\":");
    json_write_string(out, span_from_string(config.name));
    write_arn(out, function, name);
    write_text(out, "Runtime", config_runtime(&config));
    write_text(out, "Handler", config_handler(&config));
    write_number(out, "Timeout", (config.timeout_ms + 999) / 1000);
    write_number(out, "MemorySize", config.memory_mb);
    write_text(out, "Version", name);
    write_text(out, "PackageType", "Zip");
    write_text(out, "State", "Active");
    write_text(out, "LastUpdateStatus", "Successful");
    json_write_raw(out, "}");
    arena_fini(&arena);
}

void invoke_api_write_function(const struct function *function, uint64_t version, struct buffer *out)
{
    json_write_raw(out, "{\"Configuration\":");
    invoke_api_write_configuration(function, version, out);
    json_write_raw(out, ",\"Concurrency\":{\"ReservedConcurrentExecutions\":");
    json_write_u64(out, function_config(function)->reserved_concurrency);
    json_write_raw(out, "}}");
}

void invoke_api_write_versions(const struct function *function, uint64_t version, struct buffer *out)
{
    (void)version;
    json_write_raw(out, "{\"Versions\":[");
    invoke_api_write_configuration(function, 0, out);
    uint64_t deployed;
    for (size_t i = 0; (deployed = function_version_at(function, i)) > 0; i++) {
        json_write_raw(out, ",");
        invoke_api_write_configuration(function, deployed, out);
    }
    json_write_raw(out, "]}");
}

void invoke_api_write_aliases(const struct function *function, uint64_t version, struct buffer *out)
{
    (void)version;
    char arn[512], name[FUNCTION_VERSION_BYTES];
    uint64_t live = function_live_version(function);
    json_write_raw(out, "{\"Aliases\":[");
    if (live > 0) {
        function_version_name(live, name);
        snprintf(arn, sizeof arn, "%s:live", function_arn(function));
        json_write_raw(out, "{\"Name\":\"live\"");
        write_text(out, "AliasArn", arn);
        write_text(out, "FunctionVersion", name);
        json_write_raw(out, "}");
    }
    json_write_raw(out, "]}");
}

void invoke_api_write_log(const struct function *function, uint64_t version, const char *request_id,
                          const struct invoke_result *result, struct buffer *out)
{
    function_log_write_start(out, request_id, version);
    buffer_append(out, SPAN_LITERAL("\n"));
    buffer_append(out, result->log);
    function_log_write_end(out, request_id);
    buffer_append(out, SPAN_LITERAL("\n"));
    struct arena arena = {0};
    function_log_write_report(out, request_id, function_version_config(function, version, &arena).memory_mb,
                              result);
    arena_fini(&arena);
    buffer_append(out, SPAN_LITERAL("\n"));
}
