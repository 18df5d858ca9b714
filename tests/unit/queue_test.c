/* queue.h: batches, retries, dead letters, room. The clock and the dice are the test's. */
#include "base/memory.h"
#include "deliver/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { SEEN_MAX = 4096 };

struct bench {
    struct queue *queue;
    uint64_t now_ms;
    size_t acknowledged_count, dead_count, room_count, load_count, changed_count;
    uint64_t acknowledged[SEEN_MAX];
    uint64_t dead_ordinal;
    enum queue_dead_reason dead_reason;
    uint32_t dead_attempts;
    bool dead_has_message, unreadable;
};

static uint32_t highest_roll(void *ctx)
{
    (void)ctx;
    return UINT32_MAX; /* each wait is its bound */
}

static enum sluice_error load(void *ctx, uint64_t position, struct message **ret_message)
{
    struct bench *bench = ctx;
    char payload[24];
    int len = snprintf(payload, sizeof payload, "loaded %u", (unsigned)position);
    bench->load_count++;
    if (bench->unreadable)
        return SLUICE_INVALID;
    *ret_message = message_new(&(struct message){.payload = span_of(payload, (size_t)len)});
    return SLUICE_OK;
}

static void on_acknowledge(void *ctx, uint64_t ordinal)
{
    struct bench *bench = ctx;
    bench->acknowledged[bench->acknowledged_count++] = ordinal;
}

static void on_dead(void *ctx, const struct queue_dead *dead)
{
    struct bench *bench = ctx;
    bench->dead_count++;
    bench->dead_ordinal = dead->ordinal;
    bench->dead_reason = dead->reason;
    bench->dead_attempts = dead->attempts;
    bench->dead_has_message = dead->message != NULL;
}

static void on_room(void *ctx)
{
    ((struct bench *)ctx)->room_count++;
}

static void on_changed(void *ctx)
{
    ((struct bench *)ctx)->changed_count++;
}

static struct bench *bench_new(struct queue_config config)
{
    struct bench *bench = memory_new(sizeof *bench);
    bench->now_ms = 1000;
    bench->queue = queue_new(
        &config,
        &(struct queue_hooks){bench, highest_roll, load, on_acknowledge, on_dead, on_room, on_changed}, 0);
    return bench;
}

static void bench_free(struct bench *bench)
{
    queue_free(bench->queue);
    memory_free(bench);
}

static void add(struct bench *bench, size_t count)
{
    struct message *message = message_new(&(struct message){.payload = SPAN_LITERAL("21.5")});
    for (size_t i = 0; i < count; i++)
        queue_add(bench->queue, message, 0, 7, bench->now_ms);
    message_unref(message);
}

static struct queue_batch *next(struct bench *bench)
{
    struct queue_batch *batch = NULL;
    return queue_next(bench->queue, bench->now_ms, &batch) == SLUICE_OK ? batch : NULL;
}

static void done(struct bench *bench, struct queue_batch *batch, enum queue_outcome outcome)
{
    for (size_t i = 0; i < batch->count; i++)
        batch->items[i].outcome = outcome;
    queue_done(bench->queue, batch, bench->now_ms,
               &(struct queue_error){.type = SPAN_LITERAL("Error"), .message = SPAN_LITERAL("no")});
}

/* The states of all entries make up their count, whatever happened. */
static void check_sum(const struct bench *bench)
{
    struct queue_stats stats = queue_stats(bench->queue);
    assert_int_equal(stats.count,
                     stats.ready_count + stats.waiting_count + stats.leased_count + stats.dead_count);
    assert_int_equal(stats.added, stats.count + bench->acknowledged_count);
}

