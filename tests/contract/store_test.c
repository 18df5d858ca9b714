/* What a device relies on holds for a ring on a file and on the simulated disk, with small and large pages.
 */
#include "../fault/sim_medium.h"

#include "sluice/posix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE_BYTES = 16 * 4096, RECORD_BYTES = 300 };

struct fixture {
    struct sluice_medium *medium;
    struct sim_disk *sim; /* NULL: the file */
    char path[64];
    struct sluice_ring_config config;
    void *memory;
    struct sluice_store *store;
};

static void open_ring(struct fixture *fixture)
{
    size_t bytes = sluice_ring_size(fixture->medium->bytes, &fixture->config);
    free(fixture->memory);
    fixture->memory = malloc(bytes);
    assert_int_equal(
        sluice_ring_open(fixture->memory, bytes, fixture->medium, &fixture->config, &fixture->store),
        SLUICE_OK);
}

static int open_file(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    char why[SLUICE_POSIX_ERROR_BYTES];
    snprintf(fixture->path, sizeof fixture->path, "/tmp/store_test.XXXXXX");
    int descriptor = mkstemp(fixture->path);
    *state = fixture;
    if (descriptor < 0 || close(descriptor) ||
        sluice_posix_medium_new(fixture->path, SIZE_BYTES, why, &fixture->medium))
        return -1;
    open_ring(fixture);
    return 0;
}

static int open_simulated(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    *state = fixture;
    fixture->sim = sim_disk_new(1);
    fixture->medium = sim_medium_new(fixture->sim, SIZE_BYTES);
    fixture->config.page_bytes = 1024;
    open_ring(fixture);
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->sim) {
        sim_medium_free(fixture->medium);
        sim_disk_free(fixture->sim);
    } else {
        sluice_posix_medium_free(fixture->medium);
        unlink(fixture->path);
    }
    free(fixture->memory);
    free(fixture);
    return 0;
}

/* ---- steps ---- */

static enum sluice_error append(struct sluice_store *store, uint32_t number, size_t len,
                                uint16_t sample_count)
{
    uint8_t memory[65536];
    memset(memory, (int)(number % 251), len);
    memcpy(memory, &number, len < sizeof number ? len : sizeof number);
    return store->append(store, memory, len, sample_count);
}

/* The number of the next record; 0: there is none. */
static uint32_t read_next(struct sluice_store *store, size_t *ret_len)
{
    uint8_t memory[65536];
    uint16_t sample_count;
    uint32_t number;
    enum sluice_error error = store->read(store, memory, sizeof memory, ret_len, &sample_count);
    if (error == SLUICE_AGAIN)
        return 0;
    assert_int_equal(error, SLUICE_OK);
    memcpy(&number, memory, sizeof number);
    for (size_t i = sizeof number; i < *ret_len; i++)
        assert_int_equal(memory[i], number % 251);
    return number;
}

static uint32_t fill(struct sluice_store *store, uint32_t number, uint16_t sample_count)
{
    while (append(store, number, RECORD_BYTES, sample_count) == SLUICE_OK)
        number++;
    return number;
}

/* ---- the contract ---- */

static void records_come_back_once_in_order_and_whole(void **state)
{
    struct sluice_store *store = ((struct fixture *)*state)->store;
    uint32_t in = 1, out = 1;
    size_t len;
    for (int round = 0; round < 300; round++) {
        while (append(store, in, 4 + in * 37u % 700, 1) == SLUICE_OK)
            in++;
        for (uint32_t i = 0; i < 1 + (uint32_t)round % 30; i++, out++) {
            assert_int_equal(read_next(store, &len), out);
            assert_int_equal(len, 4 + out * 37u % 700);
            store->remove(store);
        }
        assert_int_equal(store->count, in - out);
    }
    while (store->count > 0) {
        assert_int_equal(read_next(store, &len), out++);
        store->remove(store);
    }
    assert_int_equal(read_next(store, &len), 0);
    assert_int_equal(in, out);
}

