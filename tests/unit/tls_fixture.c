#include "tls_fixture.h"

#include <stdio.h>

/* ---- The server ---- */

static void *on_open(void *ctx, struct net_connection *connection, const struct net_peer *peer)
{
    struct tls_fixture *fixture = ctx;
    fixture->opened++;
    fixture->connection = connection;
    fixture->peer = *peer;
    return fixture;
}

static size_t on_data(void *user, struct span input)
{
    struct tls_fixture *fixture = user;
    buffer_append(net_output(fixture->connection), fixture->says_goodbye ? SPAN_LITERAL("goodbye") : input);
    net_flush_soon(fixture->connection);
    if (fixture->says_goodbye)
        net_close(fixture->connection);
    return input.len;
}

static void on_refused(void *user)
{
    struct tls_fixture *fixture = user;
    fixture->refused++;
    buffer_append(net_output(fixture->connection), SPAN_LITERAL("refused"));
}

static void on_closed(void *user, enum sluice_error why)
{
    struct tls_fixture *fixture = user;
    fixture->closed++;
    fixture->why = why;
}

static struct net_tls *new_tls(const struct tls_fixture *fixture)
{
    char text[NET_TEXT_BYTES] = "";
    struct net_tls *tls = NULL;
    if (net_tls_new(&fixture->tls_config, &tls, text))
        fail_msg("%s", text);
    if (fixture->sessions_file)
        net_tls_keep_sessions(tls, fixture->sessions_file);
    return tls;
}

void tls_start(struct tls_fixture *fixture)
{
    char text[NET_TEXT_BYTES];
    const struct net_callbacks callbacks = {.ctx = fixture,
                                            .on_open = on_open,
                                            .on_data = on_data,
                                            .on_refused = on_refused,
                                            .on_closed = on_closed};
    fixture->tls = fixture->config.tls = new_tls(fixture);
    assert_int_equal(net_listener_start(fixture->net, &fixture->config, &callbacks, &fixture->listener, text),
                     SLUICE_OK);
    net_tls_unref(fixture->tls); /* the listener has it */
}

void tls_replace(struct tls_fixture *fixture)
{
    struct net_tls *tls = new_tls(fixture);
    net_listener_set_tls(fixture->listener, tls);
    net_tls_unref(tls);
    fixture->tls = tls;
}

static void on_client_done(uv_async_t *async)
{
    struct tls_fixture *fixture = async->data;
    fixture->client_gone = true;
}

int tls_set_up(void **state)
{
    static char certificate[CERTIFICATES_PATH_BYTES], key[CERTIFICATES_PATH_BYTES],
        ca[CERTIFICATES_PATH_BYTES];
    struct tls_fixture *fixture = memory_new(sizeof *fixture);
    uv_loop_init(&fixture->loop);
    uv_async_init(&fixture->loop, &fixture->client_done, on_client_done);
    fixture->client_done.data = fixture;
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

int tls_tear_down(void **state)
{
    struct tls_fixture *fixture = *state;
    net_stop(fixture->net);
    uv_close((uv_handle_t *)&fixture->client_done, NULL);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&fixture->loop);
    memory_free(fixture);
    return failed;
}

/* ---- Clients, in a thread of their own while the loop runs ---- */

static void echo(struct tls_visit *visit)
{
    uint8_t *bytes = memory_new(visit->echo_bytes);
    for (size_t i = 0; i < visit->echo_bytes; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 251);
    visit->echoed = tls_client_echo(&visit->client, span_of(bytes, visit->echo_bytes));
    memory_free(bytes);
}

static void listen_to_the_end(struct tls_visit *visit)
{
    tls_client_read(&visit->client, visit->answer, sizeof visit->answer / 2);
    visit->end = tls_client_read(&visit->client, visit->answer + sizeof visit->answer / 2, 16);
}

static void run_visit(void *ctx)
{
    struct tls_visit *visit = ctx;
    mbedtls_ssl_session_init(&visit->session);
    if (tls_client_connect(&visit->client) == 0) {
        if (visit->fixture->says_goodbye)
            mbedtls_ssl_write(&visit->client.ssl, (const unsigned char *)"x", 1);
        else
            echo(visit);
        if (visit->fixture->says_goodbye || (visit->echoed && visit->stays))
            listen_to_the_end(visit);
        if (visit->echoed)
            mbedtls_ssl_get_session(&visit->client.ssl, &visit->session);
        visit->resumed = visit->echoed && !visit->client.verified;
    }
    tls_client_close(&visit->client);
    uv_async_send(&visit->fixture->client_done);
}

void tls_visit_begin(struct tls_fixture *fixture, struct tls_visit *visit)
{
    static char ca[CERTIFICATES_PATH_BYTES];
    visit->fixture = fixture;
    fixture->client_gone = false;
    visit->client.port = net_listener_port(fixture->listener);
    visit->client.ca_path = certificates_path("ca.crt", ca);
    visit->echo_bytes = visit->echo_bytes ? visit->echo_bytes : 5;
    assert_int_equal(uv_thread_create(&visit->thread, run_visit, visit), 0);
}

void tls_visit_end(struct tls_fixture *fixture, struct tls_visit *visit)
{
    while (!fixture->client_gone)
        uv_run(&fixture->loop, UV_RUN_ONCE);
    uv_thread_join(&visit->thread);
    const struct net_counters *counters = net_listener_counters(fixture->listener);
    TURN_UNTIL(fixture, counters->connections == 0);
    assert_int_equal(fixture->closed, fixture->opened);
}

void tls_visit(struct tls_fixture *fixture, struct tls_visit *visit)
{
    tls_visit_begin(fixture, visit);
    tls_visit_end(fixture, visit);
}

bool tls_visit_as(struct tls_fixture *fixture, const char *name, mbedtls_ssl_protocol_version version)
{
    char certificate[CERTIFICATES_PATH_BYTES], key[CERTIFICATES_PATH_BYTES], file[CERTIFICATES_PATH_BYTES];
    struct tls_visit guest = {.client.version = version};
    if (name) {
        snprintf(file, sizeof file, "%s.crt", name);
        guest.client.certificate_path = certificates_path(file, certificate);
        snprintf(file, sizeof file, "%s.key", name);
        guest.client.key_path = certificates_path(file, key);
    }
    tls_visit(fixture, &guest);
    mbedtls_ssl_session_free(&guest.session);
    return guest.echoed;
}
