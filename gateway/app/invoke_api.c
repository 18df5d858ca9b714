#include "app/invoke_api_internal.h"

#include "app/http_access.h"
#include "app/invoke_api.h"
#include "base/json_write.h"
#include "base/memory.h"
#include "route/json.h"

#include <mbedtls/base64.h>
#include <stdio.h>

#define PREFIX "/2015-03-31/functions"

enum {
    ASYNCHRONOUS_BYTES = 1024 * 1024,
    CLIENT_CONTEXT_BYTES = 3583, /* in Base64 */
    MESSAGE_BYTES = 512,
    RETRY_AFTER_S = 1,
};

struct invoke_api {
    struct gateway *gateway;
    struct call *stored, **stored_end; /* in the order of seq: answered when that is on disk */
};

/* One request from its head to its answer. */
struct call {
    struct invoke_api *api;
    struct https_connection *connection; /* NULL: nobody waits for the answer any more */
    struct http_access access;
    struct identity identity;
    const struct function *function;
    struct span qualifier; /* of the request, while that is handled */
    uint64_t version;      /* that it means */
    bool runs;             /* in a worker: on_done follows */
    bool wants_log;
    char request_id[REQUEST_ID_BYTES];
    uint64_t seq; /* of the journal; 0: not in the list `stored` */
    struct call *next;
};

/* ---- A call's life ---- */

static void leave_stored(struct call *call)
{
    struct call **link = &call->api->stored;
    while (*link && *link != call)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = call->next;
    if (call->api->stored_end == &call->next)
        call->api->stored_end = link;
}

static void call_free(struct call *call)
{
    if (call->seq)
        leave_stored(call);
    call->api->gateway->http_invocation_count--;
    memory_free(call);
}

/* What runs is not stopped: its worker is in the middle of it. */
static void on_gone(void *owner)
{
    struct call *call = owner;
    http_access_cancel(&call->access);
    call->connection = NULL;
    if (!call->runs)
        call_free(call);
}

static void respond(struct call *call, const struct http_response *response)
{
    https_respond(call->connection, response);
    call_free(call);
}

/* ---- Refusals ---- */

static void fail(struct call *call, const char *type, const char *message)
{
    invoke_api_respond_fault(call->connection, type, message, NULL, 0);
    call_free(call);
}

static void throttle(struct call *call, const char *reason, uint32_t retry_after_s)
{
    invoke_api_respond_fault(call->connection, "TooManyRequestsException", "Rate Exceeded.", reason,
                             retry_after_s);
    call_free(call);
}

static void fail_too_large(struct call *call, int bytes)
{
    char message[MESSAGE_BYTES];
    snprintf(message, sizeof message,
             "Request must be smaller than %d bytes for the InvokeFunction operation", bytes);
    fail(call, "RequestTooLargeException", message);
}

/* ---- Synchronous: the result ---- */

static void append_base64(struct span bytes, struct buffer *out)
{
    size_t room = 4 * ((bytes.len + 2) / 3) + 1, len = 0;
    if (mbedtls_base64_encode(buffer_reserve(out, room), room, &len, bytes.data, bytes.len) == 0)
        buffer_grown(out, len);
}

/* The last 4 KB of what Lambda would have in its log of this invocation. */
static void append_log(const struct call *call, const struct invoke_result *result, struct buffer *headers)
{
    struct buffer text = {0};
    invoke_api_write_log(call->function, call->version, call->request_id, result, &text);
    if (buffer_len(&text) > INVOKE_LOG_BYTES)
        buffer_consume(&text, buffer_len(&text) - INVOKE_LOG_BYTES);
    buffer_append(headers, SPAN_LITERAL("X-Amz-Log-Result: "));
    append_base64(buffer_span(&text), headers);
    buffer_append(headers, SPAN_LITERAL("\r\n"));
    buffer_fini(&text);
}

/* What the function says of its error itself, or what is known about it. */
static void write_error(const struct call *call, const struct invoke_result *result, struct buffer *out)
{
    char message[MESSAGE_BYTES];
    bool is_of_function = result->outcome == INVOKE_FUNCTION_ERROR;
    snprintf(message, sizeof message, "RequestId: %s Error: %.*s", call->request_id,
             (int)(result->error_message.len < MESSAGE_BYTES ? result->error_message.len : MESSAGE_BYTES),
             (const char *)result->error_message.data);
    json_write_raw(out, "{\"errorType\":");
    json_write_string(out, result->error_type);
    json_write_raw(out, ",\"errorMessage\":");
    json_write_string(out, is_of_function ? result->error_message : span_from_string(message));
    json_write_raw(out, "}");
}

