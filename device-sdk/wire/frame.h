/*
 * The telemetry frame: a batch of samples of some channels in few bytes, for one
 * MQTT PUBLISH payload. The format is written down in FRAME.md. A sample is a
 * time in milliseconds and, for each channel, a value or nothing.
 *
 * Values are exact: a decimal channel carries whole numbers of its last decimal
 * (21.5 with one decimal is 215), so what comes out is what was declared, to the
 * digit. Each value is predicted from the channel's own past and the difference
 * goes through an adaptive binary range coder. So the encoder keeps no samples:
 * a sample is encoded into the frame when it is given, and the size of the frame
 * is known at any time.
 *
 * All memory is the caller's, nothing is allocated, and nothing here is shared
 * between two encoders or decoders. Frames are limited to the constants below,
 * and by the decoder to the limits that it is given.
 */
#ifndef SLUICE_WIRE_FRAME_H
#define SLUICE_WIRE_FRAME_H

#include "sluice/error.h"
#include "span.h"

enum {
    FRAME_CHANNELS_MAX = 64,
    FRAME_SAMPLES_MAX = 65535,
    FRAME_SAMPLES_TAKEN = 4096, /* of one frame by a gateway, and */
    FRAME_VALUES_TAKEN = 16384, /* samples x channels; so a device puts no more into it */
    FRAME_NAME_BYTES_MAX = 64,
    FRAME_UNIT_BYTES_MAX = 32,
    FRAME_DECIMALS_MAX = 15,
    FRAME_TEXT_BYTES_MAX = 255, /* of one value of a channel of texts; */
    FRAME_TEXTS_MAX = 1024,     /* different ones in a frame */
};

enum frame_type {
    FRAME_DECIMAL = 0, /* a whole number of 10^-decimals; integers have no decimals */
    FRAME_BOOLEAN = 1,
    FRAME_FLOAT32 = 2, /* IEEE 754, bit for bit */
    FRAME_TEXT = 3,    /* UTF-8; a frame carries each different one once */
};

/* The name is UTF-8, not empty, unique in its frame, and not "time"; the unit is UTF-8 and may be empty
 * (SenML's names for units are understood everywhere: RFC 8428, section 12.1). */
struct frame_channel {
    struct span name;
    struct span unit;
    enum frame_type type;
    uint8_t decimals; /* FRAME_DECIMAL only, else 0 */
};

struct frame_value {
    bool present;
    /* FRAME_DECIMAL: in units of 10^-decimals; FRAME_BOOLEAN: 0 or 1; FRAME_FLOAT32: the bits; FRAME_TEXT:
     * which of the frame's texts, by frame_encode_text and for frame_text. */
    int64_t number;
};

/* `value` rounded to what the channel can say. NaN, infinities, and what is outside of 64 bits at this
 * resolution are missing; so is any number for a channel of texts. */
struct frame_value frame_value_of(double value, const struct frame_channel *channel);

/* Whether a frame can carry these channels: their count, names, units, decimals. */
bool frame_channels_valid(const struct frame_channel channels[], size_t count);

/* What the coder has learnt of one yes-or-no question. */
struct frame_odds {
    uint16_t no;         /* the probability of no, in 65,536ths */
    uint16_t seen_count; /* up to the limit of the learning rate */
};

enum {
    FRAME_LENGTHS = 24,
    FRAME_HIGHS = 8,
};

/* What the coder has learnt of one channel. Only its size concerns the caller. */
struct frame_column {
    uint64_t last; /* the latest value that was present */
    uint64_t step; /* its difference from the one before */
    int8_t trend;  /* above 0 where `step` has been a better guess than no change */
    int8_t sign;   /* of the latest surprise */
    bool was_present, started;
    struct {
        struct frame_odds present[2];
        struct frame_odds surprise[3];
        struct frame_odds negative[3];
        struct frame_odds longer[FRAME_LENGTHS];
        struct frame_odds high[FRAME_HIGHS][3];
    } odds; /* nothing else in it: they are set as one array */
};

/* The range coder: low and range are its interval; a decoder's low is the offset of the frame's number in it.
 */
struct frame_coder {
    uint32_t low;
    uint32_t range;
    struct writer *out; /* of an encoder, else NULL */
    struct reader in;   /* of a decoder */
    uint8_t *mark;      /* encoder: where the current sample began */
    bool carried;       /* encoder: a carry went past the mark */
    uint32_t past_end_count;
};

struct frame_encoder {
    struct frame_coder coder;
    struct writer out;
    const struct frame_channel *channels;
    struct frame_column *columns;
    size_t channel_count;
    struct frame_column time;
    int64_t origin_ms;
    uint16_t sample_count;
    bool has_clock, full;
    uint8_t *texts;     /* their count and they, in the frame, before the body; NULL: no such channel */
    size_t texts_bytes; /* of that, */
    size_t texts_sample_bytes; /* and what the samples in the frame need of it */
};

/*
 * Begins a frame in `memory`. `channels` and `columns`, channel_count of each, and
 * the memory must stay until the frame is finished, and the encoder must not move;
 * `columns` need no initial value. Without a clock (`has_clock` false) times may
 * have any origin: the gateway takes the last sample's time as the moment when the
 * frame arrived.
 *
 * SLUICE_INVALID: the channels cannot be carried. SLUICE_TOO_LARGE: the memory
 * cannot hold the channels and one sample of any values.
 */
