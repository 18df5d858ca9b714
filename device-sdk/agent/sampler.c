#include "agent/sampler.h"

#include "agent/log.h"

#include <stdio.h>
#include <string.h>

static void add_source(struct sensor_list *list, const struct source *source)
{
    struct sensor sensor = {
        .decimals = (uint8_t)source->decimals,
        .scale = source->scale,
        .offset = source->offset,
        .read = source->kind == SOURCE_COMMAND ? sensor_read_command : sensor_read_file,
        .command = {.timeout_ms = source->timeout_ms, .descriptor = -1},
    };
    snprintf(sensor.name, sizeof sensor.name, "%s", source->name);
    snprintf(sensor.unit, sizeof sensor.unit, "%s", source->unit);
    snprintf(sensor.path, sizeof sensor.path, "%s", source->target);
    sensor_add(list, NULL, &sensor);
}

void sampler_init(struct sampler *sampler, const struct agent_config *config)
{
    memset(sampler, 0, sizeof *sampler);
    struct sensor_list *list = &sampler->list;
    for (size_t i = 0; i < config->source_count; i++)
        if (config->sources[i].kind <= SOURCE_COMMAND)
            add_source(list, &config->sources[i]); /* first: what was asked for is never left out */
    sensor_find(list, &(struct sensor_search){.root = config->root,
                                              .hwmon = config->hwmon,
                                              .iio = config->iio,
                                              .thermal = config->thermal,
                                              .power = config->power,
                                              .proc = config->proc,
                                              .exclude = config->exclude});
    if (list->left_out_count > 0)
        agent_log("%zu sensors are left out: a frame holds %d; choose with 'exclude'", list->left_out_count,
                  SENSORS_MAX);
    for (size_t i = 0; i < list->count; i++)
        sampler->channels[i] = (struct sluice_channel){.name = list->sensors[i].name,
                                                       .unit = list->sensors[i].unit,
                                                       .decimals = list->sensors[i].decimals,
                                                       .type = list->sensors[i].type};
}

static bool is_command(const struct sensor *sensor)
{
    return sensor->read == sensor_read_command;
}

void sampler_start(struct sampler *sampler, uint64_t now_ms)
{
    for (size_t i = 0; i < sampler->list.count; i++) {
        struct sensor *sensor = &sampler->list.sensors[i];
        if (is_command(sensor))
            command_start(&sensor->command, sensor->path, now_ms);
    }
    sampler->collecting = true;
}

bool sampler_finish(struct sampler *sampler, uint64_t now_ms, double ret_values[SENSORS_MAX])
{
    bool running = false;
    for (size_t i = 0; i < sampler->list.count; i++)
        running |= command_running(&sampler->list.sensors[i].command, now_ms);
    if (running || !sampler->collecting)
        return false;
    for (size_t i = 0; i < sampler->list.count; i++)
        ret_values[i] = sensor_value(&sampler->list.sensors[i]);
    sampler->collecting = false;
    return true;
}

void sampler_stop(struct sampler *sampler)
{
    for (size_t i = 0; i < sampler->list.count; i++)
        command_stop(&sampler->list.sensors[i].command);
    sampler->collecting = false;
}

size_t sampler_poll_entries(const struct sampler *sampler, struct pollfd entries[SENSORS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < sampler->list.count; i++) {
        const struct command *command = &sampler->list.sensors[i].command;
        if (command->pid && command->descriptor >= 0)
            entries[count++] = (struct pollfd){command->descriptor, POLLIN, 0};
    }
    return count;
}

uint64_t sampler_deadline_ms(const struct sampler *sampler)
{
    uint64_t earliest_ms = UINT64_MAX;
    for (size_t i = 0; i < sampler->list.count; i++) {
        const struct command *command = &sampler->list.sensors[i].command;
        if (command->pid && command->deadline_ms < earliest_ms)
            earliest_ms = command->deadline_ms;
    }
    return earliest_ms;
}
