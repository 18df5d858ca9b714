/* Maximum Packet Size, Reason Strings and User Properties of what the Server sends: MQTT 5,
 * sections 3.1.2.11.4, 3.2.2.3.9 and those of each acknowledgement. */
#include "exchange.h"

/* Makes the Server send each of its packets, those that refuse something among them, as long as it lets us.
 */
static void ask_for_everything(struct client *client, void (*look)(struct client *client))
{
    static const struct span requests[] = {
        SPAN_LITERAL("\x82\x17\x00\x01\x00" /* SUBSCRIBE; `a/b/c` has too many levels */
                     "\x00\x01t\x02\x00\x01u\x00\x00\x01v\x00\x00\x05"
                     "a/b/c\x00"),
        SPAN_LITERAL("\x32\x0a\x00\x05"
                     "a/b/c\x00\x02\x00"), /* PUBLISH that is refused by PUBACK */
        SPAN_LITERAL("\x34\x0a\x00\x05"
                     "a/b/c\x00\x03\x00"), /* and by PUBREC */
        SPAN_LITERAL("\x34\x06\x00\x01x\x00\x04\x00"),
        SPAN_LITERAL("\x62\x02\x00\x04"), /* PUBREL */
        SPAN_LITERAL("\x62\x02\x00\x05"), /* PUBREL for nothing: PUBCOMP with a reason */
        SPAN_LITERAL("\x50\x02\x12\x34"), /* PUBREC for nothing: PUBREL with a reason */
        SPAN_LITERAL("\x30\x66\x00\x01t\x08&\x00\x01k\x00\x02vw"
                     "a payload that is longer than CONNACK, so that some have room for that but not for "
                     "this: X"),                                         /* comes back */
        SPAN_LITERAL("\xc0\x00"),                                        /* PINGREQ */
        SPAN_LITERAL("\xa2\x0c\x00\x06\x00\x00\x01t\x00\x01u\x00\x01v"), /* UNSUBSCRIBE */
        SPAN_LITERAL("\x00\x00"),                                        /* DISCONNECT */
    };
    look(client);
    for (size_t i = 0; i < COUNT(requests) && !client->asked_to_close; i++) {
        client_give(client, requests[i]);
        look(client);
    }
    assert_true(client->asked_to_close);
}

static struct host *begin(struct client *client, uint32_t maximum_packet_bytes)
{
    struct host *host = host_new();
    host->config.topic_levels = 2;
    host_restart_with_config(host);
    client_begin(client, host,
                 &(struct client_options){
                     .version = MQTT_5, .client_id = "", .maximum_packet_bytes = maximum_packet_bytes});
    return host;
}

static uint32_t maximum_bytes;
static unsigned seen; /* a bit for each type */

static void check_sizes(struct client *client)
{
    struct mqtt_packet packet;
    while (client_next(client, &packet)) {
        if (client->shown_bytes > maximum_bytes)
            fail_msg("%s of %zu bytes, %u allowed", mqtt_type_name(packet.type), client->shown_bytes,
                     maximum_bytes);
        seen |= 1u << packet.type;
    }
}

/* [MQTT-3.1.2-24], and with it all that forbid a Reason String or User Property over that size. */
static void nothing_exceeds_the_clients_maximum_packet_size(void **state)
{
    (void)state;
    seen = 0;
    for (maximum_bytes = 1; maximum_bytes <= 200; maximum_bytes++) {
        struct client client;
        struct host *host = begin(&client, maximum_bytes);
        ask_for_everything(&client, check_sizes);
        end_exchange(host, &client);
    }
    static const enum mqtt_type sent[] = {MQTT_CONNACK,  MQTT_PUBLISH,   MQTT_PUBACK, MQTT_PUBREC,
                                          MQTT_PUBREL,   MQTT_PUBCOMP,   MQTT_SUBACK, MQTT_UNSUBACK,
                                          MQTT_PINGRESP, MQTT_DISCONNECT};
    for (size_t i = 0; i < COUNT(sent); i++)
        assert_true(seen & 1u << sent[i]);
}

static unsigned explained; /* a bit for each type that had a Reason String */

static void check_properties(struct client *client)
{
    struct mqtt_packet packet;
    while (client_next(client, &packet)) {
        struct reader at = reader_of(packet.properties.bytes);
        struct mqtt_property_value value;
        while (mqtt_property_next(&at, &value)) {
            if (value.id == MQTT_USER_PROPERTY)
                assert_int_equal(packet.type, MQTT_PUBLISH);
            if (value.id == MQTT_REASON_STRING)
                explained |= 1u << packet.type;
        }
    }
}

/* [MQTT-3.2.2-20] [MQTT-3.4.2-3] [MQTT-3.5.2-3] [MQTT-3.6.2-3] [MQTT-3.7.2-3] [MQTT-3.9.2-2] [MQTT-3.11.2-2]
 * [MQTT-3.14.2-4]: the Server's own packets never carry User Properties. Reason Strings they do where there
 * is room. */
