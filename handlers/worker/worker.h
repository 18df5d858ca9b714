/*
 * The worker's side of handlers/PROTOCOL.md: takes the socket that the gateway
 * handed over, gives frames, sends answers. Plain C over the shared codec, with
 * no event loop: a worker with one thread calls worker_receive in a loop; one that
 * has other descriptors polls worker_fd for readability, then calls worker_fill
 * once and worker_next until it says SLUICE_AGAIN.
 *
 * One thread at a time may call. Sending blocks until the gateway has taken the
 * bytes, which it always does soon. Frames are views into the worker's input
 * buffer: they live until the next worker_fill or worker_receive.
 *
 * Errors: SLUICE_CLOSED when the gateway is gone (exit then), SLUICE_INVALID and
 * SLUICE_TOO_LARGE when it broke the protocol, SLUICE_IO, SLUICE_NO_MEMORY.
 */
#ifndef SLUICE_WORKER_H
#define SLUICE_WORKER_H

#include "invoke/worker_protocol.h"

struct worker {
    int fd;
    uint8_t *input; /* what was read: [start, end) is not yet given out */
    size_t start;
    size_t end;
    size_t capacity;
};

/* Takes the socket named by SLUICE_WORKER_FD, keeps it and everything else open from child processes, and
 * asks the system to kill this process when the gateway dies. SLUICE_NOT_FOUND if no gateway started this
 * process. */
enum sluice_error worker_open(struct worker *worker);
/* As worker_open over any connected stream socket, without touching the process. Takes `fd`. */
void worker_open_fd(struct worker *worker, int fd);
void worker_close(struct worker *worker);

static inline int worker_fd(const struct worker *worker)
{
    return worker->fd;
}

/* Waits for the next frame. */
enum sluice_error worker_receive(struct worker *worker, struct worker_frame *ret_frame);

/* Reads once; blocks unless worker_fd is readable. */
enum sluice_error worker_fill(struct worker *worker);
/* The next frame that is already here, or SLUICE_AGAIN. */
enum sluice_error worker_next(struct worker *worker, struct worker_frame *ret_frame);
/* worker_fill, and `handle` for each frame that is here then. False: `handle` said so, or the gateway is
 * gone. */
bool worker_handle(struct worker *worker, bool (*handle)(void *ctx, const struct worker_frame *frame),
                   void *ctx);

/* Sends any frame of a worker; the functions below are what it is mostly used for. An error's type and
 * message and a log's text are cut at their bounds. */
enum sluice_error worker_send(struct worker *worker, const struct worker_frame *frame);
enum sluice_error worker_send_ready(struct worker *worker, uint32_t concurrency, uint32_t init_ms);
/* A result over 6 MiB + 100 B becomes the error Function.ResponseSizeTooLarge, as in Lambda. */
enum sluice_error worker_send_result(struct worker *worker, uint64_t invocation, struct span result);
/* Invocation 0 before READY: initialisation failed. */
enum sluice_error worker_send_error(struct worker *worker, uint64_t invocation, enum worker_error_kind kind,
                                    const char *type, const char *message);
enum sluice_error worker_send_log(struct worker *worker, uint64_t invocation, enum worker_log_level level,
                                  const char *text);

#endif
