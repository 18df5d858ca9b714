/* agent/remote.h over a device on a port without a network: which messages are commands, before any is done.
 */
#include "agent/remote.h"
#include "device_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct agent_config config;
static struct sampler sampler;
static struct schedule schedule;
static struct remote remote;
static char correlation[300];

static void take_commands_on(const char *topic)
{
    config = (struct agent_config){.source_count = 1};
    snprintf(config.commands, sizeof config.commands, "%s", topic);
    config.sources[0] =
        (struct source){.kind = SOURCE_ACTION, .name = "lamp", .target = "exit 0", .timeout_ms = 60000};
    schedule = (struct schedule){.interval_ms = 1000};
    remote_init(&remote, &config, &sampler, &schedule, NULL);
    open_device();
    go_online(false);
    remote.device = device;
}

static void send_command(const char *topic, size_t correlation_bytes)
{
    memset(correlation, 'x', sizeof correlation);
    remote_message(&remote, &(struct sluice_message){.topic = {topic, strlen(topic)},
                                                     .payload = {"5s", 2},
                                                     .response_topic = {"farm/answers", 12},
                                                     .correlation = {correlation, correlation_bytes}});
    poll_device();
}

static void expect_answer(const char *text, size_t correlation_bytes)
{
    struct mqtt_packet packet = take(MQTT_PUBLISH);
    struct span sent = SPAN_EMPTY;
    char payload[512];
    mqtt_property_bytes(packet.properties, MQTT_CORRELATION_DATA, &sent);
    snprintf(payload, sizeof payload, "%.*s", (int)packet.publish.payload.len,
             (const char *)packet.publish.payload.data);
    if (!strstr(payload, text) || sent.len != correlation_bytes)
        fail_msg("the answer is %s, with Correlation Data of %zu bytes", payload, sent.len);
}

static void expect_action_done(void)
{
    uint64_t action_ms = remote.action.deadline_ms - 1;
    assert_int_equal(remote.doing, REMOTE_ACTING);
    while (remote.doing == REMOTE_ACTING) {
        struct pollfd entry = remote_poll_entry(&remote);
        poll(&entry, 1, 10);
        remote_step(&remote, action_ms);
    }
    poll_device();
}

/* The gateway's session may have a subscription of a time when the configuration was another one. */
static void a_message_on_another_topic_is_no_command(void **state)
{
    (void)state;
    const char *const rows[][2] = {{"farm/shed/commands", "farm/barn/commands/lamp"},
                                   {"farm/shed/commands", "farm/shed/commands"},
                                   {"", "/lamp"},
                                   {"", "farm/shed/commands/lamp"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        take_commands_on(rows[i][0]);
        send_command(rows[i][1], 1);
        assert_int_equal(remote.doing, REMOTE_IDLE);
        take_nothing();
    }
}

static void what_could_not_be_answered_is_not_done(void **state)
{
    (void)state;
    take_commands_on("farm/shed/commands");
    send_command("farm/shed/commands/lamp", REMOTE_CORRELATION_BYTES + 1);
    assert_int_equal(remote.doing, REMOTE_IDLE);
    expect_answer(
        "\"InvalidPayload\",\"errorMessage\":\"the Correlation Data is 227 bytes; allowed are 226\"", 0);
    send_command("farm/shed/commands/interval", REMOTE_CORRELATION_BYTES + 1);
    assert_int_equal(schedule.interval_ms, 1000);
    expect_answer("InvalidPayload", 0);
}

static void the_longest_correlation_data_comes_back(void **state)
{
    (void)state;
    take_commands_on("farm/shed/commands");
    send_command("farm/shed/commands/lamp", REMOTE_CORRELATION_BYTES);
    expect_action_done();
    expect_answer("\"output\"", REMOTE_CORRELATION_BYTES);
    send_command("farm/shed/commands/fly", REMOTE_CORRELATION_BYTES);
    expect_answer("UnknownCommand", REMOTE_CORRELATION_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_on_another_topic_is_no_command),
        cmocka_unit_test(what_could_not_be_answered_is_not_done),
        cmocka_unit_test(the_longest_correlation_data_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
