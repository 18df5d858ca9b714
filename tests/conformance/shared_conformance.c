/* MQTT 5, section 4.8.2: Shared Subscriptions. */
#include "exchange.h"

enum { MEMBERS = 3 };

struct group {
    struct host *host;
    struct client from, members[MEMBERS];
};

static struct client_options member_options(size_t i)
{
    static const char *const names[MEMBERS] = {"m0", "m1", "m2"};
    return (struct client_options){
        .version = MQTT_5, .client_id = names[i], .expiry_s = 60, .keep_session = true};
}

static void begin(struct group *group, const uint8_t qos[MEMBERS])
{
    group->host = begin_exchange(&group->from, MQTT_5);
    for (size_t i = 0; i < MEMBERS; i++) {
        struct client_options options = member_options(i);
        client_connect(&group->members[i], group->host, &options);
        assert_int_equal(client_subscribe(&group->members[i], "$share/g/t", qos[i]), qos[i]);
        client_expect_nothing(&group->members[i]);
    }
}

static void end(struct group *group)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        if (group->members[i].channel)
            client_vanish(&group->members[i]);
    }
    end_exchange(group->host, &group->from);
}

/* Which member got the message; exactly one must have. */
static size_t receiver(struct group *group, uint8_t qos, uint16_t *ret_packet_id)
{
    size_t found = MEMBERS;
    for (size_t i = 0; i < MEMBERS; i++) {
        struct mqtt_packet packet;
        if (!group->members[i].channel || !client_next(&group->members[i], &packet))
            continue;
        assert_int_equal(packet.type, MQTT_PUBLISH);
        assert_int_equal(packet.publish.qos, qos);
        assert_int_equal(found, MEMBERS);
        found = i;
        *ret_packet_id = packet.packet_id;
        client_expect_nothing(&group->members[i]);
    }
    assert_int_not_equal(found, MEMBERS);
    return found;
}

/* Also once everything is on disk, which a durable member's message waits for. */
static void expect_nobody(struct group *group)
{
    host_commit(group->host);
    for (size_t i = 0; i < MEMBERS; i++) {
        if (group->members[i].channel)
            client_expect_nothing(&group->members[i]);
    }
}

/* [MQTT-4.8.2-3] */
static void each_member_gets_its_granted_qos(void **state)
{
    (void)state;
    struct group group;
    begin(&group, (const uint8_t[]){0, 1, 2});
    unsigned seen = 0;
    for (size_t i = 0; i < MEMBERS; i++) {
        client_publish(&group.from, "t", "x", 2, false);
        for (size_t j = 0; j < MEMBERS; j++) {
            struct mqtt_packet packet;
            if (!client_next(&group.members[j], &packet))
                continue;
            assert_int_equal(packet.publish.qos, j);
            seen |= 1u << j;
        }
    }
    assert_int_equal(seen, 7);
    end(&group);
}

/* [MQTT-4.8.2-4] [MQTT-4.8.2-5], before and after PUBREC. */
static void a_qos_2_delivery_that_was_begun_stays_with_its_member(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool received = i % 2, returns = i / 2;
        struct group group;
        uint16_t id;
        begin(&group, (const uint8_t[]){2, 2, 2});
        client_publish(&group.from, "t", "x", 2, false);
        size_t chosen = receiver(&group, 2, &id);
        struct client *member = &group.members[chosen];
        if (received) {
            client_ack(member, MQTT_PUBREC, id);
            client_expect_ack(member, MQTT_PUBREL, id, MQTT_SUCCESS);
        }
        client_vanish(member);
        expect_nobody(&group);
        if (returns) {
            struct client_options options = member_options(chosen);
            assert_true(client_connect(member, group.host, &options));
            if (received)
                client_expect_ack(member, MQTT_PUBREL, id, MQTT_SUCCESS);
            else
                assert_true(client_expect_publish(member, "t", "x", 2).publish.dup);
        } else {
            host_advance(group.host, 100000);
            assert_int_equal(broker_counters(group.host->broker)->sessions, MEMBERS);
        }
        expect_nobody(&group);
        end(&group);
    }
}

/* [MQTT-4.8.2-6] */
static void what_a_member_refuses_goes_to_nobody(void **state)
{
    (void)state;
    for (uint8_t qos = 1; qos < 3; qos++) {
        struct group group;
        uint16_t id;
        begin(&group, (const uint8_t[]){qos, qos, qos});
        client_publish(&group.from, "t", "x", qos, false);
        struct client *member = &group.members[receiver(&group, qos, &id)];
        client_send(member, &(struct mqtt_packet){.type = qos == 1 ? MQTT_PUBACK : MQTT_PUBREC,
                                                  .version = MQTT_5,
                                                  .packet_id = id,
                                                  .reason = MQTT_NOT_AUTHORIZED});
        expect_nobody(&group);
        client_vanish(member);
        host_advance(group.host, 100000);
        expect_nobody(&group);
        assert_int_equal(host_unfinished_count(group.host), 0);
        end(&group);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_member_gets_its_granted_qos),
        cmocka_unit_test(a_qos_2_delivery_that_was_begun_stays_with_its_member),
        cmocka_unit_test(what_a_member_refuses_goes_to_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
