/*
 * A request as the event of a function, and the function's result as the answer:
 * payload format 2.0 of API Gateway's HTTP APIs. Pure but for allocation; any
 * thread. Limits: HTTP_EVENT_QUERY_COUNT parameters in a query.
 */
#ifndef SLUICE_APP_HTTP_EVENT_H
#define SLUICE_APP_HTTP_EVENT_H

#include "app/config.h"
#include "base/buffer.h"
#include "broker/access.h"
#include "net/http.h"

enum { HTTP_EVENT_QUERY_COUNT = 256 };

struct http_event {
    const struct http_request *request;
    const struct config_route *route;
    const char *source_address;
    const struct identity *identity;
    const char *request_id;
    uint64_t wall_ms;
};

/* SLUICE_TOO_LARGE: the query has too many parameters. */
enum sluice_error http_event_write(const struct http_event *event, struct buffer *out);

/* Released by http_answer_fini, also on failure. A zeroed one is empty. */
struct http_answer {
    enum http_status status;
    struct buffer headers; /* whole lines, and a NUL */
    struct buffer body;
};

/* A result with a statusCode says everything; of any other, the whole is the body. False: it is no answer. */
bool http_answer_read(struct span result, struct http_answer *ret_answer);
void http_answer_fini(struct http_answer *answer);

#endif
