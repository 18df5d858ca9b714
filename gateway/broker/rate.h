/*
 * How fast a client may publish: a bucket of messages and one of bytes, which fill
 * at the configured rate and hold one second's worth. While there is something in
 * both, a message costs two subtractions; the time is looked at only when one is
 * empty. A message larger than what is left passes and leaves a debt. No clock:
 * `now_ms` is handed in.
 */
#ifndef SLUICE_BROKER_RATE_H
#define SLUICE_BROKER_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RATE_BYTES_MAX 1000000000000u /* keeps the products in 64 bits */

enum { RATE_PARTS = 1000 }; /* credit is in thousandths, so that no fraction gets lost */

struct rate {
    uint32_t messages_a_second;
    uint64_t bytes_a_second; /* at most RATE_BYTES_MAX */
};

struct rate_credit {
    uint64_t filled_ms;
    int64_t messages, bytes;
};

struct rate_credit rate_full(const struct rate *rate, uint64_t now_ms);
/* Whether another message may pass now. */
bool rate_allows(const struct rate *rate, struct rate_credit *credit, uint64_t now_ms);
/* When it may, after it might not. */
uint64_t rate_continues_ms(const struct rate *rate, const struct rate_credit *credit);

static inline void rate_take(struct rate_credit *credit, size_t bytes)
{
    credit->messages -= RATE_PARTS;
    credit->bytes -= (int64_t)bytes * RATE_PARTS;
}

#endif