static void a_batch_leaves_at_the_first_of_size_window_and_bytes(void **state)
{
    (void)state;
    size_t message_size = message_bytes(&(struct message){.payload = SPAN_LITERAL("21.5")});
    static const struct {
        const char *name;
        uint32_t size, window_ms;
        size_t messages_bytes, added, first_batch;
        uint64_t due_after_ms;
    } rows[] = {
        {"no batches", 1, 0, 100, 3, 1, 0},  {"size", 4, 500, 100, 9, 4, 0},
        {"window", 10, 500, 100, 3, 3, 500}, {"no window", 10, 0, 100, 3, 3, 0},
        {"bytes", 10, 500, 2, 5, 2, 0},      {"one larger than the bytes", 10, 500, 0, 3, 1, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].name);
        struct queue_config config = queue_config_default();
        config.batch_size = rows[i].size;
        config.window_ms = rows[i].window_ms;
        config.batch_bytes = rows[i].messages_bytes ? rows[i].messages_bytes * message_size : 1;
        struct bench *bench = bench_new(config);
        add(bench, rows[i].added);
        if (rows[i].due_after_ms > 0) {
            assert_int_equal(queue_next_deadline(bench->queue), bench->now_ms + rows[i].due_after_ms);
            bench->now_ms += rows[i].due_after_ms - 1;
            assert_null(next(bench));
            bench->now_ms++;
        }
        assert_true(queue_next_deadline(bench->queue) <= bench->now_ms);
        struct queue_batch *batch = next(bench);
        assert_non_null(batch);
        assert_int_equal(batch->count, rows[i].first_batch);
        for (size_t item = 0; item < batch->count; item++)
            assert_int_equal(batch->items[item].ordinal, item);
        done(bench, batch, QUEUE_SUCCEEDED);
        check_sum(bench);
        bench_free(bench);
    }
}

static void the_window_starts_at_the_first_record(void **state)
{
    (void)state;
    struct queue_config config = queue_config_default();
    config.batch_size = 10;
    config.window_ms = 500;
    struct bench *bench = bench_new(config);
    add(bench, 1);
    bench->now_ms += 400;
    add(bench, 1);
    bench->now_ms += 100;
    struct queue_batch *batch = next(bench);
    assert_non_null(batch);
    assert_int_equal(batch->count, 2);
    bench_free(bench); /* with the lease out */
}

static void a_delay_is_waited_for_once(void **state)
{
    (void)state;
    struct queue_config config = queue_config_default();
    config.delay_ms = 5000;
    config.batch_size = 2;
    config.window_ms = 100;
    struct bench *bench = bench_new(config);
    add(bench, 1);
    bench->now_ms += 10;
    add(bench, 2);
    assert_int_equal(queue_next_deadline(bench->queue), 6000);
    bench->now_ms = 6009;
    assert_null(next(bench)); /* the first is due, and waits for others */
    bench->now_ms = 6010;
    struct queue_batch *batch = next(bench);
    assert_non_null(batch);
    assert_int_equal(batch->count, 2);
    check_sum(bench);
    done(bench, batch, QUEUE_FAILED);
    bench->now_ms += 100; /* another attempt is not delayed */
    batch = next(bench);
    assert_non_null(batch);
    done(bench, batch, QUEUE_SUCCEEDED);
    bench_free(bench);
}

static void what_was_restored_waits_for_the_rest_of_its_delay(void **state)
{
    (void)state;
    struct queue_config config = queue_config_default();
    config.delay_ms = 5000;
    struct bench *bench = bench_new(config);
    add(bench, 2);
    queue_free(bench->queue);
    bench->queue = queue_new(
        &config,
        &(struct queue_hooks){bench, highest_roll, load, on_acknowledge, on_dead, on_room, on_changed}, 2);
    queue_restore(bench->queue, 0, 100, 0, 0, 9000, bench->now_ms);
    queue_restore(bench->queue, 1, 100, 0, 0, 4000, bench->now_ms);
    struct queue_batch *batch = next(bench);
    assert_non_null(batch);
    done(bench, batch, QUEUE_SUCCEEDED);
    assert_null(next(bench));
    assert_int_equal(queue_next_deadline(bench->queue), bench->now_ms + 1000);
    bench_free(bench);
}

