/*
 * Randomness that a rule is handed for newuuid(): `next` gives 32 bits that
 * nobody can foretell. It is called on the thread that evaluates.
 */
#ifndef SLUICE_ROUTE_RANDOM_H
#define SLUICE_ROUTE_RANDOM_H

#include <stdint.h>

struct rule_random {
    uint32_t (*next)(void *ctx);
    void *ctx;
};

#endif
