/*
 * The one name that a client's certificate is taken for. Pure; any thread. What
 * two readers could take for different names is refused: none of its kind or
 * several (of Common Names in one RDN or in many), anything but printable ASCII, a
 * wildcard, and string types other than UTF8String and PrintableString.
 */
#ifndef SLUICE_NET_TLS_IDENTITY_H
#define SLUICE_NET_TLS_IDENTITY_H

#include "net/net.h"
#include "net/tls_trust.h"

/* Who a connection is with: by the certificate that it gave, or by the session that it resumes. */
struct tls_peer {
    struct tls_credential credential; /* if it gave no certificate, the rest is empty */
    char name[NET_NAME_BYTES];
    uint8_t fingerprint[NET_FINGERPRINT_BYTES / 2];
};

/* Fills in name and fingerprint; SLUICE_DENIED if it names nobody, or two. */
enum sluice_error tls_identity_read(const mbedtls_x509_crt *certificate, enum net_tls_identity identity,
                                    struct tls_peer *ret_peer);

#endif
