/*
 * tests/vectors/frame/vectors.json, which every implementation of the format
 * shares: samples, their frame in hex, and the JSON that is made of it. Numbers
 * are strings there, so that no JSON parser rounds them.
 */
#include "wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cJSON.h>
#include <cmocka.h>

enum { FRAME_BYTES_MAX = 4096 };

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(object, name));
    assert_non_null(text);
    return text;
}

static cJSON *read_vectors(void)
{
    FILE *file = fopen(FRAME_VECTORS, "r");
    assert_non_null(file);
    static char text[1 << 18];
    size_t len = fread(text, 1, sizeof text - 1, file);
    assert_true(len < sizeof text - 1);
    fclose(file);
    cJSON *vectors = cJSON_Parse(text);
    assert_true(cJSON_GetArraySize(vectors) > 10);
    return vectors;
}

static size_t read_channels(const cJSON *vector, struct frame_channel channels[])
{
    static const char *const types[] = {"decimal", "boolean", "float32", "text"};
    size_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(vector, "channels"))
    {
        struct frame_channel *channel = &channels[count++];
        channel->name = span_from_string(text_of(item, "name"));
        channel->unit = span_from_string(text_of(item, "unit"));
        channel->decimals = (uint8_t)cJSON_GetObjectItem(item, "decimals")->valueint;
        channel->type = FRAME_DECIMAL;
        while (strcmp(types[channel->type], text_of(item, "type")) != 0)
            channel->type++;
    }
    return count;
}

static int64_t time_of(const cJSON *sample)
{
    return strtoll(text_of(sample, "time"), NULL, 10);
}

static void encode_sample(struct frame_encoder *encoder, const cJSON *sample)
{
    struct frame_value values[FRAME_CHANNELS_MAX] = {0};
    size_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(sample, "values"))
    {
        struct frame_value *value = &values[i];
        if (encoder->channels[i++].type != FRAME_TEXT)
            *value = cJSON_IsNull(item) ? (struct frame_value){false, 0}
                                        : (struct frame_value){true, strtoll(item->valuestring, NULL, 10)};
        else if (!cJSON_IsNull(item))
            assert_int_equal(frame_encode_text(encoder, span_from_string(item->valuestring), value),
                             SLUICE_OK);
    }
    assert_int_equal(frame_encode_sample(encoder, time_of(sample), values), SLUICE_OK);
}

static struct span frame_of(const cJSON *vector, uint8_t *memory)
{
    const char *hex = text_of(vector, "frame");
    size_t len = strlen(hex) / 2;
    assert_true(len <= FRAME_BYTES_MAX);
    for (size_t i = 0; i < len; i++)
        sscanf(hex + 2 * i, "%2hhx", &memory[i]);
    return span_of(memory, len);
}

static void expect_text(const struct writer *out, const char *expected)
{
    struct span text = writer_span(out);
    if (!span_equal(text, span_from_string(expected)))
        fail_msg("is %.*s\nnot %s", (int)text.len, (const char *)text.data, expected);
}

static void samples_encode_to_the_frames(void **state)
{
    (void)state;
    cJSON *vectors = read_vectors();
    const cJSON *vector, *sample;
    cJSON_ArrayForEach(vector, vectors)
    {
        static struct frame_column columns[FRAME_CHANNELS_MAX];
        struct frame_channel channels[FRAME_CHANNELS_MAX];
        struct frame_encoder encoder;
        uint8_t memory[FRAME_BYTES_MAX], expected[FRAME_BYTES_MAX];
        size_t count = read_channels(vector, channels);
        bool has_clock = cJSON_IsTrue(cJSON_GetObjectItem(vector, "clock"));
        assert_int_equal(
            frame_encode_start(&encoder, channels, columns, count, has_clock, memory, sizeof memory),
            SLUICE_OK);
        cJSON_ArrayForEach(sample, cJSON_GetObjectItem(vector, "samples"))
        {
            encode_sample(&encoder, sample);
        }
        if (!span_equal(frame_encode_finish(&encoder), frame_of(vector, expected)))
            fail_msg("%s", text_of(vector, "name"));
    }
    cJSON_Delete(vectors);
}

static void open_vector(const cJSON *vector, struct frame_decoder *decoder, uint8_t *memory)
{
    const struct frame_limits limits = {FRAME_CHANNELS_MAX, FRAME_SAMPLES_MAX, UINT32_MAX};
    uint64_t received_ms = strtoull(text_of(vector, "received"), NULL, 10);
    assert_int_equal(frame_decode_open(decoder, frame_of(vector, memory), &limits, received_ms), SLUICE_OK);
}

static void expect_channel_value(const struct frame_decoder *decoder, const struct frame_channel *channel,
                                 const struct frame_value *value, const cJSON *expected)
{
    assert_int_equal(value->present, !cJSON_IsNull(expected));
    if (value->present && channel->type == FRAME_TEXT)
        assert_true(span_equal(frame_text(decoder, value), span_from_string(expected->valuestring)));
    else if (value->present)
        assert_true(value->number == strtoll(expected->valuestring, NULL, 10));
}

