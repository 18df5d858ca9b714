#include "route/schedule.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    MINUTE_MS = 60 * 1000,
    DAY_S = 24 * 3600,
    DAY_MS = 24 * 60 * MINUTE_MS,
    DAY_MINUTES = 24 * 60,
    NO_MINUTE = -1,
};

#define CLOCK_SET_MS UINT64_C(1735689600000) /* 2025-01-01 */

/* ---- Words ---- */

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/* Takes the next word off the front; empty at the end. */
static struct span take_word(struct span *rest)
{
    while (rest->len > 0 && is_blank(rest->data[0]))
        *rest = span_skip(*rest, 1);
    size_t len = 0;
    while (len < rest->len && !is_blank(rest->data[len]))
        len++;
    struct span word = {rest->data, len};
    *rest = span_skip(*rest, len);
    return word;
}

/* Takes what stands before the first `mark`, and the mark; all if there is none. */
static struct span take_until(struct span *rest, char mark)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->data, mark, rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->data) : rest->len;
    struct span part = {rest->data, len};
    *rest = span_skip(*rest, end ? len + 1 : len);
    return part;
}

static bool parse_number(struct span text, unsigned *ret_number)
{
    unsigned number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || i == 9)
            return false;
        number = number * 10 + (unsigned)(text.data[i] - '0');
    }
    *ret_number = number;
    return text.len > 0;
}

/* The text within NAME(...), without blanks around it; false if it is not of that form. */
static bool arguments_of(struct span text, const char *name, struct span *ret_arguments)
{
    size_t len = strlen(name);
    bool is_call = span_starts_with(text, span_from_string(name)) && text.len > len + 1 &&
                   text.data[len] == '(' && text.data[text.len - 1] == ')';
    if (is_call)
        *ret_arguments = span_of(text.data + len + 1, text.len - len - 2);
    return is_call;
}

static enum sluice_error fault(char *ret_fault, const char *what, struct span is, const char *allowed)
{
    snprintf(ret_fault, SCHEDULE_FAULT_BYTES, "%s is '%.*s'; allowed: %s", what,
             (int)(is.len < 64 ? is.len : 64), (const char *)is.data, allowed);
    return SLUICE_INVALID;
}

/* ---- rate() ---- */

static enum sluice_error parse_rate(struct span arguments, struct schedule *schedule, char *ret_fault)
{
    static const struct {
        const char *one, *many;
        unsigned seconds;
    } units[] = {{"second", "seconds", 1},
                 {"minute", "minutes", 60},
                 {"hour", "hours", 3600},
                 {"day", "days", 24 * 3600}};
    static const char allowed[] = "a whole number above 0 and second(s), minute(s), hour(s) or day(s), as in "
                                  "rate(1 minute) or rate(5 minutes), at most 366 days";
    struct span rest = arguments;
    unsigned number;
    bool is_number = parse_number(take_word(&rest), &number);
    struct span unit = take_word(&rest);
    for (size_t i = 0;
         is_number && number > 0 && take_word(&rest).len == 0 && i < sizeof units / sizeof *units; i++) {
        const char *name = number == 1 ? units[i].one : units[i].many;
        uint64_t period_s = (uint64_t)number * units[i].seconds;
        if (!span_equal(unit, span_from_string(name)) || period_s > SCHEDULE_PERIOD_MAX_S)
            continue;
        schedule->period_ms = period_s * 1000;
        return SLUICE_OK;
    }
    return fault(ret_fault, "rate", arguments, allowed);
}

/* ---- The fields of cron() ---- */

struct field {
    const char *name;
    unsigned least, most;
    const char *names; /* three letters each, from `least` on */
    const char *allowed;
};

enum { MINUTES, HOURS, DAY_OF_MONTH, MONTH, DAY_OF_WEEK, YEAR, FIELDS };

static const struct field fields[FIELDS] = {
    {"minutes", 0, 59, "", "0-59, with , - * /"},
    {"hours", 0, 23, "", "0-23, with , - * /"},
    {"day-of-month", 1, 31, "", "1-31, with , - * /, or one of ? L LW and 15W"},
    {"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", "1-12 or JAN-DEC, with , - * /"},
    {"day-of-week", 1, 7, "SUNMONTUEWEDTHUFRISAT", "1-7 or SUN-SAT, with , - * /, or one of ? L, 6L and 6#2"},
    {"year", SCHEDULE_FIRST_YEAR, SCHEDULE_LAST_YEAR, "", "1970-2199, with , - * /"},
};

