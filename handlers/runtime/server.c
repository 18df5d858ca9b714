#include "runtime/server.h"

#include "base/memory.h"

#include <netinet/in.h>
#include <stdlib.h>

enum {
    CONNECTIONS_MAX = 64,
    BACKLOG = 16,
    READ_BYTES = 64 * 1024, /* also what is read ahead of an answer */
    HEAD_BYTES_MAX = 64 * 1024,
};

struct server {
    uv_tcp_t listener;
    struct server_hooks hooks;
    uint32_t body_bytes_max;
    struct connection *connections;
    size_t handle_count; /* that are not closed: the listener and the connections */
    bool stopping;
};

struct connection {
    uv_tcp_t tcp;
    struct server *server;
    struct connection *next;
    struct http *http;
    struct buffer in;
    bool answering; /* a request was handed out */
    bool feeding;   /* feed() runs: it goes on by itself */
    bool ending;    /* no more requests: what still comes is read and dropped, so that the last answer is not
                       lost by a reset */
};

struct write {
    uv_write_t request;
    struct buffer bytes;
};

/* ---- Closing ---- */

static void handle_closed(struct server *server)
{
    if (--server->handle_count == 0)
        memory_free(server);
}

static void on_listener_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void on_connection_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct server *server = connection->server;
    struct connection **at = &server->connections;
    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
    http_free(connection->http);
    buffer_fini(&connection->in);
    memory_free(connection);
    handle_closed(server);
}

static void close_connection(struct connection *connection)
{
    if (uv_is_closing((uv_handle_t *)&connection->tcp))
        return;
    uv_close((uv_handle_t *)&connection->tcp, on_connection_closed);
    if (!connection->server->stopping)
        connection->server->hooks.on_gone(connection->server->hooks.ctx, connection);
}

void server_stop(struct server *server)
{
    server->stopping = true;
    for (struct connection *connection = server->connections; connection; connection = connection->next)
        close_connection(connection);
    uv_close((uv_handle_t *)&server->listener, on_listener_closed);
}

/* ---- Writing ---- */

static void on_written(uv_write_t *request, int status)
{
    struct write *write = request->data;
    if (status < 0 && status != UV_ECANCELED)
        close_connection(request->handle->data);
    buffer_fini(&write->bytes);
    memory_free(write);
}

/* Takes the bytes. libuv writes them at once where the socket has room. */
static void send_bytes(struct connection *connection, struct buffer bytes)
{
    struct write *write = memory_new(sizeof *write);
    write->bytes = bytes;
    write->request.data = write;
    struct span span = buffer_span(&write->bytes);
    uv_buf_t part = {.base = (char *)(uintptr_t)span.data, .len = span.len};
    if (uv_write(&write->request, (uv_stream_t *)&connection->tcp, &part, 1, on_written) != 0) {
        buffer_fini(&write->bytes);
        memory_free(write);
    }
}

static void on_shut_down(uv_shutdown_t *request, int status)
{
    (void)status;
    memory_free(request);
}

/* Says that nothing more will be written; the client closes when it has read all. */
static void end(struct connection *connection)
{
    uv_shutdown_t *request = memory_new(sizeof *request);
    connection->ending = true;
    if (uv_shutdown(request, (uv_stream_t *)&connection->tcp, on_shut_down) != 0)
        memory_free(request);
}

/* ---- Requests ---- */

static void feed(struct connection *connection);
static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *ignored);
static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_room);

void server_respond(struct connection *connection, const struct http_response *response)
{
    struct buffer out = {0};
    if (uv_is_closing((uv_handle_t *)&connection->tcp))
        return;
    http_respond(NULL, response, &out);
    send_bytes(connection, out);
    connection->answering = false;
    if (response->closes || connection->ending) {
        end(connection);
        return;
    }
    http_next(connection->http);
    if (!connection->feeding) {
        feed(connection);
        uv_read_start((uv_stream_t *)&connection->tcp, give_room, on_read);
    }
}

