/*
 * The messages of a function's queue whose publishers' acknowledgements wait
 * until they are processed (`acknowledge: processed`), by ordinal. One thread;
 * owns nothing but its table. As many as there are such acknowledgements, which
 * the broker bounds. A zeroed one is empty.
 */
#ifndef SLUICE_APP_AWAITED_H
#define SLUICE_APP_AWAITED_H

#include "broker/broker.h"

struct awaited_item;

struct awaited {
    struct awaited_item *items; /* in ascending ordinals */
    size_t count, capacity;
    size_t over_count; /* of these: taken */
};

/* Its ordinal is above those before it. */
void awaited_add(struct awaited *awaited, uint64_t ordinal, struct broker_processing *processing);
/* The message is finished, and what came of it is in the journal up to `seq`. */
void awaited_processed(struct awaited *awaited, uint64_t ordinal, uint64_t seq);
/* When no Client is connected any more. */
void awaited_fini(struct awaited *awaited);

#endif
