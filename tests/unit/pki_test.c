/* app/pki.h: what `sluice pki` makes is what TLS software accepts, and nothing is overwritten. */
#include "app/pki.h"

#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_BYTES = 256 };

struct fixture {
    char directory[64];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    strcpy(fixture->directory, "/tmp/pki_test.XXXXXX");
    *state = fixture;
    return mkdtemp(fixture->directory) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[PATH_BYTES];
    snprintf(command, sizeof command, "rm -rf '%s'", fixture->directory);
    int failed = system(command);
    free(fixture);
    return failed;
}

/* `sluice pki` with the words of `line`, in which D stands for the directory. */
static int run(struct fixture *fixture, const char *line)
{
    char words[PATH_BYTES];
    int argc = 0;
    char *argv[16] = {"pki"};
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[++argc] = strcmp(word, "D") == 0 ? fixture->directory : word;
    return pki_command(argc + 1, argv);
}

static const char *path(const struct fixture *fixture, const char *name)
{
    static char buffer[PATH_BYTES];
    snprintf(buffer, sizeof buffer, "%s/%s", fixture->directory, name);
    return buffer;
}

static bool shell(const struct fixture *fixture, const char *format)
{
    char command[1024];
    snprintf(command, sizeof command, "cd '%s' && %s", fixture->directory, format);
    return system(command) == 0;
}

