/* Shared Subscriptions: who gets a message, and who gets what a member leaves. */
#include "broker_host.h"

#include <stdio.h>

static const struct client_options from_options = {.version = MQTT_5, .client_id = "from"};

/* A member that takes one QoS 1 or 2 message at a time. */
static void join(struct host *host, struct client *client, const char *name, uint32_t expiry_s, uint8_t qos)
{
    client_connect(client, host,
                   &(struct client_options){.version = MQTT_5,
                                            .client_id = name,
                                            .expiry_s = expiry_s,
                                            .keep_session = true,
                                            .receive_maximum = 1});
    assert_int_equal(client_subscribe(client, "$share/g/t", qos), qos);
}

static void publish_numbers(struct client *from, int first, int last, uint8_t qos)
{
    for (int i = first; i <= last; i++) {
        char text[8];
        snprintf(text, sizeof text, "%d", i);
        client_publish(from, "t", text, qos, false);
    }
}

/* Takes one message after the other, as long as there are any; their payloads in a row. */
static void expect_numbers(struct client *client, const char *wanted, uint8_t qos)
{
    char got[32] = "";
    struct mqtt_packet packet;
    while (client_next(client, &packet)) {
        assert_int_equal(packet.type, MQTT_PUBLISH);
        assert_int_equal(packet.publish.qos, qos);
        assert_false(packet.publish.dup);
        strncat(got, (const char *)packet.publish.payload.data, packet.publish.payload.len);
        uint16_t id = packet.packet_id;
        if (qos == 1)
            client_ack(client, MQTT_PUBACK, id);
        if (qos == 2) {
            client_ack(client, MQTT_PUBREC, id);
            client_expect_ack(client, MQTT_PUBREL, id, MQTT_SUCCESS);
            client_ack(client, MQTT_PUBCOMP, id);
        }
    }
    assert_string_equal(got, wanted);
}

/* Time passes, and what was stored meanwhile is on disk. */
static void wait_ms(struct host *host, uint64_t ms)
{
    host_advance(host, ms);
    host_commit(host);
}

static void end(struct host *host, struct client *clients, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (clients[i].channel)
            client_vanish(&clients[i]);
    }
    host_free(host);
}

enum leaving { CONNECTION_LOST, EXPIRY_SET_TO_0, CLEAN_START, EXPIRED, UNSUBSCRIBED };

/* A first member gets 1 and is to get 2 and 3; then it leaves, when a second has come. */
static void what_a_member_leaves_goes_to_the_others(void **state)
{
    (void)state;
    static const struct {
        const char *title;
        uint32_t expiry_s;
        uint8_t qos;
        enum leaving leaving;
        const char *handed_over;
        uint64_t dropped;
    } rows[] = {
        {"QoS 1, no session", 0, 1, CONNECTION_LOST, "123", 0},
        {"QoS 2, no session: what was begun is nobody else's", 0, 2, CONNECTION_LOST, "23", 1},
        {"QoS 1, the session is ended by DISCONNECT", 60, 1, EXPIRY_SET_TO_0, "123", 0},
        {"QoS 1, the session is ended by Clean Start", 60, 1, CLEAN_START, "123", 0},
        {"QoS 2, the session is ended by Clean Start", 60, 2, CLEAN_START, "23", 1},
        {"QoS 1, the session expires", 60, 1, EXPIRED, "123", 0},
        {"QoS 1, unsubscribed: what was begun is completed", 60, 1, UNSUBSCRIBED, "23", 0},
        {"QoS 1, unsubscribed without a session", 0, 1, UNSUBSCRIBED, "23", 0},
        {"QoS 2, unsubscribed", 60, 2, UNSUBSCRIBED, "23", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].title);
        struct host *host = host_new();
        struct client clients[3];
        client_connect(&clients[0], host, &from_options);
        join(host, &clients[1], "first", rows[i].expiry_s, rows[i].qos);
        publish_numbers(&clients[0], 1, 3, rows[i].qos);
        client_expect_publish(&clients[1], "t", "1", rows[i].qos);
        join(host, &clients[2], "second", 60, rows[i].qos);
        client_expect_nothing(&clients[2]);
        uint8_t bytes[8];
        struct writer block = writer_of(bytes, sizeof bytes);
        mqtt_write_number_property(&block, MQTT_SESSION_EXPIRY_INTERVAL, 0);
        if (rows[i].leaving == UNSUBSCRIBED)
            assert_int_equal(client_unsubscribe(&clients[1], "$share/g/t"), MQTT_SUCCESS);
        else if (rows[i].leaving == EXPIRY_SET_TO_0)
            client_send(&clients[1], &(struct mqtt_packet){.type = MQTT_DISCONNECT,
                                                           .version = MQTT_5,
                                                           .properties.bytes = writer_span(&block)});
        if (rows[i].leaving != UNSUBSCRIBED)
            client_vanish(&clients[1]);
        if (rows[i].leaving == CLEAN_START)
            client_connect(&clients[1], host, &(struct client_options){.client_id = "first"});
        if (rows[i].leaving == EXPIRED)
            wait_ms(host, 60000);
        expect_numbers(&clients[2], rows[i].handed_over, rows[i].qos);
        assert_int_equal(host_dropped(host, BROKER_DROP_SESSION_ENDED), rows[i].dropped);
        assert_int_equal(host_unfinished_count(host), rows[i].leaving == UNSUBSCRIBED && rows[i].expiry_s);
        end(host, clients, 3);
    }
}

