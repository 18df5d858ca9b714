/* What the files of the posix port share: posix.c (connections), session_file.c, signer.c, traffic.c. */
#ifndef SLUICE_PORT_POSIX_INTERNAL_H
#define SLUICE_PORT_POSIX_INTERNAL_H

#include "port/resolve.h"
#include "port/session.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/x509_crt.h>

enum posix_phase {
    PHASE_CLOSED,
    PHASE_LOOKUP,
    PHASE_TCP,
    PHASE_TLS,
    PHASE_OPEN,
};

struct posix_signer {
    sluice_signer *sign;
    void *context;
};

struct posix {
    struct sluice_port port; /* first: the two addresses are one */
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_x509_crt ca;
    mbedtls_x509_crt certificate;
    mbedtls_pk_context key;
    struct posix_signer signer; /* `key` is this, where the private key is elsewhere */
    mbedtls_ssl_config tls_config;

    enum posix_phase phase;
    int descriptor; /* of the lookup or of the connection; -1: none */
    struct resolve_answer answer;
    size_t first_address; /* each attempt begins one further, in case one of them swallows packets */
    size_t tried_count;
    mbedtls_ssl_context tls; /* from PHASE_TLS on */
    bool wants_write;
    bool is_held;         /* the kernel holds what was sent, so that more may join it in its packet */
    size_t pending_bytes; /* taken by mbedTLS in a send that gave SLUICE_AGAIN */
    uint64_t sent_bytes, received_bytes; /* of TLS, in this connection or the last one */
    struct session session;

    char error[SLUICE_POSIX_ERROR_BYTES];
};

static inline struct posix *posix_of(struct sluice_port *port)
{
    return (struct posix *)(void *)port;
}

#endif