static void on_refused(struct connection *connection)
{
    const struct server_hooks *hooks = &connection->server->hooks;
    struct http_refusal why = http_why(connection->http);
    const struct http_request *head = http_refused(connection->http);
    connection->ending = true; /* after its answer */
    if (why.status == HTTP_CONTENT_TOO_LARGE && head)
        hooks->on_too_large(hooks->ctx, connection, head);
    else
        server_respond(connection, &(struct http_response){.status = why.status,
                                                           .type = "text/plain",
                                                           .body = span_from_string(why.text),
                                                           .closes = true});
}

static void on_whole_request(struct connection *connection, const struct http_request *request)
{
    const struct server_hooks *hooks = &connection->server->hooks;
    connection->ending = !request->keep_alive;
    hooks->on_request(hooks->ctx, connection, request);
}

/* One request at a time; the next one waits in `in` for the answer. */
static void feed(struct connection *connection)
{
    connection->feeding = true;
    while (!connection->answering && !connection->ending && buffer_len(&connection->in) > 0) {
        const struct http_request *request;
        struct buffer out = {0};
        size_t used;
        enum sluice_error error =
            http_input(connection->http, buffer_span(&connection->in), &out, &used, &request);
        buffer_consume(&connection->in, used);
        if (buffer_len(&out) > 0)
            send_bytes(connection, out); /* 100 Continue */
        else
            buffer_fini(&out);
        connection->answering = error != SLUICE_AGAIN;
        if (error == SLUICE_OK)
            on_whole_request(connection, request);
        else if (error == SLUICE_INVALID)
            on_refused(connection);
    }
    connection->feeding = false;
    if (connection->ending && !connection->answering)
        buffer_consume(&connection->in, buffer_len(&connection->in));
    buffer_trim(&connection->in);
}

/* ---- Reading ---- */

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_room)
{
    struct connection *connection = handle->data;
    (void)suggested;
    ret_room->base = (char *)buffer_reserve(&connection->in, READ_BYTES);
    ret_room->len = READ_BYTES;
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *ignored)
{
    struct connection *connection = stream->data;
    (void)ignored;
    if (got < 0) {
        close_connection(connection);
        return;
    }
    buffer_grown(&connection->in, (size_t)got);
    feed(connection);
    if (connection->answering && buffer_len(&connection->in) >= READ_BYTES)
        uv_read_stop(stream);
}

/* ---- Listening ---- */

static void on_connection(uv_stream_t *listener, int status)
{
    struct server *server = listener->data;
    if (status < 0)
        return;
    struct connection *connection = memory_new(sizeof *connection);
    connection->server = server;
    connection->http =
        http_new(&(struct http_limits){.head_bytes = HEAD_BYTES_MAX, .body_bytes = server->body_bytes_max});
    connection->tcp.data = connection;
    uv_tcp_init(listener->loop, &connection->tcp);
    connection->next = server->connections;
    server->connections = connection;
    bool fits = server->handle_count <= CONNECTIONS_MAX;
    server->handle_count++;
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) != 0 || !fits) {
        close_connection(connection);
        return;
    }
    uv_tcp_nodelay(&connection->tcp, 1);
    uv_read_start((uv_stream_t *)&connection->tcp, give_room, on_read);
}

int server_start(uv_loop_t *loop, uint32_t body_bytes_max, const struct server_hooks *hooks,
                 struct server **ret_server)
{
    struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct server *server = memory_new(sizeof *server);
    int error = uv_tcp_init(loop, &server->listener);
    if (error) {
        memory_free(server);
        return error;
    }
    server->listener.data = server;
    server->hooks = *hooks;
    server->body_bytes_max = body_bytes_max;
    server->handle_count = 1;
    error = uv_tcp_bind(&server->listener, (const struct sockaddr *)&loopback, 0);
    if (!error)
        error = uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection);
    if (error)
        server_stop(server);
    else
        *ret_server = server;
    return error;
}

uint16_t server_port(const struct server *server)
{
    struct sockaddr_in address = {0};
    int len = sizeof address;
    uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &len);
    return ntohs(address.sin_port);
}
