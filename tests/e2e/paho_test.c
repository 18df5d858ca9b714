/*
 * Eclipse Paho MQTT C, an independent Client over OpenSSL, against the gateway
 * that paho.sh runs. MQTTS is its port, PKI the folder of certificates; devices
 * one and two may do all under farm/CLIENT-IDENTIFIER/.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <MQTTClient.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, HANG_MS = 60000, SESSION_S = 3600, OFFLINE_COUNT = 30 };

static const int versions[] = {MQTTVERSION_3_1_1, MQTTVERSION_5};

struct files {
    char ca[PATH_BYTES], certificate[PATH_BYTES], key[PATH_BYTES];
};

/* What a Client says when it connects; `who` is whose certificate it has, NULL: none. */
struct login {
    int version;
    const char *who;
    const char *ca; /* NULL: ca */
    bool keeps_session;
    const char *will_topic;
};

static struct files files_of(const struct login *login)
{
    struct files files;
    const char *pki = getenv("PKI");
    snprintf(files.ca, sizeof files.ca, "%s/%s.crt", pki, login->ca ? login->ca : "ca");
    snprintf(files.certificate, sizeof files.certificate, "%s/%s.crt", pki, login->who ? login->who : "");
    snprintf(files.key, sizeof files.key, "%s/%s.key", pki, login->who ? login->who : "");
    return files;
}

static MQTTClient new_client(const char *client_id, int version)
{
    MQTTClient client;
    char address[64];
    snprintf(address, sizeof address, "ssl://localhost:%s", getenv("MQTTS"));
    MQTTClient_createOptions options = MQTTClient_createOptions_initializer;
    options.MQTTVersion = version;
    assert_int_equal(MQTTClient_createWithOptions(&client, address, client_id, MQTTCLIENT_PERSISTENCE_NONE,
                                                  NULL, &options),
                     MQTTCLIENT_SUCCESS);
    return client;
}

/* MQTTCLIENT_SUCCESS, Paho's negative error, or what the CONNACK refuses with. */
static int connect_5(MQTTClient client, MQTTClient_connectOptions *options, bool keeps_session)
{
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
    expiry.value.integer4 = SESSION_S;
    if (keeps_session)
        MQTTProperties_add(&properties, &expiry);
    options->cleanstart = !keeps_session;
    MQTTResponse response = MQTTClient_connect5(client, options, &properties, NULL);
    int result = (int)response.reasonCode;
    MQTTResponse_free(response);
    MQTTProperties_free(&properties);
    return result;
}

static int connect_client(MQTTClient client, const struct login *login)
{
    struct files files = files_of(login);
    MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
    tls.trustStore = files.ca;
    tls.verify = 1;
    if (login->who) {
        tls.keyStore = files.certificate;
        tls.privateKey = files.key;
    }
    MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
    will.topicName = login->will_topic;
    will.message = "died";
    will.qos = 1;
    MQTTClient_connectOptions version_3 = MQTTClient_connectOptions_initializer;
    MQTTClient_connectOptions version_5 = MQTTClient_connectOptions_initializer5;
    MQTTClient_connectOptions options = login->version == MQTTVERSION_5 ? version_5 : version_3;
    options.MQTTVersion = login->version;
    options.ssl = &tls;
    options.will = login->will_topic ? &will : NULL;
    if (login->version == MQTTVERSION_5)
        return connect_5(client, &options, login->keeps_session);
    options.cleansession = !login->keeps_session;
    return MQTTClient_connect(client, &options);
}

static MQTTClient connected(const char *client_id, const struct login *login)
{
    MQTTClient client = new_client(client_id, login->version);
    assert_int_equal(connect_client(client, login), MQTTCLIENT_SUCCESS);
    return client;
}

static void leave(MQTTClient client)
{
    MQTTClient_disconnect(client, HANG_MS);
    MQTTClient_destroy(&client);
}

/* The granted QoS, or the reason of the refusal. */
static int subscribe(MQTTClient client, int version, const char *filter, int qos)
{
    if (version != MQTTVERSION_5)
        return MQTTClient_subscribe(client, filter, qos) == MQTTCLIENT_SUCCESS ? qos : 0x80;
    MQTTResponse response = MQTTClient_subscribe5(client, filter, qos, NULL, NULL);
    int reason = (int)response.reasonCode;
    MQTTResponse_free(response);
    return reason;
}

