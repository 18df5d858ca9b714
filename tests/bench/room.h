/* What the sensors of a room measure in an hour, made from a seed: the series that frames and the bytes on
 * the wire are measured with. */
#ifndef SLUICE_BENCH_ROOM_H
#define SLUICE_BENCH_ROOM_H

#include <stddef.h>
#include <stdint.h>

enum { ROOM_CHANNELS = 4, ROOM_SAMPLES = 360, ROOM_INTERVAL_MS = 10000 };

struct room_channel {
    const char *name, *unit;
    uint8_t decimals;
    double start, step, wave, noise; /* a random walk over a slow wave, and the sensor's own noise */
};

extern const struct room_channel room_channels[ROOM_CHANNELS];

#define ROOM_SEED 88172645463325252u /* of the hour that the tables of figures have */

/* The same for the same seed, which is not 0. */
void room_series(uint64_t seed, double ret_values[ROOM_SAMPLES][ROOM_CHANNELS]);

#endif
