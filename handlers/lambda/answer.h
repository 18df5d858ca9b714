/*
 * From what AWS Lambda's Invoke API answered to what the worker tells the
 * gateway: a result, or an error of the kind that decides whether the event loses
 * an attempt. Pure functions; no I/O.
 *
 * The rule: an error is the function's where trying the same event again cannot
 * be told from trying it for the first time (it ran and failed, or the event
 * itself is refused), and it is transport where the event has no part in it, be it
 * an outage or a mistake in the configuration: nothing is lost while somebody
 * corrects that.
 */
#ifndef SLUICE_LAMBDA_ANSWER_H
#define SLUICE_LAMBDA_ANSWER_H

#include "base/buffer.h"
#include "invoke/worker_protocol.h"

struct response {
    long status;             /* HTTP's */
    bool function_failed;    /* X-Amz-Function-Error is there */
    const char *error_type;  /* X-Amzn-ErrorType, or NULL */
    uint32_t retry_after_ms; /* Retry-After; 0: it is not there */
    struct span body;
};

struct answer {
    bool succeeded;
    /* A view into the response's body: the result, of any size, or the function's own error, if it is within
     * its bound. */
    struct span payload;
    enum worker_error_kind kind;
    bool identity_refused; /* whoever signed it may not, or no longer */
    uint32_t retry_after_ms;
    struct buffer error_type;
    struct buffer error_message;
};

struct answer answer_of_response(const struct response *response);
/* There is no response, for the reason that the arguments name. */
struct answer answer_of_failure(enum worker_error_kind kind, const char *type, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void answer_fini(struct answer *answer);

#endif
