#include "base/log.h"
#include "base/memory.h"
#include "net/net_internal.h"

/* The pool has four threads by default, and the disk needs them too. */
enum { JOBS_AT_ONCE = 2 };
/* A handshake takes 45 KB for its time. Of many at once malloc keeps the room, between what stays. */
enum { MANY_COUNT = 64, TRIM_AFTER_MS = 1000 };

static void start_jobs(struct net *net);

void handshake_start(struct net_connection *connection, const struct net_peer *peer)
{
    struct net_listener *listener = connection->listener;
    connection->stream = tls_stream_new(listener->config.tls, connection->fd);
    struct handshake *handshake = memory_new(sizeof *handshake);
    handshake->connection = connection;
    handshake->work.data = handshake;
    handshake->peer = *peer;
    connection->handshake = handshake;
    listener->counters.handshakes++;
    timers_set(&listener->net->timers, &connection->deadline,
               net_now_ms(listener->net) + listener->config.handshake_timeout_ms);
    if (connection->stream)
        connection_poll(connection, EPOLLIN);
    else
        connection_end(connection, SLUICE_NO_MEMORY);
}

void handshake_free(struct net_connection *connection)
{
    struct net_listener *listener = connection->listener;
    if (!connection->handshake)
        return;
    memory_free(connection->handshake);
    connection->handshake = NULL;
    if (listener->counters.handshakes-- >= MANY_COUNT)
        timers_set(&listener->net->timers, &listener->net->trim, net_now_ms(listener->net) + TRIM_AFTER_MS);
    listener_poll(listener);
}

static void finish(struct net_connection *connection)
{
    struct net_peer peer = connection->handshake->peer;
    timers_stop(&connection->listener->net->timers, &connection->deadline);
    handshake_free(connection);
    connection_open(connection, &peer);
}

/* On the loop again: the connection may have been ended meanwhile, and is still there. */
static void on_step_done(uv_work_t *work, int status)
{
    struct handshake *handshake = work->data;
    struct net_connection *connection = handshake->connection;
    struct net *net = connection->listener->net;
    (void)status; /* jobs are not cancelled */
    handshake->busy = false;
    net->jobs_count--;
    start_jobs(net);
    if (connection->ending) {
        connection_touch(connection);
        return;
    }
    /* The listener may have another TLS than when the handshake began. */
    if (handshake->result == SLUICE_OK &&
        !tls_stream_move(connection->stream, connection->listener->config.tls))
        handshake->result = SLUICE_DENIED;
    if (handshake->result == SLUICE_OK) {
        finish(connection);
    } else if (handshake->result == SLUICE_AGAIN) {
        bool writes = buffer_len(tls_stream_output(connection->stream)) > 0;
        connection_poll(connection, writes ? EPOLLOUT : EPOLLIN);
    } else {
        connection->listener->counters.handshakes_failed++;
        log_debug("listen %s: TLS with %s failed: %s", connection->listener->config.name,
                  handshake->peer.address, sluice_error_text(handshake->result));
        connection_end(connection, handshake->result);
    }
}

/* In the pool: this thread alone uses the stream and the socket, which the loop does not poll. */
static void take_step(uv_work_t *work)
{
    struct handshake *handshake = work->data;
    handshake->result = tls_stream_handshake(handshake->connection->stream, &handshake->peer);
}

static void start_jobs(struct net *net)
{
    while (net->jobs_count < JOBS_AT_ONCE && net->queue) {
        struct handshake *handshake = net->queue;
        net->queue = handshake->next;
        if (!net->queue)
            net->queue_end = &net->queue;
        if (handshake->connection->ending) { /* its deadline came while it waited */
            handshake->busy = false;
            connection_touch(handshake->connection);
            continue;
        }
        net->jobs_count++;
        uv_queue_work(net->loop, &handshake->work, take_step, on_step_done);
    }
}

void handshake_ready(struct net_connection *connection)
{
    struct handshake *handshake = connection->handshake;
    struct net *net = connection->listener->net;
    if (connection->ending)
        return;
    connection_poll(connection, 0);
    handshake->busy = true;
    handshake->next = NULL;
    *net->queue_end = handshake;
    net->queue_end = &handshake->next;
    start_jobs(net);
}
