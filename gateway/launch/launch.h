/*
 * The launcher: `launch [options] -- WORKER [arguments]` confines its own process
 * and then becomes the worker (exec), so the gateway's child is the worker itself.
 * A program between fork and exec is free of what a fork of the gateway may not do
 * (allocate, lock), and what it applies can be tried and tested by itself.
 *
 * Each measure is a function that gives 0 or an errno, which is then one line. One
 * thread; memory is given back by exec.
 */
#ifndef SLUICE_LAUNCH_LAUNCH_H
#define SLUICE_LAUNCH_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum launch_network {
    LAUNCH_NO_NETWORK,
    LAUNCH_WHOLE_NETWORK,
};

enum { LAUNCH_PATHS_MAX = 64 };

struct launch_paths {
    const char *items[LAUNCH_PATHS_MAX];
    size_t count;
};

struct launch {
    struct launch_paths read;  /* files and folders that it may read and execute */
    struct launch_paths write; /* folders and files that it may change too */
    enum launch_network network;
    uint64_t data_bytes;      /* heap, data and stacks of threads; 0: no limit */
    uint64_t open_file_count; /* 0: as many as the gateway */
    uint64_t process_count;   /* of its user, threads included; 0: no limit */
    int nice;                 /* added to the gateway's */
};

/* files.c: only the standard descriptors and the worker's socket are left. */
int launch_close_descriptors(const struct launch *launch);
/* files.c: Landlock. What the system needs is readable besides what `launch` names. */
int launch_limit_files(const struct launch *launch);
/* files.c: Landlock: no signal to, and no abstract socket of, a process outside. */
int launch_limit_signals(const struct launch *launch);
/* resources.c: setrlimit, nice, and who dies first when the machine is out of memory. */
int launch_limit_resources(const struct launch *launch);
/* privileges.c: no program that it starts is more than it is. */
int launch_give_up_privileges(const struct launch *launch);
/* system_calls.c: seccomp. */
int launch_limit_calls(const struct launch *launch);

#endif
