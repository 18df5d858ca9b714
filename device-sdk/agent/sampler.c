#include "agent/sampler.h"

#include "agent/log.h"

#include <stdio.h>
#include <string.h>

enum { URGENT_INTERVAL_MS = 100 }; /* a line that flickers is not sampled more often */

static void add_source(struct sensor_list *list, const struct source *source, const char *root)
{
    static bool (*const reads[])(struct sensor *, double *) = {[SOURCE_FILE] = sensor_read_file,
                                                               [SOURCE_COMMAND] = sensor_read_command,
                                                               [SOURCE_GPIO] = sensor_read_gpio};
    struct sensor sensor = {
        .decimals = (uint8_t)source->decimals,
        .scale = source->scale,
        .offset = source->offset,
        .read = reads[source->kind],
        .command = {.timeout_ms = source->timeout_ms, .descriptor = -1},
        .gpio = {.line = source->gpio_line,
                 .report = (enum gpio_report)source->gpio_report,
                 .bias = (enum gpio_bias)source->gpio_bias,
                 .active_low = source->gpio_active_low != 0,
                 .debounce_ms = source->gpio_debounce_ms,
                 .descriptor = -1},
    };
    bool is_line = source->kind == SOURCE_GPIO;
    if (is_line && source->gpio_report != GPIO_COUNT)
        sensor.type = SLUICE_BOOLEAN;
    snprintf(sensor.name, sizeof sensor.name, "%s", source->name);
    snprintf(sensor.unit, sizeof sensor.unit, "%s", source->unit);
    snprintf(sensor.path, sizeof sensor.path, "%s%s", is_line ? root : "", source->target);
    sensor_add(list, NULL, &sensor);
}

void sampler_init(struct sampler *sampler, const struct agent_config *config)
{
    memset(sampler, 0, sizeof *sampler);
    struct sensor_list *list = &sampler->list;
    for (size_t i = 0; i < config->source_count; i++)
        if (config->sources[i].kind <= SOURCE_GPIO)
            add_source(list, &config->sources[i],
                       config->root); /* first: what was asked for is never left out */
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
    sampler->started_ms = now_ms;
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
    sampler->collecting = sampler->urgent = false;
    return true;
}

static bool is_gpio(const struct sensor *sensor)
{
    return sensor->read == sensor_read_gpio;
}

bool sampler_is_urgent(struct sampler *sampler)
{
    for (size_t i = 0; i < sampler->list.count; i++) {
        struct sensor *sensor = &sampler->list.sensors[i];
        if (is_gpio(sensor) && sensor->gpio.report == GPIO_URGENT)
            sampler->urgent |= gpio_has_edge(&sensor->gpio);
    }
    return sampler->urgent;
}

uint64_t sampler_urgent_ms(const struct sampler *sampler)
{
    return sampler->urgent ? sampler->started_ms + URGENT_INTERVAL_MS : UINT64_MAX;
}

void sampler_stop(struct sampler *sampler)
{
    for (size_t i = 0; i < sampler->list.count; i++) {
        struct sensor *sensor = &sampler->list.sensors[i];
        command_stop(&sensor->command);
        if (is_gpio(sensor))
            gpio_close(&sensor->gpio);
    }
    sampler->collecting = false;
}

size_t sampler_poll_entries(const struct sampler *sampler, struct pollfd entries[SENSORS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < sampler->list.count; i++) {
        const struct sensor *sensor = &sampler->list.sensors[i];
        int descriptor = -1;
        if (sensor->command.pid)
            descriptor = sensor->command.descriptor;
        else if (is_gpio(sensor) && sensor->gpio.report == GPIO_URGENT && !sampler->urgent)
            descriptor = sensor->gpio.descriptor;
        if (descriptor >= 0)
            entries[count++] = (struct pollfd){descriptor, POLLIN, 0};
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
