/*
 * What the power cut test knows: a model of what it asked of a journal and of how
 * far each thing got, the load that it makes, and the check of what came back. A
 * check that fails ends the test, by cmocka.
 */
#ifndef SLUICE_TESTS_POWER_CUT_WORLD_H
#define SLUICE_TESTS_POWER_CUT_WORLD_H

#include "deliver/journal.h"
#include "sim_disk.h"

enum { SESSIONS = 4, QUEUES = 6, PACKET_IDS = 8, ENTRIES_MAX = 1 << 16, PUBLISHER_KIND = 1 };

static const char publisher_name[] = "tractor"; /* of every message; a retained one needs it */

/* How far something got: asked for, in a batch that is being written, on disk. */
enum stage { NEVER, ASKED, IN_BATCH, ON_DISK };

struct entry {
    enum stage added, acknowledged, received;
    uint64_t seq, received_seq;
    uint64_t position;
    uint32_t share;
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
    uint32_t finished_percent; /* of the steps: how fast queues are emptied */
    struct model_queue queues[QUEUES];
    uint64_t now_ms, durable_seq, last_seq;
    uint64_t copied_bytes, cuts, kills, appended, acknowledged, replayed, lost_unpromised, failures, segments;
    bool failing;
};

/* A random number below the bound. */
uint32_t below(struct world *world, uint32_t bound);
void check_or_stop(bool right, const struct world *world, const char *what);
void open_queue(struct world *world, struct model_queue *queue);
void forget_contents(struct model_queue *queue);

/* ---- power_cut_load.c ---- */

/* One thing at random: an append, acknowledgements, part of a commit, ... */
void step(struct world *world);
/* Something that makes the disk fail from now on, or takes back that it is full. */
void disturb(struct world *world);
void end_batch(struct world *world);

/* ---- power_cut_check.c ---- */

/* Holds what the journal shows after its start against the model, which then is what is there. */
void check_all(struct world *world);

#endif
