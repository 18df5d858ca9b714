/* The random load, also on the disk. */
#include "power_cut_world.h"

#include <inttypes.h>
#include <stdio.h>

static void payload_of(char *text, uint32_t queue, uint64_t ordinal)
{
    int len = snprintf(text, 200, "%" PRIu32 ":%" PRIu64 ":", queue, ordinal);
    size_t fill = (ordinal * 7 + queue) % 150;
    memset(text + len, 'x', fill);
    text[(size_t)len + fill] = '\0';
}

static void append(struct world *world)
{
    enum { MESSAGES = 3 };
    struct journal_target targets[MESSAGES][QUEUES];
    struct journal_message messages[MESSAGES] = {0};
    struct message views[MESSAGES] = {0};
    char payloads[MESSAGES][220];
    uint64_t next[QUEUES];
    for (int i = 0; i < QUEUES; i++)
        next[i] = world->queues[i].next;
    size_t count = 1 + below(world, MESSAGES);
    for (size_t m = 0; m < count; m++) {
        for (int i = 0; i < QUEUES; i++) {
            struct model_queue *queue = &world->queues[i];
            if (queue->id == 0 || below(world, 3) || next[i] >= ENTRIES_MAX)
                continue;
            targets[m][messages[m].target_count++] =
                (struct journal_target){.queue = queue->id,
                                        .ordinal = next[i]++,
                                        .share = below(world, 2) ? below(world, JOURNAL_SHARE_MAX) : 0,
                                        .qos = (uint8_t)below(world, 3),
                                        .retain = below(world, 2)};
        }
        if (messages[m].target_count > 0)
            payload_of(payloads[m], targets[m][0].queue, targets[m][0].ordinal);
        else
            payloads[m][0] = '\0';
        views[m] = (struct message){.retain = true,
                                    .publisher_kind = PUBLISHER_KIND,
                                    .topic = SPAN_LITERAL("farm/a"),
                                    .payload = span_from_string(payloads[m]),
                                    .publisher_name = span_from_string(publisher_name)};
        messages[m].message = &views[m];
        messages[m].targets = targets[m];
    }
    struct journal_origin origin = {0};
    struct model_queue *publisher = &world->queues[below(world, SESSIONS)];
    uint16_t packet_id = (uint16_t)below(world, PACKET_IDS);
    if (publisher->id && packet_id && !publisher->packet_ids[packet_id].held)
        origin = (struct journal_origin){.queue = publisher->id, .packet_id = packet_id};

    uint64_t seq;
    enum sluice_error error = journal_append_messages(world->journal, origin, messages, count, &seq);
    if (error) {
        check_or_stop(error == SLUICE_FULL || world->failing, world, "an append was refused for no reason");
        return;
    }
    world->appended++;
    if (origin.packet_id) {
        struct packet_id *held = &publisher->packet_ids[packet_id];
        held->held = held->changing = true;
        held->seq = seq;
    }
    for (size_t m = 0; m < count; m++) {
        for (size_t t = 0; t < messages[m].target_count; t++) {
            const struct journal_target *target = &targets[m][t];
            struct model_queue *queue = world->queues;
            while (queue->id != target->queue)
                queue++;
            queue->entries[target->ordinal] = (struct entry){.added = ASKED,
                                                             .seq = seq,
                                                             .position = messages[m].ret_position,
                                                             .share = target->share,
                                                             .qos = target->qos,
                                                             .retain = target->retain};
            queue->next = target->ordinal + 1;
        }
    }
}

static struct entry *pick_entry(struct world *world, struct model_queue **ret_queue, uint64_t *ret_ordinal)
{
    struct model_queue *queue = &world->queues[below(world, QUEUES)];
    while (queue->oldest < queue->next && (queue->entries[queue->oldest].added == NEVER ||
                                           queue->entries[queue->oldest].acknowledged != NEVER))
        queue->oldest++;
    if (queue->id == 0 || queue->oldest == queue->next)
        return NULL;
    uint64_t span = queue->next - queue->oldest;
    *ret_ordinal = queue->oldest + below(world, (uint32_t)(span < 20 ? span : 20));
    *ret_queue = queue;
    struct entry *entry = &queue->entries[*ret_ordinal];
    return entry->added == NEVER || entry->acknowledged != NEVER ? NULL : entry;
}

static void acknowledge(struct world *world, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct model_queue *queue;
        uint64_t ordinal;
        struct entry *entry = pick_entry(world, &queue, &ordinal);
        /* One queue is stuck most of the time: its messages have to be copied forward. */
        if (!entry || (queue == &world->queues[QUEUES - 1] && below(world, 50)))
            continue;
        journal_acknowledge(world->journal, queue->id, ordinal);
        entry->acknowledged = ASKED;
        world->acknowledged++;
    }
}