static void issued_certificates_fit_their_purpose(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(run(fixture, "init D --name Greenhouse"), 0);
    assert_int_equal(run(fixture, "issue D gateway --server --host gw.local --host 192.0.2.1 --host ::1"), 0);
    assert_int_equal(run(fixture, "issue D sensor-1 --days 30"), 0);
    static const struct {
        const char *file, *host, *usage_oid;
        size_t usage_len;
        bool fits;
    } rows[] = {
        {"gateway.crt", "gw.local", MBEDTLS_OID_SERVER_AUTH, 8, true},
        {"gateway.crt", "192.0.2.1", MBEDTLS_OID_SERVER_AUTH, 8, true},
        {"gateway.crt", "::1", MBEDTLS_OID_SERVER_AUTH, 8, true},
        {"gateway.crt", "other.local", MBEDTLS_OID_SERVER_AUTH, 8, false},
        {"gateway.crt", NULL, MBEDTLS_OID_CLIENT_AUTH, 8, false},
        {"sensor-1.crt", NULL, MBEDTLS_OID_CLIENT_AUTH, 8, true},
        {"sensor-1.crt", NULL, MBEDTLS_OID_SERVER_AUTH, 8, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mbedtls_x509_crt ca, certificate;
        uint32_t flags = 0;
        mbedtls_x509_crt_init(&ca);
        mbedtls_x509_crt_init(&certificate);
        assert_int_equal(mbedtls_x509_crt_parse_file(&ca, path(fixture, "ca.crt")), 0);
        assert_int_equal(mbedtls_x509_crt_parse_file(&certificate, path(fixture, rows[i].file)), 0);
        int failed = mbedtls_x509_crt_verify(&certificate, &ca, NULL, rows[i].host, &flags, NULL, NULL);
        if (!failed)
            failed =
                mbedtls_x509_crt_check_extended_key_usage(&certificate, rows[i].usage_oid, rows[i].usage_len);
        if ((failed == 0) != rows[i].fits)
            fail_msg("row %zu: %x, flags %x", i, (unsigned)-failed, flags);
        mbedtls_x509_crt_free(&certificate);
        mbedtls_x509_crt_free(&ca);
    }
}

static void openssl_accepts_the_chain(void **state)
{
    struct fixture *fixture = *state;
    if (system("command -v openssl >/dev/null") != 0)
        skip();
    assert_int_equal(run(fixture, "init D"), 0);
    assert_int_equal(run(fixture, "issue D gateway --server --host gw.local --host 192.0.2.1"), 0);
    assert_int_equal(run(fixture, "issue D sensor-1"), 0);
    static const struct {
        const char *command;
        bool accepted;
    } rows[] = {
        {"openssl verify -x509_strict -CAfile ca.crt -purpose sslclient sensor-1.crt", true},
        {"openssl verify -x509_strict -CAfile ca.crt -purpose sslserver -verify_hostname gw.local "
         "gateway.crt",
         true},
        {"openssl verify -x509_strict -CAfile ca.crt -purpose sslserver -verify_ip 192.0.2.1 gateway.crt",
         true},
        {"openssl verify -CAfile ca.crt -purpose sslclient gateway.crt 2>&1", false},
        {"openssl x509 -in sensor-1.crt -noout -subject | grep -q 'CN = sensor-1$'", true},
        {"openssl pkey -in sensor-1.key -noout -text | grep -q prime256v1", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char command[512];
        snprintf(command, sizeof command, "%s >/dev/null", rows[i].command);
        if (shell(fixture, command) != rows[i].accepted)
            fail_msg("%s", rows[i].command);
    }
}

static void keys_can_be_read_by_their_owner_only(void **state)
{
    struct fixture *fixture = *state;
    struct stat status;
    assert_int_equal(run(fixture, "init D"), 0);
    assert_int_equal(run(fixture, "issue D sensor-1"), 0);
    assert_int_equal(stat(path(fixture, "ca.key"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(stat(path(fixture, "sensor-1.key"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void certificates_are_valid_from_a_day_back(void **state)
{
    struct fixture *fixture = *state;
    mbedtls_x509_crt certificate;
    time_t yesterday = time(NULL) - 86400 + 3600, before = yesterday - 7200;
    mbedtls_x509_time late, early;
    assert_int_equal(run(fixture, "init D"), 0);
    mbedtls_x509_crt_init(&certificate);
    assert_int_equal(mbedtls_x509_crt_parse_file(&certificate, path(fixture, "ca.crt")), 0);
    mbedtls_x509_time_gmtime(yesterday, &late);
    mbedtls_x509_time_gmtime(before, &early);
    assert_true(mbedtls_x509_time_cmp(&certificate.valid_from, &late) < 0);
    assert_true(mbedtls_x509_time_cmp(&certificate.valid_from, &early) > 0);
    mbedtls_x509_crt_free(&certificate);
}

static void nothing_is_overwritten(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(run(fixture, "init D"), 0);
    assert_int_equal(run(fixture, "issue D sensor-1"), 0);
    assert_true(shell(fixture, "cat ca.* sensor-1.* > before"));
    assert_int_equal(run(fixture, "init D"), 2);
    assert_int_equal(run(fixture, "issue D sensor-1"), 2);
    assert_true(shell(fixture, "rm sensor-1.key && sed -n 1p sensor-1.crt > first"));
    assert_int_equal(run(fixture, "issue D sensor-1"), 2); /* the certificate is still there */
    assert_true(shell(fixture, "test ! -e sensor-1.key"));
    assert_true(
        shell(fixture, "cat ca.crt ca.key sensor-1.crt > now && head -c $(wc -c < now) before | cmp - now"));
}

static void what_cannot_be_done_is_said_with_status_2(void **state)
{
    struct fixture *fixture = *state;
    static const char *const lines[] = {
        "",
        "init",
        "issue D",
        "nonsense D",
        "issue D device", /* no CA yet */
        "init D --name a,b",
        "init D --nam a",
        "issue D ca",
        "issue D a/b",
        "issue D ../x",
        "issue D -x",
        "issue D x --days 0",
        "issue D x --days 1x",
        "issue D x --host a.local",
        "issue D x --server --host a_b/c",
        "issue D x --days",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (run(fixture, lines[i]) != 2)
            fail_msg("%s", lines[i]);
    }
    assert_int_equal(run(fixture, "init D"), 0);
    for (size_t i = 5; i < sizeof lines / sizeof *lines; i++) {
        if (run(fixture, lines[i]) != 2)
            fail_msg("with a CA: %s", lines[i]);
    }
}

#define PKI_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PKI_TEST(issued_certificates_fit_their_purpose),
        PKI_TEST(openssl_accepts_the_chain),
        PKI_TEST(keys_can_be_read_by_their_owner_only),
        PKI_TEST(certificates_are_valid_from_a_day_back),
        PKI_TEST(nothing_is_overwritten),
        PKI_TEST(what_cannot_be_done_is_said_with_status_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
