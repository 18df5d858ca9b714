/* Which partition of an ordered queue a message belongs to. */
#include "app/functions_internal.h"

#include "base/crc32c.h"
#include "route/reply.h"

/*
 * A partition is known by 26 bits that follow from its key's CRC, which the journal keeps beside a message
 * (0: none). Two keys that agree in them share a partition: each is still handled in its order.
 */
static uint32_t partition_of(struct span key)
{
    return crc32c(0, key) % JOURNAL_SHARE_MAX + 1;
}

uint32_t mapping_partition(const struct mapping *mapping, const struct message *message)
{
    const struct config_event *event = mapping->event;
    uint32_t partition;
    if (event->mode != CONFIG_MODE_ORDERED)
        return 0;
    if (mapping->tumbling && tumbling_is_end(message, &partition))
        return partition;
    struct span key_template = span_from_string(event->partition_key);
    if (span_equal(key_template, SPAN_LITERAL("client")))
        return partition_of(message->client_id);
    if (span_equal(key_template, SPAN_LITERAL("topic")))
        return partition_of(message->topic);
    struct buffer key = {0};
    /* Messages without a value share the partition of the empty key. */
    reply_text(key_template, message->payload, message->client_id, &key);
    partition = partition_of(buffer_span(&key));
    buffer_fini(&key);
    return partition;
}

uint32_t mapping_restored_partition(const struct mapping *mapping, const struct journal_entry *entry,
                                    uint64_t *ret_waited_ms)
{
    const struct functions_host *host = &mapping->function->all->host;
    struct message *message;
    bool is_known = mapping->event->mode != CONFIG_MODE_ORDERED || entry->share > 0;
    *ret_waited_ms = 0;
    if (is_known && mapping->event->delay_ms == 0)
        return entry->share;
    if (journal_load(host->journal, entry->position, &message) != SLUICE_OK)
        return entry->share; /* its lease will find that out too, and make it a dead letter */
    uint32_t partition = is_known ? entry->share : mapping_partition(mapping, message);
    uint64_t wall_ms = host->wall_ms(host->ctx);
    if (wall_ms > message->received_ms)
        *ret_waited_ms = wall_ms - message->received_ms;
    message_unref(message);
    return partition;
}
