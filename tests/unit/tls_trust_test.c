/* Whose certificates are accepted: at a handshake, when a session is resumed, and after new files were
 * loaded. */
#include "tls_fixture.h"

#include "net/tls_trust.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name;
    mbedtls_ssl_protocol_version version;
    bool without_tickets;
} resumptions[] = {
    {"TLS 1.2, session identifier", MBEDTLS_SSL_VERSION_TLS1_2, true},
    {"TLS 1.2, ticket", MBEDTLS_SSL_VERSION_TLS1_2, false},
    {"TLS 1.3", MBEDTLS_SSL_VERSION_TLS1_3, false},
};

enum { RESUMPTIONS = sizeof resumptions / sizeof *resumptions };

/* Of the certificate NAME in the certificates_directory, NULL for none; `first` NULL: it resumes nothing. */
static struct tls_visit visit_of(const char *name, size_t resumption, struct tls_visit *first)
{
    static char certificate[CERTIFICATES_PATH_BYTES], key[CERTIFICATES_PATH_BYTES];
    char file[CERTIFICATES_PATH_BYTES];
    struct tls_visit visit = {.client.version = resumptions[resumption].version,
                              .client.without_tickets = resumptions[resumption].without_tickets,
                              .client.resume = first ? &first->session : NULL};
    if (!name)
        return visit;
    snprintf(file, sizeof file, "%s.crt", name);
    visit.client.certificate_path = certificates_path(file, certificate);
    snprintf(file, sizeof file, "%s.key", name);
    visit.client.key_path = certificates_path(file, key);
    return visit;
}

/* ---- CRLs are made with the openssl command ---- */

static bool has_openssl(void)
{
    return system("command -v openssl >/dev/null") == 0;
}

/* Makes NAME, of the CA in DIRECTORY below the certificates_directory. `dates` are options, "" for a day. */
static const char *make_crl(const char *directory, const char *name, const char *revoked, const char *dates)
{
    static char path[CERTIFICATES_PATH_BYTES];
    char command[1024];
    snprintf(command, sizeof command,
             "cd '%s/%s' && rm -f index && touch index && "
             "printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index\\ndefault_md=sha256\\n' >crl.cnf && "
             "%s%s%s openssl ca -config crl.cnf -gencrl %s -keyfile ca.key -cert ca.crt -out '%s/%s' "
             "2>/dev/null",
             certificates_directory, directory,
             revoked ? "openssl ca -config crl.cnf -keyfile ca.key -cert ca.crt -revoke " : "",
             revoked ? revoked : "", revoked ? ".crt 2>/dev/null &&" : "", *dates ? dates : "-crlhours 24",
             certificates_directory, name);
    assert_int_equal(system(command), 0);
    return certificates_path(name, path);
}

#define EXPIRED "-crl_lastupdate 20200101000000Z -crl_nextupdate 20210101000000Z"

/* ---- What new files change, as rows for all tests ---- */

struct change {
    const char *name;
    const char *revoked;     /* there is a CRL then */
    const char *crl_dates;   /* and then */
    const char *client_ca;   /* another file than ca.crt; "": none */
    const char *certificate; /* that the client gives; NULL: none */
    enum net_tls_identity identity;
    bool required;
    bool accepted; /* what was accepted before */
};

static const struct change changes[] = {
    {"nothing", NULL, NULL, NULL, "sensor-1", 0, true, true},
    {"nothing, without a certificate", NULL, NULL, NULL, NULL, 0, false, true},
    {"a first CRL", "other-attributes", "", NULL, "sensor-1", 0, true, true},
    {"the certificate is revoked", "sensor-1", "", NULL, "sensor-1", 0, true, false},
    {"revoked where none is required", "sensor-1", "", NULL, "sensor-1", 0, false, false},
    {"the CRL is out of date", "other-attributes", EXPIRED, NULL, "sensor-1", 0, true, false},
    {"another CA of the same name", NULL, NULL, "stranger/ca.crt", "sensor-1", 0, true, false},
    {"a certificate is required", NULL, NULL, NULL, NULL, 0, true, false},
    {"no CA any more", NULL, NULL, "", "sensor-1", 0, false, false},
    {"there is no name of that kind", NULL, NULL, NULL, "other-attributes", NET_TLS_SUBJECT_ALT_NAME, true,
     false},
};

