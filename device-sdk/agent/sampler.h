/*
 * Takes samples of all sensors: starts the commands, waits for them without
 * blocking, then reads everything at one moment. Owned by the agent's loop.
 */
#ifndef SLUICE_AGENT_SAMPLER_H
#define SLUICE_AGENT_SAMPLER_H

#include "agent/config.h"
#include "agent/sensor.h"

#include <poll.h>

struct sampler {
    struct sensor_list list;
    char root[256];
    struct sensor_search search;
    uint64_t next_search_ms;                     /* for what is missing */
    struct sluice_channel channels[SENSORS_MAX]; /* of the list, in its order */
    struct iio_buffer buffers[BUFFERS_MAX];
    size_t buffer_count;
    const char *texts[SENSORS_MAX]; /* what sensors of texts gave for the latest sample; NULL: nothing */
    bool collecting;                /* commands run */
    bool urgent;                    /* an edge came that the next sample has to tell */
    uint64_t started_ms;            /* the last sample */
};

/* Finds the sensors that the configuration, which config_finish found right, wants; false: one that it names
 * has no values to announce, and the log says which. */
bool sampler_init(struct sampler *sampler, const struct agent_config *config);
void sampler_start(struct sampler *sampler, uint64_t now_ms);
/* Whether a sample that was started is complete; then, once, its values. */
bool sampler_finish(struct sampler *sampler, uint64_t now_ms, double ret_values[SENSORS_MAX]);
/* Takes what lines and buffers have; true: something happened that should be sampled and sent at once. */
bool sampler_watch(struct sampler *sampler);
/* When that may be, so that a line that flickers does not fill the network; UINT64_MAX: nothing is urgent. */
uint64_t sampler_urgent_ms(const struct sampler *sampler);
/* Kills what still runs, and closes what is open. */
void sampler_stop(struct sampler *sampler);

/* Appends what to wait for to `entries`, of which there are SENSORS_MAX; gives their count. */
size_t sampler_poll_entries(const struct sampler *sampler, struct pollfd entries[SENSORS_MAX]);
uint64_t sampler_deadline_ms(const struct sampler *sampler); /* UINT64_MAX: none */

#endif
