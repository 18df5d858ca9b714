/*
 * How long to wait before trying again: an exponentially growing bound, or with
 * full jitter a uniformly random part of it, so that many who failed together do
 * not come back together. Pure functions; randomness is handed in.
 */
#ifndef SLUICE_DELIVER_RETRY_H
#define SLUICE_DELIVER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct retry_policy {
    uint32_t base_ms;
    uint32_t cap_ms;
    bool is_exact; /* without jitter */
};

/* The numbers of AWS's own Lambda clients. */
#define RETRY_AFTER_ERROR    ((struct retry_policy){100, 20000, false})
#define RETRY_AFTER_THROTTLE ((struct retry_policy){500, 20000, false})
/* Those of Lambda's own queue, for asynchronous invocations. */
#define RETRY_ASYNCHRONOUS_ERROR    ((struct retry_policy){60 * 1000, 120 * 1000, true})
#define RETRY_ASYNCHRONOUS_THROTTLE ((struct retry_policy){1000, 300 * 1000, true})

/* The longest that a target's own word (Retry-After) is waited for: as long as Lambda at most holds back an
 * asynchronous invocation that it throttles. */
#define RETRY_AFTER_MAX_MS UINT64_C(300000)

/* The longest wait after the `attempt`-th failure in a row, counted from 1: base, twice it, ... up to the
 * cap. */
uint64_t retry_bound_ms(struct retry_policy policy, uint32_t attempt);
/* From 0 to that bound, as `random` (uniform over all its values) says; or the bound. */
uint64_t retry_delay_ms(struct retry_policy policy, uint32_t attempt, uint32_t random);

#endif
