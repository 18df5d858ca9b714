#include "app/http_events.h"

#include "app/direct_invocation.h"
#include "app/http_access.h"
#include "app/http_event.h"
#include "app/http_route.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>

enum { ROUTE_KEY_BYTES = 256 };

/* One request until its answer. */
struct call {
    struct gateway *gateway;
    struct https_connection *connection; /* NULL: nobody waits for the answer any more */
    const char *function;                /* of the configuration of the start, which stays */
    enum config_http_form form;
    struct http_access access;
    bool runs; /* in a worker: on_done follows */
};

static void call_free(struct call *call)
{
    call->gateway->http_invocation_count--;
    memory_free(call);
}

static void on_gone(void *owner)
{
    struct call *call = owner;
    http_access_cancel(&call->access);
    call->connection = NULL;
    if (!call->runs)
        call_free(call);
}

/* As API Gateway words it. */
static void respond_message(struct https_connection *connection, enum http_status status, const char *message,
                            const char *headers)
{
    char body[128];
    int len = snprintf(body, sizeof body, "{\"message\":\"%s\"}", message);
    https_respond(connection, &(struct http_response){.status = status,
                                                      .headers = headers,
                                                      .type = "application/json",
                                                      .body = span_of(body, (size_t)len)});
}

static void fail(struct call *call, enum http_status status, const char *message)
{
    respond_message(call->connection, status, message, NULL);
    call_free(call);
}

/* What API Gateway answers where a function did not. */
static void fail_function(struct call *call)
{
    if (call->form == CONFIG_REST_API)
        fail(call, HTTP_BAD_GATEWAY, "Internal server error");
    else
        fail(call, HTTP_INTERNAL_SERVER_ERROR, "Internal Server Error");
}

static void on_done(void *ctx, const struct invoke_result *result)
{
    struct call *call = ctx;
    struct http_answer answer = {0};
    if (!call->connection) {
        call_free(call);
    } else if (result->outcome == INVOKE_TRANSPORT_ERROR || result->outcome == INVOKE_THROTTLED ||
               (result->outcome == INVOKE_TIMED_OUT && call->form != CONFIG_REST_API)) {
        fail(call, HTTP_SERVICE_UNAVAILABLE, "Service Unavailable");
    } else if (result->outcome != INVOKE_SUCCEEDED) {
        fail_function(call);
    } else if (!http_answer_read(result->payload, call->form, &answer)) {
        log_warning("function %s: its result is no answer to an HTTP request", call->function);
        fail_function(call);
    } else {
        https_respond(call->connection,
                      &(struct http_response){.status = answer.status,
                                              .headers = (const char *)buffer_span(&answer.headers).data,
                                              .body = buffer_span(&answer.body)});
        call_free(call);
    }
    http_answer_fini(&answer);
}

static void invoke(struct call *call, struct function *function, struct span event)
{
    struct span trace_id = http_header(https_request(call->connection), "X-Amzn-Trace-Id");
    struct direct_invocation invocation = {
        .event = event, .trace_id = trace_id, .on_done = on_done, .ctx = call};
    char request_id[REQUEST_ID_BYTES];
    invocation.version = function_live_version(function);
    switch (function_invoke(function, &invocation, request_id)) {
    case SLUICE_OK:
        call->runs = true;
        https_defer_long(call->connection);
        break;
    case SLUICE_TOO_LARGE: fail(call, HTTP_CONTENT_TOO_LARGE, "Request Entity Too Large"); break;
    default: fail(call, HTTP_SERVICE_UNAVAILABLE, "Service Unavailable");
    }
}

static const char *stage_of(const struct config *config)
{
    return config->stage ? config->stage : config->provider.stage;
}

static bool is_allowed(const struct config *config, const struct config_route *route,
                       const struct identity *identity)
{
    char key[ROUTE_KEY_BYTES];
    bool is_default = route->path[0] != '/';
    snprintf(key, sizeof key, "%s%s%s", is_default ? "" : route->method, is_default ? "" : " ", route->path);
    return http_access_may_request(config, identity, span_from_string(key));
}

static void go_on(struct call *call, const struct http_who *who)
{
    struct gateway *gateway = call->gateway;
    const struct http_request *request = https_request(call->connection);
    const struct config_route *route = http_route_find(gateway->config, request->method, request->path);
    struct function *function =
        route ? functions_find(gateway->functions, span_from_string(route->function)) : NULL;
    struct buffer event = {0};
    if (who->error_type) {
        fail(call, HTTP_UNAUTHORIZED, "Unauthorized");
    } else if (!function) { /* a reload has taken it away, or named one that is not there before a restart */
        fail(call, HTTP_NOT_FOUND, "Not Found");
    } else if (!is_allowed(gateway->config, route, &who->identity) ||
               !https_origin_allowed(call->connection)) {
        fail(call, HTTP_FORBIDDEN, "Forbidden");
    } else {
        call->function = function_config(function)->name;
        call->form = route->form;
        char request_id[REQUEST_ID_BYTES];
        functions_new_request_id(gateway->functions, request_id);
        struct http_event given = {request,
                                   route,
                                   https_peer(call->connection)->address,
                                   &who->identity,
                                   request_id,
                                   gateway_wall_ms(gateway),
                                   stage_of(gateway->config)};
        if (http_event_write(&given, &event))
            fail(call, HTTP_BAD_REQUEST, "Bad Request");
        else
            invoke(call, function, buffer_span(&event));
    }
    buffer_fini(&event);
}

static void on_known(void *ctx, const struct http_who *who)
{
    go_on(ctx, who);
}

bool http_events_request(struct gateway *gateway, struct https_connection *connection)
{
    const struct http_request *request = https_request(connection);
    struct http_who who;
    if (!http_route_find(gateway->config, request->method, request->path))
        return false;
    if (gateway->http_invocation_count >= gateway->started->limits.invoke_count) {
        respond_message(connection, HTTP_TOO_MANY_REQUESTS, "Too Many Requests", "Retry-After: 1\r\n");
        return true;
    }
    struct call *call = memory_new(sizeof *call);
    call->gateway = gateway;
    call->connection = connection;
    call->access = (struct http_access){.gateway = gateway, .on_known = on_known, .ctx = call};
    gateway->http_invocation_count++;
    https_defer(connection, on_gone, call);
    if (http_access_ask(&call->access, request, https_peer(connection), &who))
        go_on(call, &who);
    return true;
}
