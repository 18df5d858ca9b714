#include "app/gateway_internal.h"

/* ---- What $SYS asks of the gateway ---- */

static struct sys_figures read_figures(void *ctx)
{
    const struct gateway *gateway = ctx;
    struct sys_figures figures = {.uptime_s = (uv_now(gateway->loop) - gateway->started_ms) / 1000,
                                  .broker = broker_counters(gateway->broker)};
    for (size_t i = 0; i < gateway->listener_count; i++) {
        const struct net_counters *counters = net_listener_counters(gateway->listeners[i]);
        figures.net.accepted += counters->accepted;
        figures.net.refused_full += counters->refused_full;
        figures.net.refused_per_address += counters->refused_per_address;
        figures.net.refused_rate += counters->refused_rate;
        figures.net.handshakes_failed += counters->handshakes_failed;
        figures.net.bytes_received += counters->bytes_received;
        figures.net.bytes_sent += counters->bytes_sent;
    }
    return figures;
}

static void publish(void *ctx, struct span topic, struct span payload)
{
    broker_publish_status(((struct gateway *)ctx)->broker, topic, payload);
}

void gateway_start_status(struct gateway *gateway)
{
    uint64_t interval_ms = gateway->config->sys.interval_ms;
    struct sys_hooks hooks = {.ctx = gateway, .read = read_figures, .publish = publish};
    gateway->started_ms = uv_now(gateway->loop);
    if (interval_ms > 0)
        gateway->sys = sys_new(interval_ms, "sluice version " SLUICE_VERSION, &hooks, gateway->started_ms);
}
