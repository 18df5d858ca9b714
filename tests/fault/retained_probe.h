/*
 * What the gateway has retained, asked by a client of its own: it connects with
 * Clean Start, subscribes at QoS 0, and a PINGRESP ends the answer. It blocks until
 * then. What goes wrong ends the program with status 1 and a sentence. One thread.
 */
#ifndef RETAINED_PROBE_H
#define RETAINED_PROBE_H

#include "wire/mqtt.h"

/* Gives each retained message that the filter matches; they are views. */
void retained_probe(uint16_t port, const char *filter,
                    void (*on_retained)(void *ctx, const struct mqtt_publish *publish), void *ctx);

#endif