enum { CHANGES = sizeof changes / sizeof *changes };

static void apply(struct tls_fixture *fixture, const struct change *change)
{
    static char ca[CERTIFICATES_PATH_BYTES];
    struct net_tls_config *config = &fixture->tls_config;
    config->crl = change->revoked ? make_crl(".", "changed.crl", change->revoked, change->crl_dates) : NULL;
    if (change->client_ca)
        config->client_ca = *change->client_ca ? certificates_path(change->client_ca, ca) : NULL;
    config->identity = change->identity;
    config->client_certificate_required = change->required;
    config->previous = fixture->tls;
    tls_replace(fixture);
    config->previous = NULL;
}

static void reset(struct tls_fixture *fixture)
{
    static char ca[CERTIFICATES_PATH_BYTES];
    fixture->tls_config.crl = NULL;
    fixture->tls_config.client_ca = certificates_path("ca.crt", ca);
    fixture->tls_config.identity = NET_TLS_COMMON_NAME;
    fixture->tls_config.client_certificate_required = false;
    fixture->refused = 0;
}

/* ---- Sessions ---- */

static void resumed_session_has_its_certificates_name(void **state)
{
    struct tls_fixture *fixture = *state;
    tls_start(fixture);
    for (size_t i = 0; i < RESUMPTIONS; i++) {
        struct tls_visit first = visit_of("sensor-1", i, NULL), second = visit_of("sensor-1", i, &first),
                         third = second;
        tls_visit(fixture, &first);
        struct net_peer peer = fixture->peer;
        fixture->peer = (struct net_peer){0};
        tls_visit(fixture, &second);
        if (!first.echoed || first.resumed || !second.resumed)
            fail_msg("%s", resumptions[i].name);
        assert_true(fixture->peer.certificate);
        assert_string_equal(fixture->peer.name, "sensor-1");
        assert_string_equal(fixture->peer.fingerprint, peer.fingerprint);
        tls_replace(fixture); /* by one that does not go on with the sessions */
        tls_visit(fixture, &third);
        assert_true(third.echoed && !third.resumed);
        mbedtls_ssl_session_free(&first.session);
        mbedtls_ssl_session_free(&second.session);
        mbedtls_ssl_session_free(&third.session);
    }
}

/* A session that is not accepted any more is not resumed; with what it has, the client may handshake. */
static void resumption_checks_the_certificate_again(void **state)
{
    struct tls_fixture *fixture = *state;
    if (!has_openssl())
        skip();
    for (size_t i = 0; i < RESUMPTIONS * CHANGES; i++) {
        const struct change *change = &changes[i % CHANGES];
        size_t resumption = i / CHANGES;
        reset(fixture);
        tls_start(fixture);
        struct tls_visit first = visit_of(change->certificate, resumption, NULL),
                         second = visit_of(change->certificate, resumption, &first);
        tls_visit(fixture, &first);
        apply(fixture, change);
        tls_visit(fixture, &second);
        bool asked = fixture->tls_config.client_ca != NULL;
        if (!first.echoed || second.resumed != change->accepted ||
            second.echoed != (change->accepted || !asked))
            fail_msg("%s, %s", change->name, resumptions[resumption].name);
        mbedtls_ssl_session_free(&first.session);
        mbedtls_ssl_session_free(&second.session);
    }
}

/* Whoever has seen a TLS 1.3 ticket pass by offers it in TLS 1.2, where its secret would be an empty field.
 */
