#include "invoke/restart.h"

enum { DOUBLINGS_MAX = 31 };

uint32_t restart_delay_ms(uint32_t base_ms, uint32_t cap_ms, uint32_t failure_count, uint32_t random)
{
    if (failure_count == 0)
        return 0;
    uint32_t doublings = failure_count - 1 < DOUBLINGS_MAX ? failure_count - 1 : DOUBLINGS_MAX;
    uint64_t full_ms = (uint64_t)base_ms << doublings;
    uint32_t most_ms = full_ms < cap_ms ? (uint32_t)full_ms : cap_ms;
    return most_ms - (uint32_t)((uint64_t)(most_ms / 2) * random >> 32);
}
