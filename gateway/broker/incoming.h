/*
 * The Packet Identifiers of the QoS 2 messages that a client has published and
 * not yet released (method A of MQTT 5, figure 4.3: the message was passed on when
 * it came; the identifier is kept to know a repetition by). In ascending order,
 * so that the usual case, identifiers in turn, adds at the end and removes at the
 * front. At most 65,535 by nature; a smaller bound is the caller's.
 */
#ifndef SLUICE_BROKER_INCOMING_H
#define SLUICE_BROKER_INCOMING_H

#include "broker/processing.h"
#include "wire/span.h"

struct incoming_id {
    uint64_t seq;                         /* the PUBREC waits for it; 0: for nothing */
    struct broker_processing *processing; /* and for this, of which it has a reference; NULL: for nothing */
    uint16_t packet_id;
};

struct incoming {
    struct incoming_id *ids;
    uint32_t start, count, capacity;
};

/* A zeroed struct incoming is an empty one. */
void incoming_fini(struct incoming *incoming);
struct incoming_id *incoming_find(const struct incoming *incoming, uint16_t packet_id);
/* packet_id must not be held. */
void incoming_add(struct incoming *incoming, uint16_t packet_id, uint64_t seq,
                  struct broker_processing *processing);
/* False if it was not held. */
bool incoming_remove(struct incoming *incoming, uint16_t packet_id);

#endif
