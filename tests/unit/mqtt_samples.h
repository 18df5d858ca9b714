/*
 * Control Packets for the codec's tests: at least one of every type, in both
 * versions. The samples point to constant bytes and may be copied freely.
 */
#ifndef SLUICE_TESTS_MQTT_SAMPLES_H
#define SLUICE_TESTS_MQTT_SAMPLES_H

#include "wire/mqtt.h"

struct mqtt_sample {
    const char *name;
    enum mqtt_version only; /* 0: both versions have it */
    struct mqtt_packet packet;
};

enum { MQTT_SAMPLES_MAX = 64 };

/* Fills `ret_samples` with those of one version; returns their count. */
size_t mqtt_samples(enum mqtt_version version, struct mqtt_sample ret_samples[MQTT_SAMPLES_MAX]);

/* The first sample of a type: the plainest one. */
struct mqtt_packet mqtt_sample_of(enum mqtt_type type, enum mqtt_version version);

/* A role that receives packets of this type. */
enum mqtt_role mqtt_receiver_of(enum mqtt_type type);

#endif
