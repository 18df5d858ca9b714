/* What a client is told at a limit, and that each limit holds. */
#include "broker_host.h"

/* The next packet has this Reason String; NULL: none. */
static void expect_reason(struct client *client, enum mqtt_type type, enum mqtt_reason reason,
                          const char *text)
{
    struct mqtt_packet packet = client_expect(client, type);
    enum mqtt_reason got = packet.reasons.len ? (enum mqtt_reason)packet.reasons.data[0] : packet.reason;
    assert_int_equal(got, reason);
    struct span string;
    bool there = mqtt_property_bytes(packet.properties, MQTT_REASON_STRING, &string);
    assert_int_equal(there, text != NULL);
    if (text) {
        assert_int_equal(string.len, strlen(text));
        assert_memory_equal(string.data, text, strlen(text));
    }
}

static void send_subscribe(struct client *client, const char *filter)
{
    uint8_t bytes[256];
    struct writer list = writer_of(bytes, sizeof bytes);
    mqtt_write_filter(&list, MQTT_SUBSCRIBE, &(struct mqtt_filter){.filter = span_from_string(filter)});
    client_send(client, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE,
                                              .version = client->version,
                                              .packet_id = 1,
                                              .filters.list = writer_span(&list)});
}

static void a_refusal_says_what_is_allowed(void **state)
{
    (void)state;
    struct host *host = host_new();
    host->config.client_id_bytes = 30;
    host->config.topic_levels = 3;
    host->config.subscriptions_count = 1;
    host_restart_with_config(host);
    struct client client;
    client_begin(
        &client, host,
        &(struct client_options){.version = MQTT_5, .client_id = "a name of over thirty characters"});
    expect_reason(&client, MQTT_CONNACK, MQTT_CLIENT_IDENTIFIER_NOT_VALID,
                  "a Client Identifier has at most 30 bytes and no control characters");
    client_vanish(&client);
    client_connect(&client, host, &(struct client_options){.version = MQTT_5, .client_id = "a"});
    client_publish(&client, "a/b/c/d", "", 1, false);
    expect_reason(&client, MQTT_PUBACK, MQTT_TOPIC_NAME_INVALID,
                  "a Topic Name has at most 3 levels and does not begin with $");
    client_publish(&client, "a/b/c/d", "", 2, false);
    expect_reason(&client, MQTT_PUBREC, MQTT_TOPIC_NAME_INVALID,
                  "a Topic Name has at most 3 levels and does not begin with $");
    send_subscribe(&client, "a/b/c/d");
    expect_reason(&client, MQTT_SUBACK, MQTT_TOPIC_FILTER_INVALID,
                  "a Topic Filter has at most 3 levels; the NAME of $share/NAME/FILTER has at most 30 bytes");
    send_subscribe(&client, "a");
    expect_reason(&client, MQTT_SUBACK, MQTT_SUCCESS, NULL);
    send_subscribe(&client, "b");
    expect_reason(&client, MQTT_SUBACK, MQTT_QUOTA_EXCEEDED, "a session has at most 1 subscriptions");
    client_give(&client, SPAN_LITERAL("\x30\xff\xff\xff\x7f"));
    expect_reason(&client, MQTT_DISCONNECT, MQTT_PACKET_TOO_LARGE,
                  "a Control Packet has at most 262144 bytes");
    assert_true(client.asked_to_close);
    client_vanish(&client);
    host_free(host);
}

/* [MQTT-3.1.2-29] */
static void who_wants_no_problem_information_gets_it_only_at_the_ends(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    struct client_options options = {.version = MQTT_5, .client_id = "a\n", .no_problem_information = true};
    client_begin(&client, host, &options);
    expect_reason(&client, MQTT_CONNACK, MQTT_CLIENT_IDENTIFIER_NOT_VALID,
                  "a Client Identifier has at most 256 bytes and no control characters");
    client_vanish(&client);
    options.client_id = "a";
    client_connect(&client, host, &options);
    client_publish(&client, "$SYS/x", "", 1, false);
    expect_reason(&client, MQTT_PUBACK, MQTT_TOPIC_NAME_INVALID, NULL);
    send_subscribe(&client, "/////////////////");
    expect_reason(&client, MQTT_SUBACK, MQTT_TOPIC_FILTER_INVALID, NULL);
    client_give(&client, SPAN_LITERAL("\x30\xff\xff\xff\x7f"));
    expect_reason(&client, MQTT_DISCONNECT, MQTT_PACKET_TOO_LARGE,
                  "a Control Packet has at most 262144 bytes");
    client_vanish(&client);
    host_free(host);
}

/* [MQTT-3.2.2-19], [MQTT-3.4.2-2], [MQTT-3.14.2-3] */
static void a_reason_string_that_does_not_fit_is_left_out(void **state)
{
    (void)state;
    struct host *host = host_new();
    struct client client;
    struct client_options options = {.version = MQTT_5, .client_id = "a\n", .maximum_packet_bytes = 40};
    client_begin(&client, host, &options);
    expect_reason(&client, MQTT_CONNACK, MQTT_CLIENT_IDENTIFIER_NOT_VALID, NULL);
    client_vanish(&client);
    options.client_id = "a";
    client_connect(&client, host, &options);
    client_publish(&client, "$SYS/x", "", 1, false);
    expect_reason(&client, MQTT_PUBACK, MQTT_TOPIC_NAME_INVALID, NULL);
    client_give(&client, SPAN_LITERAL("\x30\xff\xff\xff\x7f"));
    expect_reason(&client, MQTT_DISCONNECT, MQTT_PACKET_TOO_LARGE, NULL);
    client_vanish(&client);
    host_free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_says_what_is_allowed),
        cmocka_unit_test(who_wants_no_problem_information_gets_it_only_at_the_ends),
        cmocka_unit_test(a_reason_string_that_does_not_fit_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
