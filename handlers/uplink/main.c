/*
 * The `uplink` worker: forwards messages to another MQTT Server (README.md) behind
 * the worker protocol. One thread of its own, beside Paho's. It exits with 0 when
 * the gateway says so and nothing is open any more, or when the gateway is gone,
 * and with 1 when it cannot start.
 */
#include "uplink/down.h"
#include "uplink/forward.h"
#include "worker/clock.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

struct uplink {
    struct worker *worker;
    struct settings settings;
    struct remote *remote;   /* NULL until INIT succeeded; */
    struct forward *forward; /* what goes up, or */
    struct down *down;       /* what comes down: one of them is not NULL then */
    bool stopping;
    int status; /* to exit with */
};

static void start(struct uplink *uplink, struct span init_json)
{
    char error[SETTINGS_ERROR_BYTES];
    if (settings_parse(init_json, error, &uplink->settings) == SLUICE_OK)
        uplink->remote = remote_new(&uplink->settings, error);
    if (!uplink->remote) {
        worker_send_error(uplink->worker, 0, WORKER_ERROR_TRANSPORT, "Uplink.InvalidSettings", error);
        uplink->status = 1;
        return;
    }
    if (uplink->settings.down_count > 0) {
        uplink->down = down_new(&uplink->settings, uplink->worker, uplink->remote);
        worker_send_ready(uplink->worker, 0, 0); /* it takes nothing ever */
        return;
    }
    uplink->forward = forward_new(&uplink->settings, uplink->worker, uplink->remote);
    worker_send_ready(uplink->worker, 0, 0); /* how many it takes is known when it is connected */
}

/* False: it is time to exit. */
static bool handle(void *ctx, const struct worker_frame *frame)
{
    struct uplink *uplink = ctx;
    if (frame->type == WORKER_INIT && !uplink->remote) {
        start(uplink, frame->init);
    } else if (frame->type == WORKER_INVOKE && uplink->forward) {
        const struct forward_now now = {worker_clock_ms(CLOCK_MONOTONIC), worker_clock_ms(CLOCK_REALTIME)};
        forward_take(uplink->forward, frame, &now);
    } else if (frame->type == WORKER_PUBLISHED && uplink->down) {
        down_on_published(uplink->down, frame->published, worker_clock_ms(CLOCK_MONOTONIC));
    } else if (frame->type == WORKER_SHUTDOWN) {
        uplink->stopping = true;
        if (uplink->forward)
            forward_stop(uplink->forward);
    }
    return uplink->remote != NULL;
}

static void handle_events(struct uplink *uplink)
{
    struct remote_event event;
    while (remote_next(uplink->remote, &event))
        if (uplink->down)
            down_on_event(uplink->down, &event, worker_clock_ms(CLOCK_MONOTONIC));
        else
            forward_on_event(uplink->forward, &event, worker_clock_ms(CLOCK_MONOTONIC));
}

static int wait_ms(const struct uplink *uplink)
{
    uint64_t now_ms = worker_clock_ms(CLOCK_MONOTONIC);
    uint64_t deadline_ms =
        uplink->down ? down_next_deadline_ms(uplink->down) : forward_next_deadline_ms(uplink->forward);
    if (deadline_ms <= now_ms)
        return 0;
    return deadline_ms - now_ms < INT32_MAX ? (int)(deadline_ms - now_ms) : -1;
}

static void run(struct uplink *uplink)
{
    bool alive = true;
    while (alive && !uplink->remote)
        alive = worker_handle(uplink->worker, handle, uplink);
    while (alive) {
        if (uplink->down)
            down_run(uplink->down, worker_clock_ms(CLOCK_MONOTONIC));
        else
            forward_run(uplink->forward, worker_clock_ms(CLOCK_MONOTONIC));
        if (uplink->stopping && (uplink->down || forward_open_count(uplink->forward) == 0))
            break;
        struct pollfd fds[] = {{worker_fd(uplink->worker), POLLIN, 0},
                               {remote_fd(uplink->remote), POLLIN, 0}};
        poll(fds, 2, wait_ms(uplink));
        if (fds[1].revents)
            handle_events(uplink);
        if (fds[0].revents)
            alive = worker_handle(uplink->worker, handle, uplink);
    }
}

int main(void)
{
    struct worker worker;
    if (worker_open(&worker)) {
        fputs("uplink is started by the gateway and forwards to another MQTT Server for it; "
              "see handlers/PROTOCOL.md\n",
              stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* TLS writes to connections that the other end has closed */
    struct uplink uplink = {.worker = &worker};
    run(&uplink);
    if (uplink.down)
        _exit(uplink.status); /* what the gateway has not stored must not be acknowledged by a farewell */
    if (uplink.forward)
        forward_free(uplink.forward);
    if (uplink.remote)
        remote_free(uplink.remote);
    settings_free(&uplink.settings);
    worker_close(&worker);
    return uplink.status;
}