static bool parse_value(const struct field *field, struct span text, unsigned *ret_value)
{
    for (unsigned i = 0; text.len == 3 && i < strlen(field->names) / 3; i++) {
        if (strncasecmp((const char *)text.data, field->names + (size_t)i * 3, 3) == 0) {
            *ret_value = field->least + i;
            return true;
        }
    }
    unsigned value;
    if (!parse_number(text, &value) || value < field->least || value > field->most)
        return false;
    *ret_value = value;
    return true;
}

static void set_bit(uint8_t *bits, unsigned bit)
{
    bits[bit / 8] |= (uint8_t)(1U << bit % 8);
}

/* `*`, `value`, `from-to`, each with `/step`; a value with a step goes on to the field's end. A range that
 * ends before it begins goes over the field's end, but for years. Sets the bits value - least. */
static bool parse_item(const struct field *field, struct span item, uint8_t *bits)
{
    unsigned from = field->least, to = field->most, step = 1;
    struct span rest = item;
    struct span range = take_until(&rest, '/');
    bool has_step = range.len < item.len;
    if (has_step && (!parse_number(rest, &step) || step == 0))
        return false;
    if (!span_equal(range, SPAN_LITERAL("*"))) {
        struct span last = range;
        struct span first = take_until(&last, '-');
        bool has_end = first.len < range.len;
        if (!parse_value(field, first, &from) || (has_end && !parse_value(field, last, &to)))
            return false;
        if (!has_end && !has_step)
            to = from;
    }
    unsigned size = field->most - field->least + 1;
    if (to < from && field == &fields[YEAR])
        return false;
    unsigned count = (to + size - from) % size + 1;
    for (unsigned i = 0; i < count; i += step)
        set_bit(bits, (from - field->least + i) % size);
    return true;
}

static bool parse_list(const struct field *field, struct span text, uint8_t *bits)
{
    struct span rest = text;
    if (text.len == 0 || text.data[text.len - 1] == ',')
        return false;
    while (rest.len > 0) {
        if (!parse_item(field, take_until(&rest, ','), bits))
            return false;
    }
    return true;
}

/* A field of at most 63 values as a word whose bit n is the value n. */
static bool parse_bits(const struct field *field, struct span text, uint64_t *ret_bits)
{
    uint8_t bits[8] = {0};
    if (!parse_list(field, text, bits))
        return false;
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++)
        word |= (uint64_t)bits[i] << 8 * i;
    *ret_bits = word << field->least;
    return true;
}

static bool parse_day_of_month(struct span text, struct schedule *schedule)
{
    uint64_t days = 0;
    if (span_equal(text, SPAN_LITERAL("L"))) {
        schedule->day_rule = SCHEDULE_LAST_DAY;
    } else if (span_equal(text, SPAN_LITERAL("LW"))) {
        schedule->day_rule = SCHEDULE_LAST_WEEKDAY;
    } else if (text.len > 1 && text.data[text.len - 1] == 'W') {
        schedule->day_rule = SCHEDULE_NEAREST_WEEKDAY;
        return parse_value(&fields[DAY_OF_MONTH], span_of(text.data, text.len - 1), &schedule->day_number);
    } else {
        schedule->day_rule = SCHEDULE_DAYS_OF_MONTH;
        if (!parse_bits(&fields[DAY_OF_MONTH], text, &days))
            return false;
    }
    schedule->days = (uint32_t)days;
    return true;
}

static bool parse_day_of_week(struct span text, struct schedule *schedule)
{
    const struct field *field = &fields[DAY_OF_WEEK];
    struct span nth = text;
    struct span day = take_until(&nth, '#');
    unsigned weekday = 7; /* L alone is the week's last day */
    uint64_t days = 0;
    if (day.len < text.len) {
        schedule->day_rule = SCHEDULE_NTH_DAY_OF_WEEK;
        if (!parse_value(field, day, &weekday) || !parse_number(nth, &schedule->day_number) ||
            schedule->day_number < 1 || schedule->day_number > 5)
            return false;
        days = UINT64_C(1) << weekday;
    } else if (text.len > 1 && text.data[text.len - 1] == 'L') {
        schedule->day_rule = SCHEDULE_LAST_DAY_OF_WEEK;
        if (!parse_value(field, span_of(text.data, text.len - 1), &weekday))
            return false;
        days = UINT64_C(1) << weekday;
    } else {
        schedule->day_rule = SCHEDULE_DAYS_OF_WEEK;
        if (span_equal(text, SPAN_LITERAL("L")))
            days = UINT64_C(1) << weekday;
        else if (!parse_bits(field, text, &days))
            return false;
    }
    schedule->days = (uint32_t)days;
    return true;
}

