#include "app/functions_internal.h"

#include "base/json_write.h"

#include <inttypes.h>
#include <stdio.h>

enum { GIVEN_TRACE_BYTES = 256 };

struct function *functions_find(struct functions *functions, struct span name)
{
    for (size_t i = 0; i < functions->function_count; i++) {
        if (span_equal(span_from_string(functions->functions[i].config->name), name))
            return &functions->functions[i];
    }
    return NULL;
}

struct function *functions_at(struct functions *functions, size_t index)
{
    return index < functions->function_count ? &functions->functions[index] : NULL;
}

const struct config_function *function_config(const struct function *function)
{
    return function->config;
}

const char *function_arn(const struct function *function)
{
    return function->arn;
}

/* RFC 9562, version 4: nobody asks for the same invocation twice. */
void functions_new_request_id(const struct functions *functions, char ret_request_id[REQUEST_ID_BYTES])
{
    const struct functions_host *host = &functions->host;
    uint32_t words[4];
    for (size_t i = 0; i < 4; i++)
        words[i] = host->random(host->ctx);
    snprintf(ret_request_id, REQUEST_ID_BYTES,
             "%08" PRIx32 "-%04" PRIx32 "-4%03" PRIx32 "-%04" PRIx32 "-%04" PRIx32 "%08" PRIx32, words[0],
             words[1] >> 16, words[1] & 0xfff, (words[2] >> 16 & 0x3fff) | 0x8000, words[2] & 0xffff,
             words[3]);
}

static void write_context(const struct function *function, const char *request_id,
                          const struct direct_invocation *invocation, struct buffer *out)
{
    const struct functions_host *host = &function->all->host;
    char trace[TRACE_ID_BYTES];
    bool is_given = invocation->trace_id.len > 0 && invocation->trace_id.len <= GIVEN_TRACE_BYTES;
    invocation_begin_context(function, invocation->qualifier, request_id,
                             is_given ? invocation->trace_id
                                      : invocation_trace_id(request_id, host->wall_ms(host->ctx), trace),
                             1, out);
    if (invocation->client_context.len > 0) {
        json_write_raw(out, ",\"clientContext\":");
        buffer_append(out, invocation->client_context);
    }
    json_write_raw(out, "}");
}

enum sluice_error function_invoke(struct function *function, const struct direct_invocation *invocation,
                                  char ret_request_id[REQUEST_ID_BYTES])
{
    struct functions *all = function->all;
    if (all->stopping)
        return SLUICE_CLOSED;
    struct function_version *version;
    enum sluice_error error = function_version_obtain(function, invocation->version, &version);
    if (error)
        return error;
    if (invoke_is_busy(version->pool))
        return SLUICE_FULL;
    char request_id[REQUEST_ID_BYTES];
    struct buffer context = {0};
    functions_new_request_id(all, request_id);
    write_context(function, request_id, invocation, &context);
    struct invoke_request request = {.context = buffer_span(&context),
                                     .event = invocation->event,
                                     .request_id = request_id,
                                     .wants_log = invocation->wants_log,
                                     .on_done = invocation->on_done,
                                     .ctx = invocation->ctx};
    error = invoke_submit(version->pool, &request);
    buffer_fini(&context);
    if (error)
        return error;
    all->counters.direct++;
    memcpy(ret_request_id, request_id, sizeof request_id);
    return SLUICE_OK;
}

/* The crash argument: the caller hears of it only when the record's seq is on disk. */
enum sluice_error function_enqueue(struct function *function, struct span qualifier, struct span event,
                                   struct span properties, uint64_t *ret_seq,
                                   char ret_request_id[REQUEST_ID_BYTES])
{
    struct functions *all = function->all;
    struct mapping *mapping = function->direct;
    if (all->stopping)
        return SLUICE_CLOSED;
    char topic[192];
    int len = snprintf(topic, sizeof topic, "$invoke/%s%s%.*s", function->config->name,
                       qualifier.len > 0 ? ":" : "", (int)qualifier.len, (const char *)qualifier.data);
    struct message view = {.qos = 1,
                           .topic = span_of(topic, (size_t)len),
                           .payload = event,
                           .properties = properties,
                           .received_ms = all->host.wall_ms(all->host.ctx)};
    if (!queue_has_room(mapping->queue, 1, message_bytes(&view))) {
        all->full = mapping;
        return SLUICE_FULL;
    }
    struct journal_target target = {
        .queue = mapping->queue_id, .ordinal = queue_next_ordinal(mapping->queue), .qos = 1};
    struct journal_message stored = {.message = &view, .targets = &target, .target_count = 1};
    enum sluice_error error = journal_append_messages(
        all->host.journal, (struct journal_origin){.may_use_reserve = properties.len > 0}, &stored, 1,
        ret_seq);
    if (error)
        return error;
    struct message *message = message_new(&view);
    queue_add(mapping->queue, message, 0, stored.ret_position, uv_now(all->host.loop));
    message_unref(message);
    all->counters.accepted++;
    invocation_request_id(mapping, target.ordinal, ret_request_id);
    return SLUICE_OK;
}
