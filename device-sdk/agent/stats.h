/* The agent's figures as one JSON object: what --stats writes and the command `stats` answers. */
#ifndef SLUICE_AGENT_STATS_H
#define SLUICE_AGENT_STATS_H

#include "sluice/device.h"

#include <stdio.h>

void stats_write(FILE *out, const struct sluice_device *device, const struct sluice_port *port,
                 size_t sensor_count);

#endif
