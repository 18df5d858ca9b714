/*
 * Will Messages. A will belongs to its session: it is set by CONNECT, discarded
 * by a clean DISCONNECT or by the next connection, and fires when the connection
 * is lost and its Will Delay Interval has passed, or when the session ends,
 * whichever is first [MQTT-3.1.3-9]. The publisher's right is checked at CONNECT,
 * and again when it fires.
 */
#ifndef SLUICE_BROKER_WILL_H
#define SLUICE_BROKER_WILL_H

#include "broker/session.h"

/* The Reason Code to refuse the CONNECT with, or MQTT_SUCCESS. */
enum mqtt_reason will_check(const struct broker *broker, const struct mqtt_will *will,
                            const struct grants *grants);
void will_set(struct session *session, const struct mqtt_will *will);
void will_discard(struct session *session);
/* The connection was lost, and the session lives on. */
void will_connection_lost(struct session *session, uint64_t now_ms);
/* The session ends: it fires now. */
void will_session_ends(struct session *session);

#endif
