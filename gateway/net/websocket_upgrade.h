/*
 * The handshake that turns an HTTP connection into a WebSocket one (RFC 6455,
 * section 4.2), without I/O or state. No extension is accepted, so
 * permessage-deflate is never in use. Who may connect is not asked here.
 */
#ifndef SLUICE_NET_WEBSOCKET_UPGRADE_H
#define SLUICE_NET_WEBSOCKET_UPGRADE_H

#include "net/http.h"

/* Whether the request asks for a WebSocket of this subprotocol. SLUICE_INVALID: *ret_why says why not; an
 * answer of 426 is to say what WEBSOCKET_UPGRADE_HEADERS has. */
enum sluice_error websocket_upgrade_check(const struct http_request *request, const char *protocol,
                                          struct http_refusal *ret_why);
/* Writes the answer to a request that was checked; WebSocket follows it. */
void websocket_upgrade_accept(const struct http_request *request, const char *protocol, struct buffer *out);

#define WEBSOCKET_UPGRADE_HEADERS "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"

#endif
