#include "app/pki_crl.h"

#include "base/memory.h"

#include <mbedtls/asn1write.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <time.h>

enum {
    FIXED_BYTES = 2048, /* everything but the issuer's name and the revoked certificates */
    ENTRY_BYTES = 96,
    HASH_BYTES = 32,
    TAG_SEQUENCE = MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE,
    TAG_EXTENSIONS = MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED | 0,
    TAG_KEY_IDENTIFIER = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 0,
    VERSION_2 = 1,
};

static const char oid_crl_number[] = MBEDTLS_OID_ID_CE "\x14";
static const char oid_crl_reason[] = MBEDTLS_OID_ID_CE "\x15";
static const char oid_authority_key[] = MBEDTLS_OID_AUTHORITY_KEY_IDENTIFIER;

/* ---- A writer of DER, which goes from the end of its memory to the start: contents come before their
 * header, and the last field of a sequence first. Its error is sticky. ---- */

struct der {
    unsigned char *start, *at, *end;
    bool failed;
};

static void check(struct der *der, int result)
{
    der->failed |= result < 0;
}

/* Puts a header before what was written since `from` was the writer's place. */
static void wrap(struct der *der, const unsigned char *from, int tag)
{
    check(der, mbedtls_asn1_write_len(&der->at, der->start, (size_t)(from - der->at)));
    check(der, mbedtls_asn1_write_tag(&der->at, der->start, (unsigned char)tag));
}

static void write_raw(struct der *der, const unsigned char *bytes, size_t len)
{
    check(der, mbedtls_asn1_write_raw_buffer(&der->at, der->start, bytes, len));
}

static void write_tagged(struct der *der, int tag, const unsigned char *bytes, size_t len)
{
    const unsigned char *from = der->at;
    write_raw(der, bytes, len);
    wrap(der, from, tag);
}

/* UTCTime up to 2049, GeneralizedTime from then on (RFC 5280 5.1.2.4). */
static void write_utc(struct der *der, int64_t seconds)
{
    char text[sizeof "YYYYMMDDhhmmssZ"];
    struct tm parts;
    time_t time = seconds;
    gmtime_r(&time, &parts);
    bool is_utc = parts.tm_year < 150;
    size_t len = strftime(text, sizeof text, is_utc ? "%y%m%d%H%M%SZ" : "%Y%m%d%H%M%SZ", &parts);
    write_tagged(der, is_utc ? MBEDTLS_ASN1_UTC_TIME : MBEDTLS_ASN1_GENERALIZED_TIME,
                 (const unsigned char *)text, len);
}

/* The extension whose value was written since `from`. */
static void wrap_extension(struct der *der, const unsigned char *from, const char *oid, size_t oid_len)
{
    wrap(der, from, MBEDTLS_ASN1_OCTET_STRING);
    write_tagged(der, MBEDTLS_ASN1_OID, (const unsigned char *)oid, oid_len);
    wrap(der, from, TAG_SEQUENCE);
}

/* ---- The parts of a CRL ---- */

/* Unspecified is said by silence (RFC 5280 5.3.1). */
static void write_reason(struct der *der, enum pki_reason reason)
{
    if (reason == PKI_UNSPECIFIED)
        return;
    const unsigned char *from = der->at;
    check(der, mbedtls_asn1_write_enum(&der->at, der->start, (int)pki_reason_codes[reason]));
    wrap_extension(der, from, oid_crl_reason, sizeof oid_crl_reason - 1);
    wrap(der, from, TAG_SEQUENCE);
}

static void write_revoked(struct der *der, const struct pki_entry *entry)
{
    const unsigned char *from = der->at;
    write_reason(der, entry->reason);
    write_utc(der, entry->revoked_s);
    write_tagged(der, MBEDTLS_ASN1_INTEGER, entry->serial, entry->serial_len);
    wrap(der, from, TAG_SEQUENCE);
}

/* Nothing at all where nothing is revoked (RFC 5280 5.1.2.6). */
static void write_all_revoked(struct der *der, const struct pki_index *index)
{
    const unsigned char *from = der->at;
    for (size_t i = index->count; i-- > 0;) {
        if (index->entries[i].revoked_s)
            write_revoked(der, &index->entries[i]);
    }
    if (der->at != from)
        wrap(der, from, TAG_SEQUENCE);
}

