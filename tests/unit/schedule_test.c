/* When schedules run. What cron.txt and zones.txt say comes from independent models beside them. */
#include "base/memory.h"
#include "route/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct schedule parse(const char *text)
{
    struct schedule schedule;
    char fault[SCHEDULE_FAULT_BYTES];
    if (schedule_parse(span_from_string(text), &schedule, fault) != SLUICE_OK)
        fail_msg("%s: %s", text, fault);
    return schedule;
}

/* 2026-11-21T12:00:30Z, or `-` for never. */
static uint64_t time_of(const char *text)
{
    struct tm tm = {0};
    if (strcmp(text, "-") == 0)
        return UINT64_MAX;
    if (!strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm))
        fail_msg("%s is no time", text);
    return (uint64_t)timegm(&tm) * 1000;
}

static void cron_runs_when_the_model_says(void **state)
{
    (void)state;
    FILE *file = fopen(SCHEDULE_VECTORS, "r");
    assert_non_null(file);
    char line[512];
    int count = 0;
    for (; fgets(line, sizeof line, file); count++) {
        line[strcspn(line, "\n")] = '\0';
        char *save;
        const char *expression = strtok_r(line, "\t", &save);
        struct schedule schedule = parse(expression);
        uint64_t at_ms = time_of(strtok_r(NULL, "\t", &save));
        const char *expected;
        while ((expected = strtok_r(NULL, "\t", &save))) {
            uint64_t next_ms = schedule_next(&schedule, at_ms);
            if (next_ms != time_of(expected))
                fail_msg("%s: after %llu comes %llu and not %s", expression, (unsigned long long)at_ms,
                         (unsigned long long)next_ms, expected);
            at_ms = next_ms == UINT64_MAX ? at_ms : next_ms;
        }
    }
    fclose(file);
    assert_true(count > 200);
}

/* NULL: this system does not have it. */
static const struct time_zone *zone_of(const char *name, struct arena *arena)
{
    char path[128];
    static uint8_t bytes[65536];
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    const struct time_zone *zone;
    if (time_zone_parse(span_of(bytes, len), arena, &zone) != SLUICE_OK)
        fail_msg("%s is no time zone", name);
    return zone;
}

static void cron_in_a_zone_runs_when_the_model_says(void **state)
{
    (void)state;
    const char *vectors = getenv("SCHEDULE_ZONES"); /* also of every zone: zones.py all */
    FILE *file = fopen(vectors ? vectors : SCHEDULE_ZONE_VECTORS, "r");
    assert_non_null(file);
    char line[512];
    int count = 0;
    for (; fgets(line, sizeof line, file); count++) {
        struct arena arena = {0};
        line[strcspn(line, "\n")] = '\0';
        char *save;
        const char *expression = strtok_r(line, "\t", &save), *name = strtok_r(NULL, "\t", &save), *expected;
        struct schedule schedule = parse(expression);
        schedule.zone = zone_of(name, &arena);
        if (!schedule.zone)
            skip();
        uint64_t at_ms = time_of(strtok_r(NULL, "\t", &save));
        while ((expected = strtok_r(NULL, "\t", &save))) {
            uint64_t next_ms = schedule_next(&schedule, at_ms);
            if (next_ms != time_of(expected))
                fail_msg("%s in %s: after %llu comes %llu and not %s", expression, name,
                         (unsigned long long)at_ms, (unsigned long long)next_ms, expected);
            at_ms = next_ms;
        }
        arena_fini(&arena);
    }
    fclose(file);
    assert_true(count > 100);
}

static void what_is_no_time_zone_is_refused(void **state)
{
    (void)state;
    static uint8_t bytes[65536];
    FILE *file = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
    if (!file)
        skip();
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t short_len = 0; short_len <= len; short_len++) {
        struct arena arena = {0};
        const struct time_zone *zone;
        uint8_t *exact = memory_new(short_len + 1); /* the sanitizer sees a read past its end */
        memcpy(exact, bytes, short_len);
        enum sluice_error error = time_zone_parse(span_of(exact, short_len), &arena, &zone);
        assert_int_equal(error, short_len == len ? SLUICE_OK : SLUICE_INVALID);
        memory_free(exact);
        arena_fini(&arena);
    }
}

