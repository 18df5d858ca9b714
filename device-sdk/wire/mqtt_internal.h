/*
 * What the files of the codec share: what comes from the table of Reason Codes, and
 * MQTT's bounds.
 */
#ifndef SLUICE_WIRE_MQTT_INTERNAL_H
#define SLUICE_WIRE_MQTT_INTERNAL_H

#include "mqtt.h"

enum {
    REMAINING_LENGTH_MAX = 268435455,
};

/* Whether a packet of MQTT 5 of this type may give this Reason Code. */
bool mqtt_reason_allowed(uint8_t code, enum mqtt_type type);

#endif
