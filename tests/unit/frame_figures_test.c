/* How few bytes a telemetry frame takes: what the format is for. tests/bench/README.md has the figures. */
#include "frame_floor.h"
#include "frame_series.h"
#include "room.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct series_model constants = {"constants", 1, 0, 0, 10000, 0};

static struct series series;
static uint8_t memory[SERIES_FRAME_BYTES_MAX];

static size_t encoded_bytes(void)
{
    size_t count;
    return series_encode(&series, memory, sizeof memory, &count).len;
}

static void constants_cost_almost_nothing_and_a_spike_a_bounded_number_of_bytes(void **state)
{
    (void)state;
    series_make(&constants, 1, 2, 1, &series);
    size_t short_bytes = encoded_bytes();
    series_make(&constants, 1, 500, 1, &series);
    size_t constant_bytes = encoded_bytes();
    assert_true(constant_bytes < short_bytes + 6);
    series.values[250][0].number = INT64_MAX;
    assert_true(encoded_bytes() < constant_bytes + 64);
}

static void a_state_costs_its_texts_once_and_a_few_bytes_for_each_change(void **state)
{
    (void)state;
    enum { SAMPLES = 360, BETWEEN_CHANGES = 60, STATES = 3 };
    series_make(&constants, 1, SAMPLES, 1, &series);
    series.channels[0] = (struct frame_channel){.name = SPAN_LITERAL("state"), .type = FRAME_TEXT};
    for (size_t i = 0; i < SAMPLES; i++)
        series.values[i][0].number = (int64_t)(i / BETWEEN_CHANGES % STATES);
    size_t texts_bytes = STATES * sizeof "state 0"; /* as series_encode names them, each with its length */
    assert_in_range(encoded_bytes(), texts_bytes, texts_bytes + 40);
}

/* An hour of a room's sensors, each 10 s. */
static void make_hour(uint64_t seed)
{
    static double values[ROOM_SAMPLES][ROOM_CHANNELS];
    room_series(seed, values);
    series = (struct series){.channel_count = ROOM_CHANNELS, .sample_count = ROOM_SAMPLES, .has_clock = true};
    for (size_t i = 0; i < ROOM_CHANNELS; i++)
        series.channels[i] = (struct frame_channel){.name = span_from_string(room_channels[i].name),
                                                    .unit = span_from_string(room_channels[i].unit),
                                                    .decimals = room_channels[i].decimals};
    for (size_t i = 0; i < ROOM_SAMPLES; i++) {
        series.times_ms[i] = 1700000000000 + ROOM_INTERVAL_MS * (int64_t)i;
        for (size_t j = 0; j < ROOM_CHANNELS; j++)
            series.values[i][j] = frame_value_of(values[i][j], &series.channels[j]);
    }
}

/* The figure that the format is chosen for, of whole frames with their headers: in the mean, and nowhere much
 * worse. The floor knows each hour's distribution beforehand, which the frame learns. */
static void an_hour_of_regular_samples_is_within_12_percent_of_its_entropy(void **state)
{
    (void)state;
    enum { HOURS = 50 };
    double sum = 0;
    for (uint64_t hour = 1; hour <= HOURS; hour++) {
        make_hour(hour * ROOM_SEED);
        double ratio =
            (double)encoded_bytes() / frame_floor_bytes(series.times_ms, &series.values[0][0], ROOM_SAMPLES,
                                                        ROOM_CHANNELS, FRAME_CHANNELS_MAX);
        if (ratio < 1 || ratio > 1.13)
            fail_msg("hour %d: %.3f of the floor", (int)hour, ratio);
        sum += ratio;
    }
    if (sum / HOURS > 1.12)
        fail_msg("in the mean %.3f of the floor", sum / HOURS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_cost_almost_nothing_and_a_spike_a_bounded_number_of_bytes),
        cmocka_unit_test(a_state_costs_its_texts_once_and_a_few_bytes_for_each_change),
        cmocka_unit_test(an_hour_of_regular_samples_is_within_12_percent_of_its_entropy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
