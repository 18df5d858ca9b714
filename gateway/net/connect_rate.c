#include "net/connect_rate.h"

#include "net/addresses.h"

enum { MS_US = 1000, SECOND_US = 1000 * 1000, AVERAGED_US = 10 * SECOND_US };

/* Each connection uses up its part of a second; an address may be ten seconds ahead. */
bool connect_rate_allows(struct connect_rate *rate, uint64_t address_key, uint32_t connections_a_second,
                         uint64_t now_ms)
{
    uint64_t *paid_us = &rate->paid_us[addresses_hash(address_key, rate->seed) % CONNECT_RATE_SLOTS];
    uint64_t now_us = now_ms * MS_US;
    uint64_t next_us = (*paid_us > now_us ? *paid_us : now_us) + SECOND_US / connections_a_second;
    if (next_us > now_us + AVERAGED_US)
        return false;
    *paid_us = next_us;
    return true;
}
