/*
 * One child process and what connects it to the gateway: the socket that carries
 * frames, and the pipe that carries what it prints. It starts, reads until
 * drained, decodes in place, writes, signals, and tears down; it decides nothing.
 *
 * Thread: the loop's. The object frees itself: on_exit is called once, when the
 * child has been reaped and everything that it wrote has been read; on_closed is
 * called once after that, when the last handle is closed, and then it is gone.
 * No callback is made from inside process_start, process_send or process_flush.
 */
#ifndef SLUICE_INVOKE_PROCESS_H
#define SLUICE_INVOKE_PROCESS_H

#include "invoke/worker_protocol.h"

#include <uv.h>

struct process;

struct process_config {
    const char *name; /* of the function: in front of its lines in the log; must outlive the process */
    const char *const *launcher; /* in front of the executable, NULL-terminated; NULL: nothing is */
    const char *executable;
    const char *const *arguments;   /* after the executable's name, NULL-terminated; NULL: none */
    const char *const *environment; /* "NAME=value", NULL-terminated; NULL: none */
};

struct process_hooks {
    void *ctx;
    /* A view that lives until it returns. May call anything here; after process_deafen no more frames come.
     */
    void (*on_frame)(void *ctx, const struct worker_frame *frame);
    /* Nothing more can be read: it broke the protocol (`reason` says how) or closed its socket (reason NULL).
     */
    void (*on_broken)(void *ctx, const char *reason);
    /* A line that goes to the log: a view. May call nothing of this header. */
    void (*on_line)(void *ctx, struct span line);
    void (*on_exit)(void *ctx, int64_t exit_status, int signal);
    void (*on_closed)(void *ctx);
};

/* 0, or libuv's error code. */
int process_start(uv_loop_t *loop, const struct process_config *config, const struct process_hooks *hooks,
                  struct process **ret_process);
int process_pid(const struct process *process);
/* Copies the frame to be written by process_flush. */
enum sluice_error process_send(struct process *process, const struct worker_frame *frame);
/* Writes what was sent since the last flush, in one go; what the socket does not take follows by itself. */
void process_flush(struct process *process);
/* Reads now what the loop would read next. */
void process_read(struct process *process);
/* The same of what it has printed; nothing where it has printed more than is read in a second. */
void process_read_output(struct process *process);
/* To the process and all that it started. */
void process_signal(struct process *process, int signal);
/* No frames are listened to any more; what it prints still is. */
void process_deafen(struct process *process);
/* The same and SIGKILL; on_exit follows. */
void process_kill(struct process *process);

#endif
