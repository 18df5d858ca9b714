/* How functions are shown. Variables of the environment are not: they may be secrets. */
#include "app/invoke_api_internal.h"

#include "app/function_log.h"
#include "base/json_write.h"

#include <stdio.h>

/* A version's ARN has its name behind it; $LATEST's has not. */
static void write_arn(struct buffer *out, const struct function *function, const char *version)
{
    char arn[512];
    bool is_latest = *version == '$';
    snprintf(arn, sizeof arn, "%s%s%s", function_arn(function), is_latest ? "" : ":",
             is_latest ? "" : version);
    json_write_member(out, "FunctionArn", arn);
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
    json_write_member(out, "Runtime", config_runtime(&config));
    json_write_member(out, "Handler", config_handler(&config));
    json_write_number_member(out, "Timeout", (config.timeout_ms + 999) / 1000);
    json_write_number_member(out, "MemorySize", config.memory_mb);
    json_write_member(out, "Version", name);
    json_write_member(out, "PackageType", "Zip");
    json_write_member(out, "State", "Active");
    json_write_member(out, "LastUpdateStatus", "Successful");
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
        json_write_member(out, "AliasArn", arn);
        json_write_member(out, "FunctionVersion", name);
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
