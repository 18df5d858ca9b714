/*
 * Tumbling windows over power cuts: a function that adds up, on a journal whose disk tears and drops what was
 * not synced. Whatever happens when, a message that was acknowledged is in exactly one window, once.
 */
#include "../fault/sim_disk.h"

#include "app/functions_internal.h"
#include "base/memory.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    WINDOW_S = 10,
    PARTITIONS = 3,
    STEPS = 600,
    SEEDS = 40,
    MESSAGES_MAX = STEPS,
    RESULTS_MAX = 2 * STEPS,
    IDS_BYTES = 8192,
    JOURNAL_BYTES = 4 << 20,
};

/* What a window's last invocation said, or its dead letter, or that of a message (partition 0): the
 * identifiers of messages, with commas around them. */
struct result {
    uint32_t partition;
    char start[24];
    char ids[IDS_BYTES];
};

/* On its way to the disk, which a power cut ends. */
struct letter {
    uint64_t ordinal;
    struct message *message;
};

struct world {
    struct sim_disk *sim;
    struct journal *journal;
    struct functions all;
    struct function function;
    struct config_function config_function;
    struct config_event event;
    struct mapping mapping;
    uv_loop_t loop;
    uint64_t wall_ms, now_ms, random;
    size_t message_count;
    uint64_t seq_of[MESSAGES_MAX];
    bool is_durable[MESSAGES_MAX];
    struct result *results;
    size_t result_count, power_cuts, refused;
    uint32_t max_attempts;
    struct letter letters[MESSAGES_MAX];
    size_t letter_count, ends_kept;
    size_t room_count; /* times that who was refused was asked again */
};

static uint32_t dice(void *ctx)
{
    struct world *world = ctx;
    world->random = world->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(world->random >> 32);
}

static uint64_t wall_ms(void *ctx)
{
    return ((struct world *)ctx)->wall_ms;
}

static void on_room(void *ctx)
{
    ((struct world *)ctx)->room_count++;
}

/* ---- The queue's hooks, as functions.c has them ---- */

static uint32_t queue_random(void *ctx)
{
    return dice(((struct mapping *)ctx)->function->all->host.ctx);
}

static enum sluice_error queue_load(void *ctx, uint64_t position, struct message **ret_message)
{
    return journal_load(((struct mapping *)ctx)->function->all->host.journal, position, ret_message);
}

static void queue_acknowledge(void *ctx, uint64_t ordinal)
{
    struct mapping *mapping = ctx;
    journal_acknowledge(mapping->function->all->host.journal, mapping->queue_id, ordinal);
    tumbling_left(mapping->tumbling, ordinal);
}

static void queue_dead(void *ctx, const struct queue_dead *dead)
{
    struct mapping *mapping = ctx;
    struct world *world = mapping->function->all->host.ctx;
    struct message *end = tumbling_give_up(mapping->tumbling, dead);
    assert_true(world->letter_count < MESSAGES_MAX);
    world->letters[world->letter_count++] =
        (struct letter){dead->ordinal, end ? end : message_ref(dead->message)};
}

static void queue_on_room(void *ctx)
{
    (void)ctx;
}

static void queue_on_changed(void *ctx)
{
    (void)ctx;
}

static struct queue *new_queue(struct mapping *mapping, uint64_t next_ordinal)
{
    struct queue_config config = queue_config_default();
    config.batch_size = 4;
    config.concurrency = 2;
    config.max_attempts = ((struct world *)mapping->function->all->host.ctx)->max_attempts;
    config.max_age_ms = 0;
    config.ordered = config.one_partition = true;
    config.memory_bytes = 0; /* so that each message comes from the disk */
    return queue_new(&config,
                     &(struct queue_hooks){mapping, queue_random, queue_load, queue_acknowledge, queue_dead,
                                           queue_on_room, queue_on_changed},
                     next_ordinal);
}

/* ---- Starting, as restore.c does ---- */