static void session_of_one_version_is_none_of_the_other(void **state)
{
    struct tls_fixture *fixture = *state;
    tls_start(fixture);
    struct tls_visit first = visit_of("sensor-1", 2, NULL), second = visit_of("sensor-1", 1, &first);
    tls_visit(fixture, &first);
    assert_true(first.echoed);
    mbedtls_ssl_session *stolen = &first.session;
    stolen->MBEDTLS_PRIVATE(tls_version) = MBEDTLS_SSL_VERSION_TLS1_2;
    stolen->MBEDTLS_PRIVATE(ciphersuite) = MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    tls_visit(fixture, &second);
    assert_true(second.echoed);
    assert_false(second.resumed);
    mbedtls_ssl_session_free(&first.session);
    mbedtls_ssl_session_free(&second.session);
}

static void forgotten_sessions_get_a_full_handshake(void **state)
{
    static const struct {
        const char *name;
        uint32_t sessions_count, session_timeout_s;
    } rows[] = {{"none are kept", 0, 3600}, {"too old", 16, 0}};
    struct tls_fixture *fixture = *state;
    for (size_t i = 0; i < RESUMPTIONS * sizeof rows / sizeof *rows; i++) {
        struct tls_visit first = visit_of("sensor-1", i / 2, NULL),
                         second = visit_of("sensor-1", i / 2, &first);
        fixture->tls_config.sessions_count = rows[i % 2].sessions_count;
        fixture->tls_config.session_timeout_s = rows[i % 2].session_timeout_s;
        tls_start(fixture);
        tls_visit(fixture, &first);
        tls_visit(fixture, &second);
        if (!first.echoed || !second.echoed || second.resumed)
            fail_msg("%s, %s", rows[i % 2].name, resumptions[i / 2].name);
        mbedtls_ssl_session_free(&first.session);
        mbedtls_ssl_session_free(&second.session);
    }
}

static void more_sessions_than_there_is_room_for_do_no_harm(void **state)
{
    struct tls_fixture *fixture = *state;
    fixture->tls_config.sessions_count = 8;
    tls_start(fixture);
    for (int i = 0; i < 20; i++)
        assert_true(tls_visit_as(fixture, "sensor-1", resumptions[i % 3].version));
}

/* ---- Sessions in a file: a TLS without `previous` is what a gateway has after a restart ---- */

/* Two clients' sessions, the second of them in each way to resume. */
struct memory {
    struct tls_visit first, second[RESUMPTIONS];
};

static void fill(struct tls_fixture *fixture, struct memory *memory)
{
    static char file[CERTIFICATES_PATH_BYTES];
    fixture->sessions_file = certificates_path("sessions", file);
    unlink(file);
    tls_start(fixture);
    memory->first = visit_of("sensor-1", 0, NULL);
    tls_visit(fixture, &memory->first);
    for (size_t i = 0; i < RESUMPTIONS; i++) {
        memory->second[i] = visit_of("sensor-1", i, NULL);
        tls_visit(fixture, &memory->second[i]);
        assert_true(memory->second[i].echoed);
    }
}

static bool resumes(struct tls_fixture *fixture, struct tls_visit *earlier, size_t resumption)
{
    struct tls_visit visit = visit_of("sensor-1", resumption, earlier);
    tls_visit(fixture, &visit);
    mbedtls_ssl_session_free(&visit.session);
    assert_true(visit.echoed); /* what does not resume handshakes in full */
    assert_string_equal(fixture->peer.name, "sensor-1");
    return visit.resumed;
}

static void forget(struct memory *memory)
{
    mbedtls_ssl_session_free(&memory->first.session);
    for (size_t i = 0; i < RESUMPTIONS; i++)
        mbedtls_ssl_session_free(&memory->second[i].session);
}

