/*
 * What the two ends of a telemetry frame share: the binary range coder and the
 * model of a channel. The model is one walk over a sample that serves both
 * directions: encoding, it reads the values; decoding, it fills them in. So the
 * two cannot disagree. Internal to wire/frame_*.c; FRAME.md has the why.
 */
#ifndef SLUICE_WIRE_FRAME_CODER_H
#define SLUICE_WIRE_FRAME_CODER_H

#include "frame.h"

enum {
    FRAME_VERSION = 1,
    FRAME_FLAG_HAS_CLOCK = 1,
    FRAME_TRAILER_BYTES = 4, /* the count of samples and the checksum */
    /* The encoder ends with one byte of a number of four: the decoder reads so many zeros past the end. */
    FRAME_PAST_END_COUNT = 3,
};

void frame_coder_init_encoder(struct frame_coder *coder, struct writer *out);
void frame_coder_init_decoder(struct frame_coder *coder, struct span body);

/* Encoder: writes the last byte. */
void frame_coder_flush(struct frame_coder *coder);
/* Encoder: remembers where a sample begins, and forgets all that was encoded since. The models of the
 * columns are not restored: nothing may be encoded after it. */
struct frame_coder frame_coder_mark(struct frame_coder *coder);
void frame_coder_return(struct frame_coder *coder, const struct frame_coder *mark);

/* Forgets all. `trend` above 0 says that steps are expected to be equal. */
void frame_column_init(struct frame_column *column, int8_t trend);

/* Codes the next number of a column, modulo 2^64; the value given is ignored in decoding. */
uint64_t frame_code_number(struct frame_coder *coder, struct frame_column *column, uint64_t value);
/* Codes the next value of a channel, or that it is missing. */
void frame_code_value(struct frame_coder *coder, enum frame_type type, struct frame_column *column,
                      struct frame_value *value);

/* The header says a text in one byte where it is one of a list: FRAME_COMMON_TEXT + its place there. */
enum { FRAME_COMMON_TEXT = 0x80 };

/* Empty where there is no such place. */
struct span frame_common_text(unsigned place);
bool frame_common_place(struct span wanted, unsigned *ret_place);

/* Whether the texts stand between the channels and the body: a count of 16 bits and they. */
bool frame_has_texts(const struct frame_channel channels[], size_t count);
enum { FRAME_TEXTS_COUNT_BYTES = 2 };

/* CRC-16 of polynomial 0x1021, initial value 0xFFFF. */
uint16_t frame_checksum(struct span bytes);

#endif
