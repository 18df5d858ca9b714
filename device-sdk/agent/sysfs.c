/*
 * Sensors that the kernel knows: hwmon, IIO, thermal zones, power supplies. Each
 * class is a directory of devices, and each attribute a file with one number,
 * whose unit follows from the attribute's name. The tables cite the kernel's
 * documentation: Documentation/hwmon/sysfs-interface.rst,
 * Documentation/ABI/testing/sysfs-bus-iio, sysfs-class-power, and
 * Documentation/driver-api/thermal/sysfs-api.rst.
 */
#include "agent/sensor.h"

#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct attribute {
    const char *pattern; /* of the file's name */
    const char *unit;
    uint8_t decimals;
    double scale;
    enum sluice_channel_type type;
};

static const struct attribute hwmon_attributes[] = {
    {"temp[0-9]*_input", "Cel", 1, 1e-3, SLUICE_DECIMAL},
    {"in[0-9]*_input", "V", 3, 1e-3, SLUICE_DECIMAL},
    {"curr[0-9]*_input", "A", 3, 1e-3, SLUICE_DECIMAL},
    {"power[0-9]*_input", "W", 2, 1e-6, SLUICE_DECIMAL},
    {"fan[0-9]*_input", "1/min", 0, 1, SLUICE_DECIMAL},
    {"humidity[0-9]*_input", "%RH", 1, 1e-3, SLUICE_DECIMAL},
    {NULL, NULL, 0, 0, SLUICE_DECIMAL},
};

static const struct attribute thermal_attributes[] = {
    {"temp", "Cel", 1, 1e-3, SLUICE_DECIMAL},
    {NULL, NULL, 0, 0, SLUICE_DECIMAL},
};

static const struct attribute power_attributes[] = {
    {"capacity", "%EL", 0, 1, SLUICE_DECIMAL},
    {"voltage_now", "V", 3, 1e-6, SLUICE_DECIMAL},
    {"current_now", "A", 3, 1e-6, SLUICE_DECIMAL},
    {"power_now", "W", 3, 1e-6, SLUICE_DECIMAL},
    {"temp", "Cel", 1, 1e-1, SLUICE_DECIMAL},
    {"online", "/", 0, 1, SLUICE_BOOLEAN},
    {NULL, NULL, 0, 0, SLUICE_DECIMAL},
};

/* What (raw + offset) * scale comes in. `_input` files hold that already. */
static const struct attribute iio_attributes[] = {
    {"in_temp*", "Cel", 2, 1e-3, SLUICE_DECIMAL},
    {"in_humidityrelative*", "%RH", 2, 1e-3, SLUICE_DECIMAL},
    {"in_pressure*", "Pa", 0, 1e3, SLUICE_DECIMAL},
    {"in_voltage*", "V", 4, 1e-3, SLUICE_DECIMAL},
    {"in_current*", "A", 4, 1e-3, SLUICE_DECIMAL},
    {"in_illuminance*", "lx", 1, 1, SLUICE_DECIMAL},
    {"in_accel*", "m/s2", 3, 1, SLUICE_DECIMAL},
    {"in_anglvel*", "rad/s", 4, 1, SLUICE_DECIMAL},
    {"in_magn*", "G", 4, 1, SLUICE_DECIMAL},
    {"in_proximity*", "", 0, 1, SLUICE_DECIMAL},
    {"in_concentration*", "%", 4, 1, SLUICE_DECIMAL},
    {NULL, NULL, 0, 0, SLUICE_DECIMAL},
};

/* The directory's entries in an order that is the same at each start. */
static int list_directory(const char *path, struct dirent ***ret_entries)
{
    int count = scandir(path, ret_entries, NULL, versionsort);
    return count < 0 ? 0 : count;
}

static const struct attribute *match(const struct attribute *attributes, const char *file)
{
    while (attributes->pattern && fnmatch(attributes->pattern, file, 0) != 0)
        attributes++;
    return attributes->pattern ? attributes : NULL;
}

/* `directory/file`; false if it is too long to be one. */
static bool join(char path[SENSOR_PATH_BYTES], const char *directory, const char *file)
{
    return snprintf(path, SENSOR_PATH_BYTES, "%s/%s", directory, file) < SENSOR_PATH_BYTES;
}

static bool read_number(const char *directory, const char *file, double *ret_number)
{
    char path[SENSOR_PATH_BYTES], line[64];
    if (!join(path, directory, file) || !sensor_read_line(path, line, sizeof line))
        return false;
    *ret_number = strtod(line, NULL);
    return true;
}

/* An IIO channel's scale or offset: its own file, or the one that all channels of its type share
 * (in_voltage0_scale, in_voltage_scale; in_accel_x_scale, in_accel_scale). */
