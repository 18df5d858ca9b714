#include "broker/incoming.h"

#include "base/memory.h"

enum { SMALLEST_CAPACITY = 4, IDLE_CAPACITY = 64 };

void incoming_fini(struct incoming *incoming)
{
    for (uint32_t i = 0; i < incoming->count; i++)
        processing_unref(incoming->ids[incoming->start + i].processing);
    memory_free(incoming->ids);
    *incoming = (struct incoming){0};
}

/* Where packet_id is, or would be, counted from .start. */
static uint32_t place_of(const struct incoming *incoming, uint16_t packet_id)
{
    const struct incoming_id *ids = incoming->ids + incoming->start;
    uint32_t low = 0, high = incoming->count;
    if (high > 0 && ids[high - 1].packet_id < packet_id)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ids[middle].packet_id < packet_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct incoming_id *incoming_find(const struct incoming *incoming, uint16_t packet_id)
{
    if (incoming->count == 0)
        return NULL;
    uint32_t place = place_of(incoming, packet_id);
    struct incoming_id *id = incoming->ids + incoming->start + place;
    return place < incoming->count && id->packet_id == packet_id ? id : NULL;
}

static void make_room(struct incoming *incoming)
{
    if (incoming->start + incoming->count < incoming->capacity)
        return;
    if (incoming->start >= incoming->capacity / 2 && incoming->start > 0) {
        memmove(incoming->ids, incoming->ids + incoming->start, incoming->count * sizeof *incoming->ids);
        incoming->start = 0;
        return;
    }
    incoming->capacity = incoming->capacity ? incoming->capacity * 2 : SMALLEST_CAPACITY;
    incoming->ids = memory_resize(incoming->ids, incoming->capacity * sizeof *incoming->ids);
}

void incoming_add(struct incoming *incoming, uint16_t packet_id, uint64_t seq,
                  struct broker_processing *processing)
{
    make_room(incoming);
    uint32_t place = place_of(incoming, packet_id);
    struct incoming_id *at = incoming->ids + incoming->start + place;
    memmove(at + 1, at, (incoming->count - place) * sizeof *at);
    *at = (struct incoming_id){seq, processing_ref(processing), packet_id};
    incoming->count++;
}

static void remove_at(struct incoming *incoming, uint32_t place)
{
    struct incoming_id *at = incoming->ids + incoming->start + place;
    processing_unref(at->processing);
    incoming->count--;
    if (place == 0)
        incoming->start++;
    else
        memmove(at, at + 1, (incoming->count - place) * sizeof *at);
    if (incoming->count > 0)
        return;
    incoming->start = 0;
    if (incoming->capacity > IDLE_CAPACITY)
        incoming_fini(incoming);
}

bool incoming_remove(struct incoming *incoming, uint16_t packet_id)
{
    struct incoming_id *id = incoming_find(incoming, packet_id);
    if (!id)
        return false;
    remove_at(incoming, (uint32_t)(id - incoming->ids) - incoming->start);
    return true;
}
