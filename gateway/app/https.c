#include "app/https.h"

#include "app/gateway_internal.h"
#include "app/http_events.h"
#include "app/https_request.h"
#include "app/invoke_api.h"
#include "base/json_write.h"
#include "base/memory.h"
#include "base/timers.h"
#include "net/http.h"
#include "net/websocket_upgrade.h"

#include <arpa/inet.h>

struct https {
    struct gateway *gateway;
    struct net_callbacks client_callbacks; /* of a connection that speaks MQTT */
    struct timers timers;
    struct https_connection *connections;
    uint64_t reserved_bytes; /* for the bodies of invocations under way */
};

/* Where a page comes from, as its browser says. */
struct origin {
    char *text;   /* NULL: it is none */
    bool is_same; /* as the host that it connects to */
};

struct https_connection {
    struct https *https;
    struct https_connection *previous, *next;
    struct net_connection *connection;
    struct origin origin;
    void *client; /* the user of client_callbacks, once it speaks MQTT; what follows is gone then */
    struct http *http;
    struct net_peer *peer;
    struct timer deadline;              /* of the request */
    const struct http_request *request; /* that is not answered yet, or NULL */
    void (*on_gone)(void *owner);       /* of a request whose answer comes later, or NULL */
    void *owner;
    bool is_invocation; /* the request is one for the Invoke API */
    uint64_t reserved_bytes;
    bool closing;
};

struct https_route {
    const char *method;
    const char *path;
    void (*handle)(struct https_connection *connection, const struct http_request *request);
};

static uint64_t now_of(const struct https *https)
{
    return uv_now(https->gateway->loop);
}

/* ---- Answers ---- */

/* The next request has as much time as this one had. */
static void set_deadline(struct https_connection *connection)
{
    struct https *https = connection->https;
    timers_set(&https->timers, &connection->deadline,
               now_of(https) + https->gateway->started->limits.http_timeout_ms);
}

static bool is_slow(const struct https_connection *connection)
{
    return buffer_len(net_output(connection->connection)) >
           connection->https->gateway->started->limits.output_bytes;
}

static void release_body(struct https_connection *connection)
{
    connection->https->reserved_bytes -= connection->reserved_bytes;
    connection->reserved_bytes = 0;
}

const struct http_request *https_request(const struct https_connection *connection)
{
    return connection->request;
}

const struct net_peer *https_peer(const struct https_connection *connection)
{
    return connection->peer;
}

void https_defer(struct https_connection *connection, void (*on_gone)(void *owner), void *owner)
{
    connection->on_gone = on_gone;
    connection->owner = owner;
    net_pause(connection->connection, true);
}

void https_defer_long(struct https_connection *connection)
{
    timers_stop(&connection->https->timers, &connection->deadline);
}

void https_respond(struct https_connection *connection, const struct http_response *response)
{
    struct http_response answer = *response;
    answer.closes = response->closes || !connection->request || !connection->request->keep_alive;
    http_respond(connection->request, &answer, net_output(connection->connection));
    release_body(connection);
    connection->request = NULL;
    if (connection->on_gone && (answer.closes || !is_slow(connection)))
        net_pause(connection->connection, false);
    connection->on_gone = NULL;
    if (answer.closes) {
        connection->closing = true;
        net_close(connection->connection);
    } else {
        http_next(connection->http);
        set_deadline(connection);
    }
    net_flush_soon(connection->connection);
}

static void respond_error(struct https_connection *connection, struct http_refusal why, const char *headers)
{
    struct buffer body = {0};
    json_write_raw(&body, "{\"message\":");
    json_write_string(&body, span_from_string(why.text));
    json_write_raw(&body, "}\n");
    https_respond(connection, &(struct http_response){.status = why.status,
                                                      .headers = headers,
                                                      .type = "application/json",
                                                      .body = buffer_span(&body)});
    buffer_fini(&body);
}

/* Whoever was to answer need not any more. */
static void forget_owner(struct https_connection *connection)
{
    void (*on_gone)(void *owner) = connection->on_gone;
    connection->on_gone = NULL;
    if (on_gone)
        on_gone(connection->owner);
}