static double iio_number(const char *directory, const char *file, const char *what, double otherwise)
{
    char channel[NAME_MAX + 1], name[NAME_MAX + 32];
    snprintf(channel, sizeof channel, "%s", file);
    channel[strlen(channel) - strlen("_raw")] = '\0';
    double number;
    snprintf(name, sizeof name, "%s_%s", channel, what);
    if (read_number(directory, name, &number))
        return number;
    size_t direction_len = strlen("in_");
    channel[direction_len + strcspn(channel + direction_len, "0123456789_")] = '\0';
    snprintf(name, sizeof name, "%s_%s", channel, what);
    return read_number(directory, name, &number) ? number : otherwise;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* The attribute's part of the sensor's name: its label if the driver has one, else the file's name. */
static void describe(const char *directory, const char *file, char ret_text[64])
{
    char path[SENSOR_PATH_BYTES], base[NAME_MAX + 1];
    snprintf(base, sizeof base, "%s", file);
    if (ends_with(base, "_input"))
        base[strlen(base) - strlen("_input")] = '\0';
    else if (ends_with(base, "_raw"))
        base[strlen(base) - strlen("_raw")] = '\0';
    snprintf(ret_text, 64, "%.63s", strncmp(base, "in_", 3) == 0 ? base + 3 : base);
    char label[NAME_MAX + 32];
    snprintf(label, sizeof label, "%s_label", base);
    if (join(path, directory, label))
        sensor_read_line(path, ret_text, 64);
}

void sysfs_describe_element(const char *directory, const char *element, struct sensor *ret_sensor)
{
    char file[NAME_MAX + 1];
    snprintf(file, sizeof file, "%.200s_raw", element);
    const struct attribute *attribute = match(iio_attributes, file);
    describe(directory, file, ret_sensor->name);
    snprintf(ret_sensor->unit, sizeof ret_sensor->unit, "%s", attribute ? attribute->unit : "");
    ret_sensor->decimals = attribute ? attribute->decimals : 0;
    ret_sensor->scale = (attribute ? attribute->scale : 1) * iio_number(directory, file, "scale", 1);
    ret_sensor->offset = iio_number(directory, file, "offset", 0);
}

static void add_attribute(struct sensor_list *list, const struct sensor_search *search, const char *device,
                          const char *directory, const char *file, const struct attribute *attribute)
{
    struct sensor sensor = {.decimals = attribute->decimals,
                            .type = attribute->type,
                            .scale = attribute->scale,
                            .read = sensor_read_file};
    char what[64];
    describe(directory, file, what);
    snprintf(sensor.name, sizeof sensor.name, "%.31s_%.31s", device, what);
    snprintf(sensor.unit, sizeof sensor.unit, "%s", attribute->unit);
    if (!join(sensor.path, directory, file))
        return;
    if (ends_with(file, "_raw")) {
        sensor.scale *= iio_number(directory, file, "scale", 1);
        sensor.offset = iio_number(directory, file, "offset", 0);
    }
    double number;
    if (sensor.read(&sensor, &number))
        sensor_add(list, search, &sensor);
}

static void find_in_device(struct sensor_list *list, const struct sensor_search *search,
                           const char *directory, const char *name_file, const char *name,
                           const struct attribute *attributes)
{
    char path[SENSOR_PATH_BYTES], device[64];
    if (!name_file || !join(path, directory, name_file) || !sensor_read_line(path, device, sizeof device))
        snprintf(device, sizeof device, "%.63s", name);
    struct dirent **files;
    int count = list_directory(directory, &files);
    for (int i = 0; i < count; i++) {
        const struct attribute *attribute = match(attributes, files[i]->d_name);
        bool is_value = attributes != iio_attributes || ends_with(files[i]->d_name, "_raw") ||
                        ends_with(files[i]->d_name, "_input");
        if (attribute && is_value)
            add_attribute(list, search, device, directory, files[i]->d_name, attribute);
        free(files[i]);
    }
    if (count > 0)
        free(files);
}

static bool is_buffered(const struct sensor_search *search, const char *directory)
{
    for (size_t i = 0; i < search->buffer_count; i++)
        if (strcmp(search->buffers[i].directory, directory) == 0)
            return true;
    return false;
}

void sysfs_find(struct sensor_list *list, const struct sensor_search *search)
{
    const struct {
        bool wanted;
        const char *directory, *pattern, *name_file;
        const struct attribute *attributes;
    } classes[] = {
        {search->hwmon, "/sys/class/hwmon", "hwmon*", "name", hwmon_attributes},
        {search->iio, "/sys/bus/iio/devices", "iio:device*", "name", iio_attributes},
        {search->thermal, "/sys/class/thermal", "thermal_zone*", "type", thermal_attributes},
        {search->power, "/sys/class/power_supply", "[!.]*", NULL, power_attributes},
    };
    for (size_t c = 0; c < sizeof classes / sizeof classes[0]; c++) {
        char directory[SENSOR_PATH_BYTES], path[SENSOR_PATH_BYTES];
        struct dirent **devices;
        snprintf(directory, sizeof directory, "%s%s", search->root, classes[c].directory);
        int count = classes[c].wanted ? list_directory(directory, &devices) : 0;
        for (int i = 0; i < count; i++) {
            const char *name = devices[i]->d_name;
            if (fnmatch(classes[c].pattern, name, 0) == 0 && join(path, directory, name) &&
                !is_buffered(search, path))
                find_in_device(list, search, path, classes[c].name_file, name, classes[c].attributes);
            free(devices[i]);
        }
        if (count > 0)
            free(devices);
    }
}
