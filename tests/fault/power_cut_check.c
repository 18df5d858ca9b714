/* What came back, against what was promised. */
#include "power_cut_world.h"

static struct model_queue *queue_of(struct world *world, uint32_t id)
{
    for (int i = 0; i < QUEUES; i++) {
        if (world->queues[i].id == id)
            return &world->queues[i];
    }
    return NULL;
}

static void on_queue(void *ctx, uint32_t id, enum journal_queue_kind kind, struct span name,
                     uint64_t next_ordinal)
{
    struct world *world = ctx;
    for (int i = 0; i < QUEUES; i++) {
        struct model_queue *queue = &world->queues[i];
        if (!span_equal(name, span_from_string(queue->name)) || kind != queue->kind)
            continue;
        check_or_stop(!queue->seen, world, "a queue came back twice");
        queue->seen = true;
        check_or_stop(id == queue->id || id == queue->dropped_id, world, "a dropped queue came back");
        if (id == queue->dropped_id && id != queue->id) {
            forget_contents(queue); /* its drop was not on disk: what it holds is as good as nothing */
            queue->id = 0;
            queue->dropped_id = id;
            return;
        }
        uint64_t used = 0;
        for (uint64_t o = 0; o < queue->next; o++)
            used = queue->entries[o].added && queue->entries[o].seq <= world->durable_seq ? o + 1 : used;
        check_or_stop(next_ordinal >= used, world, "an ordinal would be used again");
        return;
    }
    check_or_stop(false, world, "an unknown queue came back");
}

static void on_entry(void *ctx, const struct journal_entry *found)
{
    struct world *world = ctx;
    struct model_queue *queue = queue_of(world, found->queue);
    if (!queue)
        return; /* of a queue whose drop was not on disk */
    check_or_stop(found->ordinal < queue->next, world, "an unknown entry came back");
    struct entry *entry = &queue->entries[found->ordinal];
    check_or_stop(entry->added != NEVER, world, "an entry came back that was never added");
    check_or_stop(!entry->seen, world, "an entry came back twice");
    check_or_stop(entry->acknowledged != ON_DISK, world, "a finished entry came back");
    check_or_stop(entry->qos == found->qos && entry->retain == found->retain && entry->share == found->share,
                  world, "an entry came back changed");
    bool received_on_disk = entry->received != NEVER && entry->received_seq <= world->durable_seq;
    check_or_stop(!received_on_disk || found->received, world, "a PUBREC was forgotten");
    check_or_stop(entry->received != NEVER || !found->received, world, "a PUBREC came from nowhere");
    entry->seen = true;
    entry->received = found->received ? ON_DISK : NEVER;
    entry->received_seq = 0;
    entry->position = found->position;
    struct message *message;
    check_or_stop(!journal_load(world->journal, found->position, &message), world,
                  "a message cannot be read");
    check_or_stop(found->bytes == message_bytes(message), world, "a message's size is wrong");
    check_or_stop(message->publisher_kind == PUBLISHER_KIND &&
                      span_equal(message->publisher_name, span_from_string(publisher_name)),
                  world, "a message lost its publisher");
    message_unref(message);
    world->replayed++;
}

static void on_packet_id(void *ctx, uint32_t id, uint16_t packet_id)
{
    struct world *world = ctx;
    struct model_queue *queue = queue_of(world, id);
    if (!queue)
        return;
    struct packet_id *held = &queue->packet_ids[packet_id];
    check_or_stop(held->held_on_disk || held->changing, world, "a released Packet Identifier came back");
    held->seen = true;
}

/* The unpromised end is a prefix: if one record of it is there, so is each before it. */
static void check_prefix(struct world *world)
{
    uint64_t last_there = 0, first_missing = UINT64_MAX;
    for (int i = 0; i < QUEUES; i++) {
        struct model_queue *queue = &world->queues[i];
        for (uint64_t o = 0; queue->id && o < queue->next; o++) {
            struct entry *entry = &queue->entries[o];
            if (entry->added == NEVER || entry->acknowledged != NEVER)
                continue;
            if (entry->seen && entry->seq > last_there)
                last_there = entry->seq;
            if (!entry->seen && entry->seq < first_missing)
                first_missing = entry->seq;
        }
    }
    check_or_stop(last_there < first_missing, world, "a record is there whose predecessor is not");
}

static void check_queue(struct world *world, struct model_queue *queue)
{
    if (!queue->seen) {
        check_or_stop(queue->id == 0 || queue->declared != ON_DISK, world, "a queue is lost");
        queue->id = queue->dropped_id = 0;
        forget_contents(queue);
        return;
    }
    if (queue->id == 0) { /* its drop was lost: drop it again, for good */
        journal_queue_drop(world->journal, queue->dropped_id);
        return;
    }
    queue->dropped_id = 0;
    for (uint64_t o = 0; o < queue->next; o++) {
        struct entry *entry = &queue->entries[o];
        bool promised = entry->added && entry->seq <= world->durable_seq && entry->acknowledged == NEVER;
        check_or_stop(!promised || entry->seen, world, "an acknowledged message is lost");
        world->lost_unpromised += entry->added && !entry->seen && entry->acknowledged == NEVER;
        entry->added = entry->seen ? ON_DISK : NEVER;
        entry->acknowledged = NEVER;
        entry->seq = 0;
        entry->seen = false;
    }
    queue->oldest = 0;
    for (int id = 0; id < PACKET_IDS; id++) {
        struct packet_id *held = &queue->packet_ids[id];
        check_or_stop(!held->held_on_disk || held->changing || held->seen, world,
                      "a Packet Identifier is lost");
        *held = (struct packet_id){.held = held->seen, .held_on_disk = held->seen};
    }
    queue->declared = ON_DISK;
    queue->seq = 0;
}

void check_all(struct world *world)
{
    for (int i = 0; i < QUEUES; i++)
        world->queues[i].seen = false;
    journal_visit(world->journal, &(struct journal_visitor){world, on_queue, on_entry, on_packet_id});
    check_prefix(world);
    for (int i = 0; i < QUEUES; i++)
        check_queue(world, &world->queues[i]);
}
