#include "uplink/forward.h"

#include "base/buffer.h"
#include "base/digits.h"
#include "base/memory.h"
#include "uplink/reconnect.h"
#include "uplink/verdict.h"

#include <cjson/cJSON.h>

#include <assert.h>
#include <stdio.h>

enum {
    TEXT_BYTES = 512,
    MS_PER_S = 1000,
};

/* One invocation that is not answered. */
struct open_message {
    uint64_t invocation;
    uint64_t deadline_ms; /* on the monotonic clock */
    uint64_t sent_ms;     /* of those that are sent */
    int token;            /* the same */
    uint64_t expires_ms;  /* on the monotonic clock; FORWARD_NEVER: not */
    char *topic;
    struct buffer properties;
    struct buffer payload;
    bool retain;
};

enum link_state {
    LINK_DOWN, /* until reconnect.at_ms */
    LINK_CONNECTING,
    LINK_UP,
};

struct forward {
    const struct settings *settings;
    struct worker *worker;
    struct remote *remote;
    struct complaints complaints;
    enum link_state link;
    struct reconnect reconnect;
    uint64_t up_since_ms;
    struct remote_event limits; /* the remote's, of its CONNACK */
    bool progressed;            /* this connection has brought a PUBACK */
    bool probing;               /* the last one was closed by the remote without any: one message at a time */
    bool stopping;
    uint32_t told;             /* what READY said last */
    struct open_message *open; /* in order of their coming; the first sent_count are sent */
    size_t open_count, sent_count;
};

struct forward *forward_new(const struct settings *settings, struct worker *worker, struct remote *remote)
{
    struct forward *forward = memory_new(sizeof *forward);
    forward->settings = settings;
    forward->worker = worker;
    forward->remote = remote;
    forward->open = memory_new_array(settings->inflight, sizeof *forward->open);
    return forward;
}

static void message_free(struct open_message *message)
{
    memory_free(message->topic);
    buffer_fini(&message->properties);
    buffer_fini(&message->payload);
}

void forward_free(struct forward *forward)
{
    for (size_t i = 0; i < forward->open_count; i++)
        message_free(&forward->open[i]);
    memory_free(forward->open);
    memory_free(forward);
}

size_t forward_open_count(const struct forward *forward)
{
    return forward->open_count;
}

/* One that has not expired. */
static struct remote_message message_of(const struct forward *forward, const struct open_message *open,
                                        uint64_t now_ms)
{
    bool expires = open->expires_ms != FORWARD_NEVER;
    return (struct remote_message){
        .topic = open->topic,
        .properties = buffer_span(&open->properties),
        .expiry_s = expires ? (uint32_t)((open->expires_ms - now_ms + MS_PER_S - 1) / MS_PER_S) : 0,
        .payload = buffer_span(&open->payload),
        .retain = open->retain && forward->limits.takes_retain,
    };
}

/* ---- Answers ---- */

static void take_out(struct forward *forward, size_t at)
{
    message_free(&forward->open[at]);
    forward->open_count--;
    forward->sent_count -= at < forward->sent_count;
    memmove(&forward->open[at], &forward->open[at + 1], (forward->open_count - at) * sizeof *forward->open);
}

static void fail(struct forward *forward, size_t at, enum worker_error_kind kind, const char *type,
                 const char *message)
{
    worker_send_error(forward->worker, forward->open[at].invocation, kind, type, message);
    take_out(forward, at);
}

/* Back to the gateway's queue, all of them, so that their order stays. */
static void give_back_all(struct forward *forward, const char *type, const char *message)
{
    while (forward->open_count > 0)
        fail(forward, 0, WORKER_ERROR_TRANSPORT, type, message);
}

/* How many messages the remote may have unacknowledged. */
static uint32_t window_of(const struct forward *forward)
{
    if (forward->link != LINK_UP)
        return 0;
    if (forward->probing)
        return 1;
    uint32_t most = forward->limits.receive_maximum;
    return most < forward->settings->inflight ? most : forward->settings->inflight;
}

static void tell_window(struct forward *forward)
{
    uint32_t window = window_of(forward);
    if (window == forward->told)
        return;
    forward->told = window;
    worker_send_ready(forward->worker, window, 0);
}

/* ---- Sending ---- */

