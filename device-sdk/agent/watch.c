#include "agent/watch.h"

#include "agent/json.h"
#include "agent/log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { EVENT_BYTES = 1024 };

static bool find_sensor(const struct sampler *sampler, const char *name, size_t *ret_place)
{
    for (size_t i = 0; i < sampler->list.count; i++)
        if (strcmp(sampler->list.sensors[i].name, name) == 0 &&
            sampler->list.sensors[i].type != SLUICE_TEXT) {
            *ret_place = i;
            return true;
        }
    return false;
}

bool watch_init(struct watches *watches, const struct agent_config *config, const struct sampler *sampler)
{
    bool all_found = true;
    *watches = (struct watches){.config = config, .sampler = sampler};
    for (size_t i = 0; i < config->source_count; i++) {
        const struct source *source = &config->sources[i];
        struct watch watch = {.limits = source};
        if (source->kind != SOURCE_WATCH)
            continue;
        if (find_sensor(sampler, source->name, &watch.sensor)) {
            watches->items[watches->count++] = watch;
        } else {
            agent_log("[watch %s] in line %u: this board has no such sensor of numbers; --list shows them",
                      source->name, source->line);
            all_found = false;
        }
    }
    return all_found;
}

enum watch_state watch_next(enum watch_state state, const struct source *limits, double value)
{
    double above = limits->above - (state == WATCH_ABOVE ? limits->hysteresis : 0);
    double below = limits->below + (state == WATCH_BELOW ? limits->hysteresis : 0);
    if (isnan(value))
        return state;
    return value > above ? WATCH_ABOVE : value < below ? WATCH_BELOW : WATCH_NORMAL;
}

static void publish_event(const struct watches *watches, const struct watch *watch, enum watch_state before,
                          struct sluice_device *device, uint64_t time_ms, double value)
{
    static const char *const names[] = {"normal", "above", "below"};
    const struct sluice_channel *channel = &watches->sampler->channels[watch->sensor];
    enum watch_state passed = watch->state == WATCH_NORMAL ? before : watch->state;
    char text[EVENT_BYTES];
    FILE *out = fmemopen(text, sizeof text, "w");
    if (!out)
        return;
    fputc('{', out);
    if (time_ms)
        fprintf(out, "\"time\":%llu.%03u,", (unsigned long long)(time_ms / 1000), (unsigned)(time_ms % 1000));
    fprintf(out, "\"sensor\":\"%s\",", channel->name);
    json_write_value(out, &(struct sluice_channel){"value", NULL, channel->decimals, channel->type}, value,
                     NULL);
    fprintf(out, ",\"state\":\"%s\",\"limit\":%.10g}", names[watch->state],
            passed == WATCH_ABOVE ? watch->limits->above : watch->limits->below);
    size_t len = (size_t)ftell(out);
    bool written = fclose(out) == 0;
    const char *topic = watches->config->events;
    const struct sluice_message event = {.topic = {topic, strlen(topic)}, .payload = {text, len}};
    enum sluice_error error = written ? sluice_device_publish(device, &event) : SLUICE_TOO_LARGE;
    if (error)
        agent_log("an event of %s is lost: %s", channel->name, sluice_error_text(error));
}

bool watch_sample(struct watches *watches, struct sluice_device *device, uint64_t time_ms,
                  const double *values)
{
    bool urgent = false;
    for (size_t i = 0; i < watches->count; i++) {
        struct watch *watch = &watches->items[i];
        enum watch_state before = watch->state;
        watch->state = watch_next(before, watch->limits, values[watch->sensor]);
        if (watch->state == before)
            continue;
        urgent = true;
        if (watches->config->events[0])
            publish_event(watches, watch, before, device, time_ms, values[watch->sensor]);
    }
    return urgent;
}
