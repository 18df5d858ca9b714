/*
 * What stands behind struct sluice_context: the state of one function in one
 * worker, and of the invocation that it is running. The functions of
 * sluice/handler.h are defined in context.c; shared objects find them in the
 * worker's executable. One thread. Out of memory ends the process, which the
 * gateway sees as a crash of the function.
 */
#ifndef SLUICE_NATIVE_CONTEXT_H
#define SLUICE_NATIVE_CONTEXT_H

#include "invoke/worker_protocol.h"
#include "sluice/handler.h"

#include <stdbool.h>

struct text {
    char *data; /* NUL-terminated while not NULL */
    size_t len;
    size_t capacity;
};

struct sluice_context {
    char *function_name;
    void *state; /* the function's */
    void (*on_log)(void *ctx, const char *line);
    void *log_ctx;

    /* This invocation's: */
    struct span context_json;
    uint64_t deadline_ms;
    char *request_id; /* NULL until it is asked for */
    struct text event;
    struct text result;
    bool result_too_large; /* nothing more is kept then */
    struct text error_type;
    struct text error_message;
};

/* Forgets the last invocation and takes this one; the frame must live until it is answered. */
void context_begin(struct sluice_context *context, const struct worker_frame *invoke);
void context_fini(struct sluice_context *context);

#endif
