#include "agent/sampler.h"

#include "agent/log.h"

#include <stdio.h>
#include <string.h>

enum {
    URGENT_INTERVAL_MS = 100, /* a line that flickers is not sampled more often */
    SCAN_WAIT_MS = 2000,      /* for the first scan of a buffer */
    SEARCH_INTERVAL_MS = 60000,
};

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
    if (source->gives_text)
        sensor.type = SLUICE_TEXT;
    bool is_line = source->kind == SOURCE_GPIO;
    if (is_line && source->gpio_report != GPIO_COUNT)
        sensor.type = SLUICE_BOOLEAN;
    snprintf(sensor.name, sizeof sensor.name, "%s", source->name);
    snprintf(sensor.unit, sizeof sensor.unit, "%s", source->unit);
    snprintf(sensor.path, sizeof sensor.path, "%s%s", is_line ? root : "", source->target);
    sensor_add(list, NULL, &sensor);
}

static void add_elements(struct sensor_list *list, const struct source *source,
                         const struct iio_buffer *buffer)
{
    for (size_t i = 0; i < buffer->element_count; i++) {
        struct sensor sensor = {.read = sensor_read_buffer,
                                .buffer = buffer,
                                .element = i,
                                .take = (enum buffer_take)source->buffer_take};
        char what[SENSOR_NAME_BYTES];
        sysfs_describe_element(buffer->directory, buffer->elements[i].name, &sensor);
        memcpy(what, sensor.name, sizeof what);
        snprintf(sensor.name, sizeof sensor.name, "%.31s_%.31s", source->name, what);
        snprintf(sensor.path, sizeof sensor.path, "%s", buffer->node);
        sensor_add(list, NULL, &sensor);
    }
}

static bool add_buffer(struct sampler *sampler, const struct source *source, const char *root)
{
    struct iio_buffer *buffer = &sampler->buffers[sampler->buffer_count++];
    *buffer = (struct iio_buffer){.rate = source->buffer_rate, .descriptor = -1};
    snprintf(buffer->root, sizeof buffer->root, "%s", root);
    snprintf(buffer->device, sizeof buffer->device, "%.63s", source->target);
    snprintf(buffer->trigger, sizeof buffer->trigger, "%s", source->buffer_trigger);
    if (!iio_buffer_find(buffer)) {
        agent_log("[buffer %s]: no IIO device is called '%s' and has scan elements", source->name,
                  buffer->device);
        return false;
    }
    add_elements(&sampler->list, source, buffer);
    return true;
}

/* What was asked for comes first, so that it is never left out. */
static bool add_sources(struct sampler *sampler, const struct agent_config *config)
{
    bool complete = true;
    for (size_t i = 0; i < config->source_count; i++) {
        const struct source *source = &config->sources[i];
        if (source->kind <= SOURCE_GPIO)
            add_source(&sampler->list, source, config->root);
        else if (source->kind == SOURCE_BUFFER)
            complete &= add_buffer(sampler, source, config->root);
    }
    return complete;
}

bool sampler_init(struct sampler *sampler, const struct agent_config *config)
{
    memset(sampler, 0, sizeof *sampler);
    struct sensor_list *list = &sampler->list;
    bool complete = add_sources(sampler, config);
    snprintf(sampler->root, sizeof sampler->root, "%s", config->root);
    sampler->search = (struct sensor_search){.root = sampler->root,
                                             .hwmon = config->hwmon,
                                             .iio = config->iio,
                                             .thermal = config->thermal,
                                             .power = config->power,
                                             .proc = config->proc,
                                             .buffers = sampler->buffers,
                                             .buffer_count = sampler->buffer_count,
                                             .exclude = config->exclude};
    sensor_find(list, &sampler->search);
    sampler->search.exclude =
        NULL; /* names that are in the list are not excluded, and the text is not ours */
    if (list->left_out_count > 0)
        agent_log("%zu sensors are left out: a frame holds %d; choose with 'exclude'", list->left_out_count,
                  SENSORS_MAX);
    for (size_t i = 0; i < list->count; i++)
        sampler->channels[i] = (struct sluice_channel){.name = list->sensors[i].name,
                                                       .unit = list->sensors[i].unit,
                                                       .decimals = list->sensors[i].decimals,
                                                       .type = list->sensors[i].type};
    return complete;
}

