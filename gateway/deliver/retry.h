/*
 * How long to wait before trying again: full jitter, a uniformly random part of
 * an exponentially growing bound, so that many who failed together do not come
 * back together. Pure functions; randomness is handed in.
 */
#ifndef SLUICE_DELIVER_RETRY_H
#define SLUICE_DELIVER_RETRY_H

#include <stdint.h>

struct retry_policy {
    uint32_t base_ms;
    uint32_t cap_ms;
};

/* The numbers of AWS's own Lambda clients. */
#define RETRY_AFTER_ERROR    ((struct retry_policy){100, 20000})
#define RETRY_AFTER_THROTTLE ((struct retry_policy){500, 20000})

/* The longest wait after the `attempt`-th failure in a row, counted from 1: base, twice it, ... up to the
 * cap. */
uint64_t retry_bound_ms(struct retry_policy policy, uint32_t attempt);
/* From 0 to that bound, as `random` (uniform over all its values) says. */
uint64_t retry_delay_ms(struct retry_policy policy, uint32_t attempt, uint32_t random);

#endif
