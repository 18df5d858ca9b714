/* net.h over TLS: who gets in and under which name, resumption, and handshakes that go wrong. */
#include "tls_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ECHO_BYTES = 3000000 };

/* ---- Who gets in ---- */

/* HOSTILE 41 and 42; revocation is in tls_trust_test.c. */
static void only_good_certificates_get_in_and_under_one_name(void **state)
{
    static const struct {
        const char *certificate;
        const char *common_name, *alternative_name; /* NULL: refused where that is the identity */
    } rows[] = {
        {"sensor-1", "sensor-1", "sensor-1"},
        {"other-attributes", "sensor-3", NULL},
        {"alternative", "sensor-4", "sensor-5.local"},
        {"address", "sensor-4", "urn:sensor:6"},
        {"two-alternatives", "sensor-4", NULL},
        {"wildcard-alternative", "sensor-4", NULL},
        {"nul-alternative", "sensor-4", NULL},
        {"stranger/sensor-1", NULL, NULL}, /* another CA of the same name */
        {"gateway", NULL, NULL},           /* for servers */
        {"wrong-usage", NULL, NULL},
        {"expired", NULL, NULL},
        {"not-yet", NULL, NULL},
        {"two-names", NULL, NULL},
        {"no-name", NULL, NULL},
        {"nul", NULL, NULL},
        {"newline", NULL, NULL},
        {"bmp", NULL, NULL},
        {"wildcard", NULL, NULL},
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    struct tls_fixture *fixture = *state;
    for (size_t i = 0; i < 8 * ROWS; i++) { /* required or not, either identity, either version */
        bool required = i / ROWS & 1, alternative = i / ROWS & 2;
        mbedtls_ssl_protocol_version version =
            i / ROWS & 4 ? MBEDTLS_SSL_VERSION_TLS1_3 : MBEDTLS_SSL_VERSION_TLS1_2;
        if (i % ROWS == 0) {
            fixture->tls_config.client_certificate_required = required;
            fixture->tls_config.identity = alternative ? NET_TLS_SUBJECT_ALT_NAME : NET_TLS_COMMON_NAME;
            tls_start(fixture);
        }
        const char *certificate = rows[i % ROWS].certificate;
        const char *name = alternative ? rows[i % ROWS].alternative_name : rows[i % ROWS].common_name;
        size_t opened = fixture->opened;
        bool echoed = tls_visit_as(fixture, certificate, version);
        if (echoed != (name != NULL) || (fixture->opened > opened) != (name != NULL))
            fail_msg("%s, required %d, identity %d, version %x", certificate, required, alternative, version);
        if (!name)
            continue;
        assert_true(fixture->peer.tls && fixture->peer.certificate);
        assert_string_equal(fixture->peer.name, name);
        assert_int_equal(strlen(fixture->peer.fingerprint), 64);
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
    struct tls_fixture *fixture = *state;
    const char *ca = fixture->tls_config.client_ca;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture->tls_config.client_ca = rows[i].has_ca ? ca : NULL;
        fixture->tls_config.client_certificate_required = rows[i].required;
        tls_start(fixture);
        if (tls_visit_as(fixture, NULL, 0) != rows[i].gets_in)
            fail_msg("%s", rows[i].name);
        assert_false(fixture->peer.certificate);
        assert_string_equal(fixture->peer.name, "");
        assert_true(tls_visit_as(fixture, "sensor-1", 0));
        assert_int_equal(fixture->peer.certificate, rows[i].has_ca);
        fixture->peer.certificate = false;
        fixture->peer.name[0] = '\0';
    }
}

static void one_rdn_of_two_names_is_refused(void **state)
{
    struct tls_fixture *fixture = *state;
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
    tls_start(fixture);
    assert_false(tls_visit_as(fixture, "rdn", 0));
    assert_true(tls_visit_as(fixture, "rsa", 0)); /* the same key under one name */
}

/* ---- Key exchange, with arithmetic that is not ours at the other end ---- */

struct foreign_visit {
    struct tls_fixture *fixture;
    const char *options;
    const char *input; /* a line; NULL: any */
    int failed;
};

static void run_openssl(void *ctx)
{
    struct foreign_visit *visit = ctx;
    char command[1024];
    snprintf(command, sizeof command,
             "cd '%s' && echo %s | timeout 60 openssl s_client -connect 127.0.0.1:%u -CAfile ca.crt "
             "-verify_return_error -cert sensor-1.crt -key sensor-1.key %s >openssl.out 2>&1",
             certificates_directory, visit->input ? visit->input : "x",
             net_listener_port(visit->fixture->listener), visit->options);
    visit->failed = system(command);
    uv_async_send(&visit->fixture->client_done);
}

static void openssl_agrees_in_every_group(void **state)
{
    static const char *const rows[] = {
        "-tls1_2 -groups P-256", "-tls1_3 -groups P-256",      "-tls1_3 -groups X25519",
        "-tls1_3 -groups P-384", "-tls1_3 -groups X448:P-256",
    };
    struct tls_fixture *fixture = *state;
    if (system("command -v openssl >/dev/null") != 0)
        skip();
    tls_start(fixture);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct foreign_visit visit = {.fixture = fixture, .options = rows[i]};
        uv_thread_t thread;
        fixture->client_gone = false;
        assert_int_equal(uv_thread_create(&thread, run_openssl, &visit), 0);
        while (!fixture->client_gone)
            uv_run(&fixture->loop, UV_RUN_ONCE);
        uv_thread_join(&thread);
        if (visit.failed || fixture->opened != i + 1)
            fail_msg("%s", rows[i]);
        assert_string_equal(fixture->peer.name, "sensor-1");
    }
}

