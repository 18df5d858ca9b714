/* agent/iio_buffer.h as the sampler uses it: a directory tree is the board's sysfs, a FIFO the device that
 * scans come from. */
#include "agent/sampler.h"
#include "board_fixture.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DEVICE "/sys/bus/iio/devices/iio:device0"

static struct sampler sampler;
static int scans; /* the other end of the device */

static void expect_text(const char *name, const char *text)
{
    char found[64] = "";
    FILE *file = fopen(board_path(name), "r");
    assert_non_null(file);
    assert_non_null(fgets(found, sizeof found, file));
    fclose(file);
    assert_string_equal(found, text);
}

static void put_element(const char *name, const char *index, const char *type)
{
    char path[256];
    const char *const rows[][2] = {{"en", "1"}, {"index", index}, {"type", type}}; /* as another left it */
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, DEVICE "/scan_elements/%s_%s", name, rows[i][0]);
        board_put(path, rows[i][1]);
    }
}

/* An accelerometer of one axis, whose scans have elements of every kind. */
static int make_board(void **state)
{
    (void)state;
    if (board_make())
        return -1;
    board_put("/other", "7");
    board_put(DEVICE "/name", "adxl355\n");
    board_put(DEVICE "/in_accel_x_raw", "1\n");
    board_put(DEVICE "/in_accel_scale", "0.5\n");
    board_put(DEVICE "/in_temp_scale", "100\n");
    board_put(DEVICE "/in_temp_offset", "-10\n");
    board_put(DEVICE "/sampling_frequency", "100\n");
    board_put(DEVICE "/buffer/enable", "0");
    board_put(DEVICE "/buffer/length", "2");
    board_put(DEVICE "/buffer/watermark", "1");
    board_put(DEVICE "/trigger/current_trigger", "");
    put_element("in_temp", "0", "le:u8/8>>0\n");
    put_element("in_accel_x", "1", "be:s12/16>>4\n");
    put_element("in_voltage7", "3", "le:s24/32>>8\n");
    put_element("in_timestamp", "4", "le:s64/64>>0\n");
    put_element("in_rot_quaternion", "2", "le:s32/32X4>>0\n");
    board_put("/dev/other", "");
    if (mkfifo(board_path("/dev/iio:device0"), 0600))
        return -1;
    scans = open(board_path("/dev/iio:device0"), O_RDWR | O_CLOEXEC);
    return scans < 0;
}

static int remove_board(void **state)
{
    (void)state;
    sampler_stop(&sampler);
    close(scans);
    return board_remove();
}

static bool open_sampler(const char *device, enum buffer_take take)
{
    static struct agent_config config;
    config_init(&config);
    snprintf(config.root, sizeof config.root, "%s", board_root);
    config.proc = 0;
    config.source_count = 2;
    config.sources[0] = (struct source){.kind = SOURCE_FILE, .name = "other", .scale = 1};
    snprintf(config.sources[0].target, sizeof config.sources[0].target, "%s", board_path("/other"));
    config.sources[1] = (struct source){.kind = SOURCE_BUFFER,
                                        .name = "shake",
                                        .buffer_take = take,
                                        .buffer_rate = 400,
                                        .buffer_trigger = "timer0"};
    snprintf(config.sources[1].target, sizeof config.sources[1].target, "%s", device);
    board_log_count = 0;
    return sampler_init(&sampler, &config);
}

