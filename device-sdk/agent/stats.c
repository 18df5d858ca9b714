#include "agent/stats.h"

void stats_write(FILE *out, const struct sluice_device *device, const struct sluice_port *port,
                 size_t sensor_count)
{
    struct sluice_device_counters c = sluice_device_counters(device);
    uint64_t dropped =
        c.dropped_oldest + c.dropped_thinned + c.dropped_rejected + c.dropped_too_large + c.dropped_damaged;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"samples", c.samples},
        {"samples_published", c.samples_published},
        {"samples_acknowledged", c.samples_acknowledged},
        {"samples_dropped", c.samples_dropped},
        {"published", c.published},
        {"recovered", c.recovered},
        {"acknowledged", c.acknowledged},
        {"dropped", dropped},
        {"dropped_oldest", c.dropped_oldest},
        {"dropped_thinned", c.dropped_thinned},
        {"dropped_rejected", c.dropped_rejected},
        {"dropped_too_large", c.dropped_too_large},
        {"dropped_damaged", c.dropped_damaged},
        {"not_stored", c.not_stored},
        {"queued", c.queued},
        {"resent", c.resent},
        {"sensors", sensor_count},
        {"attempts", c.attempts},
        {"connects", c.connects},
        {"tls_resumed", port->resumed_count},
        {"bytes_sent", c.bytes_sent},
        {"bytes_received", c.bytes_received},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        fprintf(out, "%s\"%s\":%llu", i ? "," : "{", rows[i].name, (unsigned long long)rows[i].value);
    fputc('}', out);
}
