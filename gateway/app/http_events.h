/*
 * Requests that are events of functions: `httpApi` and `http` of serverless.yml.
 * The function is invoked at once, past its queue, and its result is the answer
 * (app/http_event.h). Who may is said by the rules' `http`, whose patterns are for
 * routes as they are configured (`GET /users/{id}`), so that no spelling of a path
 * gets around them. A web page may, if gateway.websocket.origins names it.
 *
 * The loop's thread. Limits: gateway.limits.httpBodyBytes for a request, and
 * gateway.limits.invocations under way at once.
 */
#ifndef SLUICE_APP_HTTP_EVENTS_H
#define SLUICE_APP_HTTP_EVENTS_H

#include "app/gateway.h"
#include "app/https_request.h"

/* False: no route is for this request, and nothing was done. Else it is answered, now or later. */
bool http_events_request(struct gateway *gateway, struct https_connection *connection);

#endif
