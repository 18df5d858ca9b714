/*
 * Packets that wait until something is on disk: PUBACK, PUBREC, PUBCOMP and
 * PUBREL for the journal; CONNACK, SUBACK and UNSUBACK for the state. Each ring is
 * first in, first out. The journal's keeps the order of acknowledgements of a
 * connection [MQTT-4.6.0-2]: while one of a connection waits, later ones wait
 * behind it, though they need no disk. Both together have one bound.
 *
 * PUBACK and PUBREC may wait for functions first: then they and those behind them
 * stand in a ring of their channel, and come into the journal's when they are
 * first there and their functions are done. A connection that has as many there
 * as the Receive Maximum is not read (a v5 client that sends more is at fault),
 * nor one that has any when all together are at that same bound.
 */
#ifndef SLUICE_BROKER_ACKNOWLEDGEMENTS_H
#define SLUICE_BROKER_ACKNOWLEDGEMENTS_H

#include "broker/channel.h"

struct deferred {
    uint64_t number; /* a seq of the journal, or a ticket of the state */
    struct channel *channel;
    struct broker_processing *processing; /* a reference (a channel's ring), or NULL */
    uint8_t *packet;                      /* encoded already (the state's ring), or NULL */
    uint32_t packet_bytes;
    uint16_t packet_id;
    uint8_t type;   /* enum mqtt_type */
    uint8_t reason; /* enum mqtt_reason */
};

struct deferred_ring {
    struct deferred *ring;
    size_t start, count, capacity; /* capacity is a power of two, or 0 */
};

/* Sends the acknowledgement as soon as `seq` is durable and those before it have left. */
void acknowledge(struct channel *channel, enum mqtt_type type, uint16_t packet_id, enum mqtt_reason reason,
                 uint64_t seq);
/* The same of a PUBLISH that was taken, and once `processing` is over too; NULL: there is nothing to process.
 */
void acknowledge_processed(struct channel *channel, enum mqtt_type type, uint16_t packet_id, uint64_t seq,
                           struct broker_processing *processing);
/* Sends an encoded packet as soon as `ticket` is durable. A CONNACK makes the channel ready, a SUBACK
 * lets retained messages follow. */
void acknowledge_state(struct channel *channel, enum mqtt_type type, struct span packet, uint64_t ticket);
/* Whether as many wait, in both rings, as may. */
bool acknowledgements_full(const struct broker *broker);
void acknowledgements_release(struct broker *broker, uint64_t seq);
void acknowledgements_release_state(struct broker *broker, uint64_t ticket);
/* Something that the channel's acknowledgements waited for is over. */
void acknowledgements_release_processed(struct channel *channel);
/* The connection is gone. */
void acknowledgements_forget_processing(struct channel *channel);
/* Drops what still waits; its channels are gone. */
void deferred_ring_fini(struct deferred_ring *ring);

#endif
