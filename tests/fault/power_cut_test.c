/*
 * Power cuts under a random load, each followed by a replay that is held against
 * a model of what was promised. The seed is printed; SLUICE_SEED sets it and
 * SLUICE_CUTS how many cuts (default 1,200).
 */
#include "base/log.h"
#include "base/memory.h"
#include "power_cut_world.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { STEPS_MAX = 120, LAST_STEPS = 10 /* while the disk is stopping */ };

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
    check_all(world);
    world->durable_seq = journal_stats(world->journal).durable_seq;
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static struct world *world_new(uint64_t seed, const struct journal_config *config)
{
    struct world *world = memory_new(sizeof *world);
    world->random = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
    world->sim = sim_disk_new(seed);
    assert_int_equal(journal_open(config, sim_disk_of(world->sim), &world->journal), SLUICE_OK);
    for (int i = 0; i < QUEUES; i++) {
        struct model_queue *queue = &world->queues[i];
        snprintf(queue->name, sizeof queue->name, "queue-%d", i);
        queue->kind = i < SESSIONS ? JOURNAL_SESSION : i == SESSIONS ? JOURNAL_RETAINED : JOURNAL_FUNCTION;
        queue->entries = memory_new_array(ENTRIES_MAX, sizeof *queue->entries);
        open_queue(world, queue);
    }
    return world;
}

static void world_free(struct world *world)
{
    journal_free(world->journal);
    sim_disk_free(world->sim);
    for (int i = 0; i < QUEUES; i++)
        memory_free(world->queues[i].entries);
    memory_free(world);
}

static void live_until_a_crash(struct world *world)
{
    if (below(world, 8) == 0)
        disturb(world);
    world->finished_percent = 10 + below(world, 25);
    uint32_t steps = below(world, STEPS_MAX);
    for (uint32_t i = 0; i < steps; i++)
        step(world);
    sim_disk_stop_after(world->sim, below(world, 8));
    world->failing = true;
    for (uint32_t i = 0; i < LAST_STEPS; i++)
        step(world);
}

static void no_promise_is_broken_by_power_cuts(void **state)
{
    (void)state;
    const struct journal_config config = {
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
    struct world *world = world_new(seed, &config);
    while (world->cuts < cuts) {
        live_until_a_crash(world);
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
    world_free(world);
}

int main(void)
{
    log_set_level(LOG_ERROR + 1); /* the disk is meant to fail */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_promise_is_broken_by_power_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
