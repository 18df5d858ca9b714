/* queue.h, ordered: each partition keeps its order, and a poison message delays no other. */
#include "base/memory.h"
#include "deliver/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ENTRIES_MAX = 4000 };

struct bench {
    struct queue *queue;
    uint64_t now_ms;
    size_t finished_count, dead_count;
    uint64_t finished[ENTRIES_MAX], dead[ENTRIES_MAX];
    uint32_t partition_of[ENTRIES_MAX];
    uint32_t dead_attempts;
    size_t change_count;
    unsigned unreadable; /* which load from now on fails, counted from 1; 0: none */
};

static uint32_t highest_roll(void *ctx)
{
    (void)ctx;
    return UINT32_MAX;
}

static enum sluice_error load(void *ctx, uint64_t position, struct message **ret_message)
{
    struct bench *bench = ctx;
    (void)position;
    if (bench->unreadable > 0 && --bench->unreadable == 0)
        return SLUICE_IO;
    *ret_message = message_new(&(struct message){.payload = SPAN_LITERAL("21.5")});
    return SLUICE_OK;
}

static void on_acknowledge(void *ctx, uint64_t ordinal)
{
    struct bench *bench = ctx;
    bench->finished[bench->finished_count++] = ordinal;
}

static void on_dead(void *ctx, const struct queue_dead *dead)
{
    struct bench *bench = ctx;
    bench->dead[bench->dead_count++] = dead->ordinal;
    bench->dead_attempts = dead->attempts;
}

static void on_room(void *ctx)
{
    (void)ctx;
}

static void on_changed(void *ctx)
{
    ((struct bench *)ctx)->change_count++;
}

static struct bench *bench_of(const struct queue_config *config)
{
    struct bench *bench = memory_new(sizeof *bench);
    bench->now_ms = 1000;
    bench->queue = queue_new(
        config,
        &(struct queue_hooks){bench, highest_roll, load, on_acknowledge, on_dead, on_room, on_changed}, 0);
    return bench;
}

static struct bench *bench_new(uint32_t batch_size, uint32_t concurrency, bool bisect, uint32_t window_ms)
{
    struct queue_config config = queue_config_default();
    config.ordered = true;
    config.batch_size = batch_size;
    config.concurrency = concurrency;
    config.bisect = bisect;
    config.window_ms = window_ms;
    config.max_attempts = 2;
    return bench_of(&config);
}

/* Whose messages are all loaded; max_age_ms 0: none is too old. */
static struct bench *bench_of_one_partition(uint32_t batch_size, uint64_t max_age_ms)
{
    struct queue_config config = queue_config_default();
    config.ordered = config.one_partition = true;
    config.batch_size = batch_size;
    config.memory_bytes = 0;
    config.max_age_ms = max_age_ms;
    return bench_of(&config);
}

static void bench_free(struct bench *bench)
{
    queue_free(bench->queue);
    memory_free(bench);
}

/* Entries of these partitions, a letter each, in this order. */
static void add(struct bench *bench, const char *partitions)
{
    struct message *message = message_new(&(struct message){.payload = SPAN_LITERAL("21.5")});
    for (; *partitions; partitions++) {
        bench->partition_of[queue_next_ordinal(bench->queue)] = (uint32_t)*partitions;
        queue_add(bench->queue, message, (uint32_t)*partitions, 0, bench->now_ms);
    }
    message_unref(message);
}

/* The next batch, which has exactly these ordinals, a digit each; NULL: there must be none. */
static struct queue_batch *expect(struct bench *bench, const char *ordinals)
{
    struct queue_batch *batch = NULL;
    enum sluice_error error = queue_next(bench->queue, bench->now_ms, &batch);
    if (!ordinals) {
        assert_int_equal(error, SLUICE_AGAIN);
        return NULL;
    }
    assert_int_equal(error, SLUICE_OK);
    assert_int_equal(batch->count, strlen(ordinals));
    for (size_t i = 0; i < batch->count; i++)
        assert_int_equal(batch->items[i].ordinal, ordinals[i] - '0');
    return batch;
}

