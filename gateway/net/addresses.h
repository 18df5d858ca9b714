/*
 * How many connections each peer address has: a hash table of counters, so that
 * one address cannot take every connection there is. Its memory follows the
 * number of addresses that are connected now, which the listener bounds. The
 * seed is random, so that nobody can choose addresses that collide.
 */
#ifndef SLUICE_NET_ADDRESSES_H
#define SLUICE_NET_ADDRESSES_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

union socket_address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

struct addresses_entry {
    uint64_t key;
    uint32_t count; /* 0: free */
};

struct addresses {
    struct addresses_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t used;
    uint64_t seed;
};

/* What counts as one address: all of an IPv4 one, the /64 of an IPv6 one (a subscriber has that many). */
uint64_t addresses_key(const union socket_address *address);

/* Where a key belongs in a table; who does not know the seed cannot choose it. */
uint32_t addresses_hash(uint64_t key, uint64_t seed);

/* Zeroed but for its seed it is empty. */
void addresses_fini(struct addresses *addresses);
uint32_t addresses_count(const struct addresses *addresses, uint64_t key);
void addresses_add(struct addresses *addresses, uint64_t key);
void addresses_remove(struct addresses *addresses, uint64_t key); /* one that was added */

#endif