/* temp, padding, accel_x in the upper 12 bits, voltage7 in the upper 24. */
static void give_scan(uint8_t temperature, int accel, int voltage)
{
    unsigned x = (unsigned)accel << 4 | 0xf, v = (unsigned)voltage << 8 | 0xff;
    uint8_t scan[8] = {temperature,        0xaa,
                       (uint8_t)(x >> 8),  (uint8_t)x,
                       (uint8_t)v,         (uint8_t)(v >> 8),
                       (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    assert_int_equal(write(scans, scan, sizeof scan), sizeof scan);
}

static const double *take_sample(void)
{
    static double values[SENSORS_MAX];
    sampler_start(&sampler, 1000);
    if (!sampler_finish(&sampler, 1000, values)) /* waits for the first scan, and not for ever */
        assert_true(sampler_finish(&sampler, sampler_deadline_ms(&sampler), values));
    assert_true(values[0] == 7); /* whatever becomes of the device, the others go on */
    return values;
}

static void expect_values(double temperature, double accel, double voltage)
{
    const double *values = take_sample();
    const double expected[] = {temperature, accel, voltage};
    for (size_t i = 0; i < 3; i++)
        if (!(fabs(values[1 + i] - expected[i]) < 1e-9))
            fail_msg("%s is %g, not %g", sampler.list.sensors[1 + i].name, values[1 + i], expected[i]);
}

static void a_device_is_set_up_and_its_elements_are_sensors(void **state)
{
    (void)state;
    assert_true(open_sampler("adxl355", BUFFER_LAST));
    assert_int_equal(sampler.list.count, 4); /* in_accel_x_raw cannot be read while the buffer runs */
    const struct {
        const char *name, *unit;
        int decimals;
    } rows[] = {{"shake_temp", "Cel", 2}, {"shake_accel_x", "m/s2", 3}, {"shake_voltage7", "V", 4}};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(sampler.channels[1 + i].name, rows[i].name);
        assert_string_equal(sampler.channels[1 + i].unit, rows[i].unit);
        assert_int_equal(sampler.channels[1 + i].decimals, rows[i].decimals);
    }
    sampler_start(&sampler, 1000);
    expect_text(DEVICE "/buffer/enable", "1");
    expect_text(DEVICE "/buffer/length", "256");
    expect_text(DEVICE "/buffer/watermark", "128");
    expect_text(DEVICE "/sampling_frequency", "400");
    expect_text(DEVICE "/trigger/current_trigger", "timer0");
    expect_text(DEVICE "/scan_elements/in_accel_x_en", "1");
    expect_text(DEVICE "/scan_elements/in_timestamp_en", "0");
    expect_text(DEVICE "/scan_elements/in_rot_quaternion_en", "0"); /* of a kind that is not read */
    sampler_stop(&sampler);
    expect_text(DEVICE "/buffer/enable", "0");
}

static void numbers_have_sign_byte_order_scale_and_offset(void **state)
{
    (void)state;
    assert_true(open_sampler("iio:device0", BUFFER_LAST));
    give_scan(200, -2048, -8388608);
    expect_values((200 - 10) * 100 * 1e-3, -2048 * 0.5, -8388608 * 1e-3);
    give_scan(0, 2047, 8388607);
    expect_values(-10 * 100 * 1e-3, 2047 * 0.5, 8388607 * 1e-3);
}

static void a_sample_has_what_is_wanted_of_its_scans(void **state)
{
    (void)state;
    const double wanted[] = {
        [BUFFER_MEAN] = 100.5, [BUFFER_LAST] = 200, [BUFFER_MIN] = -300, [BUFFER_MAX] = 400};
    for (enum buffer_take take = BUFFER_MEAN; take <= BUFFER_MAX; take++) {
        assert_true(open_sampler("adxl355", take));
        for (int round = 0; round < 2; round++) {
            give_scan(10, 102, 0);
            give_scan(10, -300, 0);
            give_scan(10, 400, 0);
            sampler_watch(&sampler); /* as the agent's loop does, between samples */
            give_scan(10, 200, 0);
            expect_values(0, wanted[take] * 0.5, 0);
        }
        sampler_stop(&sampler);
    }
}

static void more_scans_than_are_read_at_once_and_parts_of_them(void **state)
{
    (void)state;
    assert_true(open_sampler("adxl355", BUFFER_MEAN));
    for (int i = 0; i < 1001; i++)
        give_scan(10, i, 0);
    expect_values(0, 500 * 0.5, 0);
    assert_int_equal(write(scans, "\x0a\0\0", 3), 3);
    sampler_watch(&sampler);
    assert_int_equal(write(scans, "\x1f\0\0\0\0", 5), 5);
    expect_values(0, 0.5, 0);
}

static void a_device_that_is_silent_is_told_once(void **state)
{
    (void)state;
    assert_true(open_sampler("adxl355", BUFFER_MEAN));
    assert_true(isnan(take_sample()[2]));
    for (int i = 0; i < 2; i++) { /* the others of the later samples do not wait for it again */
        double values[SENSORS_MAX];
        sampler_start(&sampler, 1000);
        assert_true(sampler_finish(&sampler, 1000, values));
        assert_true(values[0] == 7 && isnan(values[2]));
    }
    assert_int_equal(board_log_count, 3); /* one for each element */
    assert_non_null(strstr(board_log_line, "sensor shake_voltage7 gives no value"));
    give_scan(10, 2, 0);
    expect_values(0, 1, 0);
    assert_int_equal(board_log_count, 6);
}

static void a_device_that_vanishes_is_told_once_and_found_under_another_number(void **state)
{
    (void)state;
    assert_true(open_sampler("adxl355", BUFFER_MEAN));
    give_scan(10, 2, 0);
    expect_values(0, 1, 0);
    assert_int_equal(rename(board_path(DEVICE), board_path("/away")), 0);
    assert_int_equal(unlink(board_path("/dev/iio:device0")), 0);
    close(scans); /* the device's end */
    for (int i = 0; i < 3; i++)
        assert_true(isnan(take_sample()[2]));
    assert_int_equal(board_log_count, 3);
    assert_non_null(strstr(board_log_line, "No such device"));
    struct pollfd entries[SENSORS_MAX];
    assert_int_equal(sampler_poll_entries(&sampler, entries),
                     0); /* nothing that would wake the agent again and again */

    assert_int_equal(rename(board_path("/away"), board_path("/sys/bus/iio/devices/iio:device5")), 0);
    assert_int_equal(mkfifo(board_path("/dev/iio:device5"), 0600), 0);
    scans = open(board_path("/dev/iio:device5"), O_RDWR | O_CLOEXEC);
    give_scan(10, 4, 0);
    expect_values(0, 2, 0);
    assert_int_equal(board_log_count, 6);
    expect_text("/sys/bus/iio/devices/iio:device5/buffer/enable", "1");
}

static void a_device_that_is_not_there_is_named(void **state)
{
    (void)state;
    assert_false(open_sampler("adxl356", BUFFER_MEAN));
    assert_string_equal(board_log_line,
                        "[buffer shake]: no IIO device is called 'adxl356' and has scan elements");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ON_BOARD(test) cmocka_unit_test_setup_teardown(test, make_board, remove_board)
        ON_BOARD(a_device_is_set_up_and_its_elements_are_sensors),
        ON_BOARD(numbers_have_sign_byte_order_scale_and_offset),
        ON_BOARD(a_sample_has_what_is_wanted_of_its_scans),
        ON_BOARD(more_scans_than_are_read_at_once_and_parts_of_them),
        ON_BOARD(a_device_that_is_silent_is_told_once),
        ON_BOARD(a_device_that_vanishes_is_told_once_and_found_under_another_number),
        ON_BOARD(a_device_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
