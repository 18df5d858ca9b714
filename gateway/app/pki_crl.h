/*
 * The certificate revocation list that an index comes to: X.509 version 2 with
 * authority key identifier, CRL number and reasons (RFC 5280), signed with
 * SHA-256, as PEM. mbedTLS reads CRLs and cannot write them; this does, with its
 * ASN.1 writers. Pure but for the signature's randomness; any thread.
 */
#ifndef SLUICE_APP_PKI_CRL_H
#define SLUICE_APP_PKI_CRL_H

#include "app/pki_index.h"
#include "base/buffer.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

struct pki_signer {
    const mbedtls_x509_crt *ca;
    mbedtls_pk_context *key; /* the CA's */
    mbedtls_ctr_drbg_context *random;
};

/* Appends the PEM text with a NUL, which counts. The index has an entry of kind PKI_CRL: number and dates.
 * SLUICE_INVALID: the CA's key cannot sign CRLs. */
enum sluice_error pki_crl_write(const struct pki_index *index, const struct pki_signer *signer,
                                struct buffer *ret_pem);

#endif
