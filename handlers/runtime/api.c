#include "runtime/api.h"

#include "base/digits.h"
#include "base/json_write.h"
#include "base/memory.h"

#include <assert.h>
#include <cjson/cJSON.h>

#define ROOT "/2018-06-01/runtime/"

enum phase {
    PHASE_STARTING, /* it has asked for nothing yet */
    PHASE_SERVING,
    PHASE_FAILED, /* it said that it cannot start */
};

struct api {
    struct api_hooks hooks;
    enum phase phase;
    enum api_progress progress;
    struct buffer request_id;       /* of the open invocation */
    struct buffer headers;          /* of the response that hands it out, NUL-terminated; and its body, */
    struct buffer event;            /* while nobody has asked for it */
    void *waiting[API_CLIENTS_MAX]; /* who asked, in order */
    size_t waiting_count;
};

struct api *api_new(const struct api_hooks *hooks)
{
    struct api *api = memory_new(sizeof *api);
    api->hooks = *hooks;
    return api;
}

void api_free(struct api *api)
{
    buffer_fini(&api->request_id);
    buffer_fini(&api->headers);
    buffer_fini(&api->event);
    memory_free(api);
}

enum api_progress api_progress(const struct api *api)
{
    return api->progress;
}

/* ---- Answers ---- */

static void respond(struct api *api, void *client, enum http_status status, struct span body)
{
    api->hooks.respond(api->hooks.ctx, client,
                       &(struct http_response){.status = status, .type = "application/json", .body = body});
}

static void accept_request(struct api *api, void *client)
{
    respond(api, client, HTTP_ACCEPTED, SPAN_LITERAL("{\"status\":\"OK\"}"));
}

static void refuse(struct api *api, void *client, enum http_status status, const char *type,
                   const char *message)
{
    struct buffer body = {0};
    json_write_raw(&body, "{\"errorMessage\":");
    json_write_string(&body, span_from_string(message));
    json_write_raw(&body, ",\"errorType\":");
    json_write_string(&body, span_from_string(type));
    json_write_raw(&body, "}");
    respond(api, client, status, buffer_span(&body));
    buffer_fini(&body);
}

static void refuse_transition(struct api *api, void *client, const char *message)
{
    refuse(api, client, HTTP_FORBIDDEN, "InvalidStateTransition", message);
}

/* ---- The invocation on its way out ---- */

/* Nothing that could end a header's line or begin another gets into one. */
static void add_header(struct buffer *out, const char *name, struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < ' ' || value.data[i] == 0x7f)
            return;
    }
    if (value.len == 0)
        return;
    buffer_append(out, span_from_string(name));
    buffer_append(out, SPAN_LITERAL(": "));
    buffer_append(out, value);
    buffer_append(out, SPAN_LITERAL("\r\n"));
}

static struct span text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? span_from_string(text) : SPAN_EMPTY;
}

static void add_client_context(struct buffer *out, const cJSON *context)
{
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(context, "clientContext");
    char *text = cJSON_IsObject(given) ? cJSON_PrintUnformatted(given) : NULL;
    if (text)
        add_header(out, "Lambda-Runtime-Client-Context", span_from_string(text));
    cJSON_free(text);
}

static void write_headers(struct api *api, const struct api_invocation *invocation)
{
    char number[DECIMAL_BYTES], deadline[DECIMAL_BYTES];
    cJSON *context = cJSON_ParseWithLength((const char *)invocation->context.data, invocation->context.len);
    struct span request_id = text_of(context, "requestId");
    if (request_id.len == 0)
        request_id = decimal_write(invocation->number, number);
    buffer_append(&api->request_id, request_id);
    struct buffer *out = &api->headers;
    add_header(out, "Lambda-Runtime-Aws-Request-Id", request_id);
    add_header(out, "Lambda-Runtime-Deadline-Ms", decimal_write(invocation->deadline_ms, deadline));
    add_header(out, "Lambda-Runtime-Invoked-Function-Arn", text_of(context, "invokedFunctionArn"));
    add_header(out, "Lambda-Runtime-Trace-Id", text_of(context, "traceId"));
    add_client_context(out, context);
    buffer_append(out, span_of("", 1));
    cJSON_Delete(context);
}

/* To whoever has waited longest. */
static void hand_out(struct api *api, struct span event)
{
    void *client = api->waiting[0];
    api_client_gone(api, client);
    api->progress = API_RUNNING;
    api->hooks.respond(api->hooks.ctx, client,
                       &(struct http_response){
                           .status = HTTP_OK,
                           .headers = (const char *)buffer_span(&api->headers).data,
                           .type = "application/json",
                           .body = event,
                       });
    buffer_fini(&api->event);
}

void api_invoke(struct api *api, const struct api_invocation *invocation)
{
    assert(api->progress == API_NONE);
    write_headers(api, invocation);
    api->progress = API_WAITING;
    if (api->waiting_count > 0)
        hand_out(api, invocation->event);
    else
        buffer_append(&api->event, invocation->event);
}

void api_client_gone(struct api *api, const void *client)
{
    size_t kept = 0;
    for (size_t i = 0; i < api->waiting_count; i++) {
        if (api->waiting[i] != client)
            api->waiting[kept++] = api->waiting[i];
    }
    api->waiting_count = kept;
}

