/*
 * A request as the event of a function, and the function's result as the answer, as
 * API Gateway has them: payload format 2.0 of its HTTP APIs, or 1.0, also of its
 * REST APIs. What is different here: a path and its parameters are as in 2.0 (the
 * path as it was sent, the parameters decoded), and a body in 1.0 that is no UTF-8
 * is in Base64. Pure but for allocation; any thread. Limits: HTTP_EVENT_QUERY_COUNT
 * parameters in a query, HTTP_ANSWER_HEADERS_BYTES of headers in an answer, and
 * HTTP_ANSWER_HEADERS_JSON_BYTES in each member of the result that says some.
 */
#ifndef SLUICE_APP_HTTP_EVENT_H
#define SLUICE_APP_HTTP_EVENT_H

#include "app/config.h"
#include "base/buffer.h"
#include "broker/access.h"
#include "net/http.h"

enum {
    HTTP_EVENT_QUERY_COUNT = 256,
    HTTP_ANSWER_HEADERS_BYTES = 16384,
    HTTP_ANSWER_HEADERS_JSON_BYTES = 6 * HTTP_ANSWER_HEADERS_BYTES, /* as a byte may be written \u0041 */
};

struct http_event {
    const struct http_request *request;
    const struct config_route *route;
    const char *source_address;
    const struct identity *identity;
    const char *request_id;
    uint64_t wall_ms;
    const char *stage; /* that format 1.0 names */
};

/* SLUICE_TOO_LARGE: the query has too many parameters. */
enum sluice_error http_event_write(const struct http_event *event, struct buffer *out);

/* Released by http_answer_fini, also on failure. A zeroed one is empty. */
struct http_answer {
    enum http_status status;
    struct buffer headers; /* whole lines, and a NUL */
    bool has_type;         /* among them */
    struct buffer body;
};

/* A result with a statusCode says everything. Of any other the whole is the body in format 2.0, and in 1.0 it
 * is no answer: false. */
bool http_answer_read(struct span result, enum config_http_form form, struct http_answer *ret_answer);
void http_answer_fini(struct http_answer *answer);

#endif