static void no_more_batches_are_leased_than_the_concurrency(void **state)
{
    (void)state;
    struct queue_config config = queue_config_default();
    config.concurrency = 2;
    struct bench *bench = bench_new(config);
    add(bench, 3);
    struct queue_batch *first = next(bench), *second = next(bench);
    assert_non_null(first);
    assert_non_null(second);
    assert_null(next(bench));
    done(bench, first, QUEUE_SUCCEEDED);
    assert_non_null(next(bench));
    bench_free(bench);
}

static void a_failing_message_waits_apart_and_becomes_a_dead_letter(void **state)
{
    (void)state;
    struct bench *bench = bench_new(queue_config_default());
    add(bench, 1);
    static const uint64_t waits_ms[] = {100, 200};
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        struct queue_batch *batch = next(bench);
        assert_non_null(batch);
        assert_int_equal(batch->items[0].attempt, attempt);
        assert_int_equal(batch->items[0].first_ms, 1000);
        done(bench, batch, QUEUE_FAILED);
        if (attempt == 3)
            break;
        assert_int_equal(queue_next_deadline(bench->queue), bench->now_ms + waits_ms[attempt - 1]);
        add(bench, 1); /* another is not delayed by it */
        batch = next(bench);
        assert_non_null(batch);
        assert_int_equal(batch->items[0].ordinal, attempt);
        done(bench, batch, QUEUE_SUCCEEDED);
        bench->now_ms += waits_ms[attempt - 1] - 1;
        assert_null(next(bench));
        bench->now_ms++;
    }
    assert_int_equal(bench->dead_count, 1);
    assert_int_equal(bench->dead_reason, QUEUE_DEAD_ATTEMPTS);
    assert_int_equal(bench->dead_attempts, 3);
    assert_true(bench->dead_has_message);
    /* It is acknowledged only when the dead letter is stored, and once. */
    assert_int_equal(bench->acknowledged_count, 2);
    check_sum(bench);
    queue_dead_stored(bench->queue, 0);
    queue_dead_stored(bench->queue, 0);
    assert_int_equal(bench->acknowledged_count, 3);
    assert_int_equal(queue_stats(bench->queue).count, 0);
    assert_int_equal(queue_next_deadline(bench->queue), UINT64_MAX);
    bench_free(bench);
}

static void an_asynchronous_invocation_is_tried_after_one_and_two_minutes(void **state)
{
    (void)state;
    struct bench *bench = bench_new(queue_config_asynchronous());
    add(bench, 1);
    static const uint64_t at_ms[] = {1000, 61000, 181000};
    for (size_t i = 0; i < 3; i++) {
        bench->now_ms = at_ms[i] - 1;
        assert_null(i > 0 ? next(bench) : NULL);
        bench->now_ms = at_ms[i];
        struct queue_batch *batch = next(bench);
        assert_non_null(batch);
        done(bench, batch, QUEUE_FAILED);
    }
    assert_int_equal(bench->dead_reason, QUEUE_DEAD_ATTEMPTS);
    assert_int_equal(bench->dead_attempts, 3);
    bench_free(bench);
}

static void a_throttled_asynchronous_invocation_lives_six_hours_and_loses_no_attempt(void **state)
{
    (void)state;
    struct bench *bench = bench_new(queue_config_asynchronous());
    uint64_t begin_ms = bench->now_ms, pause_ms = 1000;
    add(bench, 1);
    for (struct queue_batch *batch; (batch = next(bench));
         bench->now_ms = queue_next_deadline(bench->queue)) {
        assert_int_equal(batch->items[0].attempt, 1);
        done(bench, batch, QUEUE_NOT_ATTEMPTED);
        assert_int_equal(queue_next_deadline(bench->queue), bench->now_ms + pause_ms);
        pause_ms = pause_ms * 2 < 300000 ? pause_ms * 2 : 300000;
    }
    assert_in_range(bench->now_ms - begin_ms, 6 * 3600 * 1000, 6 * 3600 * 1000 + 300000);
    assert_int_equal(bench->dead_reason, QUEUE_DEAD_AGE);
    assert_int_equal(bench->dead_attempts, 0);
    bench_free(bench);
}

