/* net.h over TLS: who gets in and under which name, resumption, and handshakes that go wrong. */
#include "base/memory.h"
#include "net/net.h"
#include "net/tls.h"
#include "tls_certificates.h"
#include "tls_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { ECHO_BYTES = 3000000 };

struct fixture {
    uv_loop_t loop;
    uv_async_t client_done;
    struct net *net;
    struct net_listener *listener;
    struct net_listener_config config;
    struct net_tls_config tls_config;
    struct net_connection *connection;
    struct net_peer peer;
    size_t opened, closed;
    enum sluice_error why;
    bool says_goodbye; /* and closes, as soon as something arrives */
};

/* ---- The server ---- */

static void *on_open(void *ctx, struct net_connection *connection, const struct net_peer *peer)
{
    struct fixture *fixture = ctx;
    fixture->opened++;
    fixture->connection = connection;
    fixture->peer = *peer;
    return fixture;
}

static size_t on_data(void *user, struct span input)
{
    struct fixture *fixture = user;
    buffer_append(net_output(fixture->connection), fixture->says_goodbye ? SPAN_LITERAL("goodbye") : input);
    net_flush_soon(fixture->connection);
    if (fixture->says_goodbye)
        net_close(fixture->connection);
    return input.len;
}

static void on_closed(void *user, enum sluice_error why)
{
    struct fixture *fixture = user;
    fixture->closed++;
    fixture->why = why;
}

static struct net_tls *new_tls(const struct fixture *fixture)
{
    char text[NET_TEXT_BYTES] = "";
    struct net_tls *tls = NULL;
    if (net_tls_new(&fixture->tls_config, &tls, text))
        fail_msg("%s", text);
    return tls;
}

static void start(struct fixture *fixture)
{
    char text[NET_TEXT_BYTES];
    const struct net_callbacks callbacks = {fixture, on_open, on_data, NULL, on_closed};
    fixture->config.tls = new_tls(fixture);
    assert_int_equal(net_listener_start(fixture->net, &fixture->config, &callbacks, &fixture->listener, text),
                     SLUICE_OK);
    net_tls_unref(fixture->config.tls);
}

static void on_client_done(uv_async_t *async)
{
    uv_stop(async->loop);
}

static int set_up(void **state)
{
    static char certificate[CERTIFICATES_PATH_BYTES], key[CERTIFICATES_PATH_BYTES],
        ca[CERTIFICATES_PATH_BYTES];
    struct fixture *fixture = memory_new(sizeof *fixture);
    uv_loop_init(&fixture->loop);
    uv_async_init(&fixture->loop, &fixture->client_done, on_client_done);
    fixture->net = net_new(&fixture->loop);
    fixture->config = net_listener_config_default();
    fixture->config.name = "mqtts";
    fixture->config.address = "127.0.0.1";
    fixture->tls_config = (struct net_tls_config){
        .certificate = certificates_path("gateway.crt", certificate),
        .key = certificates_path("gateway.key", key),
        .client_ca = certificates_path("ca.crt", ca),
        .client_certificate_required = true,
        .sessions_count = 16,
        .session_timeout_s = 3600,
    };
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    net_stop(fixture->net);
    uv_close((uv_handle_t *)&fixture->client_done, NULL);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&fixture->loop);
    memory_free(fixture);
    return failed;
}

#define TURN_UNTIL(fixture, condition)                                                                       \
    while (!(condition))                                                                                     \
    uv_run(&(fixture)->loop, UV_RUN_NOWAIT)

/* ---- Clients, in a thread of their own while the loop runs ---- */

struct visit {
    struct fixture *fixture;
    struct tls_client client;
    size_t echo_bytes;
    bool echoed;
    mbedtls_ssl_session session; /* of a visit that echoed */
    char answer[64];             /* where the server says goodbye */
    int end;                     /* what came after it */
};

static void visit_echo(struct visit *visit)
{
    uint8_t *bytes = memory_new(visit->echo_bytes);
    for (size_t i = 0; i < visit->echo_bytes; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 251);
    visit->echoed = tls_client_echo(&visit->client, span_of(bytes, visit->echo_bytes));
    memory_free(bytes);
}

