#include "agent/sensor.h"

#include "agent/log.h"
#include "wire/topic.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool sensor_read_text(const char *path, char *ret_text, size_t capacity)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return false;
    size_t len = 0;
    ssize_t got = 0;
    while (len < capacity - 1 && (got = read(descriptor, ret_text + len, capacity - 1 - len)) > 0)
        len += (size_t)got;
    int error = errno;
    close(descriptor);
    errno = error;
    ret_text[len] = '\0';
    return got >= 0 && len > 0;
}

bool sensor_read_line(const char *path, char *ret_line, size_t capacity)
{
    if (!sensor_read_text(path, ret_line, capacity))
        return false;
    ret_line[strcspn(ret_line, "\n")] = '\0';
    return ret_line[0] != '\0';
}

/* The first number in a text, with or without words in front of it. */
static bool first_number(const char *text, double *ret_number)
{
    for (; *text; text++) {
        bool signed_digit = (*text == '-' || *text == '+' || *text == '.') && isdigit((unsigned char)text[1]);
        if (isdigit((unsigned char)*text) || signed_digit) {
            *ret_number = strtod(text, NULL);
            return true;
        }
    }
    errno = ENODATA;
    return false;
}

/* The first line of `output` without the blanks around it. */
static bool take_text(struct sensor *sensor, const char *output)
{
    output += strspn(output, " \t");
    size_t len = strcspn(output, "\r\n");
    while (len > 0 && strchr(" \t", output[len - 1]))
        len--;
    bool fits = len < sizeof sensor->text;
    errno = len == 0 ? ENODATA : fits ? EILSEQ : EMSGSIZE;
    if (len == 0 || !fits || !utf8_valid(span_of(output, len)))
        return false;
    memcpy(sensor->text, output, len);
    sensor->text[len] = '\0';
    return true;
}

static bool take_value(struct sensor *sensor, const char *output, double *ret_number)
{
    return sensor->type == SLUICE_TEXT ? take_text(sensor, output) : first_number(output, ret_number);
}

bool sensor_read_file(struct sensor *sensor, double *ret_number)
{
    char line[2 * SENSOR_TEXT_BYTES];
    return sensor_read_line(sensor->path, line, sizeof line) && take_value(sensor, line, ret_number);
}

bool sensor_read_command(struct sensor *sensor, double *ret_number)
{
    errno = ECHILD;
    return sensor->command.succeeded && take_value(sensor, sensor->command.output, ret_number);
}

bool sensor_read_gpio(struct sensor *sensor, double *ret_number)
{
    return gpio_read(&sensor->gpio, sensor->path, ret_number);
}

bool sensor_read_buffer(struct sensor *sensor, double *ret_number)
{
    const struct iio_buffer *buffer = sensor->buffer;
    errno = buffer->error ? buffer->error : ENODATA;
    if (buffer->scan_count == 0)
        return false;
    *ret_number = iio_buffer_value(buffer, sensor->element, sensor->take);
    return true;
}

static bool read_value(struct sensor *sensor, double *ret_value)
{
    double number = NAN;
    errno = 0;
    sensor->text[0] = '\0';
    if (!sensor->read(sensor, &number))
        return false;
    *ret_value = (number + sensor->offset) * sensor->scale;
    errno = ERANGE; /* 1e999: JSON has no such number */
    return !isinf(*ret_value);
}

double sensor_value(struct sensor *sensor)
{
    double value;
    if (!read_value(sensor, &value)) {
        if (!sensor->is_missing)
            agent_log("sensor %s gives no value: %s%s%s", sensor->name, sensor->path,
                      sensor->path[0] ? ": " : "",
                      errno == ECHILD ? "the command failed or took too long"
                      : errno         ? strerror(errno)
                                      : "empty");
        sensor->is_missing = true;
        return NAN;
    }
    if (sensor->is_missing)
        agent_log("sensor %s gives values again", sensor->name);
    sensor->is_missing = false;
    return value;
}

static bool name_taken(const struct sensor_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->sensors[i].name, name) == 0)
            return true;
    return strcmp(name, "time") == 0; /* frames have a time of their own */
}

static void make_name(const struct sensor_list *list, char name[SENSOR_NAME_BYTES])
{
    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_-.", *c))
            *c = '_';
    char base[SENSOR_NAME_BYTES];
    memcpy(base, name, sizeof base);
    for (unsigned i = 2; name_taken(list, name); i++)
        snprintf(name, SENSOR_NAME_BYTES, "%.53s_%u", base, i);
}

static bool is_excluded(const char *name, const char *patterns)
{
    char copy[1024];
    snprintf(copy, sizeof copy, "%s", patterns ? patterns : "");
    char *rest = copy;
    for (char *pattern; (pattern = strtok_r(rest, " ", &rest));)
        if (fnmatch(pattern, name, 0) == 0)
            return true;
    return false;
}

struct sensor *sensor_add(struct sensor_list *list, const struct sensor_search *search,
                          const struct sensor *sensor)
{
    struct sensor copy = *sensor;
    make_name(list, copy.name);
    if (search && is_excluded(copy.name, search->exclude))
        return NULL;
    if (list->count == SENSORS_MAX) {
        list->left_out_count++;
        return NULL;
    }
    copy.was_found = search != NULL;
    list->sensors[list->count] = copy;
    return &list->sensors[list->count++];
}

void sensor_find(struct sensor_list *list, const struct sensor_search *search)
{
    sysfs_find(list, search);
    if (search->proc)
        proc_find(list, search);
}

static const struct sensor *sensor_at(const struct sensor_list *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->sensors[i].path, path) == 0)
            return &list->sensors[i];
    return NULL;
}

/* A place that another sensor has is not taken: it is the one that has the same name by chance. */
static void move(const struct sensor_list *list, struct sensor *sensor, const struct sensor_list *found)
{
    for (size_t i = 0; i < found->count; i++) {
        const struct sensor *there = &found->sensors[i];
        if (strcmp(there->name, sensor->name) != 0 || sensor_at(list, there->path))
            continue;
        memcpy(sensor->path, there->path, sizeof sensor->path);
        sensor->scale = there->scale;
        sensor->offset = there->offset;
    }
}

void sensor_find_again(struct sensor_list *list, const struct sensor_search *search)
{
    struct sensor_list *found = calloc(1, sizeof *found);
    if (!found)
        return;
    sensor_find(found, search);
    for (size_t i = 0; i < list->count; i++)
        if (list->sensors[i].was_found && list->sensors[i].is_missing)
            move(list, &list->sensors[i], found);
    free(found);
}
