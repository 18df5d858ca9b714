#include "frame_coder.h"

#include <float.h>

enum {
    CODED_FIRST_BYTES_MAX = 9, /* presence, a bit; the length, 7; the number, 64: at even odds */
    FLUSH_BYTES = 1,
};

struct frame_value frame_value_of(double value, const struct frame_channel *channel)
{
    static const double two_to_63 = 9223372036854775808.0, two_to_52 = 4503599627370496.0;
    if (!(value - value == 0)) /* NaN and infinities */
        return (struct frame_value){false, 0};
    double magnitude = value < 0 ? -value : value;
    switch (channel->type) {
    case FRAME_BOOLEAN: return (struct frame_value){true, value != 0};
    case FRAME_FLOAT32: {
        if (magnitude > (double)FLT_MAX)
            return (struct frame_value){false, 0};
        float narrow = (float)value;
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        return (struct frame_value){true, bits};
    }
    case FRAME_TEXT: return (struct frame_value){false, 0};
    case FRAME_DECIMAL: break;
    }
    double scale = 1; /* exact up to 10^22, so only the multiplication by it rounds */
    for (unsigned i = 0; i < channel->decimals; i++)
        scale *= 10;
    value *= scale;
    if (magnitude * scale < two_to_52) /* from there on doubles are whole, and a half would round them */
        value += value < 0 ? -0.5 : 0.5;
    if (value >= two_to_63 || value < -two_to_63)
        return (struct frame_value){false, 0};
    return (struct frame_value){true, (int64_t)value};
}

static void write_text(struct writer *out, struct span text)
{
    unsigned place;
    if (frame_common_place(text, &place)) {
        write_u8(out, (uint8_t)(FRAME_COMMON_TEXT + place));
        return;
    }
    write_u8(out, (uint8_t)text.len);
    write_bytes(out, text);
}

static void write_header(struct writer *out, const struct frame_channel channels[], size_t count,
                         bool has_clock)
{
    write_bytes(out, FRAME_MAGIC);
    write_u8(out, (uint8_t)(FRAME_VERSION << 4 | (has_clock ? FRAME_FLAG_HAS_CLOCK : 0)));
    write_u8(out, (uint8_t)count);
    for (size_t i = 0; i < count; i++) {
        write_u8(out, (uint8_t)((unsigned)channels[i].type << 4 | channels[i].decimals));
        write_text(out, channels[i].name);
        write_text(out, channels[i].unit);
    }
}

static size_t left(const struct writer *out)
{
    return (size_t)(out->end - out->at);
}

enum sluice_error frame_encode_start(struct frame_encoder *encoder, const struct frame_channel channels[],
                                     struct frame_column columns[], size_t channel_count, bool has_clock,
                                     void *memory, size_t capacity_bytes)
{
    if (!frame_channels_valid(channels, channel_count))
        return SLUICE_INVALID;
    struct writer out = writer_of(memory, capacity_bytes);
    write_header(&out, channels, channel_count, has_clock);
    uint8_t *texts = frame_has_texts(channels, channel_count) ? out.at : NULL;
    if (texts)
        write_u16(&out, 0);
    if (out.failed ||
        left(&out) < (channel_count + 1) * CODED_FIRST_BYTES_MAX + FLUSH_BYTES + FRAME_TRAILER_BYTES)
        return SLUICE_TOO_LARGE;
    *encoder = (struct frame_encoder){.out = out,
                                      .channels = channels,
                                      .columns = columns,
                                      .channel_count = channel_count,
                                      .has_clock = has_clock,
                                      .texts = texts,
                                      .texts_bytes = FRAME_TEXTS_COUNT_BYTES,
                                      .texts_sample_bytes = FRAME_TEXTS_COUNT_BYTES};
    /* What ends the frame always fits, and it is written when the bound is lifted again. */
    encoder->out.end -= FLUSH_BYTES + FRAME_TRAILER_BYTES;
    frame_coder_init_encoder(&encoder->coder, &encoder->out);
    frame_column_init(&encoder->time, 1);
    for (size_t i = 0; i < channel_count; i++)
        frame_column_init(&columns[i], 0);
    return SLUICE_OK;
}

enum sluice_error frame_encode_sample(struct frame_encoder *encoder, int64_t time_ms,
                                      const struct frame_value values[])
{
    if (encoder->full || encoder->sample_count == FRAME_SAMPLES_MAX)
        return SLUICE_FULL;
    /* Without a clock only differences mean something, and the first time costs least as zero. */
    if (encoder->sample_count == 0 && !encoder->has_clock)
        encoder->origin_ms = time_ms;
    struct frame_coder mark = frame_coder_mark(&encoder->coder);
    frame_code_number(&encoder->coder, &encoder->time, (uint64_t)time_ms - (uint64_t)encoder->origin_ms);
    for (size_t i = 0; i < encoder->channel_count; i++) {
        struct frame_value value = values[i];
        frame_code_value(&encoder->coder, encoder->channels[i].type, &encoder->columns[i], &value);
    }
    if (encoder->out.failed) {
        frame_coder_return(&encoder->coder, &mark);
        encoder->full = true;
        return SLUICE_FULL;
    }
    encoder->sample_count++;
    encoder->texts_sample_bytes = encoder->texts_bytes;
    return SLUICE_OK;
}

size_t frame_encoded_size(const struct frame_encoder *encoder)
{
    return writer_len(&encoder->out) + FLUSH_BYTES + FRAME_TRAILER_BYTES;
}

struct span frame_encode_finish(struct frame_encoder *encoder)
{
    if (encoder->sample_count == 0)
        return SPAN_EMPTY;
    encoder->out.end += FLUSH_BYTES + FRAME_TRAILER_BYTES;
    frame_coder_flush(&encoder->coder);
    write_u16(&encoder->out, encoder->sample_count);
    write_u16(&encoder->out, frame_checksum(writer_span(&encoder->out)));
    return writer_span(&encoder->out);
}