static off_t file_bytes(const struct tls_fixture *fixture)
{
    struct stat status;
    assert_int_equal(stat(fixture->sessions_file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    return status.st_size;
}

static void sessions_survive_a_restart(void **state)
{
    struct tls_fixture *fixture = *state;
    struct memory memory;
    fill(fixture, &memory);
    for (int restart = 0; restart < 2; restart++) {
        tls_replace(fixture);
        for (size_t i = 0; i < RESUMPTIONS; i++) {
            if (!resumes(fixture, &memory.second[i], i))
                fail_msg("restart %d: %s", restart, resumptions[i].name);
        }
    }
    forget(&memory);
}

/* The last one was being written when the process was killed. */
static void torn_file_loses_its_end_only(void **state)
{
    struct tls_fixture *fixture = *state;
    struct memory memory;
    fill(fixture, &memory);
    assert_int_equal(truncate(fixture->sessions_file, file_bytes(fixture) - 1), 0);
    tls_replace(fixture);
    assert_true(resumes(fixture, &memory.first, 0));
    assert_true(resumes(fixture, &memory.second[0], 0));
    assert_false(resumes(fixture, &memory.second[2], 2));
    forget(&memory);
}

static void changed_or_foreign_file_gives_nothing(void **state)
{
    static char key[CERTIFICATES_PATH_BYTES], certificate[CERTIFICATES_PATH_BYTES];
    struct tls_fixture *fixture = *state;
    struct memory memory;
    fill(fixture, &memory);
    int fd = open(fixture->sessions_file, O_RDWR | O_CLOEXEC);
    uint8_t byte = 0;
    off_t at = file_bytes(fixture) / 8; /* in the first record */
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    tls_replace(fixture);
    assert_false(resumes(fixture, &memory.first, 0));
    forget(&memory);
    fill(fixture, &memory); /* and with another private key */
    fixture->tls_config.certificate = certificates_path("alternative.crt", certificate);
    fixture->tls_config.key = certificates_path("alternative.key", key);
    tls_replace(fixture);
    assert_int_equal(file_bytes(fixture), 0);
    forget(&memory);
}

static void file_stays_small_and_follows_the_key(void **state)
{
    static char key[CERTIFICATES_PATH_BYTES], certificate[CERTIFICATES_PATH_BYTES];
    struct tls_fixture *fixture = *state;
    struct memory memory;
    fixture->tls_config.sessions_count = 8;
    fill(fixture, &memory);
    off_t largest = 0;
    for (int i = 0; i < 40; i++) {
        assert_true(tls_visit_as(fixture, "sensor-1", MBEDTLS_SSL_VERSION_TLS1_3));
        largest = file_bytes(fixture) > largest ? file_bytes(fixture) : largest;
    }
    assert_true(largest < 17 * 400);
    fixture->tls_config.certificate = certificates_path("alternative.crt", certificate);
    fixture->tls_config.key = certificates_path("alternative.key", key);
    fixture->tls_config.previous = fixture->tls;
    tls_replace(fixture); /* a reload with a new key */
    fixture->tls_config.previous = NULL;
    off_t with_new_key = file_bytes(fixture);
    assert_true(with_new_key > 0);
    tls_replace(fixture); /* a restart with it */
    assert_int_equal(file_bytes(fixture), with_new_key);
    forget(&memory);
}

static void file_that_cannot_be_written_is_done_without(void **state)
{
    struct tls_fixture *fixture = *state;
    struct tls_visit first = visit_of("sensor-1", 2, NULL);
    fixture->sessions_file = "/proc/no/sessions";
    tls_start(fixture);
    tls_visit(fixture, &first);
    assert_true(resumes(fixture, &first, 2));
    mbedtls_ssl_session_free(&first.session);
}

/* ---- Connections that are open ---- */

static void connections_that_new_files_do_not_accept_are_ended(void **state)
{
    struct tls_fixture *fixture = *state;
    if (!has_openssl())
        skip();
    for (size_t i = 0; i < RESUMPTIONS * CHANGES; i++) {
        const struct change *change = &changes[i % CHANGES];
        reset(fixture);
        tls_start(fixture);
        const struct net_counters *counters = net_listener_counters(fixture->listener);
        size_t closed = fixture->closed;
        struct tls_visit guest = visit_of(change->certificate, i / CHANGES, NULL);
        guest.stays = true;
        tls_visit_begin(fixture, &guest);
        TURN_UNTIL(fixture, counters->bytes_sent == guest.echo_bytes);
        apply(fixture, change);
        if (change->accepted)
            net_close(fixture->connection);
        tls_visit_end(fixture, &guest);
        if (fixture->refused != !change->accepted || !guest.echoed || guest.end != 0 ||
            strcmp(guest.answer, change->accepted ? "" : "refused") != 0 || fixture->closed != closed + 1)
            fail_msg("%s: %zu, \"%s\", %d", change->name, fixture->refused, guest.answer, guest.end);
        assert_int_equal(fixture->why, SLUICE_OK);
        mbedtls_ssl_session_free(&guest.session);
    }
}

/* Again with more time, until the client has got in before it is over: machines are slow sometimes. */
static void who_runs_out_while_connected_is_ended(void **state)
{
    struct tls_fixture *fixture = *state;
    struct tls_visit guest = {0};
    if (!has_openssl())
        skip();
    for (unsigned seconds = 1; !guest.echoed; seconds *= 2) {
        char dates[32];
        reset(fixture);
        snprintf(dates, sizeof dates, "-crlsec %u", seconds);
        fixture->tls_config.crl = make_crl(".", "short.crl", NULL, dates);
        tls_start(fixture);
        guest = visit_of("sensor-1", 2, NULL);
        guest.stays = true;
        tls_visit_begin(fixture, &guest);
        while (!fixture->client_gone) {
            net_listener_check(fixture->listener);
            uv_run(&fixture->loop, UV_RUN_NOWAIT);
        }
        tls_visit_end(fixture, &guest);
        mbedtls_ssl_session_free(&guest.session);
    }
    assert_int_equal(fixture->refused, 1);
    assert_string_equal(guest.answer, "refused");
    assert_int_equal(fixture->why, SLUICE_OK);
}

/* The new files are there when its handshake began with the old ones. */
static void handshake_under_way_ends_with_the_new_files(void **state)
{
    struct tls_fixture *fixture = *state;
    if (!has_openssl())
        skip();
    reset(fixture);
    tls_start(fixture);
    const struct net_counters *counters = net_listener_counters(fixture->listener);
    struct tls_visit guest = visit_of("sensor-1", 2, NULL);
    tls_visit_begin(fixture, &guest);
    TURN_UNTIL(fixture, counters->handshakes == 1);
    apply(fixture, &changes[3]);
    tls_visit_end(fixture, &guest);
    assert_int_equal(fixture->opened, 0);
    assert_false(guest.echoed);
    assert_int_equal(counters->handshakes_failed, 1);
    mbedtls_ssl_session_free(&guest.session);
}

/* ---- CRLs ---- */

static void revoked_certificate_is_refused_also_where_none_is_required(void **state)
{
    struct tls_fixture *fixture = *state;
    if (!has_openssl())
        skip();
    for (int required = 0; required < 2; required++) {
        fixture->tls_config.client_certificate_required = required;
        fixture->tls_config.crl = make_crl(".", "ca.crl", "sensor-1", "");
        tls_start(fixture);
        assert_false(tls_visit_as(fixture, "sensor-1", MBEDTLS_SSL_VERSION_TLS1_2));
        assert_false(tls_visit_as(fixture, "sensor-1", MBEDTLS_SSL_VERSION_TLS1_3));
        assert_true(tls_visit_as(fixture, "other-attributes", 0));
        fixture->tls_config.crl = make_crl(".", "ca.crl", "sensor-1", EXPIRED);
        tls_start(fixture);
        assert_false(tls_visit_as(fixture, "other-attributes", 0));
    }
}

static void crl_that_its_ca_has_not_signed_is_refused(void **state)
{
    struct tls_fixture *fixture = *state;
    char text[NET_TEXT_BYTES] = "";
    struct net_tls *tls = NULL;
    if (!has_openssl())
        skip();
    fixture->tls_config.crl = make_crl("stranger", "stranger.crl", NULL, ""); /* a CA of the same name */
    assert_int_equal(net_tls_new(&fixture->tls_config, &tls, text), SLUICE_INVALID);
    assert_non_null(strstr(text, "stranger.crl holds a CRL that is not signed by its CA"));
}

/* ---- Dates ---- */

static void each_date_has_its_say(void **state)
{
    static const struct {
        const char *name;
        tls_date now;
        uint32_t objections;
    } rows[] = {
        {"before the CA", 20241231235959, MBEDTLS_X509_BADCERT_NOT_TRUSTED},
        {"before the certificate", 20250201000000, MBEDTLS_X509_BADCERT_FUTURE},
        {"before the CRL", 20250301000000, MBEDTLS_X509_BADCRL_FUTURE},
        {"the CRL's first second", 20250401000000, 0},
        {"the CRL's last second", 20260501000000, 0},
        {"after the CRL", 20260501000001, MBEDTLS_X509_BADCRL_EXPIRED},
        {"after the certificate", 20260701000000, MBEDTLS_X509_BADCERT_EXPIRED},
        {"after the CA", 20300101000001, MBEDTLS_X509_BADCERT_NOT_TRUSTED},
    };
    struct tls_authority authority = {.id = "ca",
                                      .valid_from = 20250101000000,
                                      .valid_to = 20300101000000,
                                      .crl_from = 20250401000000,
                                      .crl_to = 20260501000000,
                                      .has_crl = true};
    const struct tls_trust trust = {.authorities = &authority, .authorities_count = 1, .has_crl = true};
    const struct tls_credential credential = {
        .ca = "ca", .valid_from = 20250301000000, .valid_to = 20260601000000, .given = true, .from_ca = true};
    struct tls_credential indirect = credential;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t objections = tls_trust_objections(&trust, &credential, rows[i].now);
        if (objections != rows[i].objections)
            fail_msg("%s: %x", rows[i].name, objections);
    }
    indirect.from_ca = false; /* what a CA below it has revoked is not known */
    assert_int_equal(tls_trust_objections(&trust, &indirect, 20250401000000),
                     MBEDTLS_X509_BADCRL_NOT_TRUSTED);
    assert_true(tls_date_now() > 20260101000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(resumed_session_has_its_certificates_name),
        TLS_TEST(resumption_checks_the_certificate_again),
        TLS_TEST(session_of_one_version_is_none_of_the_other),
        TLS_TEST(forgotten_sessions_get_a_full_handshake),
        TLS_TEST(more_sessions_than_there_is_room_for_do_no_harm),
        TLS_TEST(sessions_survive_a_restart),
        TLS_TEST(torn_file_loses_its_end_only),
        TLS_TEST(changed_or_foreign_file_gives_nothing),
        TLS_TEST(file_stays_small_and_follows_the_key),
        TLS_TEST(file_that_cannot_be_written_is_done_without),
        TLS_TEST(connections_that_new_files_do_not_accept_are_ended),
        TLS_TEST(who_runs_out_while_connected_is_ended),
        TLS_TEST(handshake_under_way_ends_with_the_new_files),
        TLS_TEST(revoked_certificate_is_refused_also_where_none_is_required),
        TLS_TEST(crl_that_its_ca_has_not_signed_is_refused),
        cmocka_unit_test(each_date_has_its_say),
    };
    return cmocka_run_group_tests(tests, certificates_make, certificates_remove);
}
