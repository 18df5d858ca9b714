/*
 * Invokes one function in AWS Lambda, many times at once, over HTTP/1.1
 * connections that are kept alive and shared (libcurl's multi interface). TLS
 * always verifies chain and host name. Events are copied; responses are bounded
 * to Lambda's 6 MiB + 100 B.
 *
 * One thread: call invoker_wait and then invoker_run in a loop. Every invocation
 * that invoker_start took is answered exactly once, through on_answer and never
 * from within invoker_start; at the latest at its deadline. Nothing is tried a
 * second time here: the gateway's queue does that, with back-off. (libcurl itself
 * repeats a request that found its kept-alive connection closed before a byte of
 * the answer had come.)
 */
#ifndef SLUICE_LAMBDA_INVOKER_H
#define SLUICE_LAMBDA_INVOKER_H

#include "lambda/answer.h"
#include "lambda/credentials.h"
#include "lambda/target.h"

struct invoker;

enum invoker_type {
    INVOKER_REQUEST_RESPONSE,
    INVOKER_EVENT, /* Lambda queues it, and there is no result */
};

struct invoker_config {
    const struct target *target;           /* must outlive the invoker */
    const struct credentials *credentials; /* looked at for each request; without keys it goes out unsigned */
    const char *ca_file;                   /* NULL: the system's */
    enum invoker_type type;
    uint32_t concurrency;
    /* The answer lives until it returns. It must not call the invoker. */
    void (*on_answer)(void *ctx, uint64_t invocation, const struct answer *answer);
    void *ctx;
};

struct invoker *invoker_new(const struct invoker_config *config);
/* Abandons what is open, without an answer. */
void invoker_free(struct invoker *invoker);

/* What both clocks say: the monotonic one for deadlines, the wall's for signatures. */
struct invoker_now {
    uint64_t monotonic_ms;
    uint64_t wall_ms; /* Unix epoch */
};

/* SLUICE_FULL: `concurrency` invocations are open. */
enum sluice_error invoker_start(struct invoker *invoker, uint64_t invocation, struct span event,
                                uint64_t deadline_ms, const struct invoker_now *now);
uint32_t invoker_open_count(const struct invoker *invoker);
/* Waits until `fd` is readable (true), or invoker_run has something to do. */
bool invoker_wait(struct invoker *invoker, int fd, uint64_t now_ms);
/* Moves bytes, answers what is done or past its deadline. `now_ms` is the monotonic clock. */
void invoker_run(struct invoker *invoker, uint64_t now_ms);

#endif
