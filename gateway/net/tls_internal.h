/* What tls.c (the configuration) and the files of the connections share. */
#ifndef SLUICE_NET_TLS_INTERNAL_H
#define SLUICE_NET_TLS_INTERNAL_H

#include "net/tls.h"
#include "net/tls_sessions.h"
#include "net/tls_trust.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

struct net_tls {
    size_t refs;
    mbedtls_ssl_config ssl;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_x509_crt certificate;
    mbedtls_pk_context key;
    mbedtls_x509_crt client_ca;
    struct tls_trust trust;
    struct tls_sessions *sessions;
};

#endif