static void receive(struct world *world)
{
    struct model_queue *queue;
    uint64_t ordinal;
    struct entry *entry = pick_entry(world, &queue, &ordinal);
    if (!entry || entry->received != NEVER)
        return;
    entry->received = ASKED;
    entry->received_seq = journal_received(world->journal, queue->id, ordinal);
}

static void free_packet_id(struct world *world)
{
    struct model_queue *queue = &world->queues[below(world, SESSIONS)];
    uint16_t id = (uint16_t)(1 + below(world, PACKET_IDS - 1));
    struct packet_id *held = &queue->packet_ids[id];
    if (queue->id == 0 || !held->held)
        return;
    held->held = false;
    held->changing = true;
    held->seq = journal_packet_id_free(world->journal, queue->id, id);
}

static void drop_or_open(struct world *world)
{
    struct model_queue *queue = &world->queues[below(world, QUEUES)];
    if (queue->id == 0) {
        open_queue(world, queue);
    } else if (below(world, 8) == 0 && queue->dropped_id == 0) {
        journal_queue_drop(world->journal, queue->id);
        queue->dropped_id = queue->id;
        queue->seq = journal_stats(world->journal).last_seq;
        queue->id = 0;
        forget_contents(queue);
    }
}

static void load(struct world *world)
{
    struct model_queue *queue;
    uint64_t ordinal;
    struct entry *entry = pick_entry(world, &queue, &ordinal);
    struct message *message;
    if (!entry)
        return;
    enum sluice_error error = journal_load(world->journal, entry->position, &message);
    check_or_stop(!error, world, "an unfinished message cannot be loaded");
    check_or_stop(span_equal(message->topic, SPAN_LITERAL("farm/a")), world, "a message lost its topic");
    message_unref(message);
}

/* ---- Commits ---- */

static void advance_acknowledged(struct world *world, enum stage from, enum stage to)
{
    for (int i = 0; i < QUEUES; i++) {
        struct model_queue *queue = &world->queues[i];
        for (uint64_t o = 0; o < queue->next; o++) {
            if (queue->entries[o].acknowledged == from)
                queue->entries[o].acknowledged = to;
        }
    }
}

static void note_durable(struct world *world)
{
    for (int i = 0; i < QUEUES; i++) {
        struct model_queue *queue = &world->queues[i];
        if (queue->seq <= world->durable_seq) {
            queue->declared = ON_DISK;
            queue->dropped_id = 0;
        }
        for (int id = 0; id < PACKET_IDS; id++) {
            struct packet_id *held = &queue->packet_ids[id];
            if (held->changing && held->seq <= world->durable_seq) {
                held->changing = false;
                held->held_on_disk = held->held;
            }
        }
    }
}

void end_batch(struct world *world)
{
    uint64_t durable = 0;
    enum sluice_error error = journal_commit_end(world->journal, world->batch, world->now_ms, &durable);
    world->batch = NULL;
    if (error) {
        check_or_stop(world->failing, world, "a commit failed for no reason");
        world->failures++;
        advance_acknowledged(world, IN_BATCH, ASKED);
        return;
    }
    check_or_stop(durable >= world->durable_seq, world, "the durable seq went back");
    world->durable_seq = durable;
    advance_acknowledged(world, IN_BATCH, ON_DISK);
    note_durable(world);
}

static void commit(struct world *world)
{
    world->now_ms += below(world, 20);
    if (!world->batch) {
        world->batch = journal_commit_begin(world->journal, world->now_ms);
        world->batch_ran = false;
        if (world->batch)
            advance_acknowledged(world, ASKED, IN_BATCH);
        return;
    }
    if (!world->batch_ran)
        journal_batch_run(world->batch);
    world->batch_ran = true;
    if (below(world, 3))
        end_batch(world);
}

void disturb(struct world *world)
{
    world->failing = true;
    switch (below(world, 3)) {
    case 0: sim_disk_fail_syncs(world->sim, 1 + below(world, 4)); break;
    case 1: sim_disk_set_capacity(world->sim, 1000 + below(world, 60000)); break;
    default: sim_disk_set_capacity(world->sim, UINT64_MAX); break;
    }
}

void step(struct world *world)
{
    uint32_t what = below(world, 100);
    if (what < 35)
        append(world);
    else if (what < 35 + world->finished_percent)
        acknowledge(world, 1 + below(world, 6));
    else if (what < 72)
        receive(world);
    else if (what < 76)
        free_packet_id(world);
    else if (what < 78)
        drop_or_open(world);
    else if (what < 80)
        load(world);
    else
        commit(world);
}
