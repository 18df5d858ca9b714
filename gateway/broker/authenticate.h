/*
 * Who a Client is. The broker asks broker_hooks.authenticate once for each CONNECT
 * and for each AUTH; here is what MQTT says of the order of those packets (section
 * 4.12 of MQTT 5), and the end of an identity whose time is over. While the world
 * has not answered, the packet stays in the connection's input and is decoded
 * again afterwards, so nothing of it is copied; only an enhanced authentication,
 * whose CONNECT comes before its AUTH packets, keeps a copy of the CONNECT.
 *
 * struct authentication belongs to its channel, and is there only while the world
 * owes an answer, where an Authentication Method was agreed on, or where the
 * identity expires.
 */
#ifndef SLUICE_BROKER_AUTHENTICATE_H
#define SLUICE_BROKER_AUTHENTICATE_H

#include "broker/channel.h"

enum { AUTHENTICATE_PROPERTIES_BYTES = BROKER_AUTHENTICATION_BYTES + 6 };

/* SLUICE_AGAIN: give the CONNECT again. SLUICE_OK and MQTT_SUCCESS: channel->identity is who it is; with
 * MQTT_CONTINUE_AUTHENTICATION the CONNECT is kept, and connect_authenticated is called with it later; else
 * it is refused. */
enum sluice_error authenticate_connect(struct channel *channel, const struct mqtt_packet *connect,
                                       enum mqtt_reason *ret_reason);
enum sluice_error authenticate_on_auth(struct channel *channel, const struct mqtt_packet *packet,
                                       uint64_t now_ms);
/* Appends the Authentication Method and Data that the CONNACK has to have, if any, to its properties. */
void authenticate_write(const struct channel *channel, struct writer *properties);
/* The CONNECT was accepted: forgets what is not needed any more, and counts the identity's time. */
void authenticate_accepted(struct channel *channel, uint64_t now_ms);
/* The connection is gone. */
void authenticate_forget(struct channel *channel);

#endif
