/* What tls.c (the configuration) and tls_stream.c (the connections) share. */
#ifndef SLUICE_NET_TLS_INTERNAL_H
#define SLUICE_NET_TLS_INTERNAL_H

#include "net/tls.h"
#include "net/tls_sessions.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>
#include <stddef.h>

struct net_tls {
    size_t refs;
    mbedtls_ssl_config ssl;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_x509_crt certificate;
    mbedtls_pk_context key;
    mbedtls_x509_crt client_ca;
    mbedtls_x509_crl crl;
    bool has_crl;
    struct tls_sessions sessions;
};

#endif
