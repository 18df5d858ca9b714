#include "base/hash.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void round_once(struct state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
}

static inline void absorb(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    round_once(s);
    s->v0 ^= word;
}

/* The byte order of the words does not matter here: a hash never leaves the process. */
static inline uint64_t word_at(const uint8_t *bytes, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, bytes, len);
    return word;
}

struct hash_key hash_key_of(const uint8_t bytes[16])
{
    return (struct hash_key){word_at(bytes, 8), word_at(bytes + 8, 8)};
}

uint64_t hash_bytes(struct hash_key key, struct span bytes)
{
    struct state s = {key.k0 ^ 0x736f6d6570736575u, key.k1 ^ 0x646f72616e646f6du,
                      key.k0 ^ 0x6c7967656e657261u, key.k1 ^ 0x7465646279746573u};
    struct span rest = bytes;
    for (; rest.len >= 8; rest = span_skip(rest, 8))
        absorb(&s, word_at(rest.data, 8));
    uint64_t last = (uint64_t)bytes.len << 56;
    if (rest.len > 0)
        last |= word_at(rest.data, rest.len);
    absorb(&s, last);
    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        round_once(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