/* Outcomes, a letter each: Succeeded, Failed, not Reached, not Attempted. */
static void done(struct bench *bench, struct queue_batch *batch, const char *outcomes)
{
    static const enum queue_outcome meanings[] = {['S'] = QUEUE_SUCCEEDED,
                                                  ['F'] = QUEUE_FAILED,
                                                  ['R'] = QUEUE_NOT_REACHED,
                                                  ['A'] = QUEUE_NOT_ATTEMPTED};
    assert_int_equal(batch->count, strlen(outcomes));
    for (size_t i = 0; i < batch->count; i++)
        batch->items[i].outcome = meanings[(unsigned char)outcomes[i]];
    queue_done(bench->queue, batch, bench->now_ms, &(struct queue_error){.type = SPAN_LITERAL("Error")});
}

static void wait_for_retry(struct bench *bench)
{
    uint64_t deadline_ms = queue_next_deadline(bench->queue);
    assert_true(deadline_ms > bench->now_ms && deadline_ms < bench->now_ms + 10000);
    bench->now_ms = deadline_ms;
}

static void expect_finished(const struct bench *bench, const char *ordinals)
{
    assert_int_equal(bench->finished_count, strlen(ordinals));
    for (size_t i = 0; i < bench->finished_count; i++)
        assert_int_equal(bench->finished[i], ordinals[i] - '0');
}

static void a_partition_is_in_one_batch_at_once(void **state)
{
    (void)state;
    struct bench *bench = bench_new(2, 10, true, 0);
    add(bench, "aaab");
    struct queue_batch *first = expect(bench, "01");
    struct queue_batch *other = expect(bench, "3"); /* 2 waits for 0 and 1, and holds nobody up */
    expect(bench, NULL);
    done(bench, first, "SS");
    struct queue_batch *last = expect(bench, "2");
    done(bench, other, "S");
    done(bench, last, "S");
    expect_finished(bench, "0132");
    bench_free(bench);
}

static void partitions_share_a_batch_in_the_order_of_arrival(void **state)
{
    (void)state;
    struct bench *bench = bench_new(4, 10, true, 0);
    add(bench, "abacb");
    struct queue_batch *batch = expect(bench, "0123");
    expect(bench, NULL); /* 4 is behind 1 */
    done(bench, batch, "SSSS");
    done(bench, expect(bench, "4"), "S");
    bench_free(bench);
}

static void what_a_batch_gives_back_keeps_its_order(void **state)
{
    (void)state;
    struct bench *bench = bench_new(6, 10, true, 0);
    add(bench, "abacbd");
    struct queue_batch *batch = expect(bench, "012345");
    queue_shorten(bench->queue, batch, 2, bench->now_ms);
    struct queue_batch *others = expect(bench, "35"); /* 2 and 4 wait for 0 and 1 */
    expect(bench, NULL);
    done(bench, batch, "FS");
    done(bench, expect(bench, "4"), "S");
    done(bench, others, "SS");
    wait_for_retry(bench);
    done(bench, expect(bench, "02"), "SS");
    expect_finished(bench, "143502");
    bench_free(bench);
}

/* Kinesis and DynamoDB call it the checkpoint. */
static void everything_from_the_lowest_failed_one_on_is_tried_again(void **state)
{
    (void)state;
    struct bench *bench = bench_new(4, 10, true, 0);
    add(bench, "aaaaa");
    done(bench, expect(bench, "0123"), "SFRR");
    expect(bench, NULL);
    wait_for_retry(bench);
    struct queue_batch *batch = expect(bench, "1234");
    assert_int_equal(batch->items[0].attempt, 2);
    assert_int_equal(batch->items[1].attempt, 1); /* it was not reached */
    done(bench, batch, "FRRR");
    assert_int_equal(bench->dead_count, 1);
    assert_int_equal(bench->dead[0], 1);
    done(bench, expect(bench, "234"), "SSS"); /* at once: what failed is with the dead letters */
    expect_finished(bench, "0234");
    queue_dead_stored(bench->queue, 1);
    assert_int_equal(queue_stats(bench->queue).count, 0);
    bench_free(bench);
}

