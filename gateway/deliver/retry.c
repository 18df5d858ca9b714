#include "deliver/retry.h"

uint64_t retry_bound_ms(struct retry_policy policy, uint32_t attempt)
{
    uint32_t doublings = attempt > 0 ? attempt - 1 : 0;
    if (doublings > 31)
        return policy.cap_ms;
    uint64_t bound = (uint64_t)policy.base_ms << doublings;
    return bound < policy.cap_ms ? bound : policy.cap_ms;
}

uint64_t retry_delay_ms(struct retry_policy policy, uint32_t attempt, uint32_t random)
{
    if (policy.is_exact)
        return retry_bound_ms(policy, attempt);
    /* Scaling by the high half of a product: uniform, and the bound itself is reached. */
    return (retry_bound_ms(policy, attempt) + 1) * random >> 32;
}
