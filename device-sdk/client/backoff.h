/*
 * How long to wait before the next attempt to connect: exponential, with full
 * jitter, so that a fleet that lost its gateway does not return as one wave
 * (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 * A pure function: the random bits are handed in.
 */
#ifndef SLUICE_CLIENT_BACKOFF_H
#define SLUICE_CLIENT_BACKOFF_H

#include <stdint.h>

/* Evenly spread over 0 to min(max_ms, min_ms * 2^failure_count), both ends included. */
uint32_t backoff_delay_ms(uint32_t min_ms, uint32_t max_ms, unsigned failure_count, uint32_t random);

#endif
