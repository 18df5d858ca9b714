/*
 * Power cuts under a random load on the device's store (client/ring.h), each
 * followed by a start that is held against a model of what was promised:
 * committed records are there, once, whole and in order, until they are removed;
 * what was removed before a commit that wrote does not come back. The seed is
 * printed; SLUICE_SEED sets it and SLUICE_CUTS how many cuts (default 2,000).
 */
#include "base/memory.h"
#include "sim_medium.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum {
    RECORDS_MAX = 1 << 20,
    RECORD_MAX_BYTES = 400,
    STEPS_MAX = 150,
    LAST_STEPS = 12,
    CUTS_IN_A_WORLD = 100
};

struct record {
    bool alive;     /* in the ring, as far as the test knows */
    bool committed; /* so that it must be there after any crash */
    bool removed;
    bool is_frame;
};

struct world {
    uint64_t random;
    struct sim_disk *sim;
    struct sluice_medium *medium;
    struct sluice_ring_config config;
    void *memory;
    struct sluice_store *store;
    bool thins; /* this life: else the oldest are dropped */

    struct record *records; /* by number, from 1 */
    uint32_t last;          /* appended */
    uint32_t read, removed; /* how far */
    uint32_t gone;          /* removed, and known to be so after any crash */
    uint32_t thinned;       /* dropped in this life, and not yet missed */
    uint64_t cuts, kills, appended, kept, returned, lost_uncommitted, thinned_total, failures;
    bool sync_fails; /* in this life: then only a power cut tells what is on disk */
};

static uint32_t below(struct world *world, uint32_t bound)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return (uint32_t)((world->random >> 16) % bound);
}

static size_t content(uint32_t number, uint8_t memory[RECORD_MAX_BYTES])
{
    size_t len = 4 + number * 2654435761u % 1000 * (RECORD_MAX_BYTES - 4) / 1000;
    for (size_t i = 4; i < len; i++)
        memory[i] = (uint8_t)(number * 31 + i * 7);
    memcpy(memory, &number, 4);
    return len;
}

static void open_store(struct world *world)
{
    size_t bytes = sluice_ring_size(world->medium->bytes, &world->config);
    world->memory = memory_new(bytes);
    assert_int_equal(sluice_ring_open(world->memory, bytes, world->medium, &world->config, &world->store),
                     SLUICE_OK);
}

/* ---- the load ---- */

static uint32_t next_alive(const struct world *world, uint32_t after)
{
    uint32_t number = after + 1;
    while (number <= world->last && !world->records[number].alive)
        number++;
    return number;
}

/* The number of the next record, whole; 0: there is none. */
static uint32_t read_one(struct world *world)
{
    uint8_t memory[RECORD_MAX_BYTES], expected[RECORD_MAX_BYTES];
    size_t len;
    uint16_t sample_count;
    enum sluice_error error = world->store->read(world->store, memory, sizeof memory, &len, &sample_count);
    if (error == SLUICE_AGAIN)
        return 0;
    assert_int_equal(error, SLUICE_OK);
    uint32_t number;
    assert_true(len >= sizeof number);
    memcpy(&number, memory, sizeof number);
    assert_in_range(number, 1, world->last);
    assert_int_equal(len, content(number, expected));
    assert_memory_equal(memory, expected, len);
    assert_int_equal(sample_count, world->records[number].is_frame ? 3 : 0);
    return number;
}

/* Records between `from` and `to` that are not in the ring were thinned out. */
static void miss(struct world *world, uint32_t from, uint32_t to)
{
    for (uint32_t number = from; number < to; number++) {
        struct record *record = &world->records[number];
        if (!record->alive)
            continue;
        assert_true(record->is_frame && world->thinned > 0);
        world->thinned--;
        record->alive = false;
    }
}

static void step_read(struct world *world)
{
    uint32_t number = read_one(world);
    miss(world, world->read + 1, number ? number : world->last + 1);
    if (number) {
        assert_true(world->records[number].alive);
        world->read = number;
    } else {
        world->read = world->last;
    }
}