static void on_deadline(void *owner, uint64_t now_ms)
{
    struct https_connection *connection = owner;
    struct http_refusal why = {HTTP_REQUEST_TIMEOUT, "the request took too long"};
    (void)now_ms;
    if (connection->closing)
        return;
    if (connection->on_gone) { /* as when the disk does not answer */
        forget_owner(connection);
        net_pause(connection->connection, false);
        why = (struct http_refusal){HTTP_SERVICE_UNAVAILABLE, "the gateway could not answer in time"};
    }
    connection->request = NULL; /* which closes */
    if (http_is_idle(connection->http))
        net_close(connection->connection);
    else
        respond_error(connection, why, NULL);
    connection->closing = true;
}

/* ---- /mqtt ---- */

static bool is_same_origin(const struct net_peer *peer, const struct http_request *request,
                           struct span origin)
{
    struct span scheme = span_from_string(peer->tls ? "https://" : "http://");
    return span_starts_with(origin, scheme) &&
           http_same(span_skip(origin, scheme.len), http_header(request, "Host"));
}

/* False: the request names several. */
static bool read_origin(const struct net_peer *peer, const struct http_request *request,
                        struct origin *ret_origin)
{
    struct span text = http_header(request, "Origin");
    size_t count = http_header_count(request, "Origin");
    if (count == 1)
        *ret_origin = (struct origin){memory_string(text), is_same_origin(peer, request, text)};
    return count <= 1;
}

/* A page's origin is what its browser says: nobody else's word counts, and programs may say anything. */
static bool origin_allowed(const struct config_strings *origins, const struct origin *origin)
{
    bool allowed = false;
    for (size_t i = 0; i < origins->count; i++) {
        if (strcmp(origins->items[i], "none") == 0)
            allowed |= origin->text == NULL;
        else if (strcmp(origins->items[i], "same") == 0)
            allowed |= origin->is_same;
        else
            allowed |= origin->text && strcmp(origin->text, origins->items[i]) == 0;
    }
    return allowed;
}

bool https_origin_allowed(const struct https_connection *connection)
{
    struct origin origin = {0};
    if (http_header_count(connection->request, "Origin") == 0)
        return true;
    bool allowed = read_origin(connection->peer, connection->request, &origin) &&
                   origin_allowed(&connection->https->gateway->config->origins, &origin);
    memory_free(origin.text);
    return allowed;
}

static void stop_http(struct https_connection *connection)
{
    timers_stop(&connection->https->timers, &connection->deadline);
    http_free(connection->http);
    memory_free(connection->peer);
    connection->http = NULL;
    connection->peer = NULL;
}

static void upgrade_to_mqtt(struct https_connection *connection, const struct http_request *request)
{
    struct gateway *gateway = connection->https->gateway;
    const struct net_callbacks *callbacks = &connection->https->client_callbacks;
    struct http_refusal why;
    if (websocket_upgrade_check(request, "mqtt", &why)) {
        respond_error(connection, why,
                      why.status == HTTP_UPGRADE_REQUIRED ? WEBSOCKET_UPGRADE_HEADERS : NULL);
        return;
    }
    why = (struct http_refusal){HTTP_FORBIDDEN, "gateway.websocket.origins does not name this origin"};
    void *client = NULL;
    struct origin *origin = &connection->origin;
    memory_free(origin->text);
    *origin = (struct origin){0};
    if (read_origin(connection->peer, request, origin) && origin_allowed(&gateway->config->origins, origin)) {
        why.text = "this listener takes no Client without a certificate";
        client = callbacks->on_open(callbacks->ctx, connection->connection, connection->peer);
    }
    if (!client) {
        respond_error(connection, why, NULL);
        return;
    }
    connection->client = client;
    connection->request = NULL;
    websocket_upgrade_accept(request, "mqtt", net_output(connection->connection));
    net_start_websocket(connection->connection, gateway->started->limits.packet_bytes);
}

/* ---- Requests ---- */

static const struct https_route routes[] = {
    {"GET", "/mqtt", upgrade_to_mqtt},
};

