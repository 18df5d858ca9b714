/*
 * What clocks show somewhere: a time zone of the IANA database, read from a file as
 * the system has it (TZif, RFC 9636; usually in /usr/share/zoneinfo). After the last
 * change that the file lists, its rule for the years to come goes on (the line at
 * its end, as POSIX writes it in TZ).
 *
 * Sans-I/O: the file's bytes are handed in. Memory is the arena's; a zone does not
 * change, and any thread may ask it. Zones with leap seconds (`right/...`) are not
 * taken. Seconds are of the Unix epoch; local ones are what that count would be if
 * the clock there showed UTC.
 */
#ifndef SLUICE_ROUTE_TIME_ZONE_H
#define SLUICE_ROUTE_TIME_ZONE_H

#include "base/arena.h"
#include "sluice/error.h"

struct time_zone;

/* SLUICE_INVALID: it is no such file. */
enum sluice_error time_zone_parse(struct span tzif, struct arena *arena, const struct time_zone **ret_zone);

/* The local time at a moment. */
int64_t time_zone_local(const struct time_zone *zone, int64_t utc_s);

/* The first moment at which clocks show a time; false: they never do, as it is skipped. */
bool time_zone_utc(const struct time_zone *zone, int64_t local_s, int64_t *ret_utc_s);

#endif
