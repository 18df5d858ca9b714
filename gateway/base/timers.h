/*
 * Deadlines, soonest first: an indexed heap of timers that live in their
 * owners' memory. No clock: `now_ms` is handed in, and the loop asks for the
 * next deadline. Setting and stopping cost O(log n). Owned by one thread. The
 * heap's memory grows with the number of timers that are set, which their owners
 * bound; running out of memory ends the process.
 */
#ifndef SLUICE_BASE_TIMERS_H
#define SLUICE_BASE_TIMERS_H

#include <stddef.h>
#include <stdint.h>

#define TIMERS_NEVER UINT64_MAX

/* Zeroed it is not set. It must not move, and must be stopped before its memory goes. */
struct timer {
    uint64_t deadline_ms;
    size_t place; /* in the heap, from 1; 0: not set */
    void (*on_expired)(void *owner, uint64_t now_ms);
    void *owner;
};

struct timers {
    struct timer **heap; /* heap[0] is place 1 */
    size_t count;
    size_t capacity;
};

/* A zeroed struct timers is an empty one. */
void timers_fini(struct timers *timers);
/* Sets or moves the deadline. TIMERS_NEVER stops the timer. */
void timers_set(struct timers *timers, struct timer *timer, uint64_t deadline_ms);
void timers_stop(struct timers *timers, struct timer *timer); /* no harm if it is not set */
/* The soonest deadline, or TIMERS_NEVER. */
uint64_t timers_next(const struct timers *timers);
/* Stops each timer whose deadline has come and calls its on_expired, soonest first; those may set,
 * stop and free any timer, but set none to now_ms or earlier, which would expire in the same run. Of very
 * many some are left for the next run, so that timers_next is due still: what ended together, as the sessions
 * of a network that has gone, must not hold up everybody else. */
void timers_run(struct timers *timers, uint64_t now_ms);

#endif
