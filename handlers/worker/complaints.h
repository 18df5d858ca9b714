/*
 * What a worker says in the gateway's log about what it does not reach: at once,
 * and then at most once a minute with how often it happened since. One thread, as
 * the worker's other functions.
 */
#ifndef SLUICE_WORKER_COMPLAINTS_H
#define SLUICE_WORKER_COMPLAINTS_H

#include "worker/worker.h"

/* A zeroed one has said nothing. */
struct complaints {
    bool any;
    uint64_t last_ms;
    uint64_t silent_count;
};

/* `now_ms` is the monotonic clock's. */
void complaints_say(struct complaints *complaints, struct worker *worker, uint64_t now_ms,
                    const char *reason);

/* Formats a line for the gateway's log; what is too long is cut. */
void worker_say(struct worker *worker, enum worker_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
