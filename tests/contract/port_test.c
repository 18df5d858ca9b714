/* What only the posix port promises: that nobody but the gateway is ever accepted, and sessions are resumed.
 */
#include "port_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

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

/* A session is not tied to a host name in TLS 1.2: the certificate would be trusted for a name it does not
 * have. */
static void a_session_is_not_resumed_under_another_name(void **state)
{
    (void)state;
    struct server server = server_start("gateway", 0);
    struct sluice_port *port = open_posix("ca", "device");
    const struct {
        const char *host;
        uint32_t resumed_count;
    } rows[] = {{"localhost", 0}, {"127.0.0.1", 0}, {"127.0.0.1", 1}, {"localhost", 1}, {"localhost", 2}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(connect_to(port, rows[i].host, server.tcp_port), SLUICE_OK);
        assert_int_equal(port->resumed_count, rows[i].resumed_count);
        port->close(port);
    }
    server_stop(&server);
    sluice_posix_free(port);
}

static void take_notice(void *context, const char *sentence)
{
    snprintf(context, SLUICE_POSIX_ERROR_BYTES, "%s", sentence);
}

/* Connects through a port that is made for it alone, as a process after a restart would have it. */
static bool resumes(const char *ca, const char *certificate, const char *host, uint16_t tcp_port,
                    const char *file, char ret_notice[SLUICE_POSIX_ERROR_BYTES])
{
    struct sluice_port *port = open_posix(ca, certificate);
    ret_notice[0] = '\0';
    sluice_posix_keep_session(port, file, take_notice, ret_notice);
    enum sluice_error error = connect_to(port, host, tcp_port);
    if (error)
        fail_msg("%d, %s", error, port->error);
    bool resumed = port->resumed_count == 1;
    sluice_posix_free(port);
    return resumed;
}

static void a_session_outlives_the_process(void **state)
{
    (void)state;
    struct server server = server_start("gateway", 0);
    char notice[SLUICE_POSIX_ERROR_BYTES], file[256];
    snprintf(file, sizeof file, "%s", path_of("session", ""));
    assert_false(resumes("ca", "device", "localhost", server.tcp_port, file, notice));
    struct stat status;
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    for (int i = 0; i < 3; i++)
        assert_true(resumes("ca", "device", "localhost", server.tcp_port, file, notice));
    assert_string_equal(notice, "");
    assert_int_not_equal(access(path_of("session", ".new"), F_OK), 0);
    server_stop(&server);
}

static void damage(const char *file, long at, bool truncate_there)
{
    if (truncate_there) {
        assert_int_equal(truncate(file, at), 0);
        return;
    }
    FILE *stream = fopen(file, "r+e");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, at, SEEK_SET), 0);
    int byte = fgetc(stream);
    assert_int_equal(fseek(stream, at, SEEK_SET), 0);
    fputc(byte ^ 1, stream);
    fclose(stream);
}

/* Each is ignored and said, and the connection stands by a full handshake. */
static void a_session_of_elsewhere_or_damaged_is_not_used(void **state)
{
    (void)state;
    const struct {
        const char *name, *ca, *certificate, *host;
        long damage_at; /* -1: nothing */
        bool truncated;
        int64_t later_s;
        const char *notice;
    } rows[] = {
        {"another host", "ca", "device", "127.0.0.1", -1, false, 0, "is not used"},
        {"another certificate", "ca", "device2", "localhost", -1, false, 0, "is not used"},
        {"another CA file", "both", "device", "localhost", -1, false, 0, "is not used"},
        {"no magic", "ca", "device", "localhost", 0, false, 0, "is not used"},
        {"another time", "ca", "device", "localhost", 15, false, 0, "is not used"},
        {"another secret", "ca", "device", "localhost", 120, false, 0, "is not used"},
        {"torn", "ca", "device", "localhost", 100, true, 0, "is not used"},
        {"only the header", "ca", "device", "localhost", 48, true, 0, "is not used"},
        {"empty", "ca", "device", "localhost", 0, true, 0, "is not used"},
        {"too old", "ca", "device", "localhost", -1, false, 24 * 3600 + 60, ""},
        {"from the future", "ca", "device", "localhost", -1, false, -3600, ""},
    };
    char notice[SLUICE_POSIX_ERROR_BYTES], file[256];
    struct server server = server_start("gateway", 0);
    snprintf(file, sizeof file, "%s", path_of("session", ""));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unlink(file);
        assert_false(resumes("ca", "device", "localhost", server.tcp_port, file, notice));
        if (rows[i].damage_at >= 0)
            damage(file, rows[i].damage_at, rows[i].truncated);
        machine_late_s = -rows[i].later_s;
        if (resumes(rows[i].ca, rows[i].certificate, rows[i].host, server.tcp_port, file, notice))
            fail_msg("%s: resumed", rows[i].name);
        if (rows[i].notice[0] ? !strstr(notice, rows[i].notice) : notice[0] != '\0')
            fail_msg("%s: '%s'", rows[i].name, notice);
        if (!resumes(rows[i].ca, rows[i].certificate, rows[i].host, server.tcp_port, file, notice))
            fail_msg("%s: the new session is not kept: %s", rows[i].name, notice);
        machine_late_s = 0;
    }
    server_stop(&server);
}

