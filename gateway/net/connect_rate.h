/*
 * How fast one peer address may connect: so many connections a second on the
 * average of ten seconds. It takes one moment for each of a fixed number of slots
 * and no more memory, however many addresses there are; addresses that share a
 * slot share its rate. The seed is random, so that nobody can choose whom to share
 * one with.
 */
#ifndef SLUICE_NET_CONNECT_RATE_H
#define SLUICE_NET_CONNECT_RATE_H

#include <stdbool.h>
#include <stdint.h>

enum { CONNECT_RATE_SLOTS = 1024 };

struct connect_rate {
    uint64_t seed;
    uint64_t paid_us[CONNECT_RATE_SLOTS]; /* until when the connections so far use the rate up */
};

/* Counts one more connection of this address, unless it comes too soon. */
bool connect_rate_allows(struct connect_rate *rate, uint64_t address_key, uint32_t connections_a_second,
                         uint64_t now_ms);

#endif