static void visit_run(void *ctx)
{
    struct visit *visit = ctx;
    mbedtls_ssl_session_init(&visit->session);
    if (tls_client_connect(&visit->client) == 0) {
        if (visit->fixture->says_goodbye) {
            mbedtls_ssl_write(&visit->client.ssl, (const unsigned char *)"x", 1);
            tls_client_read(&visit->client, visit->answer, sizeof visit->answer - 1);
            visit->end = tls_client_read(&visit->client, visit->answer + 32, 16);
        } else {
            visit_echo(visit);
        }
        if (visit->echoed)
            mbedtls_ssl_get_session(&visit->client.ssl, &visit->session);
    }
    tls_client_close(&visit->client);
    uv_async_send(&visit->fixture->client_done);
}

static void visit(struct fixture *fixture, struct visit *visit)
{
    char ca[CERTIFICATES_PATH_BYTES];
    uv_thread_t thread;
    visit->fixture = fixture;
    visit->client.port = net_listener_port(fixture->listener);
    visit->client.ca_path = certificates_path("ca.crt", ca);
    visit->echo_bytes = visit->echo_bytes ? visit->echo_bytes : 5;
    assert_int_equal(uv_thread_create(&thread, visit_run, visit), 0);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    uv_thread_join(&thread);
    const struct net_counters *counters = net_listener_counters(fixture->listener);
    TURN_UNTIL(fixture, counters->connections == 0);
    assert_int_equal(fixture->closed, fixture->opened);
}

/* `name` is of a certificate in the certificates_directory, NULL for none. */
static bool visit_as(struct fixture *fixture, const char *name, mbedtls_ssl_protocol_version version)
{
    char certificate[CERTIFICATES_PATH_BYTES], key[CERTIFICATES_PATH_BYTES], file[CERTIFICATES_PATH_BYTES];
    struct visit guest = {.client.version = version};
    if (name) {
        snprintf(file, sizeof file, "%s.crt", name);
        guest.client.certificate_path = certificates_path(file, certificate);
        snprintf(file, sizeof file, "%s.key", name);
        guest.client.key_path = certificates_path(file, key);
    }
    visit(fixture, &guest);
    mbedtls_ssl_session_free(&guest.session);
    return guest.echoed;
}

/* ---- Who gets in ---- */

static void only_good_certificates_get_in_and_under_one_name(void **state)
{
    static const struct {
        const char *certificate, *common_name; /* NULL: refused */
    } rows[] = {
        {"sensor-1", "sensor-1"},
        {"other-attributes", "sensor-3"},
        {"stranger/sensor-1", NULL}, /* another CA of the same name */
        {"gateway", NULL},           /* for servers */
        {"expired", NULL},
        {"not-yet", NULL},
        {"two-names", NULL},
        {"no-name", NULL},
        {"nul", NULL},
        {"newline", NULL},
        {"bmp", NULL},
    };
    static const mbedtls_ssl_protocol_version versions[] = {MBEDTLS_SSL_VERSION_TLS1_2,
                                                            MBEDTLS_SSL_VERSION_TLS1_3};
    struct fixture *fixture = *state;
    for (int required = 0; required < 2; required++) {
        fixture->tls_config.client_certificate_required = required;
        start(fixture);
        for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
            const char *certificate = rows[i / 2].certificate, *name = rows[i / 2].common_name;
            size_t opened = fixture->opened;
            bool echoed = visit_as(fixture, certificate, versions[i % 2]);
            if (echoed != (name != NULL) || (fixture->opened > opened) != (name != NULL))
                fail_msg("%s, required %d, version %x", certificate, required, versions[i % 2]);
            if (!name)
                continue;
            assert_true(fixture->peer.tls && fixture->peer.certificate);
            assert_string_equal(fixture->peer.common_name, name);
            assert_int_equal(strlen(fixture->peer.fingerprint), 64);
        }
    }
}

