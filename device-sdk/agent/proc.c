/* The board itself: load, processor, memory, network, disk. */
#include "agent/sensor.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

enum { TEXT_BYTES = 16384 };

/* The number after `key` in the file, as /proc/meminfo has them, in kB. */
static bool read_memory(struct sensor *sensor, double *ret_number)
{
    char text[TEXT_BYTES];
    if (!sensor_read_text(sensor->path, text, sizeof text))
        return false;
    const char *line = strstr(text, "MemAvailable:");
    unsigned long long kb;
    if (!line || sscanf(line, "MemAvailable: %llu", &kb) != 1)
        return false;
    *ret_number = (double)kb;
    return true;
}

/* The share of the time since the last reading in which the processor was not idle. */
static bool read_processor(struct sensor *sensor, double *ret_number)
{
    char line[512];
    unsigned long long times[8] = {0}; /* user nice system idle iowait irq softirq steal: proc(5) */
    if (!sensor_read_line(sensor->path, line, sizeof line) ||
        sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &times[0], &times[1], &times[2],
               &times[3], &times[4], &times[5], &times[6], &times[7]) < 4)
        return false;
    uint64_t total_count = 0;
    for (size_t i = 0; i < 8; i++)
        total_count += times[i];
    uint64_t busy_count = total_count - times[3] - times[4];
    uint64_t elapsed_count = total_count - sensor->total_count;
    /* A counter that runs backwards, as iowait may, gives nothing below 0. */
    uint64_t worked_count = busy_count > sensor->busy_count ? busy_count - sensor->busy_count : 0;
    sensor->total_count = total_count;
    sensor->busy_count = busy_count;
    *ret_number = elapsed_count ? 100.0 * (double)worked_count / (double)elapsed_count : 0;
    return true;
}

/* Bytes over all interfaces but loopback: `column` is 0 for received and 8 for sent. */
static bool read_network(struct sensor *sensor, int column, double *ret_number)
{
    char text[TEXT_BYTES];
    if (!sensor_read_text(sensor->path, text, sizeof text))
        return false;
    double sum = 0;
    char *rest = text;
    for (char *line; (line = strtok_r(rest, "\n", &rest));) {
        char name[64];
        unsigned long long counts[9];
        if (sscanf(line, " %63[^:]: %llu %llu %llu %llu %llu %llu %llu %llu %llu", name, &counts[0],
                   &counts[1], &counts[2], &counts[3], &counts[4], &counts[5], &counts[6], &counts[7],
                   &counts[8]) == 10 &&
            strcmp(name, "lo") != 0)
            sum += (double)counts[column];
    }
    *ret_number = sum;
    return true;
}

static bool read_received(struct sensor *sensor, double *ret_number)
{
    return read_network(sensor, 0, ret_number);
}

static bool read_sent(struct sensor *sensor, double *ret_number)
{
    return read_network(sensor, 8, ret_number);
}

static bool read_disk(struct sensor *sensor, double *ret_number)
{
    struct statvfs file_system;
    if (statvfs(sensor->path, &file_system))
        return false;
    *ret_number = (double)file_system.f_bavail * (double)file_system.f_frsize;
    return true;
}

void proc_find(struct sensor_list *list, const struct sensor_search *search)
{
    /* Digits that nobody reads are paid for on the wire: a page of memory or a byte of a counter is noise. */
    static const struct {
        const char *name, *unit, *path;
        uint8_t decimals;
        double scale;
        bool (*read)(struct sensor *, double *);
    } rows[] = {
        {"load1", "", "/proc/loadavg", 2, 1, sensor_read_file},
        {"cpu_busy", "%", "/proc/stat", 1, 1, read_processor},
        {"memory_available", "MB", "/proc/meminfo", 1, 0.001024, read_memory},
        {"network_received", "kB", "/proc/net/dev", 1, 0.001, read_received},
        {"network_sent", "kB", "/proc/net/dev", 1, 0.001, read_sent},
        {"disk_free", "MB", "/", 0, 0.000001, read_disk},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sensor sensor = {.decimals = rows[i].decimals, .scale = rows[i].scale, .read = rows[i].read};
        snprintf(sensor.name, sizeof sensor.name, "%s", rows[i].name);
        snprintf(sensor.unit, sizeof sensor.unit, "%s", rows[i].unit);
        snprintf(sensor.path, sizeof sensor.path, "%s%s", search->root, rows[i].path);
        double number;
        if (sensor.read(&sensor, &number))
            sensor_add(list, search, &sensor);
    }
}
