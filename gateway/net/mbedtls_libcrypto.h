/*
 * Public-key work of mbedTLS on libcrypto, whose P-256 and X25519 are several times
 * faster: mbedtls_libcrypto.c defines the functions that mbedtls_config.h says are
 * elsewhere (MBEDTLS_ECDH_..._ALT, MBEDTLS_ECDSA_..._ALT), and this one, which stands
 * for mbedtls_ecp_mul where PSA derives a public key, for which mbedTLS has no such
 * name. mbedTLS alone calls them. Any thread. Secrets are wiped.
 */
#ifndef SLUICE_NET_MBEDTLS_LIBCRYPTO_H
#define SLUICE_NET_MBEDTLS_LIBCRYPTO_H

#include <mbedtls/ecp.h>

int sluice_ecp_mul(mbedtls_ecp_group *group, mbedtls_ecp_point *ret_product, const mbedtls_mpi *factor,
                   const mbedtls_ecp_point *point, int (*random)(void *, unsigned char *, size_t),
                   void *random_ctx);

#endif
