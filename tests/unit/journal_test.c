/* journal.h over the simulated disk: what comes back, disk errors, bounds. */
#include "journal_fixture.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* ---- What comes back ---- */

static void all_that_is_unfinished_is_there_after_a_restart(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    uint32_t a = journal_queue_open(fixture->journal, JOURNAL_SESSION, SPAN_LITERAL("a"));
    uint32_t gone = journal_queue_open(fixture->journal, JOURNAL_SESSION, SPAN_LITERAL("gone"));
    assert_int_equal(journal_queue_open(fixture->journal, JOURNAL_SESSION, SPAN_LITERAL("a")), a);
    struct message message = {.topic = SPAN_LITERAL("t"), .payload = SPAN_LITERAL("both")};
    struct journal_target targets[] = {{.queue = a, .qos = 2, .retain = true}, {.queue = gone, .qos = 1}};
    struct journal_message both = {.message = &message, .targets = targets, .target_count = 2};
    uint64_t seq, position;
    assert_int_equal(journal_append_messages(fixture->journal,
                                             (struct journal_origin){.queue = a, .packet_id = 5}, &both, 1,
                                             &seq),
                     SLUICE_OK);
    assert_int_equal(
        append(fixture, (struct journal_target){.ordinal = 1, .queue = a, .qos = 1}, "done", &position),
        SLUICE_OK);
    assert_int_equal(
        append(fixture, (struct journal_target){.ordinal = 2, .queue = a, .qos = 1}, "left", &position),
        SLUICE_OK);
    assert_int_equal(journal_append_messages(fixture->journal,
                                             (struct journal_origin){.queue = a, .packet_id = 6}, NULL, 0,
                                             &seq),
                     SLUICE_OK);
    assert_true(journal_received(fixture->journal, a, 0) > seq);
    journal_acknowledge(fixture->journal, a, 1);
    journal_packet_id_free(fixture->journal, a, 6);
    journal_queue_drop(fixture->journal, gone);
    commit_all(fixture);
    static const char expected[] = "session a next 3; 0=both q2r received; 2=left q1; packet 5;";
    assert_string_equal(restart(fixture), expected);
    assert_string_equal(restart(fixture), expected);
    fixture_free(fixture);
}

