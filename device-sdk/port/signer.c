/*
 * A private key that is elsewhere, as a kind of key of its own to mbedTLS, which
 * asks it for a signature and nothing else. mbedTLS 3.6 has such a kind for RSA
 * only (MBEDTLS_PK_RSA_ALT); its PSA drivers would more than double the crypto
 * code. What a kind of key is, only the library's own headers say, so this needs
 * mbedTLS built from source.
 */
#include "port/posix_internal.h"
#include "port/sentence.h"

#include <mbedtls/error.h>
#include <string.h>

static enum sluice_error fail(struct posix *posix, enum sluice_error error, const char *sentence)
{
    sentence_write(posix->error, sizeof posix->error, "%s", sentence);
    return error;
}

#if __has_include(<pk_wrap.h>)

#    include <pk_wrap.h>

static int can_do(mbedtls_pk_type_t type)
{
    return type == MBEDTLS_PK_ECDSA;
}

static int sign(mbedtls_pk_context *key, mbedtls_md_type_t md_alg, const unsigned char *hash, size_t hash_len,
                unsigned char *signature, size_t capacity, size_t *signature_len,
                int (*random)(void *, unsigned char *, size_t), void *random_context)
{
    (void)random;
    (void)random_context;
    const struct posix_signer *signer = key->MBEDTLS_PRIVATE(pk_ctx);
    unsigned char made[SLUICE_SIGNATURE_BYTES];
    size_t len = 0;
    if (md_alg != MBEDTLS_MD_SHA256 || hash_len != SLUICE_HASH_BYTES ||
        !signer->sign(signer->context, hash, made, &len) || len == 0 || len > sizeof made || len > capacity)
        return MBEDTLS_ERR_PLATFORM_HW_ACCEL_FAILED;
    memcpy(signature, made, len);
    *signature_len = len;
    return 0;
}

static const mbedtls_pk_info_t elsewhere = {
    .type = MBEDTLS_PK_ECDSA, .name = "elsewhere", .can_do = can_do, .sign_func = sign};

/* Whether the signer has the key of the certificate. */
static enum sluice_error check(struct posix *posix)
{
    static const unsigned char hash[SLUICE_HASH_BYTES] = "is this the certificate's key?";
    unsigned char signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
    size_t len;
    if (mbedtls_pk_sign(&posix->key, MBEDTLS_MD_SHA256, hash, sizeof hash, signature, sizeof signature, &len,
                        mbedtls_ctr_drbg_random, &posix->random)) {
        return fail(posix, SLUICE_IO, "the signer gave no signature");
    }
    if (mbedtls_pk_verify(&posix->certificate.pk, MBEDTLS_MD_SHA256, hash, sizeof hash, signature, len)) {
        return fail(posix, SLUICE_INVALID, "the signer's key does not belong to the certificate");
    }
    return SLUICE_OK;
}

enum sluice_error sluice_posix_sign_with(struct sluice_port *port, sluice_signer *sign_elsewhere,
                                         void *context)
{
    struct posix *posix = posix_of(port);
    posix->signer = (struct posix_signer){sign_elsewhere, context};
    mbedtls_pk_free(&posix->key);
    mbedtls_pk_init(&posix->key);
    mbedtls_pk_setup(&posix->key, &elsewhere);
    posix->key.MBEDTLS_PRIVATE(pk_ctx) = &posix->signer;
    return check(posix);
}

#else

enum sluice_error sluice_posix_sign_with(struct sluice_port *port, sluice_signer *sign_elsewhere,
                                         void *context)
{
    (void)sign_elsewhere;
    (void)context;
    return fail(posix_of(port), SLUICE_NOT_FOUND,
                "a signer needs mbedTLS built from source, and not the system's");
}

#endif
