/* app/pki.h: what `sluice pki` makes is what TLS software accepts, and nothing is overwritten. */
#include "app/pki.h"

#include <mbedtls/oid.h>
#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

/* What `sluice pki list` prints. */
static char *listed(struct fixture *fixture)
{
    char *text = NULL, why[PKI_TEXT_BYTES];
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(pki_list(fixture->directory, out, why), SLUICE_OK);
    fclose(out);
    return text;
}

static void expect_listed(struct fixture *fixture, const char *name, const char *state)
{
    char *text = listed(fixture), *line = strstr(text, name);
    assert_non_null(line);
    *strchrnul(line, '\n') = '\0';
    if (!strstr(line, state))
        fail_msg("not '%s': %s", state, line);
    free(text);
}

/* Whether the CA's list, which must be good, has the certificate. */
static bool is_revoked(struct fixture *fixture, const char *file)
{
    mbedtls_x509_crt ca, certificate;
    mbedtls_x509_crl crl;
    uint32_t flags = 0;
    mbedtls_x509_crt_init(&ca);
    mbedtls_x509_crt_init(&certificate);
    mbedtls_x509_crl_init(&crl);
    assert_int_equal(mbedtls_x509_crt_parse_file(&ca, path(fixture, "ca.crt")), 0);
    assert_int_equal(mbedtls_x509_crt_parse_file(&certificate, path(fixture, file)), 0);
    assert_int_equal(mbedtls_x509_crl_parse_file(&crl, path(fixture, "ca.crl")), 0);
    mbedtls_x509_crt_verify(&certificate, &ca, &crl, NULL, &flags, NULL, NULL);
    assert_int_equal(flags & ~(uint32_t)MBEDTLS_X509_BADCERT_REVOKED, 0);
    mbedtls_x509_crl_free(&crl);
    mbedtls_x509_crt_free(&certificate);
    mbedtls_x509_crt_free(&ca);
    return flags != 0;
}

static void openssl_accepts_the_list(void **state)
{
    struct fixture *fixture = *state;
    if (system("command -v openssl >/dev/null") != 0)
        skip();
    assert_int_equal(run(fixture, "init D --name Greenhouse"), 0);
    assert_true(shell(fixture, "openssl crl -in ca.crl -CAfile ca.crt -noout 2>&1 | grep -qx 'verify OK'"));
    assert_true(shell(fixture, "openssl crl -in ca.crl -noout -text | grep -q 'No Revoked Certificates'"));
    assert_true(shell(fixture, "openssl crl -in ca.crl -noout -crlnumber | grep -qx 'crlNumber=0x01'"));
    assert_int_equal(run(fixture, "issue D one"), 0);
    assert_int_equal(run(fixture, "issue D two"), 0);
    assert_int_equal(run(fixture, "issue D three"), 0);
    assert_int_equal(run(fixture, "revoke D one"), 0);
    assert_int_equal(run(fixture, "revoke D two --reason keyCompromise"), 0);
    static const char *const commands[] = {
        "openssl crl -in ca.crl -CAfile ca.crt -noout 2>&1 | grep -qx 'verify OK'",
        "openssl crl -in ca.crl -noout -crlnumber | grep -qx 'crlNumber=0x06'",
        "openssl crl -in ca.crl -noout -text | grep -q 'Version 2'",
        "openssl crl -in ca.crl -noout -text | grep -q 'Authority Key Identifier'",
        "test $(openssl crl -in ca.crl -noout -text | grep -c 'Serial Number: ') = 2",
        "test $(openssl crl -in ca.crl -noout -text | grep -c 'Key Compromise') = 1",
        "openssl verify -x509_strict -crl_check -CRLfile ca.crl -CAfile ca.crt three.crt >/dev/null",
        "! openssl verify -crl_check -CRLfile ca.crl -CAfile ca.crt one.crt.revoked >/dev/null 2>&1",
        "! openssl verify -crl_check -CRLfile ca.crl -CAfile ca.crt two.crt.revoked >/dev/null 2>&1",
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (!shell(fixture, commands[i]))
            fail_msg("%s", commands[i]);
    }
}

