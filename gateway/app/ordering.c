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
    if (event->mode != CONFIG_MODE_ORDERED)
        return 0;
    struct span key_template = span_from_string(event->partition_key);
    if (span_equal(key_template, SPAN_LITERAL("client")))
        return partition_of(message->client_id);
    if (span_equal(key_template, SPAN_LITERAL("topic")))
        return partition_of(message->topic);
    struct buffer key = {0};
    /* Messages without a value share the partition of the empty key. */
    reply_text(key_template, message->payload, message->client_id, &key);
    uint32_t partition = partition_of(buffer_span(&key));
    buffer_fini(&key);
    return partition;
}

uint32_t mapping_restored_partition(const struct mapping *mapping, const struct journal_entry *entry)
{
    struct message *message;
    if (mapping->event->mode != CONFIG_MODE_ORDERED || entry->share > 0)
        return entry->share;
    if (journal_load(mapping->function->all->host.journal, entry->position, &message) != SLUICE_OK)
        return 0; /* its lease will find that out too, and make it a dead letter */
    uint32_t partition = mapping_partition(mapping, message);
    message_unref(message);
    return partition;
}
