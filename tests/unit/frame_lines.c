/*
 * What the gateway makes of frames, for a test that compares another decoder with it.
 *
 * Reads frames from standard input, each after two bytes with its length, and writes
 * a JSON array of the samples of each, or `refused`, a line a frame. Frames without
 * a clock arrived at 1,800,000,000,000 ms; the limits are those of a gateway.
 */
#include "wire/frame.h"

#include <stdio.h>
#include <stdlib.h>

static void write_lines(struct frame_decoder *decoder)
{
    size_t capacity_bytes = frame_json_bytes_max(decoder);
    char *text = malloc(capacity_bytes);
    struct frame_value values[FRAME_CHANNELS_MAX];
    int64_t time_ms;
    const char *before = "[";
    while (frame_next_sample(decoder, &time_ms, values)) {
        struct writer out = writer_of(text, capacity_bytes);
        frame_write_json(&out, decoder, time_ms, values);
        printf("%s%.*s", before, (int)writer_len(&out), text);
        before = ",";
    }
    puts("]");
    free(text);
}

int main(void)
{
    static struct frame_decoder decoder;
    static uint8_t frame[UINT16_MAX];
    const struct frame_limits limits = {FRAME_CHANNELS_MAX, FRAME_SAMPLES_TAKEN, FRAME_VALUES_TAKEN};
    uint8_t len[2];
    while (fread(len, 1, sizeof len, stdin) == sizeof len) {
        size_t bytes = (size_t)len[0] << 8 | len[1];
        if (fread(frame, 1, bytes, stdin) != bytes)
            return 1;
        if (frame_decode_open(&decoder, span_of(frame, bytes), &limits, 1800000000000))
            puts("refused");
        else
            write_lines(&decoder);
    }
    return 0;
}
