/*
 * How long to wait before a worker is started again: a pure function of the
 * failures in a row and a random number. No failure: at once. Then it doubles from
 * base_ms up to cap_ms, of which the random half is taken off, so that pools that
 * failed together do not start together, and none starts sooner than half.
 */
#ifndef SLUICE_INVOKE_RESTART_H
#define SLUICE_INVOKE_RESTART_H

#include <stdint.h>

uint32_t restart_delay_ms(uint32_t base_ms, uint32_t cap_ms, uint32_t failure_count, uint32_t random);

#endif