static void answer_by_route(struct https_connection *connection, const struct http_request *request)
{
    const struct https_route *route = routes, *end = routes + sizeof routes / sizeof *routes;
    while (route < end && !span_equal(request->path, span_from_string(route->path)))
        route++;
    if (route == end) {
        respond_error(connection, (struct http_refusal){HTTP_NOT_FOUND, "there is nothing here"}, NULL);
    } else if (!span_equal(request->method, span_from_string(route->method))) {
        char allow[64];
        snprintf(allow, sizeof allow, "Allow: %s\r\n", route->method);
        respond_error(connection,
                      (struct http_refusal){HTTP_METHOD_NOT_ALLOWED, "the method is not allowed here"},
                      allow);
    } else {
        route->handle(connection, request);
    }
}

/* A page whose name its owner points to this machine would be let in as one of this machine's programs. */
static bool host_is_right(const struct https_connection *connection, const struct http_request *request)
{
    struct span host = http_header(request, "Host");
    const uint8_t *port = host.len > 0 ? memrchr(host.data, ':', host.len) : NULL;
    char name[INET6_ADDRSTRLEN];
    struct in_addr ipv4;
    if (connection->peer->tls || host.len == 0)
        return true;
    if (port && host.data[host.len - 1] != ']')
        host.len = (size_t)(port - host.data);
    snprintf(name, sizeof name, "%.*s", (int)host.len, (const char *)host.data);
    return http_same(host, SPAN_LITERAL("localhost")) || span_equal(host, SPAN_LITERAL("[::1]")) ||
           (inet_pton(AF_INET, name, &ipv4) == 1 && ntohl(ipv4.s_addr) >> 24 == 127);
}

static void answer(struct https_connection *connection)
{
    const struct http_request *request = connection->request;
    if (!host_is_right(connection, request))
        respond_error(
            connection,
            (struct http_refusal){HTTP_FORBIDDEN, "the listener http is for localhost, by that name"}, NULL);
    else if (connection->is_invocation)
        invoke_api_request(connection->https->gateway->invoke_api, connection);
    else if (!http_events_request(connection->https->gateway, connection))
        answer_by_route(connection, request);
}

/* http_limits.allow_body. What invokes a function may be large, and all that is under way together may not.
 */
static bool allow_body(void *ctx, const struct http_request *head, uint64_t announced_bytes,
                       uint32_t *body_bytes, struct http_refusal *ret_why)
{
    struct https_connection *connection = ctx;
    struct https *https = connection->https;
    const struct gateway *gateway = https->gateway;
    connection->is_invocation = invoke_api_serves(head->path);
    bool says_who = connection->peer->certificate || http_header_count(head, "Authorization") > 0 ||
                    gateway_listen_of(gateway, connection->peer->listener)->anonymous;
    if (!connection->is_invocation || !says_who || announced_bytes == 0)
        return true;
    *body_bytes = INVOKE_API_BODY_BYTES;
    uint64_t wanted = announced_bytes == UINT64_MAX ? INVOKE_API_BODY_BYTES : announced_bytes;
    if (wanted > INVOKE_API_BODY_BYTES)
        return false;
    if (https->reserved_bytes + wanted > gateway->started->limits.invoke_bytes) {
        *ret_why = (struct http_refusal){HTTP_TOO_MANY_REQUESTS, "gateway.limits.invocationBytes is reached"};
        return false;
    }
    connection->reserved_bytes = wanted;
    https->reserved_bytes += wanted;
    return true;
}

/* Of a request that cannot be read further. */
static void refuse_request(struct https_connection *connection)
{
    struct http_refusal why = http_why(connection->http);
    if (connection->is_invocation)
        invoke_api_refuse(connection, why);
    else
        respond_error(connection, why, NULL);
}

/* One request or a part of one; returns the bytes taken. */
static size_t take_request(struct https_connection *connection, struct span input)
{
    struct buffer *out = net_output(connection->connection);
    size_t used;
    if (http_is_idle(connection->http))
        connection->is_invocation = false;
    enum sluice_error error = http_input(connection->http, input, out, &used, &connection->request);
    if (error == SLUICE_INVALID)
        refuse_request(connection);
    if (error)
        return used;
    answer(connection);
    if (connection->client)
        stop_http(connection);
    return used;
}