/* Each message is of the Shared Subscription that it came by, or of none. */
static void only_what_came_by_the_share_is_handed_over(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client clients[4];
    client_connect(&clients[0], host, &from_options);
    join(host, &clients[1], "leaves", 60, 1);
    client_subscribe(&clients[1], "$share/h/t", 1);
    client_subscribe(&clients[1], "t", 1);
    client_vanish(&clients[1]);
    publish_numbers(&clients[0], 1, 1, 1); /* three times in its queue */
    assert_int_equal(broker_counters(host->broker)->queued, 3);
    join(host, &clients[2], "of_g", 0, 1);
    client_connect(&clients[3], host, &(struct client_options){.version = MQTT_5, .client_id = "of_h"});
    client_subscribe(&clients[3], "$share/h/t", 1);
    wait_ms(host, 60000);
    expect_numbers(&clients[2], "1", 1);
    expect_numbers(&clients[3], "1", 1);
    assert_int_equal(host_dropped(host, BROKER_DROP_SESSION_ENDED), 1);
    end(host, clients, 4);
}

static void the_share_of_a_message_is_known_after_a_crash(void **state)
{
    (void)state;
    for (uint8_t qos = 1; qos < 3; qos++) {
        struct host *host = host_new();
        struct client clients[3];
        client_connect(&clients[0], host, &from_options);
        join(host, &clients[1], "leaves", 60, qos);
        client_vanish(&clients[1]);
        publish_numbers(&clients[0], 1, 3, qos);
        client_vanish(&clients[0]);
        host_crash(host);
        join(host, &clients[2], "stays", 60, qos);
        wait_ms(host, 60000);
        /* Whether a QoS 2 message was begun before the crash is not known. */
        expect_numbers(&clients[2], qos == 1 ? "123" : "", qos);
        end(host, clients, 3);
    }
}

/* What waited over a crash is not kept from the others either; of QoS 2 it is not known to be unbegun. */
static void who_unsubscribes_after_a_crash_hands_over_too(void **state)
{
    (void)state;
    for (uint8_t qos = 1; qos < 3; qos++) {
        struct host *host = host_new();
        struct client clients[3];
        client_connect(&clients[0], host, &from_options);
        join(host, &clients[1], "leaves", 60, qos);
        client_vanish(&clients[1]);
        publish_numbers(&clients[0], 1, 3, qos);
        client_vanish(&clients[0]);
        host_crash(host);
        join(host, &clients[2], "stays", 60, qos);
        struct client_options back = {
            .version = MQTT_5, .client_id = "leaves", .keep_session = true, .receive_maximum = 1};
        assert_true(client_connect(&clients[1], host, &back));
        assert_int_equal(client_expect(&clients[1], MQTT_PUBLISH).publish.qos, qos);
        assert_int_equal(client_unsubscribe(&clients[1], "$share/g/t"), MQTT_SUCCESS);
        wait_ms(host, 1);
        expect_numbers(&clients[2], qos == 1 ? "23" : "", qos);
        end(host, clients, 3);
    }
}

/* To a durable member that is not there, through the journal; at QoS 0 it is for those who are there. */
static void a_member_that_is_not_there_gets_what_is_left_when_it_comes(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client clients[3];
    client_connect(&clients[0], host, &from_options);
    join(host, &clients[1], "stays", 600, 1);
    client_vanish(&clients[1]);
    join(host, &clients[2], "leaves", 0, 1);
    publish_numbers(&clients[0], 1, 3, 1); /* to the one who is connected, though the other has had none */
    client_expect_publish(&clients[2], "t", "1", 1);
    client_vanish(&clients[2]);
    client_vanish(&clients[0]);
    host_crash(host);
    assert_true(
        client_connect(&clients[1], host,
                       &(struct client_options){
                           .version = MQTT_5, .client_id = "stays", .expiry_s = 600, .keep_session = true}));
    for (int i = 1; i < 4; i++) {
        char text[8];
        snprintf(text, sizeof text, "%d", i);
        client_expect_publish(&clients[1], "t", text, 1);
    }
    end(host, clients, 3);
}

