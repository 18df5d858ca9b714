#include "frame_series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void name_channels(struct series *series, size_t channel_count)
{
    static char names[FRAME_CHANNELS_MAX][24];
    series->channel_count = channel_count;
    for (size_t i = 0; i < channel_count; i++) {
        struct frame_channel *channel = &series->channels[i];
        snprintf(names[i], sizeof names[i], "c%zu", i);
        channel->name = span_from_string(names[i]);
        channel->unit = i % 2 ? SPAN_LITERAL("Cel") : SPAN_EMPTY;
        channel->type = (enum frame_type)(i % 4);
        channel->decimals = channel->type == FRAME_DECIMAL ? (uint8_t)(i % (FRAME_DECIMALS_MAX + 1)) : 0;
    }
}

enum { TEXT_COUNT = 200 };

static struct span text_of(const struct frame_value *value)
{
    static char texts[TEXT_COUNT][16];
    char *text = texts[(uint64_t)value->number % TEXT_COUNT];
    snprintf(text, sizeof texts[0], "state %u", (unsigned)((uint64_t)value->number % TEXT_COUNT));
    return span_from_string(text);
}

static int64_t next_number(const struct series_model *model, enum frame_type type, int64_t last,
                           uint64_t *random)
{
    if (type == FRAME_BOOLEAN)
        return random_next(random) % 8 ? last : !last;
    uint64_t change =
        model->step ? random_next(random) % (2 * model->step - 1) - (model->step - 1) : random_next(random);
    uint64_t number = (uint64_t)last + change + (uint64_t)model->drift;
    return type == FRAME_FLOAT32 ? (int64_t)(number & UINT32_MAX) : (int64_t)number;
}

void series_make(const struct series_model *model, size_t channel_count, size_t sample_count, uint64_t seed,
                 struct series *ret_series)
{
    uint64_t random = seed * 0x9E3779B97F4A7C15 + 1;
    int64_t last[FRAME_CHANNELS_MAX] = {0}, time_ms = 1700000000000;
    *ret_series = (struct series){.sample_count = sample_count, .has_clock = true};
    name_channels(ret_series, channel_count);
    for (size_t i = 0; i < sample_count; i++) {
        ret_series->times_ms[i] = time_ms;
        time_ms += model->interval_ms;
        if (model->jitter_ms)
            time_ms += (int64_t)(random_next(&random) % model->jitter_ms);
        for (size_t j = 0; j < channel_count; j++) {
            if (random_next(&random) % 100 < model->missing_percent)
                continue;
            last[j] = next_number(model, ret_series->channels[j].type, last[j], &random);
            ret_series->values[i][j] = (struct frame_value){true, last[j]};
        }
    }
}

static enum sluice_error encode_sample(struct frame_encoder *encoder, const struct series *series, size_t i)
{
    struct frame_value row[FRAME_CHANNELS_MAX];
    enum sluice_error error = SLUICE_OK;
    for (size_t j = 0; j < series->channel_count && !error; j++) {
        row[j] = series->values[i][j];
        if (row[j].present && series->channels[j].type == FRAME_TEXT)
            error = frame_encode_text(encoder, text_of(&series->values[i][j]), &row[j]);
    }
    if (!error)
        error = frame_encode_sample(encoder, series->times_ms[i], row);
    if (error)
        frame_drop_texts(encoder);
    return error;
}

struct span series_encode(const struct series *series, void *memory, size_t capacity_bytes, size_t *ret_count)
{
    static struct frame_column columns[FRAME_CHANNELS_MAX];
    struct frame_encoder encoder;
    assert_int_equal(frame_encode_start(&encoder, series->channels, columns, series->channel_count,
                                        series->has_clock, memory, capacity_bytes),
                     SLUICE_OK);
    size_t count = 0;
    while (count < series->sample_count && encode_sample(&encoder, series, count) == SLUICE_OK)
        count++;
    if (count < series->sample_count)
        assert_int_equal(encode_sample(&encoder, series, count), SLUICE_FULL);
    size_t size_bytes = frame_encoded_size(&encoder);
    struct span frame = frame_encode_finish(&encoder);
    if (count > 0)
        assert_int_equal(frame.len, size_bytes);
    *ret_count = count;
    return frame;
}

