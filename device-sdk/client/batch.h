/*
 * Gathers samples into one telemetry frame (wire/frame.h) until it is full, old
 * enough, or wanted. Memory is the caller's and fixed; no I/O. A frame that is
 * finished stays here until it is taken away, and no sample fits meanwhile.
 */
#ifndef SLUICE_CLIENT_BATCH_H
#define SLUICE_CLIENT_BATCH_H

#include "sluice/device.h"
#include "wire/frame.h"

struct batch {
    struct frame_channel *channels; /* channel_count of each */
    struct frame_column *columns;
    size_t channel_count;
    void *memory;
    size_t capacity_bytes;

    size_t sample_count; /* in the frame; 0: none is begun */
    bool has_clock;
    uint64_t first_ms;    /* when its first sample came */
    struct span finished; /* the whole frame, or empty */

    struct frame_encoder encoder;
};

/* Copies what it needs of `channels` to the memory that the batch has. */
void batch_declare(struct batch *batch, const struct sluice_channel *channels);
/* SLUICE_INVALID: the channels cannot be in a frame. SLUICE_TOO_LARGE: capacity_bytes are too few. */
enum sluice_error batch_check(struct batch *batch);

/* What sluice_device_sample and sluice_device_sample_texts were given. */
struct batch_sample {
    uint64_t now_ms, time_ms;
    const double *values;
    const char *const *texts; /* batch_add does not look at them */
};

/* SLUICE_FULL: the frame must be taken away first. SLUICE_INVALID: the time, or a text, cannot be encoded.
 * SLUICE_TOO_LARGE: the texts of this sample alone do not fit. Two functions, so that a program without texts
 * is not larger for them. */
enum sluice_error batch_add(struct batch *batch, const struct batch_sample *sample);
enum sluice_error batch_add_texts(struct batch *batch, const struct batch_sample *sample);
/* The frame with all samples so far, or nothing if there are none; the same again until batch_clear. */
struct span batch_finish(struct batch *batch);
void batch_clear(struct batch *batch);

#endif
