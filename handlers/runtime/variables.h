/*
 * The environment variables of an execution environment: those that Lambda's
 * runtime clients insist on, and the function's own. One thread; the list is the
 * caller's, for variables_free.
 */
#ifndef SLUICE_RUNTIME_VARIABLES_H
#define SLUICE_RUNTIME_VARIABLES_H

#include "wire/span.h"

struct variables_of {
    const char *function_name;
    const char *function_version; /* "3", or "$LATEST" */
    const char *handler;
    const char *runtime; /* "nodejs20.x" */
    const char *region;
    const char *task_root;
    uint32_t memory_mb;
    uint16_t port;           /* of the Runtime API on this machine */
    uint64_t wall_ms;        /* Unix epoch, and */
    const char *stream_name; /* what tells this environment from others: its log stream's name ends with it */
};

/* "NAME=value", NULL-terminated. `own` are the function's; those that Lambda reserves are left out of it. */
char **variables_new(const struct variables_of *of, const char *const *own);
void variables_free(char **variables);

#endif
