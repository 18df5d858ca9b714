/*
 * A TLS listener that echoes, on a loop that the test turns, and clients that visit
 * it from a thread of their own. tls_set_up leaves the configuration to be changed
 * before tls_start; certificates come from tls_certificates.h.
 */
#ifndef SLUICE_TESTS_TLS_FIXTURE_H
#define SLUICE_TESTS_TLS_FIXTURE_H

#include "base/memory.h"
#include "net/net.h"
#include "net/tls.h"
#include "tls_certificates.h"
#include "tls_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <uv.h>

#include <cmocka.h>

struct tls_fixture {
    uv_loop_t loop;
    uv_async_t client_done;
    struct net *net;
    struct net_listener *listener;
    struct net_listener_config config;
    struct net_tls_config tls_config;
    const char *sessions_file; /* NULL: none */
    struct net_tls *tls;       /* that the listener has */
    struct net_connection *connection;
    struct net_peer peer;
    bool client_gone;
    size_t opened, refused, closed;
    enum sluice_error why;
    bool says_goodbye; /* and closes, as soon as something arrives */
};

struct tls_visit {
    struct tls_fixture *fixture;
    struct tls_client client;
    uv_thread_t thread;
    size_t echo_bytes;
    bool stays; /* after the echo it reads on, to the end */
    bool echoed;
    bool resumed;                /* and no full handshake */
    mbedtls_ssl_session session; /* of a visit that echoed */
    char answer[64];             /* where the server says something of its own */
    int end;                     /* what came after it */
};

int tls_set_up(void **state);
int tls_tear_down(void **state);
void tls_start(struct tls_fixture *fixture);
/* The listener gets a new TLS with the configuration as it is now. */
void tls_replace(struct tls_fixture *fixture);

void tls_visit_begin(struct tls_fixture *fixture, struct tls_visit *visit);
void tls_visit_end(struct tls_fixture *fixture, struct tls_visit *visit);
void tls_visit(struct tls_fixture *fixture, struct tls_visit *visit);
/* With the certificate NAME of the certificates_directory, NULL for none; whether it got in. */
bool tls_visit_as(struct tls_fixture *fixture, const char *name, mbedtls_ssl_protocol_version version);

#define TURN_UNTIL(fixture, condition)                                                                       \
    while (!(condition))                                                                                     \
    uv_run(&(fixture)->loop, UV_RUN_NOWAIT)

#define TLS_TEST(test) cmocka_unit_test_setup_teardown(test, tls_set_up, tls_tear_down)

#endif
