/*
 * The one name that a client's certificate is taken for. Pure; any thread. What
 * two readers could take for different names is refused: no Common Name or
 * several (in one RDN or in many), anything but printable ASCII, string types
 * other than UTF8String and PrintableString.
 */
#ifndef SLUICE_NET_TLS_IDENTITY_H
#define SLUICE_NET_TLS_IDENTITY_H

#include "net/net.h"

#include <mbedtls/x509_crt.h>

/* Fills in certificate, common_name and fingerprint; SLUICE_DENIED if it names nobody, or two. */
enum sluice_error tls_identity_read(const mbedtls_x509_crt *certificate, struct net_peer *ret_peer);

#endif
