#include "net/tls.h"

#include "base/log.h"
#include "base/memory.h"
#include "net/net.h"
#include "net/tls_internal.h"

#include <errno.h>
#include <mbedtls/hkdf.h>
#include <mbedtls/md.h>
#include <mbedtls/platform_util.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <sys/stat.h>

#ifndef MBEDTLS_THREADING_C
#    error "handshakes run on several threads: mbedTLS needs MBEDTLS_THREADING_C"
#endif

enum {
    LARGEST_FILE_BYTES = 8 * 1024 * 1024, /* a CRL of 120,000 certificates */
    LARGEST_KEY_BYTES = 8 * 1024,         /* RSA of 8,192 bits has 5 KB */
};

/* Hardware AES first; ChaCha20 for who asks for nothing else; CCM for small radios. */
static const int cipher_suites[] = {
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
    0,
};

/* mbedTLS is several times faster on P-256 than on the others. */
static const uint16_t groups[] = {
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_NONE,
};

/* ---- Files ---- */

static enum sluice_error invalid(char *ret_text, const char *path, const char *what)
{
    snprintf(ret_text, NET_TEXT_BYTES, "%s %s", path, what);
    return SLUICE_INVALID;
}

static enum sluice_error unreadable(char *ret_text, const char *path)
{
    int error = errno;
    snprintf(ret_text, NET_TEXT_BYTES, "%s cannot be read: %s", path, strerror(error));
    return error == ENOENT ? SLUICE_NOT_FOUND : error == EACCES ? SLUICE_DENIED : SLUICE_IO;
}

/* A PEM file with a NUL at its end, as mbedTLS wants it, which its length counts. */
static enum sluice_error read_pem(const char *path, struct buffer *ret_pem, struct stat *ret_status,
                                  char *ret_text)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return unreadable(ret_text, path);
    enum sluice_error error = SLUICE_OK;
    struct buffer pem = {0};
    if (fstat(fileno(file), ret_status))
        error = unreadable(ret_text, path);
    else if (ret_status->st_size > LARGEST_FILE_BYTES)
        error = invalid(ret_text, path, "is too large to be a PEM file");
    size_t size = error ? 0 : (size_t)ret_status->st_size;
    buffer_grown(&pem, fread(buffer_reserve(&pem, size + 1), 1, size, file));
    if (!error && ferror(file))
        error = unreadable(ret_text, path);
    buffer_append(&pem, span_of("", 1));
    if (!error && !strstr((const char *)pem.data, "-----BEGIN "))
        error = invalid(ret_text, path, "is not a PEM file");
    fclose(file);
    if (error)
        buffer_fini(&pem);
    else
        *ret_pem = pem;
    return error;
}

static void wipe(struct buffer *pem)
{
    if (pem->data)
        mbedtls_platform_zeroize(pem->data, pem->capacity);
    buffer_fini(pem);
}

static enum sluice_error load_certificates(const char *path, mbedtls_x509_crt *certificates, char *ret_text)
{
    struct buffer pem = {0};
    struct stat status;
    enum sluice_error error = read_pem(path, &pem, &status, ret_text);
    if (!error && mbedtls_x509_crt_parse(certificates, pem.data, buffer_len(&pem)) != 0)
        error = invalid(ret_text, path, "holds a certificate that cannot be parsed, or none");
    buffer_fini(&pem);
    return error;
}

static enum sluice_error load_key(struct net_tls *tls, const struct net_tls_config *config, char *ret_text)
{
    struct buffer pem = {0};
    struct stat status;
    enum sluice_error error = read_pem(config->key, &pem, &status, ret_text);
    if (error)
        return error;
    if (status.st_mode & (S_IRGRP | S_IROTH | S_IWGRP | S_IWOTH))
        log_warning("%s is a private key that other users may read or write; chmod 600 it", config->key);
    int result = mbedtls_pk_parse_key(&tls->key, pem.data, buffer_len(&pem), NULL, 0, mbedtls_ctr_drbg_random,
                                      &tls->random);
    wipe(&pem);
    if (result == MBEDTLS_ERR_PK_PASSWORD_REQUIRED)
        return invalid(ret_text, config->key,
                       "is protected by a password, and there is nobody to ask for it");
    if (result)
        return invalid(ret_text, config->key, "holds no private key that can be parsed");
    if (mbedtls_pk_check_pair(&tls->certificate.pk, &tls->key, mbedtls_ctr_drbg_random, &tls->random)) {
        snprintf(ret_text, NET_TEXT_BYTES, "%s is not the key of the certificate in %s", config->key,
                 config->certificate);
        return SLUICE_INVALID;
    }
    return SLUICE_OK;
}

/* Checked by tls_trust, not by mbedTLS: it would let pass of whose issuer there is no CRL, and verify the
 * CRL's signature with each handshake. */
static enum sluice_error load_trust(struct net_tls *tls, const struct net_tls_config *config, char *ret_text)
{
    mbedtls_x509_crl crls;
    struct buffer pem = {0};
    struct stat status;
    const char *what = "holds a CRL that cannot be parsed, or none";
    mbedtls_x509_crl_init(&crls);
    enum sluice_error error = config->crl ? read_pem(config->crl, &pem, &status, ret_text) : SLUICE_OK;
    if (!error) {
        if (config->crl && mbedtls_x509_crl_parse(&crls, pem.data, buffer_len(&pem)) != 0)
            error = SLUICE_INVALID;
        else
            error = tls_trust_load(&tls->trust, &tls->client_ca, config->crl ? &crls : NULL, &what);
        if (error)
            invalid(ret_text, config->crl, what);
    }
    buffer_fini(&pem);
    mbedtls_x509_crl_free(&crls);
    return error;
}

