/*
 * Any bytes as a telemetry frame. They get a right checksum, which an attacker can
 * compute too, so that the fuzzer sees what is behind it. Whatever opens must be
 * read to its end, fit as JSON into the bytes that are promised, and come out the
 * same when it is encoded again.
 */
#include "wire/frame.h"

#include <stdlib.h>

enum { FRAME_BYTES_MAX = 4096, SAMPLES_MAX = 256 };

static const struct frame_limits limits = {16, SAMPLES_MAX, UINT32_MAX};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_checksum(uint8_t *frame, size_t len)
{
    uint32_t crc = 0xFFFF;
    for (size_t i = 0; i < len - 2; i++) {
        crc ^= (uint32_t)frame[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? crc << 1 ^ 0x11021 : crc << 1;
    }
    frame[len - 2] = (uint8_t)(crc >> 8);
    frame[len - 1] = (uint8_t)crc;
}

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void write_texts(struct frame_decoder *decoder)
{
    static char text[1 << 21];
    struct frame_value values[FRAME_CHANNELS_MAX];
    int64_t time_ms;
    while (frame_next_sample(decoder, &time_ms, values)) {
        struct writer out = writer_of(text, frame_json_bytes_max(decoder));
        frame_write_json(&out, decoder, time_ms, values);
        require(!out.failed);
    }
    size_t bytes_max = frame_senml_bytes_max(decoder, SPAN_LITERAL("a/b"));
    struct writer out = writer_of(text, bytes_max < sizeof text ? bytes_max : sizeof text);
    frame_write_senml(&out, decoder, SPAN_LITERAL("a/b"));
    require(!out.failed || bytes_max > sizeof text);
}

static void encode_sample(struct frame_encoder *encoder, const struct frame_decoder *decoder, int64_t time_ms,
                          const struct frame_value values[])
{
    struct frame_value row[FRAME_CHANNELS_MAX];
    for (size_t i = 0; i < decoder->channel_count; i++) {
        row[i] = values[i];
        if (decoder->channels[i].type == FRAME_TEXT && values[i].present)
            require(!frame_encode_text(encoder, frame_text(decoder, &values[i]), &row[i]));
    }
    require(!frame_encode_sample(encoder, time_ms, row));
}

static bool is_same(const struct frame_decoder *a, const struct frame_decoder *b, size_t channel,
                    const struct frame_value *value_a, const struct frame_value *value_b)
{
    if (a->channels[channel].type == FRAME_TEXT && value_a->present && value_b->present)
        return span_equal(frame_text(a, value_a), frame_text(b, value_b));
    return value_a->present == value_b->present && value_a->number == value_b->number;
}

static void expect_same_when_encoded_again(struct frame_decoder *decoder)
{
    static uint8_t memory[1 << 18];
    static struct frame_column columns[FRAME_CHANNELS_MAX];
    static struct frame_decoder again;
    struct frame_encoder encoder;
    struct frame_value values[FRAME_CHANNELS_MAX], values_again[FRAME_CHANNELS_MAX];
    int64_t time_ms, time_again_ms;
    require(!frame_encode_start(&encoder, decoder->channels, columns, decoder->channel_count,
                                decoder->has_clock, memory, sizeof memory));
    while (frame_next_sample(decoder, &time_ms, values))
        encode_sample(&encoder, decoder, time_ms, values);
    require(!frame_decode_open(&again, frame_encode_finish(&encoder), &limits, 0));
    frame_rewind(decoder);
    while (frame_next_sample(decoder, &time_ms, values)) {
        require(frame_next_sample(&again, &time_again_ms, values_again));
        require(time_ms == time_again_ms || !decoder->has_clock);
        for (size_t i = 0; i < decoder->channel_count; i++)
            require(is_same(decoder, &again, i, &values[i], &values_again[i]));
    }
    require(!frame_next_sample(&again, &time_again_ms, values_again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct frame_decoder decoder;
    if (size < 4 || size > FRAME_BYTES_MAX)
        return 0;
    uint8_t *frame = malloc(size); /* exactly so many bytes: the sanitizer sees the next */
    memcpy(frame, data, size);
    set_checksum(frame, size);
    if (frame_decode_open(&decoder, span_of(frame, size), &limits, 0) == SLUICE_OK) {
        write_texts(&decoder);
        expect_same_when_encoded_again(&decoder);
    }
    free(frame);
    return 0;
}
