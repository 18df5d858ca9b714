/*
 * HTTP/1.1 on a loopback port of its own, for the clients of one execution
 * environment: several connections at once, kept alive, each with one request at
 * a time; a response may come later than its request. Head and body leave in one
 * write, without Nagle's delay: clients wait 40 ms for the second half otherwise.
 *
 * On the loop, one thread. A connection is handed to the hooks as the client of
 * its request and stays valid until on_gone returns, or until server_respond
 * where it closes. Requests are views until server_respond. Bounds: connections,
 * head, body, and what is read ahead of an answer.
 */
#ifndef SLUICE_RUNTIME_SERVER_H
#define SLUICE_RUNTIME_SERVER_H

#include "net/http.h"

#include <uv.h>

struct server;
struct connection;

struct server_hooks {
    void *ctx;
    /* To be answered by server_respond, also from within. */
    void (*on_request)(void *ctx, struct connection *connection, const struct http_request *request);
    /* The same for one whose body is over the bound; `request` is its head. */
    void (*on_too_large)(void *ctx, struct connection *connection, const struct http_request *request);
    /* It is closing: a request of it need not be answered any more, and must not be. */
    void (*on_gone)(void *ctx, struct connection *connection);
};

/* 0, or libuv's error code. */
int server_start(uv_loop_t *loop, uint32_t body_bytes_max, const struct server_hooks *hooks,
                 struct server **ret_server);
uint16_t server_port(const struct server *server);
void server_respond(struct connection *connection, const struct http_response *response);
/* Sends what was written, closes everything and frees the server when the loop has done that. Hooks are not
 * called any more. */
void server_stop(struct server *server);

#endif
