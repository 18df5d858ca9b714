/* What a function gets: the event of a lease. */
#include "app/invocation_parts.h"

#include "base/memory.h"
#include "invoke/records.h"

#include <inttypes.h>
#include <mbedtls/md5.h>
#include <stdio.h>

void invocation_request_id(const struct mapping *mapping, uint64_t ordinal, char ret_id[REQUEST_ID_BYTES])
{
    snprintf(ret_id, REQUEST_ID_BYTES, "%08" PRIx32 "-0000-8000-8000-%012" PRIx64, mapping->queue_id,
             ordinal & UINT64_C(0xffffffffffff));
}

static void md5_hex(struct span bytes, char ret_hex[RECORDS_MD5_HEX_BYTES])
{
    unsigned char digest[16];
    mbedtls_md5(bytes.data, bytes.len, digest);
    hex_write(span_of(digest, sizeof digest), ret_hex);
}

bool invocation_select(const struct mapping *mapping, const struct message *message, struct buffer *out,
                       char (*ret_fault)[FAULT_BYTES])
{
    if (!mapping->event->rule) { /* what no message brought is its event */
        buffer_append(out, message->payload);
        return true;
    }
    const struct functions *all = mapping->function->all;
    struct message view = functions_view(all, message);
    struct rule_input input = rule_input_of(&view, functions_random(all));
    if (rule_select(mapping->event->rule, &input, out) == RULE_MATCH)
        return true;
    if (ret_fault)
        rule_payload_fault(&input, *ret_fault, sizeof *ret_fault);
    return false;
}

/* Selects from one item's message. What the rule cannot read will never be readable, and what goes round will
 * never end: it is given up at once. */
static bool select_event(struct invocation *invocation, size_t index, uint64_t now_ms, struct buffer *out)
{
    const struct message *message = invocation->batch->items[index].message;
    uint64_t passed = chain_depth(message);
    bool goes_round = passed >= invocation->mapping->function->all->config->limits.chained_functions_count;
    char fault[FAULT_BYTES];
    if (goes_round)
        snprintf(fault, sizeof fault,
                 "it has passed %" PRIu64 " functions by their results, the bound of "
                 "gateway.limits.chainedFunctions: do they feed one another?",
                 passed);
    else if (invocation_select(invocation->mapping, message, out, &fault))
        return true;
    struct queue_error error = {.type = goes_round ? SPAN_LITERAL("RecursiveLoop")
                                                   : SPAN_LITERAL("InvalidPayload"),
                                .message = span_from_string(fault)};
    queue_reject(invocation->mapping->queue, invocation->batch, index, now_ms, &error);
    return false;
}

/* `id` is set to what the answer names it by. */
static bool add_record(const struct mapping *mapping, const struct queue_item *item,
                       struct records_writer *writer, struct span body, char id[DECIMAL_BYTES])
{
    const struct functions *all = mapping->function->all;
    uint64_t epoch_ms = all->host.wall_ms(all->host.ctx) - uv_now(all->host.loop); /* the loop's time 0 */
    struct record_attribute attributes[] = {
        {SPAN_LITERAL("topic"), functions_view(all, item->message).topic},
        {SPAN_LITERAL("client"), item->message->client_id},
    };
    struct record record = {
        .message_id = decimal_write(item->ordinal, id),
        .body = body,
        .sender_id = item->message->client_id,
        .receive_count = item->attempt,
        .sent_ms = item->message->received_ms,
        .first_receive_ms = epoch_ms + item->first_ms,
        .attributes = attributes,
        .attribute_count = sizeof attributes / sizeof *attributes,
    };
    return records_add(writer, &record);
}

static struct records_source source_of(const struct mapping *mapping)
{
    const struct function *function = mapping->function;
    return (struct records_source){
        .event_source = SPAN_LITERAL("aws:sqs"),
        .arn = span_from_string(function->arn),
        .region = span_from_string(function->all->config->region),
        .md5 = md5_hex,
        .event_bytes_max = mapping->event->maximum_batching_bytes,
    };
}

