/*
 * Messages on their way to subscribers: what may be sent now is encoded into the
 * connection's output, the rest waits in the session's queue. QoS 0 is sent or
 * dropped; QoS 1 and 2 are sent while the connection keeps up, the client's
 * Receive Maximum allows it, and (durable sessions) they are on disk.
 */
#ifndef SLUICE_BROKER_DELIVERY_H
#define SLUICE_BROKER_DELIVERY_H

#include "broker/channel.h"

/* One message for one session. */
struct delivery {
    struct session *session;
    const uint32_t *identifiers; /* Subscription Identifiers, ended by 0; NULL: none */
    uint64_t seq;
    uint32_t share; /* as in struct broker_target */
    uint8_t qos;
    bool retain;
};

/* Where the last encoded QoS 0 PUBLISH lies, for the next subscriber who wants the same bytes: by its place
 * in the output of the first, which may move when more is written there. It is good for one message. */
struct delivery_encoded {
    const struct buffer *in; /* NULL: there is none */
    size_t place, len;
    uint8_t version; /* enum mqtt_version */
    bool retain;
};

/* Whether the session's queue is at its bounds with this message. */
bool delivery_is_full(const struct session *session, size_t message_bytes);
/* Whether the session's queue takes this message besides what a PUBLISH has reserved in it so far. False:
 * it is to be dropped, and was counted as that. */
bool delivery_has_room(struct session *session, size_t message_bytes);
/* Stores one message for one session, if that is durable, apart from a PUBLISH: functions are not asked. Sets
 * delivery->seq; delivery_deliver follows. What is not SLUICE_OK has dropped it, and counted it, but for
 * SLUICE_FULL and SLUICE_IO. */
enum sluice_error delivery_store_again(struct delivery *delivery, struct broker_stored *stored);
void delivery_deliver(const struct delivery *delivery, struct broker_stored *stored,
                      struct delivery_encoded *encoded);
/* Whether the client takes another QoS 1 or 2 PUBLISH now. */
bool delivery_may_send(const struct session *session);
/* Has the entry's message in memory, read back if need be. False: it cannot be read, which is counted. */
bool delivery_load(struct session *session, struct outgoing_entry *entry);
/* The session is done with the message under this ordinal. */
void delivery_finish(struct session *session, uint64_t ordinal);
/* Sends what may be sent of the session's queue. */
void delivery_pump(struct session *session);
/* What was queued up to the durable seq may leave. */
void delivery_durable(struct broker *broker);

#endif
