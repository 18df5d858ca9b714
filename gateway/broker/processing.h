/*
 * A PUBLISH whose acknowledgement waits until functions have processed its
 * messages: struct broker_processing of broker.h. Counted references: one of the
 * world's while it owes broker_processed, one of each acknowledgement that waits,
 * and one of the Packet Identifier of a QoS 2 message, since its repetition waits
 * too, also on a later connection.
 */
#ifndef SLUICE_BROKER_PROCESSING_H
#define SLUICE_BROKER_PROCESSING_H

#include <stdbool.h>
#include <stdint.h>

struct channel;

struct broker_processing {
    struct channel *channel; /* whose acknowledgement waits; NULL: none does */
    uint64_t seq;            /* that must be durable too, once all is processed */
    uint32_t owed_count;     /* of broker_processed */
    uint32_t refs;
};

static inline bool processing_is_over(const struct broker_processing *processing)
{
    return !processing || processing->owed_count == 0;
}

/* NULL is allowed. */
struct broker_processing *processing_ref(struct broker_processing *processing);
void processing_unref(struct broker_processing *processing);

#endif
