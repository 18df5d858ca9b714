/*
 * What a function gets of an event, as EventBridge has it: the part that a path
 * names (`$`, `$.detail.a`, `$.resources[0]`), or a template in which <name> is what
 * such a path finds: within quotes text, elsewhere JSON, and nothing where the path
 * finds nothing. What comes out of a template and is no JSON becomes a string.
 *
 * Reserved names are <aws.events.event.json>, <aws.events.event.ingestion-time> and
 * <aws.events.rule-arn>. Pure but for allocation; any thread. Views of what was
 * handed in.
 */
#ifndef SLUICE_ROUTE_TRANSFORM_H
#define SLUICE_ROUTE_TRANSFORM_H

#include "base/buffer.h"

/* `variables` are NAME=PATH. */
struct transform {
    const char *template;
    char *const *variables;
    size_t variable_count;
};

/* What is wrong with a path, or NULL. */
const char *transform_path_fault(struct span path);
/* `json` was checked. False: there is nothing. */
bool transform_find(struct span json, struct span path, struct span *ret_value);

/* The first name in the template that is no variable, or an empty span. */
struct span transform_unknown_name(const struct transform *transform);
/* Appends what becomes of the event, which was checked. */
void transform_apply(const struct transform *transform, struct span event, struct buffer *out);

#endif
