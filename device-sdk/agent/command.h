/*
 * A command whose output is a measurement, the answer of an action or a signature: started by /bin/sh -c,
 * read without waiting, killed with all its children when it takes too long. The caller's loop watches
 * `descriptor` and SIGCHLD.
 */
#ifndef SLUICE_AGENT_COMMAND_H
#define SLUICE_AGENT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { COMMAND_OUTPUT_BYTES = 512 }; /* what comes after is read and forgotten */

struct command {
    uint32_t timeout_ms;
    pid_t pid;      /* 0: not running */
    int descriptor; /* of its output; -1: closed */
    uint64_t deadline_ms;
    bool succeeded; /* it ended by itself with status 0 */
    char output[COMMAND_OUTPUT_BYTES];
    size_t output_bytes;
};

/* False: it could not be started. It must not be running. */
bool command_start(struct command *command, const char *text, uint64_t now_ms);
/* The same, with at most PIPE_BUF bytes as its standard input, which is empty otherwise. */
bool command_start_with(struct command *command, const char *text, const void *input, size_t input_bytes,
                        uint64_t now_ms);
/* Reads, reaps, and kills at the deadline; true while it runs. */
bool command_running(struct command *command, uint64_t now_ms);
/* Kills it if it runs. */
void command_stop(struct command *command);

#endif
