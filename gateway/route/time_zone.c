#include "route/time_zone.h"

#include <time.h>

enum { DAY_S = 24 * 3600, TYPES_MAX = 256 };

/* When in a year clocks are changed: `Mmonth.week.day`, `Jday` without the 29th of February, or `day`. */
struct change {
    char form; /* 'M', 'J', or 'D' for a day counted from 0 */
    int month, week, day;
    int32_t second; /* of that day, as clocks show it before the change */
};

/* The years to come. */
struct rule {
    bool is_there;
    bool has_summer;
    int32_t normal_s, summer_s; /* ahead of UTC */
    struct change begin, end;   /* of summer */
};

struct transition {
    int64_t utc_s;
    int32_t offset_s; /* from then on */
};

struct time_zone {
    int32_t first_s; /* before the first transition */
    struct transition *transitions;
    size_t count;
    struct rule rule;
};

/* ---- The rule at the end of a file: CET-1CEST,M3.5.0,M10.5.0/3 ---- */

static bool take_byte(struct span *rest, uint8_t byte)
{
    bool is_there = rest->len > 0 && rest->data[0] == byte;
    if (is_there)
        *rest = span_skip(*rest, 1);
    return is_there;
}

static bool take_number(struct span *rest, int most, int *ret_number)
{
    int number = 0;
    size_t len = 0;
    for (; len < rest->len && rest->data[len] >= '0' && rest->data[len] <= '9' && len < 4; len++)
        number = number * 10 + rest->data[len] - '0';
    *rest = span_skip(*rest, len);
    *ret_number = number;
    return len > 0 && number <= most;
}

/* Letters, or anything in <>. */
static bool take_name(struct span *rest)
{
    size_t len = 0;
    bool is_quoted = take_byte(rest, '<');
    while (len < rest->len &&
           (is_quoted ? rest->data[len] != '>'
                      : (rest->data[len] | 0x20) >= 'a' && (rest->data[len] | 0x20) <= 'z'))
        len++;
    *rest = span_skip(*rest, len);
    return len >= 3 && (!is_quoted || take_byte(rest, '>'));
}

/* [+-]hours[:minutes[:seconds]] */
static bool take_time(struct span *rest, int32_t *ret_seconds)
{
    int hours, minutes = 0, seconds = 0;
    bool is_negative = take_byte(rest, '-');
    if (!is_negative)
        take_byte(rest, '+');
    if (!take_number(rest, 167, &hours) || (take_byte(rest, ':') && !take_number(rest, 59, &minutes)) ||
        (take_byte(rest, ':') && !take_number(rest, 59, &seconds)))
        return false;
    *ret_seconds = (hours * 3600 + minutes * 60 + seconds) * (is_negative ? -1 : 1);
    return true;
}

static bool take_change(struct span *rest, struct change *ret_change)
{
    struct change change = {.second = 2 * 3600};
    bool good = take_byte(rest, ',');
    if (take_byte(rest, 'M')) {
        change.form = 'M';
        good = good && take_number(rest, 12, &change.month) && change.month > 0 && take_byte(rest, '.') &&
               take_number(rest, 5, &change.week) && change.week > 0 && take_byte(rest, '.') &&
               take_number(rest, 6, &change.day);
    } else {
        change.form = take_byte(rest, 'J') ? 'J' : 'D';
        good = good && take_number(rest, 365, &change.day);
    }
    if (good && take_byte(rest, '/'))
        good = take_time(rest, &change.second);
    *ret_change = change;
    return good;
}

/* Offsets are written as what is to be added to get UTC. */
static bool take_offset(struct span *rest, int32_t *ret_ahead_s)
{
    int32_t behind_s;
    if (!take_time(rest, &behind_s))
        return false;
    *ret_ahead_s = -behind_s;
    return true;
}

static bool parse_rule(struct span text, struct rule *rule)
{
    if (text.len == 0)
        return true;
    rule->is_there = true;
    if (!take_name(&text) || !take_offset(&text, &rule->normal_s))
        return false;
    if (text.len == 0)
        return true;
    rule->has_summer = true;
    rule->summer_s = rule->normal_s + 3600;
    return take_name(&text) &&
           (text.len == 0 || text.data[0] == ',' || take_offset(&text, &rule->summer_s)) &&
           take_change(&text, &rule->begin) && take_change(&text, &rule->end) && text.len == 0;
}

static int64_t year_start(int year)
{
    struct tm first = {.tm_year = year - 1900, .tm_mday = 1};
    return timegm(&first);
}

/* The change's local time in that year. */
static int64_t change_in(const struct change *change, int year)
{
    int64_t start = year_start(year);
    bool is_leap = year_start(year + 1) - start == 366 * (int64_t)DAY_S;
    int day = change->day;
    if (change->form == 'J')
        day = day - 1 + (is_leap && day > 59);
    if (change->form == 'M') {
        struct tm first = {.tm_year = year - 1900, .tm_mon = change->month - 1, .tm_mday = 1};
        struct tm next = {.tm_year = year - 1900, .tm_mon = change->month, .tm_mday = 1};
        int64_t month = timegm(&first); /* also sets tm_wday */
        int length = (int)((timegm(&next) - month) / DAY_S);
        int in_month = (change->day - first.tm_wday + 7) % 7 + (change->week - 1) * 7;
        day = (int)((month - start) / DAY_S) + (in_month < length ? in_month : in_month - 7);
    }
    return start + (int64_t)day * DAY_S + change->second;
}

