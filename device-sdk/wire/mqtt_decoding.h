/*
 * What the decoders of single Control Packets share. Those that both ends receive
 * are in mqtt_decode.c; those that only a Server or only a Client receives are in
 * a file for that role, with its table, so that a program links the decoders of
 * the roles that it has. Internal to wire/mqtt_decode*.c.
 */
#ifndef SLUICE_WIRE_MQTT_DECODING_H
#define SLUICE_WIRE_MQTT_DECODING_H

#include "mqtt_internal.h"

/* One packet under way. Reading goes on to the end after a fault, which `in` remembers. */
struct decoding {
    struct reader in;
    struct mqtt_packet *packet;
    enum mqtt_role role;
    enum mqtt_reason reason; /* of the first fault; MALFORMED_PACKET where the reader found it */
    uint8_t flags;           /* bits 3-0 of the fixed header */
};

/* The first reason stands; what is read from now on is empty. */
void decoding_refuse(struct decoding *d, enum mqtt_reason reason);
/* As decoding_refuse; for a topic that is not even UTF-8 the reason is MALFORMED_PACKET. */
void decoding_refuse_topic(struct decoding *d, struct span topic, enum mqtt_reason reason);

struct span decoding_string(struct decoding *d);
struct span decoding_topic_name(struct decoding *d);
uint16_t decoding_packet_id(struct decoding *d);
struct mqtt_properties decoding_properties(struct decoding *d, unsigned carrier);
enum mqtt_reason decoding_reason(struct decoding *d);

void mqtt_decode_publish(struct decoding *d);
void mqtt_decode_acknowledgement(struct decoding *d); /* PUBACK, PUBREC, PUBREL, PUBCOMP */
void mqtt_decode_disconnect(struct decoding *d);
void mqtt_decode_auth(struct decoding *d);

#define DECODING_IN(version) (1u << (version))

enum {
    DECODING_IN_BOTH = DECODING_IN(MQTT_3_1_1) | DECODING_IN(MQTT_5),
    DECODING_ANY_FLAGS = 0xff,
};

/* Section 2.1: in which versions this role receives the packet, the flags it has to have [MQTT-2.1.3-1], and
 * what decodes the rest of it; NULL: there is none. */
struct mqtt_receiver {
    enum mqtt_role role;
    struct mqtt_receiver_row {
        uint8_t versions;
        uint8_t flags;
        void (*decode)(struct decoding *d);
    } rows[16];
};

#endif