static void certificates_are_asked_for_as_configured(void **state)
{
    static const struct {
        const char *name;
        bool has_ca, required;
        bool gets_in; /* without a certificate */
    } rows[] = {
        {"required", true, true, false},
        {"optional", true, false, true},
        {"not asked for", false, false, true},
    };
    struct fixture *fixture = *state;
    const char *ca = fixture->tls_config.client_ca;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture->tls_config.client_ca = rows[i].has_ca ? ca : NULL;
        fixture->tls_config.client_certificate_required = rows[i].required;
        start(fixture);
        if (visit_as(fixture, NULL, 0) != rows[i].gets_in)
            fail_msg("%s", rows[i].name);
        assert_false(fixture->peer.certificate);
        assert_string_equal(fixture->peer.common_name, "");
        assert_true(visit_as(fixture, "sensor-1", 0));
        assert_int_equal(fixture->peer.certificate, rows[i].has_ca);
        fixture->peer.certificate = false;
        fixture->peer.common_name[0] = '\0';
    }
}

static void one_rdn_of_two_names_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char command[1024];
    if (system("command -v openssl >/dev/null") != 0)
        skip();
    snprintf(
        command, sizeof command,
        "cd '%s' && openssl req -newkey rsa:2048 -nodes -keyout rdn.key -subj /CN=sensor-1+CN=sensor-2 "
        "-out rdn.csr 2>/dev/null && openssl x509 -req -in rdn.csr -CA ca.crt -CAkey ca.key -days 9 "
        "-set_serial 77 -out rdn.crt 2>/dev/null && openssl req -in rdn.csr -noout -subject | "
        "grep -q 'sensor-1 + CN = sensor-2' && openssl req -key rdn.key -new -subj /CN=sensor-4 -out rsa.csr "
        "&& openssl x509 -req -in rsa.csr -CA ca.crt -CAkey ca.key -days 9 -set_serial 78 -out rsa.crt "
        "2>/dev/null && cp rdn.key rsa.key",
        certificates_directory);
    assert_int_equal(system(command), 0);
    start(fixture);
    assert_false(visit_as(fixture, "rdn", 0));
    assert_true(visit_as(fixture, "rsa", 0)); /* the same key under one name */
}

/* ---- Resumption ---- */

static bool same_session(const mbedtls_ssl_session *one, const mbedtls_ssl_session *other)
{
    return mbedtls_ssl_session_get_id_len(one) == mbedtls_ssl_session_get_id_len(other) &&
           memcmp(*mbedtls_ssl_session_get_id(one), *mbedtls_ssl_session_get_id(other),
                  mbedtls_ssl_session_get_id_len(one)) == 0;
}

static void resumed_session_has_its_certificates_name_until_tls_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    char certificate[CERTIFICATES_PATH_BYTES], key[CERTIFICATES_PATH_BYTES],
        fingerprint[NET_FINGERPRINT_BYTES];
    struct visit visits[3];
    start(fixture);
    for (int i = 0; i < 3; i++) {
        visits[i] = (struct visit){.client.version = MBEDTLS_SSL_VERSION_TLS1_2,
                                   .client.certificate_path = certificates_path("sensor-1.crt", certificate),
                                   .client.key_path = certificates_path("sensor-1.key", key),
                                   .client.resume = i > 0 ? &visits[i - 1].session : NULL};
        if (i == 2) { /* as after new files, a new CRL for one, were loaded */
            struct net_tls *tls = new_tls(fixture);
            net_listener_set_tls(fixture->listener, tls);
            net_tls_unref(tls);
        }
        memset(&fixture->peer, 0, sizeof fixture->peer);
        visit(fixture, &visits[i]);
        assert_true(visits[i].echoed);
        assert_string_equal(fixture->peer.common_name, "sensor-1");
        if (i == 0)
            memcpy(fingerprint, fixture->peer.fingerprint, sizeof fingerprint);
        assert_string_equal(fixture->peer.fingerprint, fingerprint);
    }
    assert_true(same_session(&visits[0].session, &visits[1].session));
    assert_false(same_session(&visits[1].session, &visits[2].session));
    for (int i = 0; i < 3; i++)
        mbedtls_ssl_session_free(&visits[i].session);
}

