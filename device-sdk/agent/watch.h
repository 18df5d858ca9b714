/*
 * Limits: a sample in which a [watch NAME] sensor passes one, or comes back, is
 * urgent: it is to be published at once, by the caller. An event says what happened, on the
 * `events` topic of [gateway]:
 *
 *   {"time":1700000000.250,"sensor":"soil","value":12.5,"state":"below","limit":15}
 *
 * with the states "above", "below" and "normal". A value comes back when it is
 * within the limit by `hysteresis`; what is missing changes nothing. Memory: the
 * caller's. Owned by the agent's loop.
 */
#ifndef SLUICE_AGENT_WATCH_H
#define SLUICE_AGENT_WATCH_H

#include "agent/config.h"
#include "agent/sampler.h"

enum watch_state { WATCH_NORMAL, WATCH_ABOVE, WATCH_BELOW };

struct watches {
    const struct agent_config *config;
    const struct sampler *sampler;
    size_t count;
    struct watch {
        const struct source *limits;
        size_t sensor; /* its place in the sampler's list */
        enum watch_state state;
    } items[SOURCES_MAX];
};

/* False, and the log says which: a [watch] names a sensor that this board has not. */
bool watch_init(struct watches *watches, const struct agent_config *config, const struct sampler *sampler);
/* Looks at a sample that `device` was given; time_ms: 0, the clock is not set. True: it is urgent. */
bool watch_sample(struct watches *watches, struct sluice_device *device, uint64_t time_ms,
                  const double *values);
/* Where `value` is between the limits, which may be infinite. */
enum watch_state watch_next(enum watch_state state, const struct source *limits, double value);

#endif
