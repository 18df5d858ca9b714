/* EVP's look-ups and key objects cost as much as a signature: these are the calls below it. */
#define OPENSSL_API_COMPAT 0x10100000L
#include "net/mbedtls_libcrypto.h"

#include <mbedtls/ecdh.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/platform_util.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

enum {
    X25519_BYTES = 32,
    SCALAR_BYTES = 48, /* of P-384, the largest here */
    POINT_BYTES = 1 + 2 * SCALAR_BYTES,
};

/* ---- Curves: made once, never changed, so that all threads may use them ---- */

static EC_GROUP *p256, *p384;

static void make_curves(void)
{
    p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    p384 = EC_GROUP_new_by_curve_name(NID_secp384r1);
}

/* NULL for X25519, and if there is no memory. */
static const EC_GROUP *curve_of(const mbedtls_ecp_group *group)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_curves);
    return group->id == MBEDTLS_ECP_DP_SECP256R1 ? p256 : group->id == MBEDTLS_ECP_DP_SECP384R1 ? p384 : NULL;
}

/* ---- Numbers and points ---- */

static BIGNUM *number_of(const mbedtls_mpi *mpi)
{
    uint8_t bytes[SCALAR_BYTES];
    BIGNUM *number = NULL;
    if (mbedtls_mpi_write_binary(mpi, bytes, sizeof bytes) == 0)
        number = BN_bin2bn(bytes, sizeof bytes, NULL);
    mbedtls_platform_zeroize(bytes, sizeof bytes);
    return number;
}

static bool to_mpi(const BIGNUM *number, mbedtls_mpi *ret_mpi)
{
    uint8_t bytes[SCALAR_BYTES];
    return BN_bn2binpad(number, bytes, sizeof bytes) == sizeof bytes &&
           mbedtls_mpi_read_binary(ret_mpi, bytes, sizeof bytes) == 0;
}

/* NULL also for what is no point of the curve. */
static EC_POINT *point_of(const mbedtls_ecp_group *group, const EC_GROUP *curve,
                          const mbedtls_ecp_point *point)
{
    uint8_t bytes[POINT_BYTES];
    size_t len;
    EC_POINT *result = EC_POINT_new(curve);
    if (result &&
        mbedtls_ecp_point_write_binary(group, point, MBEDTLS_ECP_PF_UNCOMPRESSED, &len, bytes,
                                       sizeof bytes) == 0 &&
        EC_POINT_oct2point(curve, result, bytes, len, NULL) == 1)
        return result;
    EC_POINT_free(result);
    return NULL;
}

/* ---- A point times a number ---- */

/* Constant in time: libcrypto treats each single factor as a secret. */
static bool multiply_on_curve(const mbedtls_ecp_group *group, mbedtls_ecp_point *ret_product,
                              const mbedtls_mpi *factor, const mbedtls_ecp_point *point)
{
    const EC_GROUP *curve = curve_of(group);
    bool is_base = mbedtls_mpi_cmp_mpi(&point->MBEDTLS_PRIVATE(X), &group->G.MBEDTLS_PRIVATE(X)) == 0 &&
                   mbedtls_mpi_cmp_mpi(&point->MBEDTLS_PRIVATE(Y), &group->G.MBEDTLS_PRIVATE(Y)) == 0;
    BIGNUM *number = number_of(factor);
    EC_POINT *product = EC_POINT_new(curve);
    EC_POINT *other = is_base ? NULL : point_of(group, curve, point);
    uint8_t bytes[POINT_BYTES];
    size_t len = 0;
    if (number && product && (is_base || other) &&
        EC_POINT_mul(curve, product, is_base ? number : NULL, other, is_base ? NULL : number, NULL) == 1)
        len = EC_POINT_point2oct(curve, product, POINT_CONVERSION_UNCOMPRESSED, bytes, sizeof bytes, NULL);
    /* Infinity has one byte, and is no result. */
    bool done = len > 1 && mbedtls_ecp_point_read_binary(group, ret_product, bytes, len) == 0;
    mbedtls_platform_zeroize(bytes, sizeof bytes);
    BN_clear_free(number);
    EC_POINT_clear_free(product);
    EC_POINT_free(other);
    return done;
}

static bool multiply_x25519(const mbedtls_ecp_group *group, mbedtls_ecp_point *ret_product,
                            const mbedtls_mpi *factor, const mbedtls_ecp_point *point)
{
    uint8_t secret[X25519_BYTES], other[X25519_BYTES], product[X25519_BYTES];
    size_t len = sizeof product;
    bool done = false;
    if (mbedtls_mpi_write_binary_le(&point->MBEDTLS_PRIVATE(X), other, sizeof other) ||
        mbedtls_mpi_write_binary_le(factor, secret, sizeof secret)) /* the secret last: it is wiped below */
        return false;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, sizeof secret);
    if (key && mbedtls_mpi_cmp_mpi(&point->MBEDTLS_PRIVATE(X), &group->G.MBEDTLS_PRIVATE(X)) == 0) {
        done = EVP_PKEY_get_raw_public_key(key, product, &len) == 1;
    } else if (key) {
        EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, other, sizeof other);
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
        done = peer && context && EVP_PKEY_derive_init(context) == 1 &&
               EVP_PKEY_derive_set_peer(context, peer) == 1 && EVP_PKEY_derive(context, product, &len) == 1;
        EVP_PKEY_CTX_free(context);
        EVP_PKEY_free(peer);
    }
    EVP_PKEY_free(key);
    done = done && mbedtls_ecp_point_read_binary(group, ret_product, product, len) == 0;
    mbedtls_platform_zeroize(secret, sizeof secret);
    mbedtls_platform_zeroize(product, sizeof product);
    return done;
}

