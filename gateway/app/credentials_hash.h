/*
 * SHA-256 as the credentials need it. Nothing is kept; any thread. Running out of
 * memory ends the process, as everywhere.
 */
#ifndef SLUICE_APP_CREDENTIALS_HASH_H
#define SLUICE_APP_CREDENTIALS_HASH_H

#include "base/log.h"
#include "wire/span.h"

#include <mbedtls/md.h>
#include <mbedtls/sha256.h>
#include <stdio.h>

enum { HASH_BYTES = 32, HASH_HEX_BYTES = 65 };

static inline void hash_plain(struct span bytes, uint8_t *ret_hash)
{
    if (mbedtls_sha256(bytes.data, bytes.len, ret_hash, 0) != 0)
        log_fatal("SHA-256 failed");
}

/* HMAC with a key of HASH_BYTES. */
static inline void hash_keyed(const uint8_t *key, struct span bytes, uint8_t *ret_hash)
{
    if (mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key, HASH_BYTES, bytes.data, bytes.len,
                        ret_hash) != 0)
        log_fatal("HMAC failed: out of memory");
}

static inline void hash_write_hex(const uint8_t *hash, char *ret_text)
{
    for (size_t i = 0; i < HASH_BYTES; i++)
        snprintf(ret_text + 2 * i, 3, "%02x", hash[i]);
}

#endif