static void forgotten_sessions_get_a_full_handshake(void **state)
{
    static const struct {
        const char *name;
        uint32_t sessions_count, session_timeout_s;
    } rows[] = {{"none are kept", 0, 3600}, {"too old", 16, 0}};
    struct fixture *fixture = *state;
    char certificate[CERTIFICATES_PATH_BYTES], key[CERTIFICATES_PATH_BYTES];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct visit first = {.client.version = MBEDTLS_SSL_VERSION_TLS1_2,
                              .client.certificate_path = certificates_path("sensor-1.crt", certificate),
                              .client.key_path = certificates_path("sensor-1.key", key)};
        struct visit second = first;
        fixture->tls_config.sessions_count = rows[i].sessions_count;
        fixture->tls_config.session_timeout_s = rows[i].session_timeout_s;
        start(fixture);
        visit(fixture, &first);
        second.client.resume = &first.session;
        visit(fixture, &second);
        if (!first.echoed || !second.echoed || same_session(&first.session, &second.session))
            fail_msg("%s", rows[i].name);
        mbedtls_ssl_session_free(&first.session);
        mbedtls_ssl_session_free(&second.session);
    }
}

static void more_sessions_than_there_is_room_for_do_no_harm(void **state)
{
    struct fixture *fixture = *state;
    fixture->tls_config.sessions_count = 8;
    start(fixture);
    for (int i = 0; i < 20; i++)
        assert_true(visit_as(fixture, "sensor-1", MBEDTLS_SSL_VERSION_TLS1_2));
}

/* ---- Revocation: CRLs are made with the openssl command ---- */

static bool make_crl(const char *name, const char *revoked)
{
    char command[1024];
    snprintf(command, sizeof command,
             "cd '%s' && rm -f index && touch index && "
             "printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index\\ndefault_md=sha256\\n' >crl.cnf && "
             "%s%s%s openssl ca -config crl.cnf -gencrl -crlhours 24 -keyfile ca.key -cert ca.crt -out %s "
             "2>/dev/null",
             certificates_directory,
             revoked ? "openssl ca -config crl.cnf -keyfile ca.key -cert ca.crt -revoke " : "",
             revoked ? revoked : "", revoked ? ".crt 2>/dev/null &&" : "", name);
    return system(command) == 0;
}

static void revoked_certificate_is_refused_also_where_none_is_required(void **state)
{
    struct fixture *fixture = *state;
    static char crl[CERTIFICATES_PATH_BYTES]; /* the fixture keeps it */
    if (system("command -v openssl >/dev/null") != 0)
        skip();
    fixture->tls_config.crl = certificates_path("ca.crl", crl);
    for (int required = 0; required < 2; required++) {
        fixture->tls_config.client_certificate_required = required;
        assert_true(make_crl("ca.crl", NULL));
        start(fixture);
        assert_true(visit_as(fixture, "sensor-1", 0));
        assert_true(make_crl("ca.crl", "sensor-1"));
        struct net_tls *tls = new_tls(fixture);
        net_listener_set_tls(fixture->listener, tls);
        net_tls_unref(tls);
        assert_false(visit_as(fixture, "sensor-1", MBEDTLS_SSL_VERSION_TLS1_2));
        assert_false(visit_as(fixture, "sensor-1", MBEDTLS_SSL_VERSION_TLS1_3));
        assert_true(visit_as(fixture, "other-attributes", 0));
    }
}

/* ---- Bytes ---- */

static void much_goes_through_unchanged(void **state)
{
    struct fixture *fixture = *state;
    char certificate[CERTIFICATES_PATH_BYTES], key[CERTIFICATES_PATH_BYTES];
    start(fixture);
    for (int i = 0; i < 2; i++) {
        struct visit guest = {.client.version = i ? MBEDTLS_SSL_VERSION_TLS1_3 : MBEDTLS_SSL_VERSION_TLS1_2,
                              .client.certificate_path = certificates_path("sensor-1.crt", certificate),
                              .client.key_path = certificates_path("sensor-1.key", key),
                              .echo_bytes = ECHO_BYTES};
        visit(fixture, &guest);
        assert_true(guest.echoed);
        mbedtls_ssl_session_free(&guest.session);
    }
    assert_int_equal(net_listener_counters(fixture->listener)->bytes_received, 2 * ECHO_BYTES);
    assert_int_equal(net_listener_counters(fixture->listener)->bytes_sent, 2 * ECHO_BYTES);
}

