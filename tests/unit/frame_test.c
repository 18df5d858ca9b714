/* wire/frame.h: what goes in comes out, and what did not come from an encoder is refused. */
#include "frame_series.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct series_model models[] = {
    {"constants", 1, 0, 0, 10000, 0},
    {"a sensor at rest", 3, 0, 0, 10000, 0},
    {"a sensor that moves", 40, 0, 0, 10000, 0},
    {"a counter", 5, 1234567, 0, 1000, 0},
    {"irregular times", 20, 0, 0, 1000, 900},
    {"many missing", 20, 0, 60, 10000, 5},
    {"all missing", 20, 0, 100, 10000, 0},
    {"any 64 bits", 0, 0, 3, 1, 0},
};

enum { MODEL_COUNT = sizeof models / sizeof *models };

static struct series series;
static uint8_t memory[SERIES_FRAME_BYTES_MAX];

static void every_series_survives_a_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < MODEL_COUNT; i++) {
        for (uint64_t seed = 1; seed <= 40; seed++) {
            static const size_t channel_counts[] = {1, 2, 3, 5, 64}, sample_counts[] = {1, 2, 3, 50, 211};
            size_t count;
            series_make(&models[i], channel_counts[seed % 5], sample_counts[seed / 5 % 5], seed, &series);
            series.has_clock = seed % 2;
            struct span frame = series_encode(&series, memory, sizeof memory, &count);
            assert_int_equal(count, series.sample_count);
            series_expect(&series, count, frame);
        }
    }
}

static void an_encoder_that_is_saved_and_restored_goes_on_as_if_nothing_were(void **state)
{
    (void)state;
    static uint8_t pieces[SERIES_FRAME_BYTES_MAX];
    for (size_t i = 0; i < MODEL_COUNT; i++) {
        for (uint64_t seed = 1; seed <= 8; seed++) {
            size_t count, pieces_count;
            series_make(&models[i], seed == 8 ? 64 : seed, 60, seed, &series);
            series.has_clock = true;
            size_t capacity_bytes =
                seed == 8 ? sizeof memory : 200 + 150 * seed; /* some are full before the end */
            struct span whole = series_encode(&series, memory, capacity_bytes, &count);
            struct span frame = series_encode_in_pieces(&series, pieces, capacity_bytes, &pieces_count);
            assert_int_equal(pieces_count, count);
            assert_true(span_equal(frame, whole));
        }
    }
}

/* The sizes of memory put the end of the frame at every place in every sample, and so also behind carries. */
static void a_frame_fills_its_memory_and_keeps_what_fits(void **state)
{
    (void)state;
    for (size_t i = 0; i < MODEL_COUNT; i++) {
        size_t previous_count = 0;
        series_make(&models[i], 4, 40, 7, &series);
        for (size_t capacity_bytes = 100; capacity_bytes < 800; capacity_bytes++) {
            /* On the heap, so that the sanitizer sees a byte too many. */
            uint8_t *exact = malloc(capacity_bytes);
            size_t count;
            struct span frame = series_encode(&series, exact, capacity_bytes, &count);
            assert_true(count >= 1 && count >= previous_count);
            series_expect(&series, count, frame);
            previous_count = count;
            if (count < series.sample_count) { /* then one more would not have fitted */
                size_t one_more_count, whole_bytes;
                struct series cut = series;
                cut.sample_count = count + 1;
                whole_bytes = series_encode(&cut, memory, sizeof memory, &one_more_count).len;
                assert_true(whole_bytes > capacity_bytes);
            }
            free(exact);
        }
    }
}

