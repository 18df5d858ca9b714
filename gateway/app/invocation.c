#include "app/invocation_parts.h"

#include "base/json_write.h"
#include "base/log.h"
#include "base/memory.h"
#include "invoke/records.h"
#include "route/reply.h"
#include "wire/mqtt.h"

#include <inttypes.h>
#include <stdio.h>

void invocation_free(struct invocation *invocation)
{
    buffer_fini(&invocation->event);
    buffer_fini(&invocation->publish);
    buffer_fini(&invocation->window.state);
    memory_free(invocation->message_ids);
    memory_free(invocation);
}

/* ---- The context ---- */

/* X-Ray's form: seconds in hexadecimal, and 96 bits, which are those of the request that differ. Nobody here
 * samples it. */
struct span invocation_trace_id(const char *request_id, uint64_t wall_ms, char ret_text[TRACE_ID_BYTES])
{
    int len = snprintf(ret_text, TRACE_ID_BYTES, "Root=1-%08" PRIx32 "-%.8s%.4s%.12s;Sampled=0",
                       (uint32_t)(wall_ms / 1000), request_id, request_id + 19, request_id + 24);
    return span_of(ret_text, (size_t)len);
}

void invocation_begin_context(const struct function *function, struct span qualifier, const char *request_id,
                              struct span trace_id, uint32_t attempt, struct buffer *out)
{
    struct buffer arn = {0};
    buffer_append(&arn, span_from_string(function->arn));
    if (qualifier.len > 0) {
        buffer_append(&arn, SPAN_LITERAL(":"));
        buffer_append(&arn, qualifier);
    }
    json_write_raw(out, "{\"requestId\":");
    json_write_string(out, span_from_string(request_id));
    json_write_raw(out, ",\"functionName\":");
    json_write_string(out, span_from_string(function->config->name));
    json_write_raw(out, ",\"invokedFunctionArn\":");
    json_write_string(out, buffer_span(&arn));
    buffer_fini(&arn);
    json_write_raw(out, ",\"traceId\":");
    json_write_string(out, trace_id);
    json_write_raw(out, ",\"attempt\":");
    json_write_u64(out, attempt);
}

static void write_context(const struct invocation *invocation, const char *request_id, struct buffer *out)
{
    const struct queue_item *first = &invocation->batch->items[0];
    char trace[TRACE_ID_BYTES];
    invocation_begin_context(
        invocation->mapping->function, mapping_qualifier(invocation->mapping, first->message), request_id,
        invocation_trace_id(request_id, first->message->received_ms, trace), first->attempt, out);
    buffer_append(out, buffer_span(&invocation->publish));
    json_write_raw(out, "}");
}

/* ---- The result ---- */

/* Nothing was said: there is nothing to publish. */
static bool is_nothing(struct span payload)
{
    return payload.len == 0 || span_equal(payload, SPAN_LITERAL("null"));
}