static void an_outage_of_a_day_makes_no_dead_letter(void **state)
{
    (void)state;
    struct queue_config config = queue_config_default();
    config.max_age_ms = UINT64_C(48) * 3600 * 1000;
    struct bench *bench = bench_new(config);
    add(bench, 5);
    uint64_t end_ms = bench->now_ms + UINT64_C(24) * 3600 * 1000;
    size_t tries = 0;
    while (bench->now_ms < end_ms) {
        struct queue_batch *batch = next(bench);
        assert_non_null(batch);
        assert_int_equal(batch->items[0].ordinal, 0);
        assert_int_equal(batch->items[0].attempt, 1);
        done(bench, batch, QUEUE_NOT_ATTEMPTED);
        tries++;
        assert_null(next(bench)); /* all of the queue is held back */
        assert_true(queue_next_deadline(bench->queue) > bench->now_ms);
        bench->now_ms = queue_next_deadline(bench->queue);
    }
    assert_in_range(tries, 86400 / 20, 86400 / 20 + 10); /* the cap is 20 s */
    assert_int_equal(bench->dead_count, 0);
    for (uint64_t ordinal = 0; ordinal < 5; ordinal++) {
        struct queue_batch *batch = next(bench);
        assert_non_null(batch);
        assert_int_equal(batch->items[0].ordinal, ordinal);
        done(bench, batch, QUEUE_SUCCEEDED);
    }
    check_sum(bench);
    bench_free(bench);
}

/* The numbers of AWS's own clients: it was 500 ms for both. */
static void what_is_not_reached_is_tried_sooner_than_what_throttles(void **state)
{
    (void)state;
    struct bench *bench = bench_new(queue_config_default());
    const uint64_t waits_ms[] = {100, 200, 2000, 4000}; /* of failures in a row */
    add(bench, 1);
    for (size_t i = 0; i < sizeof waits_ms / sizeof waits_ms[0]; i++) {
        struct queue_batch *batch = next(bench);
        assert_non_null(batch);
        queue_done(bench->queue, batch, bench->now_ms, &(struct queue_error){.is_throttled = i >= 2});
        assert_int_equal(queue_next_deadline(bench->queue), bench->now_ms + waits_ms[i]);
        bench->now_ms = queue_next_deadline(bench->queue);
    }
    bench_free(bench);
}

static void retry_after_is_honoured(void **state)
{
    (void)state;
    struct bench *bench = bench_new(queue_config_default());
    add(bench, 1);
    struct queue_batch *batch = next(bench);
    queue_done(bench->queue, batch, bench->now_ms, &(struct queue_error){.retry_after_ms = 30000});
    assert_int_equal(queue_next_deadline(bench->queue), bench->now_ms + 30000);
    bench_free(bench);
}

/* A server that says "in 136 years", or whose clock is wrong. */
static void retry_after_is_honoured_up_to_a_bound(void **state)
{
    (void)state;
    struct bench *bench = bench_new(queue_config_default());
    add(bench, 1);
    struct queue_batch *batch = next(bench);
    queue_done(bench->queue, batch, bench->now_ms, &(struct queue_error){.retry_after_ms = UINT32_MAX});
    assert_int_equal(queue_next_deadline(bench->queue), bench->now_ms + RETRY_AFTER_MAX_MS);
    bench->now_ms += RETRY_AFTER_MAX_MS;
    batch = next(bench);
    batch->items[0].outcome = QUEUE_FAILED;
    queue_done(bench->queue, batch, bench->now_ms, &(struct queue_error){.retry_after_ms = UINT32_MAX});
    assert_int_equal(queue_next_deadline(bench->queue), bench->now_ms + RETRY_AFTER_MAX_MS);
    bench_free(bench);
}

