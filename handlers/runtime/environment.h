/*
 * The execution environment: one child process, which dies with its parent. It
 * stays in the parent's process group, so that the gateway's signals reach it and
 * what it starts. On the loop, one thread; the struct is the caller's memory and
 * is in use until environment_close.
 */
#ifndef SLUICE_RUNTIME_ENVIRONMENT_H
#define SLUICE_RUNTIME_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct environment_config {
    const char *const *command;   /* an absolute path and its arguments, NULL-terminated */
    const char *const *variables; /* all that it gets, NULL-terminated */
    const char *folder;           /* that it works in */
    uint64_t memory_bytes;        /* heap and data of each of its processes; 0: no limit */
};

struct environment {
    uv_signal_t child_signal;
    pid_t pid; /* 0: it does not run */
    void (*on_exit)(void *ctx, int status);
    void *ctx;
};

/* `on_exit` is called once with the status of waitpid(2). On failure `error` says why in a sentence. */
bool environment_start(struct environment *environment, uv_loop_t *loop,
                       const struct environment_config *config, void (*on_exit)(void *ctx, int status),
                       void *ctx, char *error, size_t error_bytes);
/* SIGTERM for this process group, so that what the environment has started ends too; the caller handles its
 * own. Nothing happens where the environment does not run. */
void environment_terminate(const struct environment *environment);
/* Also after a failed start. */
void environment_close(struct environment *environment);

#endif
