#include "broker/outgoing.h"

#include "base/memory.h"

#include <assert.h>

enum { SMALLEST_CAPACITY = 4, IDLE_CAPACITY = 64, RESTORE_SPAN_MAX = 1 << 24 };

void outgoing_init(struct outgoing *outgoing, uint64_t next_ordinal)
{
    *outgoing = (struct outgoing){.oldest = next_ordinal, .cursor = next_ordinal, .next = next_ordinal};
}

void outgoing_fini(struct outgoing *outgoing)
{
    for (uint64_t ordinal = outgoing->oldest; ordinal < outgoing->next; ordinal++) {
        struct outgoing_entry *entry = outgoing_at(outgoing, ordinal);
        message_unref(entry->message);
        memory_free(entry->identifiers);
    }
    memory_free(outgoing->ring);
    *outgoing = (struct outgoing){0};
}

struct outgoing_entry *outgoing_at(const struct outgoing *outgoing, uint64_t ordinal)
{
    assert(ordinal >= outgoing->oldest && ordinal < outgoing->next);
    return &outgoing->ring[ordinal & (outgoing->capacity - 1)];
}

static void grow(struct outgoing *outgoing)
{
    uint32_t capacity = outgoing->capacity ? outgoing->capacity * 2 : SMALLEST_CAPACITY;
    struct outgoing_entry *ring = memory_new_array(capacity, sizeof *ring);
    for (uint64_t ordinal = outgoing->oldest; ordinal < outgoing->next; ordinal++)
        ring[ordinal & (capacity - 1)] = *outgoing_at(outgoing, ordinal);
    memory_free(outgoing->ring);
    outgoing->ring = ring;
    outgoing->capacity = capacity;
}

struct outgoing_entry *outgoing_append(struct outgoing *outgoing, const struct outgoing_entry *entry)
{
    if (outgoing_count(outgoing) == outgoing->capacity)
        grow(outgoing);
    struct outgoing_entry *slot = &outgoing->ring[outgoing->next++ & (outgoing->capacity - 1)];
    *slot = *entry;
    outgoing->bytes += slot->bytes;
    if (slot->message)
        outgoing->memory_bytes += slot->bytes;
    return slot;
}

struct outgoing_entry *outgoing_sendable(const struct outgoing *outgoing)
{
    if (outgoing->cursor == outgoing->next || outgoing->cursor - outgoing->oldest >= PACKET_ID_COUNT)
        return NULL;
    return outgoing_at(outgoing, outgoing->cursor);
}

struct outgoing_entry *outgoing_find(const struct outgoing *outgoing, uint16_t packet_id,
                                     uint64_t *ret_ordinal)
{
    uint64_t oldest_id = outgoing->oldest % PACKET_ID_COUNT;
    uint64_t ordinal = outgoing->oldest + (packet_id - 1u + PACKET_ID_COUNT - oldest_id) % PACKET_ID_COUNT;
    if (packet_id == 0 || ordinal >= outgoing->cursor)
        return NULL;
    struct outgoing_entry *entry = outgoing_at(outgoing, ordinal);
    if (entry->state == OUTGOING_DONE)
        return NULL;
    *ret_ordinal = ordinal;
    return entry;
}

void outgoing_forget_message(struct outgoing *outgoing, struct outgoing_entry *entry)
{
    if (!entry->message)
        return;
    outgoing->memory_bytes -= entry->bytes;
    message_unref(entry->message);
    entry->message = NULL;
}

void outgoing_finish(struct outgoing *outgoing, uint64_t ordinal)
{
    struct outgoing_entry *entry = outgoing_at(outgoing, ordinal);
    assert(entry->state != OUTGOING_DONE);
    outgoing_forget_message(outgoing, entry);
    memory_free(entry->identifiers);
    entry->identifiers = NULL;
    outgoing->bytes -= entry->bytes;
    if (ordinal < outgoing->cursor)
        outgoing->inflight_count--;
    entry->state = OUTGOING_DONE;
    while (outgoing->oldest < outgoing->next &&
           outgoing_at(outgoing, outgoing->oldest)->state == OUTGOING_DONE)
        outgoing->oldest++;
    if (outgoing->cursor < outgoing->oldest)
        outgoing->cursor = outgoing->oldest;
    if (outgoing_count(outgoing) == 0 && outgoing->capacity > IDLE_CAPACITY) {
        memory_free(outgoing->ring);
        outgoing->ring = NULL;
        outgoing->capacity = 0;
    }
}

/* The first one gives the ring its whole span, finished entries; the restored ones then take their places. */
bool outgoing_restore(struct outgoing *outgoing, uint64_t ordinal, const struct outgoing_entry *entry)
{
    uint64_t next = outgoing->next;
    if (ordinal >= next || next - ordinal > RESTORE_SPAN_MAX)
        return false;
    if (outgoing_count(outgoing) == 0) {
        outgoing->oldest = outgoing->cursor = outgoing->next = ordinal;
        while (outgoing->next < next)
            outgoing_append(outgoing, &(struct outgoing_entry){.state = OUTGOING_DONE});
    }
    if (ordinal < outgoing->oldest || outgoing_at(outgoing, ordinal)->state != OUTGOING_DONE)
        return false;
    *outgoing_at(outgoing, ordinal) = *entry;
    outgoing->bytes += entry->bytes;
    return true;
}

void outgoing_rules_changed(struct outgoing *outgoing)
{
    for (uint64_t ordinal = outgoing->oldest; ordinal < outgoing->next; ordinal++)
        outgoing_at(outgoing, ordinal)->old_rules = true;
}

void outgoing_rewind(struct outgoing *outgoing)
{
    outgoing->cursor = outgoing->oldest;
    outgoing->inflight_count = 0;
}