/* What an event had no room for: it costs no attempt, and comes before what arrived later. */
static void what_a_batch_gives_back_is_the_next(void **state)
{
    (void)state;
    struct queue_config config = queue_config_default();
    config.batch_size = 5;
    config.concurrency = 2;
    config.window_ms = 60000;
    struct bench *bench = bench_new(config);
    add(bench, 5);
    struct queue_batch *first = next(bench);
    assert_int_equal(first->count, 5);
    add(bench, 1);
    queue_shorten(bench->queue, first, 2, bench->now_ms);
    check_sum(bench);
    assert_int_equal(first->count, 2);
    struct queue_batch *second = next(bench); /* without waiting for the window once more */
    assert_int_equal(second->count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(second->items[i].ordinal, 2 + i);
        assert_int_equal(second->items[i].attempt, 1);
    }
    done(bench, first, QUEUE_SUCCEEDED);
    done(bench, second, QUEUE_SUCCEEDED);
    check_sum(bench);
    assert_int_equal(bench->acknowledged_count, 6);
    bench_free(bench);
}

static void an_old_message_becomes_a_dead_letter_without_being_leased(void **state)
{
    (void)state;
    struct queue_config config = queue_config_default();
    config.max_age_ms = 60000;
    config.concurrency = 1;
    struct bench *bench = bench_new(config);
    add(bench, 2);
    struct queue_batch *batch = next(bench);
    bench->now_ms += 60000;
    assert_int_equal(queue_next_deadline(bench->queue), bench->now_ms);
    assert_null(next(bench));
    assert_int_equal(bench->dead_count, 1);
    assert_int_equal(bench->dead_ordinal, 1);
    assert_int_equal(bench->dead_reason, QUEUE_DEAD_AGE);
    done(bench, batch, QUEUE_FAILED);
    assert_int_equal(bench->dead_count, 2);
    assert_int_equal(bench->dead_ordinal, 0);
    check_sum(bench);
    bench_free(bench);
}

static void bisecting_finds_the_poison_and_spares_the_rest(void **state)
{
    (void)state;
    struct queue_config config = queue_config_default();
    config.batch_size = 64;
    struct bench *bench = bench_new(config);
    add(bench, 64);
    for (int round = 0; round < 1000 && queue_stats(bench->queue).dead_count == 0; round++) {
        struct queue_batch *batch = next(bench);
        if (!batch) {
            bench->now_ms = queue_next_deadline(bench->queue);
            continue;
        }
        bool poisoned = false;
        for (size_t i = 0; i < batch->count; i++)
            poisoned = poisoned || batch->items[i].ordinal == 23;
        done(bench, batch, poisoned ? QUEUE_FAILED : QUEUE_SUCCEEDED);
    }
    while (queue_stats(bench->queue).waiting_count > 0) {
        bench->now_ms = queue_next_deadline(bench->queue);
        done(bench, next(bench), QUEUE_SUCCEEDED);
    }
    assert_int_equal(bench->dead_count, 1);
    assert_int_equal(bench->dead_ordinal, 23);
    assert_int_equal(bench->dead_attempts, 3);
    assert_int_equal(bench->acknowledged_count, 63);
    check_sum(bench);
    bench_free(bench);
}

static void a_rejected_item_dies_at_once_and_the_others_go_on(void **state)
{
    (void)state;
    struct queue_config config = queue_config_default();
    config.batch_size = 3;
    struct bench *bench = bench_new(config);
    add(bench, 3);
    struct queue_batch *batch = next(bench);
    queue_reject(bench->queue, batch, 1, bench->now_ms,
                 &(struct queue_error){.type = SPAN_LITERAL("not_json")});
    assert_int_equal(bench->dead_ordinal, 1);
    assert_int_equal(bench->dead_reason, QUEUE_DEAD_REJECTED);
    assert_int_equal(bench->dead_attempts, 0);
    assert_true(span_equal(batch->items[1].message->payload, SPAN_LITERAL("21.5")));
    check_sum(bench);
    batch->items[0].outcome = batch->items[2].outcome = QUEUE_SUCCEEDED;
    queue_done(bench->queue, batch, bench->now_ms, NULL);
    assert_int_equal(bench->acknowledged_count, 2);
    queue_dead_stored(bench->queue, 1);
    assert_int_equal(bench->acknowledged_count, 3);
    check_sum(bench);
    bench_free(bench);
}

