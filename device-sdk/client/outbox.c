#include "client/outbox.h"

#include <assert.h>

enum { ENTRY_ALIGN = _Alignof(struct outbox_entry) };

void outbox_init(struct outbox *outbox, void *memory, size_t capacity_bytes)
{
    *outbox = (struct outbox){.memory = memory, .capacity_bytes = capacity_bytes};
}

size_t outbox_entry_bytes(size_t len)
{
    size_t bytes = sizeof(struct outbox_entry) + len;
    return (bytes + ENTRY_ALIGN - 1) / ENTRY_ALIGN * ENTRY_ALIGN;
}

static struct outbox_entry *entry_at(const struct outbox *outbox, size_t offset)
{
    return offset < outbox->tail ? (struct outbox_entry *)(void *)(outbox->memory + offset) : NULL;
}

static size_t offset_of(const struct outbox *outbox, const struct outbox_entry *entry)
{
    return (size_t)((const uint8_t *)entry - outbox->memory);
}

struct outbox_entry *outbox_first(const struct outbox *outbox)
{
    return entry_at(outbox, outbox->head);
}

struct outbox_entry *outbox_next(const struct outbox *outbox, const struct outbox_entry *entry)
{
    return entry_at(outbox, offset_of(outbox, entry) + outbox_entry_bytes(entry->len));
}

uint8_t *outbox_packet(struct outbox_entry *entry)
{
    return (uint8_t *)(entry + 1);
}

struct outbox_entry *outbox_entry_of(uint8_t *packet)
{
    return (struct outbox_entry *)(void *)packet - 1;
}

struct outbox_entry *outbox_place(struct outbox *outbox, size_t bytes)
{
    if (bytes > outbox->capacity_bytes - outbox->tail) {
        memmove(outbox->memory, outbox->memory + outbox->head, outbox->tail - outbox->head);
        outbox->tail -= outbox->head;
        outbox->head = 0;
    }
    return (struct outbox_entry *)(void *)(outbox->memory + outbox->tail);
}

size_t outbox_queued(const struct outbox *outbox)
{
    return outbox->count + (outbox->store ? outbox->store->count - outbox->stored_count : 0);
}

enum sluice_error outbox_add(struct outbox *outbox, size_t len, uint16_t packet_id, uint16_t sample_count,
                             uint8_t **ret_packet)
{
    size_t bytes = outbox_entry_bytes(len);
    if (bytes > (outbox->store ? outbox->capacity_bytes / 2 : outbox->capacity_bytes))
        return SLUICE_TOO_LARGE;
    if (bytes > outbox->capacity_bytes - (outbox->tail - outbox->head) || outbox->count == OUTBOX_COUNT_MAX)
        return SLUICE_FULL;
    struct outbox_entry *entry = outbox_place(outbox, bytes);
    *entry =
        (struct outbox_entry){.len = (uint32_t)len, .packet_id = packet_id, .sample_count = sample_count};
    outbox->tail += bytes;
    outbox->count++;
    *ret_packet = outbox_packet(entry);
    return SLUICE_OK;
}

struct outbox_entry *outbox_unsent(const struct outbox *outbox)
{
    struct outbox_entry *entry = outbox_first(outbox);
    while (entry && entry->state != OUTBOX_WAITING && entry->state != OUTBOX_AGAIN)
        entry = outbox_next(outbox, entry);
    return entry;
}

struct outbox_entry *outbox_find(const struct outbox *outbox, uint16_t packet_id)
{
    struct outbox_entry *entry = outbox_first(outbox);
    while (entry && entry->packet_id != packet_id)
        entry = outbox_next(outbox, entry);
    return entry;
}

void outbox_settle(struct outbox *outbox, struct outbox_entry *entry)
{
    assert(entry->state != OUTBOX_DONE);
    entry->state = OUTBOX_DONE;
    entry->packet_id = 0;
    outbox->count--;
    for (struct outbox_entry *first; (first = outbox_first(outbox)) && first->state == OUTBOX_DONE;) {
        outbox->head += outbox_entry_bytes(first->len);
        if (first->stored) {
            outbox->stored_count--;
            outbox->store->remove(outbox->store);
        }
    }
    if (outbox->head == outbox->tail)
        outbox->head = outbox->tail = 0;
}

size_t outbox_thin(struct outbox *outbox, const struct outbox_entry *keep)
{
    size_t dropped_count = 0, to = outbox->head;
    bool drop = false;
    for (size_t from = outbox->head; from < outbox->tail;) {
        struct outbox_entry *entry = entry_at(outbox, from);
        size_t bytes = outbox_entry_bytes(entry->len);
        bool thinnable =
            entry->sample_count > 0 && entry->state == OUTBOX_WAITING && entry != keep && !entry->stored;
        if (thinnable && drop)
            dropped_count++;
        else
            to += (memmove(outbox->memory + to, entry, bytes), bytes);
        drop = thinnable ? !drop : drop;
        from += bytes;
    }
    outbox->tail = to;
    outbox->count -= dropped_count;
    return dropped_count;
}

static void set_states(struct outbox *outbox, enum outbox_state from, enum outbox_state to)
{
    for (struct outbox_entry *entry = outbox_first(outbox); entry; entry = outbox_next(outbox, entry))
        if (entry->state == from)
            entry->state = (uint8_t)to;
}

void outbox_rewind(struct outbox *outbox)
{
    set_states(outbox, OUTBOX_SENT, OUTBOX_AGAIN);
}

void outbox_forget(struct outbox *outbox)
{
    set_states(outbox, OUTBOX_AGAIN, OUTBOX_WAITING);
}