static int32_t rule_offset(const struct rule *rule, int64_t utc_s)
{
    time_t local = (time_t)(utc_s + rule->normal_s);
    struct tm there;
    if (!rule->has_summer || !gmtime_r(&local, &there))
        return rule->normal_s;
    int64_t begin = change_in(&rule->begin, there.tm_year + 1900) - rule->normal_s;
    int64_t end = change_in(&rule->end, there.tm_year + 1900) - rule->summer_s;
    bool is_summer = begin < end ? utc_s >= begin && utc_s < end : utc_s >= begin || utc_s < end;
    return is_summer ? rule->summer_s : rule->normal_s;
}

/* ---- The file ---- */

struct header {
    size_t utc_count, standard_count, leap_count, transition_count, type_count, name_bytes;
};

static bool read_header(struct reader *reader, char *ret_version, struct header *ret_header)
{
    bool is_magic = span_equal(read_bytes(reader, 4), SPAN_LITERAL("TZif"));
    *ret_version = (char)read_u8(reader);
    read_bytes(reader, 15);
    ret_header->utc_count = read_u32(reader);
    ret_header->standard_count = read_u32(reader);
    ret_header->leap_count = read_u32(reader);
    ret_header->transition_count = read_u32(reader);
    ret_header->type_count = read_u32(reader);
    ret_header->name_bytes = read_u32(reader);
    return is_magic && ret_header->type_count > 0 && ret_header->type_count <= TYPES_MAX &&
           ret_header->leap_count == 0 && !reader->failed;
}

static bool read_block(struct reader *reader, const struct header *header, struct arena *arena,
                       struct time_zone *zone)
{
    struct reader times = reader_of(read_bytes(reader, header->transition_count * 8));
    struct reader numbers = reader_of(read_bytes(reader, header->transition_count));
    struct span types = read_bytes(reader, header->type_count * 6);
    read_bytes(reader, header->name_bytes);
    read_bytes(reader, header->standard_count);
    read_bytes(reader, header->utc_count);
    if (reader->failed)
        return false;
    zone->count = header->transition_count;
    zone->transitions = arena_new(arena, (zone->count + 1) * sizeof *zone->transitions);
    for (size_t i = 0; i <= zone->count; i++) {
        size_t number = i < zone->count ? read_u8(&numbers) : 0; /* the last one is the first type's */
        if (number >= header->type_count)
            return false;
        struct reader type = reader_of(span_skip(types, number * 6));
        int32_t offset_s = (int32_t)read_u32(&type);
        if (offset_s <= -DAY_S || offset_s >= DAY_S)
            return false;
        zone->transitions[i] =
            (struct transition){i < zone->count ? (int64_t)read_u64(&times) : INT64_MAX, offset_s};
        if (i > 0 && zone->transitions[i].utc_s <= zone->transitions[i - 1].utc_s)
            return false;
    }
    zone->first_s = zone->transitions[zone->count].offset_s;
    return true;
}

enum sluice_error time_zone_parse(struct span tzif, struct arena *arena, const struct time_zone **ret_zone)
{
    struct reader reader = reader_of(tzif);
    struct time_zone *zone = arena_new(arena, sizeof *zone);
    struct header header;
    char version;
    if (!read_header(&reader, &version, &header) || version < '2')
        return SLUICE_INVALID;
    read_bytes(&reader, header.transition_count * 5 + header.type_count * 6 + header.name_bytes +
                            header.standard_count + header.utc_count); /* the same in 32 bits */
    if (!read_header(&reader, &version, &header) || !read_block(&reader, &header, arena, zone))
        return SLUICE_INVALID;
    struct span rule = read_rest(&reader);
    bool has_lines = rule.len >= 2 && rule.data[0] == '\n' && rule.data[rule.len - 1] == '\n';
    if (!has_lines || !parse_rule(span_of(rule.data + 1, rule.len - 2), &zone->rule))
        return SLUICE_INVALID;
    *ret_zone = zone;
    return SLUICE_OK;
}

/* ---- Times ---- */

/* How far clocks are ahead of UTC. */
static int32_t offset_at(const struct time_zone *zone, int64_t utc_s)
{
    size_t low = 0,
           high = zone->count; /* transitions before `low` are not after utc_s, those from `high` on are */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->transitions[middle].utc_s <= utc_s)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == zone->count && zone->rule.is_there)
        return rule_offset(&zone->rule, utc_s);
    return low > 0 ? zone->transitions[low - 1].offset_s : zone->first_s;
}

int64_t time_zone_local(const struct time_zone *zone, int64_t utc_s)
{
    return utc_s + offset_at(zone, utc_s);
}

/* A change is between the offset of a day before and that of a day after: the earlier moment is the one that
 * is further ahead of UTC. */
bool time_zone_utc(const struct time_zone *zone, int64_t local_s, int64_t *ret_utc_s)
{
    int32_t before_s = offset_at(zone, local_s - DAY_S), after_s = offset_at(zone, local_s + DAY_S);
    int64_t first = local_s - (before_s > after_s ? before_s : after_s);
    int64_t second = local_s - (before_s > after_s ? after_s : before_s);
    bool is_first = time_zone_local(zone, first) == local_s;
    if (!is_first && time_zone_local(zone, second) != local_s)
        return false;
    *ret_utc_s = is_first ? first : second;
    return true;
}
