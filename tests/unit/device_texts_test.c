/* sluice_device_sample_texts: channels of texts beside channels of numbers. */
#include "device_fixture.h"
#include "wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct sluice_channel text_channels[] = {{"temperature", "Cel", 1, SLUICE_DECIMAL},
                                                      {.name = "mode", .type = SLUICE_TEXT},
                                                      {.name = "door", .type = SLUICE_TEXT}};

static enum sluice_error sample_texts(uint64_t time_ms, const char *mode, const char *door)
{
    return sluice_device_sample_texts(device, now_ms, time_ms, (double[]){21.5, 0, 0},
                                      (const char *[]){NULL, mode, door});
}

static void open_with_texts(uint32_t packet_bytes)
{
    struct sluice_device_config config = base_config();
    config.channels = text_channels;
    config.channel_count = 3;
    config.packet_bytes = packet_bytes;
    open_with(&config, sizeof memory);
    go_online(false);
}

static void texts_arrive_as_they_were_given(void **state)
{
    (void)state;
    open_with_texts(300);
    assert_int_equal(sample_texts(1700000000000, "heating", "open"), SLUICE_OK);
    assert_int_equal(sample_texts(1700000001000, "heating", NULL), SLUICE_OK);
    assert_int_equal(sluice_device_sample(device, now_ms, 1700000002000, (double[]){1, 2, 3}), SLUICE_OK);
    sluice_device_flush(device);
    poll_device();
    struct mqtt_packet packet = take(MQTT_PUBLISH);
    static struct frame_decoder decoder;
    assert_int_equal(frame_decode_open(&decoder, packet.publish.payload,
                                       &(struct frame_limits){64, 1000, FRAME_VALUES_TAKEN}, 0),
                     SLUICE_OK);
    static const char *const expected[] = {
        "{\"time\":1700000000,\"temperature\":21.5,\"mode\":\"heating\",\"door\":\"open\"}",
        "{\"time\":1700000001,\"temperature\":21.5,\"mode\":\"heating\"}",
        "{\"time\":1700000002,\"temperature\":1}"};
    struct frame_value values[3];
    int64_t time_ms;
    for (size_t i = 0; frame_next_sample(&decoder, &time_ms, values); i++) {
        char text[1024];
        struct writer out = writer_of(text, sizeof text);
        frame_write_json(&out, &decoder, time_ms, values);
        assert_true(span_equal(writer_span(&out), span_from_string(expected[i])));
    }
    assert_balanced();
}

/* Each frame is full of new texts; none is lost, and what can never fit is refused at once. */
static void texts_that_fill_a_frame_begin_the_next_one(void **state)
{
    (void)state;
    open_with_texts(300);
    for (unsigned i = 0; i < 100; i++) {
        char door[32];
        snprintf(door, sizeof door, "a door with the number %u", i);
        assert_int_equal(sample_texts(1700000000000 + i, "idle", door), SLUICE_OK);
        poll_device();
    }
    sluice_device_flush(device);
    poll_device();
    size_t count = 0;
    while (count < 100) {
        static struct frame_decoder decoder;
        struct mqtt_packet packet = take(MQTT_PUBLISH);
        assert_int_equal(frame_decode_open(&decoder, packet.publish.payload,
                                           &(struct frame_limits){64, 1000, FRAME_VALUES_TAKEN}, 0),
                         SLUICE_OK);
        count += decoder.sample_count;
        fake_port_give_ack(&fake, MQTT_PUBACK, packet.packet_id, MQTT_SUCCESS);
        poll_device();
    }
    char longest[256];
    memset(longest, 'x', sizeof longest);
    assert_int_equal(sample_texts(1, "idle", "\xFF"), SLUICE_INVALID);
    longest[255] = 0;
    assert_int_equal(sample_texts(1, longest, "open"), SLUICE_TOO_LARGE);
    assert_int_equal(sluice_device_counters(device).samples_dropped, 2);
    assert_int_equal(sluice_device_counters(device).samples_acknowledged, 100);
    assert_balanced();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_arrive_as_they_were_given),
        cmocka_unit_test(texts_that_fill_a_frame_begin_the_next_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