static void expect_samples(const cJSON *vector, struct frame_decoder *decoder)
{
    const cJSON *samples = cJSON_GetObjectItem(vector, "samples");
    assert_int_equal(decoder->sample_count, cJSON_GetArraySize(samples));
    const cJSON *sample, *json = cJSON_GetObjectItem(vector, "json")->child;
    cJSON_ArrayForEach(sample, samples)
    {
        struct frame_value values[FRAME_CHANNELS_MAX];
        int64_t time_ms;
        assert_true(frame_next_sample(decoder, &time_ms, values));
        if (decoder->has_clock)
            assert_int_equal(time_ms, time_of(sample));
        const cJSON *expected = cJSON_GetObjectItem(sample, "values")->child;
        for (size_t i = 0; i < decoder->channel_count; i++, expected = expected->next)
            expect_channel_value(decoder, &decoder->channels[i], &values[i], expected);
        char text[4096];
        struct writer out = writer_of(text, frame_json_bytes_max(decoder));
        assert_true(frame_json_bytes_max(decoder) <= sizeof text);
        frame_write_json(&out, decoder, time_ms, values);
        expect_text(&out, json->valuestring);
        json = json->next;
    }
}

static void frames_decode_to_the_samples_and_their_json(void **state)
{
    (void)state;
    cJSON *vectors = read_vectors();
    const cJSON *vector;
    cJSON_ArrayForEach(vector, vectors)
    {
        static struct frame_decoder decoder;
        uint8_t memory[FRAME_BYTES_MAX];
        open_vector(vector, &decoder, memory);
        expect_samples(vector, &decoder);

        struct span base_name = span_from_string(text_of(vector, "base_name"));
        size_t capacity_bytes = frame_senml_bytes_max(&decoder, base_name);
        char *text = malloc(capacity_bytes);
        struct writer out = writer_of(text, capacity_bytes);
        frame_write_senml(&out, &decoder, base_name);
        expect_text(&out, text_of(vector, "senml"));
        expect_samples(vector, &decoder); /* it is rewound */

        out = writer_of(text, strlen(text_of(vector, "senml")) - 1);
        frame_write_senml(&out, &decoder, base_name);
        assert_true(out.failed);
        free(text);
    }
    cJSON_Delete(vectors);
}

static void every_truncated_frame_is_refused(void **state)
{
    (void)state;
    cJSON *vectors = read_vectors();
    const cJSON *vector;
    cJSON_ArrayForEach(vector, vectors)
    {
        static struct frame_decoder decoder;
        const struct frame_limits limits = {FRAME_CHANNELS_MAX, FRAME_SAMPLES_MAX, UINT32_MAX};
        uint8_t memory[FRAME_BYTES_MAX];
        struct span frame = frame_of(vector, memory);
        while (frame.len-- > 0)
            assert_int_equal(frame_decode_open(&decoder, frame, &limits, 0), SLUICE_INVALID);
    }
    cJSON_Delete(vectors);
}

/* The longest texts that a value, a name and a time can become still fit what is promised. */
static void the_promised_bytes_are_enough_for_the_longest_texts(void **state)
{
    (void)state;
    static const char name[FRAME_NAME_BYTES_MAX + 1] =
        "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
        "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
        "\1\1\1\1\1\1\1";
    const struct frame_channel channels[] = {
        {span_from_string(name), span_of(name, FRAME_UNIT_BYTES_MAX), FRAME_DECIMAL, FRAME_DECIMALS_MAX},
        {span_of(name, 63), span_of(name, FRAME_UNIT_BYTES_MAX), FRAME_FLOAT32, 0},
        {span_of(name, 62), span_of(name, FRAME_UNIT_BYTES_MAX), FRAME_BOOLEAN, 0},
        {span_of(name, 61), span_of(name, FRAME_UNIT_BYTES_MAX), FRAME_TEXT, 0},
    };
    struct frame_value values[] = {{true, -1}, {true, 0x80800001}, {true, 0}, {false, 0}};
    static struct frame_decoder decoder;
    struct frame_column columns[4];
    struct frame_encoder encoder;
    uint8_t memory[1024];
    char text[16384], longest[FRAME_TEXT_BYTES_MAX];
    memset(longest, 1, sizeof longest);
    assert_int_equal(frame_encode_start(&encoder, channels, columns, 4, true, memory, sizeof memory),
                     SLUICE_OK);
    assert_int_equal(frame_encode_text(&encoder, span_of(longest, sizeof longest), &values[3]), SLUICE_OK);
    assert_int_equal(frame_encode_sample(&encoder, INT64_MIN, values), SLUICE_OK);
    assert_int_equal(frame_encode_sample(&encoder, -1, values), SLUICE_OK);
    assert_int_equal(frame_decode_open(&decoder, frame_encode_finish(&encoder),
                                       &(struct frame_limits){4, 2, UINT32_MAX}, 0),
                     SLUICE_OK);
    struct writer out = writer_of(text, frame_json_bytes_max(&decoder));
    frame_write_json(&out, &decoder, INT64_MIN, values);
    assert_false(out.failed);
    out = writer_of(text, frame_senml_bytes_max(&decoder, span_of(name, 10)));
    frame_write_senml(&out, &decoder, span_of(name, 10));
    assert_false(out.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_encode_to_the_frames),
        cmocka_unit_test(frames_decode_to_the_samples_and_their_json),
        cmocka_unit_test(every_truncated_frame_is_refused),
        cmocka_unit_test(the_promised_bytes_are_enough_for_the_longest_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