/* A board without a battery begins in 1970, and has its session all the same when the clock is set. */
static void a_session_waits_for_the_clock(void **state)
{
    (void)state;
    char notice[SLUICE_POSIX_ERROR_BYTES];
    struct server server = server_start("gateway", 0);
    assert_false(resumes("ca", "device", "localhost", server.tcp_port, path_of("session", ""), notice));
    struct sluice_port *port = open_posix("ca", "device");
    sluice_posix_keep_session(port, path_of("session", ""), take_notice, notice);
    machine_late_s = (int64_t)(sluice_posix_time_ms() / 1000) - 60;
    assert_int_equal(connect_to(port, "localhost", server.tcp_port), SLUICE_DENIED);
    port->close(port);
    machine_late_s = 0;
    assert_int_equal(connect_to(port, "localhost", server.tcp_port), SLUICE_OK);
    assert_int_equal(port->resumed_count, 1);
    sluice_posix_free(port);
    server_stop(&server);
    unlink(path_of("session", ""));
}

/* The clock may be late, but not so late that the handshake fails: the file is not read any more then. */
static void a_file_of_the_future_is_left_when_there_is_a_session(void **state)
{
    (void)state;
    char notice[SLUICE_POSIX_ERROR_BYTES] = "", file[256];
    struct server server = server_start("gateway", 0);
    snprintf(file, sizeof file, "%s", path_of("session", ""));
    assert_false(resumes("ca", "device", "localhost", server.tcp_port, file, notice));
    struct sluice_port *port = open_posix("ca", "device");
    sluice_posix_keep_session(port, file, take_notice, notice);
    machine_late_s = 60;
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(connect_to(port, "localhost", server.tcp_port), SLUICE_OK);
        assert_int_equal(port->resumed_count, i);
        port->close(port);
        damage(file, 0, true); /* it would be named if it were read */
    }
    assert_string_equal(notice, "");
    machine_late_s = 0;
    sluice_posix_free(port);
    server_stop(&server);
    unlink(file);
}

/* Who can put a session of his own there is the gateway to us: no certificate is asked for. */
static void a_session_file_that_is_not_ours_alone_is_not_used(void **state)
{
    (void)state;
    const struct {
        mode_t mode;
        uid_t owner; /* 0: as it is; only root can give it to others */
    } rows[] = {{0640, 0}, {0620, 0}, {0610, 0}, {0604, 0}, {0602, 0}, {0601, 0}, {0600, 1}};
    char notice[SLUICE_POSIX_ERROR_BYTES], expected[512], file[256];
    struct server server = server_start("gateway", 0);
    snprintf(file, sizeof file, "%s", path_of("session", ""));
    snprintf(expected, sizeof expected,
             "the TLS session in %s is not used: it must be a file of this user, with mode 0600", file);
    assert_false(resumes("ca", "device", "localhost", server.tcp_port, file, notice));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].owner && geteuid() != 0)
            continue;
        assert_true(resumes("ca", "device", "localhost", server.tcp_port, file, notice));
        assert_int_equal(chmod(file, rows[i].mode), 0);
        assert_true(rows[i].owner == 0 || chown(file, rows[i].owner, (gid_t)-1) == 0);
        assert_false(resumes("ca", "device", "localhost", server.tcp_port, file, notice));
        assert_string_equal(notice, expected);
    }
    unlink(file);
    server_stop(&server);
}

static void a_session_file_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    char notice[SLUICE_POSIX_ERROR_BYTES];
    struct server server = server_start("gateway", 0);
    assert_false(resumes("ca", "device", "localhost", server.tcp_port, "/nowhere/session", notice));
    assert_string_equal(notice, "cannot keep the TLS session in /nowhere/session: No such file or directory");
    server_stop(&server);
}

/* The session may be what the handshake failed of: the next process does without. */
static void a_failed_handshake_forgets_the_session(void **state)
{
    (void)state;
    char notice[SLUICE_POSIX_ERROR_BYTES];
    struct server server = server_start("gateway", 0);
    assert_false(resumes("ca", "device", "localhost", server.tcp_port, path_of("session", ""), notice));
    server_stop(&server);
    server = server_start("foreign", server.tcp_port);
    struct sluice_port *port = open_posix("ca", "device");
    sluice_posix_keep_session(port, path_of("session", ""), NULL, NULL);
    assert_int_equal(connect_to(port, "localhost", server.tcp_port), SLUICE_DENIED);
    assert_int_not_equal(access(path_of("session", ""), F_OK), 0);
    sluice_posix_free(port);
    server_stop(&server);
}

