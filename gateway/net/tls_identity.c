#include "net/tls_identity.h"

#include <mbedtls/asn1.h>
#include <mbedtls/oid.h>
#include <mbedtls/sha256.h>

enum { COMMON_NAME_BYTES = 64 }; /* X.520's limit, in characters */

/* Of several names there is none. */
struct candidate {
    struct span name;
    size_t count;
};

static void find_common_name(const mbedtls_x509_crt *certificate, struct candidate *found)
{
    for (const mbedtls_x509_name *name = &certificate->subject; name; name = name->next) {
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) != 0)
            continue;
        bool is_text =
            name->val.tag == MBEDTLS_ASN1_UTF8_STRING || name->val.tag == MBEDTLS_ASN1_PRINTABLE_STRING;
        bool fits = name->val.len <= COMMON_NAME_BYTES;
        found->name = is_text && fits ? span_of(name->val.p, name->val.len) : SPAN_LITERAL("");
        found->count++;
    }
}

/* A DNS name, an e-mail address or a URI; addresses and the other kinds name no device. */
static void find_alternative_name(const mbedtls_x509_crt *certificate, struct candidate *found)
{
    for (const mbedtls_x509_sequence *name = &certificate->subject_alt_names; name; name = name->next) {
        int kind = name->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
        if (name->buf.len == 0 ||
            (kind != MBEDTLS_X509_SAN_DNS_NAME && kind != MBEDTLS_X509_SAN_RFC822_NAME &&
             kind != MBEDTLS_X509_SAN_UNIFORM_RESOURCE_IDENTIFIER))
            continue;
        found->name = span_of(name->buf.p, name->buf.len);
        found->count++;
    }
}

static bool is_plain(struct span name)
{
    if (name.len == 0 || name.len >= NET_NAME_BYTES)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < 0x20 || name.data[i] > 0x7e || name.data[i] == '*')
            return false;
    }
    return true;
}

enum sluice_error tls_identity_read(const mbedtls_x509_crt *certificate, enum net_tls_identity identity,
                                    struct tls_peer *ret_peer)
{
    struct candidate found = {0};
    uint8_t digest[sizeof ret_peer->fingerprint];
    if (identity == NET_TLS_SUBJECT_ALT_NAME)
        find_alternative_name(certificate, &found);
    else
        find_common_name(certificate, &found);
    if (found.count != 1 || !is_plain(found.name) ||
        mbedtls_sha256(certificate->raw.p, certificate->raw.len, digest, 0) != 0)
        return SLUICE_DENIED;
    memset(ret_peer->name, 0, sizeof ret_peer->name);
    memcpy(ret_peer->name, found.name.data, found.name.len);
    memcpy(ret_peer->fingerprint, digest, sizeof digest);
    return SLUICE_OK;
}
