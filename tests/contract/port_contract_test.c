/*
 * sluice/port.h: one contract over every port there is. The fake port that other
 * tests use, the posix port, which talks TLS to `openssl s_server` on loopback
 * here, and the ledger, which stands before another one.
 */
#include "../unit/fake_port.h"
#include "port_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { PIECE_BYTES = 1000, PIECES_MAX = 100000 };

static void send_text(struct sluice_port *port, const char *text)
{
    for (size_t len = strlen(text), sent = 0; len > 0; len -= sent, text += sent) {
        enum sluice_error error = port->send(port, text, len, &sent);
        if (error == SLUICE_AGAIN) {
            sent = 0;
            wait_for(port);
            continue;
        }
        assert_int_equal(error, SLUICE_OK);
        assert_in_range(sent, 1, len);
    }
}

static enum sluice_error receive_text(struct sluice_port *port, char *text, size_t len)
{
    for (size_t got = 0; len > 0; len -= got, text += got) {
        enum sluice_error error = port->receive(port, text, len < 5 ? len : 5, &got);
        if (error == SLUICE_AGAIN) {
            got = 0;
            wait_for(port);
            continue;
        }
        if (error)
            return error;
    }
    *text = '\0';
    return SLUICE_OK;
}

/* A port with someone at its other end who sends lines back, reversed. */
struct subject {
    const char *name;
    struct sluice_port *port;
    const char *host;
    uint16_t tcp_port;
    struct fake_port *fake; /* NULL: a real one, with a server */
    struct server server;
};

static struct fake_port fake;

static void answer(struct subject *subject, const char *reversed)
{
    if (subject->fake)
        fake_port_give(subject->fake, span_from_string(reversed));
}

/* From now on the other end takes nothing; and then again it does. */
static void hold_back(struct subject *subject, bool held_back)
{
    if (subject->fake)
        subject->fake->send_max_bytes = held_back ? 0 : SIZE_MAX;
    else
        kill(subject->server.pid, held_back ? SIGSTOP : SIGCONT);
}

static void hang_up(struct subject *subject)
{
    if (subject->fake)
        subject->fake->stream_result = SLUICE_CLOSED;
    else
        server_stop(&subject->server);
}

static void lines_go_and_come(struct subject *subject)
{
    struct sluice_port *port = subject->port;
    char text[16];
    size_t len;
    assert_int_equal(port->receive(port, text, sizeof text, &len), SLUICE_AGAIN);
    send_text(port, "abcdefgh\n");
    answer(subject, "hgfedcba\n");
    assert_int_equal(receive_text(port, text, 9), SLUICE_OK);
    assert_string_equal(text, "hgfedcba\n");
}

/* What is not taken is not lost, and is offered again. */
static void a_slow_peer_is_waited_for(struct subject *subject)
{
    struct sluice_port *port = subject->port;
    static const char piece[PIECE_BYTES];
    char unread[PIECE_BYTES];
    enum sluice_error error = SLUICE_OK;
    size_t len;
    hold_back(subject, true);
    for (int i = 0; i < PIECES_MAX && error == SLUICE_OK; i++)
        error = port->send(port, piece, sizeof piece, &len);
    assert_int_equal(error, SLUICE_AGAIN);
    struct sluice_wait wait = port->wait(port);
    assert_true(wait.descriptor >= 0 && wait.readable);
    assert_true(wait.writable || subject->fake);
    hold_back(subject, false);
    while ((error = port->send(port, piece, sizeof piece, &len)) == SLUICE_AGAIN) {
        while (port->receive(port, unread, sizeof unread, &len) == SLUICE_OK)
            continue; /* what came back meanwhile */
        wait_for(port);
    }
    assert_int_equal(error, SLUICE_OK);
}

static void an_end_is_named(struct subject *subject)
{
    struct sluice_port *port = subject->port;
    char text[2];
    hang_up(subject);
    enum sluice_error error = receive_text(port, text, 1);
    assert_true(error == SLUICE_CLOSED || error == SLUICE_IO);
    assert_true(strlen(port->error) > 10);
    port->close(port);
    port->close(port);
    if (subject->fake)
        subject->fake->connect_result = SLUICE_IO;
    assert_int_equal(connect_to(port, subject->host, subject->tcp_port), SLUICE_IO);
    assert_true(strlen(port->error) > 10);
    port->close(port);
}

