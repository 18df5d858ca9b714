/*
 * Loads one native function (sluice/handler.h) and runs it. No socket and no
 * frames of its own: main.c puts the worker protocol around it, and tests call it
 * directly. An executable that links this must export its symbols, since the
 * function's calls are resolved from it.
 *
 * One thread. What an answer points to lives until the next call.
 */
#ifndef SLUICE_NATIVE_HOST_H
#define SLUICE_NATIVE_HOST_H

#include "native/context.h"

struct host;

struct host_config {
    const char *function_name;
    const char *handler; /* path of the shared object */
    void (*on_log)(void *ctx, const char *line);
    void *log_ctx;
};

struct host_answer {
    bool succeeded;
    struct span result;     /* over WORKER_PAYLOAD_BYTES_MAX if it was too large */
    const char *error_type; /* of a failure */
    const char *error_message;
};

/* Copies what it needs of the configuration, and does nothing else yet. */
struct host *host_new(const struct host_config *config);
/* Loads the shared object and calls its sluice_init; once, before the first host_invoke. */
struct host_answer host_start(struct host *host);
/* Runs the function for one INVOKE frame. */
struct host_answer host_invoke(struct host *host, const struct worker_frame *invoke);
void host_free(struct host *host);

#endif