static void memory_is_bounded_and_the_rest_is_loaded(void **state)
{
    (void)state;
    struct queue_config config = queue_config_default();
    size_t message_size = message_bytes(&(struct message){.payload = SPAN_LITERAL("21.5")});
    config.memory_bytes = 2 * message_size;
    struct bench *bench = bench_new(config);
    add(bench, 5);
    assert_int_equal(queue_stats(bench->queue).memory_bytes, 2 * message_size);
    for (uint64_t ordinal = 0; ordinal < 5; ordinal++) {
        struct queue_batch *batch = next(bench);
        struct span expected = ordinal < 2 ? SPAN_LITERAL("21.5") : SPAN_LITERAL("loaded 7");
        assert_true(span_equal(batch->items[0].message->payload, expected));
        done(bench, batch, QUEUE_SUCCEEDED);
    }
    assert_int_equal(bench->load_count, 3);
    assert_int_equal(queue_stats(bench->queue).memory_bytes, 0);
    bench_free(bench);
}

static void an_unreadable_message_becomes_a_dead_letter(void **state)
{
    (void)state;
    struct queue_config config = queue_config_default();
    config.memory_bytes = 0;
    struct bench *bench = bench_new(config);
    bench->unreadable = true;
    add(bench, 1);
    assert_null(next(bench));
    assert_int_equal(bench->dead_reason, QUEUE_DEAD_UNREADABLE);
    assert_false(bench->dead_has_message);
    queue_dead_stored(bench->queue, 0);
    check_sum(bench);
    bench_free(bench);
}

static void a_full_queue_says_when_there_is_room_again(void **state)
{
    (void)state;
    struct queue_config config = queue_config_default();
    config.max_count = 8;
    struct bench *bench = bench_new(config);
    add(bench, 8);
    assert_false(queue_has_room(bench->queue, 1, 1));
    done(bench, next(bench), QUEUE_SUCCEEDED);
    assert_int_equal(bench->room_count, 1);
    assert_true(queue_has_room(bench->queue, 1, 1));
    assert_false(queue_has_room(bench->queue, 2, 1));
    assert_false(queue_has_room(bench->queue, 1, config.max_bytes));
    bench_free(bench);
}

static void what_was_restored_is_leased_in_order_before_what_is_new(void **state)
{
    (void)state;
    struct bench *bench = memory_new(sizeof *bench);
    struct queue_config config = queue_config_default();
    bench->queue = queue_new(
        &config,
        &(struct queue_hooks){bench, highest_roll, load, on_acknowledge, on_dead, on_room, on_changed}, 10);
    queue_restore(bench->queue, 3, 100, 0, 33, 0, 0);
    queue_restore(bench->queue, 9, 100, 0, 99, 0, 0);
    add(bench, 1);
    static const uint64_t ordinals[] = {3, 9, 10};
    for (int i = 0; i < 3; i++) {
        struct queue_batch *batch = next(bench);
        assert_int_equal(batch->items[0].ordinal, ordinals[i]);
        done(bench, batch, QUEUE_SUCCEEDED);
    }
    bench_free(bench);
}