static bool is_command(const struct sensor *sensor)
{
    return sensor->read == sensor_read_command;
}

static void find_again(struct sampler *sampler, uint64_t now_ms)
{
    bool is_missing = false;
    for (size_t i = 0; i < sampler->list.count; i++)
        is_missing |= sampler->list.sensors[i].was_found && sampler->list.sensors[i].is_missing;
    if (!is_missing || now_ms < sampler->next_search_ms)
        return;
    sampler->next_search_ms = now_ms + SEARCH_INTERVAL_MS;
    sensor_find_again(&sampler->list, &sampler->search);
}

void sampler_start(struct sampler *sampler, uint64_t now_ms)
{
    sampler->started_ms = now_ms;
    find_again(sampler, now_ms);
    for (size_t i = 0; i < sampler->buffer_count; i++)
        if (sampler->buffers[i].descriptor < 0)
            iio_buffer_open(&sampler->buffers[i]);
    for (size_t i = 0; i < sampler->list.count; i++) {
        struct sensor *sensor = &sampler->list.sensors[i];
        if (is_command(sensor))
            command_start(&sensor->command, sensor->path, now_ms);
    }
    sampler->collecting = true;
}

static void collect(struct sampler *sampler)
{
    for (size_t i = 0; i < sampler->buffer_count; i++)
        if (sampler->buffers[i].descriptor >= 0)
            iio_buffer_collect(&sampler->buffers[i]);
}

/* Until when a buffer that was just opened may have its first scan; 0: none is awaited. One that is slow or
 * silent later does not make the other sensors wait. */
static uint64_t scans_deadline_ms(const struct sampler *sampler)
{
    for (size_t i = 0; i < sampler->buffer_count; i++)
        if (sampler->buffers[i].descriptor >= 0 && sampler->buffers[i].is_new &&
            sampler->buffers[i].scan_count == 0)
            return sampler->started_ms + SCAN_WAIT_MS;
    return 0;
}

bool sampler_finish(struct sampler *sampler, uint64_t now_ms, double ret_values[SENSORS_MAX])
{
    collect(sampler);
    bool running = now_ms < scans_deadline_ms(sampler);
    for (size_t i = 0; i < sampler->list.count; i++)
        running |= command_running(&sampler->list.sensors[i].command, now_ms);
    if (running || !sampler->collecting)
        return false;
    for (size_t i = 0; i < sampler->list.count; i++) {
        struct sensor *sensor = &sampler->list.sensors[i];
        ret_values[i] = sensor_value(sensor);
        sampler->texts[i] = sensor->text[0] ? sensor->text : NULL;
    }
    for (size_t i = 0; i < sampler->buffer_count; i++)
        iio_buffer_restart(&sampler->buffers[i]);
    sampler->collecting = sampler->urgent = false;
    return true;
}

static bool is_gpio(const struct sensor *sensor)
{
    return sensor->read == sensor_read_gpio;
}

bool sampler_watch(struct sampler *sampler)
{
    collect(sampler);
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
    for (size_t i = 0; i < sampler->buffer_count; i++)
        iio_buffer_close(&sampler->buffers[i]);
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
    for (size_t i = 0; i < sampler->buffer_count && count < SENSORS_MAX; i++)
        if (sampler->buffers[i].descriptor >= 0)
            entries[count++] = (struct pollfd){sampler->buffers[i].descriptor, POLLIN, 0};
    return count;
}

uint64_t sampler_deadline_ms(const struct sampler *sampler)
{
    uint64_t scans_ms = scans_deadline_ms(sampler), earliest_ms = scans_ms ? scans_ms : UINT64_MAX;
    for (size_t i = 0; i < sampler->list.count; i++) {
        const struct command *command = &sampler->list.sensors[i].command;
        if (command->pid && command->deadline_ms < earliest_ms)
            earliest_ms = command->deadline_ms;
    }
    return earliest_ms;
}