static void a_text_that_does_not_fit_leaves_the_frame_as_it_was(void **state)
{
    (void)state;
    static struct frame_decoder decoder;
    struct frame_column column;
    struct frame_encoder encoder;
    struct frame_value value;
    const struct frame_channel channel = {.name = SPAN_LITERAL("x"), .type = FRAME_TEXT};
    char longest[FRAME_TEXT_BYTES_MAX + 1];
    memset(longest, 'y', sizeof longest);
    assert_int_equal(frame_encode_start(&encoder, &channel, &column, 1, true, memory, 270), SLUICE_OK);
    assert_int_equal(frame_encode_text(&encoder, span_of(longest, sizeof longest), &value), SLUICE_INVALID);
    assert_int_equal(frame_encode_text(&encoder, SPAN_LITERAL("\xFF"), &value), SLUICE_INVALID);
    assert_int_equal(frame_encode_text(&encoder, SPAN_LITERAL("on"), &value), SLUICE_OK);
    assert_int_equal(frame_encode_sample(&encoder, 1, &value), SLUICE_OK);
    size_t before_bytes = frame_encoded_size(&encoder);
    assert_int_equal(frame_encode_text(&encoder, SPAN_LITERAL("off"), &value), SLUICE_OK);
    assert_true(frame_encoded_size(&encoder) > before_bytes);
    frame_drop_texts(&encoder);
    assert_int_equal(frame_encoded_size(&encoder), before_bytes);
    assert_int_equal(frame_encode_text(&encoder, span_of(longest, sizeof longest - 1), &value), SLUICE_FULL);
    assert_int_equal(frame_encode_text(&encoder, SPAN_LITERAL("on"), &value), SLUICE_FULL);
    struct span frame = frame_encode_finish(&encoder);
    assert_int_equal(frame.len, before_bytes);
    assert_int_equal(frame_decode_open(&decoder, frame, &(struct frame_limits){1, 1, UINT32_MAX}, 0),
                     SLUICE_OK);
    assert_int_equal(decoder.text_count, 1);
}

static void the_count_of_texts_is_bounded(void **state)
{
    (void)state;
    static struct frame_decoder decoder;
    struct frame_column column;
    struct frame_encoder encoder;
    struct frame_value value;
    const struct frame_channel channel = {.name = SPAN_LITERAL("x"), .type = FRAME_TEXT};
    assert_int_equal(frame_encode_start(&encoder, &channel, &column, 1, true, memory, sizeof memory),
                     SLUICE_OK);
    for (int i = 0; i <= FRAME_TEXTS_MAX; i++) {
        char text[8];
        snprintf(text, sizeof text, "%d", i);
        enum sluice_error error = frame_encode_text(&encoder, span_from_string(text), &value);
        assert_int_equal(error, i < FRAME_TEXTS_MAX ? SLUICE_OK : SLUICE_FULL);
        if (!error)
            assert_int_equal(frame_encode_sample(&encoder, i, &value), SLUICE_OK);
    }
    struct span frame = frame_encode_finish(&encoder);
    assert_int_equal(frame_decode_open(&decoder, frame,
                                       &(struct frame_limits){1, FRAME_SAMPLES_TAKEN, FRAME_VALUES_TAKEN}, 0),
                     SLUICE_OK);
    assert_int_equal(decoder.text_count, FRAME_TEXTS_MAX);
}

static void limits_of_numbers_and_times_are_exact(void **state)
{
    (void)state;
    static const int64_t extremes[] = {INT64_MIN, INT64_MAX,     0, INT64_MIN, -1, INT64_MAX,
                                       1,         INT64_MIN + 1, 0};
    size_t count;
    series = (struct series){.channel_count = 1, .sample_count = 9, .has_clock = true};
    series.channels[0] = (struct frame_channel){.name = SPAN_LITERAL("x")};
    for (size_t i = 0; i < 9; i++) {
        series.times_ms[i] = extremes[i];
        series.values[i][0] = (struct frame_value){true, extremes[8 - i]};
    }
    struct span frame = series_encode(&series, memory, sizeof memory, &count);
    series_expect(&series, 9, frame);
}

