/*
 * Who sends an HTTP request: whose certificate the connection has; else what its
 * header Authorization says (Basic: a user and a password; Bearer: a token;
 * AWS4-HMAC-SHA256: an access key); else nobody, where the listener allows that.
 * What signs with a key that is not known here is nobody, too: AWS's tools sign
 * always. The rules of gateway.access decide what they may do.
 *
 * The loop's thread. A password or a token is checked in the pool, so the answer
 * may come later; the request has to live until then.
 */
#ifndef SLUICE_APP_HTTP_ACCESS_H
#define SLUICE_APP_HTTP_ACCESS_H

#include "app/gateway_internal.h"
#include "net/http.h"

struct http_who {
    const char *error_type; /* NULL: it is `identity`; else what AWS calls the refusal, and a sentence */
    const char *message;
    struct identity identity;
};

/* One question, in its asker's memory. */
struct http_access {
    struct gateway *gateway;
    void (*on_known)(void *ctx, const struct http_who *who);
    void *ctx;
    void *exchange; /* with the authenticator; NULL: none is open */
};

/* True: *ret_who is the answer. False: on_known will be called, unless http_access_cancel is before. The
 * first three members of `access` are the caller's to fill in. */
bool http_access_ask(struct http_access *access, const struct http_request *request,
                     const struct net_peer *peer, struct http_who *ret_who);
void http_access_cancel(struct http_access *access);

/* Whether a rule lets this identity invoke the function. */
bool http_access_may_invoke(const struct config *config, const struct identity *identity,
                            struct span function);

/* The same for a route of HTTP events, by its key: `GET /users/{id}`. */
bool http_access_may_request(const struct config *config, const struct identity *identity, struct span key);

#endif