/* Ordinals side by side, and far apart. */
static void what_is_left_comes_in_the_order_of_its_ordinals(void **state)
{
    (void)state;
    static const struct {
        uint64_t ordinals[5];
        const char *expected;
    } rows[] = {
        {{1, 2, 3, 4, 5}, "session a next 6; 1=x q1; 2=x q1; 3=x q1; 4=x q1; 5=x q1;"},
        {{1, 2, 4, 9, 12}, "session a next 13; 1=x q1; 2=x q1; 4=x q1; 9=x q1; 12=x q1;"},
        {{1, 7, 70000, 70001, 90000000},
         "session a next 90000001; 1=x q1; 7=x q1; 70000=x q1; 70001=x q1; 90000000=x q1;"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture *fixture = fixture_new();
        uint32_t a = journal_queue_open(fixture->journal, JOURNAL_SESSION, SPAN_LITERAL("a"));
        for (size_t n = 0; n < 5; n++) {
            struct journal_target target = {.ordinal = rows[i].ordinals[n], .queue = a, .qos = 1};
            uint64_t position;
            assert_int_equal(append(fixture, target, "x", &position), SLUICE_OK);
        }
        commit_all(fixture);
        assert_string_equal(restart(fixture), rows[i].expected);
        fixture_free(fixture);
    }
}

static void what_was_not_committed_is_not_there(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(append_many(fixture, 1), SLUICE_OK);
    commit_all(fixture);
    assert_int_equal(append_many(fixture, 1), SLUICE_OK);
    restart(fixture);
    assert_int_equal(fixture->shown.entries, 1);
    fixture_free(fixture);
}

static void a_message_is_loaded_wherever_it_is(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    uint32_t queue = journal_queue_open(fixture->journal, JOURNAL_SESSION, SPAN_LITERAL("a"));
    uint64_t position;
    assert_int_equal(
        append(fixture, (struct journal_target){.ordinal = 0, .queue = queue, .qos = 1}, "here", &position),
        SLUICE_OK);
    struct journal_batch *batch = NULL;
    for (int stage = 0; stage < 3; stage++) { /* pending, in flight, on disk */
        struct message *message;
        assert_int_equal(journal_load(fixture->journal, position, &message), SLUICE_OK);
        assert_true(span_equal(message->payload, SPAN_LITERAL("here")));
        assert_true(span_equal(message->principal, span_from_string(hex_principal)));
        message_unref(message);
        if (stage == 0)
            batch = journal_commit_begin(fixture->journal, 0);
        if (stage == 1) {
            uint64_t durable;
            journal_batch_run(batch);
            assert_int_equal(journal_commit_end(fixture->journal, batch, 0, &durable), SLUICE_OK);
        }
    }
    journal_acknowledge(fixture->journal, queue, 0);
    struct message *message;
    assert_int_equal(journal_load(fixture->journal, position, &message), SLUICE_NOT_FOUND);
    fixture_free(fixture);
}

static void a_batch_waits_for_its_count_or_its_delay(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->config.commit_delay_ms = 50;
    fixture->config.commit_count = 3;
    restart(fixture);
    assert_int_equal(journal_next_deadline(fixture->journal), UINT64_MAX);
    assert_int_equal(append_many(fixture, 1), SLUICE_OK); /* with its queue's declaration: two records */
    assert_null(journal_commit_begin(fixture->journal, 1000));
    assert_int_equal(journal_next_deadline(fixture->journal), 1050);
    assert_null(journal_commit_begin(fixture->journal, 1049));
    fixture->now_ms = 1050;
    assert_int_equal(commit(fixture), SLUICE_OK);
    assert_int_equal(append_many(fixture, 3), SLUICE_OK);
    assert_int_equal(commit(fixture), SLUICE_OK);
    assert_int_equal(append_many(fixture, 1), SLUICE_OK);
    journal_commit_now(fixture->journal);
    assert_int_equal(commit(fixture), SLUICE_OK);
    fixture_free(fixture);
}

static void the_delay_counts_from_the_arrival_also_behind_a_batch(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->config.commit_delay_ms = 50;
    restart(fixture);
    assert_int_equal(append_many(fixture, 1), SLUICE_OK);
    assert_null(journal_commit_begin(fixture->journal, 1000));
    struct journal_batch *batch = journal_commit_begin(fixture->journal, 1050);
    assert_non_null(batch);
    assert_int_equal(append_many(fixture, 1), SLUICE_OK);
    assert_null(journal_commit_begin(fixture->journal, 1051)); /* the turn in which it arrived */
    journal_batch_run(batch);
    uint64_t seq;
    assert_int_equal(journal_commit_end(fixture->journal, batch, 1090, &seq), SLUICE_OK);
    assert_int_equal(journal_next_deadline(fixture->journal), 1101);
    fixture->now_ms = 1101;
    assert_int_equal(commit(fixture), SLUICE_OK);
    fixture_free(fixture);
}

/* ---- Disk errors ---- */

static void a_failed_sync_moves_to_a_new_file(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(append_many(fixture, 3), SLUICE_OK);
    commit_all(fixture);
    sim_disk_fail_syncs(fixture->sim, 1);
    assert_int_equal(append_many(fixture, 3), SLUICE_OK);
    assert_int_equal(commit(fixture), SLUICE_AGAIN);
    assert_int_equal(append_many(fixture, 3), SLUICE_OK); /* accepted meanwhile */
    assert_int_equal(journal_next_deadline(fixture->journal), 0);
    assert_int_equal(commit(fixture), SLUICE_OK);
    assert_int_equal(journal_stats(fixture->journal).segments, 2);
    sim_disk_power_cut(fixture->sim);
    restart(fixture);
    assert_int_equal(fixture->shown.entries, 9);
    fixture_free(fixture);
}

static void a_disk_that_fails_twice_takes_nothing_until_it_works(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool full;
        enum sluice_error expected;
    } rows[] = {{"sync fails", false, SLUICE_IO}, {"no space left", true, SLUICE_FULL}};
    for (size_t i = 0; i < 2; i++) {
        print_message("%s\n", rows[i].name);
        struct fixture *fixture = fixture_new();
        assert_int_equal(append_many(fixture, 3), SLUICE_OK);
        commit_all(fixture);
        if (rows[i].full)
            sim_disk_set_capacity(fixture->sim, 10);
        else
            sim_disk_fail_syncs(fixture->sim, 2);
        assert_int_equal(append_many(fixture, 3), SLUICE_OK);
        assert_int_equal(commit(fixture), SLUICE_AGAIN);
        assert_int_equal(commit(fixture), rows[i].expected);
        assert_int_equal(append_many(fixture, 1), SLUICE_IO);
        journal_acknowledge(fixture->journal, fixture->queue, 0); /* still works */
        assert_null(journal_commit_begin(fixture->journal, fixture->now_ms));
        sim_disk_set_capacity(fixture->sim, UINT64_MAX);
        fixture->now_ms = journal_next_deadline(fixture->journal);
        assert_int_equal(commit(fixture), SLUICE_OK);
        assert_int_equal(append_many(fixture, 1), SLUICE_OK);
        commit_all(fixture);
        sim_disk_power_cut(fixture->sim);
        restart(fixture);
        assert_int_equal(fixture->shown.entries, 6);
        fixture_free(fixture);
    }
}