static void the_count_of_samples_is_bounded(void **state)
{
    (void)state;
    struct frame_column columns[1];
    struct frame_encoder encoder;
    const struct frame_channel channel = {.name = SPAN_LITERAL("x")};
    const struct frame_value value = {true, 7};
    assert_int_equal(frame_encode_start(&encoder, &channel, columns, 1, true, memory, sizeof memory),
                     SLUICE_OK);
    for (int i = 0; i < FRAME_SAMPLES_MAX; i++)
        assert_int_equal(frame_encode_sample(&encoder, i, &value), SLUICE_OK);
    assert_int_equal(frame_encode_sample(&encoder, 0, &value), SLUICE_FULL);
    struct span frame = frame_encode_finish(&encoder);

    static struct frame_decoder decoder;
    assert_int_equal(
        frame_decode_open(&decoder, frame, &(struct frame_limits){1, FRAME_SAMPLES_MAX, UINT32_MAX}, 0),
        SLUICE_OK);
    assert_int_equal(decoder.sample_count, FRAME_SAMPLES_MAX);
    assert_int_equal(frame_decode_open(&decoder, frame, &(struct frame_limits){1, 65534, UINT32_MAX}, 0),
                     SLUICE_TOO_LARGE);
}

static void a_frame_without_samples_is_empty(void **state)
{
    (void)state;
    struct frame_column columns[1];
    struct frame_encoder encoder;
    const struct frame_channel channel = {.name = SPAN_LITERAL("x")};
    assert_int_equal(frame_encode_start(&encoder, &channel, columns, 1, true, memory, sizeof memory),
                     SLUICE_OK);
    assert_int_equal(frame_encode_finish(&encoder).len, 0);
}

static void memory_for_any_one_sample_is_required(void **state)
{
    (void)state;
    struct frame_column columns[64];
    struct frame_encoder encoder;
    const struct frame_value extreme = {true, INT64_MIN};
    const struct frame_channel channel = {.name = SPAN_LITERAL("x")};
    size_t capacity_bytes = 1;
    while (frame_encode_start(&encoder, &channel, columns, 1, true, memory, capacity_bytes))
        capacity_bytes++;
    assert_true(capacity_bytes < 40);
    assert_int_equal(frame_encode_sample(&encoder, INT64_MIN, &extreme), SLUICE_OK);
    assert_true(frame_encode_finish(&encoder).len <= capacity_bytes);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    static struct frame_decoder decoder;
    const struct frame_limits limits = {FRAME_CHANNELS_MAX, FRAME_SAMPLES_MAX, UINT32_MAX};
    for (size_t i = 0; i < MODEL_COUNT; i++) {
        size_t count;
        series_make(&models[i], 5, 40, 3, &series);
        struct span frame = series_encode(&series, memory, sizeof memory, &count);
        for (size_t len = 0; len < frame.len; len++) {
            uint8_t *exact = malloc(len ? len : 1);
            memcpy(exact, frame.data, len);
            assert_int_equal(frame_decode_open(&decoder, span_of(exact, len), &limits, 0), SLUICE_INVALID);
            free(exact);
        }
        memory[frame.len] = 0;
        assert_int_equal(frame_decode_open(&decoder, span_of(memory, frame.len + 1), &limits, 0),
                         SLUICE_INVALID);
    }
}

/* CRC-16 of polynomial 0x1021 from 0xFFFF, a bit a step: not the way the codec computes it. */
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

