/*
 * A disk in memory behind struct disk that is as unreliable as a real one may
 * be. What was not synced is kept apart; a power cut keeps any of it, drops it,
 * or tears it at a sector or at any byte, in any order, creates, renames and
 * removes included. A sync that fails loses what it should have kept, although
 * it can still be read until the power goes. One thread. Deterministic: the
 * seed decides everything.
 */
#ifndef SLUICE_TESTS_SIM_DISK_H
#define SLUICE_TESTS_SIM_DISK_H

#include "deliver/disk.h"

struct sim_disk;

struct sim_disk *sim_disk_new(uint64_t seed);
void sim_disk_free(struct sim_disk *sim);
struct disk *sim_disk_of(struct sim_disk *sim);

/* After that many more operations that change something, every operation gives SLUICE_IO. */
void sim_disk_stop_after(struct sim_disk *sim, uint32_t operations);
/* The power goes and comes back: what is left is on disk, and everything works again. */
void sim_disk_power_cut(struct sim_disk *sim);
void sim_disk_fail_syncs(struct sim_disk *sim, uint32_t count); /* the next so many, and their data */
void sim_disk_set_capacity(struct sim_disk *sim, uint64_t bytes);
void sim_disk_set_read_only(struct sim_disk *sim, bool read_only);

/* For tests that damage or look at files. NULL: there is none of that name. */
struct buffer;
struct buffer *sim_disk_content(struct sim_disk *sim, const char *name);
/* Puts a file there that is durable at once. */
void sim_disk_put(struct sim_disk *sim, const char *name, struct span bytes);

#endif