static void user_properties_come_with_messages_only(void **state)
{
    (void)state;
    explained = 0;
    struct client client;
    struct host *host = begin(&client, 0);
    ask_for_everything(&client, check_properties);
    end_exchange(host, &client);
    static const enum mqtt_type wanted[] = {MQTT_PUBACK, MQTT_PUBREC, MQTT_SUBACK, MQTT_DISCONNECT};
    for (size_t i = 0; i < COUNT(wanted); i++)
        assert_true(explained & 1u << wanted[i]);
}

/* An answer that cannot be sent would be waited for in vain. */
static void an_answer_over_the_maximum_packet_size_ends_the_connection(void **state)
{
    (void)state;
    struct client client;
    struct host *host = begin_exchange(&client, MQTT_5);
    client_vanish(&client);
    client_begin(&client, host,
                 &(struct client_options){.version = MQTT_5, .client_id = "a", .maximum_packet_bytes = 5});
    client_expect_nothing(&client); /* not even its CONNACK fits */
    assert_true(client.asked_to_close);
    client_vanish(&client);
    client_connect(&client, host,
                   &(struct client_options){.version = MQTT_5, .client_id = "a", .maximum_packet_bytes = 20});
    uint8_t bytes[128];
    struct writer list = writer_of(bytes, sizeof bytes);
    for (size_t i = 0; i < 20; i++)
        mqtt_write_filter(&list, MQTT_SUBSCRIBE, &(struct mqtt_filter){.filter = SPAN_LITERAL("t")});
    client_send(&client, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE,
                                               .version = MQTT_5,
                                               .packet_id = 9,
                                               .filters.list = writer_span(&list)});
    client_expect_closed(&client, MQTT_IMPLEMENTATION_SPECIFIC_ERROR);
    end_exchange(host, &client);
}

/* [MQTT-3.1.2-25]: it takes nothing of the Receive Maximum, and does not come again to a Client with more
 * room. */
static void a_message_too_large_to_send_counts_as_sent(void **state)
{
    (void)state;
    for (uint8_t qos = 1; qos < 3; qos++) {
        struct client from, to;
        struct host *host = begin_exchange(&from, MQTT_3_1_1);
        for (int is_durable = 0; is_durable < 2; is_durable++) {
            struct client_options options = {.version = MQTT_5,
                                             .client_id = "to",
                                             .expiry_s = is_durable ? 60 : 0,
                                             .keep_session = true,
                                             .receive_maximum = 1,
                                             .maximum_packet_bytes = 50};
            client_connect(&to, host, &options);
            client_subscribe(&to, "t", qos);
            client_publish(&from, "t", "much more than the fifty bytes that this Client takes", qos, false);
            client_publish(&from, "t", "short", qos, false);
            client_expect_publish(&to, "t", "short", qos);
            client_expect_nothing(&to);
            options.maximum_packet_bytes = 0;
            client_vanish(&to);
            client_connect(&to, host, &options);
            if (is_durable)
                client_expect_publish(&to, "t", "short", qos);
            client_expect_nothing(&to);
            client_vanish(&to);
        }
        end_exchange(host, &from);
    }
}

static enum sluice_error want_more(void *ctx, struct channel *channel, void **exchange,
                                   const struct broker_credentials *credentials,
                                   struct broker_answer *ret_answer)
{
    (void)channel;
    *exchange = ctx;
    assert_true(credentials->has_method);
    *ret_answer =
        (struct broker_answer){.reason = MQTT_CONTINUE_AUTHENTICATION, .data = SPAN_LITERAL("prove it")};
    return SLUICE_OK;
}

static void on_ended(void *ctx, void *exchange)
{
    assert_ptr_equal(ctx, exchange);
}

/* [MQTT-3.15.2-2] [MQTT-3.15.2-3]: an AUTH has its method and data, and where they do not fit none is sent.
 */
static void auth_carries_nothing_but_its_method_and_data(void **state)
{
    (void)state;
    enum { AUTH_BYTES = 2 + 2 + (1 + 2 + 6) + (1 + 2 + 8) };
    for (uint32_t bytes = 1; bytes < 2 * AUTH_BYTES; bytes++) {
        struct host *host = host_new();
        host->authenticate = want_more;
        host->authentication_ended = on_ended;
        host_restart_with_config(host);
        struct client client;
        client_begin(&client, host,
                     &(struct client_options){.version = MQTT_5,
                                              .client_id = "a",
                                              .maximum_packet_bytes = bytes,
                                              .authentication_method = "METHOD",
                                              .authentication_data = "hello"});
        if (bytes >= AUTH_BYTES)
            expect_bytes(&client, SPAN_LITERAL("\xf0\x16\x18\x14\x15\x00\x06METHOD\x16\x00\x08prove it"));
        expect_bytes(&client, SPAN_EMPTY);
        assert_int_equal(client.asked_to_close, bytes < AUTH_BYTES);
        end_exchange(host, &client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_exceeds_the_clients_maximum_packet_size),
        cmocka_unit_test(user_properties_come_with_messages_only),
        cmocka_unit_test(an_answer_over_the_maximum_packet_size_ends_the_connection),
        cmocka_unit_test(a_message_too_large_to_send_counts_as_sent),
        cmocka_unit_test(auth_carries_nothing_but_its_method_and_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