static void respond_result(struct call *call, const struct invoke_result *result)
{
    struct buffer headers = {0}, error = {0};
    struct span body = result->payload.len > 0 ? result->payload : SPAN_LITERAL("null");
    char version[FUNCTION_VERSION_BYTES];
    function_version_name(call->version, version);
    buffer_append(&headers, SPAN_LITERAL("X-Amz-Executed-Version: "));
    buffer_append(&headers, span_from_string(version));
    buffer_append(&headers, SPAN_LITERAL("\r\nx-amzn-RequestId: "));
    buffer_append(&headers, span_from_string(call->request_id));
    buffer_append(&headers, SPAN_LITERAL("\r\n"));
    if (result->outcome != INVOKE_SUCCEEDED) {
        buffer_append(&headers, SPAN_LITERAL("X-Amz-Function-Error: Unhandled\r\n"));
        if (result->payload.len == 0) {
            write_error(call, result, &error);
            body = buffer_span(&error);
        }
    }
    if (call->wants_log)
        append_log(call, result, &headers);
    buffer_append(&headers, span_of("", 1)); /* its NUL */
    respond(call, &(struct http_response){.status = HTTP_OK,
                                          .headers = (const char *)buffer_span(&headers).data,
                                          .type = "application/json",
                                          .body = body});
    buffer_fini(&headers);
    buffer_fini(&error);
}

static void on_done(void *ctx, const struct invoke_result *result)
{
    struct call *call = ctx;
    char message[MESSAGE_BYTES];
    if (!call->connection) {
        call_free(call);
        return;
    }
    switch (result->outcome) {
    case INVOKE_THROTTLED:
        throttle(call, "ConcurrentInvocationLimitExceeded",
                 result->retry_after_ms > 0 ? (result->retry_after_ms + 999) / 1000 : RETRY_AFTER_S);
        break;
    case INVOKE_TRANSPORT_ERROR:
        snprintf(message, sizeof message, "The function was not reached: %.*s",
                 (int)(result->error_message.len < MESSAGE_BYTES ? result->error_message.len : MESSAGE_BYTES),
                 (const char *)result->error_message.data);
        fail(call, "ServiceException", message);
        break;
    default: respond_result(call, result);
    }
}

static void invoke_now(struct call *call, struct function *function, struct span event,
                       struct span client_context)
{
    struct direct_invocation invocation = {
        .version = call->version,
        .qualifier = call->qualifier,
        .event = event,
        .client_context = client_context,
        .trace_id = http_header(https_request(call->connection), "X-Amzn-Trace-Id"),
        .wants_log = call->wants_log,
        .on_done = on_done,
        .ctx = call};
    switch (function_invoke(function, &invocation, call->request_id)) {
    case SLUICE_OK:
        call->runs = true;
        https_defer_long(call->connection);
        break;
    case SLUICE_FULL:
        throttle(call, "ReservedFunctionConcurrentInvocationLimitExceeded", RETRY_AFTER_S);
        break;
    case SLUICE_TOO_LARGE: fail_too_large(call, INVOKE_API_BODY_BYTES); break;
    case SLUICE_NOT_FOUND:
        fail(call, "ResourceNotFoundException", "The code of this version is not there.");
        break;
    default: fail(call, "ServiceException", "The gateway is stopping.");
    }
}

/* ---- Asynchronous: the queue ---- */

static void invoke_later(struct call *call, struct function *function, struct span event)
{
    switch (function_enqueue(function, call->qualifier, event, SPAN_EMPTY, &call->seq, call->request_id)) {
    case SLUICE_OK:
        *call->api->stored_end = call;
        call->api->stored_end = &call->next;
        break;
    case SLUICE_FULL: throttle(call, "CallerRateLimitExceeded", RETRY_AFTER_S); break;
    case SLUICE_TOO_LARGE: fail_too_large(call, ASYNCHRONOUS_BYTES); break;
    default: fail(call, "ServiceException", "The event cannot be stored now.");
    }
}

/* Only now is it certain that the event will not be lost. */
void invoke_api_durable(struct invoke_api *api, uint64_t seq)
{
    while (api->stored && api->stored->seq <= seq) {
        struct call *call = api->stored;
        char headers[64];
        snprintf(headers, sizeof headers, "x-amzn-RequestId: %s\r\n", call->request_id);
        respond(call, &(struct http_response){
                          .status = HTTP_ACCEPTED, .headers = headers, .type = "application/json"});
    }
}

/* ---- What is asked ---- */

/* The JSON object that X-Amz-Client-Context has in Base64. False: it is none. */
static bool read_client_context(const struct http_request *request, struct buffer *out)
{
    struct span text = http_header(request, "X-Amz-Client-Context");
    size_t len = 0, fault_at;
    if (text.len == 0)
        return true;
    if (text.len > CLIENT_CONTEXT_BYTES ||
        mbedtls_base64_decode(buffer_reserve(out, text.len), text.len, &len, text.data, text.len))
        return false;
    buffer_grown(out, len);
    struct span json = json_trim(buffer_span(out));
    return json_check(buffer_span(out), &fault_at) && json.len > 0 && json.data[0] == '{';
}