/* A function's result is appended, then what it came of is acknowledged: one of them must be there. */
static void nothing_goes_before_what_was_appended_first_is_durable(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->config.commit_delay_ms = 1000;
    restart(fixture);
    for (size_t i = 0; i < 50; i++) { /* several files */
        assert_int_equal(append_many(fixture, 1), SLUICE_OK);
        journal_commit_now(fixture->journal);
        commit_all(fixture);
    }
    uint64_t position;
    struct journal_target target = {.ordinal = 50, .queue = fixture->queue, .qos = 1};
    assert_int_equal(append(fixture, target, "result", &position), SLUICE_OK);
    for (uint64_t ordinal = 0; ordinal < 50; ordinal++)
        journal_acknowledge(fixture->journal, fixture->queue, ordinal);
    commit(fixture); /* too soon for the result */
    restart(fixture);
    assert_int_equal(fixture->shown.entries, 50);
    fixture_free(fixture);
}

/* ---- Bounds ---- */

static void at_its_bound_it_is_full_until_messages_are_finished(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->config.max_bytes = 20000;
    restart(fixture);
    while (append_many(fixture, 1) == SLUICE_OK)
        commit_all(fixture);
    assert_in_range(fixture->next_ordinal, 80, 125);
    for (uint64_t o = 0; o < fixture->next_ordinal; o++)
        journal_acknowledge(fixture->journal, fixture->queue, o);
    commit_all(fixture);
    assert_int_equal(append_many(fixture, 1), SLUICE_OK);
    fixture_free(fixture);
}

static void the_reserve_is_for_what_makes_room(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->config.max_bytes = 20000;
    fixture->config.reserve_bytes = 5000;
    restart(fixture);
    while (append_many(fixture, 1) == SLUICE_OK)
        commit_all(fixture);
    assert_in_range(journal_stats(fixture->journal).bytes, 14700, 15000);
    struct journal_target target = {.ordinal = fixture->next_ordinal, .queue = fixture->queue, .qos = 1};
    struct journal_message result = {
        .message = &(struct message){.topic = SPAN_LITERAL("result")}, .targets = &target, .target_count = 1};
    uint64_t seq;
    while (journal_append_messages(fixture->journal, (struct journal_origin){.may_use_reserve = true},
                                   &result, 1, &seq) == SLUICE_OK)
        target.ordinal++;
    assert_in_range(journal_stats(fixture->journal).bytes, 19800, 20000);
    fixture_free(fixture);
}

/* However many, and however far apart: a window's last messages must not come back without its end. */
static void what_a_turn_acknowledges_is_on_disk_together_or_not_at_all(void **state)
{
    (void)state;
    enum { ROUNDS = 200, COUNT = 1200 };
    struct fixture *fixture = fixture_new();
    fixture->config.segment_bytes = 1 << 20; /* so that most batches go behind others, where they are torn */
    restart(fixture);
    uint32_t queue = journal_queue_open(fixture->journal, JOURNAL_FUNCTION, SPAN_LITERAL("far apart"));
    size_t lost_count = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t first = 2 * COUNT * round, position;
        for (uint64_t i = 0; i < COUNT; i++)
            append(fixture, (struct journal_target){.ordinal = first + 2 * i, .queue = queue, .qos = 1}, "x",
                   &position);
        commit_all(fixture);
        for (uint64_t i = 0; i < COUNT; i++)
            journal_acknowledge(fixture->journal, queue, first + 2 * i);
        sim_disk_stop_after(fixture->sim, 1); /* it is written, and not synced */
        commit(fixture);
        sim_disk_power_cut(fixture->sim);
        restart(fixture);
        assert_true(fixture->shown.entries == 0 || fixture->shown.entries == COUNT);
        lost_count += fixture->shown.entries > 0;
        for (uint64_t i = 0; i < COUNT; i++)
            journal_acknowledge(fixture->journal, queue, first + 2 * i);
        commit_all(fixture);
    }
    assert_in_range(lost_count, 1, ROUNDS - 1);
    fixture_free(fixture);
}