/* Returns when it is acknowledged. */
static void publish(MQTTClient client, int version, const char *topic, const char *payload, int qos,
                    int retained)
{
    MQTTClient_deliveryToken token;
    int len = (int)strlen(payload);
    if (version == MQTTVERSION_5) {
        MQTTResponse response = MQTTClient_publish5(client, topic, len, payload, qos, retained, NULL, &token);
        assert_int_equal(response.reasonCode, MQTTREASONCODE_SUCCESS);
        MQTTResponse_free(response);
    } else {
        assert_int_equal(MQTTClient_publish(client, topic, len, payload, qos, retained, &token),
                         MQTTCLIENT_SUCCESS);
    }
    assert_int_equal(MQTTClient_waitForCompletion(client, token, HANG_MS), MQTTCLIENT_SUCCESS);
}

static void expect(MQTTClient client, const char *topic, const char *payload, int qos, int retained)
{
    char *name = NULL;
    int name_len;
    MQTTClient_message *message = NULL;
    assert_int_equal(MQTTClient_receive(client, &name, &name_len, &message, HANG_MS), MQTTCLIENT_SUCCESS);
    assert_non_null(message);
    assert_string_equal(name, topic);
    assert_int_equal(message->payloadlen, strlen(payload));
    assert_memory_equal(message->payload, payload, strlen(payload));
    assert_int_equal(message->qos, qos);
    assert_int_equal(message->retained, retained);
    MQTTClient_freeMessage(&message);
    MQTTClient_free(name);
}

/* Every combination of the publisher's and the subscriber's version and QoS. */
static void messages_flow_at_every_qos(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct login from = {.version = versions[i / 2], .who = "one"};
        struct login to = {.version = versions[i % 2], .who = "two"};
        MQTTClient publisher = connected("one", &from), subscriber = connected("two", &to);
        for (int granted = 0; granted <= 2; granted++) {
            assert_int_equal(subscribe(subscriber, to.version, "farm/one/+", granted), granted);
            for (int qos = 0; qos <= 2; qos++) {
                publish(publisher, from.version, "farm/one/temperature", "21.5", qos, 0);
                expect(subscriber, "farm/one/temperature", "21.5", qos < granted ? qos : granted, 0);
            }
        }
        leave(publisher);
        leave(subscriber);
    }
}

static void a_retained_message_greets_a_subscriber(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct login login = {.version = versions[i], .who = "one"};
        MQTTClient client = connected("one", &login);
        publish(client, login.version, "farm/one/kept", "on", 1, 1);
        assert_int_equal(subscribe(client, login.version, "farm/one/#", 1), 1);
        expect(client, "farm/one/kept", "on", 1, 1);
        publish(client, login.version, "farm/one/kept", "", 1, 1);
        expect(client, "farm/one/kept", "", 1, 0);
        leave(client);
    }
}

/* Connects with a will, says so through the pipe, and never comes to an end by itself. */
static void be_a_client_that_dies(int version, int ready)
{
    struct login login = {.version = version, .who = "two", .will_topic = "farm/two/status"};
    MQTTClient client = new_client("two", version);
    if (connect_client(client, &login) != MQTTCLIENT_SUCCESS || write(ready, "!", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static void a_will_is_published_when_its_client_dies(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        int ends[2];
        char ready;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0)
            be_a_client_that_dies(versions[i], ends[1]);
        close(ends[1]);
        struct login login = {.version = versions[i], .who = "one"};
        MQTTClient watcher = connected("one", &login);
        assert_int_equal(subscribe(watcher, login.version, "farm/two/status", 1), 1);
        assert_int_equal(read(ends[0], &ready, 1), 1);
        close(ends[0]);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        expect(watcher, "farm/two/status", "died", 1, 0);
        leave(watcher);
    }
}

static void publish_numbers(MQTTClient client, int version, int qos)
{
    char payload[16];
    for (int n = 0; n < OFFLINE_COUNT; n++) {
        snprintf(payload, sizeof payload, "%d", n);
        publish(client, version, "farm/one/n", payload, qos, 0);
    }
}

/* Each once and in order: what comes last has nothing before it but the numbers. */
static void expect_numbers(MQTTClient client, int qos)
{
    char payload[16];
    for (int n = 0; n < OFFLINE_COUNT; n++) {
        snprintf(payload, sizeof payload, "%d", n);
        expect(client, "farm/one/n", payload, qos, 0);
    }
    expect(client, "farm/one/n", "last", qos, 0);
}

static void a_session_keeps_what_comes_meanwhile(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        int version = versions[i / 2], qos = 1 + (int)(i % 2);
        struct login one = {.version = version, .who = "one"};
        struct login two = {.version = version, .who = "two", .keeps_session = true};
        MQTTClient publisher = connected("one", &one), subscriber = connected("two", &two);
        assert_int_equal(subscribe(subscriber, two.version, "farm/one/#", 2), 2);
        MQTTClient_disconnect(subscriber, HANG_MS);
        publish_numbers(publisher, version, qos);
        assert_int_equal(connect_client(subscriber, &two), MQTTCLIENT_SUCCESS);
        publish(publisher, version, "farm/one/n", "last", qos, 0);
        expect_numbers(subscriber, qos);
        MQTTClient_disconnect(subscriber, HANG_MS);
        two.keeps_session = false; /* the next version finds nothing left */
        assert_int_equal(connect_client(subscriber, &two), MQTTCLIENT_SUCCESS);
        leave(subscriber);
        leave(publisher);
    }
}

