#include "base/memory.h"
#include "net/net_internal.h"

#include <assert.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- The life of a connection ---- */

static void on_deadline(void *owner, uint64_t now_ms)
{
    struct net_connection *connection = owner;
    (void)now_ms;
    if (connection->handshake && !connection->ending)
        connection->listener->counters.handshakes_failed++;
    /* Half-closed it has sent everything: that the peer does not close its half is no failure. */
    connection_end(connection, connection->lingering ? SLUICE_OK : SLUICE_TIMEOUT);
}

void connection_start(struct net_listener *listener, int fd, uint64_t address_key,
                      const struct net_peer *peer)
{
    struct net_connection *connection = memory_new(sizeof *connection);
    connection->listener = listener;
    connection->fd = fd;
    connection->address_key = address_key;
    connection->deadline = (struct timer){.on_expired = on_deadline, .owner = connection};
    connection->next = listener->connections;
    if (connection->next)
        connection->next->previous = connection;
    listener->connections = connection;
    listener->refs++;
    listener->counters.connections++;
    addresses_add(&listener->addresses, address_key);
    if (listener->config.tls)
        handshake_start(connection, peer);
    else
        connection_open(connection, peer);
}

void connection_open(struct net_connection *connection, const struct net_peer *peer)
{
    const struct net_callbacks *callbacks = &connection->listener->callbacks;
    connection->user = callbacks->on_open(callbacks->ctx, connection, peer);
    connection->open = connection->user != NULL;
    if (!connection->open)
        connection_end(connection, SLUICE_DENIED);
    connection_touch(connection);
}

static void unlink_from_listener(struct net_connection *connection)
{
    struct net_listener *listener = connection->listener;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        listener->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    listener->counters.connections--;
    addresses_remove(&listener->addresses, connection->address_key);
}

/* Everything that a connection has is given back here, and only here. */
static void take_down(struct net_connection *connection)
{
    connection->gone = true;
    if (connection->open)
        connection->listener->callbacks.on_closed(connection->user, connection->why);
    timers_stop(&connection->listener->net->timers, &connection->deadline);
    unlink_from_listener(connection);
    handshake_free(connection);
    websocket_free(connection->websocket);
    tls_stream_free(connection->stream);
    buffer_fini(&connection->input);
    buffer_fini(&connection->output);
    connection_poll(connection, 0); /* a child between fork and exec may still have the socket open */
    close(connection->fd);
    listener_unref(connection->listener);
    memory_free(connection);
}

void connection_end(struct net_connection *connection, enum sluice_error why)
{
    if (connection->ending)
        return;
    connection->ending = true;
    connection->why = why;
    connection_touch(connection);
}

void connection_touch(struct net_connection *connection)
{
    struct net *net = connection->listener->net;
    if (connection->dirty || connection->gone)
        return;
    connection->dirty = true;
    connection->next_dirty = NULL;
    *net->dirty_end = connection;
    net->dirty_end = &connection->next_dirty;
}

void connection_check(struct net_connection *connection)
{
    if (!connection->open || connection->ending ||
        tls_stream_move(connection->stream, connection->listener->config.tls))
        return;
    connection->refused = true;
    connection_touch(connection);
}

/* ---- Polling ---- */

/* Reset by the peer, or over in both directions: what had arrived is still read. */
void connection_ready(struct net_connection *connection, uint32_t events)
{
    bool is_over = events & (EPOLLERR | EPOLLHUP);
    if (connection->handshake) {
        handshake_ready(connection);
        return;
    }
    if (events & EPOLLERR)
        connection->unwritable = true;
    if ((events & EPOLLOUT) || is_over)
        connection->stuck = false;
    if (((events & EPOLLIN) || is_over) && !connection->paused && !connection->ending)
        transfer_read(connection);
    connection_touch(connection);
}

void connection_poll(struct net_connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    int operation = !events ? EPOLL_CTL_DEL : connection->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (events == connection->events)
        return;
    connection->events = events;
    if (epoll_ctl(connection->listener->net->epoll, operation, connection->fd, &event))
        connection_end(connection, SLUICE_IO);
}

