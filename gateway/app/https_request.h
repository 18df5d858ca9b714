/*
 * One HTTP request as the code of its route sees it. It is answered exactly once,
 * at once or later; until then the connection's next request waits, and the
 * request with its body stays where it is.
 *
 * The loop's thread. An owner that has said https_defer hears on_gone if the
 * connection ends before it has answered; after either it must forget the connection.
 */
#ifndef SLUICE_APP_HTTPS_REQUEST_H
#define SLUICE_APP_HTTPS_REQUEST_H

#include "net/http.h"
#include "net/net.h"

struct https_connection;

/* Both until it is answered. */
const struct http_request *https_request(const struct https_connection *connection);
const struct net_peer *https_peer(const struct https_connection *connection);

/* The answer comes later. It must come within gateway.limits.httpTimeout. */
void https_defer(struct https_connection *connection, void (*on_gone)(void *owner), void *owner);
/* It may take as long as it takes. */
void https_defer_long(struct https_connection *connection);
/* The answer; `closes` is set where the connection cannot go on. */
void https_respond(struct https_connection *connection, const struct http_response *response);

/* Whether the request comes from no web page, or from one that gateway.websocket.origins names. */
bool https_origin_allowed(const struct https_connection *connection);

#endif