static void whoever_is_not_known_is_not_let_in(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *who, *ca;
    } rows[] = {
        {"no client certificate", NULL, NULL},
        {"a certificate of another authority", "stranger", NULL},
        {"a gateway that another authority has signed", "one", "other-ca"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct login login = {.version = MQTTVERSION_5, .who = rows[i].who, .ca = rows[i].ca};
        MQTTClient client = new_client("one", login.version);
        if (connect_client(client, &login) == MQTTCLIENT_SUCCESS)
            fail_msg("let in: %s", rows[i].name);
        MQTTClient_destroy(&client);
    }
}

static void a_client_identifier_of_another_device_is_refused(void **state)
{
    (void)state;
    struct login two = {.version = MQTTVERSION_5, .who = "two"};
    MQTTClient owner = connected("two", &two);
    struct login thief = {.version = MQTTVERSION_5, .who = "one"};
    MQTTClient client = new_client("two", thief.version);
    assert_int_equal(connect_client(client, &thief), MQTTREASONCODE_CLIENT_IDENTIFIER_NOT_VALID);
    MQTTClient_destroy(&client);
    thief.version = MQTTVERSION_3_1_1;
    client = new_client("two", thief.version);
    assert_int_equal(connect_client(client, &thief), 2); /* identifier rejected, section 3.2.2.3 */
    MQTTClient_destroy(&client);
    assert_int_equal(subscribe(owner, two.version, "farm/two/#", 0), 0); /* the owner is still there */
    leave(owner);
}

static void on_published(void *ctx, int token, int packet_type, MQTTProperties *properties,
                         enum MQTTReasonCodes reason)
{
    (void)token;
    (void)packet_type;
    (void)properties;
    *(enum MQTTReasonCodes *)ctx = reason;
}

/* PUBACK and PUBREC say 0x87, SUBACK too. */
static void what_is_not_allowed_is_refused_with_its_reason(void **state)
{
    (void)state;
    struct login login = {.version = MQTTVERSION_5, .who = "one"};
    MQTTClient client = new_client("one", login.version);
    enum MQTTReasonCodes reason = MQTTREASONCODE_SUCCESS;
    assert_int_equal(MQTTClient_setPublished(client, &reason, on_published), MQTTCLIENT_SUCCESS);
    assert_int_equal(connect_client(client, &login), MQTTCLIENT_SUCCESS);
    for (int qos = 1; qos <= 2; qos++) {
        reason = MQTTREASONCODE_SUCCESS;
        publish(client, login.version, "farm/two/temperature", "21.5", qos, 0);
        assert_int_equal(reason, MQTTREASONCODE_NOT_AUTHORIZED);
    }
    assert_int_equal(subscribe(client, login.version, "#", 1), MQTTREASONCODE_NOT_AUTHORIZED);
    publish(client, login.version, "farm/one/temperature", "21.5", 1, 0);
    assert_int_equal(reason, MQTTREASONCODE_SUCCESS);
    leave(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_flow_at_every_qos),
        cmocka_unit_test(a_retained_message_greets_a_subscriber),
        cmocka_unit_test(a_will_is_published_when_its_client_dies),
        cmocka_unit_test(a_session_keeps_what_comes_meanwhile),
        cmocka_unit_test(whoever_is_not_known_is_not_let_in),
        cmocka_unit_test(a_client_identifier_of_another_device_is_refused),
        cmocka_unit_test(what_is_not_allowed_is_refused_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