static void a_poison_message_blocks_only_its_partition(void **state)
{
    (void)state;
    struct bench *bench = bench_new(4, 10, true, 0);
    add(bench, "abab"); /* 0 is the poison */
    done(bench, expect(bench, "0123"), "FFFF");
    add(bench, "bc");
    done(bench, expect(bench, "5"), "S"); /* c has failed nothing: it does not wait */
    wait_for_retry(bench);
    struct queue_batch *poisoned = expect(bench, "02"); /* one partition each, before anything else */
    done(bench, expect(bench, "134"), "SSS");
    done(bench, poisoned, "FF"); /* halved, which does not count */
    wait_for_retry(bench);
    done(bench, expect(bench, "0"), "F");
    wait_for_retry(bench);
    add(bench, "bb");
    poisoned = expect(bench, "0");
    done(bench, expect(bench, "67"), "SS");
    done(bench, poisoned, "F");
    assert_int_equal(bench->dead_count, 1);
    assert_int_equal(bench->dead_attempts, 2);
    done(bench, expect(bench, "2"), "S");
    expect_finished(bench, "5134672");
    bench_free(bench);
}

static void without_bisecting_a_batch_fails_whole(void **state)
{
    (void)state;
    struct bench *bench = bench_new(2, 10, false, 0);
    add(bench, "aaa");
    done(bench, expect(bench, "01"), "FF");
    wait_for_retry(bench);
    done(bench, expect(bench, "01"), "FF");
    assert_int_equal(bench->dead_count, 2);
    assert_int_equal(bench->dead_attempts, 2);
    done(bench, expect(bench, "2"), "S");
    bench_free(bench);
}

static void what_was_not_reached_waits_for_no_window(void **state)
{
    (void)state;
    struct bench *bench = bench_new(3, 10, true, 60000);
    add(bench, "aba");
    done(bench, expect(bench, "012"), "SFR");
    done(bench, expect(bench, "2"), "S");
    add(bench, "c");
    expect(bench, NULL);
    wait_for_retry(bench);
    done(bench, expect(bench, "1"), "S");
    bench_free(bench);
}

static void an_outage_keeps_the_order_and_counts_nothing(void **state)
{
    (void)state;
    struct bench *bench = bench_new(2, 10, true, 0);
    add(bench, "aab");
    for (int i = 0; i < 5; i++) {
        done(bench, expect(bench, "01"), "AA");
        expect(bench, NULL);
        wait_for_retry(bench);
    }
    struct queue_batch *batch = expect(bench, "01");
    assert_int_equal(batch->items[0].attempt, 1);
    done(bench, batch, "SS");
    bench_free(bench);
}

static void what_was_restored_keeps_its_partition(void **state)
{
    (void)state;
    struct bench *bench = bench_new(1, 10, true, 0);
    add(bench, "aabb");
    struct queue_config config = queue_config_default();
    config.ordered = true;
    config.concurrency = 10;
    queue_free(bench->queue);
    bench->queue = queue_new(
        &config,
        &(struct queue_hooks){bench, highest_roll, load, on_acknowledge, on_dead, on_room, on_changed}, 4);
    for (uint64_t ordinal = 0; ordinal < 4; ordinal++)
        queue_restore(bench->queue, ordinal, 100, bench->partition_of[ordinal], 0, 0, bench->now_ms);
    expect(bench, "0");
    expect(bench, "2");
    expect(bench, NULL);
    bench_free(bench);
}