static void every_flipped_bit_is_refused(void **state)
{
    (void)state;
    static struct frame_decoder decoder;
    const struct frame_limits limits = {FRAME_CHANNELS_MAX, FRAME_SAMPLES_MAX, UINT32_MAX};
    size_t count;
    series_make(&models[2], 4, 60, 11, &series);
    struct span frame = series_encode(&series, memory, sizeof memory, &count);
    for (size_t bit = 0; bit < frame.len * 8; bit++) {
        memory[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(frame_decode_open(&decoder, frame, &limits, 0), SLUICE_INVALID);
        memory[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* What an attacker can do: any bytes with the right checksum. Whatever opens can be read to its end. */
static void a_forged_checksum_gains_nothing_but_other_values(void **state)
{
    (void)state;
    static struct frame_decoder decoder;
    const struct frame_limits limits = {FRAME_CHANNELS_MAX, 1000, FRAME_VALUES_TAKEN};
    uint64_t random = 99;
    size_t count, opened_count = 0;
    for (int i = 0; i < 20000; i++) {
        series_make(&models[i % MODEL_COUNT], 2, 4, 11, &series);
        struct span frame = series_encode(&series, memory, sizeof memory, &count);
        for (int flips = i % 4; flips >= 0; flips--)
            memory[random_next(&random) % frame.len] ^= (uint8_t)(1 << random_next(&random) % 8);
        set_checksum(memory, frame.len);
        if (frame_decode_open(&decoder, frame, &limits, 0))
            continue;
        struct frame_value values[FRAME_CHANNELS_MAX];
        int64_t time_ms;
        size_t read_count = 0;
        while (frame_next_sample(&decoder, &time_ms, values))
            read_count++;
        assert_int_equal(read_count, decoder.sample_count);
        opened_count++;
    }
    assert_in_range(opened_count, 1, 19999);
}

static void headers_that_no_encoder_writes_are_refused(void **state)
{
    (void)state;
    /* One channel: magic, version and flags, count, type and decimals, name, unit. */
    static const struct {
        const char *name;
        struct span header;
        enum sluice_error expected;
    } rows[] = {
        {"all right", SPAN_LITERAL("\xC1\x1F\x10\x01\x10\x01x\x00"), SLUICE_OK},
        {"version 0", SPAN_LITERAL("\xC1\x1F\x01\x01\x00\x01x\x00"), SLUICE_INVALID},
        {"version 2", SPAN_LITERAL("\xC1\x1F\x21\x01\x00\x01x\x00"), SLUICE_INVALID},
        {"reserved flag", SPAN_LITERAL("\xC1\x1F\x13\x01\x00\x01x\x00"), SLUICE_INVALID},
        {"no channels", SPAN_LITERAL("\xC1\x1F\x11\x00"), SLUICE_INVALID},
        {"over the caller's channels", SPAN_LITERAL("\xC1\x1F\x11\x09"), SLUICE_TOO_LARGE},
        {"over the format's channels", SPAN_LITERAL("\xC1\x1F\x11\xFF"), SLUICE_INVALID},
        {"unknown type", SPAN_LITERAL("\xC1\x1F\x11\x01\x40\x01x\x00"), SLUICE_INVALID},
        {"a text with decimals", SPAN_LITERAL("\xC1\x1F\x11\x01\x31\x01x\x00\x00\x01\x00"), SLUICE_INVALID},
        {"a value and no text", SPAN_LITERAL("\xC1\x1F\x11\x01\x30\x01x\x00\x00\x00"), SLUICE_INVALID},
        {"a text past the end", SPAN_LITERAL("\xC1\x1F\x11\x01\x30\x01x\x00\x00\x01\x3F"), SLUICE_INVALID},
        {"more texts than there are bytes", SPAN_LITERAL("\xC1\x1F\x11\x01\x30\x01x\x00\x04\x00"),
         SLUICE_INVALID},
        {"a text that is not UTF-8", SPAN_LITERAL("\xC1\x1F\x11\x01\x30\x01x\x00\x00\x01\x01\xFF"),
         SLUICE_INVALID},
        {"a good text", SPAN_LITERAL("\xC1\x1F\x11\x01\x30\x01x\x00\x00\x01\x01y"), SLUICE_OK},
        {"a boolean with decimals", SPAN_LITERAL("\xC1\x1F\x11\x01\x11\x01x\x00"), SLUICE_INVALID},
        {"no name", SPAN_LITERAL("\xC1\x1F\x11\x01\x00\x00\x00"), SLUICE_INVALID},
        {"a name past the end", SPAN_LITERAL("\xC1\x1F\x11\x01\x00\x3Fx\x00"), SLUICE_INVALID},
        {"a name over its limit",
         SPAN_LITERAL("\xC1\x1F\x11\x01\x00\x41"
                      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                      "\x00"),
         SLUICE_INVALID},
        {"a name that is not UTF-8", SPAN_LITERAL("\xC1\x1F\x11\x01\x00\x01\xFF\x00"), SLUICE_INVALID},
        {"the name of the time", SPAN_LITERAL("\xC1\x1F\x11\x01\x00\x04time\x00"), SLUICE_INVALID},
        {"one name twice", SPAN_LITERAL("\xC1\x1F\x11\x02\x00\x01x\x00\x00\x01x\x00"), SLUICE_INVALID},
        {"a common text that is none", SPAN_LITERAL("\xC1\x1F\x11\x01\x00\xFF\x00"), SLUICE_INVALID},
        {"a unit over its limit",
         SPAN_LITERAL("\xC1\x1F\x11\x01\x00\x01x\x21uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"), SLUICE_INVALID},
    };
    static struct frame_decoder decoder;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct writer out = writer_of(memory, sizeof memory);
        write_bytes(&out, rows[i].header);
        /* The body of one sample whose first value is there, at place 0; the count; room for the checksum. */
        write_bytes(&out, SPAN_LITERAL("\1\1\0\1\0\0"));
        set_checksum(memory, writer_len(&out));
        enum sluice_error error = frame_decode_open(&decoder, writer_span(&out),
                                                    &(struct frame_limits){8, 1000, FRAME_VALUES_TAKEN}, 0);
        if (error != rows[i].expected)
            fail_msg("%s: %d", rows[i].name, error);
    }
}

/* 2^16 samples claimed by a few bytes cost nothing: the claim is checked first, and then the bytes run out.
 */
static void a_claim_of_many_samples_costs_nothing(void **state)
{
    (void)state;
    static struct frame_decoder decoder;
    uint8_t frame[] = "\xC1\x1F\x11\x01\x00\x01x\x00\xAA\xAA\xAA\xFF\xFF\0\0";
    set_checksum(frame, sizeof frame - 1);
    struct span claimed = span_of(frame, sizeof frame - 1);
    assert_int_equal(
        frame_decode_open(&decoder, claimed, &(struct frame_limits){8, 1000, FRAME_VALUES_TAKEN}, 0),
        SLUICE_TOO_LARGE);
    assert_int_equal(frame_decode_open(&decoder, claimed, &(struct frame_limits){8, 65535, UINT32_MAX}, 0),
                     SLUICE_INVALID);
    assert_true(decoder.left_count > 65000);
}

static void channels_that_no_frame_can_carry_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct frame_channel channels[2];
        size_t count;
        bool is_valid;
    } rows[] = {
        {"a name and no unit", {{.name = SPAN_LITERAL("a")}}, 1, true},
        {"most decimals", {{.name = SPAN_LITERAL("a"), .decimals = FRAME_DECIMALS_MAX}}, 1, true},
        {"two names", {{.name = SPAN_LITERAL("a")}, {.name = SPAN_LITERAL("b")}}, 2, true},
        {"no channels", {{.name = SPAN_LITERAL("a")}}, 0, false},
        {"no name", {{.unit = SPAN_LITERAL("V")}}, 1, false},
        {"too many decimals", {{.name = SPAN_LITERAL("a"), .decimals = FRAME_DECIMALS_MAX + 1}}, 1, false},
        {"a float with decimals", {{SPAN_LITERAL("a"), SPAN_EMPTY, FRAME_FLOAT32, 1}}, 1, false},
        {"one name twice", {{.name = SPAN_LITERAL("a")}, {.name = SPAN_LITERAL("a")}}, 2, false},
        {"the name of the time", {{.name = SPAN_LITERAL("time")}}, 1, false},
        {"a unit that is not UTF-8", {{SPAN_LITERAL("a"), SPAN_LITERAL("\xC3"), FRAME_DECIMAL, 0}}, 1, false},
    };
    struct frame_column columns[2];
    struct frame_encoder encoder;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum sluice_error error = frame_encode_start(&encoder, rows[i].channels, columns, rows[i].count, true,
                                                     memory, sizeof memory);
        if (error != (rows[i].is_valid ? SLUICE_OK : SLUICE_INVALID))
            fail_msg("%s: %d", rows[i].name, error);
    }
}

