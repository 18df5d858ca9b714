/* agent/sensor.h and agent/sampler.h over a directory tree that stands for a board's /sys and /proc. */
#include "agent/sampler.h"
#include "board_fixture.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct sampler sampler;

static void take_away(const char *name)
{
    assert_int_equal(unlink(board_path(name)), 0);
}

static int make_board(void **state)
{
    (void)state;
    if (board_make())
        return -1;
    board_put("/sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
    board_put("/sys/class/hwmon/hwmon0/temp1_input", "48250\n");
    board_put("/sys/class/hwmon/hwmon0/temp1_crit", "110000\n");
    board_put("/sys/class/hwmon/hwmon1/name", "ina219\n");
    board_put("/sys/class/hwmon/hwmon1/in1_input", "5032\n");
    board_put("/sys/class/hwmon/hwmon1/in1_label", "Board supply\n");
    board_put("/sys/class/hwmon/hwmon1/curr1_input", "-120\n");
    board_put("/sys/class/hwmon/hwmon1/power1_input", "604000\n");
    board_put("/sys/class/hwmon/hwmon2/name", "cpu_thermal\n");
    board_put("/sys/class/hwmon/hwmon2/temp1_input", "50000\n");
    board_put("/sys/class/hwmon/hwmon2/temp2_input", "");
    board_put("/sys/bus/iio/devices/iio:device0/name", "bme280\n");
    board_put("/sys/bus/iio/devices/iio:device0/in_temp_input", "21370\n");
    board_put("/sys/bus/iio/devices/iio:device0/in_pressure_input", "101.325\n");
    board_put("/sys/bus/iio/devices/iio:device1/name", "mcp3208\n");
    board_put("/sys/bus/iio/devices/iio:device1/in_voltage0_raw", "2000\n");
    board_put("/sys/bus/iio/devices/iio:device1/in_voltage1_raw", "100\n");
    board_put("/sys/bus/iio/devices/iio:device1/in_voltage1_offset", "-50\n");
    board_put("/sys/bus/iio/devices/iio:device1/in_voltage1_scale", "2\n");
    board_put("/sys/bus/iio/devices/iio:device1/in_voltage_scale", "0.805664062\n");
    board_put("/sys/bus/iio/devices/iio:device1/in_accel_x_raw", "-4\n");
    board_put("/sys/bus/iio/devices/iio:device1/in_accel_scale", "0.25\n"); /* of all axes */
    board_put("/sys/class/thermal/thermal_zone0/type", "soc-thermal\n");
    board_put("/sys/class/thermal/thermal_zone0/temp", "47000\n");
    board_put("/sys/class/power_supply/BAT0/capacity", "87\n");
    board_put("/sys/class/power_supply/BAT0/voltage_now", "3912000\n");
    board_put("/sys/class/power_supply/AC/online", "1\n");
    board_put("/proc/loadavg", "0.52 0.31 0.20 2/94 13184\n");
    board_put("/proc/stat", "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n");
    board_put("/proc/meminfo", "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable:     512 kB\n");
    board_put("/proc/net/dev", "Inter-|   Receive\n face |bytes\n"
                               "    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n"
                               "  eth0: 1000 5 0 0 0 0 0 0 70 3 0 0 0 0 0 0\n"
                               " wlan0:2000 5 0 0 0 0 0 0 7 3 0 0 0 0 0 0\n");
    return 0;
}

static int remove_board(void **state)
{
    (void)state;
    return board_remove();
}

static struct agent_config board_config(void)
{
    struct agent_config config;
    config_init(&config);
    snprintf(config.root, sizeof config.root, "%s", board_root);
    return config;
}

static struct sensor *find(const char *name)
{
    for (size_t i = 0; i < sampler.list.count; i++)
        if (strcmp(sampler.list.sensors[i].name, name) == 0)
            return &sampler.list.sensors[i];
    return NULL;
}

static void a_board_is_found_with_units_and_scales(void **state)
{
    (void)state;
    struct agent_config config = board_config();
    sampler_init(&sampler, &config);
    const struct {
        const char *name, *unit;
        double value;
        unsigned decimals;
    } rows[] = {
        {"cpu_thermal_temp1", "Cel", 48.25, 1},
        {"ina219_Board_supply", "V", 5.032, 3},
        {"ina219_curr1", "A", -0.12, 3},
        {"ina219_power1", "W", 0.604, 2},
        {"cpu_thermal_temp1_2", "Cel", 50, 1},
        {"bme280_temp", "Cel", 21.37, 2},
        {"bme280_pressure", "Pa", 101325, 0},
        {"mcp3208_accel_x", "m/s2", -1, 3},
        {"mcp3208_voltage0", "V", 2000 * 0.805664062e-3, 4},
        {"mcp3208_voltage1", "V", 50 * 2e-3, 4},
        {"soc-thermal_temp", "Cel", 47, 1},
        {"BAT0_capacity", "%EL", 87, 0},
        {"BAT0_voltage_now", "V", 3.912, 3},
        {"AC_online", "/", 1, 0},
        {"load1", "", 0.52, 2},
        {"memory_available", "MB", 0.524288, 1},
        {"network_received", "kB", 3, 1},
        {"network_sent", "kB", 0.077, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sensor *sensor = find(rows[i].name);
        if (!sensor)
            fail_msg("%s is not found", rows[i].name);
        double value = sensor_value(sensor);
        if (fabs(value - rows[i].value) > 1e-9 || strcmp(sensor->unit, rows[i].unit) != 0 ||
            sensor->decimals != rows[i].decimals)
            fail_msg("%s: %f %s", rows[i].name, value, sensor->unit);
    }
    assert_int_equal(sampler.list.count, sizeof rows / sizeof rows[0] + 2); /* cpu_busy, disk_free */
    assert_int_equal(find("AC_online")->type, SLUICE_BOOLEAN);
    assert_true(sensor_value(find("disk_free")) > 0);
}

static void the_processor_is_measured_between_two_samples(void **state)
{
    (void)state;
    struct agent_config config = board_config();
    sampler_init(&sampler, &config);
    board_put("/proc/stat", "cpu  130 0 120 740 110 0 0 0 0 0\n"); /* 50 of 100 ticks were work */
    assert_true(fabs(sensor_value(find("cpu_busy")) - 50) < 1e-9);
    assert_true(sensor_value(find("cpu_busy")) == 0); /* no time has passed */
    board_put("/proc/stat", "cpu  100 0 100 700 100 0 0 0 0 0\n");
}

static void classes_and_names_can_be_left_out(void **state)
{
    (void)state;
    struct agent_config config = board_config();
    config.iio = config.thermal = config.power = 0;
    snprintf(config.exclude, sizeof config.exclude, "%s", "network_*  ina219_* load1");
    sampler_init(&sampler, &config);
    assert_null(find("bme280_temp"));
    assert_null(find("load1"));
    assert_null(find("network_sent"));
    assert_non_null(find("cpu_thermal_temp1"));
    assert_int_equal(sampler.list.count, 5);
}

static void a_sensor_that_vanishes_is_told_once(void **state)
{
    (void)state;
    struct agent_config config = board_config();
    sampler_init(&sampler, &config);
    struct sensor *sensor = find("BAT0_capacity");
    board_log_count = 0;
    take_away("/sys/class/power_supply/BAT0/capacity");
    assert_true(isnan(sensor_value(sensor)));
    assert_true(isnan(sensor_value(sensor)));
    assert_int_equal(board_log_count, 1);
    assert_non_null(strstr(board_log_line, "BAT0_capacity gives no value"));
    assert_non_null(strstr(board_log_line, "No such file"));
    board_put("/sys/class/power_supply/BAT0/capacity", "86\n");
    assert_true(sensor_value(sensor) == 86);
    assert_int_equal(board_log_count, 2);
}

static void a_number_that_no_frame_has_is_told_once(void **state)
{
    (void)state;
    const char *const texts[] = {"1e999\n", "-1e999\n", "1e308\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct sensor sensor = {.name = "huge", .read = sensor_read_file, .scale = 10};
        snprintf(sensor.path, sizeof sensor.path, "%s", board_path("/huge"));
        board_put("/huge", texts[i]);
        board_log_count = 0;
        assert_true(isnan(sensor_value(&sensor)));
        assert_true(isnan(sensor_value(&sensor)));
        assert_int_equal(board_log_count, 1);
        assert_non_null(strstr(board_log_line, strerror(ERANGE)));
        board_put("/huge", "2\n");
        assert_true(sensor_value(&sensor) == 20);
    }
    take_away("/huge");
}

/* A hub that loses its power for a moment: the same devices come back in another order. */
static void a_sensor_that_comes_back_under_another_number_is_found(void **state)
{
    (void)state;
    struct agent_config config = board_config();
    double values[SENSORS_MAX];
    sampler_init(&sampler, &config);
    struct sensor *supply = find("ina219_Board_supply"), *second = find("cpu_thermal_temp1_2");
    static const char before[] = "/sys/class/hwmon/hwmon1", after[] = "/sys/class/hwmon/hwmon7",
                      away[] = "/sys/class/hwmon/hwmon0";
    assert_int_equal(rename(board_path(before), board_path(after)), 0);
    assert_int_equal(rename(board_path(away), board_path(before)), 0); /* the first of two with one name */
    const struct {
        uint64_t at_ms;
        bool is_missing;
    } rows[] = {{1000, true}, {2000, false}, {3000, false}};
    for (size_t i = 0; i < 3; i++) {
        sampler_start(&sampler, rows[i].at_ms);
        assert_true(sampler_finish(&sampler, rows[i].at_ms, values));
        if (supply->is_missing != rows[i].is_missing)
            fail_msg("%d ms: %s", (int)rows[i].at_ms, supply->path);
    }
    assert_non_null(strstr(supply->path, "/hwmon7/in1_input"));
    assert_non_null(strstr(find("cpu_thermal_temp1")->path, "/hwmon1/"));
    assert_non_null(strstr(second->path, "/hwmon2/"));
    assert_int_equal(rename(board_path(before), board_path(away)), 0);
    assert_int_equal(rename(board_path(after), board_path(before)), 0);
}

static void a_bare_machine_still_gives_something(void **state)
{
    (void)state;
    struct agent_config config;
    config_init(&config);
    sampler_init(&sampler, &config);
    assert_non_null(find("load1"));
    assert_non_null(find("cpu_busy"));
    assert_true(sensor_value(find("memory_available")) > 0);
}

static void more_sensors_than_a_frame_holds_are_counted(void **state)
{
    (void)state;
    static struct sensor_list list;
    struct sensor sensor = {.name = "time"};
    for (int i = 0; i < SENSORS_MAX + 3; i++)
        sensor_add(&list, NULL, &sensor);
    assert_int_equal(list.count, SENSORS_MAX);
    assert_int_equal(list.left_out_count, 3);
    assert_string_equal(list.sensors[0].name, "time_2"); /* frames have a time of their own */
    assert_string_equal(list.sensors[1].name, "time_3");
}

static struct source source(enum source_kind kind, const char *name, const char *target, uint32_t timeout_ms)
{
    struct source source = {.kind = kind, .scale = 2, .offset = 1, .timeout_ms = timeout_ms};
    snprintf(source.name, sizeof source.name, "%s", name);
    snprintf(source.target, sizeof source.target, "%s", target);
    return source;
}

/* One sample of `sampler`, however long the commands take. */
static void take_sample(double values[SENSORS_MAX])
{
    struct timespec pause = {0, 1000000};
    uint64_t now_ms = 0;
    sampler_start(&sampler, now_ms);
    while (!sampler_finish(&sampler, now_ms, values))
        nanosleep(&pause, NULL);
}

static void files_and_commands_are_sensors_too(void **state)
{
    (void)state;
    struct agent_config config = board_config();
    config.hwmon = config.iio = config.thermal = config.power = config.proc = 0;
    const struct source sources[] = {
        source(SOURCE_FILE, "a file", board_path("/proc/loadavg"), 0),
        source(SOURCE_COMMAND, "number", "echo signal: -67.5 dBm", 1000),
        source(SOURCE_COMMAND, "fails", "echo 5; exit 3", 1000),
        source(SOURCE_COMMAND, "words", "echo none", 1000),
        source(SOURCE_COMMAND, "talkative", "yes 12 | head -n 100000", 1000),
        source(SOURCE_COMMAND, "leaves a child", "sleep 1000 & echo 3", 1000),
    };
    config.source_count = sizeof sources / sizeof sources[0];
    memcpy(config.sources, sources, sizeof sources);
    sampler_init(&sampler, &config);
    double values[SENSORS_MAX];
    for (int round = 0; round < 2; round++) {
        take_sample(values);
        assert_string_equal(sampler.channels[0].name, "a_file");
        assert_true(fabs(values[0] - (0.52 + 1) * 2) < 1e-9);
        assert_true(values[1] == (-67.5 + 1) * 2);
        assert_true(isnan(values[2]));
        assert_true(isnan(values[3]));
        assert_true(values[4] == 26);
        assert_true(values[5] == 8);
    }
}

static void texts_are_the_first_line_without_blanks(void **state)
{
    (void)state;
    board_put("/state", " heating \n21\n");
    struct agent_config config = board_config();
    config.hwmon = config.iio = config.thermal = config.power = config.proc = 0;
    const struct source sources[] = {
        source(SOURCE_FILE, "mode", board_path("/state"), 0),
        source(SOURCE_COMMAND, "number", "echo 7", 1000),
        source(SOURCE_COMMAND, "utf8", "printf 'Gr\\303\\266\\303\\237e\\r\\n'", 1000),
        source(SOURCE_COMMAND, "bytes", "printf '\\377'", 1000),
        source(SOURCE_COMMAND, "long", "printf '%0128d' 1", 1000),
        source(SOURCE_COMMAND, "nothing", "echo; echo late", 1000),
    };
    config.source_count = sizeof sources / sizeof sources[0];
    memcpy(config.sources, sources, sizeof sources);
    for (size_t i = 0; i < config.source_count; i++)
        config.sources[i].gives_text = i != 1;
    sampler_init(&sampler, &config);
    assert_int_equal(sampler.channels[0].type, SLUICE_TEXT);
    double values[SENSORS_MAX];
    take_sample(values);
    assert_string_equal(sampler.texts[0], "heating");
    assert_true(isnan(values[0]) && sampler.texts[1] == NULL && values[1] == (7 + 1) * 2);
    assert_string_equal(sampler.texts[2], "Gr\303\266\303\237e");
    for (size_t i = 3; i < 6; i++)
        assert_null(sampler.texts[i]);
    take_away("/state");
    take_sample(values);
    assert_null(sampler.texts[0]);
}

static void a_command_that_hangs_is_killed_with_its_children(void **state)
{
    (void)state;
    struct agent_config config = board_config();
    config.hwmon = config.iio = config.thermal = config.power = config.proc = 0;
    config.source_count = 1;
    config.sources[0] = source(SOURCE_COMMAND, "hangs", "echo 7; sleep 1000 | cat", 500);
    sampler_init(&sampler, &config);
    double values[SENSORS_MAX];
    sampler_start(&sampler, 10000);
    pid_t group = sampler.list.sensors[0].command.pid;
    assert_false(sampler_finish(&sampler, 10499, values));
    assert_int_equal(sampler_deadline_ms(&sampler), 10500);
    assert_int_equal(kill(-group, 0), 0);
    assert_true(sampler_finish(&sampler, 10500, values));
    assert_true(isnan(values[0]));
    struct pollfd entries[SENSORS_MAX];
    assert_int_equal(sampler_poll_entries(&sampler, entries), 0);
    assert_int_equal(sampler_deadline_ms(&sampler), UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_board_is_found_with_units_and_scales),
        cmocka_unit_test(the_processor_is_measured_between_two_samples),
        cmocka_unit_test(classes_and_names_can_be_left_out),
        cmocka_unit_test(a_sensor_that_vanishes_is_told_once),
        cmocka_unit_test(a_number_that_no_frame_has_is_told_once),
        cmocka_unit_test(a_sensor_that_comes_back_under_another_number_is_found),
        cmocka_unit_test(a_bare_machine_still_gives_something),
        cmocka_unit_test(more_sensors_than_a_frame_holds_are_counted),
        cmocka_unit_test(files_and_commands_are_sensors_too),
        cmocka_unit_test(texts_are_the_first_line_without_blanks),
        cmocka_unit_test(a_command_that_hangs_is_killed_with_its_children),
    };
    return cmocka_run_group_tests(tests, make_board, remove_board);
}
