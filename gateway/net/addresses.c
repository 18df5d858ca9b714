#include "net/addresses.h"

#include "base/memory.h"

#include <assert.h>

enum { SMALLEST_CAPACITY = 16 };

static uint64_t first_eight_bytes(const uint8_t *bytes)
{
    struct reader reader = reader_of(span_of(bytes, 8));
    return read_u64(&reader);
}

uint64_t addresses_key(const union socket_address *address)
{
    /* IPv4 goes below 2^32, where no IPv6 prefix in use lies. */
    if (address->any.sa_family == AF_INET)
        return ntohl(address->four.sin_addr.s_addr);
    const uint8_t *six = address->six.sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&address->six.sin6_addr))
        return first_eight_bytes(six + 8) & UINT32_MAX;
    return first_eight_bytes(six);
}

void addresses_fini(struct addresses *addresses)
{
    memory_free(addresses->entries);
    *addresses = (struct addresses){.seed = addresses->seed};
}

uint32_t addresses_hash(uint64_t key, uint64_t seed)
{
    uint64_t hash = (key ^ seed) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
    hash = (hash + seed) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(hash >> 32);
}

static size_t home_of(const struct addresses *addresses, uint64_t key)
{
    return addresses_hash(key, addresses->seed) & (addresses->capacity - 1);
}

/* The key's entry, or the free one where it belongs. */
static struct addresses_entry *find(const struct addresses *addresses, uint64_t key)
{
    size_t place = home_of(addresses, key);
    while (addresses->entries[place].count > 0 && addresses->entries[place].key != key)
        place = (place + 1) & (addresses->capacity - 1);
    return &addresses->entries[place];
}

uint32_t addresses_count(const struct addresses *addresses, uint64_t key)
{
    return addresses->capacity > 0 ? find(addresses, key)->count : 0;
}

static void resize(struct addresses *addresses, size_t capacity)
{
    struct addresses old = *addresses;
    addresses->entries = memory_new_array(capacity, sizeof *addresses->entries);
    addresses->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.entries[i].count > 0)
            *find(addresses, old.entries[i].key) = old.entries[i];
    }
    memory_free(old.entries);
}

void addresses_add(struct addresses *addresses, uint64_t key)
{
    if (addresses->used * 2 >= addresses->capacity)
        resize(addresses, addresses->capacity ? addresses->capacity * 2 : SMALLEST_CAPACITY);
    struct addresses_entry *entry = find(addresses, key);
    addresses->used += entry->count == 0;
    entry->key = key;
    entry->count++;
}

void addresses_remove(struct addresses *addresses, uint64_t key)
{
    struct addresses_entry *entry = find(addresses, key);
    assert(entry->count > 0);
    if (--entry->count > 0)
        return;
    addresses->used--;
    /* What had to pass the freed place moves up, or it would not be found again. */
    size_t mask = addresses->capacity - 1;
    size_t hole = (size_t)(entry - addresses->entries);
    for (size_t place = (hole + 1) & mask; addresses->entries[place].count > 0; place = (place + 1) & mask) {
        size_t home = home_of(addresses, addresses->entries[place].key);
        if (((place - home) & mask) >= ((place - hole) & mask)) {
            addresses->entries[hole] = addresses->entries[place];
            addresses->entries[place].count = 0;
            hole = place;
        }
    }
    if (addresses->capacity > SMALLEST_CAPACITY && addresses->used * 8 < addresses->capacity)
        resize(addresses, addresses->capacity / 2);
}