static void hold_to_contract(struct subject *subject)
{
    struct sluice_port *port = subject->port;
    uint32_t connected_count = port->connected_count;
    port->close(port); /* harmless without a connection */
    for (uint32_t round = 0; round < 3; round++) {
        assert_int_equal(connect_to(port, subject->host, subject->tcp_port), SLUICE_OK);
        assert_true(subject->fake || port->connected_count == ++connected_count);
        lines_go_and_come(subject);
        port->close(port);
    }
    assert_int_equal(connect_to(port, subject->host, subject->tcp_port), SLUICE_OK);
    a_slow_peer_is_waited_for(subject);
    port->close(port);
    assert_int_equal(connect_to(port, subject->host, subject->tcp_port), SLUICE_OK);
    an_end_is_named(subject);
}

static void the_fake_port_holds_the_contract(void **state)
{
    (void)state;
    fake_port_init(&fake);
    hold_to_contract(&(struct subject){"fake", &fake.port, "gateway", 8883, .fake = &fake});
}

static void hold_with_server(struct sluice_port *port)
{
    struct subject subject = {"posix", port, "localhost", .server = server_start("gateway", 0)};
    subject.tcp_port = subject.server.tcp_port;
    hold_to_contract(&subject);
}

static void the_posix_port_holds_the_contract(void **state)
{
    (void)state;
    struct sluice_port *port = open_posix("ca", "device");
    hold_with_server(port);
    sluice_posix_free(port);
}

/* ---- the ledger ---- */

static struct sluice_ledger ledger;
static struct sluice_hour hour;

static void open_ledger(struct sluice_port *port)
{
    sluice_ledger_init(
        &ledger, &(struct sluice_ledger_config){port, sluice_posix_now_ms, &hour, 1, sluice_posix_traffic});
}

static uint64_t without_headers(const uint32_t counts[SLUICE_CAUSE_COUNT])
{
    uint64_t bytes = 0;
    for (enum sluice_cause cause = 0; cause < SLUICE_CAUSE_TCP_IP; cause++)
        bytes += counts[cause];
    return bytes;
}

static void the_ledger_holds_the_contract(void **state)
{
    (void)state;
    struct sluice_port *port = open_posix("ca", "device");
    open_ledger(port);
    hold_with_server(&ledger.port);
    sluice_posix_free(port);
}

static void the_ledger_has_what_tls_and_tcp_take(void **state)
{
    (void)state;
    enum { RECORD_BYTES = 21, HEADER_BYTES = 52 };
    struct sluice_port *port = open_posix("ca", "device");
    struct server server = server_start("gateway", 0);
    open_ledger(port);
    assert_int_equal(connect_to(&ledger.port, "localhost", server.tcp_port), SLUICE_OK);
    assert_in_range(hour.sent[SLUICE_CAUSE_HANDSHAKE], 600, 3000);
    assert_in_range(hour.received[SLUICE_CAUSE_HANDSHAKE], 600, 3000);
    char text[4];
    send_text(&ledger.port, "\xc0\x01\n"); /* as if it were a PINGREQ with a line in it */
    assert_int_equal(receive_text(&ledger.port, text, 3), SLUICE_OK);
    struct sluice_traffic traffic;
    sluice_posix_traffic(port, &traffic);
    assert_int_equal(hour.sent[SLUICE_CAUSE_KEEP_ALIVE], 3);
    assert_int_equal(hour.sent[SLUICE_CAUSE_TLS], RECORD_BYTES);
    assert_int_equal(without_headers(hour.sent), traffic.sent_bytes);
    assert_int_equal(without_headers(hour.received), traffic.received_bytes);
    assert_int_equal(hour.sent[SLUICE_CAUSE_TCP_IP] % HEADER_BYTES, 0);
    assert_in_range(hour.sent[SLUICE_CAUSE_TCP_IP] / HEADER_BYTES, 4, 20);
    assert_in_range(hour.received[SLUICE_CAUSE_TCP_IP] / HEADER_BYTES, 3, 20);
    ledger.port.close(&ledger.port);
    assert_int_equal(hour.sent[SLUICE_CAUSE_TLS], 2 * RECORD_BYTES + 2); /* close_notify */
    server_stop(&server);
    sluice_posix_free(port);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fake_port_holds_the_contract),
        cmocka_unit_test(the_posix_port_holds_the_contract),
        cmocka_unit_test(the_ledger_holds_the_contract),
        cmocka_unit_test(the_ledger_has_what_tls_and_tcp_take),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