static void invoke_with(struct call *call, struct function *function, struct span client_context)
{
    const struct http_request *request = https_request(call->connection);
    struct span type = http_header(request, "X-Amz-Invocation-Type");
    struct span event = request->body.len > 0 ? request->body : SPAN_LITERAL("{}");
    size_t fault_at;
    call->wants_log = span_equal(http_header(request, "X-Amz-Log-Type"), SPAN_LITERAL("Tail"));
    if (span_equal(type, SPAN_LITERAL("DryRun"))) {
        respond(call, &(struct http_response){.status = HTTP_NO_CONTENT});
    } else if (!json_check(event, &fault_at)) {
        char message[MESSAGE_BYTES];
        snprintf(message, sizeof message,
                 "Could not parse request body into json: it stops to be JSON at byte %zu", fault_at);
        fail(call, "InvalidRequestContentException", message);
    } else if (span_equal(type, SPAN_LITERAL("Event"))) {
        if (event.len > ASYNCHRONOUS_BYTES)
            fail_too_large(call, ASYNCHRONOUS_BYTES);
        else
            invoke_later(call, function, event);
    } else if (type.len == 0 || span_equal(type, SPAN_LITERAL("RequestResponse"))) {
        invoke_now(call, function, event, client_context);
    } else {
        fail(call, "InvalidParameterValueException",
             "X-Amz-Invocation-Type is none of RequestResponse, Event and DryRun");
    }
}

static void invoke(struct call *call, struct function *function)
{
    struct buffer client_context = {0};
    if (read_client_context(https_request(call->connection), &client_context))
        invoke_with(call, function, buffer_span(&client_context));
    else
        fail(call, "InvalidRequestContentException",
             "Client context must be a valid Base64-encoded JSON object of at most 3583 bytes.");
    buffer_fini(&client_context);
}

static void respond_json(struct call *call, struct buffer *body)
{
    respond(call, &(struct http_response){
                      .status = HTTP_OK, .type = "application/json", .body = buffer_span(body)});
    buffer_fini(body);
}

static void list(struct call *call)
{
    const struct gateway *gateway = call->api->gateway;
    struct function *function;
    struct buffer body = {0};
    json_write_raw(&body, "{\"Functions\":[");
    size_t listed = 0;
    for (size_t i = 0; (function = functions_at(gateway->functions, i)); i++) {
        if (!http_access_may_invoke(gateway->config, &call->identity,
                                    span_from_string(function_config(function)->name)))
            continue;
        if (listed++ > 0)
            json_write_raw(&body, ",");
        invoke_api_write_configuration(function, function_live_version(function), &body);
    }
    json_write_raw(&body, "]}");
    respond_json(call, &body);
}

/* ---- Routes: what follows a function's name ---- */

static const struct route {
    const char *method;
    const char *end;
    void (*write)(const struct function *function, uint64_t version, struct buffer *out); /* the answer */
} routes[] = {
    {"POST", "/invocations", NULL}, /* invoke answers */
    {"GET", "/configuration", invoke_api_write_configuration},
    {"GET", "/versions", invoke_api_write_versions},
    {"GET", "/aliases", invoke_api_write_aliases},
    {"GET", "", invoke_api_write_function},
};

static const struct route *find_route(struct span method, struct span end)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (span_equal(method, span_from_string(routes[i].method)) &&
            span_equal(end, span_from_string(routes[i].end)))
            return &routes[i];
    }
    return NULL;
}

static void handle_named(struct call *call, const struct route *route, const struct invoke_api_name *name,
                         struct span qualifier)
{
    const struct gateway *gateway = call->api->gateway;
    char message[MESSAGE_BYTES];
    int name_len = (int)(name->name.len < 64 ? name->name.len : 64);
    if (!http_access_may_invoke(gateway->config, &call->identity, name->name)) {
        snprintf(message, sizeof message,
                 "%s is not authorized to perform: lambda:InvokeFunction on resource: %.*s",
                 call->identity.name[0] ? call->identity.name : "anonymous", name_len,
                 (const char *)name->name.data);
        fail(call, "AccessDeniedException", message);
        return;
    }
    struct function *function = functions_find(gateway->functions, name->name);
    struct span version;
    if (!invoke_api_qualifier(name, qualifier, &version)) {
        fail(call, "InvalidParameterValueException",
             "The derived qualifier from the function name does not match the specified qualifier.");
        return;
    }
    if (!function || function_resolve(function, version, &call->version) != SLUICE_OK) {
        snprintf(message, sizeof message,
                 "Function not found: arn:aws:lambda:%s:000000000000:function:%.*s%s%.*s",
                 gateway->config->region, name_len, (const char *)name->name.data, version.len > 0 ? ":" : "",
                 (int)(version.len < 128 ? version.len : 128), (const char *)version.data);
        fail(call, "ResourceNotFoundException", message);
        return;
    }
    call->function = function;
    call->qualifier = version;
    struct buffer body = {0};
    if (!route->write) {
        invoke(call, function);
        return;
    }
    route->write(function, call->version, &body);
    respond_json(call, &body);
}

