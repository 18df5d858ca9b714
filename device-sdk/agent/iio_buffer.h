/*
 * An IIO device that fills a buffer by itself, at a rate of its own: its scans are
 * read from the character device and summed up until the next sample of the agent
 * (Documentation/iio/iio_devbuf.rst, Documentation/ABI/testing/sysfs-bus-iio).
 *
 * Plain memory of the caller. Reading never waits. A device that is unplugged is
 * looked for by its name again at each opening, for it may come back with another
 * number. A function that fails leaves the reason in `error`, an errno.
 */
#ifndef SLUICE_AGENT_IIO_BUFFER_H
#define SLUICE_AGENT_IIO_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BUFFERS_MAX = 4,
    BUFFER_ELEMENTS_MAX = 16,
    BUFFER_PATH_BYTES = 384,
};

/* What a sample has of the scans since the one before. */
enum buffer_take {
    BUFFER_MEAN,
    BUFFER_LAST,
    BUFFER_MIN,
    BUFFER_MAX,
};

struct buffer_element {
    char name[48]; /* "in_accel_x" */
    unsigned index;
    unsigned bits, shift, storage_bytes;
    bool is_signed, is_big_endian;
    size_t at; /* in a scan */
    double sum, last, min, max;
};

struct iio_buffer {
    char root[256];  /* under which /sys and /dev are; "" */
    char device[64]; /* what its file `name` says, or iio:device0 */
    char trigger[64];
    double rate; /* scans a second; 0: as it is */

    char directory[BUFFER_PATH_BYTES]; /* in sysfs, where it was found last */
    char node[BUFFER_PATH_BYTES];
    struct buffer_element elements[BUFFER_ELEMENTS_MAX]; /* in the order of a scan */
    size_t element_count;
    size_t scan_bytes;

    int descriptor;      /* -1: closed */
    int error;           /* why it is; 0: it is open, or was never opened */
    uint64_t scan_count; /* since iio_buffer_restart */
    bool is_new;         /* this sample is the first since it was opened */
    uint8_t memory[2048];
    size_t held_bytes; /* of a scan that is not whole yet */
};

/* Finds the device and its elements. ENODEV: there is none with such a name and scan elements. */
bool iio_buffer_find(struct iio_buffer *buffer);
/* Finds it, sets it up and starts it. */
bool iio_buffer_open(struct iio_buffer *buffer);
/* Takes all scans that are there; false: the device is gone, and closed. */
bool iio_buffer_collect(struct iio_buffer *buffer);
/* The raw number; there must have been a scan. */
double iio_buffer_value(const struct iio_buffer *buffer, size_t element, enum buffer_take take);
/* Begins the next sample. */
void iio_buffer_restart(struct iio_buffer *buffer);
/* Stops the device, if it is there. */
void iio_buffer_close(struct iio_buffer *buffer);

#endif