/* ---- What the connection tells ---- */

static void *on_open(void *ctx, struct net_connection *net_connection, const struct net_peer *peer)
{
    struct https *https = ctx;
    const struct config_limits *limits = &https->gateway->started->limits;
    if (https->gateway->stopping)
        return NULL;
    struct https_connection *connection = memory_new(sizeof *connection);
    connection->https = https;
    connection->connection = net_connection;
    connection->http = http_new(&(struct http_limits){.head_bytes = (uint32_t)limits->http_head_bytes,
                                                      .body_bytes = (uint32_t)limits->http_body_bytes,
                                                      .allow_body = allow_body,
                                                      .ctx = connection});
    connection->peer = memory_new(sizeof *peer);
    *connection->peer = *peer;
    connection->deadline = (struct timer){.on_expired = on_deadline, .owner = connection};
    set_deadline(connection);
    connection->next = https->connections;
    if (connection->next)
        connection->next->previous = connection;
    https->connections = connection;
    https->gateway->client_count++;
    return connection;
}

static size_t on_data(void *user, struct span input)
{
    struct https_connection *connection = user;
    if (connection->client)
        return connection->https->client_callbacks.on_data(connection->client, input);
    struct span rest = input;
    while (rest.len > 0 && !connection->client && !connection->closing && !connection->request &&
           !is_slow(connection))
        rest = span_skip(rest, take_request(connection, rest));
    /* Frames before the answer to the handshake: RFC 6455 has clients wait for it. */
    if (connection->client && rest.len > 0)
        net_abort(connection->connection);
    else if (is_slow(connection))
        net_pause(connection->connection, true);
    net_flush_soon(connection->connection);
    return input.len - rest.len;
}

static void on_drained(void *user)
{
    struct https_connection *connection = user;
    if (connection->client)
        connection->https->client_callbacks.on_drained(connection->client);
    else if (!connection->request)
        net_pause(connection->connection, false);
}

static void on_refused(void *user)
{
    struct https_connection *connection = user;
    if (connection->client)
        connection->https->client_callbacks.on_refused(connection->client);
}

static void unlink_connection(struct https_connection *connection)
{
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        connection->https->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
}

static void on_closed(void *user, enum sluice_error why)
{
    struct https_connection *connection = user;
    struct gateway *gateway = connection->https->gateway;
    if (connection->client)
        connection->https->client_callbacks.on_closed(connection->client, why);
    else
        stop_http(connection);
    forget_owner(connection);
    release_body(connection);
    unlink_connection(connection);
    memory_free(connection->origin.text);
    memory_free(connection);
    gateway_client_gone(gateway);
}

/* ---- The whole ---- */

struct https *https_new(struct gateway *gateway)
{
    struct https *https = memory_new(sizeof *https);
    https->gateway = gateway;
    https->client_callbacks = gateway_client_callbacks(gateway);
    return https;
}

void https_free(struct https *https)
{
    timers_fini(&https->timers);
    memory_free(https);
}

struct net_callbacks https_callbacks(struct https *https)
{
    return (struct net_callbacks){.ctx = https,
                                  .on_open = on_open,
                                  .on_data = on_data,
                                  .on_drained = on_drained,
                                  .on_refused = on_refused,
                                  .on_closed = on_closed};
}

void https_recheck(struct https *https)
{
    const struct config_strings *origins = &https->gateway->config->origins;
    for (struct https_connection *connection = https->connections; connection;
         connection = connection->next) {
        if (!connection->client || origin_allowed(origins, &connection->origin))
            continue;
        on_refused(connection);
        net_close(connection->connection);
    }
}

void https_tick(struct https *https, uint64_t now_ms)
{
    timers_run(&https->timers, now_ms);
}

uint64_t https_next_deadline(const struct https *https)
{
    return timers_next(&https->timers);
}
