#include "app/functions_internal.h"

#include "base/json_write.h"
#include "base/log.h"
#include "route/base64.h"
#include "route/json.h"
#include "route/reply.h"
#include "wire/topic.h"

#include <stdio.h>
#include <time.h>

bool destination_find(const struct mapping *mapping, const struct config_destination *config,
                      struct span values, struct span client_id, struct buffer *topic,
                      struct destination *ret_destination)
{
    const struct function *function = mapping->function;
    *ret_destination = (struct destination){0};
    if (config->kind == CONFIG_TO_FUNCTION) {
        ret_destination->function = functions_find(function->all, span_from_string(config->function));
        return true;
    }
    buffer_append(topic, span_from_string(function->all->config->topic_prefix));
    if (reply_topic(span_from_string(config->topic), values, client_id, topic)) {
        function->all->counters.unpublished++;
        log_warning("function %s: its destination %s has a part without a value here; the record is not sent",
                    function->config->name, config->topic);
        return false;
    }
    ret_destination->topic = buffer_span(topic);
    return true;
}

/* ---- The record ---- */

enum { TIME_BYTES = 40 };

static const char *write_time(uint64_t wall_ms, char text[static TIME_BYTES])
{
    struct tm utc;
    time_t seconds = (time_t)(wall_ms / 1000);
    gmtime_r(&seconds, &utc);
    size_t len = strftime(text, TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + len, TIME_BYTES - len, ".%03uZ", (unsigned)(wall_ms % 1000));
    return text;
}

static void write_version(uint64_t version, struct buffer *out)
{
    char name[FUNCTION_VERSION_BYTES];
    function_version_name(version, name);
    buffer_append(out, span_from_string(name));
}

static void write_request_context(const struct mapping *mapping, uint64_t version, uint64_t ordinal,
                                  struct span condition, uint32_t attempts, struct buffer *out)
{
    const struct functions_host *host = &mapping->function->all->host;
    char id[REQUEST_ID_BYTES], time[TIME_BYTES];
    invocation_request_id(mapping, ordinal, id);
    json_write_raw(out, "{\"version\":\"1.0\",\"timestamp\":");
    json_write_string(out, span_from_string(write_time(host->wall_ms(host->ctx), time)));
    json_write_raw(out, ",\"requestContext\":{\"requestId\":");
    json_write_string(out, span_from_string(id));
    json_write_raw(out, ",\"functionArn\":\"");
    buffer_append(out, span_from_string(mapping->function->arn));
    json_write_raw(out, ":");
    write_version(version, out);
    json_write_raw(out, "\",\"condition\":");
    json_write_string(out, condition);
    json_write_raw(out, ",\"approximateInvokeCount\":");
    json_write_u64(out, attempts);
    json_write_raw(out, "}");
}

/* JSON as it is, other text as a String, other bytes in base64, which `name`Encoding says then. */
static void write_payload(struct buffer *out, const char *name, struct span payload)
{
    size_t fault_at;
    json_write_raw(out, ",\"");
    buffer_append(out, span_from_string(name));
    json_write_raw(out, "\":");
    if (payload.len == 0) {
        json_write_raw(out, "null");
    } else if (json_check(payload, &fault_at)) {
        buffer_append(out, json_trim(payload));
    } else if (utf8_valid(payload)) {
        json_write_string(out, payload);
    } else {
        uint8_t scratch[512];
        struct arena arena = arena_of(scratch, sizeof scratch);
        json_write_string(out, base64_encode(payload, &arena));
        arena_fini(&arena);
        json_write_raw(out, ",\"");
        buffer_append(out, span_from_string(name));
        json_write_raw(out, "Encoding\":\"base64\"");
    }
}

/* Begins it. */
static void write_response_context(uint64_t version, struct buffer *out)
{
    json_write_raw(out, ",\"responseContext\":{\"statusCode\":200,\"executedVersion\":\"");
    write_version(version, out);
    json_write_raw(out, "\"");
}

void destination_write_success(const struct mapping *mapping, uint64_t version,
                               const struct queue_item *first, struct span event, struct span answer,
                               struct buffer *out)
{
    write_request_context(mapping, version, first->ordinal, SPAN_LITERAL("Success"), first->attempt, out);
    write_payload(out, "requestPayload", event);
    write_response_context(version, out);
    json_write_raw(out, "}");
    write_payload(out, "responsePayload", answer);
    json_write_raw(out, "}");
}

struct span destination_condition(const struct queue_dead *dead)
{
    return dead->reason == QUEUE_DEAD_AGE ? SPAN_LITERAL("EventAgeExceeded")
                                          : SPAN_LITERAL("RetriesExhausted");
}

void destination_write_error(const struct queue_dead *dead, struct buffer *out)
{
    if (dead->error_payload.len > 0) {
        buffer_append(out, dead->error_payload);
        return;
    }
    json_write_raw(out, "{\"errorType\":");
    json_write_string(out, dead->error_type);
    json_write_raw(out, ",\"errorMessage\":");
    json_write_string(out, dead->error_message);
    json_write_raw(out, "}");
}

void destination_write_failure(const struct mapping *mapping, const struct queue_dead *dead,
                               struct span event, struct buffer *out)
{
    uint64_t version = mapping_version(mapping, dead->message);
    struct buffer error = {0};
    write_request_context(mapping, version, dead->ordinal, destination_condition(dead), dead->attempts, out);
    write_payload(out, "requestPayload", event);
    if (dead->error_type.len == 0) { /* nothing was answered last */
        json_write_raw(out, ",\"responseContext\":null");
    } else {
        write_response_context(version, out);
        json_write_raw(out, ",\"functionError\":\"Unhandled\"}");
        destination_write_error(dead, &error);
    }
    write_payload(out, "responsePayload", buffer_span(&error));
    json_write_raw(out, "}");
    buffer_fini(&error);
}