static void step_remove(struct world *world)
{
    uint32_t number = next_alive(world, world->removed);
    if (number > world->read)
        return;
    world->store->remove(world->store);
    world->records[number].alive = false;
    world->records[number].removed = true;
    world->removed = number;
}

static void step_commit(struct world *world)
{
    uint64_t written = world->store->written_bytes;
    if (world->store->commit(world->store)) {
        world->failures++;
        return;
    }
    assert_false(world->store->uncommitted);
    for (uint32_t number = world->gone + 1; number <= world->last; number++)
        world->records[number].committed |= world->records[number].alive;
    if (world->store->written_bytes > written)
        world->gone = world->removed;
}

static void make_room(struct world *world)
{
    size_t dropped_count = 0;
    if (world->thins) {
        if (world->store->thin(world->store, &dropped_count)) {
            world->thinned += (uint32_t)dropped_count;
            world->thinned_total += dropped_count;
            return;
        }
    }
    step_read(world);
    step_remove(world);
}

static void step_append(struct world *world)
{
    uint8_t memory[RECORD_MAX_BYTES];
    uint32_t number = world->last + 1;
    assert_true(number < RECORDS_MAX);
    bool is_frame = below(world, 8) != 0;
    size_t len = content(number, memory);
    enum sluice_error error = world->store->append(world->store, memory, len, is_frame ? 3 : 0);
    if (error == SLUICE_FULL) {
        make_room(world);
        return;
    }
    if (error) {
        assert_int_equal(error, SLUICE_IO);
        return;
    }
    world->records[number] = (struct record){.alive = true, .is_frame = is_frame};
    world->last = number;
    world->appended++;
}

static void step(struct world *world)
{
    uint32_t chance = below(world, 100);
    if (chance < 55)
        step_append(world);
    else if (chance < 75)
        step_read(world);
    else if (chance < 90)
        step_remove(world);
    else
        step_commit(world);
}

/* ---- the crash ---- */

/* What the ring shows is what there is from now on, and durable: a start syncs. */
static void check_all(struct world *world)
{
    uint32_t before = 0, count = 0, number;
    while ((number = read_one(world)) != 0) {
        assert_true(number > before); /* once, in order */
        assert_true(number > world->gone);
        for (uint32_t missing = before + 1; missing < number; missing++)
            world->records[missing].alive &= world->records[missing].committed;
        miss(world, before + 1, number);
        struct record *record = &world->records[number];
        world->returned += record->removed;
        world->kept += !record->removed;
        *record = (struct record){.alive = true, .committed = true, .is_frame = record->is_frame};
        before = number;
        count++;
    }
    for (uint32_t missing = before + 1; missing <= world->last; missing++) {
        world->lost_uncommitted += world->records[missing].alive && !world->records[missing].committed;
        world->records[missing].alive &= world->records[missing].committed;
    }
    miss(world, before + 1, world->last + 1);
    assert_int_equal(world->store->count, count);
}

static void crash(struct world *world)
{
    memory_free(world->memory);
    if (!world->sync_fails && below(world, 5) == 0) { /* only the process ends: what it wrote can be read */
        sim_disk_stop_after(world->sim, UINT32_MAX);
        world->kills++;
    } else {
        sim_disk_power_cut(world->sim);
        world->cuts++;
    }
    open_store(world);
    check_all(world);
    memory_free(world->memory); /* once more, now to be read from the start */
    open_store(world);
    world->thinned = 0;
    world->removed = world->read = world->gone;
}

static void live_until_a_crash(struct world *world)
{
    world->thins = below(world, 2);
    uint32_t steps = below(world, STEPS_MAX);
    for (uint32_t i = 0; i < steps; i++)
        step(world);
    world->sync_fails = below(world, 10) == 0;
    if (world->sync_fails)
        sim_disk_fail_syncs(world->sim, 1);
    sim_disk_stop_after(world->sim, below(world, 6));
    for (uint32_t i = 0; i < LAST_STEPS; i++)
        step(world);
}