static void on_queue(void *ctx, uint32_t queue, enum journal_queue_kind kind, struct span name,
                     uint64_t next_ordinal)
{
    struct world *world = ctx;
    if (kind == JOURNAL_WINDOW) {
        assert_true(tumbling_restore_queue(world->mapping.tumbling, queue, name, next_ordinal));
        return;
    }
    world->mapping.queue_id = queue;
    world->mapping.queue = new_queue(&world->mapping, next_ordinal);
}

static void on_entry(void *ctx, const struct journal_entry *entry)
{
    struct world *world = ctx;
    if (entry->queue != world->mapping.queue_id) {
        tumbling_restore_state(world->mapping.tumbling, entry);
        return;
    }
    tumbling_restore_entry(world->mapping.tumbling, entry, entry->share);
    queue_restore(world->mapping.queue, entry->ordinal, entry->bytes, entry->share, entry->position, 0,
                  world->now_ms);
}

static void on_packet_id(void *ctx, uint32_t queue, uint16_t packet_id)
{
    (void)ctx, (void)queue, (void)packet_id;
}

static void start(struct world *world)
{
    struct journal_config config = journal_config_default();
    config.segment_bytes = 16384;
    config.max_bytes = JOURNAL_BYTES;
    config.reserve_bytes = JOURNAL_BYTES / 4;
    config.commit_delay_ms = 0;
    assert_int_equal(journal_open(&config, sim_disk_of(world->sim), &world->journal), SLUICE_OK);
    struct mapping *mapping = &world->mapping;
    static char queue_name[] = "sums";
    *mapping =
        (struct mapping){.function = &world->function, .event = &world->event, .queue_name = queue_name};
    world->all.host.journal = world->journal;
    mapping->tumbling = tumbling_new(mapping);
    journal_visit(world->journal, &(struct journal_visitor){world, on_queue, on_entry, on_packet_id});
    if (!mapping->queue) {
        mapping->queue_id = journal_queue_open(world->journal, JOURNAL_FUNCTION, SPAN_LITERAL("sums"));
        mapping->queue = new_queue(mapping, 1);
    }
    tumbling_restored(mapping->tumbling);
}

static void stop(struct world *world)
{
    while (world->letter_count > 0)
        message_unref(world->letters[--world->letter_count].message);
    queue_free(world->mapping.queue);
    tumbling_free(world->mapping.tumbling);
    journal_free(world->journal);
}

static struct world *world_new(uint64_t seed, uint32_t max_attempts)
{
    static char arn[] = "arn:aws:lambda:local:000000000000:function:sums";
    struct world *world = memory_new(sizeof *world);
    world->results = memory_new_array(RESULTS_MAX, sizeof *world->results);
    world->random = seed;
    world->max_attempts = max_attempts;
    world->wall_ms = UINT64_C(1700000000000);
    world->sim = sim_disk_new(seed);
    uv_loop_init(&world->loop);
    world->now_ms = uv_now(&world->loop);
    world->config_function.queue_count = 1000;
    world->event.tumbling_window_s = WINDOW_S;
    world->event.maximum_batching_bytes = 1000000;
    world->function = (struct function){.all = &world->all, .config = &world->config_function, .arn = arn};
    world->all.host = (struct functions_host){
        .ctx = world, .loop = &world->loop, .wall_ms = wall_ms, .random = dice, .on_room = on_room};
    start(world);
    return world;
}

static void world_free(struct world *world)
{
    stop(world);
    sim_disk_free(world->sim);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    memory_free(world->results);
    memory_free(world);
}

/* ---- What happens ---- */

