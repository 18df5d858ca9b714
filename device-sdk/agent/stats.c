#include "agent/stats.h"

static void write_causes(FILE *out, const char *direction, const uint32_t counts[SLUICE_CAUSE_COUNT])
{
    fprintf(out, "\"%s\":", direction);
    for (enum sluice_cause cause = 0; cause < SLUICE_CAUSE_COUNT; cause++)
        fprintf(out, "%c\"%s\":%lu", cause ? ',' : '{', sluice_cause_name(cause),
                (unsigned long)counts[cause]);
    fputc('}', out);
}

static void write_hours(FILE *out, struct sluice_ledger *ledger, size_t hour_count)
{
    const struct sluice_hour *hour;
    fputs(",\"hours\":[", out);
    for (size_t ago = 0; ago < hour_count && (hour = sluice_ledger_hour(ledger, ago)); ago++) {
        fputs(ago ? ",{" : "{", out);
        write_causes(out, "sent", hour->sent);
        fputc(',', out);
        write_causes(out, "received", hour->received);
        fputc('}', out);
    }
    fputc(']', out);
}

void stats_write(FILE *out, const struct sluice_device *device, struct sluice_ledger *ledger,
                 size_t sensor_count, size_t hour_count)
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
        {"tls_resumed", ledger->port.resumed_count},
        {"bytes_sent", c.bytes_sent},
        {"bytes_received", c.bytes_received},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        fprintf(out, "%s\"%s\":%llu", i ? "," : "{", rows[i].name, (unsigned long long)rows[i].value);
    write_hours(out, ledger, hour_count);
    fputc('}', out);
}