static void new_medium(struct world *world)
{
    world->config.page_bytes = 512u << below(world, 2);
    world->sim = sim_disk_new(world->random);
    world->medium = sim_medium_new(world->sim, (8 + below(world, 24)) * world->config.page_bytes);
    world->last = world->read = world->removed = world->gone = world->thinned = 0;
    open_store(world);
}

static void end_medium(struct world *world)
{
    memory_free(world->memory);
    sim_medium_free(world->medium);
    sim_disk_free(world->sim);
}

static enum sluice_error append_large(struct world *world)
{
    uint8_t memory[RECORD_MAX_BYTES];
    do
        world->last++;
    while (content(world->last, memory) < RECORD_MAX_BYTES / 2 + 20); /* no two of them fit into a page */
    enum sluice_error error = world->store->append(world->store, memory, content(world->last, memory), 0);
    world->last -= error != SLUICE_OK;
    return error;
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void no_committed_record_is_lost_in_power_cuts(void **state)
{
    (void)state;
    uint64_t seed = number_of("SLUICE_SEED", (uint64_t)time(NULL)), cuts = number_of("SLUICE_CUTS", 2000);
    print_message("seed %" PRIu64 "\n", seed);
    struct world *world = memory_new(sizeof *world);
    world->random = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
    world->records = memory_new_array(RECORDS_MAX, sizeof *world->records);
    while (world->cuts < cuts) {
        new_medium(world);
        for (int i = 0; i < CUTS_IN_A_WORLD; i++) {
            live_until_a_crash(world);
            crash(world);
        }
        end_medium(world);
    }
    print_message("{\"cuts\":%" PRIu64 ",\"kills\":%" PRIu64 ",\"appended\":%" PRIu64 ",\"kept\":%" PRIu64
                  ",\"returned\":%" PRIu64 ",\"lost_uncommitted\":%" PRIu64 ",\"thinned\":%" PRIu64
                  ",\"failed_commits\":%" PRIu64 ",\"lost\":0,\"duplicates\":0}\n",
                  world->cuts, world->kills, world->appended, world->kept, world->returned,
                  world->lost_uncommitted, world->thinned_total, world->failures);
    assert_true(world->appended > cuts && world->kept > cuts && world->lost_uncommitted > cuts / 10 &&
                world->thinned_total > cuts / 10 && world->failures > cuts / 10 && world->kills > cuts / 20);
    memory_free(world->records);
    memory_free(world);
}

/* The last commit of a life leaves an empty page, and it alone knows that the records before it are removed.
 * The next life writes in each slot, and nothing that it wrote is durable when the power goes. */
static void what_a_life_removed_stays_removed_in_the_life_after_the_next(void **state)
{
    (void)state;
    struct world *world = memory_new(sizeof *world);
    world->records = memory_new_array(RECORDS_MAX, sizeof *world->records);
    for (uint64_t seed = 1; seed <= 300; seed++) {
        world->config.page_bytes = RECORD_MAX_BYTES + 50; /* for one record */
        world->sim = sim_disk_new(seed);
        world->medium = sim_medium_new(world->sim, 8 * world->config.page_bytes);
        world->last = 0;
        open_store(world);
        for (uint32_t i = 0; i < 5; i++)
            append_large(world);
        assert_int_equal(world->store->commit(world->store), SLUICE_OK);
        append_large(world);
        while (read_one(world))
            world->store->remove(world->store);
        assert_int_equal(world->store->commit(world->store), SLUICE_OK);
        memory_free(world->memory);
        open_store(world);
        assert_int_equal(world->store->count, 0);
        uint32_t removed = world->last;
        sim_disk_stop_after(world->sim, 8);
        while (append_large(world) == SLUICE_OK)
            if (world->store->count > 1 && read_one(world))
                world->store->remove(world->store);
        memory_free(world->memory);
        sim_disk_power_cut(world->sim);
        open_store(world);
        for (uint32_t number; (number = read_one(world)) != 0;)
            assert_true(number > removed);
        end_medium(world);
    }
    memory_free(world->records);
    memory_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_committed_record_is_lost_in_power_cuts),
        cmocka_unit_test(what_a_life_removed_stays_removed_in_the_life_after_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
