#define MBEDTLS_ALLOW_PRIVATE_ACCESS /* a CRL's signature */
#include "net/tls_trust.h"

#include "base/memory.h"

#include <mbedtls/md.h>
#include <mbedtls/sha256.h>
#include <stdlib.h>
#include <time.h>

enum { SHA256_BYTES = 32 };

/* ---- Dates and identifiers ---- */

static tls_date date_of(const mbedtls_x509_time *time)
{
    int parts[] = {time->year, time->mon, time->day, time->hour, time->min, time->sec};
    tls_date date = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        date = date * 100 + (unsigned)parts[i];
    return date;
}

tls_date tls_date_now(void)
{
    struct tm tm;
    time_t now = time(NULL);
    if (!gmtime_r(&now, &tm))
        return UINT64_MAX; /* nothing is valid then */
    const mbedtls_x509_time parts = {tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                                     tm.tm_hour,        tm.tm_min,     tm.tm_sec};
    return date_of(&parts);
}

/* Of two texts one after the other, the first of which is always of one length or says it itself. */
static void identify(struct span first, const mbedtls_x509_buf *second, uint8_t *ret_id)
{
    uint8_t digest[SHA256_BYTES];
    mbedtls_sha256_context sha256;
    mbedtls_sha256_init(&sha256);
    mbedtls_sha256_starts(&sha256, 0);
    mbedtls_sha256_update(&sha256, first.data, first.len);
    mbedtls_sha256_update(&sha256, second->p, second->len);
    mbedtls_sha256_finish(&sha256, digest);
    mbedtls_sha256_free(&sha256);
    memcpy(ret_id, digest, TLS_ID_BYTES);
}

static void identify_ca(const mbedtls_x509_crt *ca, uint8_t *ret_id)
{
    identify(span_of(ca->subject_raw.p, ca->subject_raw.len), &ca->pk_raw, ret_id);
}

static void narrow(tls_date *from, tls_date *to, const mbedtls_x509_time *new_from,
                   const mbedtls_x509_time *new_to)
{
    tls_date later = date_of(new_from), earlier = date_of(new_to);
    *from = later > *from ? later : *from;
    *to = earlier < *to ? earlier : *to;
}

/* ---- Loading ---- */

static bool is_of(const mbedtls_x509_crl *crl, const mbedtls_x509_crt *ca)
{
    return span_equal(span_of(crl->issuer_raw.p, crl->issuer_raw.len),
                      span_of(ca->subject_raw.p, ca->subject_raw.len));
}

static bool is_signed_by(const mbedtls_x509_crl *crl, mbedtls_x509_crt *ca)
{
    uint8_t digest[MBEDTLS_MD_MAX_SIZE];
    const mbedtls_md_info_t *md = mbedtls_md_info_from_type(crl->sig_md);
    bool is_strong = mbedtls_x509_crt_profile_default.allowed_mds & MBEDTLS_X509_ID_FLAG(crl->sig_md);
    return md && is_strong && mbedtls_x509_crt_check_key_usage(ca, MBEDTLS_X509_KU_CRL_SIGN) == 0 &&
           mbedtls_md(md, crl->tbs.p, crl->tbs.len, digest) == 0 &&
           mbedtls_pk_verify_ext(crl->sig_pk, crl->sig_opts, &ca->pk, crl->sig_md, digest,
                                 mbedtls_md_get_size(md), crl->sig.p, crl->sig.len) == 0;
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, TLS_ID_BYTES);
}

static void add_revoked(struct tls_trust *trust, const struct tls_authority *authority,
                        const mbedtls_x509_crl *crl)
{
    size_t count = trust->revoked_count;
    for (const mbedtls_x509_crl_entry *entry = &crl->entry; entry; entry = entry->next)
        count++;
    trust->revoked = memory_resize(trust->revoked, count * sizeof *trust->revoked);
    for (const mbedtls_x509_crl_entry *entry = &crl->entry; entry; entry = entry->next) {
        if (entry->serial.len > 0) /* an empty CRL's first entry has none */
            identify(span_of(authority->id, TLS_ID_BYTES), &entry->serial,
                     trust->revoked[trust->revoked_count++]);
    }
}

/* Two CAs may have one name: a CRL is of the one that has signed it. */
static enum sluice_error load_crl(struct tls_trust *trust, mbedtls_x509_crt *cas, const mbedtls_x509_crl *crl,
                                  const char **ret_what)
{
    bool named = false, found = false;
    struct tls_authority *authority = trust->authorities;
    for (mbedtls_x509_crt *ca = cas; ca; ca = ca->next, authority++) {
        if (!is_of(crl, ca))
            continue;
        named = true;
        if (!is_signed_by(crl, ca))
            continue;
        found = true;
        authority->has_crl = true;
        narrow(&authority->crl_from, &authority->crl_to, &crl->this_update, &crl->next_update);
        add_revoked(trust, authority, crl);
    }
    if (found || !named)
        return SLUICE_OK;
    *ret_what = "holds a CRL that is not signed by its CA";
    return SLUICE_INVALID;
}