static void closing_is_announced_after_the_last_words(void **state)
{
    struct fixture *fixture = *state;
    char certificate[CERTIFICATES_PATH_BYTES], key[CERTIFICATES_PATH_BYTES];
    fixture->says_goodbye = true;
    start(fixture);
    struct visit guest = {.client.certificate_path = certificates_path("sensor-1.crt", certificate),
                          .client.key_path = certificates_path("sensor-1.key", key)};
    visit(fixture, &guest);
    assert_string_equal(guest.answer, "goodbye");
    assert_int_equal(guest.end, 0);
    assert_int_equal(fixture->why, SLUICE_OK);
}

/* ---- Handshakes that go wrong ---- */

/* The beginning of a good TLS 1.2 ClientHello: its header says that there is more. */
static const uint8_t half_hello[] = {22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3};

static void half_handshakes_leave_nothing_behind(void **state)
{
    static const struct {
        const char *name;
        struct span bytes;
        bool closes;
    } rows[] = {
        {"silent until the deadline", {NULL, 0}, false},
        {"stops in mid-hello", {half_hello, sizeof half_hello}, false},
        {"vanishes before its hello", {NULL, 0}, true},
        {"vanishes in mid-hello", {half_hello, sizeof half_hello}, true},
        {"speaks HTTP", {(const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18}, false},
        {"speaks MQTT", {(const uint8_t *)"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", 14}, false},
    };
    struct fixture *fixture = *state;
    fixture->config.handshake_timeout_ms = 20;
    start(fixture);
    const struct net_counters *counters = net_listener_counters(fixture->listener);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum { CLIENTS = 30 };
        int fds[CLIENTS];
        uint64_t accepted = counters->accepted;
        for (int j = 0; j < CLIENTS; j++) {
            fds[j] = tcp_client_connect(net_listener_port(fixture->listener));
            if (rows[i].bytes.len > 0)
                assert_true(send(fds[j], rows[i].bytes.data, rows[i].bytes.len, MSG_NOSIGNAL) > 0);
            if (rows[i].closes)
                close(fds[j]);
        }
        TURN_UNTIL(fixture, counters->accepted == accepted + CLIENTS && counters->connections == 0);
        assert_int_equal(counters->handshakes, 0);
        assert_int_equal(counters->handshakes_failed, (i + 1) * CLIENTS);
        for (int j = 0; j < CLIENTS && !rows[i].closes; j++)
            close(fds[j]);
    }
    assert_int_equal(fixture->opened, 0);
}

static void handshakes_at_once_are_bounded_and_the_rest_waits(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.handshakes_count = 2;
    fixture->config.handshake_timeout_ms = 50;
    start(fixture);
    const struct net_counters *counters = net_listener_counters(fixture->listener);
    int fds[5];
    for (int i = 0; i < 5; i++)
        fds[i] = tcp_client_connect(net_listener_port(fixture->listener));
    while (counters->accepted < 5 || counters->handshakes > 0) {
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
        assert_true(counters->handshakes <= 2);
    }
    assert_int_equal(counters->handshakes_failed, 5);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
    fixture->config.handshake_timeout_ms = 10000;
    start(fixture);
    assert_true(visit_as(fixture, "sensor-1", 0));
}

/* The pool may be at work on them when everything is stopped. */
static void stopping_waits_for_handshakes_in_the_pool(void **state)
{
    struct fixture *fixture = *state;
    int fds[20];
    start(fixture);
    const struct net_counters *counters = net_listener_counters(fixture->listener);
    for (int i = 0; i < 20; i++) {
        fds[i] = tcp_client_connect(net_listener_port(fixture->listener));
        send(fds[i], half_hello, sizeof half_hello, MSG_NOSIGNAL);
    }
    TURN_UNTIL(fixture, counters->accepted == 20);
    net_stop(fixture->net);
    uv_unref((uv_handle_t *)&fixture->client_done);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(fixture->opened, 0);
    for (int i = 0; i < 20; i++)
        close(fds[i]);
    fixture->net = net_new(&fixture->loop); /* for tear_down */
}