static void a_rate_runs_at_multiples_of_its_period(void **state)
{
    (void)state;
    static const struct {
        const char *text, *after, *next;
    } rows[] = {
        {"rate(10 seconds)", "2026-11-21T12:00:05Z", "2026-11-21T12:00:10Z"},
        {"rate(10 seconds)", "2026-11-21T12:00:10Z", "2026-11-21T12:00:20Z"},
        {"rate(1 second)", "2026-11-21T12:00:59Z", "2026-11-21T12:01:00Z"},
        {"rate(1 minute)", "2026-11-21T12:00:59Z", "2026-11-21T12:01:00Z"},
        {"rate(5 minutes)", "2026-11-21T12:00:00Z", "2026-11-21T12:05:00Z"},
        {"rate(1 hour)", "2026-11-21T12:00:01Z", "2026-11-21T13:00:00Z"},
        {"rate(12 hours)", "2026-11-21T12:00:01Z", "2026-11-22T00:00:00Z"},
        {"rate(1 day)", "2026-11-21T12:00:01Z", "2026-11-22T00:00:00Z"},
        {"rate( 2  days )", "2026-11-21T12:00:01Z", "2026-11-23T00:00:00Z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct schedule schedule = parse(rows[i].text);
        assert_true(schedule_next(&schedule, time_of(rows[i].after)) == time_of(rows[i].next));
    }
}

static void what_is_no_schedule_is_refused_with_what_is_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *fault;
    } rows[] = {
        {"", "schedule is ''; allowed: rate(5 minutes) or cron(0 12 * * ? *)"},
        {"every day", "schedule is 'every day'"},
        {"rate(5 minutes", "schedule is 'rate(5 minutes'"},
        {"rate()", "rate is ''; allowed: a whole number above 0"},
        {"rate(0 minutes)", "rate is '0 minutes'"},
        {"rate(1 minutes)", "rate is '1 minutes'"},
        {"rate(5 minute)", "rate is '5 minute'"},
        {"rate(5 weeks)", "rate is '5 weeks'"},
        {"rate(1.5 hours)", "rate is '1.5 hours'"},
        {"rate(-5 minutes)", "rate is '-5 minutes'"},
        {"rate(5 minutes more)", "rate is '5 minutes more'"},
        {"rate(367 days)", "rate is '367 days'"},
        {"rate(99999999999999999999 days)", "rate is '99999999999999999999 days'"},
        {"cron()", "cron is ''; allowed: six fields"},
        {"cron(0 12 * * ?)", "cron is '0 12 * * ?'; allowed: six fields"},
        {"cron(0 12 * * ? * *)", "cron is '0 12 * * ? * *'; allowed: six fields"},
        {"cron(0 12 * * * *)", "allowed: ? in one of day-of-month and day-of-week"},
        {"cron(0 12 ? * ? *)", "allowed: ? in one of day-of-month and day-of-week"},
        {"cron(60 12 * * ? *)", "minutes is '60'; allowed: 0-59"},
        {"cron(0 24 * * ? *)", "hours is '24'; allowed: 0-23"},
        {"cron(0 12 0 * ? *)", "day-of-month is '0'"},
        {"cron(0 12 32 * ? *)", "day-of-month is '32'"},
        {"cron(0 12 32W * ? *)", "day-of-month is '32W'"},
        {"cron(0 12 W * ? *)", "day-of-month is 'W'"},
        {"cron(0 12 1,L * ? *)", "day-of-month is '1,L'"},
        {"cron(0 12 * 13 ? *)", "month is '13'"},
        {"cron(0 12 * JANUARY ? *)", "month is 'JANUARY'"},
        {"cron(0 12 * MON ? *)", "month is 'MON'"},
        {"cron(0 12 ? * 8 *)", "day-of-week is '8'"},
        {"cron(0 12 ? * 0 *)", "day-of-week is '0'"},
        {"cron(0 12 ? * 2#6 *)", "day-of-week is '2#6'"},
        {"cron(0 12 ? * 2# *)", "day-of-week is '2#'"},
        {"cron(0 12 ? * 2#1,3#1 *)", "day-of-week is '2#1,3#1'"},
        {"cron(0 12 ? * 9L *)", "day-of-week is '9L'"},
        {"cron(0 12 * * ? 1969)", "year is '1969'; allowed: 1970-2199"},
        {"cron(0 12 * * ? 2200)", "year is '2200'"},
        {"cron(0 12 * * ? 2030-2029)", "year is '2030-2029'"},
        {"cron(0 ? * * ? *)", "allowed: "},
        {"cron(? 12 * * ? *)", "minutes is '?'"},
        {"cron(1, 12 * * ? *)", "minutes is '1,'"},
        {"cron(,1 12 * * ? *)", "minutes is ',1'"},
        {"cron(1-2-3 12 * * ? *)", "minutes is '1-2-3'"},
        {"cron(*/0 12 * * ? *)", "minutes is '*/0'"},
        {"cron(/5 12 * * ? *)", "minutes is '/5'"},
        {"cron(5/ 12 * * ? *)", "minutes is '5/'"},
        {"cron(1- 12 * * ? *)", "minutes is '1-'"},
        {"cron(-1 12 * * ? *)", "minutes is '-1'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct schedule schedule;
        char fault[SCHEDULE_FAULT_BYTES] = "";
        assert_int_equal(schedule_parse(span_from_string(rows[i].text), &schedule, fault), SLUICE_INVALID);
        if (!strstr(fault, rows[i].fault))
            fail_msg("%s: %s", rows[i].text, fault);
    }
}

