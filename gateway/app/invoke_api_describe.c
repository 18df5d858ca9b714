/* How functions are shown. Variables of the environment are not: they may be secrets. */
#include "app/invoke_api_internal.h"

#include "app/function_log.h"
#include "base/json_write.h"

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

void invoke_api_write_configuration(const struct function *function, struct buffer *out)
{
    const struct config_function *config = function_config(function);
    json_write_raw(out, "{\"FunctionName\":");
    json_write_string(out, span_from_string(config->name));
    write_text(out, "FunctionArn", function_arn(function));
    write_text(out, "Runtime", config_runtime(config));
    write_text(out, "Handler", config_handler(config));
    write_number(out, "Timeout", (config->timeout_ms + 999) / 1000);
    write_number(out, "MemorySize", config->memory_mb);
    write_text(out, "Version", "$LATEST");
    write_text(out, "PackageType", "Zip");
    write_text(out, "State", "Active");
    write_text(out, "LastUpdateStatus", "Successful");
    json_write_raw(out, "}");
}

void invoke_api_write_function(const struct function *function, struct buffer *out)
{
    json_write_raw(out, "{\"Configuration\":");
    invoke_api_write_configuration(function, out);
    json_write_raw(out, ",\"Concurrency\":{\"ReservedConcurrentExecutions\":");
    json_write_u64(out, function_config(function)->reserved_concurrency);
    json_write_raw(out, "}}");
}

void invoke_api_write_log(const struct function *function, const char *request_id,
                          const struct invoke_result *result, struct buffer *out)
{
    function_log_write_start(out, request_id);
    buffer_append(out, SPAN_LITERAL("\n"));
    buffer_append(out, result->log);
    function_log_write_end(out, request_id);
    buffer_append(out, SPAN_LITERAL("\n"));
    function_log_write_report(out, request_id, function_config(function)->memory_mb, result);
    buffer_append(out, SPAN_LITERAL("\n"));
}