/* ---- Files ---- */

static void files_that_do_not_fit_are_named(void **state)
{
    char buffers[8][CERTIFICATES_PATH_BYTES];
    const char *certificate = certificates_path("gateway.crt", buffers[0]),
               *key = certificates_path("gateway.key", buffers[1]);
    const char *other_key = certificates_path("sensor-1.key", buffers[2]),
               *missing = certificates_path("missing", buffers[3]);
    const char *junk = certificates_path("junk", buffers[4]), *ca = certificates_path("ca.crt", buffers[5]);
    const char *broken = certificates_path("broken.crt", buffers[6]);
    certificates_write("junk", "", (const unsigned char *)"certificate: none\n");
    certificates_write("broken", ".crt", (const unsigned char *)"-----BEGIN CERTIFICATE-----\nAAAA\n");
    const struct {
        struct net_tls_config config;
        const char *path, *text;
        enum sluice_error error;
    } rows[] = {
        {{missing, key, NULL, NULL, false, 0, 0}, missing, "cannot be read: No such file", SLUICE_NOT_FOUND},
        {{certificate, missing, NULL, NULL, false, 0, 0}, missing, "cannot be read", SLUICE_NOT_FOUND},
        {{certificate, key, missing, NULL, false, 0, 0}, missing, "cannot be read", SLUICE_NOT_FOUND},
        {{certificate, key, ca, missing, false, 0, 0}, missing, "cannot be read", SLUICE_NOT_FOUND},
        {{certificates_directory, key, NULL, NULL, false, 0, 0},
         certificates_directory,
         "cannot be read",
         SLUICE_IO},
        {{junk, key, NULL, NULL, false, 0, 0}, junk, "is not a PEM file", SLUICE_INVALID},
        {{broken, key, NULL, NULL, false, 0, 0}, broken, "cannot be parsed", SLUICE_INVALID},
        {{certificate, certificate, NULL, NULL, false, 0, 0}, certificate, "no private key", SLUICE_INVALID},
        {{certificate, other_key, NULL, NULL, false, 0, 0}, other_key, "is not the key", SLUICE_INVALID},
        {{certificate, key, ca, ca, false, 0, 0}, ca, "holds a CRL that cannot be parsed", SLUICE_INVALID},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[NET_TEXT_BYTES] = "";
        struct net_tls *tls = NULL;
        enum sluice_error error = net_tls_new(&rows[i].config, &tls, text);
        if (error != rows[i].error || tls || !strstr(text, rows[i].text) ||
            strncmp(text, rows[i].path, strlen(rows[i].path)) != 0)
            fail_msg("row %zu: %d, %s", i, error, text);
    }
}

#define TLS_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(only_good_certificates_get_in_and_under_one_name),
        TLS_TEST(one_rdn_of_two_names_is_refused),
        TLS_TEST(certificates_are_asked_for_as_configured),
        TLS_TEST(resumed_session_has_its_certificates_name_until_tls_is_replaced),
        TLS_TEST(forgotten_sessions_get_a_full_handshake),
        TLS_TEST(more_sessions_than_there_is_room_for_do_no_harm),
        TLS_TEST(revoked_certificate_is_refused_also_where_none_is_required),
        TLS_TEST(much_goes_through_unchanged),
        TLS_TEST(closing_is_announced_after_the_last_words),
        TLS_TEST(half_handshakes_leave_nothing_behind),
        TLS_TEST(handshakes_at_once_are_bounded_and_the_rest_waits),
        TLS_TEST(stopping_waits_for_handshakes_in_the_pool),
        TLS_TEST(files_that_do_not_fit_are_named),
    };
    return cmocka_run_group_tests(tests, certificates_make, certificates_remove);
}