/* ---- The configuration ---- */

static enum sluice_error set_up_library(struct net_tls *tls, char *ret_text)
{
    if (psa_crypto_init() == PSA_SUCCESS &&
        mbedtls_ctr_drbg_seed(&tls->random, mbedtls_entropy_func, &tls->entropy, NULL, 0) == 0 &&
        mbedtls_ssl_config_defaults(&tls->ssl, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) == 0)
        return SLUICE_OK;
    snprintf(ret_text, NET_TEXT_BYTES, "mbedTLS has no randomness or no memory");
    return SLUICE_IO;
}

static enum sluice_error load_files(struct net_tls *tls, const struct net_tls_config *config, char *ret_text)
{
    enum sluice_error error = load_certificates(config->certificate, &tls->certificate, ret_text);
    if (!error)
        error = load_key(tls, config, ret_text);
    if (!error && config->client_ca)
        error = load_certificates(config->client_ca, &tls->client_ca, ret_text);
    if (!error && config->client_ca)
        error = load_trust(tls, config, ret_text);
    return error;
}

static enum sluice_error configure(struct net_tls *tls, const struct net_tls_config *config, char *ret_text)
{
    mbedtls_ssl_conf_min_tls_version(&tls->ssl, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_rng(&tls->ssl, mbedtls_ctr_drbg_random, &tls->random);
    mbedtls_ssl_conf_ciphersuites(&tls->ssl, cipher_suites);
    mbedtls_ssl_conf_groups(&tls->ssl, groups);
    mbedtls_ssl_conf_authmode(&tls->ssl, !config->client_ca                    ? MBEDTLS_SSL_VERIFY_NONE
                                         : config->client_certificate_required ? MBEDTLS_SSL_VERIFY_REQUIRED
                                                                               : MBEDTLS_SSL_VERIFY_OPTIONAL);
    if (config->client_ca)
        mbedtls_ssl_conf_ca_chain(&tls->ssl, &tls->client_ca, NULL);
    if (mbedtls_ssl_conf_own_cert(&tls->ssl, &tls->certificate, &tls->key) == 0)
        return SLUICE_OK;
    snprintf(ret_text, NET_TEXT_BYTES, "mbedTLS has no memory");
    return SLUICE_NO_MEMORY;
}

enum sluice_error net_tls_new(const struct net_tls_config *config, struct net_tls **ret_tls, char *ret_text)
{
    struct net_tls *tls = memory_new(sizeof *tls);
    tls->refs = 1;
    mbedtls_ssl_config_init(&tls->ssl);
    mbedtls_entropy_init(&tls->entropy);
    mbedtls_ctr_drbg_init(&tls->random);
    mbedtls_x509_crt_init(&tls->certificate);
    mbedtls_pk_init(&tls->key);
    mbedtls_x509_crt_init(&tls->client_ca);
    tls->trust.certificate_required = config->client_ca && config->client_certificate_required;
    tls->trust.identity = config->identity;
    tls->sessions = config->previous ? tls_sessions_ref(config->previous->sessions)
                                     : tls_sessions_new(config->sessions_count,
                                                        config->session_timeout_s * UINT64_C(1000));
    enum sluice_error error = set_up_library(tls, ret_text);
    if (!error)
        error = load_files(tls, config, ret_text);
    if (!error)
        error = configure(tls, config, ret_text);
    if (error)
        net_tls_unref(tls);
    else
        *ret_tls = tls;
    return error;
}

/* Whoever has the private key may read the sessions. */
void net_tls_keep_sessions(struct net_tls *tls, const char *path)
{
    uint8_t der[LARGEST_KEY_BYTES], key[TLS_SESSION_KEY_BYTES];
    struct span purpose = SPAN_LITERAL("Sluice: the file of TLS sessions");
    int len = mbedtls_pk_write_key_der(&tls->key, der, sizeof der); /* at the end of it */
    if (len > 0 &&
        mbedtls_hkdf(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), NULL, 0, der + sizeof der - (size_t)len,
                     (size_t)len, purpose.data, purpose.len, key, sizeof key) == 0)
        tls_sessions_use_file(tls->sessions, path, key);
    else
        log_warning("%s is not written: no key for it comes from the private key", path);
    mbedtls_platform_zeroize(der, sizeof der);
    mbedtls_platform_zeroize(key, sizeof key);
}

struct net_tls *net_tls_ref(struct net_tls *tls)
{
    tls->refs++;
    return tls;
}

void net_tls_unref(struct net_tls *tls)
{
    if (!tls || --tls->refs > 0)
        return;
    tls_sessions_unref(tls->sessions);
    tls_trust_fini(&tls->trust);
    mbedtls_ssl_config_free(&tls->ssl);
    mbedtls_x509_crt_free(&tls->client_ca);
    mbedtls_pk_free(&tls->key);
    mbedtls_x509_crt_free(&tls->certificate);
    mbedtls_ctr_drbg_free(&tls->random);
    mbedtls_entropy_free(&tls->entropy);
    memory_free(tls);
}