/* `rest` is the path behind PREFIX and a slash. */
static void route_call(struct call *call, struct span rest)
{
    const struct http_request *request = https_request(call->connection);
    const uint8_t *slash = memchr(rest.data, '/', rest.len);
    size_t name_len = slash ? (size_t)(slash - rest.data) : rest.len;
    const struct route *route = find_route(request->method, span_skip(rest, name_len));
    struct buffer text = {0}, qualifier = {0};
    struct invoke_api_name name;
    if (!route)
        fail(call, "UnknownOperationException", "The gateway has no such operation.");
    else if (!invoke_api_decode(span_of(rest.data, name_len), &text) ||
             !invoke_api_decode(invoke_api_query_qualifier(request->query), &qualifier) ||
             !invoke_api_name_read(buffer_span(&text), &name))
        fail(call, "InvalidParameterValueException", "FunctionName is no name and no ARN of a function");
    else
        handle_named(call, route, &name, buffer_span(&qualifier));
    buffer_fini(&text);
    buffer_fini(&qualifier);
}

/* A page of the web runs in the browser of somebody who may be let in; no page invokes functions. */
static void go_on(struct call *call, const struct http_who *who)
{
    const struct http_request *request = https_request(call->connection);
    struct span rest = span_skip(request->path, strlen(PREFIX));
    call->identity = who->identity;
    if (who->error_type)
        fail(call, who->error_type, who->message);
    else if (http_header_count(request, "Origin") > 0)
        fail(call, "AccessDeniedException", "Web pages may not invoke functions.");
    else if (rest.len > 1)
        route_call(call, span_skip(rest, 1));
    else if (span_equal(request->method, SPAN_LITERAL("GET")))
        list(call);
    else
        fail(call, "UnknownOperationException", "The gateway has no such operation.");
}

static void on_known(void *ctx, const struct http_who *who)
{
    go_on(ctx, who);
}

/* ---- The whole ---- */

struct invoke_api *invoke_api_new(struct gateway *gateway)
{
    struct invoke_api *api = memory_new(sizeof *api);
    api->gateway = gateway;
    api->stored_end = &api->stored;
    return api;
}

void invoke_api_free(struct invoke_api *api)
{
    memory_free(api);
}

bool invoke_api_serves(struct span path)
{
    static const struct span prefix = SPAN_LITERAL(PREFIX);
    return span_starts_with(path, prefix) && (path.len == prefix.len || path.data[prefix.len] == '/');
}

void invoke_api_request(struct invoke_api *api, struct https_connection *connection)
{
    struct http_who who;
    if (api->gateway->http_invocation_count >= api->gateway->started->limits.invoke_count) {
        invoke_api_respond_fault(connection, "TooManyRequestsException",
                                 "gateway.limits.invocations is reached", "ConcurrentInvocationLimitExceeded",
                                 RETRY_AFTER_S);
        return;
    }
    struct call *call = memory_new(sizeof *call);
    call->api = api;
    call->connection = connection;
    call->access = (struct http_access){.gateway = api->gateway, .on_known = on_known, .ctx = call};
    api->gateway->http_invocation_count++;
    https_defer(connection, on_gone, call);
    if (http_access_ask(&call->access, https_request(connection), https_peer(connection), &who))
        go_on(call, &who);
}

void invoke_api_refuse(struct https_connection *connection, struct http_refusal why)
{
    char message[MESSAGE_BYTES];
    if (why.status == HTTP_CONTENT_TOO_LARGE) {
        snprintf(message, sizeof message,
                 "Request must be smaller than %d bytes for the InvokeFunction operation",
                 INVOKE_API_BODY_BYTES);
        invoke_api_respond_fault(connection, "RequestTooLargeException", message, NULL, 0);
    } else if (why.status == HTTP_TOO_MANY_REQUESTS) {
        invoke_api_respond_fault(connection, "TooManyRequestsException", why.text,
                                 "ConcurrentInvocationLimitExceeded", RETRY_AFTER_S);
    } else {
        invoke_api_respond_fault(connection, "InvalidRequestContentException", why.text, NULL, 0);
    }
}