static void a_record_that_does_not_fit_is_told_from_a_full_store(void **state)
{
    struct sluice_store *store = ((struct fixture *)*state)->store;
    uint8_t memory[8];
    size_t len;
    uint16_t sample_count;
    assert_int_equal(append(store, 1, store->record_max_bytes + 1, 1), SLUICE_TOO_LARGE);
    assert_int_equal(append(store, 1, store->record_max_bytes, 7), SLUICE_OK);
    assert_int_equal(store->read(store, memory, sizeof memory, &len, &sample_count), SLUICE_TOO_LARGE);
    assert_int_equal(read_next(store, &len), 1);
    assert_int_equal(len, store->record_max_bytes);
    store->remove(store);
    uint32_t count = 0;
    while (append(store, 2 + count, store->record_max_bytes, 7) == SLUICE_OK)
        count++;
    assert_int_equal(append(store, 2 + count, store->record_max_bytes, 7), SLUICE_FULL);
    assert_int_equal(store->count, count);
    /* No more than the spare pages and the one that is being filled are lost to the outbox. */
    assert_true(count * (store->record_max_bytes + 50) > SIZE_BYTES * 3 / 4);
    assert_int_equal(store->read(store, NULL, SIZE_MAX, &len, &sample_count), SLUICE_OK); /* passed over */
    store->remove(store);
    assert_int_equal(read_next(store, &len), 3);
}

static void committed_records_are_there_at_the_next_start(void **state)
{
    struct fixture *fixture = *state;
    size_t len;
    for (uint32_t number = 1; number <= 60; number++)
        assert_int_equal(append(fixture->store, number, RECORD_BYTES, 1), SLUICE_OK);
    for (uint32_t number = 1; number <= 40; number++) {
        assert_int_equal(read_next(fixture->store, &len), number);
        fixture->store->remove(fixture->store);
    }
    assert_int_equal(fixture->store->commit(fixture->store), SLUICE_OK);
    for (int round = 0; round < 3; round++) {
        open_ring(fixture);
        assert_int_equal(fixture->store->count, 20);
        assert_false(fixture->store->uncommitted);
        for (uint32_t number = 41; number <= 60; number++)
            assert_int_equal(read_next(fixture->store, &len), number);
        assert_int_equal(read_next(fixture->store, &len), 0);
    }
}

/* Found when the agent, run again and again by a timer, delivered its last page each time. */
static void a_commit_makes_few_removals_durable_too(void **state)
{
    struct fixture *fixture = *state;
    size_t len;
    for (uint32_t number = 1; number <= 2; number++)
        assert_int_equal(append(fixture->store, number, 50, 1), SLUICE_OK);
    assert_int_equal(fixture->store->commit(fixture->store), SLUICE_OK);
    assert_int_equal(read_next(fixture->store, &len), 1);
    fixture->store->remove(fixture->store);
    assert_false(fixture->store->uncommitted); /* not worth a page by itself */
    assert_int_equal(fixture->store->commit(fixture->store), SLUICE_OK);
    open_ring(fixture);
    assert_int_equal(read_next(fixture->store, &len), 2);
}

static void rewinding_begins_again_at_the_oldest(void **state)
{
    struct fixture *fixture = *state;
    struct sluice_store *store = fixture->store;
    size_t len;
    for (uint32_t number = 1; number <= 40; number++)
        assert_int_equal(append(store, number, RECORD_BYTES, 1), SLUICE_OK);
    for (uint32_t first = 1; first <= 40; first++) {
        for (uint32_t number = first; number <= (first < 35 ? first + 5 : 40); number++)
            assert_int_equal(read_next(store, &len), number);
        store->rewind(store);
        assert_int_equal(read_next(store, &len), first);
        store->remove(store);
        store->rewind(store);
        assert_int_equal(store->count, 40 - first);
        if (first == 20) {
            assert_int_equal(store->commit(store), SLUICE_OK);
            open_ring(fixture);
            store = fixture->store;
        }
    }
    assert_int_equal(read_next(store, &len), 0);
}

static void what_is_removed_in_time_is_never_written(void **state)
{
    struct sluice_store *store = ((struct fixture *)*state)->store;
    size_t len;
    for (uint32_t number = 1; number <= 1000; number++) {
        assert_int_equal(append(store, number, RECORD_BYTES, 1), SLUICE_OK);
        assert_true(store->uncommitted);
        assert_int_equal(read_next(store, &len), number);
        store->remove(store);
        assert_false(store->uncommitted);
    }
    assert_int_equal(store->written_bytes, 0);
}

