/* agent/watch.h over a device on a port without a network: which samples are urgent, and what events say. */
#include "agent/watch.h"
#include "device_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct agent_config config;
static struct sampler sampler;
static struct watches watches;

static void make_watch(double above, double below, double hysteresis)
{
    config = (struct agent_config){.events = "farm/shed/events", .source_count = 1};
    config.sources[0] = (struct source){
        .kind = SOURCE_WATCH, .name = "door", .above = above, .below = below, .hysteresis = hysteresis};
    sampler.list.count = 2;
    for (size_t i = 0; i < 2; i++) {
        sampler.channels[i] = channels[i];
        snprintf(sampler.list.sensors[i].name, SENSOR_NAME_BYTES, "%s", channels[i].name);
    }
    assert_true(watch_init(&watches, &config, &sampler));
    open_device();
    go_online(false);
}

static bool look(uint64_t time_ms, double value)
{
    return watch_sample(&watches, device, time_ms, (double[]){0, value});
}

static void a_value_passes_limits_with_hysteresis(void **state)
{
    (void)state;
    const struct {
        double value;
        enum watch_state state;
    } rows[] = {
        {20, WATCH_NORMAL}, {30, WATCH_NORMAL}, {30.1, WATCH_ABOVE}, {29, WATCH_ABOVE},
        {NAN, WATCH_ABOVE}, {28, WATCH_NORMAL}, {9.9, WATCH_BELOW},  {11.9, WATCH_BELOW},
        {12, WATCH_NORMAL}, {99, WATCH_ABOVE},  {5, WATCH_BELOW},    {31, WATCH_ABOVE},
    };
    make_watch(30, 10, 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum watch_state before = watches.items[0].state;
        assert_int_equal(look(0, rows[i].value), rows[i].state != before);
        assert_int_equal(watches.items[0].state, rows[i].state);
    }
}

static void an_event_says_what_happened(void **state)
{
    (void)state;
    const struct {
        uint64_t time_ms;
        double value;
        const char *event;
    } rows[] = {
        {1700000000005, 1,
         "{\"time\":1700000000.005,\"sensor\":\"door\",\"value\":true,\"state\":\"above\",\"limit\":0.5}"},
        {0, 0, "{\"sensor\":\"door\",\"value\":false,\"state\":\"normal\",\"limit\":0.5}"},
    };
    make_watch(0.5, -INFINITY, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(look(rows[i].time_ms, rows[i].value));
        poll_device();
        struct mqtt_packet packet = take(MQTT_PUBLISH);
        assert_true(span_equal(packet.publish.topic, SPAN_LITERAL("farm/shed/events")));
        if (!span_equal(packet.publish.payload, span_from_string(rows[i].event)))
            fail_msg("%.*s", (int)packet.publish.payload.len, (const char *)packet.publish.payload.data);
    }
}

static void without_a_topic_there_are_no_events(void **state)
{
    (void)state;
    make_watch(0.5, -INFINITY, 0);
    config.events[0] = '\0';
    assert_true(look(0, 1));
    poll_device();
    take_nothing();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_passes_limits_with_hysteresis),
        cmocka_unit_test(an_event_says_what_happened),
        cmocka_unit_test(without_a_topic_there_are_no_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
