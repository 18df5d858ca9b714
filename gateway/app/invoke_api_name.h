/*
 * How callers of the Invoke API name functions in the path of a request. Pure; any
 * thread. Names are views into the text that was handed in.
 */
#ifndef SLUICE_APP_INVOKE_API_NAME_H
#define SLUICE_APP_INVOKE_API_NAME_H

#include "base/buffer.h"

/* A function as people call it: NAME, NAME:QUALIFIER, or an ARN or its end. Spans are into `text`. */
struct invoke_api_name {
    struct span name;
    struct span qualifier; /* empty: none was given */
};
/* False: it is none of these. */
bool invoke_api_name_read(struct span text, struct invoke_api_name *ret_name);
/* Decodes %XX. False: one of them is none. */
bool invoke_api_decode(struct span text, struct buffer *out);

/* The value of Qualifier in the query, still encoded; empty, if there is none. */
struct span invoke_api_query_qualifier(struct span query);
/* The one that is meant, where a name has one and the query has one. False: they differ. */
bool invoke_api_qualifier(const struct invoke_api_name *name, struct span queried,
                          struct span *ret_qualifier);

#endif