static void send_next(struct forward *forward, uint64_t now_ms)
{
    size_t at = forward->sent_count;
    struct open_message *next = &forward->open[at];
    if (next->expires_ms <= now_ms) {
        fail(forward, at, WORKER_ERROR_FUNCTION, "Uplink.MessageExpired",
             "its Message Expiry Interval passed before the remote took it");
        return;
    }
    struct remote_message message = message_of(forward, next, now_ms);
    if (remote_packet_bytes(&message) > forward->limits.packet_bytes_max) {
        fail(forward, at, WORKER_ERROR_FUNCTION, "Uplink.PacketTooLarge",
             "the message is larger than the remote's Maximum Packet Size");
        return;
    }
    enum sluice_error error = remote_publish(forward->remote, &message, &next->token);
    if (error == SLUICE_INVALID) {
        fail(forward, at, WORKER_ERROR_FUNCTION, "Uplink.TopicInvalid", "the topic is no Topic Name");
    } else {
        /* Without a connection it stays sent until REMOTE_LOST, which is on its way. */
        next->sent_ms = now_ms;
        forward->sent_count++;
    }
}

static void send_all(struct forward *forward, uint64_t now_ms)
{
    while (forward->sent_count < forward->open_count && forward->sent_count < window_of(forward))
        send_next(forward, now_ms);
}

/* ---- The connection ---- */

static void complain(struct forward *forward, uint64_t now_ms, const char *what, const char *why)
{
    char text[TEXT_BYTES];
    snprintf(text, sizeof text, "%s %s%s%s", forward->settings->url, what, *why ? ": " : "", why);
    complaints_say(&forward->complaints, forward->worker, now_ms, text);
}

static void go_down(struct forward *forward, uint64_t now_ms)
{
    remote_close(forward->remote);
    bool lasted = forward->link == LINK_UP && now_ms - forward->up_since_ms > RECONNECT_MAX_MS;
    reconnect_later(&forward->reconnect, now_ms, forward->progressed || lasted);
    forward->link = LINK_DOWN;
    forward->sent_count = 0;
    forward->progressed = false;
    tell_window(forward);
}

/*
 * A remote that closes the connection because it does not like a message does not say which. When it does so
 * without any PUBACK, messages go one at a time on the next connection; one that is closed upon again then is
 * the one that it means. A line that falls silent says nothing of a message.
 */
static void suspect(struct forward *forward, uint64_t now_ms)
{
    bool silent = forward->sent_count > 0 &&
                  now_ms - forward->open[0].sent_ms >= (uint64_t)forward->settings->keep_alive_s * 1000;
    if (forward->progressed || forward->sent_count == 0 || silent)
        return;
    if (forward->probing)
        fail(forward, 0, WORKER_ERROR_FUNCTION, "Uplink.Closed",
             "the remote Server closed the connection on this message");
    else
        forward->probing = true;
}

static void on_lost(struct forward *forward, uint8_t reason, uint64_t now_ms)
{
    char why[TEXT_BYTES] = "";
    if (reason >= 0x80)
        snprintf(why, sizeof why, "Reason Code 0x%02x of its DISCONNECT", reason);
    complain(forward, now_ms, "ended the connection", why);
    suspect(forward, now_ms);
    go_down(forward, now_ms);
}

/* Why nothing can be forwarded to it, or NULL. What of it is a Protocol Error is no message's fault [MQTT 5,
 * 3.2.2.3.3, 3.2.2.3.6]. */
static const char *fault_of(const struct remote_event *connack)
{
    if (!connack->takes_qos_1)
        return "it takes QoS 0 only, and could lose what is forwarded";
    if (connack->receive_maximum == 0)
        return "its CONNACK has Receive Maximum 0, a Protocol Error";
    if (connack->packet_bytes_max == 0)
        return "its CONNACK has Maximum Packet Size 0, a Protocol Error";
    return NULL;
}

static void on_connected(struct forward *forward, const struct remote_event *event, uint64_t now_ms)
{
    const char *fault = fault_of(event);
    if (fault) {
        complain(forward, now_ms, "is of no use", fault);
        go_down(forward, now_ms);
        return;
    }
    forward->link = LINK_UP;
    forward->up_since_ms = now_ms;
    forward->limits = *event;
    worker_say(forward->worker, WORKER_LOG_INFO, "connected to %s; %u messages may be in flight",
               forward->settings->url, window_of(forward));
    send_all(forward, now_ms);
    tell_window(forward);
}

static void on_acknowledged(struct forward *forward, const struct remote_event *event, uint64_t now_ms)
{
    size_t at = 0;
    while (at < forward->sent_count && forward->open[at].token != event->token)
        at++;
    if (at == forward->sent_count)
        return; /* it was given back meanwhile */
    char message[TEXT_BYTES];
    snprintf(message, sizeof message, "the remote Server's PUBACK has Reason Code 0x%02x: %s", event->reason,
             verdict_text(event->reason));
    if (verdict_succeeded(event->reason)) {
        worker_send_result(forward->worker, forward->open[at].invocation, SPAN_EMPTY);
        take_out(forward, at);
    } else {
        fail(forward, at, verdict_kind(event->reason), "Uplink.Refused", message);
    }
    forward->progressed = true;
    forward->probing = false;
    send_all(forward, now_ms);
    tell_window(forward);
}

