/* app/frames.h: what the gateway makes of a telemetry frame at its door, and how much it lets a frame become.
 */
#include "app/frames.h"
#include "client/batch.h"
#include "wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum {
    FRAME_BYTES_MAX = 4096,
    BYTES_MAX = 4 * 1024 * 1024,
    SAMPLES_OF_ALL = FRAME_VALUES_TAKEN / FRAME_CHANNELS_MAX,
};

static const struct frame_limits limits = {FRAME_CHANNELS_MAX, FRAME_SAMPLES_TAKEN, FRAME_VALUES_TAKEN};

static uint8_t memory[FRAME_BYTES_MAX];

/* A frame of constants: its samples cost next to nothing. */
static struct span constants(size_t channel_count, size_t sample_count, enum frame_type type)
{
    static struct frame_channel channels[FRAME_CHANNELS_MAX];
    static struct frame_column columns[FRAME_CHANNELS_MAX];
    static char names[FRAME_CHANNELS_MAX][24];
    struct frame_value values[FRAME_CHANNELS_MAX];
    struct frame_encoder encoder;
    for (size_t i = 0; i < channel_count; i++) {
        snprintf(names[i], sizeof names[i], "c%zu", i);
        channels[i] = (struct frame_channel){.name = span_from_string(names[i]), .type = type};
        values[i] = (struct frame_value){true, 1};
    }
    assert_int_equal(
        frame_encode_start(&encoder, channels, columns, channel_count, true, memory, sizeof memory),
        SLUICE_OK);
    char longest[FRAME_TEXT_BYTES_MAX];
    memset(longest, 1, sizeof longest);
    for (size_t i = 0; i < channel_count && type == FRAME_TEXT; i++)
        assert_int_equal(frame_encode_text(&encoder, span_of(longest, sizeof longest), &values[i]),
                         SLUICE_OK);
    for (size_t i = 0; i < sample_count; i++)
        assert_int_equal(frame_encode_sample(&encoder, 1000 * (int64_t)i, values), SLUICE_OK);
    return frame_encode_finish(&encoder);
}

static struct message message_of(struct span payload)
{
    return (struct message){
        .topic = SPAN_LITERAL("farm/shed/telemetry"), .payload = payload, .client_id = SPAN_LITERAL("shed")};
}

static void a_frame_becomes_messages_or_one_of_senml(void **state)
{
    (void)state;
    struct frames *frames = frames_new(&limits, BYTES_MAX);
    struct message view = message_of(constants(1, 2, FRAME_DECIMAL)), senml;
    const struct message *messages;
    size_t count;
    assert_int_equal(frames_expand(frames, &view, &messages, &count), SLUICE_OK);
    assert_int_equal(count, 2);
    assert_true(span_equal(messages[1].payload, SPAN_LITERAL("{\"time\":1,\"c0\":1}")));
    assert_int_equal(frames_senml(frames, messages, &senml), SLUICE_OK);
    assert_true(span_equal(senml.payload, SPAN_LITERAL("[{\"bn\":\"shed/\",\"bt\":0,\"n\":\"c0\",\"v\":1},"
                                                       "{\"n\":\"c0\",\"v\":1,\"t\":1}]")));

    view = message_of(SPAN_LITERAL("{}"));
    assert_int_equal(frames_expand(frames, &view, &messages, &count), SLUICE_OK);
    assert_int_equal(count, 1);
    assert_int_equal(frames_senml(frames, messages, &senml), SLUICE_NOT_FOUND);
    frames_free(frames);
}

/* Each value is formatted in the loop's time, and a frame of constants has as many as it claims. */
static void a_frame_has_no_more_values_than_the_limit(void **state)
{
    (void)state;
    static const struct {
        size_t channels, samples;
        enum sluice_error error;
    } rows[] = {
        {FRAME_CHANNELS_MAX, SAMPLES_OF_ALL, SLUICE_OK},
        {FRAME_CHANNELS_MAX, SAMPLES_OF_ALL + 1, SLUICE_TOO_LARGE},
        {FRAME_CHANNELS_MAX, FRAME_SAMPLES_TAKEN, SLUICE_TOO_LARGE},
        {FRAME_VALUES_TAKEN / FRAME_SAMPLES_TAKEN, FRAME_SAMPLES_TAKEN, SLUICE_OK},
    };
    struct frames *frames = frames_new(&limits, BYTES_MAX);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct message *messages;
        size_t count = 0;
        struct message view = message_of(constants(rows[i].channels, rows[i].samples, FRAME_FLOAT32));
        assert_int_equal(frames_expand(frames, &view, &messages, &count), rows[i].error);
        assert_int_equal(count, rows[i].error ? 0 : rows[i].samples);
    }
    frames_free(frames);
}