static void each_commit_writes_one_page_where_little_comes(void **state)
{
    struct fixture *fixture = *state;
    struct sluice_store *store = fixture->store;
    size_t len;
    for (uint32_t number = 1; number <= 3; number++) {
        assert_int_equal(append(store, number, 50, 1), SLUICE_OK);
        assert_int_equal(store->commit(store), SLUICE_OK);
        assert_int_equal(store->commit(store), SLUICE_OK); /* nothing to do */
        assert_int_equal(store->written_bytes,
                         number * (fixture->config.page_bytes ? fixture->config.page_bytes : 4096));
    }
    open_ring(fixture);
    for (uint32_t number = 1; number <= 3; number++)
        assert_int_equal(read_next(fixture->store, &len), number);
}

static void thinning_drops_every_second_frame_of_those_that_wait(void **state)
{
    struct sluice_store *store = ((struct fixture *)*state)->store;
    size_t len, dropped_count, dropped_total = 0;
    uint32_t last = fill(store, 1, 5) - 1, number, before = 0, gap_max = 0;
    assert_int_equal(read_next(store, &len), 1);
    assert_int_equal(read_next(store, &len), 2);
    for (int round = 0; round < 4; round++) {
        assert_true(store->thin(store, &dropped_count));
        dropped_total += dropped_count;
        last = fill(store, last + 1, 5) - 1;
    }
    assert_true(dropped_total >= 4);
    for (before = 2; (number = read_next(store, &len)) != 0; before = number)
        gap_max = number - before > gap_max ? number - before : gap_max;
    assert_int_equal(before, last);
    assert_int_equal(gap_max, 2);
    assert_int_equal(store->count, last - dropped_total);
}

static void thinning_goes_on_for_ever_and_keeps_the_whole_span(void **state)
{
    struct sluice_store *store = ((struct fixture *)*state)->store;
    size_t len, dropped_count;
    uint32_t last = 0, number, first = 0, gap_max = 0, before = 0;
    while (last < 3000) {
        last = fill(store, last + 1, 5) - 1;
        assert_true(store->thin(store, &dropped_count));
    }
    while ((number = read_next(store, &len)) != 0) {
        first = first ? first : number;
        gap_max = before && number - before > gap_max ? number - before : gap_max;
        before = number;
    }
    assert_int_equal(first, 1);
    assert_in_range(before, last - 1, last);
    assert_true(gap_max < last / 10);
}

/* Found by ring_damage_test: the tail of removed records became a page that was never removed. */
static void thinning_an_empty_store_changes_nothing(void **state)
{
    struct sluice_store *store = ((struct fixture *)*state)->store;
    size_t len, dropped_count;
    assert_int_equal(append(store, 1, 50, 5), SLUICE_OK);
    assert_int_equal(store->commit(store), SLUICE_OK);
    assert_int_equal(read_next(store, &len), 1);
    store->remove(store);
    assert_false(store->thin(store, &dropped_count));
    uint32_t last = fill(store, 2, 5) - 1;
    for (uint32_t number = 2; number <= last; number++) {
        assert_int_equal(read_next(store, &len), number);
        store->remove(store);
    }
    assert_true(fill(store, last + 1, 5) - 1 >= 2 * last - 10); /* as much fits again */
}

static void messages_are_not_thinned_out(void **state)
{
    struct sluice_store *store = ((struct fixture *)*state)->store;
    size_t len, dropped_count;
    uint32_t last = fill(store, 1, 0) - 1;
    assert_false(store->thin(store, &dropped_count));
    assert_int_equal(append(store, last + 1, RECORD_BYTES, 0), SLUICE_FULL);
    for (uint32_t number = 1; number <= last; number++)
        assert_int_equal(read_next(store, &len), number);
    assert_int_equal(read_next(store, &len), 0);
}

#define BOTH(name)                                                                                           \
    {#name " (file)", name, open_file, close_fixture, NULL},                                                 \
    {                                                                                                        \
#        name " (simulated)", name, open_simulated, close_fixture, NULL                                      \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(records_come_back_once_in_order_and_whole),
        BOTH(a_record_that_does_not_fit_is_told_from_a_full_store),
        BOTH(committed_records_are_there_at_the_next_start),
        BOTH(a_commit_makes_few_removals_durable_too),
        BOTH(rewinding_begins_again_at_the_oldest),
        BOTH(what_is_removed_in_time_is_never_written),
        BOTH(each_commit_writes_one_page_where_little_comes),
        BOTH(thinning_drops_every_second_frame_of_those_that_wait),
        BOTH(thinning_goes_on_for_ever_and_keeps_the_whole_span),
        BOTH(thinning_an_empty_store_changes_nothing),
        BOTH(messages_are_not_thinned_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