int sluice_ecp_mul(mbedtls_ecp_group *group, mbedtls_ecp_point *ret_product, const mbedtls_mpi *factor,
                   const mbedtls_ecp_point *point, int (*random)(void *, unsigned char *, size_t),
                   void *random_ctx)
{
    (void)random; /* mbedTLS's own blinding */
    (void)random_ctx;
    bool done = group->id == MBEDTLS_ECP_DP_CURVE25519 ? multiply_x25519(group, ret_product, factor, point)
                : curve_of(group)                      ? multiply_on_curve(group, ret_product, factor, point)
                                                       : false;
    return done ? 0 : MBEDTLS_ERR_ECP_BAD_INPUT_DATA;
}

/* ---- What mbedTLS asks for ---- */

int mbedtls_ecdh_gen_public(mbedtls_ecp_group *group, mbedtls_mpi *ret_secret, mbedtls_ecp_point *ret_public,
                            int (*random)(void *, unsigned char *, size_t), void *random_ctx)
{
    int result = mbedtls_ecp_gen_privkey(group, ret_secret, random, random_ctx);
    return result ? result : sluice_ecp_mul(group, ret_public, ret_secret, &group->G, random, random_ctx);
}

int mbedtls_ecdh_compute_shared(mbedtls_ecp_group *group, mbedtls_mpi *ret_shared,
                                const mbedtls_ecp_point *other, const mbedtls_mpi *secret,
                                int (*random)(void *, unsigned char *, size_t), void *random_ctx)
{
    mbedtls_ecp_point product;
    mbedtls_ecp_point_init(&product);
    int result = sluice_ecp_mul(group, &product, secret, other, random, random_ctx);
    if (result == 0)
        result = mbedtls_mpi_copy(ret_shared, &product.MBEDTLS_PRIVATE(X));
    mbedtls_ecp_point_free(&product);
    return result;
}

int mbedtls_ecdsa_sign(mbedtls_ecp_group *group, mbedtls_mpi *ret_r, mbedtls_mpi *ret_s,
                       const mbedtls_mpi *secret, const unsigned char *digest, size_t digest_len,
                       int (*random)(void *, unsigned char *, size_t), void *random_ctx)
{
    const EC_GROUP *curve = curve_of(group);
    EC_KEY *key = curve ? EC_KEY_new() : NULL;
    BIGNUM *number = number_of(secret);
    ECDSA_SIG *signature = NULL;
    (void)random; /* libcrypto has its own, and mixes the secret and the digest into it */
    (void)random_ctx;
    if (key && number && EC_KEY_set_group(key, curve) == 1 && EC_KEY_set_private_key(key, number) == 1)
        signature = ECDSA_do_sign(digest, (int)digest_len, key);
    bool done =
        signature && to_mpi(ECDSA_SIG_get0_r(signature), ret_r) && to_mpi(ECDSA_SIG_get0_s(signature), ret_s);
    ECDSA_SIG_free(signature);
    BN_clear_free(number);
    EC_KEY_free(key);
    return done ? 0 : MBEDTLS_ERR_ECP_BAD_INPUT_DATA;
}

int mbedtls_ecdsa_verify(mbedtls_ecp_group *group, const unsigned char *digest, size_t digest_len,
                         const mbedtls_ecp_point *point, const mbedtls_mpi *r, const mbedtls_mpi *s)
{
    const EC_GROUP *curve = curve_of(group);
    if (!curve)
        return MBEDTLS_ERR_ECP_BAD_INPUT_DATA;
    EC_KEY *key = EC_KEY_new();
    EC_POINT *public = point_of(group, curve, point);
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r_number = number_of(r), *s_number = number_of(s);
    bool owned = signature && r_number && s_number && ECDSA_SIG_set0(signature, r_number, s_number) == 1;
    bool good = owned && key && public && EC_KEY_set_group(key, curve) == 1 &&
                EC_KEY_set_public_key(key, public) == 1 &&
                ECDSA_do_verify(digest, (int)digest_len, signature, key) == 1;
    if (!owned) {
        BN_free(r_number);
        BN_free(s_number);
    }
    ECDSA_SIG_free(signature);
    EC_POINT_free(public);
    EC_KEY_free(key);
    return good ? 0 : MBEDTLS_ERR_ECP_VERIFY_FAILED;
}
