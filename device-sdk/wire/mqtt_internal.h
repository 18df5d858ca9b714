/*
 * What the files of the codec share: the checks that come from the tables of
 * properties and of Reason Codes.
 */
#ifndef SLUICE_WIRE_MQTT_INTERNAL_H
#define SLUICE_WIRE_MQTT_INTERNAL_H

#include "mqtt.h"

enum {
    REMAINING_LENGTH_MAX = 268435455,
    /* Where properties may stand: in a packet, by its type, or in the Will of a CONNECT. */
    MQTT_WILL = 0,
};

/* The first fault of a property block received in `carrier` (a type or MQTT_WILL), or MQTT_SUCCESS. */
enum mqtt_reason mqtt_properties_check(struct span block, unsigned carrier, enum mqtt_role role);

/* Whether a packet of MQTT 5 of this type may give this Reason Code. */
bool mqtt_reason_allowed(uint8_t code, enum mqtt_type type);

#endif