/* ---- The end of a turn ---- */

/* Everything is sent. Closing at once would make the system answer what is unread with a reset, and a
 * reset can overtake the last bytes: so the peer is told first, and its end is waited for. */
static void half_close(struct net_connection *connection)
{
    connection->lingering = true;
    connection->paused = false;
    if (shutdown(connection->fd, SHUT_WR))
        connection_end(connection, SLUICE_OK);
}

static void send_output(struct net_connection *connection)
{
    connection->owes_drained |= buffer_len(&connection->output) > 0;
    if (connection->stuck)
        return;
    connection->stuck = !transfer_flush(connection) && !connection->unwritable;
    if (connection->unwritable) {
        buffer_fini(&connection->output);
        if (connection->closing)
            connection_end(connection, SLUICE_CLOSED);
        return;
    }
    if (connection->stuck)
        return;
    if (connection->owes_drained) {
        connection->owes_drained = false;
        if (connection->listener->callbacks.on_drained && !connection->closing)
            connection->listener->callbacks.on_drained(connection->user);
    }
    if (connection->closing && !connection->lingering && !connection->ending &&
        buffer_len(&connection->output) == 0)
        half_close(connection);
}

static void end_refused(struct net_connection *connection)
{
    connection->refused = false;
    if (connection->closing || connection->ending)
        return;
    if (connection->listener->callbacks.on_refused)
        connection->listener->callbacks.on_refused(connection->user);
    net_close(connection);
}

void connection_settle(struct net_connection *connection)
{
    if (connection->gone || (connection->handshake && !connection->ending))
        return;
    if (connection->refused)
        end_refused(connection);
    if (!connection->ending && connection->present && !connection->paused) {
        connection->present = false;
        transfer_present(connection);
    }
    /* While it is paused, what came before the peer's Close is still to be presented. */
    if (connection->websocket && websocket_ended(connection->websocket) && !connection->paused)
        net_close(connection);
    if (!connection->ending)
        send_output(connection);
    if (!connection->ending) {
        bool reads = !connection->paused && (!connection->closing || connection->lingering);
        if (connection->websocket)
            websocket_rest(connection->websocket);
        if (connection->stream)
            tls_stream_rest(connection->stream);
        connection_poll(connection, (reads ? EPOLLIN : 0) | (connection->stuck ? EPOLLOUT : 0));
    } else if (!connection->dirty && (!connection->handshake || !connection->handshake->busy)) {
        take_down(connection); /* dirty, it comes here once more */
    }
}

/* ---- For the user ---- */

struct buffer *net_output(struct net_connection *connection)
{
    return &connection->output;
}

void net_flush_soon(struct net_connection *connection)
{
    connection_touch(connection);
}

void net_pause(struct net_connection *connection, bool paused)
{
    if (connection->closing || connection->paused == paused)
        return;
    connection->paused = paused;
    connection->present |= !paused && buffer_len(&connection->input) > 0;
    connection_touch(connection);
}

void net_close(struct net_connection *connection)
{
    if (connection->closing || connection->ending)
        return;
    if (!connection->open && connection->handshake) { /* there is nobody yet to send anything to */
        connection_end(connection, SLUICE_DENIED);
        return;
    }
    struct net_listener *listener = connection->listener;
    connection->closing = true;
    timers_set(&listener->net->timers, &connection->deadline,
               net_now_ms(listener->net) + listener->config.close_timeout_ms);
    connection_touch(connection);
}

void net_abort(struct net_connection *connection)
{
    connection_end(connection, SLUICE_DENIED);
}

void net_start_websocket(struct net_connection *connection, uint64_t frame_bytes_max)
{
    assert(!connection->websocket);
    connection->websocket = websocket_new(frame_bytes_max);
    *websocket_output(connection->websocket) = connection->output;
    connection->output = (struct buffer){0};
    connection_touch(connection);
}
