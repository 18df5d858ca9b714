#include "agent/iio_buffer.h"

#include "agent/sensor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LENGTH = 256 }; /* scans that the kernel holds; we are woken when it has half of them */

/* A path of the device in sysfs; false: it is too long. */
static bool device_path(const struct iio_buffer *buffer, char path[BUFFER_PATH_BYTES], const char *folder,
                        const char *name, const char *suffix)
{
    int len =
        snprintf(path, BUFFER_PATH_BYTES, "%.255s/%.40s%.64s%.16s", buffer->directory, folder, name, suffix);
    errno = ENAMETOOLONG;
    return len < BUFFER_PATH_BYTES;
}

static bool write_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);
    if (file < 0)
        return false;
    bool written = write(file, text, strlen(text)) == (ssize_t)strlen(text);
    int error = errno;
    close(file);
    errno = error;
    return written;
}

static bool set(const struct iio_buffer *buffer, const char *folder, const char *name, const char *suffix,
                const char *text)
{
    char path[BUFFER_PATH_BYTES];
    return device_path(buffer, path, folder, name, suffix) && write_file(path, text);
}

/* ---- finding ---- */

/* As in "le:s12/16>>4". What repeats itself (X2) is not for us. */
static bool parse_type(const char *text, struct buffer_element *element)
{
    char endian, sign;
    unsigned storage_bits;
    if (sscanf(text, "%ce:%c%u/%u>>%u", &endian, &sign, &element->bits, &storage_bits, &element->shift) != 5)
        return false;
    element->is_big_endian = endian == 'b';
    element->is_signed = sign == 's';
    element->storage_bytes = storage_bits / 8;
    bool is_storage = storage_bits == 8 || storage_bits == 16 || storage_bits == 32 || storage_bits == 64;
    return is_storage && element->bits > 0 && element->shift < storage_bits &&
           element->bits <= storage_bits - element->shift;
}

static bool read_element(const struct iio_buffer *buffer, const char *file,
                         struct buffer_element *ret_element)
{
    struct buffer_element element = {0};
    char path[BUFFER_PATH_BYTES], text[64];
    int len = (int)(strlen(file) - strlen("_en"));
    if (fnmatch("in_*_en", file, 0) != 0 || strcmp(file, "in_timestamp_en") == 0 ||
        len >= (int)sizeof element.name)
        return false;
    snprintf(element.name, sizeof element.name, "%.*s", len, file);
    if (!device_path(buffer, path, "scan_elements/", element.name, "_index") ||
        !sensor_read_line(path, text, sizeof text))
        return false;
    element.index = (unsigned)strtoul(text, NULL, 10);
    if (!device_path(buffer, path, "scan_elements/", element.name, "_type") ||
        !sensor_read_line(path, text, sizeof text) || !parse_type(text, &element))
        return false;
    *ret_element = element;
    return true;
}

static int by_index(const void *a, const void *b)
{
    const struct buffer_element *left = a, *right = b;
    return (left->index > right->index) - (left->index < right->index);
}

static size_t align(size_t at, size_t bytes)
{
    return (at + bytes - 1) / bytes * bytes;
}

/* Each element stands at a multiple of its size, and a scan is a multiple of the largest. */
static void lay_out(struct iio_buffer *buffer)
{
    size_t at = 0, largest = 1;
    qsort(buffer->elements, buffer->element_count, sizeof buffer->elements[0], by_index);
    for (size_t i = 0; i < buffer->element_count; i++) {
        struct buffer_element *element = &buffer->elements[i];
        element->at = align(at, element->storage_bytes);
        at = element->at + element->storage_bytes;
        largest = element->storage_bytes > largest ? element->storage_bytes : largest;
    }
    buffer->scan_bytes = align(at, largest);
}

static bool find_elements(struct iio_buffer *buffer)
{
    char path[BUFFER_PATH_BYTES];
    DIR *folder = device_path(buffer, path, "scan_elements", "", "") ? opendir(path) : NULL;
    if (!folder)
        return false;
    buffer->element_count = 0;
    for (struct dirent *file; (file = readdir(folder)) && buffer->element_count < BUFFER_ELEMENTS_MAX;)
        buffer->element_count += read_element(buffer, file->d_name, &buffer->elements[buffer->element_count]);
    closedir(folder);
    lay_out(buffer);
    return buffer->element_count > 0;
}

static bool is_device(struct iio_buffer *buffer, const char *entry)
{
    char path[BUFFER_PATH_BYTES], name[64] = "";
    if (fnmatch("iio:device*", entry, 0) != 0)
        return false;
    snprintf(buffer->directory, sizeof buffer->directory, "%s/sys/bus/iio/devices/%.32s", buffer->root,
             entry);
    snprintf(buffer->node, sizeof buffer->node, "%s/dev/%.32s", buffer->root, entry);
    if (device_path(buffer, path, "name", "", ""))
        sensor_read_line(path, name, sizeof name);
    return (strcmp(entry, buffer->device) == 0 || strcmp(name, buffer->device) == 0) && find_elements(buffer);
}

bool iio_buffer_find(struct iio_buffer *buffer)
{
    char path[BUFFER_PATH_BYTES];
    snprintf(path, sizeof path, "%s/sys/bus/iio/devices", buffer->root);
    DIR *folder = opendir(path);
    bool found = false;
    for (struct dirent *entry; folder && !found && (entry = readdir(folder));)
        found = is_device(buffer, entry->d_name);
    if (folder)
        closedir(folder);
    buffer->error = found ? 0 : ENODEV;
    errno = ENODEV;
    return found;
}

/* ---- starting and stopping ---- */