static void write_extensions(struct der *der, const struct pki_entry *crl, const mbedtls_x509_crt *ca)
{
    const unsigned char *from = der->at;
    write_tagged(der, MBEDTLS_ASN1_INTEGER, crl->serial, crl->serial_len);
    wrap_extension(der, from, oid_crl_number, sizeof oid_crl_number - 1);
    if (ca->subject_key_id.len > 0) {
        const unsigned char *key_from = der->at;
        write_tagged(der, TAG_KEY_IDENTIFIER, ca->subject_key_id.p, ca->subject_key_id.len);
        wrap(der, key_from, TAG_SEQUENCE);
        wrap_extension(der, key_from, oid_authority_key, sizeof oid_authority_key - 1);
    }
    wrap(der, from, TAG_SEQUENCE);
    wrap(der, from, TAG_EXTENSIONS);
}

static bool signs_with_rsa(const struct pki_signer *signer)
{
    return mbedtls_pk_can_do(signer->key, MBEDTLS_PK_RSA);
}

static void write_algorithm(struct der *der, const struct pki_signer *signer)
{
    const char *oid = NULL;
    size_t len = 0;
    bool is_rsa = signs_with_rsa(signer);
    check(der, mbedtls_oid_get_oid_by_sig_alg(is_rsa ? MBEDTLS_PK_RSA : MBEDTLS_PK_ECDSA, MBEDTLS_MD_SHA256,
                                              &oid, &len));
    if (!der->failed)
        check(der, mbedtls_asn1_write_algorithm_identifier_ext(&der->at, der->start, oid, len, 0, is_rsa));
}

static void write_body(struct der *der, const struct pki_index *index, const struct pki_signer *signer)
{
    const unsigned char *from = der->at;
    const struct pki_entry *crl = pki_index_find_kind(index, PKI_CRL);
    write_extensions(der, crl, signer->ca);
    write_all_revoked(der, index);
    write_utc(der, crl->until_s);
    write_utc(der, crl->from_s);
    write_raw(der, signer->ca->subject_raw.p, signer->ca->subject_raw.len);
    write_algorithm(der, signer);
    check(der, mbedtls_asn1_write_int(&der->at, der->start, VERSION_2));
    wrap(der, from, TAG_SEQUENCE);
}

/* Body, algorithm, signature; the body is moved to the front of what it is signed with. */
static void write_signed(struct der *der, const struct pki_index *index, const struct pki_signer *signer)
{
    write_body(der, index, signer);
    if (der->failed)
        return;
    size_t body_len = (size_t)(der->end - der->at);
    unsigned char *body = memory_new(body_len);
    memcpy(body, der->at, body_len);
    unsigned char hash[HASH_BYTES], signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
    size_t signature_len = 0;
    check(der, mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), body, body_len, hash));
    check(der, mbedtls_pk_sign(signer->key, MBEDTLS_MD_SHA256, hash, sizeof hash, signature, sizeof signature,
                               &signature_len, mbedtls_ctr_drbg_random, signer->random));
    der->at = der->end;
    if (!der->failed) {
        check(der, mbedtls_asn1_write_bitstring(&der->at, der->start, signature, signature_len * 8));
        write_algorithm(der, signer);
        write_raw(der, body, body_len);
        wrap(der, der->end, TAG_SEQUENCE);
    }
    memory_free(body);
}

static size_t bytes_bound(const struct pki_index *index, const struct pki_signer *signer)
{
    return FIXED_BYTES + signer->ca->subject_raw.len + index->count * ENTRY_BYTES;
}

enum sluice_error pki_crl_write(const struct pki_index *index, const struct pki_signer *signer,
                                struct buffer *ret_pem)
{
    size_t size = bytes_bound(index, signer);
    unsigned char *memory = memory_new(size);
    struct der der = {.start = memory, .at = memory + size, .end = memory + size};
    write_signed(&der, index, signer);
    if (!der.failed) {
        size_t pem_size = 2 * size, len = 0;
        unsigned char *pem = buffer_reserve(ret_pem, pem_size);
        check(&der, mbedtls_pem_write_buffer("-----BEGIN X509 CRL-----\n", "-----END X509 CRL-----\n", der.at,
                                             (size_t)(der.end - der.at), pem, pem_size, &len));
        if (!der.failed)
            buffer_grown(ret_pem, len);
    }
    memory_free(memory);
    return der.failed ? SLUICE_INVALID : SLUICE_OK;
}
