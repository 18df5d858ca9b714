/*
 * The runs of a function's schedules: each becomes a message in the function's
 * durable queue, whose payload is the event. From there it is like any other:
 * retried, and a dead letter in the end.
 *
 * Up to when a schedule is settled, its anchor, is the one entry of a queue of its
 * own in the journal. The crash argument: a run and the anchor behind it are one
 * record. So after a crash either both are there, or neither, and then the run is
 * due again; it is never lost, and repeated only if it had begun before the disk
 * had it. Its event's id follows from the schedule and the time, and so is the same.
 *
 * Of what was missed while the gateway was stopped, or its clock stood elsewhere,
 * one run is made up for: see route/schedule.h. A run that its queue has no room for
 * is missed until there is. Loop's thread; the mapping outlives it. Where `scheduled`
 * may be NULL, that is a mapping without schedules.
 */
#ifndef SLUICE_APP_SCHEDULED_H
#define SLUICE_APP_SCHEDULED_H

#include "deliver/journal.h"

struct mapping;
struct scheduled;

struct scheduled *scheduled_new(struct mapping *mapping);
void scheduled_free(struct scheduled *scheduled); /* NULL is allowed */

/* ---- At start: the journal's queues of schedules and their entries, then scheduled_restored ---- */

/* False: it is none of this mapping's schedules. NULL is allowed here and below. */
bool scheduled_restore_queue(struct scheduled *scheduled, uint32_t queue, struct span name,
                             uint64_t next_ordinal);
/* Others' entries are ignored. */
void scheduled_restore_entry(struct scheduled *scheduled, const struct journal_entry *entry);
void scheduled_restored(struct scheduled *scheduled);

/* Queues the runs that are due. */
void scheduled_turn(struct scheduled *scheduled, uint64_t now_ms);
uint64_t scheduled_next_deadline(const struct scheduled *scheduled);

#endif
