/* What a series of samples cannot be coded under: the telemetry frame is measured against it. */
#ifndef SLUICE_BENCH_FRAME_FLOOR_H
#define SLUICE_BENCH_FRAME_FLOOR_H

#include "wire/frame.h"

/*
 * The sum over the columns, times included, of the order-0 entropy of the
 * differences from one value to the next (for times, of the differences of these),
 * as if a decoder knew their distribution beforehand. `values` are rows of `stride`;
 * up to 4,096 samples.
 */
double frame_floor_bytes(const int64_t times_ms[], const struct frame_value *values, size_t sample_count,
                         size_t channel_count, size_t stride);

#endif
