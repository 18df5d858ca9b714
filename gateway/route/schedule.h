/*
 * When a scheduled function runs, as Amazon EventBridge writes it:
 *
 *     rate(5 minutes)                     also seconds, minute, hours, days
 *     cron(0 10 ? * MON-FRI *)            minutes hours day-of-month month day-of-week year
 *
 * Times are in milliseconds of the Unix epoch. A rate runs at the whole multiples of its period
 * since the epoch: so a restart neither shifts it nor starts it anew, and nothing has to be kept about it.
 * A cron's fields are of UTC, or of a time zone's clocks, as EventBridge Scheduler has it: where they are put
 * forward, a time that they skip has no run; where they are put back, a time that they show twice has one,
 * the first time.
 * The fields of cron are values, ranges (2-5, SAT-MON), lists and steps (0/15), months and weekdays by number
 * or name; L is the last day of the month or, as 6L, its last Friday; 15W the weekday nearest to the 15th, LW
 * the last one; 6#2 the second Friday. A week begins with SUN, 1. One of the two day fields is `?`.
 *
 * Sans-I/O: whoever has a clock says what time it is. An anchor is the time up to which runs are settled;
 * what is due after it and not after now is one run, however many were missed. Pure functions over values,
 * any thread.
 */
#ifndef SLUICE_ROUTE_SCHEDULE_H
#define SLUICE_ROUTE_SCHEDULE_H

#include "route/time_zone.h"
#include "sluice/error.h"
#include "wire/span.h"

enum {
    SCHEDULE_FAULT_BYTES = 256,
    SCHEDULE_FIRST_YEAR = 1970,
    SCHEDULE_LAST_YEAR = 2199,
    SCHEDULE_PERIOD_MAX_S = 366 * 24 * 3600,
};

/* Which days of a month. */
enum schedule_days {
    SCHEDULE_DAYS_OF_MONTH,
    SCHEDULE_DAYS_OF_WEEK,
    SCHEDULE_LAST_DAY,
    SCHEDULE_LAST_WEEKDAY,     /* Monday to Friday */
    SCHEDULE_NEAREST_WEEKDAY,  /* to day_number */
    SCHEDULE_NTH_DAY_OF_WEEK,  /* the day_number-th of the one in `days` */
    SCHEDULE_LAST_DAY_OF_WEEK, /* of the one in `days` */
};

struct schedule {
    uint64_t period_ms; /* of a rate; 0: this is a cron, and the rest counts */
    uint64_t minutes;   /* bit n: value n; so do the others */
    uint32_t hours;
    uint32_t months;
    uint32_t days; /* of the month or, SUN is bit 1, of the week */
    enum schedule_days day_rule;
    unsigned day_number;
    uint8_t years[(SCHEDULE_LAST_YEAR - SCHEDULE_FIRST_YEAR) / 8 + 1];
    const struct time_zone *zone; /* NULL: UTC; set by whoever parsed it, and outlives it */
};

/* SLUICE_INVALID: ret_fault says what is wrong and what is allowed. */
enum sluice_error schedule_parse(struct span text, struct schedule *ret_schedule,
                                 char ret_fault[static SCHEDULE_FAULT_BYTES]);

/* The first run after that time; UINT64_MAX: there is none. */
uint64_t schedule_next(const struct schedule *schedule, uint64_t after_ms);

/*
 * Whether a run is due: *ret_due_ms is its time, the first one's of those that were missed. The anchor is
 * then to become `now`. A clock that was set back repeats nothing: until it has passed the anchor no run is
 * due. Where that would take longer than a period of the rate, or a day of a cron, the clock had been wrong
 * before: the anchor becomes `now` at once. A clock that shows a time before 2025 was not set yet: crons wait
 * until it is, and do not make up for what they missed since.
 */
bool schedule_due(const struct schedule *schedule, uint64_t *anchor_ms, uint64_t now_ms,
                  uint64_t *ret_due_ms);

#endif
