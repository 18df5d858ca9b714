/* The $SYS topics: what is published, when, and how averages follow. */
#include "app/sys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SEEN_MAX = 256, TEXT_BYTES = 96 };

struct world {
    struct broker_counters broker;
    struct net_counters net;
    uint64_t uptime_s;
    char topics[SEEN_MAX][TEXT_BYTES], payloads[SEEN_MAX][TEXT_BYTES];
    size_t count;
};

static struct sys_figures read_figures(void *ctx)
{
    const struct world *world = ctx;
    return (struct sys_figures){.uptime_s = world->uptime_s, .broker = &world->broker, .net = world->net};
}

static void on_publish(void *ctx, struct span topic, struct span payload)
{
    struct world *world = ctx;
    assert_true(world->count < SEEN_MAX);
    snprintf(world->topics[world->count], TEXT_BYTES, "%.*s", (int)topic.len, (const char *)topic.data);
    snprintf(world->payloads[world->count++], TEXT_BYTES, "%.*s", (int)payload.len,
             (const char *)payload.data);
    world->broker.publishes_sent[0]++; /* publishing is itself counted */
}

static const char *seen(const struct world *world, const char *topic)
{
    const char *payload = NULL;
    for (size_t i = 0; i < world->count; i++) {
        if (strcmp(world->topics[i], topic) != 0)
            continue;
        assert_null(payload); /* once a turn */
        payload = world->payloads[i];
    }
    return payload;
}

static struct sys *begin(struct world *world)
{
    return sys_new(10000, "sluice version 1",
                   &(struct sys_hooks){.ctx = world, .read = read_figures, .publish = on_publish}, 0);
}

static void only_what_changed_is_published(void **state)
{
    (void)state;
    struct world world = {.uptime_s = 3};
    world.broker.connected = 2;
    world.broker.sessions = 5;
    world.broker.dropped[BROKER_DROP_QUEUE_FULL] = 4;
    world.broker.connects_refused = 6;
    struct sys *sys = begin(&world);
    assert_int_equal(world.count, 1);
    assert_string_equal(seen(&world, "$SYS/broker/version"), "sluice version 1");
    sys_turn(sys, 0);
    assert_string_equal(seen(&world, "$SYS/broker/uptime"), "3 seconds");
    assert_string_equal(seen(&world, "$SYS/broker/clients/connected"), "2");
    assert_string_equal(seen(&world, "$SYS/broker/clients/disconnected"), "3");
    assert_string_equal(seen(&world, "$SYS/broker/publish/messages/dropped"), "4");
    assert_string_equal(seen(&world, "$SYS/broker/publish/messages/dropped/queue_full"), "4");
    assert_string_equal(seen(&world, "$SYS/broker/publish/messages/sent"), "1");
    assert_string_equal(seen(&world, "$SYS/broker/connections/failed/connect"), "6");
    assert_string_equal(seen(&world, "$SYS/broker/load/sockets/15min"), "0.00");

    world.count = 0;
    world.broker.publishes_sent[0] = 1;
    sys_turn(sys, 9999);
    assert_int_equal(world.count, 0);
    assert_int_equal(sys_next_deadline(sys), 10000);
    world.broker.connected = 1;
    sys_turn(sys, 10000);
    assert_string_equal(seen(&world, "$SYS/broker/clients/connected"), "1");
    assert_string_equal(seen(&world, "$SYS/broker/clients/disconnected"), "4");
    assert_non_null(seen(&world, "$SYS/broker/uptime"));
    assert_int_equal(world.count, 3);
    assert_int_equal(sys_next_deadline(sys), 20000);
    sys_free(sys);
}

/* 600 packets a minute from the first second on. */
static void averages_follow_at_their_own_pace(void **state)
{
    (void)state;
    struct world world = {.count = 0};
    struct sys *sys = begin(&world);
    for (uint64_t second = 0; second <= 60; second += 10) {
        world.count = 0;
        world.broker.packets_received = second * 10;
        sys_turn(sys, second * 1000);
    }
    assert_string_equal(seen(&world, "$SYS/broker/load/messages/received/1min"), "379.27"); /* 1 - 1/e */
    assert_string_equal(seen(&world, "$SYS/broker/load/messages/received/5min"), "108.76");
    assert_string_equal(seen(&world, "$SYS/broker/load/messages/received/15min"), "38.70");
    assert_null(seen(&world, "$SYS/broker/load/messages/sent/1min"));
    sys_free(sys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_changed_is_published),
        cmocka_unit_test(averages_follow_at_their_own_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
