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
#include <sys/types.h>

enum launch_network {
    LAUNCH_NO_NETWORK, /* no internet sockets */
    LAUNCH_LOOPBACK,   /* one of its own, with nobody else in it */
    LAUNCH_WHOLE_NETWORK,
};

#define LAUNCH_SCRATCH "/tmp"
enum { LAUNCH_PATHS_MAX = 64 };

struct launch_paths {
    const char *items[LAUNCH_PATHS_MAX + 1]; /* /tmp is the one more */
    size_t count;
};

struct launch {
    struct launch_paths read;  /* files and folders that it may read and execute */
    struct launch_paths write; /* folders and files that it may change too */
    struct launch_paths hide;  /* real paths that it may not use though a folder above may be read */
    struct launch_paths
        code; /* read, though in a hidden folder: what is the worker's own among others' things */
    enum launch_network network;
    uint64_t data_bytes;      /* heap, data and stacks of threads; 0: no limit */
    uint64_t open_file_count; /* 0: as many as the gateway */
    uint64_t process_count;   /* of its user or namespace, threads included; 0: no limit */
    uint64_t scratch_bytes;   /* of a /tmp of its own; 0: it has none */
    uid_t user;               /* to become, with the group of that number; 0: who it is */
    bool reads_any;           /* as that user too, reads what Landlock lets it, whoever it belongs to */
    int nice;                 /* added to the gateway's */

    /* What measures before have reached: */
    bool own_processes; /* nobody else's count against process_count */
    bool may_mount;
    int ruleset; /* descriptor of Landlock's rules; 0: there are none */
};

/* files.c: only the standard descriptors and the worker's socket are left. */
int launch_close_descriptors(struct launch *launch);
/* namespaces.c: where one of the next needs them, mounts of its own; without root also users of its own,
 * where it may make them. */
int launch_enter_namespaces(struct launch *launch);
int launch_leave_network(struct launch *launch);
int launch_make_scratch(struct launch *launch);
/* privileges.c: its own user; no capabilities, and no program that it starts is more than it is. */
int launch_become_user(struct launch *launch);
int launch_give_up_privileges(struct launch *launch);
/* resources.c: setrlimit, nice, and who dies first when the machine is out of memory. */
int launch_limit_resources(struct launch *launch);
int launch_limit_processes(struct launch *launch);
/* files.c: Landlock. What the system needs is readable besides what `launch` names. */
int launch_name_files(struct launch *launch);
int launch_limit_files(struct launch *launch);
/* files.c: Landlock: no signal to, and no abstract socket of, a process outside. */
int launch_limit_signals(struct launch *launch);
/* system_calls.c: seccomp. */
int launch_limit_calls(struct launch *launch);

/* files.c: of a file that is there, as the system has them. */
int launch_write_file(const char *path, const char *text);

#endif
