#include "app/pki.h"

#include "app/file.h"
#include "app/pki_certificate.h"
#include "app/pki_crl.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mbedtls/platform_util.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    CRL_DAYS = 3650, /* as long as a device's certificate: the file is the gateway's own, not fetched */
    SOON_DAYS = 30,
    DATE_BYTES = sizeof "YYYY-MM-DD",
    STATE_BYTES = 64,
};

const char *const pki_reasons[PKI_REASON_COUNT] = {"unspecified", "keyCompromise", "superseded",
                                                   "cessationOfOperation"};
const unsigned char pki_reason_codes[PKI_REASON_COUNT] = {0, 1, 4, 5};

static enum sluice_error fail(enum sluice_error error, char *ret_text, const char *subject, const char *what)
{
    snprintf(ret_text, PKI_TEXT_BYTES, "%.380s %.120s", subject, what);
    return error;
}

/* ---- Names and files ---- */

static bool is_name(const char *name, const char *others)
{
    size_t len = strlen(name);
    if (len == 0 || len >= PKI_NAME_BYTES || !isalnum((unsigned char)name[0]))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isascii((unsigned char)name[i]) ||
            (!isalnum((unsigned char)name[i]) && !strchr(others, name[i])))
            return false;
    }
    return true;
}

static enum sluice_error check_name(const char *name, char *ret_text)
{
    if (is_name(name, "._-") && strcmp(name, "ca") != 0)
        return SLUICE_OK;
    return fail(SLUICE_INVALID, ret_text, name,
                "is no name for a certificate: 1 to 64 letters, digits, `.`, `_` and `-`, and not \"ca\"");
}

struct path {
    char text[PATH_MAX];
};

/* Directories whose paths would not fit are refused before the first of these. */
static struct path path_of(const char *directory, const char *name, const char *suffix)
{
    struct path path;
    snprintf(path.text, sizeof path.text, "%s/%s%s", directory, name, suffix);
    return path;
}

static enum sluice_error check_directory(const char *directory, char *ret_text)
{
    if (strlen(directory) + PKI_NAME_BYTES + sizeof ".crt.revoked.XXXXXX" < PATH_MAX)
        return SLUICE_OK;
    return fail(SLUICE_INVALID, ret_text, "the directory's name", "is too long");
}

static enum sluice_error make_file(struct path path, mode_t mode, const char *text, char *ret_text)
{
    enum sluice_error error = file_make(path.text, mode, span_from_string(text));
    if (error == SLUICE_EXISTS)
        return fail(error, ret_text, path.text, "exists already and is not overwritten");
    return error ? fail(error, ret_text, path.text, strerror(errno)) : SLUICE_OK;
}

/* The key first: a certificate without its key would be of no use, and the key is what must never be
 * overwritten. */
static enum sluice_error make_pair(struct pki_maker *maker, const char *directory, const char *name,
                                   const char *certificate, char *ret_text)
{
    char key[PKI_PEM_BYTES];
    struct path key_path = path_of(directory, name, ".key");
    if (mbedtls_pk_write_key_pem(&maker->key, (unsigned char *)key, sizeof key))
        return fail(SLUICE_IO, ret_text, name, "cannot be certified: mbedTLS could not write its key");
    enum sluice_error error = make_file(key_path, 0600, key, ret_text);
    mbedtls_platform_zeroize(key, sizeof key);
    if (error)
        return error;
    error = make_file(path_of(directory, name, ".crt"), 0644, certificate, ret_text);
    if (error)
        unlink(key_path.text);
    return error;
}

/* ---- The authority: its CA and its index, while the directory is locked ---- */

struct authority {
    const char *directory;
    int lock;
    struct pki_maker maker;
    struct pki_index index;
};