static void a_record_larger_than_the_buffer_is_refused_for_good(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->config.buffer_bytes = 150;
    restart(fixture);
    assert_int_equal(append_many(fixture, 1), SLUICE_TOO_LARGE);
    fixture_free(fixture);
}

static void one_stuck_queue_does_not_keep_the_disk(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->config.compact_bytes = 16384;
    restart(fixture);
    uint32_t stuck = journal_queue_open(fixture->journal, JOURNAL_FUNCTION, SPAN_LITERAL("stuck"));
    uint64_t most_bytes = 0, position;
    for (uint64_t i = 0; i < 3000; i++) {
        if (i % 100 == 0)
            assert_int_equal(append(fixture,
                                    (struct journal_target){.ordinal = i / 100, .queue = stuck, .qos = 1},
                                    "waits", &position),
                             SLUICE_OK);
        if (i == 0)
            journal_received(fixture->journal, stuck, 0); /* it is copied along */
        assert_int_equal(append_many(fixture, 1), SLUICE_OK);
        journal_acknowledge(fixture->journal, fixture->queue, i);
        commit_all(fixture);
        struct journal_stats stats = journal_stats(fixture->journal);
        most_bytes = stats.bytes > most_bytes ? stats.bytes : most_bytes;
    }
    struct journal_stats stats = journal_stats(fixture->journal);
    assert_true(most_bytes < 40000);
    assert_true(stats.copied_bytes > 0 && stats.copied_bytes < stats.written_bytes / 2);
    assert_non_null(strstr(restart(fixture), " 0=waits q1 received;"));
    assert_int_equal(fixture->shown.entries, 30);
    fixture_free(fixture);
}

/* As the loop drives it when nobody appends: when the journal says that there is something to do, and after
 * each batch. */
static void drive(struct fixture *fixture)
{
    for (int i = 0; i < 1000 && journal_next_deadline(fixture->journal) != UINT64_MAX; i++)
        commit_all(fixture);
    assert_int_equal(journal_next_deadline(fixture->journal), UINT64_MAX);
}

/* Whoever is held back by a full journal appends nothing, and must not wait for somebody else who does. */
static void copying_forward_goes_on_by_itself(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->config.segment_bytes = 2 << 20;
    fixture->config.compact_bytes = 1 << 20;
    fixture->config.max_bytes = 6 << 20;
    restart(fixture);
    uint32_t stuck = journal_queue_open(fixture->journal, JOURNAL_SESSION, SPAN_LITERAL("stuck"));
    uint64_t position;
    for (uint64_t ordinal = 0; append_many(fixture, 6000) == SLUICE_OK; ordinal++) {
        append(fixture, (struct journal_target){.ordinal = ordinal, .queue = stuck, .qos = 1}, "waits",
               &position);
        commit_all(fixture);
    }
    for (uint64_t ordinal = 0; ordinal < fixture->next_ordinal; ordinal++)
        journal_acknowledge(fixture->journal, fixture->queue, ordinal);
    drive(fixture);
    assert_true(journal_stats(fixture->journal).bytes < fixture->config.max_bytes / 2);
    fixture_free(fixture);
}

int main(void)
{
    log_set_level(LOG_ERROR + 1); /* disk errors are reported, and this test makes them */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_is_unfinished_is_there_after_a_restart),
        cmocka_unit_test(what_is_left_comes_in_the_order_of_its_ordinals),
        cmocka_unit_test(what_was_not_committed_is_not_there),
        cmocka_unit_test(a_message_is_loaded_wherever_it_is),
        cmocka_unit_test(a_batch_waits_for_its_count_or_its_delay),
        cmocka_unit_test(the_delay_counts_from_the_arrival_also_behind_a_batch),
        cmocka_unit_test(a_failed_sync_moves_to_a_new_file),
        cmocka_unit_test(a_disk_that_fails_twice_takes_nothing_until_it_works),
        cmocka_unit_test(nothing_goes_before_what_was_appended_first_is_durable),
        cmocka_unit_test(at_its_bound_it_is_full_until_messages_are_finished),
        cmocka_unit_test(the_reserve_is_for_what_makes_room),
        cmocka_unit_test(what_a_turn_acknowledges_is_on_disk_together_or_not_at_all),
        cmocka_unit_test(a_record_larger_than_the_buffer_is_refused_for_good),
        cmocka_unit_test(one_stuck_queue_does_not_keep_the_disk),
        cmocka_unit_test(copying_forward_goes_on_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
