/* agent/gpio.h as the sampler uses it, over a chip without hardware. */
#include "agent/sampler.h"
#include "board_fixture.h"
#include "fake_gpio.h"

#include <errno.h>
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

static struct sampler sampler;
static int events; /* the other end of the line's */

static int make_chip(void **state)
{
    (void)state;
    if (board_make() || mkfifo(board_path("/chip.events"), 0600))
        return -1;
    board_put("/chip", "");
    board_put("/chip.level", "0");
    board_put("/other", "7");
    events = open(board_path("/chip.events"), O_RDWR | O_CLOEXEC);
    return events < 0;
}

static int remove_chip(void **state)
{
    (void)state;
    close(events);
    return board_remove();
}

/* A sampler of the line, as [gpio] describes it, and of a file beside it. */
static void open_line(const struct source *line)
{
    static struct agent_config config;
    config_init(&config);
    config.hwmon = config.iio = config.thermal = config.power = config.proc = 0;
    config.source_count = 2;
    config.sources[0] = *line;
    config.sources[0].kind = SOURCE_GPIO;
    config.sources[0].scale = line->scale != 0 ? line->scale : 1;
    snprintf(config.sources[0].name, sizeof config.sources[0].name, "line");
    snprintf(config.sources[0].target, sizeof config.sources[0].target, "%s", board_path("/chip"));
    config.sources[1] = (struct source){.kind = SOURCE_FILE, .name = "other", .scale = 1};
    snprintf(config.sources[1].target, sizeof config.sources[1].target, "%s", board_path("/other"));
    assert_true(sampler_init(&sampler, &config));
    board_log_count = 0;
}

static double take_sample(void)
{
    double values[SENSORS_MAX];
    sampler_start(&sampler, 0);
    assert_true(sampler_finish(&sampler, 0, values));
    assert_true(values[1] == 7); /* whatever becomes of the line, the others go on */
    return values[0];
}

static void give_edges(uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last; i++) {
        struct gpio_v2_line_event event = {.line_seqno = i};
        assert_int_equal(write(events, &event, sizeof event), sizeof event);
    }
}

static void a_level_is_a_boolean(void **state)
{
    (void)state;
    open_line(&(struct source){.gpio_line = 17, .gpio_bias = GPIO_PULL_UP, .gpio_active_low = 1});
    assert_int_equal(sampler.channels[0].type, SLUICE_BOOLEAN);
    board_put("/chip.level", "1");
    assert_true(take_sample() == 1);
    assert_int_equal(fake_gpio_request.num_lines, 1);
    assert_int_equal(fake_gpio_request.offsets[0], 17);
    assert_int_equal(fake_gpio_request.config.flags,
                     GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_BIAS_PULL_UP | GPIO_V2_LINE_FLAG_ACTIVE_LOW);
    board_put("/chip.level", "0");
    assert_true(take_sample() == 0);
    sampler_stop(&sampler);
}

static void edges_are_counted_also_those_that_the_queue_lost(void **state)
{
    (void)state;
    open_line(&(struct source){.gpio_report = GPIO_COUNT, .gpio_debounce_ms = 5, .scale = 0.2});
    assert_true(take_sample() == 0);
    assert_int_equal(fake_gpio_request.config.flags, GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_EDGE_RISING);
    assert_int_equal(fake_gpio_request.config.num_attrs, 1);
    assert_int_equal(fake_gpio_request.config.attrs[0].attr.debounce_period_us, 5000);
    give_edges(1, 40);
    assert_true(take_sample() == 40 * 0.2);
    assert_true(take_sample() == 0);
    give_edges(100, 102); /* 41 to 99 found no room */
    assert_true(fabs(take_sample() - 62 * 0.2) < 1e-9);
    assert_false(sampler_watch(&sampler));
    sampler_stop(&sampler);
}

static void an_edge_is_urgent(void **state)
{
    (void)state;
    struct pollfd entries[SENSORS_MAX];
    open_line(&(struct source){.gpio_report = GPIO_URGENT});
    take_sample();
    assert_false(sampler_watch(&sampler));
    assert_int_equal(sampler_poll_entries(&sampler, entries), 1);
    give_edges(1, 1);
    assert_int_equal(poll(entries, 1, 0), 1);
    assert_true(sampler_watch(&sampler));
    assert_true(sampler_watch(&sampler)); /* until it is sampled */
    assert_int_equal(sampler_poll_entries(&sampler, entries), 0);
    take_sample();
    assert_false(sampler_watch(&sampler));
    sampler_stop(&sampler);
}

static void a_chip_that_vanishes_is_told_once_and_found_again(void **state)
{
    (void)state;
    open_line(&(struct source){.gpio_report = GPIO_COUNT});
    give_edges(1, 3);
    assert_true(take_sample() == 3);
    assert_int_equal(unlink(board_path("/chip.level")), 0);
    assert_int_equal(rename(board_path("/chip"), board_path("/away")), 0);
    for (int i = 0; i < 3; i++)
        assert_true(isnan(take_sample()));
    assert_int_equal(board_log_count, 1);
    assert_non_null(strstr(board_log_line, "sensor line gives no value"));
    assert_non_null(strstr(board_log_line, "No such device"));
    board_put("/chip", "");
    board_put("/chip.level", "0");
    give_edges(1, 2); /* the new request begins anew */
    assert_true(take_sample() == 2);
    assert_int_equal(board_log_count, 2);
    assert_string_equal(board_log_line, "sensor line gives values again");
    sampler_stop(&sampler);
}

static void a_line_that_others_use_is_named(void **state)
{
    (void)state;
    open_line(&(struct source){.gpio_line = 4});
    fake_gpio_errno = EBUSY;
    assert_true(isnan(take_sample()));
    assert_non_null(strstr(board_log_line, "/chip: Device or resource busy"));
    fake_gpio_errno = 0;
    assert_true(take_sample() == 0);
    sampler_stop(&sampler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_level_is_a_boolean),
        cmocka_unit_test(edges_are_counted_also_those_that_the_queue_lost),
        cmocka_unit_test(an_edge_is_urgent),
        cmocka_unit_test(a_chip_that_vanishes_is_told_once_and_found_again),
        cmocka_unit_test(a_line_that_others_use_is_named),
    };
    return cmocka_run_group_tests(tests, make_chip, remove_chip);
}