/* A member that does not acknowledge gets no more while another takes messages; then those connected. */
static void who_takes_a_message_now_is_chosen_first(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client clients[4];
    client_connect(&clients[0], host, &from_options);
    join(host, &clients[1], "stuck", 0, 1);
    join(host, &clients[2], "works", 0, 1);
    join(host, &clients[3], "away", 60, 1);
    client_vanish(&clients[3]);
    publish_numbers(&clients[0], 1, 2, 1);
    client_expect_publish(&clients[1], "t", "1", 1);
    for (int i = 2; i < 6; i++) {
        char text[8];
        snprintf(text, sizeof text, "%d", i);
        uint16_t id = client_expect_publish(&clients[2], "t", text, 1).packet_id;
        client_ack(&clients[2], MQTT_PUBACK, id);
        publish_numbers(&clients[0], i + 1, i + 1, 1);
    }
    client_expect_publish(&clients[2], "t", "6", 1);
    client_expect_nothing(&clients[1]);
    publish_numbers(&clients[0], 7, 9, 1); /* now both are stuck, and yet the third is not there */
    assert_int_equal(host_unfinished_count(host), 0);
    assert_int_equal(broker_counters(host->broker)->queued, 5);
    end(host, clients, 4);
}

/* The journal is full for a while: nothing is lost for that, and the session ends when it can. */
static void a_hand_over_waits_for_room(void **state)
{
    (void)state;
    for (uint32_t expiry_s = 0; expiry_s < 120; expiry_s += 60) {
        struct host *host = host_new();
        struct client clients[3];
        client_connect(&clients[0], host, &from_options);
        join(host, &clients[1], "leaves", expiry_s, 1);
        publish_numbers(&clients[0], 1, 3, 1);
        client_expect_publish(&clients[1], "t", "1", 1);
        join(host, &clients[2], "stays", 600, 1);
        host->store_answer = SLUICE_FULL;
        client_vanish(&clients[1]);
        wait_ms(host, 60000);
        client_expect_nothing(&clients[2]);
        host->store_answer = SLUICE_OK;
        wait_ms(host, 100);
        expect_numbers(&clients[2], "123", 1);
        assert_int_equal(broker_counters(host->broker)->sessions, 2);
        assert_int_equal(host_dropped(host, BROKER_DROP_SESSION_ENDED), 0);
        end(host, clients, 3);
    }
}

static void a_session_that_waits_to_end_is_not_present_again(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client clients[3];
    client_connect(&clients[0], host, &from_options);
    join(host, &clients[1], "leaves", 0, 1);
    publish_numbers(&clients[0], 1, 1, 1);
    join(host, &clients[2], "stays", 600, 1);
    host->store_answer = SLUICE_FULL;
    client_vanish(&clients[1]);
    assert_false(client_connect(
        &clients[1], host,
        &(struct client_options){.version = MQTT_5, .client_id = "leaves", .keep_session = true}));
    assert_int_equal(host_dropped(host, BROKER_DROP_SESSION_ENDED), 1);
    host->store_answer = SLUICE_OK;
    wait_ms(host, 1000);
    client_expect_nothing(&clients[2]);
    end(host, clients, 3);
}

/* Those whose queue is full are offered nothing while another has room, by a PUBLISH and by who leaves. */
static void a_member_without_room_is_passed_over(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.queue_count = 3;
    host_restart_with_config(host);
    struct client clients[4];
    client_connect(&clients[0], host, &from_options);
    join(host, &clients[1], "leaves", 60, 1);
    client_vanish(&clients[1]);
    publish_numbers(&clients[0], 1, 3, 1);
    join(host, &clients[2], "full", 600, 1);
    client_vanish(&clients[2]);
    publish_numbers(&clients[0], 4, 6, 1);
    join(host, &clients[3], "has room", 600, 1);
    client_vanish(&clients[3]);
    wait_ms(host, 60000);
    assert_int_equal(host_dropped(host, BROKER_DROP_QUEUE_FULL), 0);
    assert_int_equal(host_dropped(host, BROKER_DROP_SESSION_ENDED), 0);
    publish_numbers(&clients[0], 7, 7, 1); /* now there is none with room */
    assert_int_equal(host_dropped(host, BROKER_DROP_QUEUE_FULL), 1);
    struct client_options back = {
        .version = MQTT_5, .client_id = "has room", .expiry_s = 600, .keep_session = true};
    assert_true(client_connect(&clients[3], host, &back));
    expect_numbers(&clients[3], "123", 1);
    end(host, clients, 4);
}

