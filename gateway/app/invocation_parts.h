/* The inside of an invocation, for invocation.c (from lease to outcome) and invocation_event.c (what the
 * function gets). */
#ifndef SLUICE_APP_INVOCATION_PARTS_H
#define SLUICE_APP_INVOCATION_PARTS_H

#include "app/functions_internal.h"

#include "base/digits.h"

/* One lease on its way through a worker. Messages whose payload the rule cannot read are not in the event. */
struct invocation {
    struct mapping *mapping;
    struct queue_batch *batch;
    uint64_t version;                   /* that it began in */
    char (*message_ids)[DECIMAL_BYTES]; /* of a batch's items */
    struct buffer event;
    struct buffer publish;       /* the part of the context that only an uplink has */
    struct handover *handover;   /* what had no room yet, or NULL */
    struct tumbling_step window; /* where its event has windows */
};

/* Its event, in `event` and `publish`. False: nothing is left of the batch to invoke the function with. */
bool invocation_write_event(struct invocation *invocation, uint64_t now_ms);

#endif
