/*
 * Invokes one function in AWS Lambda, many times at once, over HTTP/1.1
 * connections that are kept alive and shared (transfers.h). TLS always verifies
 * chain and host name. Events are copied; responses are bounded to Lambda's
 * 6 MiB + 100 B.
 *
 * One thread. Every invocation that invoker_start took is answered exactly once,
 * through on_answer and never from within invoker_start, by transfers_run or, at
 * its deadline, by invoker_run. Nothing is tried a
 * second time here: the gateway's queue does that, with back-off. (libcurl itself
 * repeats a request that found its kept-alive connection closed before a byte of
 * the answer had come.)
 */
#ifndef SLUICE_LAMBDA_INVOKER_H
#define SLUICE_LAMBDA_INVOKER_H

#include "lambda/answer.h"
#include "lambda/credentials.h"
#include "lambda/target.h"
#include "lambda/transfers.h"

struct invoker;

enum invoker_type {
    INVOKER_REQUEST_RESPONSE,
    INVOKER_EVENT, /* Lambda queues it, and there is no result */
};

struct invoker_config {
    struct transfers *transfers; /* this and the target must outlive the invoker */
    const struct target *target;
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

/* SLUICE_FULL: `concurrency` invocations are open. SLUICE_TOO_LARGE: an event over 1 MiB for INVOKER_EVENT,
 * which Lambda would refuse when all of it had been sent. */
enum sluice_error invoker_start(struct invoker *invoker, uint64_t invocation, struct span event,
                                uint64_t deadline_ms, const struct transfers_now *now);
uint32_t invoker_open_count(const struct invoker *invoker);
/* Answers what is past its deadline. `now_ms` is the monotonic clock. */
void invoker_run(struct invoker *invoker, uint64_t now_ms);
/* When that will be; UINT64_MAX: nothing is open. */
uint64_t invoker_next_deadline_ms(const struct invoker *invoker);

#endif
