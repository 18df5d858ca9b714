/*
 * Series of samples for the tests of telemetry frames: made from a seed, encoded,
 * and compared with what a frame gives back.
 */
#ifndef SLUICE_TESTS_FRAME_SERIES_H
#define SLUICE_TESTS_FRAME_SERIES_H

#include "wire/frame.h"

enum { SERIES_SAMPLES_MAX = 512, SERIES_FRAME_BYTES_MAX = 1 << 17 };

struct series {
    struct frame_channel channels[FRAME_CHANNELS_MAX];
    size_t channel_count;
    size_t sample_count;
    int64_t times_ms[SERIES_SAMPLES_MAX];
    /* A number for channels of texts too: series_encode says a text for each of 200 remainders. */
    struct frame_value values[SERIES_SAMPLES_MAX][FRAME_CHANNELS_MAX];
    bool has_clock;
};

/* How a series moves. */
struct series_model {
    const char *name;
    uint64_t step; /* numbers change by less than this; 0: any 64 bits */
    int64_t drift; /* added at each step */
    unsigned missing_percent;
    uint32_t interval_ms, jitter_ms;
};

uint64_t random_next(uint64_t *state);

/* All types in turn, over channel_count channels. */
void series_make(const struct series_model *model, size_t channel_count, size_t sample_count, uint64_t seed,
                 struct series *ret_series);

/* Encodes as many samples as fit; *ret_count of them. */
struct span series_encode(const struct series *series, void *memory, size_t capacity_bytes,
                          size_t *ret_count);

/* As series_encode, of a series with a clock, but the encoder is saved and restored elsewhere before each
 * sample. */
struct span series_encode_in_pieces(const struct series *series, void *memory, size_t capacity_bytes,
                                    size_t *ret_count);

/* Fails the test unless `frame` holds exactly the first `count` samples. */
void series_expect(const struct series *series, size_t count, struct span frame);

#endif
