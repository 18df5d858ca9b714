/*
 * A cgroup (version 2) for each worker: memory and number of processes are bounded
 * for all that the worker starts together, its share of the processor is below the
 * gateway's, and all of it ends at once. Which limits there are depends on the
 * controllers that the gateway's cgroup has; those of setrlimit (gateway/launch)
 * hold besides, for each process.
 *
 * A cgroup with processes in it can give no controllers to others, so the gateway
 * moves itself into one below its own. What it makes it removes again, also what a
 * gateway that was killed has left.
 *
 * The loop's thread; a few writes to files of the kernel's for each worker.
 */
#ifndef SLUICE_APP_CGROUPS_H
#define SLUICE_APP_CGROUPS_H

#include "app/config.h"

struct cgroups;
struct cgroup;

/* *ret_cgroups is NULL where there are none: the configuration says so, or the system has none to give, which
 * is a line of the log. SLUICE_IO: the folder that the configuration names cannot be used; the log says why.
 */
enum sluice_error cgroups_open(const struct config *config, struct cgroups **ret_cgroups);
/* No worker is left in any. NULL is allowed. */
void cgroups_close(struct cgroups *cgroups);

/* Puts a process that has just been started into one of its own. NULL: that failed, which the log says. */
struct cgroup *cgroups_enter(struct cgroups *cgroups, const struct config_function *function, int pid);
/* The most memory that it has held, with what it has written to its /tmp; 0: not known. */
uint64_t cgroup_memory_bytes(const struct cgroup *cgroup);
/* Kills what is left in it. */
void cgroups_leave(struct cgroups *cgroups, struct cgroup *cgroup);

#endif