/* The server does not do it; and the handshake is over, of which it keeps nothing. */
static void asking_for_new_keys_ends_the_connection_alone(void **state)
{
    struct tls_fixture *fixture = *state;
    uv_thread_t thread;
    if (system("command -v openssl >/dev/null") != 0)
        skip();
    tls_start(fixture);
    struct foreign_visit visit = {.fixture = fixture, .options = "-tls1_3", .input = "K"};
    fixture->client_gone = false;
    assert_int_equal(uv_thread_create(&thread, run_openssl, &visit), 0);
    while (!fixture->client_gone)
        uv_run(&fixture->loop, UV_RUN_ONCE);
    uv_thread_join(&thread);
    TURN_UNTIL(fixture, fixture->closed == 1);
    assert_int_equal(fixture->why, SLUICE_INVALID);
    assert_true(tls_visit_as(fixture, "sensor-1", MBEDTLS_SSL_VERSION_TLS1_3));
}

/* ---- Bytes ---- */

static void much_goes_through_unchanged(void **state)
{
    struct tls_fixture *fixture = *state;
    char certificate[CERTIFICATES_PATH_BYTES], key[CERTIFICATES_PATH_BYTES];
    tls_start(fixture);
    for (int i = 0; i < 2; i++) {
        struct tls_visit guest = {.client.version =
                                      i ? MBEDTLS_SSL_VERSION_TLS1_3 : MBEDTLS_SSL_VERSION_TLS1_2,
                                  .client.certificate_path = certificates_path("sensor-1.crt", certificate),
                                  .client.key_path = certificates_path("sensor-1.key", key),
                                  .echo_bytes = ECHO_BYTES};
        tls_visit(fixture, &guest);
        assert_true(guest.echoed);
        mbedtls_ssl_session_free(&guest.session);
    }
    assert_int_equal(net_listener_counters(fixture->listener)->bytes_received, 2 * ECHO_BYTES);
    assert_int_equal(net_listener_counters(fixture->listener)->bytes_sent, 2 * ECHO_BYTES);
}

static void closing_is_announced_after_the_last_words(void **state)
{
    struct tls_fixture *fixture = *state;
    char certificate[CERTIFICATES_PATH_BYTES], key[CERTIFICATES_PATH_BYTES];
    fixture->says_goodbye = true;
    tls_start(fixture);
    struct tls_visit guest = {.client.certificate_path = certificates_path("sensor-1.crt", certificate),
                              .client.key_path = certificates_path("sensor-1.key", key)};
    tls_visit(fixture, &guest);
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
    struct tls_fixture *fixture = *state;
    fixture->config.handshake_timeout_ms = 20;
    tls_start(fixture);
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
    struct tls_fixture *fixture = *state;
    fixture->config.handshakes_count = 2;
    fixture->config.handshake_timeout_ms = 50;
    tls_start(fixture);
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
    tls_start(fixture);
    assert_true(tls_visit_as(fixture, "sensor-1", 0));
}

/* The pool may be at work on them when everything is stopped. */
static void stopping_waits_for_handshakes_in_the_pool(void **state)
{
    struct tls_fixture *fixture = *state;
    int fds[20];
    tls_start(fixture);
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
        {{missing, key, NULL, NULL, false, 0, 0, 0, NULL},
         missing,
         "cannot be read: No such file",
         SLUICE_NOT_FOUND},
        {{certificate, missing, NULL, NULL, false, 0, 0, 0, NULL},
         missing,
         "cannot be read",
         SLUICE_NOT_FOUND},
        {{certificate, key, missing, NULL, false, 0, 0, 0, NULL},
         missing,
         "cannot be read",
         SLUICE_NOT_FOUND},
        {{certificate, key, ca, missing, false, 0, 0, 0, NULL}, missing, "cannot be read", SLUICE_NOT_FOUND},
        {{certificates_directory, key, NULL, NULL, false, 0, 0, 0, NULL},
         certificates_directory,
         "cannot be read",
         SLUICE_IO},
        {{junk, key, NULL, NULL, false, 0, 0, 0, NULL}, junk, "is not a PEM file", SLUICE_INVALID},
        {{broken, key, NULL, NULL, false, 0, 0, 0, NULL}, broken, "cannot be parsed", SLUICE_INVALID},
        {{certificate, certificate, NULL, NULL, false, 0, 0, 0, NULL},
         certificate,
         "no private key",
         SLUICE_INVALID},
        {{certificate, other_key, NULL, NULL, false, 0, 0, 0, NULL},
         other_key,
         "is not the key",
         SLUICE_INVALID},
        {{certificate, key, ca, ca, false, 0, 0, 0, NULL},
         ca,
         "holds a CRL that cannot be parsed",
         SLUICE_INVALID},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(only_good_certificates_get_in_and_under_one_name),
        TLS_TEST(one_rdn_of_two_names_is_refused),
        TLS_TEST(certificates_are_asked_for_as_configured),
        TLS_TEST(openssl_agrees_in_every_group),
        TLS_TEST(asking_for_new_keys_ends_the_connection_alone),
        TLS_TEST(much_goes_through_unchanged),
        TLS_TEST(closing_is_announced_after_the_last_words),
        TLS_TEST(half_handshakes_leave_nothing_behind),
        TLS_TEST(handshakes_at_once_are_bounded_and_the_rest_waits),
        TLS_TEST(stopping_waits_for_handshakes_in_the_pool),
        TLS_TEST(files_that_do_not_fit_are_named),
    };
    return cmocka_run_group_tests(tests, certificates_make, certificates_remove);
}
