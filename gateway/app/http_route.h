/*
 * Which function a request by method and path is for: the `httpApi` and `http`
 * events of the configuration, as API Gateway chooses among them. A path is made
 * of literals, {name} for one segment, and {name+} for all that is left; the most
 * specific one wins, then one that names the method; $default takes what is left.
 *
 * Segments are compared as they were sent, and never resolved: what `..` means is
 * nobody's guess here. Pure; any thread.
 */
#ifndef SLUICE_APP_HTTP_ROUTE_H
#define SLUICE_APP_HTTP_ROUTE_H

#include "app/config.h"

/* NULL: there is none. */
const struct config_route *http_route_find(const struct config *config, struct span method, struct span path);

/* Walks over the parameters of a path that its route has matched. */
struct http_route_walk {
    struct span pattern, path;
};
struct http_route_walk http_route_walk_of(const struct config_route *route, struct span path);
/* The value is as it was sent. False at the end. */
bool http_route_next(struct http_route_walk *walk, struct span *ret_name, struct span *ret_value);

/* What is wrong with a route's path as a configuration has it, or NULL. */
const char *http_route_fault(const char *path);

#endif
