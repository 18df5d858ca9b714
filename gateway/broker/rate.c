#include "broker/rate.h"

enum {
    SLICE_MS = 10,                /* a client that is held back goes on this much later at the soonest */
    ELAPSED_MS = 2 * 3600 * 1000, /* more adds nothing; it keeps the product in 64 bits */
};

struct rate_credit rate_full(const struct rate *rate, uint64_t now_ms)
{
    return (struct rate_credit){.filled_ms = now_ms,
                                .messages = (int64_t)rate->messages_a_second * RATE_PARTS,
                                .bytes = (int64_t)rate->bytes_a_second * RATE_PARTS};
}

/* So many thousandths a millisecond are so many a second. */
static int64_t filled(int64_t credit, uint64_t a_second, uint64_t elapsed_ms)
{
    int64_t full = (int64_t)a_second * RATE_PARTS;
    int64_t sum = credit + (int64_t)(a_second * elapsed_ms);
    return sum < full ? sum : full;
}

static bool has_credit(const struct rate_credit *credit)
{
    return credit->messages >= RATE_PARTS && credit->bytes > 0;
}

bool rate_allows(const struct rate *rate, struct rate_credit *credit, uint64_t now_ms)
{
    if (has_credit(credit))
        return true;
    uint64_t elapsed_ms = now_ms - credit->filled_ms;
    if (elapsed_ms > ELAPSED_MS)
        elapsed_ms = ELAPSED_MS;
    credit->messages = filled(credit->messages, rate->messages_a_second, elapsed_ms);
    credit->bytes = filled(credit->bytes, rate->bytes_a_second, elapsed_ms);
    credit->filled_ms = now_ms;
    return has_credit(credit);
}

static uint64_t wait_ms(int64_t credit, int64_t wanted, uint64_t a_second)
{
    return credit < wanted ? ((uint64_t)(wanted - credit) + a_second - 1) / a_second : 0;
}

uint64_t rate_continues_ms(const struct rate *rate, const struct rate_credit *credit)
{
    uint64_t messages_ms = wait_ms(credit->messages, RATE_PARTS, rate->messages_a_second);
    uint64_t bytes_ms = wait_ms(credit->bytes, 1, rate->bytes_a_second);
    uint64_t longer_ms = messages_ms > bytes_ms ? messages_ms : bytes_ms;
    return credit->filled_ms + (longer_ms > SLICE_MS ? longer_ms : SLICE_MS);
}
