/* The simulated disk (sim_disk.h) as the medium of a device's store: one file in it. */
#ifndef SLUICE_TESTS_SIM_MEDIUM_H
#define SLUICE_TESTS_SIM_MEDIUM_H

#include "sim_disk.h"
#include "sluice/store.h"

/* `bytes` of zeros, durable. Both outlive power cuts, unlike a ring on the medium. */
struct sluice_medium *sim_medium_new(struct sim_disk *sim, size_t bytes);
void sim_medium_free(struct sluice_medium *medium);

#endif
