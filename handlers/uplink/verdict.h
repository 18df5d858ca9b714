/*
 * What a PUBACK's Reason Code means for the message: a pure table. In MQTT 3.1.1 a
 * PUBACK has none and always succeeds.
 */
#ifndef SLUICE_UPLINK_VERDICT_H
#define SLUICE_UPLINK_VERDICT_H

#include "invoke/worker_protocol.h"

/* True: the remote has it. */
bool verdict_succeeded(uint8_t reason);
/* Of one that did not succeed. */
enum worker_error_kind verdict_kind(uint8_t reason);
/* The standard's name of the Reason Code. */
const char *verdict_text(uint8_t reason);

#endif