static enum sluice_error lock_directory(struct authority *authority, char *ret_text)
{
    authority->lock = open(authority->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (authority->lock < 0 || flock(authority->lock, LOCK_EX) != 0)
        return fail(errno == ENOENT ? SLUICE_NOT_FOUND : SLUICE_IO, ret_text, authority->directory,
                    strerror(errno));
    return SLUICE_OK;
}

/* An authority from before there was an index: what it has issued is taken up when it is revoked or renewed.
 */
static void begin_index(struct authority *authority)
{
    struct pki_entry ca, crl = {.serial_len = 1, .name = "ca", .kind = PKI_CRL};
    if (pki_entry_of(&authority->maker.ca, &ca) == SLUICE_OK) {
        ca.kind = PKI_CA;
        snprintf(ca.name, sizeof ca.name, "ca");
        pki_index_add(&authority->index, &ca);
    }
    pki_index_add(&authority->index, &crl);
}

/* Without its index, everybody who was revoked would be good again with the next list. */
static enum sluice_error read_index(const char *directory, struct pki_index *ret_index, char *ret_text)
{
    struct path path = path_of(directory, "index", ".tsv");
    enum sluice_error error = pki_index_read(path.text, ret_index, ret_text);
    if (error == SLUICE_NOT_FOUND && access(path_of(directory, "ca", ".crl").text, F_OK) == 0)
        return fail(SLUICE_INVALID, ret_text, path.text,
                    "is missing, which says who is revoked; put back a copy of the file");
    if (!error && !pki_index_find_kind(ret_index, PKI_CRL))
        return fail(SLUICE_INVALID, ret_text, path.text,
                    "lacks the line of the CRL; put back a copy of the file");
    return error;
}

static enum sluice_error load_ca(struct authority *authority, char *ret_text)
{
    struct path certificate = path_of(authority->directory, "ca", ".crt");
    struct path key = path_of(authority->directory, "ca", ".key");
    if (access(certificate.text, F_OK) || access(key.text, F_OK))
        return fail(SLUICE_NOT_FOUND, ret_text, authority->directory,
                    "holds no certificate authority; make one with `sluice pki init`");
    return pki_maker_load_ca(&authority->maker, certificate.text, key.text, ret_text);
}

static void authority_close(struct authority *authority)
{
    pki_index_fini(&authority->index);
    pki_maker_fini(&authority->maker);
    if (authority->lock >= 0)
        close(authority->lock);
}

/* Close it also after a failure. */
static enum sluice_error authority_open(struct authority *authority, const char *directory, char *ret_text)
{
    *authority = (struct authority){.directory = directory, .lock = -1};
    enum sluice_error error = pki_maker_init(&authority->maker, ret_text);
    if (!error)
        error = check_directory(directory, ret_text);
    if (!error)
        error = lock_directory(authority, ret_text);
    if (!error)
        error = load_ca(authority, ret_text);
    if (error)
        return error;
    error = read_index(directory, &authority->index, ret_text);
    if (error != SLUICE_NOT_FOUND)
        return error;
    begin_index(authority);
    return SLUICE_OK;
}

/* Counts a non-negative DER integer up. */
static void count_up(struct pki_entry *number)
{
    for (size_t i = number->serial_len; i-- > 0;) {
        if (++number->serial[i] != 0 && (i > 0 || number->serial[0] < 0x80))
            return;
    }
    memmove(number->serial + 1, number->serial, number->serial_len++);
    number->serial[0] = 0; /* 7f and one is 00 80, which stays positive */
}

static enum sluice_error write_crl(struct authority *authority, char *ret_text)
{
    struct path path = path_of(authority->directory, "ca", ".crl");
    struct pki_signer signer = {&authority->maker.ca, &authority->maker.ca_key, &authority->maker.random};
    struct buffer pem = {0};
    if (pki_crl_write(&authority->index, &signer, &pem))
        return fail(SLUICE_IO, ret_text, path.text, "cannot be signed: mbedTLS refused the CA's key");
    enum sluice_error error =
        file_replace(path.text, 0644, span_of(pem.data + pem.start, buffer_len(&pem) - 1));
    if (error)
        fail(error, ret_text, path.text, strerror(errno));
    buffer_fini(&pem);
    return error;
}

static enum sluice_error save_for(struct authority *authority, unsigned crl_days, char *ret_text)
{
    struct pki_entry *crl = pki_index_find_kind(&authority->index, PKI_CRL);
    count_up(crl);
    crl->from_s = time(NULL) - PKI_DAY_SECONDS;
    crl->until_s = time(NULL) + (int64_t)crl_days * PKI_DAY_SECONDS;
    enum sluice_error error =
        pki_index_write(path_of(authority->directory, "index", ".tsv").text, &authority->index, ret_text);
    return error ? error : write_crl(authority, ret_text);
}

static enum sluice_error authority_save(struct authority *authority, char *ret_text)
{
    return save_for(authority, CRL_DAYS, ret_text);
}

/* NAME.crt, if this authority has signed it. The index gets it if it lacks it. */
static enum sluice_error load_certificate(struct authority *authority, const char *name,
                                          mbedtls_x509_crt *ret_certificate, struct pki_entry *ret_entry,
                                          char *ret_text)
{
    struct path path = path_of(authority->directory, name, ".crt");
    uint32_t flags = 0;
    if (access(path.text, F_OK) != 0)
        return fail(SLUICE_NOT_FOUND, ret_text, path.text, "does not exist");
    if (mbedtls_x509_crt_parse_file(ret_certificate, path.text) || pki_entry_of(ret_certificate, ret_entry) ||
        strcmp(ret_entry->name, name) != 0)
        return fail(SLUICE_INVALID, ret_text, path.text, "holds no certificate of that name");
    mbedtls_x509_crt_verify(ret_certificate, &authority->maker.ca, NULL, NULL, &flags, NULL, NULL);
    if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
        return fail(SLUICE_INVALID, ret_text, path.text, "was not issued by this authority");
    const struct pki_entry *known =
        pki_index_find(&authority->index, ret_entry->serial, ret_entry->serial_len);
    if (known)
        *ret_entry = *known;
    else
        pki_index_add(&authority->index, ret_entry);
    return SLUICE_OK;
}

/* ---- The tasks ---- */

static enum sluice_error make_ca(const char *directory, const char *name, char *ret_text)
{
    struct pki_maker maker;
    struct pki_wish wish = {.name = name, .kind = PKI_CA};
    struct pki_entry entry;
    char certificate[PKI_PEM_BYTES];
    enum sluice_error error = pki_maker_init(&maker, ret_text);
    if (!error)
        error = pki_make(&maker, &wish, certificate, &entry, ret_text);
    if (!error && mkdir(directory, 0755) && errno != EEXIST)
        error = fail(SLUICE_IO, ret_text, directory, strerror(errno));
    if (!error)
        error = make_pair(&maker, directory, "ca", certificate, ret_text);
    pki_maker_fini(&maker);
    return error;
}

enum sluice_error pki_init(const char *directory, const char *name, char *ret_text)
{
    if (!is_name(name, " ._-"))
        return fail(SLUICE_INVALID, ret_text, name,
                    "is no name for a CA: 1 to 64 letters, digits, spaces, `.`, `_` and `-`");
    enum sluice_error error = check_directory(directory, ret_text);
    if (!error)
        error = make_ca(directory, name, ret_text);
    return error ? error : pki_renew_crl(directory, 0, ret_text);
}

enum sluice_error pki_renew_crl(const char *directory, unsigned days, char *ret_text)
{
    struct authority authority;
    enum sluice_error error = authority_open(&authority, directory, ret_text);
    if (!error)
        error = save_for(&authority, days ? days : CRL_DAYS, ret_text);
    authority_close(&authority);
    return error;
}

static enum sluice_error issue_with(struct authority *authority, const struct pki_request *request,
                                    char *ret_text)
{
    struct pki_wish wish = {.name = request->name,
                            .kind = request->server ? PKI_SERVER : PKI_DEVICE,
                            .days = request->days,
                            .hosts = request->hosts,
                            .hosts_count = request->server ? request->hosts_count : 0};
    struct pki_entry entry;
    char certificate[PKI_PEM_BYTES];
    enum sluice_error error = pki_make(&authority->maker, &wish, certificate, &entry, ret_text);
    if (!error)
        error = make_pair(&authority->maker, request->directory, request->name, certificate, ret_text);
    if (error)
        return error;
    pki_index_add(&authority->index, &entry);
    return authority_save(authority, ret_text);
}

enum sluice_error pki_issue(const struct pki_request *request, char *ret_text)
{
    enum sluice_error error = check_name(request->name, ret_text);
    for (size_t i = 0; i < request->hosts_count && !error; i++) {
        if (!pki_host_valid(request->hosts[i]))
            error = fail(SLUICE_INVALID, ret_text, request->hosts[i],
                         "is neither a host's name nor an IP address");
    }
    if (error)
        return error;
    struct authority authority;
    error = authority_open(&authority, request->directory, ret_text);
    if (!error)
        error = issue_with(&authority, request, ret_text);
    authority_close(&authority);
    return error;
}

/* Those of the name that are not revoked, but for one that is kept. Returns how many there were. */
static size_t mark_revoked(struct pki_index *index, const char *name, enum pki_reason reason,
                           const struct pki_entry *kept)
{
    size_t count = 0;
    for (size_t i = 0; i < index->count; i++) {
        struct pki_entry *entry = &index->entries[i];
        bool is_issued = entry->kind == PKI_DEVICE || entry->kind == PKI_SERVER;
        if (!is_issued || entry == kept || entry->revoked_s || strcmp(entry->name, name) != 0)
            continue;
        entry->revoked_s = time(NULL);
        entry->reason = reason;
        count++;
    }
    return count;
}

static enum sluice_error set_aside(struct path path, struct path aside, char *ret_text)
{
    if (rename(path.text, aside.text) == 0 || errno == ENOENT)
        return SLUICE_OK;
    return fail(SLUICE_IO, ret_text, path.text, strerror(errno));
}

static enum sluice_error revoke_with(struct authority *authority, const char *name, enum pki_reason reason,
                                     char *ret_text)
{
    mbedtls_x509_crt certificate;
    struct pki_entry entry;
    mbedtls_x509_crt_init(&certificate);
    enum sluice_error loaded = load_certificate(authority, name, &certificate, &entry, ret_text);
    mbedtls_x509_crt_free(&certificate);
    size_t count = mark_revoked(&authority->index, name, reason, NULL);
    if (loaded == SLUICE_NOT_FOUND && count == 0)
        return fail(loaded, ret_text, name, "has no certificate here that is not revoked already");
    if (loaded && loaded != SLUICE_NOT_FOUND) /* its files may be on the device only */
        return loaded;
    enum sluice_error error = authority_save(authority, ret_text);
    const char *directory = authority->directory;
    if (!error)
        error =
            set_aside(path_of(directory, name, ".crt"), path_of(directory, name, ".crt.revoked"), ret_text);
    return error ? error
                 : set_aside(path_of(directory, name, ".key"), path_of(directory, name, ".key.revoked"),
                             ret_text);
}

enum sluice_error pki_revoke(const char *directory, const char *name, enum pki_reason reason, char *ret_text)
{
    enum sluice_error error = check_name(name, ret_text);
    if (error)
        return error;
    struct authority authority;
    error = authority_open(&authority, directory, ret_text);
    if (!error)
        error = revoke_with(&authority, name, reason, ret_text);
    authority_close(&authority);
    return error;
}

static enum sluice_error renew_with(struct authority *authority, struct pki_wish *wish, bool revoke_old,
                                    char *ret_text)
{
    struct pki_entry entry;
    struct path path = path_of(authority->directory, wish->name, ".crt");
    char certificate[PKI_PEM_BYTES];
    enum sluice_error error = load_certificate(authority, wish->name, wish->renewed, &entry, ret_text);
    if (!error && entry.revoked_s)
        error =
            fail(SLUICE_INVALID, ret_text, path.text, "is revoked; issue a new one with `sluice pki issue`");
    if (error)
        return error;
    wish->kind = entry.kind;
    error = pki_make(&authority->maker, wish, certificate, &entry, ret_text);
    if (!error && file_replace(path.text, 0644, span_from_string(certificate)))
        error = fail(SLUICE_IO, ret_text, path.text, strerror(errno));
    if (error)
        return error;
    pki_index_add(&authority->index, &entry);
    if (revoke_old)
        mark_revoked(&authority->index, wish->name, PKI_SUPERSEDED,
                     &authority->index.entries[authority->index.count - 1]);
    return authority_save(authority, ret_text);
}

enum sluice_error pki_renew(const char *directory, const char *name, unsigned days, bool revoke_old,
                            char *ret_text)
{
    enum sluice_error error = check_name(name, ret_text);
    if (error)
        return error;
    struct authority authority;
    mbedtls_x509_crt renewed;
    struct pki_wish wish = {.name = name, .days = days, .renewed = &renewed};
    mbedtls_x509_crt_init(&renewed);
    error = authority_open(&authority, directory, ret_text);
    if (!error)
        error = renew_with(&authority, &wish, revoke_old, ret_text);
    authority_close(&authority);
    mbedtls_x509_crt_free(&renewed);
    return error;
}

/* ---- Listing ---- */

static const char *date_text(int64_t seconds, char *text)
{
    struct tm parts;
    strftime(text, DATE_BYTES, "%Y-%m-%d", gmtime_r(&(time_t){seconds}, &parts));
    return text;
}

static const char *state_text(const struct pki_entry *entry, int64_t now_s, char *text)
{
    char date[DATE_BYTES];
    int64_t days = (entry->until_s - now_s) / PKI_DAY_SECONDS;
    if (entry->revoked_s)
        snprintf(text, STATE_BYTES, "revoked %s %s", date_text(entry->revoked_s, date),
                 pki_reasons[entry->reason]);
    else if (entry->until_s <= now_s)
        snprintf(text, STATE_BYTES, "expired");
    else if (days < SOON_DAYS)
        snprintf(text, STATE_BYTES, "expires in %d days: renew it", (int)days);
    else
        snprintf(text, STATE_BYTES, "good");
    return text;
}

enum sluice_error pki_list(const char *directory, FILE *out, char *ret_text)
{
    struct pki_index index = {0};
    enum sluice_error error = check_directory(directory, ret_text);
    if (!error)
        error = read_index(directory, &index, ret_text);
    if (error == SLUICE_NOT_FOUND)
        fail(error, ret_text, directory,
             "has no index.tsv; `sluice pki init` or, for an older authority, `sluice pki renew` makes one");
    for (size_t i = 0; i < index.count && !error; i++) {
        const struct pki_entry *entry = &index.entries[i];
        char serial[2 * PKI_SERIAL_BYTES + 1], until[DATE_BYTES], state[STATE_BYTES];
        pki_serial_text(entry, serial);
        fprintf(out, "%-24s %-6s %-32s until %s  %s\n", entry->name, pki_kind_text(entry->kind), serial,
                date_text(entry->until_s, until), state_text(entry, time(NULL), state));
    }
    pki_index_fini(&index);
    return error;
}
