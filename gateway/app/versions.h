/*
 * The versions of the functions that `sluice deploy` has put into the data folder,
 * and which one of each is live. What makes a version is its code, a folder that
 * is named by the hash of what is in it, and what of the configuration is the
 * code's: handler, runtime, timeout, memory and environment. All else (events,
 * queues, rights) is the gateway's configuration.
 *
 * DATA/functions/versions.json is all of it, in one file, so that a deploy of many
 * functions is one rename. `sluice deploy` writes versions.next.json beside it, and
 * an empty file `refused`, which means that there is no answer yet. Whoever has the
 * data folder gives versions.next.json its name when all that it makes live has
 * started (app/rollout.h), and deletes `refused` when new invocations go there; or
 * it writes the reason into `refused`.
 *
 * Memory: one arena, given back by versions_free; one thread.
 */
#ifndef SLUICE_APP_VERSIONS_H
#define SLUICE_APP_VERSIONS_H

#include "app/config.h"
#include "base/arena.h"
#include "base/buffer.h"

#include <limits.h>

enum { VERSIONS_BYTES_MAX = 16 * 1024 * 1024, VERSIONS_TEXT_BYTES = 512 };

struct version {
    uint64_t number;      /* from 1, and never used again */
    uint64_t deployed_ms; /* Unix epoch */
    char *code;           /* its folder's name */
    char *handler;        /* of a native function relative to its folder */
    char *runtime;
    uint64_t timeout_ms;
    uint64_t memory_mb;
    struct config_strings environment;
};

/* Those of one function, the oldest first. */
struct versions_function {
    char *name;
    uint64_t live; /* one of them, or 0: none is, and the function runs from its folder */
    uint64_t last; /* the number that was given last */
    struct version *items;
    size_t count;
};

struct versions {
    struct arena arena;
    struct versions_function *functions;
    size_t count;
};

/* Paths in a data folder. */
enum versions_file {
    VERSIONS_FOLDER,
    VERSIONS_NOW,
    VERSIONS_NEXT,
    VERSIONS_REFUSED,
    VERSIONS_CODE,
    VERSIONS_DEPLOYING, /* locked by the command that is at work */
};
void versions_path(const char *data, enum versions_file file, char ret_path[PATH_MAX]);
/* The folder of a version's code. */
void versions_code_path(const char *data, const struct version *version, char ret_path[PATH_MAX]);

/* SLUICE_NOT_FOUND: there is no such file, and ret_versions is empty. SLUICE_INVALID, SLUICE_IO, ...:
 * ret_text, of VERSIONS_TEXT_BYTES, says why. */
enum sluice_error versions_read(const char *path, struct versions **ret_versions, char *ret_text);
void versions_write(const struct versions *versions, struct buffer *out);
void versions_free(struct versions *versions); /* NULL is allowed */

/* NULL: there is none. */
struct versions_function *versions_find(const struct versions *versions, struct span name);
struct version *versions_number(const struct versions_function *function, uint64_t number);
/* The one that `rollback` goes to: the newest that is older than the live one; NULL: there is none. */
struct version *versions_before(const struct versions_function *function);

/* Puts a version behind the function's others; its number is set here. Everything is copied. */
struct version *versions_add(struct versions *versions, const char *name, const struct version *version);
/* Forgets the oldest ones of a function beyond `most`, but never the live one, nor the one that was live
 * `before` (0: none was), which is what somebody goes back to. */
void versions_bound(struct versions_function *function, uint64_t most, uint64_t before);

/* Whether the two are the same but for number and time. */
bool version_equal(const struct version *a, const struct version *b);
/* The configuration of a function with what the version has of its own, whose strings the result uses;
 * `arena` holds what is made of them. */
struct config_function version_apply(const struct version *version, const struct config_function *function,
                                     const char *data, struct arena *arena);

#endif
