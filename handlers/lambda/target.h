/*
 * Where a function in AWS Lambda is: from what the configuration says (the
 * `settings` of INIT) to the request line, the Host header and the Region that
 * every invocation of it has in common. No I/O. Strings belong to the target; a
 * zeroed struct target is an empty one. Immutable once parsed.
 */
#ifndef SLUICE_LAMBDA_TARGET_H
#define SLUICE_LAMBDA_TARGET_H

#include "sluice/error.h"

#include <stdbool.h>
#include <stddef.h>

struct target_settings {
    const char *function; /* a name, a partial or whole ARN, each with or without ":qualifier" */
    const char *region;   /* for a function that is no whole ARN; may be empty with an endpoint */
    const char *endpoint; /* URL, or NULL: the Region's own */
};

struct target {
    char *url;      /* the request's */
    char *host;     /* the Host header: with the port unless it is the scheme's own */
    char *path;     /* URI-encoded once, as it is sent */
    char *query;    /* "Qualifier=...", or empty */
    char *region;   /* the ARN's own before the configuration's */
    bool encrypted; /* https */
    bool loopback;  /* the endpoint is this machine's own */
};

/* SLUICE_INVALID: one sentence in `error`, which has error_bytes, says what is wrong. */
enum sluice_error target_parse(const struct target_settings *settings, char *error, size_t error_bytes,
                               struct target *ret_target);
void target_fini(struct target *target);

#endif
