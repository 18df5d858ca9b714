/*
 * Lambda's Invoke API (2015-03-31), as AWS's tools and SDKs speak it: invoke a
 * function, list functions, their versions and aliases, and look at one. Names,
 * ARNs of any account and region, and the qualifiers $LATEST, `live` and a number
 * are taken; without one it is the version that messages get. Errors have Lambda's types, status
 * and members. Who asks is settled by app/http_access.h, what they may by the
 * rules' `invoke`; what somebody may not invoke is not shown to them.
 *
 * The loop's thread. Limits: an event of 6 MiB, 1 MiB for an asynchronous one, and
 * gateway.limits.invocations under way at once.
 */
#ifndef SLUICE_APP_INVOKE_API_H
#define SLUICE_APP_INVOKE_API_H

#include "app/gateway.h"
#include "app/https_request.h"

enum { INVOKE_API_BODY_BYTES = 6 * 1024 * 1024 };

struct invoke_api;

struct invoke_api *invoke_api_new(struct gateway *gateway);
/* When no connection is open and the functions have stopped. */
void invoke_api_free(struct invoke_api *api);

bool invoke_api_serves(struct span path);
/* Answers it, now or later. */
void invoke_api_request(struct invoke_api *api, struct https_connection *connection);
/* Answers one that could not be read. */
void invoke_api_refuse(struct https_connection *connection, struct http_refusal why);
/* What the journal was given up to `seq` is on disk. */
void invoke_api_durable(struct invoke_api *api, uint64_t seq);

#endif