/* A clock that is looked at: what runs are due, and for which time. */
static void expect_due(const char *text, const char *anchor, const char *now, const char *due)
{
    struct schedule schedule = parse(text);
    uint64_t anchor_ms = time_of(anchor), due_ms = UINT64_MAX;
    bool is_due = schedule_due(&schedule, &anchor_ms, time_of(now), &due_ms);
    if (is_due != (due != NULL) || (due && due_ms != time_of(due)))
        fail_msg("%s, anchor %s, at %s: %llu", text, anchor, now, (unsigned long long)due_ms);
}

static void a_run_is_due_once_its_time_has_come(void **state)
{
    (void)state;
    expect_due("rate(5 minutes)", "2026-11-21T12:00:00Z", "2026-11-21T12:04:59Z", NULL);
    expect_due("rate(5 minutes)", "2026-11-21T12:00:00Z", "2026-11-21T12:05:00Z", "2026-11-21T12:05:00Z");
    expect_due("cron(30 3 * * ? *)", "2026-11-20T03:30:00Z", "2026-11-21T03:29:59Z", NULL);
    expect_due("cron(30 3 * * ? *)", "2026-11-20T03:30:00Z", "2026-11-21T03:30:00Z", "2026-11-21T03:30:00Z");
    expect_due("cron(0 0 1 1 ? 2020)", "2026-11-20T03:30:00Z", "2026-11-21T03:30:00Z", NULL);
}

static void many_missed_runs_are_one(void **state)
{
    (void)state;
    struct schedule schedule = parse("rate(1 minute)");
    uint64_t anchor_ms = time_of("2026-11-21T12:00:00Z"), due_ms = 0;
    uint64_t now_ms = time_of("2026-11-24T07:10:30Z");
    assert_true(schedule_due(&schedule, &anchor_ms, now_ms, &due_ms));
    assert_true(due_ms == time_of("2026-11-21T12:01:00Z"));
    anchor_ms = now_ms;
    assert_false(schedule_due(&schedule, &anchor_ms, now_ms, &due_ms));
    assert_true(schedule_next(&schedule, anchor_ms) == time_of("2026-11-24T07:11:00Z"));
}