static uint32_t depth_of(const struct invocation *invocation)
{
    uint32_t deepest = 0;
    for (size_t i = 0; i < invocation->batch->count; i++) {
        uint32_t depth = chain_depth(invocation->batch->items[i].message);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

/* Hands over at once what has room; from the first that has none on, all is kept for handovers_turn. */
static void hand_over(struct invocation *invocation, struct parcel parcel)
{
    struct buffer properties = {0};
    buffer_append(&properties, parcel.message.properties);
    if (parcel.kind != PARCEL_ANSWER)
        chain_continue(depth_of(invocation), &parcel, &properties);
    if (invocation->handover || parcel_send(invocation->mapping, &parcel, NULL) != SLUICE_OK)
        handover_put(&invocation->handover, invocation->mapping, &parcel);
    buffer_fini(&properties);
}

/* What fills the topics of an answer: a batch's answer names its own values, since the batch has many. */
static struct span values_of(const struct invocation *invocation, struct span answer)
{
    return invocation->mapping->event->batch_size > 0 ? answer : buffer_span(&invocation->event);
}

static struct span client_id_of(const struct invocation *invocation)
{
    return invocation->mapping->event->batch_size > 0 ? SPAN_EMPTY
                                                      : invocation->batch->items[0].message->client_id;
}

/* Appends the topic that the template makes here. False, and logged: it has a part without a value. */
static bool write_topic(const struct invocation *invocation, const char *key, const char *topic_template,
                        struct span answer, struct buffer *out)
{
    struct function *function = invocation->mapping->function;
    buffer_append(out, span_from_string(function->all->config->topic_prefix));
    if (reply_topic(span_from_string(topic_template), values_of(invocation, answer), client_id_of(invocation),
                    out) == SLUICE_OK &&
        buffer_len(out) <= UINT16_MAX)
        return true;
    function->all->counters.unpublished++; /* the function did its work; trying again would not help */
    log_warning(
        "function %s: its %s %s has a part without a value in this %s, or is too long; the result is not "
        "published",
        function->config->name, key, topic_template,
        invocation->mapping->event->batch_size > 0 ? "result" : "event");
    return false;
}

/* Who gets the result answers there, with this identifier. */
static bool write_reply_to(const struct invocation *invocation, struct span answer, struct buffer *properties)
{
    const char *reply_to = invocation->mapping->function->config->reply_to;
    struct buffer topic = {0};
    bool written = !reply_to || write_topic(invocation, "Response Topic", reply_to, answer, &topic);
    if (reply_to && written) {
        char request_id[REQUEST_ID_BYTES];
        invocation_request_id(invocation->mapping, invocation->batch->items[0].ordinal, request_id);
        size_t most = buffer_len(&topic) + REQUEST_ID_BYTES + 16;
        struct writer block = writer_of(buffer_reserve(properties, most), most);
        mqtt_write_bytes_property(&block, MQTT_RESPONSE_TOPIC, buffer_span(&topic));
        mqtt_write_bytes_property(&block, MQTT_CORRELATION_DATA, span_from_string(request_id));
        buffer_grown(properties, writer_len(&block));
    }
    buffer_fini(&topic);
    return written;
}

/* Publishes what the function answered. A list of failures is no result. */
static void publish_result(struct invocation *invocation, struct span answer)
{
    const struct function *function = invocation->mapping->function;
    const char *reply = function->config->reply;
    if (!reply || invocation->mapping->event->report_batch_item_failures)
        return;
    if (is_nothing(answer)) {
        function->all->counters.empty++;
        return;
    }
    struct buffer topic = {0}, properties = {0};
    if (write_topic(invocation, "reply topic", reply, answer, &topic) &&
        write_reply_to(invocation, answer, &properties))
        hand_over(invocation, (struct parcel){.kind = PARCEL_RESULT,
                                              .message = {.topic = buffer_span(&topic),
                                                          .payload = answer,
                                                          .properties = buffer_span(&properties)}});
    buffer_fini(&properties);
    buffer_fini(&topic);
}

/* Also with an answer of nothing: who asked waits for it. */
static void answer_request(struct invocation *invocation, struct span answer)
{
    const struct message *request = invocation->batch->items[0].message;
    struct span topic;
    if (!answer_topic(invocation->mapping, request, &topic))
        return;
    struct buffer properties = {0};
    answer_write_properties(request, NULL, &properties);
    hand_over(invocation,
              (struct parcel){
                  .kind = PARCEL_ANSWER,
                  .message = {.topic = topic, .payload = answer, .properties = buffer_span(&properties)}});
    buffer_fini(&properties);
}

/* Sends the record of what it did to its destination. */
static void record_success(struct invocation *invocation, struct span answer)
{
    const struct mapping *mapping = invocation->mapping;
    const struct config_destination *config = &mapping->function->config->on_success;
    struct buffer topic = {0}, record = {0};
    struct destination to;
    if (config->kind != CONFIG_TO_NOBODY && destination_find(mapping, config, values_of(invocation, answer),
                                                             client_id_of(invocation), &topic, &to)) {
        destination_write_success(mapping, invocation->version, &invocation->batch->items[0],
                                  buffer_span(&invocation->event), answer, &record);
        hand_over(invocation,
                  (struct parcel){.kind = PARCEL_RECORD,
                                  .function = to.function,
                                  .message = {.topic = to.topic, .payload = buffer_span(&record)}});
    }
    buffer_fini(&record);
    buffer_fini(&topic);
}

static void set_outcomes(struct invocation *invocation, enum queue_outcome outcome)
{
    for (size_t i = 0; i < invocation->batch->count; i++) {
        if (invocation->batch->items[i].outcome != QUEUE_REJECTED)
            invocation->batch->items[i].outcome = outcome;
    }
}

/*
 * Of an ordered batch the lowest record that failed is a checkpoint: what is behind it counts as not reached,
 * whether it is named or not. An answer that names all, as one that cannot be trusted does, is a batch that
 * failed whole.
 */
static void stop_at_checkpoint(struct invocation *invocation)
{
    struct queue_item *items = invocation->batch->items;
    size_t count = invocation->batch->count, checkpoint = 0;
    bool any_succeeded = false;
    while (checkpoint < count && items[checkpoint].outcome != QUEUE_FAILED)
        checkpoint++;
    for (size_t i = 0; i < count; i++)
        any_succeeded = any_succeeded || items[i].outcome == QUEUE_SUCCEEDED;
    for (size_t i = checkpoint + 1; i < count && any_succeeded; i++) {
        if (items[i].outcome != QUEUE_REJECTED)
            items[i].outcome = QUEUE_NOT_REACHED;
    }
}

/* The function says itself which records failed. */
static void set_reported_outcomes(struct invocation *invocation, struct span answer)
{
    size_t count = invocation->batch->count;
    struct span *ids = memory_new_array(count, sizeof *ids);
    bool *failed = memory_new_array(count, sizeof *failed);
    for (size_t i = 0; i < count; i++)
        ids[i] = span_from_string(invocation->message_ids[i]);
    records_failed(answer, ids, count, failed);
    for (size_t i = 0; i < count; i++) {
        if (invocation->batch->items[i].outcome != QUEUE_REJECTED)
            invocation->batch->items[i].outcome = failed[i] ? QUEUE_FAILED : QUEUE_SUCCEEDED;
    }
    if (invocation->mapping->event->mode == CONFIG_MODE_ORDERED)
        stop_at_checkpoint(invocation);
    memory_free(ids);
    memory_free(failed);
}

static enum queue_outcome outcome_of(enum invoke_outcome outcome)
{
    switch (outcome) {
    case INVOKE_SUCCEEDED: return QUEUE_SUCCEEDED;
    case INVOKE_FUNCTION_ERROR:
    case INVOKE_TIMED_OUT:
    case INVOKE_CRASHED: return QUEUE_FAILED;
    case INVOKE_TRANSPORT_ERROR:
    case INVOKE_THROTTLED: return QUEUE_NOT_ATTEMPTED;
    }
    return QUEUE_FAILED;
}

static size_t count_succeeded(const struct invocation *invocation)
{
    size_t count = 0;
    for (size_t i = 0; i < invocation->batch->count; i++)
        count += invocation->batch->items[i].outcome == QUEUE_SUCCEEDED;
    return count;
}

/* What the state has already (tumbling_begin) is in no window. */
static bool is_of_window(const struct invocation *invocation)
{
    return buffer_len(&invocation->window.state) > 0;
}

/* What has succeeded is to be tried again: its state is not stored. */
static void take_back(struct invocation *invocation)
{
    for (size_t i = 0; i < invocation->batch->count; i++) {
        if (invocation->batch->items[i].outcome != QUEUE_REJECTED)
            invocation->batch->items[i].outcome = QUEUE_NOT_ATTEMPTED;
    }
}

void invocation_end(struct invocation *invocation, const struct queue_error *error)
{
    struct mapping *mapping = invocation->mapping;
    struct functions *all = mapping->function->all;
    bool has_state = is_of_window(invocation) && count_succeeded(invocation) > 0;
    struct queue_error not_stored = {.type = SPAN_LITERAL("Sluice.StateNotStored"),
                                     .message =
                                         SPAN_LITERAL("the state of its window could not be stored now")};
    if (has_state &&
        tumbling_commit(mapping->tumbling, &invocation->window, invocation->batch) != SLUICE_OK) {
        has_state = false;
        take_back(invocation);
        error = &not_stored;
    }
    all->counters.succeeded += count_succeeded(invocation);
    queue_done(mapping->queue, invocation->batch, uv_now(all->host.loop), error);
    if (has_state)
        tumbling_done(mapping->tumbling, &invocation->window);
    invocation_free(invocation);
}

void invocation_give_up(struct invocation *invocation, const struct queue_error *error)
{
    struct mapping *mapping = invocation->mapping;
    uint64_t now_ms = uv_now(mapping->function->all->host.loop);
    for (size_t i = 0; i < invocation->batch->count; i++) {
        struct queue_item *item = &invocation->batch->items[i];
        if (item->outcome != QUEUE_SUCCEEDED)
            continue;
        item->outcome = QUEUE_NOT_ATTEMPTED;
        queue_reject(mapping->queue, invocation->batch, i, now_ms, error);
    }
    invocation_end(invocation, error);
}

/*
 * The crash argument: what is handed over is in the journal, if anything must have it, before the messages
 * that it came of are acknowledged in the same journal. A crash between the two repeats the invocation;
 * nothing is lost. What cannot be handed over now holds the messages in the queue, and the queue back.
 */
static void finish(struct invocation *invocation, const struct invoke_result *result)
{
    struct mapping *mapping = invocation->mapping;
    struct queue_error error = {.is_throttled = result->outcome == INVOKE_THROTTLED,
                                .retry_after_ms = result->retry_after_ms,
                                .type = result->error_type,
                                .message = result->error_message,
                                .payload = result->payload};
    enum queue_outcome outcome = outcome_of(result->outcome);
    if (outcome == QUEUE_SUCCEEDED && mapping->event->report_batch_item_failures)
        set_reported_outcomes(invocation, result->payload);
    else
        set_outcomes(invocation, outcome);
    if (is_of_window(invocation) && count_succeeded(invocation) > 0 &&
        !tumbling_take_answer(&invocation->window, invocation->batch, result->payload)) {
        set_outcomes(invocation, QUEUE_FAILED);
        error.type = SPAN_LITERAL("Sluice.NoState");
        error.message = SPAN_LITERAL("the answer to a window's batch has no state of at most 1048576 bytes");
    }
    if (count_succeeded(invocation) > 0) {
        publish_result(invocation, result->payload);
        record_success(invocation, result->payload);
        answer_request(invocation,
                       result->payload); /* last: what is given up before it is answered as an error */
    }
    if (invocation->handover)
        handover_hold_invocation(invocation->handover, invocation, uv_now(mapping->function->all->host.loop));
    else
        invocation_end(invocation, &error);
}

static void on_done(void *ctx, const struct invoke_result *result)
{
    struct invocation *invocation = ctx;
    invocation->mapping->running_count--;
    if (result->outcome != INVOKE_SUCCEEDED)
        log_debug("function %s: %.*s: %.*s", invocation->mapping->function->config->name,
                  (int)result->error_type.len, (const char *)result->error_type.data,
                  (int)result->error_message.len, (const char *)result->error_message.data);
    finish(invocation, result);
}

/* What never began. */
static const struct invoke_result *refusal_of(enum sluice_error error)
{
    static const struct invoke_result no_version = {
        .outcome = INVOKE_FUNCTION_ERROR,
        .error_type = SPAN_LITERAL("ResourceNotFoundException"),
        .error_message = SPAN_LITERAL("this version of it is not kept any more")};
    static const struct invoke_result busy = {.outcome = INVOKE_TRANSPORT_ERROR,
                                              .error_type = SPAN_LITERAL("Sluice.Busy"),
                                              .error_message = SPAN_LITERAL("its workers are busy")};
    return error == SLUICE_NOT_FOUND ? &no_version : &busy;
}

/* What no worker takes is given up at once: trying again would not help. */
static void reject_too_large(struct invocation *invocation, uint64_t now_ms)
{
    const struct queue_error error = {
        .type = SPAN_LITERAL("InvalidEvent"),
        .message = SPAN_LITERAL("it is larger than a worker takes, or its MQTT properties are")};
    for (size_t i = 0; i < invocation->batch->count; i++) {
        if (invocation->batch->items[i].outcome == QUEUE_NOT_ATTEMPTED)
            queue_reject(invocation->mapping->queue, invocation->batch, i, now_ms, &error);
    }
    invocation_end(invocation, &error);
}

void invocation_start(struct mapping *mapping, struct queue_batch *batch)
{
    struct functions *all = mapping->function->all;
    struct invocation *invocation = memory_new(sizeof *invocation);
    invocation->mapping = mapping;
    invocation->batch = batch;
    invocation->version = mapping_version(mapping, batch->items[0].message);
    if (!invocation_write_event(invocation, uv_now(all->host.loop))) {
        invocation_end(invocation, NULL);
        return;
    }
    struct buffer context = {0};
    char request_id[REQUEST_ID_BYTES];
    invocation_request_id(mapping, batch->items[0].ordinal, request_id);
    write_context(invocation, request_id, &context);
    struct invoke_request request = {.context = buffer_span(&context),
                                     .event = buffer_span(&invocation->event),
                                     .request_id = request_id,
                                     .on_done = on_done,
                                     .ctx = invocation};
    struct invoke_pool *pool = mapping_pool(mapping, batch->items[0].message);
    enum sluice_error error = pool ? invoke_submit(pool, &request) : SLUICE_NOT_FOUND;
    buffer_fini(&context);
    if (!error) {
        all->counters.invocations++;
        mapping->running_count++;
        return;
    }
    if (error == SLUICE_TOO_LARGE)
        reject_too_large(invocation, uv_now(all->host.loop));
    else
        finish(invocation, refusal_of(error));
}