static void arrive_in(struct world *world, uint32_t partition)
{
    struct mapping *mapping = &world->mapping;
    char payload[16];
    int len = snprintf(payload, sizeof payload, "%u", (unsigned)world->message_count);
    struct message view = {.qos = 1,
                           .topic = SPAN_LITERAL("in"),
                           .payload = span_of(payload, (size_t)len),
                           .received_ms = world->wall_ms};
    tumbling_before(mapping->tumbling, partition, view.received_ms);
    struct journal_target target = {.queue = mapping->queue_id,
                                    .ordinal = queue_next_ordinal(mapping->queue),
                                    .share = partition,
                                    .qos = 1};
    struct journal_message stored = {.message = &view, .targets = &target, .target_count = 1};
    uint64_t seq;
    if (journal_append_messages(world->journal, (struct journal_origin){0}, &stored, 1, &seq) != SLUICE_OK)
        return;
    struct message *message = message_new(&view);
    queue_add(mapping->queue, message, partition, stored.ret_position, world->now_ms);
    tumbling_arrived(mapping->tumbling, partition, message);
    message_unref(message);
    world->seq_of[world->message_count++] = seq;
}

static void arrive(struct world *world)
{
    arrive_in(world, 1 + dice(world) % PARTITIONS);
}

static void commit(struct world *world)
{
    uint64_t durable_seq;
    struct journal_batch *batch = journal_commit_begin(world->journal, world->now_ms);
    if (!batch)
        return;
    journal_batch_run(batch);
    if (journal_commit_end(world->journal, batch, world->now_ms, &durable_seq) != SLUICE_OK)
        return;
    for (size_t i = 0; i < world->message_count; i++)
        world->is_durable[i] = world->is_durable[i] || world->seq_of[i] <= durable_seq;
}

/* In the middle of a commit, or of nothing. */
static void cut_power(struct world *world)
{
    sim_disk_stop_after(world->sim, dice(world) % 4);
    commit(world);
    sim_disk_power_cut(world->sim);
    stop(world);
    for (size_t i = 0; i < world->message_count; i++) {
        if (!world->is_durable[i])
            world->seq_of[i] = UINT64_MAX; /* nobody has heard of it: it may be there or not */
    }
    world->power_cuts++;
    start(world);
}

static void keep_result(struct world *world, uint32_t partition, const char *start, const char *ids)
{
    struct result *at = world->results;
    while (at < world->results + world->result_count &&
           !(at->partition == partition && strncmp(at->start, start, 20) == 0))
        at++;
    if (at == world->results + world->result_count)
        assert_true(world->result_count++ < RESULTS_MAX); /* else it is told once more */
    at->partition = partition;
    snprintf(at->start, sizeof at->start, "%.20s", start);
    snprintf(at->ids, sizeof at->ids, "%s", ids);
}

/* The identifiers that stand in a state; "," in one of nothing. */
static void read_ids(const char *text, char *ret_ids)
{
    const char *ids = strstr(text, "\"ids\":\"");
    snprintf(ret_ids, IDS_BYTES, "%.*s", ids ? (int)strcspn(ids + 7, "\"") : 1, ids ? ids + 7 : ",");
}

/* The oldest letter is on disk: what it holds is lost no more, and leaves the queue. */
static void store_letter(struct world *world)
{
    if (world->letter_count == 0)
        return;
    struct letter letter = world->letters[0];
    memmove(world->letters, world->letters + 1, --world->letter_count * sizeof letter);
    char text[IDS_BYTES], ids[IDS_BYTES + 2];
    uint32_t partition = 0;
    snprintf(text, sizeof text, "%.*s", (int)letter.message->payload.len,
             (const char *)letter.message->payload.data);
    if (tumbling_is_end(letter.message, &partition)) {
        read_ids(text, ids);
        keep_result(world, partition, strstr(text, "\"start\":\"") + 9, ids);
        world->ends_kept++;
    } else {
        snprintf(ids, sizeof ids, ",%s,", text);
        keep_result(world, 0, text, ids);
    }
    message_unref(letter.message);
    queue_dead_stored(world->mapping.queue, letter.ordinal);
}

