#include "app/sys.h"

#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { TOPIC_BYTES = 96, PAYLOAD_BYTES = 64, PERIODS = 3 };

static const struct period {
    const char *name;
    double minutes;
} periods[PERIODS] = {{"1min", 1}, {"5min", 5}, {"15min", 15}};

/* ---- The figures ---- */

/* What the tables below name: the figures in mosquitto's terms. */
struct values {
    uint64_t bytes_received, bytes_sent;
    uint64_t clients_connected, clients_disconnected, clients_expired, clients_maximum, clients_total;
    uint64_t connections, sockets;
    uint64_t messages_inflight, messages_received, messages_sent;
    uint64_t publish_bytes_received, publish_bytes_sent;
    uint64_t publish_dropped, publish_received, publish_sent;
    uint64_t connections_full, connections_per_address, connect_rate, handshakes_failed, connects_refused,
        protocol_errors;
    uint64_t retained, shared_subscriptions, store_bytes, store_count, subscriptions;
};

static uint64_t sum(const uint64_t by_qos[3])
{
    return by_qos[0] + by_qos[1] + by_qos[2];
}

static struct values values_of(const struct sys_figures *figures)
{
    const struct broker_counters *broker = figures->broker;
    const struct net_counters *net = &figures->net;
    return (struct values){
        .bytes_received = net->bytes_received,
        .bytes_sent = net->bytes_sent,
        .clients_connected = broker->connected,
        .clients_disconnected = broker->sessions - broker->connected,
        .clients_expired = broker->sessions_expired,
        .clients_maximum = broker->connected_maximum,
        .clients_total = broker->sessions,
        .connections = broker->connects + broker->connects_refused,
        .sockets = net->accepted,
        .messages_inflight = broker->inflight,
        .messages_received = broker->packets_received,
        .messages_sent = broker->packets_sent,
        .publish_bytes_received = broker->payload_bytes_received,
        .publish_bytes_sent = broker->payload_bytes_sent,
        /* As mosquitto counts them: for the bounds of queues and connections. */
        .publish_dropped = broker->dropped[BROKER_DROP_QUEUE_FULL] + broker->dropped[BROKER_DROP_TOO_SLOW],
        .publish_received = sum(broker->publishes_received),
        .publish_sent = sum(broker->publishes_sent),
        .connections_full = net->refused_full,
        .connections_per_address = net->refused_per_address,
        .connect_rate = net->refused_rate,
        .handshakes_failed = net->handshakes_failed,
        .connects_refused = broker->connects_refused,
        .protocol_errors = broker->protocol_errors,
        .retained = broker->retained,
        .shared_subscriptions = broker->shared_subscriptions,
        .store_bytes = broker->retained_bytes + broker->queued_bytes,
        .store_count = broker->retained + broker->queued,
        .subscriptions = broker->subscriptions,
    };
}

struct row {
    const char *topic; /* behind $SYS/broker/ */
    size_t offset;     /* into struct values */
};

#define VALUE(member) offsetof(struct values, member)

static const struct row rows[] = {
    {"bytes/received", VALUE(bytes_received)},
    {"bytes/sent", VALUE(bytes_sent)},
    {"clients/connected", VALUE(clients_connected)},
    {"clients/disconnected", VALUE(clients_disconnected)},
    {"clients/expired", VALUE(clients_expired)},
    {"clients/maximum", VALUE(clients_maximum)},
    {"clients/total", VALUE(clients_total)},
    {"messages/inflight", VALUE(messages_inflight)},
    {"messages/received", VALUE(messages_received)},
    {"messages/sent", VALUE(messages_sent)},
    {"messages/stored", VALUE(store_count)},
    {"publish/bytes/received", VALUE(publish_bytes_received)},
    {"publish/bytes/sent", VALUE(publish_bytes_sent)},
    {"publish/messages/dropped", VALUE(publish_dropped)},
    {"publish/messages/received", VALUE(publish_received)},
    {"publish/messages/sent", VALUE(publish_sent)},
    {"retained messages/count", VALUE(retained)},
    {"shared_subscriptions/count", VALUE(shared_subscriptions)},
    {"store/messages/bytes", VALUE(store_bytes)},
    {"store/messages/count", VALUE(store_count)},
    {"subscriptions/count", VALUE(subscriptions)},
    /* These have no name there. */
    {"connections/failed/handshake", VALUE(handshakes_failed)},
    {"connections/failed/connect", VALUE(connects_refused)},
    {"connections/failed/protocol", VALUE(protocol_errors)},
    {"limits/connections", VALUE(connections_full)},
    {"limits/connectionsPerAddress", VALUE(connections_per_address)},
    {"limits/connectRate", VALUE(connect_rate)},
};

/* Totals whose growth in a minute is averaged. */
static const struct row loads[] = {
    {"load/bytes/received", VALUE(bytes_received)},
    {"load/bytes/sent", VALUE(bytes_sent)},
    {"load/connections", VALUE(connections)},
    {"load/messages/received", VALUE(messages_received)},
    {"load/messages/sent", VALUE(messages_sent)},
    {"load/publish/dropped", VALUE(publish_dropped)},
    {"load/publish/received", VALUE(publish_received)},
    {"load/publish/sent", VALUE(publish_sent)},
    {"load/sockets", VALUE(sockets)},
};

