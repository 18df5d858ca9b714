/*
 * sluice/port.h: one contract over the fake port that other tests use and the
 * posix port, which talks TLS to `openssl s_server` on loopback here; and what
 * only the posix port promises: that nobody but the gateway is ever accepted.
 */
#include "../unit/fake_port.h"
#include "sluice/posix.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 20000 }; /* a machine that needs longer fails the test */

static char directory[] = "/tmp/sluice-port-XXXXXX";

static const char *path_of(const char *name, const char *suffix)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s%s", directory, name, suffix);
    return path;
}

/* ---- a TLS server that sends each line back, reversed ---- */

struct server {
    pid_t pid;
    uint16_t tcp_port;
    FILE *output; /* open while it runs: it writes a line for each connection */
};

static void exec_server(int output, const char *certificate, const char *key, const char *accept)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* where a test fails half-way */
    dup2(output, STDOUT_FILENO);
    dup2(open("/dev/null", O_RDWR), STDERR_FILENO);
    execlp("openssl", "openssl", "s_server", "-accept", accept, "-cert", certificate, "-key", key, "-CAfile",
           path_of("ca", ".crt"), "-Verify", "1", "-verify_return_error", "-tls1_2", "-no_ticket", "-rev",
           (char *)NULL);
    _exit(127);
}

/* On the port given, or on one that the system chooses (0). */
static struct server server_start(const char *certificate, uint16_t tcp_port)
{
    int ends[2];
    char accept[32];
    snprintf(accept, sizeof accept, "127.0.0.1:%u", tcp_port);
    const char *certificate_file = path_of(certificate, ".crt"), *key_file = path_of(certificate, ".key");
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct server server = {.pid = fork()};
    if (server.pid == 0)
        exec_server(ends[1], certificate_file, key_file, accept);
    close(ends[1]);
    FILE *output = fdopen(ends[0], "re");
    assert_non_null(output);
    char line[256] = "";
    while (strncmp(line, "ACCEPT", 6) != 0)
        assert_non_null(fgets(line, sizeof line, output));
    const char *colon = strrchr(line, ':'); /* the port is told where the system chose it */
    server.tcp_port = colon ? (uint16_t)strtoul(colon + 1, NULL, 10) : tcp_port;
    server.output = output;
    return server;
}

static void server_stop(struct server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    fclose(server->output);
}

/* ---- ports ---- */

static struct sluice_port *open_posix(const char *ca, const char *certificate)
{
    char why[SLUICE_POSIX_ERROR_BYTES] = "";
    struct sluice_port *port = NULL;
    const struct sluice_posix_config config = {path_of(ca, ".crt"), path_of(certificate, ".crt"),
                                               path_of(certificate, ".key")};
    if (sluice_posix_new(&config, why, &port))
        fail_msg("%s", why);
    return port;
}

static void wait_for(struct sluice_port *port)
{
    struct sluice_wait wait = port->wait(port);
    struct pollfd entry = {wait.descriptor,
                           (short)((wait.readable ? POLLIN : 0) | (wait.writable ? POLLOUT : 0)), 0};
    assert_true(wait.descriptor >= 0);
    if (poll(&entry, 1, PATIENCE_MS) != 1)
        fail_msg("nothing happened in %d ms", PATIENCE_MS);
}

static enum sluice_error connect_to(struct sluice_port *port, const char *host, uint16_t tcp_port)
{
    enum sluice_error error;
    while ((error = port->connect(port, host, tcp_port)) == SLUICE_AGAIN)
        wait_for(port);
    return error;
}

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

/* ---- the contract ---- */

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

static void hang_up(struct subject *subject)
{
    if (subject->fake)
        subject->fake->stream_result = SLUICE_CLOSED;
    else
        server_stop(&subject->server);
}

static void hold_to_contract(struct subject *subject)
{
    struct sluice_port *port = subject->port;
    char text[16];
    port->close(port); /* harmless without a connection */
    for (int round = 0; round < 3; round++) {
        assert_int_equal(connect_to(port, subject->host, subject->tcp_port), SLUICE_OK);
        size_t len;
        assert_int_equal(port->receive(port, text, sizeof text, &len), SLUICE_AGAIN);
        send_text(port, "abcdefgh\n");
        answer(subject, "hgfedcba\n");
        assert_int_equal(receive_text(port, text, 9), SLUICE_OK);
        assert_string_equal(text, "hgfedcba\n");
        if (round < 2)
            port->close(port);
    }
    hang_up(subject);
    enum sluice_error error = receive_text(port, text, 1);
    assert_true(error == SLUICE_CLOSED || error == SLUICE_IO);
    assert_true(strlen(port->error) > 10);
    port->close(port);
    port->close(port);
}

static void every_port_holds_the_contract(void **state)
{
    (void)state;
    fake_port_init(&fake);
    struct subject fake_subject = {"fake", &fake.port, "gateway", 8883, .fake = &fake};
    hold_to_contract(&fake_subject);

    struct subject posix_subject = {"posix", open_posix("ca", "device"), "localhost",
                                    .server = server_start("gateway", 0)};
    posix_subject.tcp_port = posix_subject.server.tcp_port;
    hold_to_contract(&posix_subject);
    sluice_posix_free(posix_subject.port);
}