enum { MANY = 3000 };

/* Much is handed over in steps. Meanwhile the session gets nothing new, and is not present for its client. */
static void much_is_handed_over_in_steps(void **state)
{
    (void)state;
    for (int comes_back = 0; comes_back < 2; comes_back++) {
        struct host *host = host_new();
        struct client clients[3];
        client_connect(&clients[0], host, &from_options);
        join(host, &clients[1], "leaves", 0, 1);
        client_subscribe(&clients[1], "plain", 1);
        publish_numbers(&clients[0], 1, MANY, 1);
        join(host, &clients[2], "stays", 600, 1);
        client_vanish(&clients[1]);
        uint64_t first = host_unfinished_count(host);
        assert_true(first > 0 && first < MANY);
        client_publish(&clients[0], "plain", "", 1, false);
        publish_numbers(&clients[0], MANY + 1, MANY + 1, 1);
        assert_int_equal(host_unfinished_count(host), first + 1);
        struct client_options back = {.version = MQTT_5, .client_id = "leaves", .keep_session = true};
        if (comes_back)
            assert_false(client_connect(&clients[1], host, &back));
        for (int i = 0; i < MANY && host_unfinished_count(host) <= MANY; i++)
            wait_ms(host, 1);
        assert_int_equal(broker_counters(host->broker)->sessions, 2 + comes_back);
        assert_int_equal(host_unfinished_count(host), MANY + 1);
        assert_int_equal(host_dropped(host, BROKER_DROP_SESSION_ENDED), 0);
        end(host, clients, 3);
    }
}

/* Rules that take a right from all members at once hand nothing over to one of them, in whatever order they
 * are looked at. */
static void who_loses_the_right_too_is_handed_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d"};
    for (size_t first = 0; first < 4; first++) {
        struct host *host = host_new();
        struct client clients[5];
        client_connect(&clients[4], host, &from_options);
        join(host, &clients[first], names[first], 0, 1);
        publish_numbers(&clients[4], 1, 3, 1);
        client_expect_publish(&clients[first], "t", "1", 1);
        for (size_t i = 0; i < 4; i++) {
            if (i != first)
                join(host, &clients[i], names[i], 0, 1);
        }
        struct access *access = access_new();
        access_allow(access, "anonymous", ACCESS_PUBLISH, "#");
        broker_set_access(host->broker, access);
        for (size_t i = 0; i < 4; i++)
            client_expect_nothing(&clients[i]);
        end(host, clients, 5);
    }
}

static void what_its_publisher_may_publish_no_more_is_not_handed_over(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct identity mine = host_certificate("mine");
    struct client clients[3];
    client_connect(&clients[0], host,
                   &(struct client_options){.version = MQTT_5, .client_id = "mine", .identity = &mine});
    join(host, &clients[1], "leaves", 0, 1);
    publish_numbers(&clients[0], 1, 3, 1);
    join(host, &clients[2], "stays", 0, 1);
    struct access *access = access_new();
    access_allow(access, "anonymous", ACCESS_SUBSCRIBE, "#");
    broker_set_access(host->broker, access);
    client_vanish(&clients[1]);
    client_expect_nothing(&clients[2]);
    assert_int_equal(host_dropped(host, BROKER_DROP_NOT_ALLOWED), 3);
    end(host, clients, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_member_leaves_goes_to_the_others),
        cmocka_unit_test(only_what_came_by_the_share_is_handed_over),
        cmocka_unit_test(the_share_of_a_message_is_known_after_a_crash),
        cmocka_unit_test(who_unsubscribes_after_a_crash_hands_over_too),
        cmocka_unit_test(a_member_that_is_not_there_gets_what_is_left_when_it_comes),
        cmocka_unit_test(who_takes_a_message_now_is_chosen_first),
        cmocka_unit_test(a_hand_over_waits_for_room),
        cmocka_unit_test(a_session_that_waits_to_end_is_not_present_again),
        cmocka_unit_test(a_member_without_room_is_passed_over),
        cmocka_unit_test(much_is_handed_over_in_steps),
        cmocka_unit_test(who_loses_the_right_too_is_handed_nothing),
        cmocka_unit_test(what_its_publisher_may_publish_no_more_is_not_handed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