void forward_on_event(struct forward *forward, const struct remote_event *event, uint64_t now_ms)
{
    switch (event->type) {
    case REMOTE_CONNECTED: on_connected(forward, event, now_ms); break;
    case REMOTE_REFUSED:
        complain(forward, now_ms, "is not reached", event->text);
        go_down(forward, now_ms);
        break;
    case REMOTE_LOST: on_lost(forward, event->reason, now_ms); break;
    case REMOTE_ACKNOWLEDGED: on_acknowledged(forward, event, now_ms); break;
    case REMOTE_NOT_SUBSCRIBED:
    case REMOTE_ARRIVED: break; /* it subscribes to nothing */
    }
}

/* ---- Invocations ---- */

/* What the context's `publish` says; false: it lacks what it must have. */
static bool read_publish(const cJSON *publish, uint64_t now_ms, struct open_message *ret_message)
{
    const char *topic = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(publish, "topic"));
    struct span properties =
        span_from_string(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(publish, "properties")));
    const cJSON *expiry = cJSON_GetObjectItemCaseSensitive(publish, "messageExpiryInterval");
    if (!topic)
        return false;
    struct open_message message = {
        .topic = memory_string(span_from_string(topic)),
        .expires_ms =
            cJSON_IsNumber(expiry) ? now_ms + (uint64_t)expiry->valuedouble * MS_PER_S : FORWARD_NEVER,
        .retain = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(publish, "retain")),
    };
    if (hex_read(properties, buffer_reserve(&message.properties, properties.len / 2)))
        buffer_grown(&message.properties, properties.len / 2);
    *ret_message = message;
    return true;
}

void forward_take(struct forward *forward, const struct worker_frame *invoke, const struct forward_now *now)
{
    cJSON *context =
        cJSON_ParseWithLength((const char *)invoke->invoke.context.data, invoke->invoke.context.len);
    const cJSON *publish = cJSON_GetObjectItemCaseSensitive(context, "publish");
    struct open_message message;
    if (forward->open_count == forward->settings->inflight) {
        worker_send_error(forward->worker, invoke->invocation, WORKER_ERROR_TRANSPORT, "Uplink.BadInvocation",
                          "more invocations are open than READY allowed");
    } else if (!read_publish(publish, now->monotonic_ms, &message)) {
        worker_send_error(forward->worker, invoke->invocation, WORKER_ERROR_FUNCTION, "Uplink.BadInvocation",
                          "the context has no publish.topic");
    } else {
        uint64_t deadline_ms = invoke->invoke.deadline_ms;
        uint64_t left_ms = deadline_ms > now->wall_ms ? deadline_ms - now->wall_ms : 0;
        message.invocation = invoke->invocation;
        message.deadline_ms = now->monotonic_ms + left_ms;
        buffer_append(&message.payload, invoke->invoke.event);
        forward->open[forward->open_count++] = message;
        send_all(forward, now->monotonic_ms);
    }
    cJSON_Delete(context);
}

void forward_stop(struct forward *forward)
{
    forward->stopping = true;
}

/* ---- Time ---- */

/* Its deadline is the first to come: all invocations have the same time. */
static bool is_late(const struct forward *forward, uint64_t now_ms)
{
    return forward->open_count > 0 && now_ms >= forward->open[0].deadline_ms;
}

void forward_run(struct forward *forward, uint64_t now_ms)
{
    if (is_late(forward, now_ms) && forward->link == LINK_UP) {
        complain(forward, now_ms, "is silent", "no PUBACK came within the function's timeout");
        go_down(forward, now_ms);
    }
    if (is_late(forward, now_ms))
        give_back_all(forward, "Uplink.NotAcknowledged", "no PUBACK came within the function's timeout");
    if (forward->stopping && forward->link != LINK_UP)
        give_back_all(forward, "Uplink.NotConnected", "the remote Server is not connected");
    if (forward->link == LINK_DOWN && now_ms >= forward->reconnect.at_ms && !forward->stopping) {
        forward->link = LINK_CONNECTING;
        remote_connect(forward->remote);
    }
}

uint64_t forward_next_deadline_ms(const struct forward *forward)
{
    uint64_t deadline_ms = forward->open_count > 0 ? forward->open[0].deadline_ms : FORWARD_NEVER;
    if (forward->link == LINK_DOWN && !forward->stopping && forward->reconnect.at_ms < deadline_ms)
        deadline_ms = forward->reconnect.at_ms;
    return deadline_ms;
}
