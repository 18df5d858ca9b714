/*
 * MQTT 5 properties of a PUBLISH: from the encoded block that the worker protocol
 * has to what Paho takes, and back. Any thread; memory is the caller's.
 */
#ifndef SLUICE_UPLINK_PROPERTIES_H
#define SLUICE_UPLINK_PROPERTIES_H

#include "base/buffer.h"

#include <MQTTProperties.h>

/* Appends what the block has, in its order. */
void properties_read(struct span block, MQTTProperties *out);
/* Appends to a block what is forwarded: without Topic Alias and Subscription Identifiers. */
void properties_write(const MQTTProperties *properties, struct buffer *out);

#endif
