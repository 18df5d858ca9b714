/* How functions are named and shown. Variables of the environment are not: they may be secrets. */
#include "app/invoke_api_internal.h"

#include "base/json_write.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- Names ---- */

/* What follows the last colon, which goes with it; empty, if there is none. */
static struct span take_last(struct span *text)
{
    const uint8_t *at = text->len > 0 ? memrchr(text->data, ':', text->len) : NULL;
    struct span last = at ? span_skip(*text, (size_t)(at - text->data) + 1) : SPAN_EMPTY;
    if (at)
        text->len = (size_t)(at - text->data);
    return last;
}

static bool ends_with(struct span text, struct span end)
{
    return text.len >= end.len && span_equal(span_skip(text, text.len - end.len), end);
}

/* `rest` is what stands before a name: the beginning of an ARN. */
static bool is_arn_head(struct span rest)
{
    return span_equal(rest, SPAN_LITERAL("function")) || ends_with(rest, SPAN_LITERAL(":function"));
}

bool invoke_api_name_read(struct span text, struct invoke_api_name *ret_name)
{
    struct span rest = text, last = take_last(&rest);
    struct invoke_api_name name = {.name = last};
    bool is_name = last.len > 0;
    if (last.len == 0) {
        name.name = text;
        is_name = text.len > 0 && rest.len == text.len; /* there is no colon */
    } else if (!is_arn_head(rest)) {
        struct span before = rest, second = take_last(&before);
        name = (struct invoke_api_name){second.len > 0 ? second : rest, last};
        is_name = rest.len > 0 && (second.len == 0 || is_arn_head(before));
    }
    if (is_name)
        *ret_name = name;
    return is_name;
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

bool invoke_api_decode(struct span text, struct buffer *out)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte == '%') {
            int high = i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
            if (low < 0)
                return false;
            byte = (uint8_t)(high << 4 | low);
            i += 2;
        }
        buffer_append(out, span_of(&byte, 1));
    }
    return true;
}

/* ---- Descriptions ---- */

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
    char line[256];
    int len = snprintf(line, sizeof line, "START RequestId: %s Version: $LATEST\n", request_id);
    buffer_append(out, span_of(line, (size_t)len));
    buffer_append(out, result->log);
    len = snprintf(line, sizeof line,
                   "END RequestId: %s\nREPORT RequestId: %s\tDuration: %" PRIu64 ".%02" PRIu64
                   " ms\tBilled Duration: %" PRIu64 " ms\tMemory Size: %" PRIu64 " MB",
                   request_id, request_id, result->duration_us / 1000, result->duration_us % 1000 / 10,
                   (result->duration_us + 999) / 1000, function_config(function)->memory_mb);
    buffer_append(out, span_of(line, (size_t)len));
    len = snprintf(line, sizeof line, "\tInit Duration: %" PRIu64 ".%02" PRIu64 " ms", result->init_us / 1000,
                   result->init_us % 1000 / 10);
    buffer_append(out, span_of(line, result->init_us > 0 ? (size_t)len : 0));
    buffer_append(out, SPAN_LITERAL("\n"));
}
