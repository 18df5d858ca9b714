/*
 * Makes one certificate with mbedTLS: its key, or another's public key, and what
 * stands in it by its kind. No files but the CA's two, which pki_maker_load_ca
 * reads. One thread; caller memory.
 */
#ifndef SLUICE_APP_PKI_CERTIFICATE_H
#define SLUICE_APP_PKI_CERTIFICATE_H

#include "app/pki_index.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

enum { PKI_PEM_BYTES = 8192, PKI_DAY_SECONDS = 86400 };

struct pki_maker {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_pk_context key; /* of the new certificate; of a renewed one its public part */
    mbedtls_pk_context ca_key;
    mbedtls_x509_crt ca;
    mbedtls_x509write_cert writer;
};

/* What a certificate is to say. */
struct pki_wish {
    const char *name;
    enum pki_kind kind;
    unsigned days; /* 0: the kind's default */
    const char *const *hosts;
    size_t hosts_count;        /* 0: the name is its one DNS name */
    mbedtls_x509_crt *renewed; /* NULL, or whose key and hosts it takes over */
};

enum sluice_error pki_maker_init(struct pki_maker *maker, char *ret_text);
void pki_maker_fini(struct pki_maker *maker);
enum sluice_error pki_maker_load_ca(struct pki_maker *maker, const char *certificate_path,
                                    const char *key_path, char *ret_text);
/* Of kind PKI_CA it is signed with its own key; others with the loaded CA's. `ret_pem`, PKI_PEM_BYTES long,
 * and what the index says of it. */
enum sluice_error pki_make(struct pki_maker *maker, const struct pki_wish *wish, char *ret_pem,
                           struct pki_entry *ret_entry, char *ret_text);
/* What the index says of a certificate that is there. */
enum sluice_error pki_entry_of(const mbedtls_x509_crt *certificate, struct pki_entry *ret_entry);

/* A DNS name, wildcards included, or an address. */
bool pki_host_valid(const char *host);

#endif
