#include "client/backoff.h"

uint32_t backoff_delay_ms(uint32_t min_ms, uint32_t max_ms, unsigned failure_count, uint32_t random)
{
    uint64_t ceiling_ms = (uint64_t)min_ms << (failure_count < 32 ? failure_count : 32);
    if (ceiling_ms > max_ms)
        ceiling_ms = max_ms;
    return (uint32_t)((ceiling_ms + 1) * random >> 32);
}
