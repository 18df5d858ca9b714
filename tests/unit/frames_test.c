/* app/frames.h: what the gateway makes of a telemetry frame at its door, and how much it lets a frame become.
 */
#include "app/frames.h"
#include "wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { FRAME_BYTES_MAX = 4096, BYTES_MAX = 4 * 1024 * 1024 };

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
    struct frames *frames = frames_new(FRAME_CHANNELS_MAX, FRAME_SAMPLES_TAKEN, BYTES_MAX);
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

/* Under 1 KB of frame, 64 channels of which each says 4,096 times the longest text, all of it escaped. */
static void a_few_bytes_do_not_become_hundreds_of_megabytes(void **state)
{
    (void)state;
    struct frames *frames = frames_new(FRAME_CHANNELS_MAX, FRAME_SAMPLES_TAKEN, BYTES_MAX);
    const struct message *messages;
    size_t count;
    struct message view = message_of(constants(FRAME_CHANNELS_MAX, FRAME_SAMPLES_TAKEN, FRAME_TEXT));
    assert_true(view.payload.len < 1024);
    assert_int_equal(frames_expand(frames, &view, &messages, &count), SLUICE_TOO_LARGE);
    frames_free(frames);
}

/* The samples are 2.3 MB as JSON; as SenML they would be 6.8 MB. */
static void senml_is_bounded_as_the_samples_are(void **state)
{
    (void)state;
    struct frames *frames = frames_new(FRAME_CHANNELS_MAX, FRAME_SAMPLES_TAKEN, BYTES_MAX);
    struct message view = message_of(constants(FRAME_CHANNELS_MAX, 4000, FRAME_DECIMAL)), senml;
    const struct message *messages;
    size_t count;
    assert_int_equal(frames_expand(frames, &view, &messages, &count), SLUICE_OK);
    assert_int_equal(count, 4000);
    assert_int_equal(frames_senml(frames, messages, &senml), SLUICE_TOO_LARGE);
    frames_free(frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_becomes_messages_or_one_of_senml),
        cmocka_unit_test(a_few_bytes_do_not_become_hundreds_of_megabytes),
        cmocka_unit_test(senml_is_bounded_as_the_samples_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