/* Outcomes as the dice fall: each partition's messages finish in their order, and nothing is lost. */
/* Of a queue whose batches have a state: m1, which is on its way to the dead letters, is no part of m2's. */
static void nothing_of_one_partition_is_leased_before_the_letters_are_stored(void **state)
{
    (void)state;
    struct bench *bench = bench_of_one_partition(4, 1000);
    add(bench, "aaab");
    struct queue_batch *batch = expect(bench, "012");
    queue_reject(bench->queue, batch, 1, bench->now_ms, &(struct queue_error){0});
    queue_shorten(bench->queue, batch, 2, bench->now_ms);
    batch->items[0].outcome = QUEUE_SUCCEEDED;
    queue_done(bench->queue, batch, bench->now_ms, NULL);
    expect(bench, NULL);
    assert_int_equal(queue_next_deadline(bench->queue), 2000); /* the others' age */
    size_t changes = bench->change_count;
    queue_dead_stored(bench->queue, 1);
    assert_int_equal(bench->change_count, changes + 1);
    done(bench, expect(bench, "2"), "S");
    expect_finished(bench, "012");
    bench_free(bench);
}

static void nothing_behind_a_death_is_in_its_batch(void **state)
{
    (void)state;
    struct bench *bench = bench_of_one_partition(4, 0);
    add(bench, "aaa");
    bench->unreadable = 2; /* the second that is loaded */
    struct queue_batch *batch = expect(bench, "0");
    done(bench, batch, "S");
    expect(bench, NULL);
    queue_dead_stored(bench->queue, 1);
    done(bench, expect(bench, "2"), "S");
    bench_free(bench);
}

static void dice_break_no_order(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        struct bench *bench = bench_new(1 + seed % 7, 1 + seed % 5, seed % 2, seed % 3 * 20);
        struct queue_batch *leases[5] = {0};
        srand(seed);
        size_t added = 0;
        while (added < 300 || queue_stats(bench->queue).count > bench->dead_count) {
            for (int i = rand() % 4; i > 0 && added < 300; i--, added++)
                add(bench, (char[]){(char)('a' + rand() % 6), '\0'});
            size_t at = (size_t)rand() % 5;
            if (!leases[at]) {
                if (queue_next(bench->queue, bench->now_ms, &leases[at]) != SLUICE_OK)
                    bench->now_ms += 50;
                continue;
            }
            size_t count = leases[at]->count, checkpoint = (size_t)rand() % (count + 3);
            int fate = rand() % 8;
            for (size_t i = 0; i < count; i++)
                leases[at]->items[i].outcome = fate == 0        ? QUEUE_FAILED
                                               : fate == 1      ? QUEUE_NOT_ATTEMPTED
                                               : i < checkpoint ? QUEUE_SUCCEEDED
                                               : i > checkpoint ? QUEUE_NOT_REACHED
                                                                : QUEUE_FAILED;
            queue_done(bench->queue, leases[at], bench->now_ms, NULL);
            leases[at] = NULL;
        }
        assert_int_equal(bench->finished_count + bench->dead_count, 300);
        uint64_t last[128] = {0};
        for (size_t i = 0; i < bench->finished_count; i++) {
            uint64_t *before = &last[bench->partition_of[bench->finished[i]]];
            assert_true(bench->finished[i] + 1 > *before);
            *before = bench->finished[i] + 1;
        }
        bench_free(bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_partition_is_in_one_batch_at_once),
        cmocka_unit_test(partitions_share_a_batch_in_the_order_of_arrival),
        cmocka_unit_test(what_a_batch_gives_back_keeps_its_order),
        cmocka_unit_test(everything_from_the_lowest_failed_one_on_is_tried_again),
        cmocka_unit_test(a_poison_message_blocks_only_its_partition),
        cmocka_unit_test(without_bisecting_a_batch_fails_whole),
        cmocka_unit_test(what_was_not_reached_waits_for_no_window),
        cmocka_unit_test(an_outage_keeps_the_order_and_counts_nothing),
        cmocka_unit_test(what_was_restored_keeps_its_partition),
        cmocka_unit_test(nothing_of_one_partition_is_leased_before_the_letters_are_stored),
        cmocka_unit_test(nothing_behind_a_death_is_in_its_batch),
        cmocka_unit_test(dice_break_no_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
