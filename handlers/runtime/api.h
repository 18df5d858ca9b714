/*
 * The Lambda Runtime API (version 2018-06-01) for one execution environment: what
 * each of its requests is answered, and what it says about the invocation that is
 * open. At most one is.
 *
 *   GET  .../runtime/invocation/next          answered when there is an invocation
 *   POST .../runtime/invocation/ID/response   its result
 *   POST .../runtime/invocation/ID/error      it failed
 *   POST .../runtime/init/error               the environment cannot start
 *
 * Sans-I/O, one thread. A client is whoever sent a request; it is only compared
 * and handed back. Each request is answered once, by hooks.respond, at once or
 * (`next`) later. Requests and invocations are copied as far as they are kept;
 * what a hook receives is a view until it returns. Hooks do not call the api.
 */
#ifndef SLUICE_RUNTIME_API_H
#define SLUICE_RUNTIME_API_H

#include "net/http.h"

enum {
    API_CLIENTS_MAX = 64,                       /* that may wait for an invocation */
    API_BODY_BYTES_MAX = 6 * 1024 * 1024 + 100, /* Lambda's bound of a result */
};

struct api;

/* What the function, or its start, failed with. */
struct api_failure {
    struct span type;
    struct span message;
    struct span document; /* the whole error as it was sent */
};

struct api_hooks {
    void *ctx;
    void (*respond)(void *ctx, void *client, const struct http_response *response);
    /* The environment asks for its first invocation. */
    void (*ready)(void *ctx);
    void (*init_failed)(void *ctx, const struct api_failure *failure);
    /* The open invocation ends. */
    void (*succeeded)(void *ctx, struct span result);
    void (*failed)(void *ctx, const struct api_failure *failure);
};

struct api_invocation {
    struct span context; /* JSON: handlers/PROTOCOL.md */
    struct span event;
    uint64_t number; /* stands for a requestId that the context lacks */
    uint64_t deadline_ms;
};

/* How far the open invocation is. */
enum api_progress {
    API_NONE,    /* none is open */
    API_WAITING, /* the environment has not asked for it yet */
    API_RUNNING, /* the environment has it */
};

struct api *api_new(const struct api_hooks *hooks);
void api_free(struct api *api);

void api_request(struct api *api, void *client, const struct http_request *request);
/* A request whose body is over API_BODY_BYTES_MAX; `request` is its head. */
void api_request_too_large(struct api *api, void *client, const struct http_request *request);
/* It waits for nothing any more. */
void api_client_gone(struct api *api, const void *client);

/* None may be open. */
void api_invoke(struct api *api, const struct api_invocation *invocation);
enum api_progress api_progress(const struct api *api);

#endif
