/*
 * Will Messages. A will belongs to its session: it is set by CONNECT, discarded
 * by a clean DISCONNECT or by the next connection, and due when the connection is
 * lost and its Will Delay Interval has passed, or when the session ends, whichever
 * is first [MQTT-3.1.3-9]. The publisher's right is checked at CONNECT, and again
 * when it fires.
 *
 * The state keeps each will from its CONNECT, whose CONNACK waits for that, until
 * it is discarded, or what became of it when it fired is on disk; so over a crash
 * it fires at least once. A start takes the connections that there were as lost
 * then. The Server's own stopping fires none: the clients that come back by
 * themselves need no will, and whoever would hear it is disconnected too; the next
 * start fires it, as section 3.1.2.5 of the standard allows.
 *
 * One that is due and finds no room, or a disk that fails, is tried again.
 */
#ifndef SLUICE_BROKER_WILL_H
#define SLUICE_BROKER_WILL_H

#include "broker/session.h"

/* Those that are due: they fire, or wait until that is on disk. */
struct will_queue {
    struct will *first, **end;
    struct timer retry;
    uint64_t last_id;
};

void wills_init(struct broker *broker);
void wills_fini(struct broker *broker);

/* The Reason Code to refuse the CONNECT with, or MQTT_SUCCESS. */
enum mqtt_reason will_check(struct broker *broker, const struct mqtt_will *will, const struct grants *grants);
/* Returns the state's ticket. */
uint64_t will_set(struct session *session, const struct mqtt_will *will);
void will_discard(struct session *session);
/* The connection was lost, and the session lives on. */
void will_connection_lost(struct session *session, uint64_t now_ms);
/* The session ends: it fires now. */
void will_session_ends(struct session *session);
/* The session's memory goes; what the state keeps of the will stays there. */
void will_forget(struct session *session);
/* What fired up to the durable seq is over. */
void wills_durable(struct broker *broker);
/* At start, in ascending ids, when the sessions are there. */
enum sluice_error will_restore(struct broker *broker, const struct broker_will *stored, uint64_t now_ms);

#endif
