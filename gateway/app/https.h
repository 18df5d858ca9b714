/*
 * What the listener https serves: requests by method and path, from one table of
 * routes. A request to /mqtt that asks for WebSocket becomes a Client's
 * connection. Errors are answered with {"message":"..."}.
 *
 * A browser sends a page's origin with each WebSocket handshake and lets any page
 * make one; so what gateway.websocket.origins does not name is refused, before
 * any CONNECT. One struct https belongs to a gateway; it is on the loop's thread,
 * and a connection holds an HTTP parser only while it speaks HTTP.
 */
#ifndef SLUICE_APP_HTTPS_H
#define SLUICE_APP_HTTPS_H

#include "app/gateway.h"
#include "net/net.h"

struct https;

struct https *https_new(struct gateway *gateway);
/* When the last connection is closed. */
void https_free(struct https *https);
/* For net_listener_start. */
struct net_callbacks https_callbacks(struct https *https);
/* After a reload: disconnects Clients whose origin is not among gateway.websocket.origins any more. */
void https_recheck(struct https *https);

void https_tick(struct https *https, uint64_t now_ms);
uint64_t https_next_deadline(const struct https *https); /* TIMERS_NEVER: none */

#endif