struct span series_encode_in_pieces(const struct series *series, void *memory, size_t capacity_bytes,
                                    size_t *ret_count)
{
    static struct frame_column columns[2][FRAME_CHANNELS_MAX];
    static uint8_t saved[SERIES_FRAME_BYTES_MAX * 2], elsewhere[SERIES_FRAME_BYTES_MAX];
    struct frame_encoder encoders[2];
    void *const memories[] = {memory, elsewhere};
    size_t count = 0, turn = 0;
    assert_int_equal(frame_encode_start(&encoders[0], series->channels, columns[0], series->channel_count,
                                        true, memory, capacity_bytes),
                     SLUICE_OK);
    do {
        struct writer out = writer_of(saved, sizeof saved);
        frame_encode_save(&encoders[turn], &out);
        struct reader in = reader_of(writer_span(&out));
        turn = !turn;
        assert_int_equal(frame_encode_start(&encoders[turn], series->channels, columns[turn],
                                            series->channel_count, true, memories[turn], capacity_bytes),
                         SLUICE_OK);
        assert_true(frame_encode_restore(&encoders[turn], &in));
        assert_true(!in.failed && reader_left(&in) == 0);
    } while (count < series->sample_count && encode_sample(&encoders[turn], series, count) == SLUICE_OK &&
             ++count);
    *ret_count = count;
    return frame_encode_finish(&encoders[turn]);
}

static void expect_channels(const struct series *series, const struct frame_decoder *decoder)
{
    assert_int_equal(decoder->channel_count, series->channel_count);
    for (size_t i = 0; i < series->channel_count; i++) {
        const struct frame_channel *is = &decoder->channels[i], *was = &series->channels[i];
        assert_true(span_equal(is->name, was->name));
        assert_true(span_equal(is->unit, was->unit));
        assert_int_equal(is->type, was->type);
        assert_int_equal(is->decimals, was->decimals);
    }
}

static void expect_channel_value(const struct frame_decoder *decoder, const struct frame_channel *channel,
                                 const struct frame_value *is, const struct frame_value *was)
{
    assert_int_equal(is->present, was->present);
    if (is->present && channel->type == FRAME_TEXT)
        assert_true(span_equal(frame_text(decoder, is), text_of(was)));
    else
        assert_true(is->number == was->number);
}

/* Each text is there once, and for a sample that is there. */
static void expect_texts(const struct series *series, size_t count, const struct frame_decoder *decoder)
{
    static bool is_used[TEXT_COUNT];
    size_t used_count = 0;
    memset(is_used, 0, sizeof is_used);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < series->channel_count; j++) {
            const struct frame_value *value = &series->values[i][j];
            if (series->channels[j].type != FRAME_TEXT || !value->present)
                continue;
            bool *used = &is_used[(uint64_t)value->number % TEXT_COUNT];
            used_count += !*used;
            *used = true;
        }
    }
    assert_int_equal(decoder->text_count, used_count);
}

void series_expect(const struct series *series, size_t count, struct span frame)
{
    static struct frame_decoder decoder;
    const struct frame_limits limits = {FRAME_CHANNELS_MAX, FRAME_SAMPLES_MAX, UINT32_MAX};
    uint64_t received_ms = 1800000000000;
    assert_int_equal(frame_decode_open(&decoder, frame, &limits, received_ms), SLUICE_OK);
    expect_channels(series, &decoder);
    expect_texts(series, count, &decoder);
    int64_t shift_ms = series->has_clock ? 0 : (int64_t)received_ms - series->times_ms[count - 1];
    for (size_t i = 0; i < count; i++) {
        struct frame_value values[FRAME_CHANNELS_MAX];
        int64_t time_ms;
        assert_true(frame_next_sample(&decoder, &time_ms, values));
        assert_int_equal(time_ms, series->times_ms[i] + shift_ms);
        for (size_t j = 0; j < series->channel_count; j++)
            expect_channel_value(&decoder, &series->channels[j], &values[j], &series->values[i][j]);
    }
    int64_t time_ms;
    struct frame_value values[FRAME_CHANNELS_MAX];
    assert_false(frame_next_sample(&decoder, &time_ms, values));
}