static bool parse_field(unsigned number, struct span text, struct schedule *schedule)
{
    uint64_t bits = 0;
    bool is_good;
    switch (number) {
    case DAY_OF_MONTH: return parse_day_of_month(text, schedule);
    case DAY_OF_WEEK: return parse_day_of_week(text, schedule);
    case YEAR: return parse_list(&fields[YEAR], text, schedule->years);
    default: is_good = parse_bits(&fields[number], text, &bits); break;
    }
    if (number == MINUTES)
        schedule->minutes = bits;
    else
        *(number == HOURS ? &schedule->hours : &schedule->months) = (uint32_t)bits;
    return is_good;
}

static enum sluice_error parse_cron(struct span arguments, struct schedule *schedule, char *ret_fault)
{
    struct span words[FIELDS], rest = arguments;
    for (unsigned i = 0; i < FIELDS; i++)
        words[i] = take_word(&rest);
    if (words[FIELDS - 1].len == 0 || take_word(&rest).len > 0)
        return fault(ret_fault, "cron", arguments,
                     "six fields: minutes hours day-of-month month day-of-week year");
    bool any_day = span_equal(words[DAY_OF_MONTH], SPAN_LITERAL("?"));
    bool any_weekday = span_equal(words[DAY_OF_WEEK], SPAN_LITERAL("?"));
    if (any_day == any_weekday)
        return fault(ret_fault, "cron", arguments,
                     "? in one of day-of-month and day-of-week, and not in the other");
    for (unsigned i = 0; i < FIELDS; i++) {
        bool is_open = (i == DAY_OF_MONTH && any_day) || (i == DAY_OF_WEEK && any_weekday);
        if (!is_open && !parse_field(i, words[i], schedule))
            return fault(ret_fault, fields[i].name, words[i], fields[i].allowed);
    }
    return SLUICE_OK;
}

enum sluice_error schedule_parse(struct span text, struct schedule *ret_schedule,
                                 char ret_fault[static SCHEDULE_FAULT_BYTES])
{
    struct schedule schedule = {0};
    struct span arguments;
    enum sluice_error error;
    if (arguments_of(text, "rate", &arguments))
        error = parse_rate(arguments, &schedule, ret_fault);
    else if (arguments_of(text, "cron", &arguments))
        error = parse_cron(arguments, &schedule, ret_fault);
    else
        error = fault(ret_fault, "schedule", text, "rate(5 minutes) or cron(0 12 * * ? *)");
    if (!error)
        *ret_schedule = schedule;
    return error;
}

/* ---- The next run ---- */

/* Days since the epoch of a month's first; months count from 0. */
static int64_t month_start(int year, int month)
{
    struct tm first = {.tm_year = year - 1900, .tm_mon = month, .tm_mday = 1};
    return timegm(&first) / DAY_S;
}

/* 1 is SUN; `start` is the month's first day, and days count from 1. */
static unsigned weekday_of(int64_t start, unsigned day)
{
    return (unsigned)((start + (int64_t)day - 1 + 4) % 7) + 1;
}

static bool is_weekend(int64_t start, unsigned day)
{
    unsigned weekday = weekday_of(start, day);
    return weekday == 1 || weekday == 7;
}

/* Never in another month; a month without that day has none. */
static uint32_t nearest_weekday(int64_t start, unsigned length, unsigned day)
{
    if (day > length)
        return 0;
    if (weekday_of(start, day) == 7)
        day = day > 1 ? day - 1 : day + 2;
    else if (weekday_of(start, day) == 1)
        day = day < length ? day + 1 : day - 2;
    return UINT32_C(1) << day;
}

/* Whether a cron runs on a day, where that follows from the day and its weekday alone. */
static bool day_matches(const struct schedule *schedule, int64_t start, unsigned length, unsigned day)
{
    bool is_weekday = schedule->days >> weekday_of(start, day) & 1;
    switch (schedule->day_rule) {
    case SCHEDULE_DAYS_OF_MONTH: return schedule->days >> day & 1;
    case SCHEDULE_DAYS_OF_WEEK: return is_weekday;
    case SCHEDULE_LAST_DAY: return day == length;
    case SCHEDULE_NTH_DAY_OF_WEEK: return is_weekday && (day - 1) / 7 + 1 == schedule->day_number;
    case SCHEDULE_LAST_DAY_OF_WEEK: return is_weekday && day + 7 > length;
    case SCHEDULE_LAST_WEEKDAY:
    case SCHEDULE_NEAREST_WEEKDAY: break;
    }
    return false;
}