/* The number of a list grows over every length of a DER integer that it has. */
static void each_list_has_the_next_number(void **state)
{
    struct fixture *fixture = *state;
    if (system("command -v openssl >/dev/null") != 0)
        skip();
    assert_int_equal(run(fixture, "init D"), 0);
    static const struct {
        const char *before, *after;
    } rows[] = {{"01", "0x02"}, {"7f", "0x80"}, {"00ff", "0x0100"}, {"7fff", "0x8000"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char command[256];
        snprintf(command, sizeof command, "sed -i 's/^[0-9a-f]*\\(\tca\tcrl\t\\)/%s\\1/' index.tsv",
                 rows[i].before);
        assert_true(shell(fixture, command));
        assert_int_equal(run(fixture, "renew D"), 0);
        snprintf(command, sizeof command,
                 "openssl crl -in ca.crl -noout -crlnumber | grep -qx 'crlNumber=%s'", rows[i].after);
        if (!shell(fixture, command))
            fail_msg("after %s", rows[i].before);
    }
}

static void a_revoked_name_can_be_issued_again(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(run(fixture, "init D"), 0);
    assert_int_equal(run(fixture, "issue D sensor-1"), 0);
    assert_false(is_revoked(fixture, "sensor-1.crt"));
    assert_int_equal(run(fixture, "revoke D sensor-1 --reason cessationOfOperation"), 0);
    assert_true(is_revoked(fixture, "sensor-1.crt.revoked"));
    expect_listed(fixture, "sensor-1", "cessationOfOperation");
    assert_int_equal(run(fixture, "revoke D sensor-1"), 2); /* it is already */
    assert_int_equal(run(fixture, "renew D sensor-1"), 2);
    assert_int_equal(run(fixture, "issue D sensor-1"), 0);
    assert_false(is_revoked(fixture, "sensor-1.crt"));
    assert_true(is_revoked(fixture, "sensor-1.crt.revoked"));
    assert_true(shell(fixture, "mv sensor-1.crt away && rm sensor-1.key"));
    assert_int_equal(run(fixture, "revoke D sensor-1"), 0); /* the device alone has its files */
    assert_true(is_revoked(fixture, "away"));
}

/* Same key, same hosts; both certificates are good until the old one runs out or is revoked. */
static void a_renewed_certificate_has_the_same_key(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(run(fixture, "init D"), 0);
    assert_int_equal(run(fixture, "issue D gateway --server --host gw.local --host ::1 --days 5"), 0);
    expect_listed(fixture, "gateway", "renew it");
    assert_true(shell(fixture, "cp gateway.crt first.crt && mv gateway.key away"));
    assert_int_equal(run(fixture, "renew D gateway --days 100"), 0);
    assert_true(shell(fixture, "! cmp -s gateway.crt first.crt && cp gateway.crt second.crt"));
    assert_false(is_revoked(fixture, "first.crt"));
    assert_int_equal(run(fixture, "renew D gateway --revoke-old"), 0);
    assert_true(is_revoked(fixture, "first.crt"));
    assert_true(is_revoked(fixture, "second.crt"));
    assert_false(is_revoked(fixture, "gateway.crt"));
    if (system("command -v openssl >/dev/null") != 0)
        skip();
    assert_true(shell(fixture,
                      "openssl pkey -in away -pubout > a && openssl x509 -in gateway.crt -noout -pubkey | "
                      "cmp - a"));
    assert_true(shell(fixture,
                      "openssl verify -x509_strict -CAfile ca.crt -purpose sslserver -verify_hostname "
                      "gw.local gateway.crt > /dev/null"));
    assert_true(shell(fixture, "openssl verify -CAfile ca.crt -verify_ip ::1 gateway.crt > /dev/null"));
    /* A stolen device's: everything of its name. */
    assert_int_equal(run(fixture, "revoke D gateway"), 0);
    assert_true(is_revoked(fixture, "gateway.crt.revoked"));
}

static void a_list_can_be_shorter(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(run(fixture, "init D"), 0);
    expect_listed(fixture, " crl ", "good");
    assert_int_equal(run(fixture, "renew D --days 5"), 0);
    expect_listed(fixture, " crl ", "renew it");
    assert_int_equal(run(fixture, "renew D"), 0);
    expect_listed(fixture, " crl ", "good");
}

/* A device's name stands in its Subject Alternative Name too. */
static void a_device_is_named_twice(void **state)
{
    struct fixture *fixture = *state;
    if (system("command -v openssl >/dev/null") != 0)
        skip();
    assert_int_equal(run(fixture, "init D"), 0);
    assert_int_equal(run(fixture, "issue D sensor-1"), 0);
    assert_int_equal(run(fixture, "renew D sensor-1"), 0);
    assert_true(
        shell(fixture, "openssl x509 -in sensor-1.crt -noout -ext subjectAltName | grep -q 'DNS:sensor-1$'"));
}

/* What was issued before there was an index can be renewed and revoked. */
static void an_authority_without_an_index_is_taken_up(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(run(fixture, "init D"), 0);
    assert_int_equal(run(fixture, "issue D one"), 0);
    assert_int_equal(run(fixture, "issue D two"), 0);
    assert_true(shell(fixture, "rm index.tsv ca.crl && cp one.crt old.crt"));
    assert_int_equal(run(fixture, "list D"), 2);
    assert_int_equal(run(fixture, "renew D one --revoke-old"), 0);
    assert_int_equal(run(fixture, "revoke D two"), 0);
    assert_true(is_revoked(fixture, "old.crt"));
    assert_false(is_revoked(fixture, "one.crt"));
    assert_true(is_revoked(fixture, "two.crt.revoked"));
}

/* Nobody who was revoked comes back because a file is missing or damaged. */
static void without_its_index_nothing_is_signed(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(run(fixture, "init D"), 0);
    assert_int_equal(run(fixture, "issue D one"), 0);
    assert_int_equal(run(fixture, "revoke D one"), 0);
    assert_true(shell(fixture, "cp index.tsv good && cp ca.crl list"));
    static const char *const damages[] = {
        "rm index.tsv",
        ": > index.tsv",
        "head -c -1 good > index.tsv",
        "head -n -1 good > index.tsv && printf 'x\\n' >> index.tsv",
        "sed 's/unspecified/nonsense/' good > index.tsv",
        "sed '/\tcrl\t/d' good > index.tsv",
        "sed '$s/\t/ /' good > index.tsv",
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        assert_true(shell(fixture, damages[i]));
        if (run(fixture, "issue D two") != 2 || run(fixture, "renew D") != 2 || run(fixture, "list D") != 2)
            fail_msg("%s", damages[i]);
        assert_true(shell(fixture, "cmp -s ca.crl list && test ! -e two.crt"));
    }
    assert_true(shell(fixture, "cp good index.tsv"));
    assert_int_equal(run(fixture, "renew D"), 0);
    assert_true(is_revoked(fixture, "one.crt.revoked"));
}

static void another_authoritys_certificate_is_not_taken_up(void **state)
{
    struct fixture *fixture = *state;
    char other[PATH_BYTES], text[PKI_TEXT_BYTES];
    snprintf(other, sizeof other, "%s/other", fixture->directory);
    assert_int_equal(run(fixture, "init D"), 0);
    assert_int_equal(pki_init(other, "Sluice CA", text), SLUICE_OK);
    assert_int_equal(pki_issue(&(struct pki_request){.directory = other, .name = "one"}, text), SLUICE_OK);
    assert_true(shell(fixture, "cp other/one.crt . && cp other/one.crt two.crt"));
    assert_int_equal(run(fixture, "revoke D one"), 2);
    assert_int_equal(run(fixture, "renew D one"), 2);
    assert_int_equal(run(fixture, "renew D two"), 2);
}

/* The directory is locked: what each process issues stands in the one index. */
static void processes_take_turns(void **state)
{
    struct fixture *fixture = *state;
    enum { PROCESSES = 5 };
    assert_int_equal(run(fixture, "init D"), 0);
    for (int i = 0; i < PROCESSES; i++) {
        char line[32];
        snprintf(line, sizeof line, "issue D sensor-%d", i);
        if (fork() == 0)
            _exit(run(fixture, line));
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        char name[32];
        snprintf(name, sizeof name, "sensor-%d", i);
        expect_listed(fixture, name, "good");
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
    assert_true(shell(fixture, "cat ca.crt ca.key sensor-1.* > before"));
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
        "revoke D",
        "revoke D x",
        "revoke D ca",
        "revoke D x --reason laziness",
        "revoke D x --reason",
        "renew D x",
        "renew D ca",
        "renew D x --days 0",
        "renew D x --days",
        "renew D x --server",
        "renew D --revoke-old",
        "renew D --days",
        "list D x",
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
        PKI_TEST(openssl_accepts_the_list),
        PKI_TEST(each_list_has_the_next_number),
        PKI_TEST(a_revoked_name_can_be_issued_again),
        PKI_TEST(a_renewed_certificate_has_the_same_key),
        PKI_TEST(a_list_can_be_shorter),
        PKI_TEST(a_device_is_named_twice),
        PKI_TEST(an_authority_without_an_index_is_taken_up),
        PKI_TEST(without_its_index_nothing_is_signed),
        PKI_TEST(another_authoritys_certificate_is_not_taken_up),
        PKI_TEST(processes_take_turns),
        PKI_TEST(keys_can_be_read_by_their_owner_only),
        PKI_TEST(certificates_are_valid_from_a_day_back),
        PKI_TEST(nothing_is_overwritten),
        PKI_TEST(what_cannot_be_done_is_said_with_status_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