static void readings_are_rounded_to_the_channel(void **state)
{
    (void)state;
    static const struct {
        double value;
        enum frame_type type;
        uint8_t decimals;
        bool present;
        int64_t number;
    } rows[] = {
        {21.5, FRAME_DECIMAL, 1, true, 215},
        {21.449, FRAME_DECIMAL, 1, true, 214},
        {-21.46, FRAME_DECIMAL, 1, true, -215},
        {0.1, FRAME_DECIMAL, 15, true, 100000000000000},
        {4503599627370497, FRAME_DECIMAL, 0, true, 4503599627370497},
        {-9223372036854775808.0, FRAME_DECIMAL, 0, true, INT64_MIN},
        {9223372036854775808.0, FRAME_DECIMAL, 0, false, 0},
        {1e300, FRAME_DECIMAL, 15, false, 0},
        {DBL_MAX, FRAME_DECIMAL, 15, false, 0},
        {NAN, FRAME_DECIMAL, 1, false, 0},
        {INFINITY, FRAME_FLOAT32, 0, false, 0},
        {1e39, FRAME_FLOAT32, 0, false, 0},
        {-1.5, FRAME_FLOAT32, 0, true, 0xBFC00000},
        {0, FRAME_BOOLEAN, 0, true, 0},
        {2, FRAME_BOOLEAN, 0, true, 1},
        {NAN, FRAME_BOOLEAN, 0, false, 0},
        {1, FRAME_TEXT, 0, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct frame_channel channel = {.type = rows[i].type, .decimals = rows[i].decimals};
        struct frame_value value = frame_value_of(rows[i].value, &channel);
        assert_int_equal(value.present, rows[i].present);
        assert_true(value.number == rows[i].number);
    }
}

static void frames_are_told_from_other_payloads(void **state)
{
    (void)state;
    assert_true(frame_is(SPAN_LITERAL("\xC1\x1F\x11")));
    assert_false(frame_is(SPAN_LITERAL("\xC1")));
    assert_false(frame_is(SPAN_LITERAL("{}")));
    assert_false(frame_is(SPAN_EMPTY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_series_survives_a_round_trip),
        cmocka_unit_test(an_encoder_that_is_saved_and_restored_goes_on_as_if_nothing_were),
        cmocka_unit_test(a_frame_fills_its_memory_and_keeps_what_fits),
        cmocka_unit_test(a_text_that_does_not_fit_leaves_the_frame_as_it_was),
        cmocka_unit_test(the_count_of_texts_is_bounded),
        cmocka_unit_test(limits_of_numbers_and_times_are_exact),
        cmocka_unit_test(the_count_of_samples_is_bounded),
        cmocka_unit_test(a_frame_without_samples_is_empty),
        cmocka_unit_test(memory_for_any_one_sample_is_required),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(a_forged_checksum_gains_nothing_but_other_values),
        cmocka_unit_test(headers_that_no_encoder_writes_are_refused),
        cmocka_unit_test(a_claim_of_many_samples_costs_nothing),
        cmocka_unit_test(channels_that_no_frame_can_carry_are_refused),
        cmocka_unit_test(readings_are_rounded_to_the_channel),
        cmocka_unit_test(frames_are_told_from_other_payloads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
