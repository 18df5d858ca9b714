/*
 * When to connect again: with full jitter, later after each connection in a row
 * that brought nothing. One thread.
 */
#ifndef SLUICE_UPLINK_RECONNECT_H
#define SLUICE_UPLINK_RECONNECT_H

#include <stdbool.h>
#include <stdint.h>

enum { RECONNECT_MAX_MS = 20 * 1000 };

/* A zeroed one connects at once. */
struct reconnect {
    uint64_t at_ms;
    unsigned failure_count;
};

/* There is no connection any more; `brought`: it was worth something. */
void reconnect_later(struct reconnect *reconnect, uint64_t now_ms, bool brought);

#endif
