/* The agent's figures as one JSON object: what --stats writes and the command `stats` answers. */
#ifndef SLUICE_AGENT_STATS_H
#define SLUICE_AGENT_STATS_H

#include "sluice/device.h"
#include "sluice/ledger.h"

#include <stdio.h>

/* With what the last hours cost, this one first: `hour_count` of them at most. */
void stats_write(FILE *out, const struct sluice_device *device, struct sluice_ledger *ledger,
                 size_t sensor_count, size_t hour_count);

#endif
