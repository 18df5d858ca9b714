#include "app/https.h"

#include "app/gateway_internal.h"
#include "base/json_write.h"
#include "base/memory.h"
#include "base/timers.h"
#include "net/http.h"
#include "net/websocket_upgrade.h"

struct https {
    struct gateway *gateway;
    struct net_callbacks client_callbacks; /* of a connection that speaks MQTT */
    struct timers timers;
    struct https_connection *connections;
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
    struct timer deadline; /* of the request */
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

/* `request` is NULL where none could be read. */
static void respond_error(struct https_connection *connection, const struct http_request *request,
                          struct http_refusal why, const char *headers)
{
    struct buffer body = {0};
    json_write_raw(&body, "{\"message\":");
    json_write_string(&body, span_from_string(why.text));
    json_write_raw(&body, "}\n");
    struct http_response response = {.status = why.status,
                                     .headers = headers,
                                     .type = "application/json",
                                     .body = buffer_span(&body),
                                     .closes = !request || !request->keep_alive};
    http_respond(request, &response, net_output(connection->connection));
    buffer_fini(&body);
    if (response.closes) {
        connection->closing = true;
        net_close(connection->connection);
    }
}

/* The next request has as much time as this one had. */
static void set_deadline(struct https_connection *connection)
{
    struct https *https = connection->https;
    timers_set(&https->timers, &connection->deadline,
               now_of(https) + https->gateway->started->limits.http_timeout_ms);
}

static void on_deadline(void *owner, uint64_t now_ms)
{
    struct https_connection *connection = owner;
    (void)now_ms;
    if (connection->closing)
        return;
    if (http_is_idle(connection->http))
        net_close(connection->connection);
    else
        respond_error(connection, NULL,
                      (struct http_refusal){HTTP_REQUEST_TIMEOUT, "the request took too long"}, NULL);
    connection->closing = true;
}

/* ---- /mqtt ---- */

static bool is_same_origin(const struct http_request *request, struct span origin)
{
    struct span scheme = SPAN_LITERAL("https://");
    return span_starts_with(origin, scheme) &&
           http_same(span_skip(origin, scheme.len), http_header(request, "Host"));
}

/* False: the request names several. */
static bool read_origin(const struct http_request *request, struct origin *ret_origin)
{
    struct span text = http_header(request, "Origin");
    size_t count = http_header_count(request, "Origin");
    if (count == 1)
        *ret_origin = (struct origin){memory_string(text), is_same_origin(request, text)};
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
        respond_error(connection, request, why,
                      why.status == HTTP_UPGRADE_REQUIRED ? WEBSOCKET_UPGRADE_HEADERS : NULL);
        return;
    }
    why = (struct http_refusal){HTTP_FORBIDDEN, "gateway.websocket.origins does not name this origin"};
    void *client = NULL;
    struct origin *origin = &connection->origin;
    memory_free(origin->text);
    *origin = (struct origin){0};
    if (read_origin(request, origin) && origin_allowed(&gateway->config->origins, origin)) {
        why.text = "this listener takes no Client without a certificate";
        client = callbacks->on_open(callbacks->ctx, connection->connection, connection->peer);
    }
    if (!client) {
        respond_error(connection, request, why, NULL);
        return;
    }
    connection->client = client;
    websocket_upgrade_accept(request, "mqtt", net_output(connection->connection));
    net_start_websocket(connection->connection, gateway->started->limits.packet_bytes);
}

/* ---- Requests ---- */

static const struct https_route routes[] = {
    {"GET", "/mqtt", upgrade_to_mqtt},
};

static void answer(struct https_connection *connection, const struct http_request *request)
{
    const struct https_route *route = routes, *end = routes + sizeof routes / sizeof *routes;
    while (route < end && !span_equal(request->path, span_from_string(route->path)))
        route++;
    if (route == end) {
        respond_error(connection, request, (struct http_refusal){HTTP_NOT_FOUND, "there is nothing here"},
                      NULL);
    } else if (!span_equal(request->method, span_from_string(route->method))) {
        char allow[64];
        snprintf(allow, sizeof allow, "Allow: %s\r\n", route->method);
        respond_error(connection, request,
                      (struct http_refusal){HTTP_METHOD_NOT_ALLOWED, "the method is not allowed here"},
                      allow);
    } else {
        route->handle(connection, request);
    }
}

static bool is_slow(const struct https_connection *connection)
{
    return buffer_len(net_output(connection->connection)) >
           connection->https->gateway->started->limits.output_bytes;
}

/* One request or a part of one; returns the bytes taken. */
static size_t take_request(struct https_connection *connection, struct span input)
{
    const struct http_request *request;
    struct buffer *out = net_output(connection->connection);
    size_t used;
    enum sluice_error error = http_input(connection->http, input, out, &used, &request);
    if (error == SLUICE_INVALID)
        respond_error(connection, NULL, http_why(connection->http), NULL);
    if (error)
        return used;
    answer(connection, request);
    if (connection->client) {
        stop_http(connection);
    } else {
        http_next(connection->http);
        set_deadline(connection);
    }
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
                                                      .body_bytes = (uint32_t)limits->http_body_bytes});
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
    while (rest.len > 0 && !connection->client && !connection->closing && !is_slow(connection))
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
    else
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
