#include "uplink/down.h"

#include "base/memory.h"
#include "uplink/reconnect.h"

#include <stdio.h>

enum {
    AGAIN_MS = 200, /* until what the gateway had no room for is offered again */
    TEXT_BYTES = 512,
};

#define NEVER UINT64_MAX

struct down {
    const struct settings *settings;
    struct worker *worker;
    struct remote *remote;
    struct complaints complaints;
    struct reconnect reconnect;
    bool away;                            /* neither connected nor connecting */
    bool brought;                         /* this connection was made */
    const struct remote_arrival *arrival; /* that the gateway has not answered; NULL: none */
    uint64_t id;                          /* of the last PUBLISH */
    uint64_t again_ms; /* when it is offered again; NEVER: an answer is awaited, or none is there */
};

struct down *down_new(const struct settings *settings, struct worker *worker, struct remote *remote)
{
    struct down *down = memory_new(sizeof *down);
    *down = (struct down){
        .settings = settings, .worker = worker, .remote = remote, .away = true, .again_ms = NEVER};
    return down;
}

void down_free(struct down *down)
{
    memory_free(down);
}

static void complain(struct down *down, uint64_t now_ms, const char *what, const char *why)
{
    char text[2 * TEXT_BYTES]; /* a URL, and a reason of TEXT_BYTES */
    snprintf(text, sizeof text, "%s %s%s%s", down->settings->url, what, *why ? ": " : "", why);
    complaints_say(&down->complaints, down->worker, now_ms, text);
}

static void go_away(struct down *down, uint64_t now_ms)
{
    remote_close(down->remote);
    reconnect_later(&down->reconnect, now_ms, down->brought);
    down->away = true;
    down->brought = false;
}

static void offer(struct down *down)
{
    struct worker_frame frame = {.type = WORKER_PUBLISH, .invocation = ++down->id};
    frame.publish.retain = down->arrival->retain;
    frame.publish.topic = down->arrival->topic;
    frame.publish.properties = down->arrival->properties;
    frame.publish.payload = down->arrival->payload;
    down->again_ms = NEVER;
    if (worker_send(down->worker, &frame) == SLUICE_TOO_LARGE) {
        worker_say(down->worker, WORKER_LOG_WARNING, "a message of %zu bytes is too large to come down",
                   down->arrival->payload.len);
        down->arrival = NULL;
        remote_settle(down->remote);
    }
}

void down_on_published(struct down *down, enum worker_published outcome, uint64_t now_ms)
{
    if (outcome == WORKER_PUBLISHED_FULL) {
        complain(down, now_ms, "has messages", "the gateway has no room for them");
        down->again_ms = now_ms + AGAIN_MS;
        return;
    }
    down->arrival = NULL;
    remote_settle(down->remote);
}

void down_on_event(struct down *down, const struct remote_event *event, uint64_t now_ms)
{
    char why[TEXT_BYTES];
    switch (event->type) {
    case REMOTE_CONNECTED:
        down->brought = true;
        worker_say(down->worker, WORKER_LOG_INFO, "connected to %s for what comes down", down->settings->url);
        break;
    case REMOTE_REFUSED:
        complain(down, now_ms, "is not reached", event->text);
        go_away(down, now_ms);
        break;
    case REMOTE_LOST:
        complain(down, now_ms, "ended the connection", "");
        go_away(down, now_ms);
        break;
    case REMOTE_NOT_SUBSCRIBED:
        snprintf(why, sizeof why, "Reason Code 0x%02x", event->reason);
        complain(down, now_ms, "does not let it subscribe", why);
        break;
    case REMOTE_ARRIVED:
        down->arrival = event->arrival;
        offer(down);
        break;
    case REMOTE_ACKNOWLEDGED: break; /* it publishes nothing there */
    }
}

void down_run(struct down *down, uint64_t now_ms)
{
    if (now_ms >= down->again_ms)
        offer(down);
    if (down->away && now_ms >= down->reconnect.at_ms) {
        down->away = false;
        remote_connect(down->remote);
    }
}

uint64_t down_next_deadline_ms(const struct down *down)
{
    return down->away && down->reconnect.at_ms < down->again_ms ? down->reconnect.at_ms : down->again_ms;
}
