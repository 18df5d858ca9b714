/*
 * What the two forms of an HTTP event have in common (http_event.c: payload format
 * 2.0; http_event_rest.c: 1.0, which REST APIs have). Pure but for allocation.
 * Nobody else includes it.
 */
#ifndef SLUICE_APP_HTTP_EVENT_INTERNAL_H
#define SLUICE_APP_HTTP_EVENT_INTERNAL_H

#include "app/http_event.h"

/* `*before` is what stands before a member's name; then it is a comma. */
void http_event_begin_member(struct buffer *out, const char **before, struct span name);
/* A comma, the name and a string. */
void http_event_write_member(struct buffer *out, const char *name, struct span value);

/* Headers, or the parameters of a query: a name may stand there several times. */
struct http_values {
    const struct http_header *items;
    size_t count;
    bool (*is_same)(struct span a, struct span b); /* of two names */
};
struct http_values http_event_headers(const struct http_request *request);
/* Whether one before it has the same name. */
bool http_event_is_repeated(const struct http_values *values, size_t index);
/* Decoded into `text`, which has to be empty and lives as long as `parameters`, HTTP_EVENT_QUERY_COUNT of
 * them. SLUICE_TOO_LARGE: there are more. */
enum sluice_error http_event_read_query(struct span query, struct http_header *parameters,
                                        struct buffer *text, struct http_values *ret_values);

/* The members of `pathParameters` with the braces around them. False: there are none, and nothing was
 * written. */
bool http_event_write_path_parameters(const struct http_event *event, struct buffer *out);
/* As API Gateway writes times: 12/Mar/2020:22:58:58 +0000. */
void http_event_write_time(uint64_t wall_ms, struct buffer *out);
/* Who the request comes from as rules know it, `user:anna`; false: nobody. */
bool http_event_principal(const struct identity *identity, struct buffer *out);
/* The members `body` (`none`, where there is none) and isBase64Encoded, commas before them. */
void http_event_write_body(const struct http_request *request, bool as_text, struct span none,
                           struct buffer *out);

enum sluice_error http_event_write_rest(const struct http_event *event, struct buffer *out);

#endif
