/* What the engine's files share: engine.c (lifetime, sending, time), engine_publish.c, engine_receive.c. */
#ifndef SLUICE_CLIENT_ENGINE_INTERNAL_H
#define SLUICE_CLIENT_ENGINE_INTERNAL_H

#include "client/engine.h"

/* Queues one packet; false if there is no room for it, which leaves the queue as it was. */
bool engine_send_control(struct engine *engine, const struct mqtt_packet *packet);
/* The same for a packet that is not more than this. */
bool engine_send_short(struct engine *engine, enum mqtt_type type, uint16_t packet_id,
                       enum mqtt_reason reason);
/* A Packet Identifier that is not in use [MQTT-2.2.1-3]; there always is one: see OUTBOX_COUNT_MAX. */
uint16_t engine_next_packet_id(struct engine *engine);

#endif