/* Fresh entries are kept in blocks: however it grows and empties, none is lost or out of order. */
static void a_backlog_keeps_its_order_as_it_grows_and_empties(void **state)
{
    (void)state;
    struct bench *bench = bench_new(queue_config_default());
    static const size_t sizes[] = {1, 20, 21, 22, 1, 100, 43, 2};
    for (size_t i = 0, added = 0, taken = 0; i < sizeof sizes / sizeof *sizes; i++) {
        add(bench, sizes[i]);
        added += sizes[i];
        size_t left = i % 3 == 2 ? 0 : sizes[i] / 2; /* sometimes it empties */
        while (taken < added - left) {
            struct queue_batch *batch = next(bench);
            assert_non_null(batch);
            assert_int_equal(batch->items[0].ordinal, taken++);
            done(bench, batch, QUEUE_SUCCEEDED);
        }
        check_sum(bench);
    }
    bench_free(bench); /* with some left */
}

static void who_leases_is_told_when_it_is_worth_asking(void **state)
{
    (void)state;
    struct bench *bench = bench_new(queue_config_default());
    add(bench, 2);
    assert_int_equal(bench->changed_count, 2);
    struct queue_batch *batch = next(bench);
    assert_non_null(batch);
    assert_null(next(bench)); /* concurrency 1 */
    assert_int_equal(bench->changed_count, 2);
    done(bench, batch, QUEUE_SUCCEEDED);
    assert_int_equal(bench->changed_count, 3);
    assert_non_null(next(bench));
    bench_free(bench);
}

/* Fresh ones, such that were in a batch, and those of an ordered queue: what each turn makes of them is
 * bounded. */
static void many_old_messages_die_in_turns(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct queue_config config = queue_config_default();
        config.max_age_ms = 60000;
        config.batch_size = 200;
        config.ordered = way == 2;
        struct bench *bench = bench_new(config);
        add(bench, 200);
        if (way == 1)
            done(bench, next(bench), QUEUE_NOT_ATTEMPTED);
        bench->now_ms += 60000;
        for (size_t dead = 0; dead < 200; dead = bench->dead_count) {
            assert_true(queue_next_deadline(bench->queue) <= bench->now_ms);
            assert_null(next(bench));
            assert_in_range(bench->dead_count - dead, 1, 64);
        }
        assert_null(next(bench));
        assert_int_equal(queue_next_deadline(bench->queue), UINT64_MAX);
        check_sum(bench);
        bench_free(bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_leaves_at_the_first_of_size_window_and_bytes),
        cmocka_unit_test(the_window_starts_at_the_first_record),
        cmocka_unit_test(a_delay_is_waited_for_once),
        cmocka_unit_test(what_was_restored_waits_for_the_rest_of_its_delay),
        cmocka_unit_test(no_more_batches_are_leased_than_the_concurrency),
        cmocka_unit_test(a_failing_message_waits_apart_and_becomes_a_dead_letter),
        cmocka_unit_test(an_asynchronous_invocation_is_tried_after_one_and_two_minutes),
        cmocka_unit_test(a_throttled_asynchronous_invocation_lives_six_hours_and_loses_no_attempt),
        cmocka_unit_test(an_outage_of_a_day_makes_no_dead_letter),
        cmocka_unit_test(what_is_not_reached_is_tried_sooner_than_what_throttles),
        cmocka_unit_test(retry_after_is_honoured),
        cmocka_unit_test(retry_after_is_honoured_up_to_a_bound),
        cmocka_unit_test(what_a_batch_gives_back_is_the_next),
        cmocka_unit_test(an_old_message_becomes_a_dead_letter_without_being_leased),
        cmocka_unit_test(many_old_messages_die_in_turns),
        cmocka_unit_test(bisecting_finds_the_poison_and_spares_the_rest),
        cmocka_unit_test(a_rejected_item_dies_at_once_and_the_others_go_on),
        cmocka_unit_test(memory_is_bounded_and_the_rest_is_loaded),
        cmocka_unit_test(an_unreadable_message_becomes_a_dead_letter),
        cmocka_unit_test(a_full_queue_says_when_there_is_room_again),
        cmocka_unit_test(what_was_restored_is_leased_in_order_before_what_is_new),
        cmocka_unit_test(who_leases_is_told_when_it_is_worth_asking),
        cmocka_unit_test(a_backlog_keeps_its_order_as_it_grows_and_empties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