static bool set_rate(const struct iio_buffer *buffer)
{
    char text[32];
    snprintf(text, sizeof text, "%.6g", buffer->rate);
    return buffer->rate <= 0 || set(buffer, "sampling_frequency", "", "", text);
}

/* An element that is not read, and that another process enabled, would shift all that are. */
static void disable_elements(const struct iio_buffer *buffer)
{
    char path[BUFFER_PATH_BYTES];
    DIR *folder = device_path(buffer, path, "scan_elements", "", "") ? opendir(path) : NULL;
    for (struct dirent *file; folder && (file = readdir(folder));)
        if (fnmatch("*_en", file->d_name, 0) == 0)
            set(buffer, "scan_elements/", file->d_name, "", "0");
    if (folder)
        closedir(folder);
}

/* The timestamp is left out: a sample has the agent's time. */
static bool enable_elements(const struct iio_buffer *buffer)
{
    disable_elements(buffer);
    for (size_t i = 0; i < buffer->element_count; i++)
        if (!set(buffer, "scan_elements/", buffer->elements[i].name, "_en", "1"))
            return false;
    return true;
}

static bool start(struct iio_buffer *buffer)
{
    char length[16], watermark[16];
    snprintf(length, sizeof length, "%d", LENGTH);
    snprintf(watermark, sizeof watermark, "%d", LENGTH / 2);
    set(buffer, "buffer/enable", "", "", "0"); /* of a process that did not stop it */
    bool ready = set_rate(buffer) &&
                 (!buffer->trigger[0] || set(buffer, "trigger/current_trigger", "", "", buffer->trigger)) &&
                 enable_elements(buffer) && set(buffer, "buffer/length", "", "", length);
    if (ready)
        set(buffer, "buffer/watermark", "", "", watermark); /* some kernels and devices have none */
    return ready && set(buffer, "buffer/enable", "", "", "1");
}

/* A device with other elements under the same name is not the one whose values were announced. */
static bool find_again(struct iio_buffer *buffer)
{
    struct iio_buffer found = *buffer;
    if (!iio_buffer_find(&found))
        return false;
    errno = ENODEV;
    bool is_same = found.element_count == buffer->element_count;
    for (size_t i = 0; i < buffer->element_count && is_same; i++)
        is_same = strcmp(found.elements[i].name, buffer->elements[i].name) == 0;
    if (is_same)
        *buffer = found;
    return is_same;
}

bool iio_buffer_open(struct iio_buffer *buffer)
{
    buffer->held_bytes = 0;
    iio_buffer_restart(buffer);
    if (find_again(buffer) && start(buffer))
        buffer->descriptor = open(buffer->node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    buffer->error = buffer->descriptor < 0 ? errno : 0;
    buffer->is_new = true;
    return buffer->descriptor >= 0;
}

void iio_buffer_close(struct iio_buffer *buffer)
{
    if (buffer->descriptor < 0)
        return;
    close(buffer->descriptor);
    buffer->descriptor = -1;
    set(buffer, "buffer/enable", "", "", "0");
}

/* ---- scans ---- */

static double number_of(const struct buffer_element *element, const uint8_t *scan)
{
    uint64_t number = 0;
    for (size_t i = 0; i < element->storage_bytes; i++) {
        size_t from = element->is_big_endian ? i : element->storage_bytes - 1 - i;
        number = number << 8 | scan[element->at + from];
    }
    unsigned unused = 64 - element->bits;
    number = number >> element->shift << unused;
    return element->is_signed ? (double)((int64_t)number >> unused) : (double)(number >> unused);
}

static void take_scan(struct iio_buffer *buffer, const uint8_t *scan)
{
    bool is_first = buffer->scan_count++ == 0;
    for (size_t i = 0; i < buffer->element_count; i++) {
        struct buffer_element *element = &buffer->elements[i];
        element->last = number_of(element, scan);
        element->sum = is_first ? element->last : element->sum + element->last;
        element->min = is_first ? element->last : fmin(element->min, element->last);
        element->max = is_first ? element->last : fmax(element->max, element->last);
    }
}

static void take_scans(struct iio_buffer *buffer)
{
    size_t at = 0;
    for (; buffer->held_bytes - at >= buffer->scan_bytes; at += buffer->scan_bytes)
        take_scan(buffer, buffer->memory + at);
    buffer->held_bytes -= at;
    memmove(buffer->memory, buffer->memory + at, buffer->held_bytes);
}

bool iio_buffer_collect(struct iio_buffer *buffer)
{
    ssize_t len;
    /* The kernel gives whole scans only where there is room for them. */
    size_t capacity = sizeof buffer->memory / buffer->scan_bytes * buffer->scan_bytes;
    while ((len = read(buffer->descriptor, buffer->memory + buffer->held_bytes,
                       capacity - buffer->held_bytes)) > 0) {
        buffer->held_bytes += (size_t)len;
        take_scans(buffer);
    }
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    buffer->error = len == 0 ? ENODEV : errno;
    iio_buffer_close(buffer);
    return false;
}

double iio_buffer_value(const struct iio_buffer *buffer, size_t element, enum buffer_take take)
{
    const struct buffer_element *from = &buffer->elements[element];
    switch (take) {
    case BUFFER_MEAN: return from->sum / (double)buffer->scan_count;
    case BUFFER_LAST: return from->last;
    case BUFFER_MIN: return from->min;
    case BUFFER_MAX: return from->max;
    }
    return NAN;
}

void iio_buffer_restart(struct iio_buffer *buffer)
{
    buffer->scan_count = 0;
    buffer->is_new = false;
}
