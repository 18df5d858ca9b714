/*
 * SipHash-1-3 (Aumasson and Bernstein, 2012): the hash of names that clients
 * choose. With a secret key nobody outside can choose names that collide.
 */
#ifndef SLUICE_BASE_HASH_H
#define SLUICE_BASE_HASH_H

#include "wire/span.h"

struct hash_key {
    uint64_t k0, k1;
};

struct hash_key hash_key_of(const uint8_t bytes[16]);
uint64_t hash_bytes(struct hash_key key, struct span bytes);

#endif
