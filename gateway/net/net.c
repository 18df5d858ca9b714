#include "base/log.h"
#include "base/memory.h"
#include "net/net_internal.h"

#include <assert.h>
#include <unistd.h>

/* What they cause leaves at the turn's end: so a turn takes no more than it does in some milliseconds, and
 * the others come first in the next. */
enum { SOCKETS_A_TURN = 128 };

uint64_t net_now_ms(const struct net *net)
{
    return uv_now(net->loop);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct net *net = handle->data;
    if (--net->handles_count > 0)
        return;
    close(net->epoll);
    timers_stop(&net->timers, &net->trim);
    timers_fini(&net->timers);
    memory_free(net->read_buffer);
    memory_free(net->cipher_buffer);
    memory_free(net);
}

static void on_timer(uv_timer_t *timer)
{
    struct net *net = timer->data;
    net->armed_ms = TIMERS_NEVER;
    timers_run(&net->timers, net_now_ms(net));
}

static void on_trim(void *owner, uint64_t now_ms)
{
    (void)owner;
    (void)now_ms;
    memory_trim();
}

static void arm_timer(struct net *net)
{
    uint64_t next_ms = timers_next(&net->timers);
    if (next_ms == net->armed_ms)
        return;
    net->armed_ms = next_ms;
    uint64_t now_ms = net_now_ms(net);
    if (next_ms == TIMERS_NEVER)
        uv_timer_stop(&net->timer);
    else
        uv_timer_start(&net->timer, on_timer, next_ms > now_ms ? next_ms - now_ms : 0, 0);
}

/* None of these is freed before the turn's end. */
static void on_sockets(uv_poll_t *sockets, int status, int events)
{
    struct net *net = sockets->data;
    struct epoll_event ready[SOCKETS_A_TURN];
    (void)status;
    (void)events;
    int count = epoll_wait(net->epoll, ready, SOCKETS_A_TURN, 0);
    for (int i = 0; i < count; i++)
        connection_ready(ready[i].data.ptr, ready[i].events);
}

static struct net_connection *take_dirty(struct net *net)
{
    struct net_connection *connection = net->dirty;
    if (connection) {
        net->dirty = connection->next_dirty;
        if (!net->dirty)
            net->dirty_end = &net->dirty;
        connection->dirty = false;
    }
    return connection;
}

/* libuv calls this before it waits for events: what the turn produced for a connection, timers' part
 * included, leaves in one stroke, and what settling one produces for others leaves with it. */
static void on_turn_end(uv_prepare_t *prepare)
{
    struct net *net = prepare->data;
    for (struct net_connection *connection; (connection = take_dirty(net)) != NULL;)
        connection_settle(connection);
    arm_timer(net);
    if (net->stopping && !net->listeners) {
        uv_close((uv_handle_t *)&net->turn_end, on_handle_closed);
        uv_close((uv_handle_t *)&net->timer, on_handle_closed);
        uv_close((uv_handle_t *)&net->sockets, on_handle_closed);
    }
}

struct net *net_new(uv_loop_t *loop)
{
    struct net *net = memory_new(sizeof *net);
    net->loop = loop;
    net->dirty_end = &net->dirty;
    net->queue_end = &net->queue;
    net->armed_ms = TIMERS_NEVER;
    net->trim.on_expired = on_trim;
    net->read_buffer = memory_new(HEADROOM_BYTES + READ_BYTES + TLS_RECORD_BYTES);
    uv_prepare_init(loop, &net->turn_end);
    uv_timer_init(loop, &net->timer);
    net->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (net->epoll < 0 || uv_poll_init(loop, &net->sockets, net->epoll))
        log_fatal("no descriptor is left for connections");
    net->handles_count = 3;
    net->turn_end.data = net;
    net->timer.data = net;
    net->sockets.data = net;
    uv_prepare_start(&net->turn_end, on_turn_end);
    uv_poll_start(&net->sockets, UV_READABLE, on_sockets);
    return net;
}

void net_stop(struct net *net)
{
    assert(!net->stopping);
    net->stopping = true;
    for (struct net_listener *listener = net->listeners; listener; listener = listener->next)
        listener_stop(listener, SLUICE_DENIED);
}