/* The function: the identifiers of the state, and those of the records behind them. */
static void run(struct world *world, struct queue_batch *batch, struct tumbling_step *step,
                struct buffer *ret_answer)
{
    struct buffer event = {0};
    char ids[IDS_BYTES];
    tumbling_write(world->mapping.tumbling, step, batch, &event);
    buffer_append(&event, span_of("", 1));
    const char *text = (const char *)buffer_span(&event).data;
    read_ids(text, ids);
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t partition;
        size_t len = strlen(ids);
        if (!tumbling_is_end(batch->items[i].message, &partition))
            snprintf(ids + len, sizeof ids - len, "%.*s,", (int)batch->items[i].message->payload.len,
                     (const char *)batch->items[i].message->payload.data);
    }
    if (step->is_final)
        keep_result(world, step->partition, strstr(text, "\"start\":\"") + 9, ids);
    char answer[IDS_BYTES + 32];
    int len = snprintf(answer, sizeof answer, "{\"state\":{\"ids\":\"%s\"}}", ids);
    buffer_append(ret_answer, span_of(answer, (size_t)len));
    buffer_fini(&event);
}

/* As invocation.c: from the lease to its end. */
static void handle(struct world *world)
{
    struct mapping *mapping = &world->mapping;
    struct queue_batch *batch;
    struct tumbling_step step;
    struct buffer answer = {0};
    if (queue_next(mapping->queue, world->now_ms, &batch) != SLUICE_OK)
        return;
    bool is_new = tumbling_begin(mapping->tumbling, batch, world->now_ms, &step);
    bool fails = is_new && dice(world) % 4 == 0;
    if (is_new)
        run(world, batch, &step, &answer);
    else
        world->refused++;
    for (size_t i = 0; i < batch->count; i++)
        batch->items[i].outcome = fails ? QUEUE_FAILED : QUEUE_SUCCEEDED;
    bool commits = is_new && !fails && tumbling_take_answer(&step, batch, buffer_span(&answer));
    if (commits)
        assert_int_equal(tumbling_commit(mapping->tumbling, &step, batch), SLUICE_OK);
    queue_done(mapping->queue, batch, world->now_ms, NULL);
    if (commits)
        tumbling_done(mapping->tumbling, &step);
    buffer_fini(&step.state);
    buffer_fini(&answer);
}

static void pass_time(struct world *world, uint64_t ms)
{
    world->wall_ms += ms;
    world->now_ms += ms;
    tumbling_turn(world->mapping.tumbling, world->now_ms);
}

static size_t times_in_results(const struct world *world, size_t id)
{
    char wanted[24];
    size_t times = 0;
    snprintf(wanted, sizeof wanted, ",%zu,", id);
    for (size_t i = 0; i < world->result_count; i++) {
        for (const char *at = world->results[i].ids; (at = strstr(at, wanted)); at++)
            times++;
    }
    return times;
}

static bool is_idle(const struct world *world)
{
    return queue_stats(world->mapping.queue).count == 0 &&
           tumbling_next_deadline(world->mapping.tumbling) == UINT64_MAX;
}

static void live(struct world *world)
{
    for (int step = 0; step < STEPS; step++) {
        switch (dice(world) % 8) {
        case 0:
        case 1:
        case 2: arrive(world); break;
        case 3:
        case 4: handle(world); break;
        case 5: (dice(world) % 2 == 0 ? store_letter : commit)(world); break;
        case 6: pass_time(world, dice(world) % 4000); break;
        default:
            if (dice(world) % 6 == 0)
                cut_power(world);
        }
    }
    for (int turn = 0; turn < 10000 && !is_idle(world); turn++) {
        pass_time(world, 1000);
        handle(world);
        store_letter(world);
        commit(world);
    }
    assert_true(is_idle(world));
}

static void every_acknowledged_message_is_in_one_window_over_power_cuts(void **state)
{
    (void)state;
    size_t power_cuts = 0, refused = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *world = world_new(seed, UINT32_MAX);
        live(world);
        for (size_t id = 0; id < world->message_count; id++) {
            size_t times = times_in_results(world, id);
            if (times > 1 || (world->is_durable[id] && times == 0))
                fail_msg("seed %" PRIu64 ": message %zu is %zu times in windows", seed, id, times);
        }
        assert_int_equal(journal_stats(world->journal).entries, 0);
        power_cuts += world->power_cuts;
        refused += world->refused;
        world_free(world);
    }
    assert_true(power_cuts > SEEDS);
    print_message("%zu power cuts; %zu batches were in the state already\n", power_cuts, refused);
    assert_true(refused > 0);
}

