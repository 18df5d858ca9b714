/*
 * Power cuts under a random load, each followed by a replay that is held against
 * a model of what was promised. The seed is printed; SLUICE_SEED sets it and
 * SLUICE_CUTS how many cuts (default 1,200).
 */
#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "deliver/journal.h"
#include "sim_disk.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { SESSIONS = 4, QUEUES = 6, PACKET_IDS = 8, ENTRIES_MAX = 1 << 16, STEPS_MAX = 120 };

/* How far something got: asked for, in a batch that is being written, on disk. */
enum stage { NEVER, ASKED, IN_BATCH, ON_DISK };

struct entry {
    enum stage added, acknowledged, received;
    uint64_t seq, received_seq;
    uint64_t position;
    uint8_t qos;
    bool retain, seen;
};

struct packet_id {
    bool held, held_on_disk, changing; /* changing: the disk may know either */
    uint64_t seq;
    bool seen;
};

struct model_queue {
    char name[24];
    enum journal_queue_kind kind;
    uint32_t id; /* 0: there is none now */
    enum stage declared;
    uint32_t dropped_id; /* may still be there */
    uint64_t seq;
    bool seen;
    uint64_t oldest, next;
    struct entry *entries;
    struct packet_id packet_ids[PACKET_IDS];
};

struct world {
    uint64_t random;
    struct sim_disk *sim;
    struct journal *journal;
    struct journal_batch *batch; /* in flight */
    bool batch_ran;
    struct model_queue queues[QUEUES];
    uint64_t now_ms, durable_seq, last_seq;
    uint64_t copied_bytes, cuts, kills, appended, acknowledged, replayed, lost_unpromised, failures, segments;
    bool failing;
};

static uint32_t below(struct world *world, uint32_t bound)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return (uint32_t)((world->random >> 20) % bound);
}

/* ---- The load ---- */

static void check_or_stop(bool right, const struct world *world, const char *what)
{
    if (!right)
        print_error("after %" PRIu64 " cuts: %s\n", world->cuts, what);
    assert_true(right);
}

static void open_queue(struct world *world, struct model_queue *queue)
{
    queue->id = journal_queue_open(world->journal, queue->kind, span_from_string(queue->name));
    queue->declared = ASKED;
    queue->seq = journal_stats(world->journal).last_seq;
    queue->oldest = queue->next = 0;
}

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
            targets[m][messages[m].target_count++] = (struct journal_target){.queue = queue->id,
                                                                             .ordinal = next[i]++,
                                                                             .qos = (uint8_t)below(world, 3),
                                                                             .retain = below(world, 2)};
        }
        if (messages[m].target_count > 0)
            payload_of(payloads[m], targets[m][0].queue, targets[m][0].ordinal);
        else
            payloads[m][0] = '\0';
        views[m] =
            (struct message){.topic = SPAN_LITERAL("farm/a"), .payload = span_from_string(payloads[m])};
        messages[m].message = &views[m];
        messages[m].targets = targets[m];
    }
    struct journal_origin origin = {0};
    struct model_queue *publisher = &world->queues[below(world, SESSIONS)];
    uint16_t packet_id = (uint16_t)below(world, PACKET_IDS);
    if (publisher->id && packet_id && !publisher->packet_ids[packet_id].held)
        origin = (struct journal_origin){publisher->id, packet_id};

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