enum { ROWS = sizeof rows / sizeof *rows, LOADS = sizeof loads / sizeof *loads };

static uint64_t value_at(const struct values *values, const struct row *row)
{
    return *(const uint64_t *)(const void *)((const char *)values + row->offset);
}

/* ---- Publishing ---- */

/* What was published last. */
struct shown {
    uint64_t value;
    bool there;
};

struct sys {
    struct sys_hooks hooks;
    uint64_t interval_ms, last_ms, next_ms;
    struct values values; /* of last_ms */
    double averages[LOADS][PERIODS];
    struct shown rows[ROWS];
    struct shown drops[BROKER_DROP_COUNT];
    struct shown limits[BROKER_LIMIT_COUNT];
    struct shown loads[LOADS][PERIODS];
};

static void publish(struct sys *sys, const char *topic, const char *payload)
{
    char whole[TOPIC_BYTES];
    snprintf(whole, sizeof whole, "$SYS/broker/%s", topic);
    sys->hooks.publish(sys->hooks.ctx, span_from_string(whole), span_from_string(payload));
}

static bool has_changed(struct shown *shown, uint64_t value)
{
    if (shown->there && shown->value == value)
        return false;
    *shown = (struct shown){.value = value, .there = true};
    return true;
}

static void show_count(struct sys *sys, struct shown *shown, const char *topic, uint64_t value)
{
    char payload[PAYLOAD_BYTES];
    if (!has_changed(shown, value))
        return;
    snprintf(payload, sizeof payload, "%" PRIu64, value);
    publish(sys, topic, payload);
}

static void show_uptime(struct sys *sys, uint64_t uptime_s)
{
    char payload[PAYLOAD_BYTES];
    snprintf(payload, sizeof payload, "%" PRIu64 " seconds", uptime_s);
    publish(sys, "uptime", payload);
}

static void show_drops(struct sys *sys, const struct broker_counters *broker)
{
    char topic[TOPIC_BYTES];
    for (unsigned reason = 0; reason < BROKER_DROP_COUNT; reason++) {
        snprintf(topic, sizeof topic, "publish/messages/dropped/%s",
                 broker_drop_text((enum broker_drop)reason));
        show_count(sys, &sys->drops[reason], topic, broker->dropped[reason]);
    }
}

/* How often each was met, under its name in the configuration. */
static void show_limits(struct sys *sys, const struct broker_counters *broker)
{
    char topic[TOPIC_BYTES];
    for (unsigned limit = 0; limit < BROKER_LIMIT_COUNT; limit++) {
        snprintf(topic, sizeof topic, "limits/%s", broker_limit_text((enum broker_limit)limit));
        show_count(sys, &sys->limits[limit], topic, broker->limited[limit]);
    }
}

/* An exponential moving average of what came in a minute: after one period it shows 63 % of a change. */
static void carry_on(double averages[PERIODS], double a_minute, double minutes)
{
    for (unsigned i = 0; i < PERIODS; i++)
        averages[i] += (a_minute - averages[i]) * (1 - exp(-minutes / periods[i].minutes));
}

static void show_load(struct sys *sys, unsigned load)
{
    char topic[TOPIC_BYTES], payload[PAYLOAD_BYTES];
    for (unsigned i = 0; i < PERIODS; i++) {
        double average = sys->averages[load][i];
        if (!has_changed(&sys->loads[load][i], (uint64_t)llround(average * 100)))
            continue;
        snprintf(topic, sizeof topic, "%s/%s", loads[load].topic, periods[i].name);
        snprintf(payload, sizeof payload, "%.2f", average);
        publish(sys, topic, payload);
    }
}

static void show_loads(struct sys *sys, const struct values *now, double minutes)
{
    for (unsigned i = 0; i < LOADS; i++) {
        uint64_t grown = value_at(now, &loads[i]) - value_at(&sys->values, &loads[i]);
        if (minutes > 0)
            carry_on(sys->averages[i], (double)grown / minutes, minutes);
        show_load(sys, i);
    }
}

struct sys *sys_new(uint64_t interval_ms, const char *version, const struct sys_hooks *hooks, uint64_t now_ms)
{
    struct sys *sys = memory_new(sizeof *sys);
    sys->hooks = *hooks;
    sys->interval_ms = interval_ms;
    sys->last_ms = sys->next_ms = now_ms;
    publish(sys, "version", version);
    return sys;
}

void sys_free(struct sys *sys)
{
    memory_free(sys);
}

/* The figures are all read before the first is published, which changes some. */
void sys_turn(struct sys *sys, uint64_t now_ms)
{
    if (now_ms < sys->next_ms)
        return;
    struct sys_figures figures = sys->hooks.read(sys->hooks.ctx);
    struct broker_counters broker = *figures.broker;
    struct values values = values_of(&figures);
    show_uptime(sys, figures.uptime_s);
    for (unsigned i = 0; i < ROWS; i++)
        show_count(sys, &sys->rows[i], rows[i].topic, value_at(&values, &rows[i]));
    show_drops(sys, &broker);
    show_limits(sys, &broker);
    show_loads(sys, &values, (double)(now_ms - sys->last_ms) / 60000);
    sys->values = values;
    sys->last_ms = now_ms;
    sys->next_ms = now_ms + sys->interval_ms;
}

uint64_t sys_next_deadline(const struct sys *sys)
{
    return sys->next_ms;
}