/* Under 1 KB of frame, 64 channels of which each says 256 times the longest text, all of it escaped. */
static void a_few_bytes_do_not_become_hundreds_of_megabytes(void **state)
{
    (void)state;
    struct frames *frames = frames_new(&limits, BYTES_MAX);
    const struct message *messages;
    size_t count;
    struct message view = message_of(constants(FRAME_CHANNELS_MAX, SAMPLES_OF_ALL, FRAME_TEXT));
    assert_true(view.payload.len < 1024);
    assert_int_equal(frames_expand(frames, &view, &messages, &count), SLUICE_TOO_LARGE);
    frames_free(frames);
}

/* The samples are 0.2 MB as JSON; as SenML they are 0.4 MB. */
static void senml_is_bounded_as_the_samples_are(void **state)
{
    (void)state;
    struct frames *frames = frames_new(&limits, 256 * 1024);
    struct message view = message_of(constants(FRAME_CHANNELS_MAX, SAMPLES_OF_ALL, FRAME_DECIMAL)), senml;
    const struct message *messages;
    size_t count;
    assert_int_equal(frames_expand(frames, &view, &messages, &count), SLUICE_OK);
    assert_int_equal(count, SAMPLES_OF_ALL);
    assert_int_equal(frames_senml(frames, messages, &senml), SLUICE_TOO_LARGE);
    frames_free(frames);
}

/* The samples of a device that are nearly constant, until its frame takes no more: what a gateway refused
 * would be lost. */
static struct span fullest_of_device(size_t channel_count)
{
    static struct frame_channel channels[FRAME_CHANNELS_MAX];
    static struct frame_column columns[FRAME_CHANNELS_MAX];
    static uint8_t bytes[8 * FRAME_BYTES_MAX];
    static struct batch batch;
    char names[FRAME_CHANNELS_MAX][FRAME_NAME_BYTES_MAX + 1], unit[FRAME_UNIT_BYTES_MAX + 1] = "";
    struct sluice_channel declared[FRAME_CHANNELS_MAX];
    double values[FRAME_CHANNELS_MAX];
    memset(unit, 'u', FRAME_UNIT_BYTES_MAX);
    for (size_t i = 0; i < channel_count; i++) {
        snprintf(names[i], sizeof names[i], "%064zu", i);
        declared[i] = (struct sluice_channel){names[i], unit, FRAME_DECIMALS_MAX, SLUICE_DECIMAL};
        values[i] = -1234.123456789012345;
    }
    batch = (struct batch){.channels = channels,
                           .columns = columns,
                           .channel_count = channel_count,
                           .memory = bytes,
                           .capacity_bytes = sizeof bytes};
    batch_declare(&batch, declared);
    struct batch_sample sample = {.time_ms = 1700000000001, .values = values};
    while (batch_add(&batch, &sample) == SLUICE_OK)
        sample.time_ms += 1001;
    return batch_finish(&batch);
}

static void the_fullest_frame_of_a_device_is_taken(void **state)
{
    (void)state;
    static const size_t channel_counts[] = {1, 4, 5, 40, FRAME_CHANNELS_MAX};
    struct frames *frames = frames_new(&limits, BYTES_MAX);
    for (size_t i = 0; i < sizeof channel_counts / sizeof *channel_counts; i++) {
        struct message view = message_of(fullest_of_device(channel_counts[i])), senml;
        char client_id[128], topic[128], principal[64];
        memset(client_id, 'c', sizeof client_id);
        memset(topic, 't', sizeof topic);
        memset(principal, 'a', sizeof principal);
        view.client_id = view.publisher_name = span_of(client_id, sizeof client_id);
        view.topic = span_of(topic, sizeof topic);
        view.principal = span_of(principal, sizeof principal);
        const struct message *messages;
        size_t count;
        assert_int_equal(frames_expand(frames, &view, &messages, &count), SLUICE_OK);
        size_t values_max = FRAME_VALUES_TAKEN / channel_counts[i];
        assert_int_equal(count, values_max < FRAME_SAMPLES_TAKEN ? values_max : FRAME_SAMPLES_TAKEN);
        assert_int_equal(frames_senml(frames, messages, &senml), SLUICE_OK);
    }
    frames_free(frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_becomes_messages_or_one_of_senml),
        cmocka_unit_test(a_frame_has_no_more_values_than_the_limit),
        cmocka_unit_test(a_few_bytes_do_not_become_hundreds_of_megabytes),
        cmocka_unit_test(the_fullest_frame_of_a_device_is_taken),
        cmocka_unit_test(senml_is_bounded_as_the_samples_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