static void close_invocation(struct api *api)
{
    api->progress = API_NONE;
    buffer_consume(&api->request_id, buffer_len(&api->request_id));
    buffer_consume(&api->headers, buffer_len(&api->headers));
}

/* ---- Requests ---- */

static void on_next(struct api *api, void *client, const struct http_request *request)
{
    (void)request;
    if (api->phase == PHASE_FAILED) {
        refuse_transition(api, client, "the environment has said that it cannot start");
        return;
    }
    if (api->progress == API_RUNNING || api->waiting_count == API_CLIENTS_MAX) {
        refuse_transition(api, client, "the invocation before has not been answered");
        return;
    }
    api->waiting[api->waiting_count++] = client;
    if (api->phase == PHASE_STARTING) {
        api->phase = PHASE_SERVING;
        api->hooks.ready(api->hooks.ctx);
    }
    if (api->progress == API_WAITING)
        hand_out(api, buffer_span(&api->event));
}

static void on_response(struct api *api, void *client, const struct http_request *request)
{
    close_invocation(api);
    api->hooks.succeeded(api->hooks.ctx, request->body);
    accept_request(api, client); /* which ends the request and its body */
}

/* Calls `report` with what the error's document, or else the request's header, says. */
static void report_failure(const struct api *api, const struct http_request *request,
                           void (*report)(void *ctx, const struct api_failure *failure))
{
    cJSON *document = cJSON_ParseWithLength((const char *)request->body.data, request->body.len);
    struct api_failure failure = {.type = text_of(document, "errorType"),
                                  .message = text_of(document, "errorMessage"),
                                  .document = request->body};
    if (failure.type.len == 0)
        failure.type = http_header(request, "Lambda-Runtime-Function-Error-Type");
    if (failure.type.len == 0)
        failure.type = SPAN_LITERAL("Runtime.Unknown");
    report(api->hooks.ctx, &failure);
    cJSON_Delete(document);
}

static void on_error(struct api *api, void *client, const struct http_request *request)
{
    close_invocation(api);
    report_failure(api, request, api->hooks.failed);
    accept_request(api, client);
}

static void on_init_error(struct api *api, void *client, const struct http_request *request)
{
    if (api->phase != PHASE_STARTING) {
        refuse_transition(api, client, "initialisation is over");
        return;
    }
    api->phase = PHASE_FAILED;
    report_failure(api, request, api->hooks.init_failed);
    accept_request(api, client);
}

static const struct route {
    const char *method;
    const char *before; /* the request identifier, if `after` is not NULL; else it is all */
    const char *after;
    void (*handle)(struct api *api, void *client, const struct http_request *request);
} routes[] = {
    {"GET", ROOT "invocation/next", NULL, on_next},
    {"POST", ROOT "invocation/", "/response", on_response},
    {"POST", ROOT "invocation/", "/error", on_error},
    {"POST", ROOT "init/error", NULL, on_init_error},
};

static bool ends_with(struct span text, struct span end)
{
    return text.len >= end.len && span_equal(span_skip(text, text.len - end.len), end);
}

static const struct route *find_route(const struct http_request *request, struct span *ret_id)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const struct route *route = &routes[i];
        struct span before = span_from_string(route->before);
        struct span after = route->after ? span_from_string(route->after) : SPAN_EMPTY;
        if (!span_equal(request->method, span_from_string(route->method)) ||
            !span_starts_with(request->path, before))
            continue;
        struct span rest = span_skip(request->path, before.len);
        if (route->after ? !ends_with(rest, after) : rest.len > 0)
            continue;
        *ret_id = span_of(rest.data, rest.len - after.len);
        return route;
    }
    return NULL;
}

/* The route of a request that may be served; else it is answered here. */
static const struct route *admit(struct api *api, void *client, const struct http_request *request)
{
    struct span id;
    const struct route *route = find_route(request, &id);
    if (!route) {
        refuse(api, client, HTTP_NOT_FOUND, "ResourceNotFound", "the Runtime API has no such request");
        return NULL;
    }
    struct span open_id = buffer_span(&api->request_id);
    bool is_open = api->progress == API_RUNNING && open_id.data && span_equal(id, open_id);
    if (route->after && !is_open) {
        refuse(api, client, HTTP_BAD_REQUEST, "InvalidRequestID",
               "there is no invocation of this identifier, or it has been answered");
        return NULL;
    }
    return route;
}

void api_request(struct api *api, void *client, const struct http_request *request)
{
    const struct route *route = admit(api, client, request);
    if (route)
        route->handle(api, client, request);
}

void api_request_too_large(struct api *api, void *client, const struct http_request *request)
{
    static const struct api_failure failure = {
        .type = SPAN_LITERAL("Function.ResponseSizeTooLarge"),
        .message =
            SPAN_LITERAL("Response payload size exceeded maximum allowed payload size (6291556 bytes)."),
    };
    const struct route *route = admit(api, client, request);
    if (!route)
        return;
    refuse(api, client, HTTP_CONTENT_TOO_LARGE, "RequestEntityTooLarge", "the body is over 6291556 bytes");
    if (!route->after)
        return;
    close_invocation(api);
    api->hooks.failed(api->hooks.ctx, &failure);
}