static void forget_contents(struct model_queue *queue)
{
    memset(queue->entries, 0, ENTRIES_MAX * sizeof *queue->entries);
    memset(queue->packet_ids, 0, sizeof queue->packet_ids);
    queue->oldest = queue->next = 0;
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

static void end_batch(struct world *world)
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

static void disturb(struct world *world)
{
    world->failing = true;
    switch (below(world, 3)) {
    case 0: sim_disk_fail_syncs(world->sim, 1 + below(world, 4)); break;
    case 1: sim_disk_set_capacity(world->sim, 1000 + below(world, 60000)); break;
    default: sim_disk_set_capacity(world->sim, UINT64_MAX); break;
    }
}

static void step(struct world *world)
{
    uint32_t what = below(world, 100);
    if (what < 35)
        append(world);
    else if (what < 68)
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

/* ---- What came back ---- */

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
    check_or_stop(entry->qos == found->qos && entry->retain == found->retain, world,
                  "an entry came back changed");
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

static void crash(struct world *world, const struct journal_config *config)
{
    struct journal_stats before = journal_stats(world->journal);
    world->copied_bytes += before.copied_bytes;
    if (before.segments > world->segments)
        world->segments = before.segments;
    if (world->batch) { /* it must be ended to be freed; whether it is written is part of the chance */
        if (!world->batch_ran)
            journal_batch_run(world->batch);
        end_batch(world);
    }
    journal_free(world->journal);
    if (below(world, 5) == 0) { /* only the process dies: what it wrote can be read, synced or not */
        sim_disk_stop_after(world->sim, UINT32_MAX);
        sim_disk_fail_syncs(world->sim, 0);
        sim_disk_set_capacity(world->sim, UINT64_MAX);
        world->kills++;
    } else {
        sim_disk_power_cut(world->sim);
        world->cuts++;
    }
    world->failing = false;
    check_or_stop(!journal_open(config, sim_disk_of(world->sim), &world->journal), world,
                  "the journal does not open");
    check_or_stop(journal_stats(world->journal).damaged_bytes == 0, world, "a torn end was taken for damage");
    for (int i = 0; i < QUEUES; i++)
        world->queues[i].seen = false;
    journal_visit(world->journal, &(struct journal_visitor){world, on_queue, on_entry, on_packet_id});
    check_prefix(world);
    for (int i = 0; i < QUEUES; i++)
        check_queue(world, &world->queues[i]);
    world->durable_seq = journal_stats(world->journal).durable_seq;
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void no_promise_is_broken_by_power_cuts(void **state)
{
    (void)state;
    struct journal_config config = {
        .segment_bytes = 4096,
        .max_bytes = 128 << 10,
        .compact_bytes = 16384,
        .buffer_bytes = 32768,
        .commit_count = 1,
        .commit_bytes = 1,
        .retry_ms = 10,
    };
    uint64_t seed = number_of("SLUICE_SEED", (uint64_t)time(NULL)), cuts = number_of("SLUICE_CUTS", 1200);
    print_message("seed %" PRIu64 "\n", seed);
    struct world *world = memory_new(sizeof *world);
    world->random = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
    world->sim = sim_disk_new(seed);
    assert_int_equal(journal_open(&config, sim_disk_of(world->sim), &world->journal), SLUICE_OK);
    for (int i = 0; i < QUEUES; i++) {
        struct model_queue *queue = &world->queues[i];
        snprintf(queue->name, sizeof queue->name, "queue-%d", i);
        queue->kind = i < SESSIONS ? JOURNAL_SESSION : JOURNAL_FUNCTION;
        queue->entries = memory_new_array(ENTRIES_MAX, sizeof *queue->entries);
        open_queue(world, queue);
    }
    while (world->cuts < cuts) {
        if (below(world, 8) == 0)
            disturb(world);
        uint32_t steps = below(world, STEPS_MAX);
        for (uint32_t i = 0; i < steps; i++)
            step(world);
        sim_disk_stop_after(world->sim, below(world, 8));
        world->failing = true;
        for (uint32_t i = 0; i < 10; i++)
            step(world);
        crash(world, &config);
    }
    print_message("{\"cuts\":%" PRIu64 ",\"kills\":%" PRIu64 ",\"appended\":%" PRIu64
                  ",\"acknowledged\":%" PRIu64 ",\"replayed\":%" PRIu64 ",\"lost_unpromised\":%" PRIu64
                  ",\"failed_commits\":%" PRIu64 ",\"copied_bytes\":%" PRIu64 ",\"segments_max\":%" PRIu64
                  ",\"lost\":0,\"duplicates\":0}\n",
                  world->cuts, world->kills, world->appended, world->acknowledged, world->replayed,
                  world->lost_unpromised, world->failures, world->copied_bytes, world->segments);
    assert_true(world->appended > cuts && world->acknowledged > cuts && world->copied_bytes > 0 &&
                world->failures > 0);
    journal_free(world->journal);
    sim_disk_free(world->sim);
    for (int i = 0; i < QUEUES; i++)
        memory_free(world->queues[i].entries);
    memory_free(world);
}

int main(void)
{
    log_set_level(LOG_ERROR + 1); /* the disk is meant to fail */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_promise_is_broken_by_power_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