static enum sluice_error load_crls(struct tls_trust *trust, mbedtls_x509_crt *cas,
                                   const mbedtls_x509_crl *crls, const char **ret_what)
{
    for (const mbedtls_x509_crl *crl = crls; crl; crl = crl->next) {
        enum sluice_error error = load_crl(trust, cas, crl, ret_what);
        if (error)
            return error;
    }
    for (size_t i = 0; i < trust->authorities_count; i++) {
        if (!trust->authorities[i].has_crl) {
            *ret_what = "lacks the CRL of a CA that client certificates may be of";
            return SLUICE_INVALID;
        }
    }
    if (trust->revoked_count > 0)
        qsort(trust->revoked, trust->revoked_count, sizeof *trust->revoked, compare_ids);
    trust->has_crl = true;
    return SLUICE_OK;
}

enum sluice_error tls_trust_load(struct tls_trust *trust, mbedtls_x509_crt *cas, const mbedtls_x509_crl *crls,
                                 const char **ret_what)
{
    size_t count = 0;
    for (const mbedtls_x509_crt *ca = cas; ca; ca = ca->next)
        count++;
    trust->authorities = memory_new_array(count, sizeof *trust->authorities);
    for (const mbedtls_x509_crt *ca = cas; ca; ca = ca->next) {
        struct tls_authority *authority = &trust->authorities[trust->authorities_count++];
        identify_ca(ca, authority->id);
        authority->valid_from = date_of(&ca->valid_from);
        authority->valid_to = date_of(&ca->valid_to);
        authority->crl_to = UINT64_MAX;
    }
    return crls ? load_crls(trust, cas, crls, ret_what) : SLUICE_OK;
}

void tls_trust_fini(struct tls_trust *trust)
{
    memory_free(trust->authorities);
    memory_free(trust->revoked);
}

/* ---- The rule ---- */

static bool is_within(tls_date from, tls_date to, tls_date now)
{
    return from <= now && now <= to;
}

static const struct tls_authority *find_authority(const struct tls_trust *trust, const uint8_t *id,
                                                  tls_date now)
{
    for (size_t i = 0; i < trust->authorities_count; i++) {
        const struct tls_authority *authority = &trust->authorities[i];
        if (memcmp(authority->id, id, TLS_ID_BYTES) == 0 &&
            is_within(authority->valid_from, authority->valid_to, now))
            return authority; /* a renewed certificate beside the old one has the same key */
    }
    return NULL;
}

static uint32_t crl_objections(const struct tls_trust *trust, const struct tls_authority *authority,
                               const struct tls_credential *credential, tls_date now)
{
    if (!credential->from_ca)
        return MBEDTLS_X509_BADCRL_NOT_TRUSTED;
    if (now > authority->crl_to)
        return MBEDTLS_X509_BADCRL_EXPIRED;
    if (now < authority->crl_from)
        return MBEDTLS_X509_BADCRL_FUTURE;
    bool is_revoked =
        trust->revoked_count > 0 && bsearch(credential->certificate, trust->revoked, trust->revoked_count,
                                            TLS_ID_BYTES, compare_ids) != NULL;
    return is_revoked ? MBEDTLS_X509_BADCERT_REVOKED : 0;
}

uint32_t tls_trust_objections(const struct tls_trust *trust, const struct tls_credential *credential,
                              tls_date now)
{
    if (!credential->given)
        return trust->certificate_required ? MBEDTLS_X509_BADCERT_MISSING : 0;
    if (credential->identity != trust->identity)
        return MBEDTLS_X509_BADCERT_OTHER;
    const struct tls_authority *authority = find_authority(trust, credential->ca, now);
    if (!authority)
        return MBEDTLS_X509_BADCERT_NOT_TRUSTED;
    if (!is_within(credential->valid_from, credential->valid_to, now))
        return now > credential->valid_to ? MBEDTLS_X509_BADCERT_EXPIRED : MBEDTLS_X509_BADCERT_FUTURE;
    return trust->has_crl ? crl_objections(trust, authority, credential, now) : 0;
}

/* ---- Credentials ---- */

void tls_credential_begin(struct tls_credential *credential, const mbedtls_x509_crt *ca)
{
    *credential = (struct tls_credential){.given = true, .valid_to = UINT64_MAX};
    identify_ca(ca, credential->ca);
    narrow(&credential->valid_from, &credential->valid_to, &ca->valid_from, &ca->valid_to);
}

void tls_credential_add(struct tls_credential *credential, const mbedtls_x509_crt *certificate, bool is_first)
{
    narrow(&credential->valid_from, &credential->valid_to, &certificate->valid_from, &certificate->valid_to);
    identify(span_of(credential->ca, TLS_ID_BYTES), &certificate->serial, credential->certificate);
    credential->from_ca = is_first;
}
