/*
 * The clocks as workers read them. Any thread.
 */
#ifndef SLUICE_WORKER_CLOCK_H
#define SLUICE_WORKER_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC for waiting; CLOCK_REALTIME, since the Unix epoch, for deadlines and signatures. */
uint64_t worker_clock_ms(clockid_t clock);

#endif
