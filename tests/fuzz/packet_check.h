/*
 * What must hold of any bytes that are given to the codec as one Control Packet:
 * they are refused with a Reason Code, or what was accepted is encoded in
 * mqtt_encoded_size bytes, and is the same packet when it is decoded again. Aborts
 * where it does not hold.
 */
#ifndef SLUICE_TESTS_PACKET_CHECK_H
#define SLUICE_TESTS_PACKET_CHECK_H

#include "wire/mqtt.h"

void require(bool condition);
void packet_check(struct span bytes, enum mqtt_role role, enum mqtt_version version);
/* Writing a checked block again, property by property, gives the same bytes: there is one form of each. */
void packet_check_properties(struct mqtt_properties properties);

#endif
