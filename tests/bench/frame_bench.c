/*
 * What the telemetry frame makes of a series: bytes, bits a value, the entropy to
 * compare it with, and the time that it takes.
 *
 *   frame_bench                  a synthetic series: 360 samples of 4 channels, each 10 s
 *   frame_bench FILE.csv...      recorded ones; first line: time,NAME:UNIT:DECIMALS,...
 *
 * The floor is that of frame_floor.h.
 */
#include "frame_floor.h"
#include "room.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SAMPLES_MAX = 4096, COLUMNS_MAX = 16, LINE_BYTES_MAX = 4096, ROUNDS = 200 };

struct series {
    char names[LINE_BYTES_MAX];
    struct frame_channel channels[COLUMNS_MAX];
    size_t channel_count;
    int64_t times_ms[SAMPLES_MAX];
    struct frame_value values[SAMPLES_MAX][COLUMNS_MAX];
    size_t sample_count;
};

static void make_synthetic(struct series *series)
{
    static double values[ROOM_SAMPLES][ROOM_CHANNELS];
    room_series(ROOM_SEED, values);
    series->channel_count = ROOM_CHANNELS;
    series->sample_count = ROOM_SAMPLES;
    for (size_t column = 0; column < ROOM_CHANNELS; column++) {
        const struct room_channel *channel = &room_channels[column];
        series->channels[column] = (struct frame_channel){.name = span_from_string(channel->name),
                                                          .unit = span_from_string(channel->unit),
                                                          .type = FRAME_DECIMAL,
                                                          .decimals = channel->decimals};
        for (size_t i = 0; i < ROOM_SAMPLES; i++) {
            series->times_ms[i] = 1700000000000 + ROOM_INTERVAL_MS * (int64_t)i;
            series->values[i][column] = frame_value_of(values[i][column], &series->channels[column]);
        }
    }
}

static void read_header(struct series *series)
{
    char *rest = series->names;
    strsep(&rest, ",");
    for (char *field;
         (field = strsep(&rest, ",\n")) != NULL && *field && series->channel_count < COLUMNS_MAX;) {
        struct frame_channel *channel = &series->channels[series->channel_count++];
        channel->name = span_from_string(strsep(&field, ":"));
        channel->unit = span_from_string(strsep(&field, ":"));
        channel->decimals = field ? (uint8_t)atoi(field) : 0;
    }
}

static bool read_csv(const char *path, struct series *series)
{
    FILE *file = fopen(path, "r");
    if (!file || !fgets(series->names, sizeof series->names, file)) {
        perror(path);
        return false;
    }
    read_header(series);
    char line[LINE_BYTES_MAX];
    while (series->sample_count < SAMPLES_MAX && fgets(line, sizeof line, file)) {
        char *rest = line;
        size_t i = series->sample_count++;
        series->times_ms[i] = atoll(strsep(&rest, ","));
        for (size_t column = 0; column < series->channel_count; column++) {
            char *field = strsep(&rest, ",\n");
            double value = field && *field ? atof(field) : NAN;
            series->values[i][column] = frame_value_of(value, &series->channels[column]);
        }
    }
    fclose(file);
    return true;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct span encode(const struct series *series, void *memory, size_t capacity_bytes)
{
    static struct frame_column columns[COLUMNS_MAX];
    struct frame_encoder encoder;
    if (frame_encode_start(&encoder, series->channels, columns, series->channel_count, true, memory,
                           capacity_bytes))
        return SPAN_EMPTY;
    for (size_t i = 0; i < series->sample_count; i++)
        if (frame_encode_sample(&encoder, series->times_ms[i], series->values[i]))
            return SPAN_EMPTY;
    return frame_encode_finish(&encoder);
}

/* Bytes of JSON, the samples as one array. */
static size_t decode_to_json(struct span frame, char *memory, size_t capacity_bytes)
{
    static struct frame_decoder decoder;
    const struct frame_limits limits = {COLUMNS_MAX, SAMPLES_MAX, UINT32_MAX};
    struct frame_value values[COLUMNS_MAX];
    int64_t time_ms;
    struct writer json = writer_of(memory, capacity_bytes);
    if (frame_decode_open(&decoder, frame, &limits, 0))
        return 0;
    while (frame_next_sample(&decoder, &time_ms, values)) {
        frame_write_json(&json, &decoder, time_ms, values);
        write_u8(&json, ',');
    }
    return writer_span(&json).len;
}

static int report(const char *name, const struct series *series)
{
    static uint8_t memory[1 << 16];
    static char json[1 << 22];
    struct span frame = encode(series, memory, sizeof memory);
    if (!frame.len || !decode_to_json(frame, json, sizeof json)) {
        fprintf(stderr, "%s: does not fit one frame\n", name);
        return 1;
    }
    static struct frame_decoder decoder;
    frame_decode_open(&decoder, frame, &(struct frame_limits){COLUMNS_MAX, SAMPLES_MAX, UINT32_MAX}, 0);
    size_t header_bytes = (size_t)(decoder.body.data - frame.data);
    double values = (double)(series->sample_count * series->channel_count);
    double floor = frame_floor_bytes(series->times_ms, &series->values[0][0], series->sample_count,
                                     series->channel_count, COLUMNS_MAX);
    double body = (double)(frame.len - header_bytes);
    printf("%s: %zu samples x %zu channels\n", name, series->sample_count, series->channel_count);
    printf("  frame    %6zu B, %zu B of it header; %.2f B a sample, %.2f bits a value\n", frame.len,
           header_bytes, (double)frame.len / (double)series->sample_count, 8 * (double)frame.len / values);
    printf("  floor    %6.0f B; the frame is %+.1f %% of it, without its header %+.1f %%\n", floor,
           100 * ((double)frame.len / floor - 1), 100 * (body / floor - 1));
    printf("  as JSON  %6zu B\n", decode_to_json(frame, json, sizeof json));
    uint64_t start_ns = now_ns();
    for (int i = 0; i < ROUNDS; i++)
        encode(series, memory, sizeof memory);
    uint64_t encoded_ns = now_ns();
    for (int i = 0; i < ROUNDS; i++)
        decode_to_json(frame, json, sizeof json);
    printf("  encode   %6.0f ns a value; check, decode and write as JSON %.0f ns a value\n",
           (double)(encoded_ns - start_ns) / ROUNDS / values,
           (double)(now_ns() - encoded_ns) / ROUNDS / values);
    return 0;
}

int main(int argc, char **argv)
{
    static struct series series;
    if (argc < 2) {
        make_synthetic(&series);
        return report("synthetic", &series);
    }
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        series = (struct series){0};
        failed |= !read_csv(argv[i], &series) || report(argv[i], &series);
    }
    return failed;
}