void invocation_write_batch_of_one(const struct mapping *mapping, const struct queue_item *item,
                                   struct span selected, struct buffer *out)
{
    char id[DECIMAL_BYTES];
    uint32_t partition;
    struct buffer tail = {0};
    struct records_source source = source_of(mapping);
    struct records_writer writer = records_begin(out, &source);
    if (mapping->tumbling && tumbling_is_end(item->message, &partition))
        tumbling_write_end(mapping->tumbling, item->message, &tail);
    else
        add_record(mapping, item, &writer, selected, id);
    records_end(&writer, buffer_span(&tail));
    buffer_fini(&tail);
}

static void select_records(struct invocation *invocation, uint64_t now_ms, struct records_writer *writer)
{
    struct queue_batch *batch = invocation->batch;
    struct buffer body = {0};
    uint32_t partition;
    for (size_t i = 0; i < batch->count; i++) {
        buffer_consume(&body, buffer_len(&body));
        if (invocation->mapping->tumbling && tumbling_is_end(batch->items[i].message, &partition))
            break; /* the last */
        bool is_selected = select_event(invocation, i, now_ms, &body);
        if (is_selected && !add_record(invocation->mapping, &batch->items[i], writer, buffer_span(&body),
                                       invocation->message_ids[i]))
            queue_shorten(invocation->mapping->queue, batch, i, now_ms);
        else if (!is_selected && invocation->mapping->tumbling) /* its dead letter is not behind a state */
            queue_shorten(invocation->mapping->queue, batch, i + 1, now_ms);
        size_t alike_bytes = buffer_len(writer->out) * batch->count;
        if (i == 0 && alike_bytes < writer->source->event_bytes_max)
            buffer_reserve(writer->out, alike_bytes); /* once, instead of growing step by step */
    }
    buffer_fini(&body);
}

/* Lambda's event for a batch. False: it has no records. What its bytes have no room for is left to the next.
 */
static bool write_records(struct invocation *invocation, uint64_t now_ms)
{
    const struct mapping *mapping = invocation->mapping;
    struct records_source source = source_of(mapping);
    struct buffer tail = {0};
    if (mapping->tumbling &&
        !tumbling_begin(mapping->tumbling, invocation->batch, now_ms, &invocation->window))
        return false;
    if (mapping->tumbling)
        source.event_bytes_max -= tumbling_bytes_max(mapping->tumbling, &invocation->window);
    invocation->message_ids = memory_new_array(invocation->batch->count, DECIMAL_BYTES);
    struct records_writer writer = records_begin(&invocation->event, &source);
    select_records(invocation, now_ms, &writer);
    if (mapping->tumbling)
        tumbling_write(mapping->tumbling, &invocation->window, invocation->batch, &tail);
    records_end(&writer, buffer_span(&tail));
    buffer_fini(&tail);
    return writer.count > 0 || invocation->window.is_final;
}

/* What another Server gets it as. What can never be forwarded is given up at once. */
static bool select_publish(struct invocation *invocation, uint64_t now_ms)
{
    const struct function *function = invocation->mapping->function;
    const struct functions_host *host = &function->all->host;
    struct queue_error error;
    if (!function->config->uplink.url ||
        uplink_write_publish(function, invocation->batch->items[0].message, buffer_span(&invocation->event),
                             host->wall_ms(host->ctx), &invocation->publish, &error) == SLUICE_OK)
        return true;
    queue_reject(invocation->mapping->queue, invocation->batch, 0, now_ms, &error);
    return false;
}

bool invocation_write_event(struct invocation *invocation, uint64_t now_ms)
{
    if (invocation->mapping->event->batch_size > 0)
        return write_records(invocation, now_ms);
    return select_event(invocation, 0, now_ms, &invocation->event) && select_publish(invocation, now_ms);
}
