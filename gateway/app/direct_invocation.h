/*
 * Invocations that come from no message: somebody asks for one function by name
 * (the Invoke API). A synchronous one goes past the queue straight to the pool and
 * is tried once; it counts towards the function's reserved concurrency, and what
 * is beyond that is refused, as Lambda does it. An asynchronous one becomes a
 * message of the function's own queue NAME/invoke, whose payload is the event:
 * age and dead letters are those of every queue, the pauses between attempts Lambda's.
 *
 * The loop's thread. Nothing is kept of the spans that are handed in.
 */
#ifndef SLUICE_APP_DIRECT_INVOCATION_H
#define SLUICE_APP_DIRECT_INVOCATION_H

#include "app/functions.h"
#include "invoke/invoke.h"

enum { REQUEST_ID_BYTES = INVOKE_REQUEST_ID_BYTES };

struct function;

/* NULL: there is none of that name. */
struct function *functions_find(struct functions *functions, struct span name);
/* In the order of the configuration; NULL past the last. */
struct function *functions_at(struct functions *functions, size_t index);
const struct config_function *function_config(const struct function *function);
const char *function_arn(const struct function *function);

/* A new one, of a UUID. */
void functions_new_request_id(const struct functions *functions, char ret_request_id[REQUEST_ID_BYTES]);

/* ---- Versions: a number, or 0 for $LATEST ---- */

enum { FUNCTION_VERSION_BYTES = 24 }; /* of its name, with its NUL */

/* What a qualifier means now: $LATEST, `live`, a number; empty: what messages get. SLUICE_NOT_FOUND. */
enum sluice_error function_resolve(const struct function *function, struct span qualifier,
                                   uint64_t *ret_version);
void function_version_name(uint64_t version, char ret_name[FUNCTION_VERSION_BYTES]);
/* The one that messages get. */
uint64_t function_live_version(const struct function *function);
/* The deployed ones, the oldest first; 0 past the last. */
uint64_t function_version_at(const struct function *function, size_t index);
/* As that version has it; `arena` holds what is made for it. */
struct config_function function_version_config(const struct function *function, uint64_t version,
                                               struct arena *arena);

struct direct_invocation {
    uint64_t version;      /* as function_resolve gives it */
    struct span qualifier; /* what it was named by, or empty */
    struct span event;
    struct span client_context; /* a JSON object, or empty */
    struct span trace_id;       /* as X-Amzn-Trace-Id has it; empty: a new one */
    bool wants_log;
    void (*on_done)(void *ctx, const struct invoke_result *result);
    void *ctx;
};

/* SLUICE_OK: on_done is called later, once. SLUICE_FULL: as many run as may. SLUICE_TOO_LARGE; SLUICE_CLOSED:
 * the gateway stops; SLUICE_NOT_FOUND: the version's code is not there. A version that is not live is started
 * for it, and has the function's concurrency beside that of the others. */
enum sluice_error function_invoke(struct function *function, const struct direct_invocation *invocation,
                                  char ret_request_id[REQUEST_ID_BYTES]);
/* The qualifier is resolved when it is invoked. SLUICE_OK: it is queued, and durable once broker_durable()
 * would be told *ret_seq. SLUICE_FULL: the queue or the journal has no room; or the errors of
 * journal_append_messages. `properties`: of another function's record; that may use the journal's reserve. */
enum sluice_error function_enqueue(struct function *function, struct span qualifier, struct span event,
                                   struct span properties, uint64_t *ret_seq,
                                   char ret_request_id[REQUEST_ID_BYTES]);

#endif