enum sluice_error frame_encode_start(struct frame_encoder *encoder, const struct frame_channel channels[],
                                     struct frame_column columns[], size_t channel_count, bool has_clock,
                                     void *memory, size_t capacity_bytes);

/* Adds a sample: a value for each channel. SLUICE_FULL: it did not fit; the frame is as it was before and
 * takes no more: finish it, and add this sample to the next one. */
enum sluice_error frame_encode_sample(struct frame_encoder *encoder, int64_t time_ms,
                                      const struct frame_value values[]);

/*
 * What stands for `text` in the next sample, as the value of a channel of texts:
 * the text joins the frame if it is not there yet. A sample that is refused, here
 * or by frame_encode_sample, leaves its texts behind, and frame_drop_texts takes
 * them out again. A program that calls neither is not larger for them.
 *
 * SLUICE_INVALID: it is not UTF-8, over FRAME_TEXT_BYTES_MAX, or the frame has no
 * channel of texts. SLUICE_FULL: as of frame_encode_sample.
 */
enum sluice_error frame_encode_text(struct frame_encoder *encoder, struct span text,
                                    struct frame_value *ret_value);
void frame_drop_texts(struct frame_encoder *encoder);

/*
 * The frame so far and what the coder has learnt, to go on with later, also in
 * another process: the frame's bytes, 220 and 190 for each channel at most.
 * Restoring is into an encoder that was just started with the same channels and
 * clock, and memory as large; false: the state is not of these channels, or not
 * whole, and the encoder must be started again. For frames with a clock only.
 */
void frame_encode_save(struct frame_encoder *encoder, struct writer *out);
bool frame_encode_restore(struct frame_encoder *encoder, struct reader *in);

/* Bytes of the frame if it were finished now. */
size_t frame_encoded_size(const struct frame_encoder *encoder);

/* The whole frame, in the memory that was given; empty if there is no sample in it. The encoder is done. */
struct span frame_encode_finish(struct frame_encoder *encoder);

/* No JSON text, UTF-8 string, CBOR or MessagePack item begins so. */
#define FRAME_MAGIC SPAN_LITERAL("\xC1\x1F")

/* Whether a payload says of itself that it is a frame. */
static inline bool frame_is(struct span payload)
{
    return span_starts_with(payload, FRAME_MAGIC);
}

struct frame_limits {
    uint32_t max_channels;
    uint32_t max_samples; /* a frame of constants can hold 65,535 of them in a few bytes, */
    uint32_t max_values;  /* each with a place for every channel: samples x channels */
};

/* About 30 KB: one for all frames of a thread is enough. */
struct frame_decoder {
    struct frame_coder coder;
    struct frame_channel channels[FRAME_CHANNELS_MAX];
    struct frame_column columns[FRAME_CHANNELS_MAX];
    size_t channel_count;
    struct frame_column time;
    const uint8_t *texts[FRAME_TEXTS_MAX]; /* each a byte with its length, and so many bytes */
    size_t text_count;
    struct span body; /* what the range coder reads */
    uint64_t origin_ms;
    uint32_t sample_count;
    uint32_t left_count;
    bool has_clock;
};

/*
 * Opens a frame and checks all of it, so that what follows cannot fail half-way.
 * The names, units and texts may point into `frame`, which must stay. `received_ms`
 * is the time that the last sample of a frame without a clock gets.
 *
 * SLUICE_INVALID: this is no frame, a damaged or truncated one, or one of a later
 * version. SLUICE_TOO_LARGE: over a limit, found before any sample is decoded.
 */
enum sluice_error frame_decode_open(struct frame_decoder *decoder, struct span frame,
                                    const struct frame_limits *limits, uint64_t received_ms);

/* The next sample, a value for each channel, in the order in which they were added; false at the end. */
bool frame_next_sample(struct frame_decoder *decoder, int64_t *ret_time_ms, struct frame_value ret_values[]);

/* The text that a value of a channel of texts stands for. */
struct span frame_text(const struct frame_decoder *decoder, const struct frame_value *value);

/* Back before the first sample of an open frame. */
void frame_rewind(struct frame_decoder *decoder);

/*
 * One sample as a JSON object: {"time":1700000000.123,"temperature":21.5}. Times
 * are in seconds, numbers are exact and without trailing zeros, and what is
 * missing (or is a float32 that JSON has no number for) is left out.
 * A writer that is too small fails.
 */
void frame_write_json(struct writer *out, const struct frame_decoder *decoder, int64_t time_ms,
                      const struct frame_value values[]);

/* All samples of an open frame as SenML JSON (RFC 8428), a record for each value, with `base_name` in front
 * of the names. Rewinds the decoder before and after. */
void frame_write_senml(struct writer *out, struct frame_decoder *decoder, struct span base_name);

/* Bytes that are enough for frame_write_json of any sample of this frame, and for its frame_write_senml: this
 * one reads the frame, and rewinds it. */
size_t frame_json_bytes_max(const struct frame_decoder *decoder);
size_t frame_senml_bytes_max(struct frame_decoder *decoder, struct span base_name);

#endif
