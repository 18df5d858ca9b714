/*
 * An Application Message that is kept: one immutable, reference-counted block
 * for any number of queues. On the path of a QoS 0 message nothing of this is
 * made: a message is created when the first queue has to hold it.
 * Single-threaded: only the loop's thread counts references.
 */
#ifndef SLUICE_BASE_MESSAGE_H
#define SLUICE_BASE_MESSAGE_H

#include "wire/span.h"

struct message {
    uint32_t refs;
    uint8_t qos;
    bool retain;
    bool payload_is_json; /* somebody has checked that, and rules rely on it: who makes a message with another
                             payload of this one clears it. False: nobody has, or it is none */
    uint8_t publisher_kind; /* with publisher_name, of one that may be kept: see there */
    uint64_t received_ms;   /* wall clock, Unix epoch, when the gateway took it in */
    uint64_t expires_ms;    /* the same clock; 0: never */
    struct span topic;      /* a valid Topic Name; this and the rest point into the same block */
    struct span payload;
    struct span properties; /* MQTT 5 property block to forward, without Topic Alias, Subscription
                               Identifiers and Message Expiry Interval */
    struct span client_id;  /* of the publisher; empty for the gateway's own */
    struct span principal;  /* of the publisher: SHA-256 of its certificate in hex, or empty */
    /* Whom the broker's rules know the publisher as, so that its rights can be asked for later, of a message
     * that is retained, above QoS 0, or has a Response Topic; else empty. */
    struct span publisher_name;
};

/* A copy with one reference; the spans of `source` are copied in, its refs is ignored. */
struct message *message_new(const struct message *source);
struct message *message_ref(struct message *message);
void message_unref(struct message *message); /* NULL is allowed */
/* Bytes that the block occupies: what a queue's byte bound counts. */
size_t message_bytes(const struct message *message);

#endif
