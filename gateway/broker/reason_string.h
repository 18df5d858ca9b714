/*
 * Reason Strings: where the Server refuses or closes with a Reason Code that a
 * person would have to guess at, a sentence says what is allowed, limits with
 * their number. One table has them all, by packet type and Reason Code; what is
 * not in it goes out without. Pure functions of their arguments.
 */
#ifndef SLUICE_BROKER_REASON_STRING_H
#define SLUICE_BROKER_REASON_STRING_H

#include "broker/channel.h"

enum { REASON_STRING_BLOCK_BYTES = 256 };

/* Gives `packet`, which has no property yet, its Reason String, where there is one, the client wants it
 * [MQTT-3.1.2-29] and its Maximum Packet Size leaves room for it [MQTT-3.2.2-19]. It is written into `block`,
 * which has to live as long as the packet. */
void reason_string_add(const struct channel *channel, struct mqtt_packet *packet,
                       uint8_t block[static REASON_STRING_BLOCK_BYTES]);

#endif