/* What is given up is in its dead letter, or the window's in the end's, once that is on disk; until then a
 * power cut leaves it as it was. */
static void what_is_given_up_is_lost_by_no_power_cut(void **state)
{
    (void)state;
    size_t ends_kept = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *world = world_new(seed, 1);
        live(world);
        for (size_t id = 0; id < world->message_count; id++) {
            if (world->is_durable[id] && times_in_results(world, id) == 0)
                fail_msg("seed %" PRIu64 ": message %zu is lost", seed, id);
        }
        assert_int_equal(journal_stats(world->journal).entries, 0);
        ends_kept += world->ends_kept;
        world_free(world);
    }
    print_message("%zu dead letters of windows\n", ends_kept);
    assert_true(ends_kept > SEEDS);
}

/* What an answer with batchItemFailures leaves to the window has no state but the answer's. */
static void only_the_answer_that_finishes_a_window_needs_no_state(void **state)
{
    (void)state;
    static const struct {
        bool is_final;
        enum queue_outcome last;
        const char *answer;
        bool is_taken;
    } rows[] = {{false, QUEUE_SUCCEEDED, "{}", false},
                {true, QUEUE_SUCCEEDED, "{}", true},
                {true, QUEUE_FAILED, "{\"batchItemFailures\":[{\"itemIdentifier\":\"2\"}]}", false},
                {true, QUEUE_NOT_REACHED, "{\"batchItemFailures\":[{\"itemIdentifier\":\"2\"}]}", false},
                {true, QUEUE_NOT_REACHED, "{\"state\":1}", true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct queue_item items[] = {{.outcome = QUEUE_SUCCEEDED}, {.outcome = rows[i].last}};
        struct queue_batch batch = {.count = 2, .items = items};
        struct tumbling_step step = {.is_final = rows[i].is_final};
        assert_int_equal(tumbling_take_answer(&step, &batch, span_from_string(rows[i].answer)),
                         rows[i].is_taken);
        buffer_fini(&step.state);
    }
}

static void commit_all(struct world *world)
{
    journal_commit_now(world->journal);
    commit(world);
}

/* Appends to a queue until something refuses. Returns how many it took. */
static size_t fill(struct world *world, uint32_t queue, uint64_t ordinal, size_t payload_bytes, size_t count)
{
    struct buffer payload = {0};
    memset(buffer_reserve(&payload, payload_bytes), 'x', payload_bytes);
    buffer_grown(&payload, payload_bytes);
    struct message view = {.qos = 1, .topic = SPAN_LITERAL("x"), .payload = buffer_span(&payload)};
    struct journal_target target = {.queue = queue, .qos = 1};
    struct journal_message stored = {.message = &view, .targets = &target, .target_count = 1};
    uint64_t seq;
    size_t taken = 0;
    for (; taken < count; taken++) {
        target.ordinal = ordinal + taken;
        if (journal_append_messages(world->journal, (struct journal_origin){0}, &stored, 1, &seq) !=
            SLUICE_OK)
            break;
        commit_all(world);
    }
    buffer_fini(&payload);
    return taken;
}

/* The first of partition 1, whose answer has a state of so many bytes. */
static enum sluice_error handle_one(struct world *world, size_t state_bytes)
{
    struct mapping *mapping = &world->mapping;
    struct queue_batch *batch;
    struct tumbling_step step;
    char answer[1000];
    while (queue_next(mapping->queue, world->now_ms, &batch) != SLUICE_OK)
        world->now_ms += 1000;
    assert_true(tumbling_begin(mapping->tumbling, batch, world->now_ms, &step));
    if (batch->count > 1)
        queue_shorten(mapping->queue, batch, 1, world->now_ms);
    batch->items[0].outcome = QUEUE_SUCCEEDED;
    int len = snprintf(answer, sizeof answer, "{\"state\":\"%0*d\"}", (int)state_bytes - 2, 0);
    assert_true(tumbling_take_answer(&step, batch, span_of(answer, (size_t)len)));
    enum sluice_error error = tumbling_commit(mapping->tumbling, &step, batch);
    if (error)
        batch->items[0].outcome = QUEUE_NOT_ATTEMPTED;
    queue_done(mapping->queue, batch, world->now_ms, NULL);
    if (!error)
        tumbling_done(mapping->tumbling, &step);
    buffer_fini(&step.state);
    return error;
}

/* Else states take what is there for what makes room, and can never leave. */
static void a_state_larger_than_what_it_replaces_does_not_use_the_reserve(void **state)
{
    (void)state;
    struct world *world = world_new(1, UINT32_MAX);
    for (int i = 0; i < 4; i++)
        arrive_in(world, 1); /* a byte each */
    assert_int_equal(handle_one(world, 200), SLUICE_OK);
    uint32_t other = journal_queue_open(world->journal, JOURNAL_SCHEDULE, SPAN_LITERAL("other"));
    fill(world, other, 1, 100000, SIZE_MAX);
    fill(world, other, 1000, 10, SIZE_MAX);
    assert_int_equal(handle_one(world, 210), SLUICE_FULL);
    assert_int_equal(handle_one(world, 201), SLUICE_OK); /* of the one before, and the message */
    assert_int_equal(handle_one(world, 100), SLUICE_OK);
    assert_int_equal(handle_one(world, 200), SLUICE_FULL);
    world_free(world);
}

static void a_state_that_cannot_be_read_keeps_no_file(void **state)
{
    (void)state;
    struct world *world = world_new(1, UINT32_MAX);
    uint32_t states = journal_queue_open(world->journal, JOURNAL_WINDOW, SPAN_LITERAL("sums"));
    assert_int_equal(fill(world, states, 50, 5, 1), 1);
    stop(world);
    start(world);
    assert_int_equal(journal_stats(world->journal).entries, 0);
    world_free(world);
}

/* Whether a PUBLISH of that partition is taken. */
static bool fits(struct world *world, uint32_t partition)
{
    struct selection selection = {.mapping = &world->mapping, .partition = partition};
    world->all.selections = &selection;
    world->all.selection_count = 1;
    world->all.full = NULL;
    enum sluice_error error = functions_select_fits(&world->all);
    assert_true(error == SLUICE_OK || (error == SLUICE_FULL && world->all.full == &world->mapping));
    return !error;
}

static void windows_are_as_many_as_the_queue_may_have_messages(void **state)
{
    (void)state;
    struct world *world = world_new(1, UINT32_MAX);
    world->config_function.queue_count = 2;
    arrive_in(world, 1);
    arrive_in(world, 2);
    while (queue_stats(world->mapping.queue).count > 0) {
        handle(world);
        pass_time(world, 1);
    }
    assert_true(fits(world, 1) && fits(world, 2));
    assert_int_equal(world->room_count, 0);
    assert_false(fits(world, 3));
    while (tumbling_next_deadline(world->mapping.tumbling) != UINT64_MAX ||
           queue_stats(world->mapping.queue).count > 0) {
        pass_time(world, 1000);
        handle(world);
        pass_time(world, 1);
        assert_int_equal(fits(world, 3), world->room_count > 0);
    }
    assert_true(fits(world, 3));
    assert_int_equal(world->room_count, 1);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_answer_that_finishes_a_window_needs_no_state),
        cmocka_unit_test(a_state_larger_than_what_it_replaces_does_not_use_the_reserve),
        cmocka_unit_test(a_state_that_cannot_be_read_keeps_no_file),
        cmocka_unit_test(every_acknowledged_message_is_in_one_window_over_power_cuts),
        cmocka_unit_test(what_is_given_up_is_lost_by_no_power_cut),
        cmocka_unit_test(windows_are_as_many_as_the_queue_may_have_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
