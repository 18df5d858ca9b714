#include "net/tls_identity.h"

#include <mbedtls/asn1.h>
#include <mbedtls/oid.h>
#include <mbedtls/sha256.h>
#include <stdio.h>

enum { SHA256_BYTES = 32 };

static bool is_common_name(const mbedtls_x509_name *name)
{
    return MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) == 0;
}

/* The one Common Name of the subject; NULL for none or several. */
static const mbedtls_x509_buf *only_common_name(const mbedtls_x509_crt *certificate)
{
    const mbedtls_x509_buf *found = NULL;
    for (const mbedtls_x509_name *name = &certificate->subject; name; name = name->next) {
        if (!is_common_name(name))
            continue;
        if (found)
            return NULL;
        found = &name->val;
    }
    return found;
}

static bool is_plain(const mbedtls_x509_buf *name)
{
    if (name->len == 0 || name->len >= NET_COMMON_NAME_BYTES ||
        (name->tag != MBEDTLS_ASN1_UTF8_STRING && name->tag != MBEDTLS_ASN1_PRINTABLE_STRING))
        return false;
    for (size_t i = 0; i < name->len; i++) {
        if (name->p[i] < 0x20 || name->p[i] > 0x7e)
            return false;
    }
    return true;
}

enum sluice_error tls_identity_read(const mbedtls_x509_crt *certificate, struct net_peer *ret_peer)
{
    const mbedtls_x509_buf *name = only_common_name(certificate);
    uint8_t digest[SHA256_BYTES];
    if (!name || !is_plain(name) || mbedtls_sha256(certificate->raw.p, certificate->raw.len, digest, 0) != 0)
        return SLUICE_DENIED;
    ret_peer->certificate = true;
    memcpy(ret_peer->common_name, name->p, name->len);
    ret_peer->common_name[name->len] = '\0';
    for (size_t i = 0; i < SHA256_BYTES; i++)
        snprintf(ret_peer->fingerprint + 2 * i, 3, "%02x", digest[i]);
    return SLUICE_OK;
}