static void a_name_that_moves_is_followed(void **state)
{
    (void)state;
    struct server before = server_start("gateway", 0);
    struct server after = server_start_as(
        (struct server_wish){.certificate = "gateway", .address = "127.0.0.2", .tcp_port = before.tcp_port});
    struct sluice_port *port = open_posix("ca", "device");
    machine_localhost = "127.0.0.1";
    assert_int_equal(connect_to(port, "localhost", before.tcp_port), SLUICE_OK);
    server_stop(&before);
    port->close(port);
    assert_int_equal(connect_to(port, "localhost", after.tcp_port), SLUICE_IO);
    port->close(port);
    machine_localhost = "127.0.0.2";
    assert_int_equal(connect_to(port, "localhost", after.tcp_port), SLUICE_OK);
    assert_int_equal(port->resumed_count, 0); /* the other end knows nothing of the first one's session */
    port->close(port);
    machine_localhost = NULL;
    server_stop(&after);
    sluice_posix_free(port);
}

/* A board without a battery begins in 1970: the CA's own certificate is of the future then, too. */
static void a_clock_that_was_never_set_is_named(void **state)
{
    (void)state;
    struct server server = server_start("gateway", 0);
    struct sluice_port *port = open_posix("ca", "device");
    machine_late_s = (int64_t)(sluice_posix_time_ms() / 1000) - 60;
    assert_int_equal(connect_to(port, "localhost", server.tcp_port), SLUICE_DENIED);
    assert_string_equal(port->error, "the gateway's certificate is not yet valid; this device's clock says "
                                     "1970-01-01 00:01 UTC: is it set?");
    port->close(port);
    machine_late_s = 0;
    assert_int_equal(connect_to(port, "localhost", server.tcp_port), SLUICE_OK);
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

/* Linux throws away what it holds where bytes are unread: PUBACK, DISCONNECT and close_notify would be lost.
 */
static void what_was_sent_before_close_arrives_though_bytes_are_unread(void **state)
{
    (void)state;
    struct server server = server_start_as(
        (struct server_wish){.certificate = "gateway", .says = "unread\n", .says_bytes = 7, .once = true});
    struct sluice_port *port = open_posix("ca", "device");
    size_t sent_bytes;
    assert_int_equal(connect_to(port, "localhost", server.tcp_port), SLUICE_OK);
    wait_for(port);
    assert_int_equal(port->send(port, "farewell\n", 9, &sent_bytes), SLUICE_OK);
    port->close(port);
    assert_true(server_heard(&server, "farewell"));
    server_stop(&server);
    sluice_posix_free(port);
}

/* The rest of its handshake is unread when the certificate is refused. */
static void a_gateway_that_is_not_accepted_hears_why(void **state)
{
    (void)state;
    struct server server = server_start_as((struct server_wish){.certificate = "foreign", .once = true});
    struct sluice_port *port = open_posix("ca", "device");
    assert_int_equal(connect_to(port, "localhost", server.tcp_port), SLUICE_DENIED);
    port->close(port);
    assert_true(server_heard(&server, "alert unknown ca"));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_resumed),
        cmocka_unit_test(a_session_is_not_resumed_under_another_name),
        cmocka_unit_test(a_session_outlives_the_process),
        cmocka_unit_test(a_session_of_elsewhere_or_damaged_is_not_used),
        cmocka_unit_test(a_session_waits_for_the_clock),
        cmocka_unit_test(a_file_of_the_future_is_left_when_there_is_a_session),
        cmocka_unit_test(a_session_file_that_is_not_ours_alone_is_not_used),
        cmocka_unit_test(a_session_file_that_cannot_be_written_is_named),
        cmocka_unit_test(a_failed_handshake_forgets_the_session),
        cmocka_unit_test(a_name_that_moves_is_followed),
        cmocka_unit_test(a_clock_that_was_never_set_is_named),
        cmocka_unit_test(only_the_gateway_is_accepted),
        cmocka_unit_test(a_gateway_that_refuses_the_device_is_named),
        cmocka_unit_test(what_was_sent_before_close_arrives_though_bytes_are_unread),
        cmocka_unit_test(a_gateway_that_is_not_accepted_hears_why),
        cmocka_unit_test(what_is_no_gateway_is_named),
        cmocka_unit_test(wrong_files_are_named),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