/* Bit n: on day n of that month. */
static uint32_t days_of_month(const struct schedule *schedule, int64_t start, unsigned length)
{
    uint32_t days = 0;
    if (schedule->day_rule == SCHEDULE_NEAREST_WEEKDAY)
        return nearest_weekday(start, length, schedule->day_number);
    if (schedule->day_rule == SCHEDULE_LAST_WEEKDAY) {
        unsigned day = length;
        while (is_weekend(start, day))
            day--;
        return UINT32_C(1) << day;
    }
    for (unsigned day = 1; day <= length; day++)
        days |= (uint32_t)day_matches(schedule, start, length, day) << day;
    return days;
}

/* The first minute of a day from `from` on. */
static int minute_of_day(const struct schedule *schedule, int from)
{
    for (int hour = from / 60, minute = from % 60; hour < 24; hour++, minute = 0) {
        for (; schedule->hours >> hour & 1 && minute < 60; minute++) {
            if (schedule->minutes >> minute & 1)
                return hour * 60 + minute;
        }
    }
    return NO_MINUTE;
}

/* The first run of a month from a minute since the epoch on; UINT64_MAX: it has none. */
static uint64_t next_in_month(const struct schedule *schedule, int year, int month, uint64_t from_minute)
{
    int64_t start = month_start(year, month);
    unsigned length = (unsigned)(month_start(year, month + 1) - start);
    uint32_t days = days_of_month(schedule, start, length);
    for (unsigned day = 1; day <= length; day++) {
        uint64_t midnight = (uint64_t)(start + day - 1) * DAY_MINUTES;
        if (!(days >> day & 1) || midnight + DAY_MINUTES <= from_minute)
            continue;
        int minute = minute_of_day(schedule, midnight < from_minute ? (int)(from_minute - midnight) : 0);
        if (minute != NO_MINUTE)
            return (midnight + (uint64_t)minute) * MINUTE_MS;
    }
    return UINT64_MAX;
}

static uint64_t next_of_cron(const struct schedule *schedule, uint64_t after_ms)
{
    uint64_t from_minute = after_ms / MINUTE_MS + 1;
    time_t seconds = (time_t)(from_minute * 60);
    struct tm from;
    if (!gmtime_r(&seconds, &from))
        return UINT64_MAX;
    int month = from.tm_mon;
    for (int year = from.tm_year + 1900; year <= SCHEDULE_LAST_YEAR; year++, month = 0) {
        int bit = year - SCHEDULE_FIRST_YEAR;
        for (; schedule->years[bit / 8] >> bit % 8 & 1 && month < 12; month++) {
            if (!(schedule->months >> (month + 1) & 1))
                continue;
            uint64_t next_ms = next_in_month(schedule, year, month, from_minute);
            if (next_ms != UINT64_MAX)
                return next_ms;
        }
    }
    return UINT64_MAX;
}

/* The same where clocks show the zone's time. One that they skip, or that was there before, is passed over.
 */
static uint64_t next_in_zone(const struct schedule *schedule, uint64_t after_ms)
{
    int64_t after_s = (int64_t)(after_ms / 1000), utc_s = 0;
    int64_t local_s = time_zone_local(schedule->zone, after_s);
    uint64_t local_ms = local_s > 0 ? (uint64_t)local_s * 1000 : 0;
    do {
        local_ms = next_of_cron(schedule, local_ms);
        if (local_ms == UINT64_MAX)
            return UINT64_MAX;
    } while (!time_zone_utc(schedule->zone, (int64_t)(local_ms / 1000), &utc_s) || utc_s <= after_s);
    return (uint64_t)utc_s * 1000;
}

uint64_t schedule_next(const struct schedule *schedule, uint64_t after_ms)
{
    if (schedule->period_ms > 0)
        return (after_ms / schedule->period_ms + 1) * schedule->period_ms;
    return schedule->zone ? next_in_zone(schedule, after_ms) : next_of_cron(schedule, after_ms);
}

bool schedule_due(const struct schedule *schedule, uint64_t *anchor_ms, uint64_t now_ms, uint64_t *ret_due_ms)
{
    bool is_cron = schedule->period_ms == 0;
    if (is_cron && now_ms < CLOCK_SET_MS)
        return false;
    uint64_t wait_max_ms = is_cron ? DAY_MS : schedule->period_ms;
    bool was_ahead = *anchor_ms > now_ms && *anchor_ms - now_ms > wait_max_ms;
    bool was_unset = is_cron && *anchor_ms < CLOCK_SET_MS;
    if (was_ahead || was_unset)
        *anchor_ms = now_ms;
    uint64_t due_ms = schedule_next(schedule, *anchor_ms);
    if (due_ms > now_ms)
        return false;
    *ret_due_ms = due_ms;
    return true;
}
