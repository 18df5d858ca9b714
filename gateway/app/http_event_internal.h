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

/* Whether a line before this one has the same name. */
bool http_event_is_repeated(const struct http_request *request, size_t index);

struct http_parameter {
    struct span name, value;
};
/* Decoded into `text`, which has to be empty and lives as long as they do. Returns how many there are;
 * HTTP_EVENT_QUERY_COUNT + 1: too many. */
size_t http_event_read_query(struct span query, struct http_parameter *parameters, struct buffer *text);
/* Whether one before it has the same name. */
bool http_event_is_repeated_parameter(const struct http_parameter *parameters, size_t index);

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