/* ---- what the posix port promises ---- */

static void a_session_is_resumed(void **state)
{
    (void)state;
    struct server server = server_start("gateway", 0);
    struct sluice_port *port = open_posix("ca", "device");
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(connect_to(port, "127.0.0.1", server.tcp_port), SLUICE_OK);
        assert_int_equal(port->connected_count, i + 1);
        assert_int_equal(port->resumed_count, i);
        port->close(port);
    }
    server_stop(&server);
    sluice_posix_free(port);
}

/* HOSTILE.md, 59: on the first connection, and on one after a connection to the real gateway. */
static void only_the_gateway_is_accepted(void **state)
{
    (void)state;
    const struct {
        const char *certificate, *host, *sentence;
    } rows[] = {
        {"elsewhere", "localhost", "is not for the host name localhost"},
        {"elsewhere", "127.0.0.1", "is not for the host name 127.0.0.1"},
        {"foreign", "localhost", "is not signed by the given CA"},
        {"expired", "localhost", "has expired; this device's clock says 20"},
        {"future", "localhost", "is not yet valid; this device's clock says 20"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct server real = server_start("gateway", 0);
        struct sluice_port *port = open_posix("ca", "device");
        assert_int_equal(connect_to(port, rows[i].host, real.tcp_port), SLUICE_OK);
        port->close(port);
        server_stop(&real);
        struct server wrong = server_start(rows[i].certificate, real.tcp_port);
        for (int attempt = 0; attempt < 2; attempt++) {
            enum sluice_error error = connect_to(port, rows[i].host, wrong.tcp_port);
            if (error != SLUICE_DENIED || !strstr(port->error, rows[i].sentence))
                fail_msg("%s as %s: %d, %s", rows[i].certificate, rows[i].host, error, port->error);
            port->close(port);
        }
        server_stop(&wrong);
        sluice_posix_free(port);
    }
}

static void a_gateway_that_refuses_the_device_is_named(void **state)
{
    (void)state;
    struct server server = server_start("gateway", 0);
    struct sluice_port *port = open_posix("ca", "stranger");
    assert_int_equal(connect_to(port, "localhost", server.tcp_port), SLUICE_DENIED);
    assert_non_null(strstr(port->error, "does it accept this device's certificate?"));
    server_stop(&server);
    sluice_posix_free(port);
}

static void what_is_no_gateway_is_named(void **state)
{
    (void)state;
    struct server server = server_start("gateway", 0);
    server_stop(&server);
    struct sluice_port *port = open_posix("ca", "device");
    assert_int_equal(connect_to(port, "localhost", server.tcp_port), SLUICE_IO);
    assert_non_null(strstr(port->error, "Connection refused"));
    port->close(port);
    assert_int_equal(connect_to(port, "no host has this name.invalid", server.tcp_port), SLUICE_NOT_FOUND);
    port->close(port);
    (void)port->connect(port, "localhost", 1); /* has most likely not looked up the name yet: */
    port->close(port);                         /* abandons it */
    sluice_posix_free(port);
}

static void wrong_files_are_named(void **state)
{
    (void)state;
    const struct {
        const char *ca, *certificate, *key;
        enum sluice_error error;
        const char *sentence;
    } rows[] = {
        {"absent.crt", "device.crt", "device.key", SLUICE_IO, "absent.crt: No such file"},
        {"empty.crt", "device.crt", "device.key", SLUICE_INVALID, "empty.crt is no certificate"},
        {"device.key", "device.crt", "device.key", SLUICE_INVALID, "device.key is no certificate"},
        {"ca.crt", "absent.crt", "device.key", SLUICE_IO, "absent.crt: No such file"},
        {"ca.crt", "device.crt", "device.crt", SLUICE_INVALID, "device.crt is no private key"},
        {"ca.crt", "device.crt", "gateway.key", SLUICE_INVALID, "does not belong to the certificate"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char why[SLUICE_POSIX_ERROR_BYTES] = "";
        struct sluice_port *port = NULL;
        const struct sluice_posix_config config = {path_of(rows[i].ca, ""), path_of(rows[i].certificate, ""),
                                                   path_of(rows[i].key, "")};
        enum sluice_error error = sluice_posix_new(&config, why, &port);
        if (error != rows[i].error || !strstr(why, rows[i].sentence) || port)
            fail_msg("%s: %d, %s", rows[i].sentence, error, why);
    }
}

static int make_certificates(void **state)
{
    (void)state;
    char command[512];
    if (!mkdtemp(directory))
        return -1;
    snprintf(command, sizeof command, "sh %s %s >%s/log 2>&1", PORT_CERTIFICATES, directory, directory);
    return system(command);
}

static int remove_certificates(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_port_holds_the_contract),
        cmocka_unit_test(a_session_is_resumed),
        cmocka_unit_test(only_the_gateway_is_accepted),
        cmocka_unit_test(a_gateway_that_refuses_the_device_is_named),
        cmocka_unit_test(what_is_no_gateway_is_named),
        cmocka_unit_test(wrong_files_are_named),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