static void a_clock_that_was_set_back_repeats_nothing(void **state)
{
    (void)state;
    expect_due("cron(30 3 * * ? *)", "2026-11-21T03:30:00Z", "2026-11-20T20:00:00Z", NULL);
    struct schedule schedule = parse("cron(30 3 * * ? *)");
    uint64_t anchor_ms = time_of("2026-11-21T03:30:00Z"), due_ms;
    assert_false(schedule_due(&schedule, &anchor_ms, time_of("2026-11-21T03:29:59Z"), &due_ms));
    assert_false(schedule_due(&schedule, &anchor_ms, time_of("2026-11-21T03:30:00Z"), &due_ms));
    assert_true(schedule_due(&schedule, &anchor_ms, time_of("2026-11-22T03:30:00Z"), &due_ms));
}

/* Without that a box whose clock once showed 2040 would run nothing until then. */
static void a_clock_that_was_far_ahead_does_not_stop_a_schedule(void **state)
{
    (void)state;
    struct schedule cron = parse("cron(30 3 * * ? *)"), rate = parse("rate(10 seconds)");
    uint64_t cron_anchor_ms = time_of("2040-01-01T00:00:00Z"),
             rate_anchor_ms = time_of("2026-11-21T13:00:00Z");
    uint64_t due_ms;
    assert_false(schedule_due(&cron, &cron_anchor_ms, time_of("2026-11-21T03:29:00Z"), &due_ms));
    assert_true(schedule_due(&cron, &cron_anchor_ms, time_of("2026-11-21T03:30:00Z"), &due_ms));
    assert_false(schedule_due(&rate, &rate_anchor_ms, time_of("2026-11-21T12:00:01Z"), &due_ms));
    assert_true(schedule_due(&rate, &rate_anchor_ms, time_of("2026-11-21T12:00:10Z"), &due_ms));
}

/* A box without a battery for its clock starts in 1970. */
static void a_clock_that_is_not_set_runs_no_cron_and_makes_up_for_none(void **state)
{
    (void)state;
    struct schedule cron = parse("cron(30 3 * * ? *)");
    uint64_t anchor_ms = time_of("1970-01-01T00:00:10Z"), due_ms;
    assert_false(schedule_due(&cron, &anchor_ms, time_of("1970-01-02T03:30:00Z"), &due_ms));
    assert_false(schedule_due(&cron, &anchor_ms, time_of("2026-11-21T12:00:00Z"), &due_ms));
    assert_true(schedule_due(&cron, &anchor_ms, time_of("2026-11-22T03:30:00Z"), &due_ms));
    expect_due("cron(30 3 * * ? *)", "2026-11-20T12:00:00Z", "1970-01-02T03:30:00Z", NULL);
    expect_due("rate(1 hour)", "1970-01-02T03:30:00Z", "1970-01-02T04:00:00Z", "1970-01-02T04:00:00Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cron_runs_when_the_model_says),
        cmocka_unit_test(cron_in_a_zone_runs_when_the_model_says),
        cmocka_unit_test(what_is_no_time_zone_is_refused),
        cmocka_unit_test(a_rate_runs_at_multiples_of_its_period),
        cmocka_unit_test(what_is_no_schedule_is_refused_with_what_is_allowed),
        cmocka_unit_test(a_run_is_due_once_its_time_has_come),
        cmocka_unit_test(many_missed_runs_are_one),
        cmocka_unit_test(a_clock_that_was_set_back_repeats_nothing),
        cmocka_unit_test(a_clock_that_was_far_ahead_does_not_stop_a_schedule),
        cmocka_unit_test(a_clock_that_is_not_set_runs_no_cron_and_makes_up_for_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
