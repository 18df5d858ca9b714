/*
 * Whose certificates a listener's TLS accepts now: the CAs in clientCa, their
 * CRLs, the date. One rule answers for full handshakes (beside mbedTLS's checks of
 * signatures and usage), for sessions that are resumed, and for connections that
 * were there before new files were loaded. So it works on what can be kept of a
 * certificate in 50 bytes, and not on the certificate.
 *
 * With a CRL everything fails closed: each CA needs one that is signed by it and in
 * date, and a certificate must come from one of these CAs itself, because of CAs
 * below them it is not known what they have revoked. A CRL's signature is checked
 * once, when it is loaded.
 *
 * Immutable after tls_trust_load; any thread. Memory: 16 bytes for each revoked
 * certificate. The functions are pure; the time is handed in.
 */
#ifndef SLUICE_NET_TLS_TRUST_H
#define SLUICE_NET_TLS_TRUST_H

#include "net/tls.h"

#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>
#include <stddef.h>

enum { TLS_ID_BYTES = 16 }; /* of a SHA-256: enough that nobody finds a second one with it */

/* A date as the number that its digits make, 20261121093000 UTC: certificates outlive 32-bit clocks. */
typedef uint64_t tls_date;

/* What is kept of a client's certificate that was verified. Has no padding, so that it can be stored. */
struct tls_credential {
    uint8_t ca[TLS_ID_BYTES];          /* in clientCa, that its chain ended at: name and key */
    uint8_t certificate[TLS_ID_BYTES]; /* that CA, and the serial number */
    tls_date valid_from, valid_to;     /* of the whole chain */
    uint8_t given;                     /* 0: the client gave none, and the rest is 0 too */
    uint8_t from_ca;                   /* issued by that CA itself */
    uint8_t identity;                  /* enum net_tls_identity: where its name was read */
    uint8_t unused[5];
};

struct tls_authority {
    uint8_t id[TLS_ID_BYTES];
    tls_date valid_from, valid_to;
    tls_date crl_from, crl_to; /* of all its CRLs */
    bool has_crl;
};

struct tls_trust {
    struct tls_authority *authorities;
    size_t authorities_count;
    uint8_t (*revoked)[TLS_ID_BYTES]; /* sorted */
    size_t revoked_count;
    bool has_crl;
    bool certificate_required;
    enum net_tls_identity identity;
};

/* Of a struct that is zeroed but for its last two fields; `crls` NULL: there are none. SLUICE_INVALID:
 * `ret_what` goes on in a sentence that begins with the file of the CRLs. tls_trust_fini in any case. */
enum sluice_error tls_trust_load(struct tls_trust *trust, mbedtls_x509_crt *cas, const mbedtls_x509_crl *crls,
                                 const char **ret_what);
void tls_trust_fini(struct tls_trust *trust);

tls_date tls_date_now(void);
/* 0: accepted; else mbedTLS's flags (MBEDTLS_X509_BADCERT_...) that say why not. */
uint32_t tls_trust_objections(const struct tls_trust *trust, const struct tls_credential *credential,
                              tls_date now);

/* Gather a credential along a verified chain: the CA, the certificate that it has issued (`is_first`), and
 * so on to the client's own. */
void tls_credential_begin(struct tls_credential *credential, const mbedtls_x509_crt *ca);
void tls_credential_add(struct tls_credential *credential, const mbedtls_x509_crt *certificate,
                        bool is_first);

#endif
