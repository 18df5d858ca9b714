/*
 * What the agent measures: a list of sensors, found on the board or named in the
 * configuration, each of which gives one number, or a text, when read. Single-threaded; the
 * list is plain memory of the caller. Reading never waits: files of sysfs and
 * procfs answer at once, and commands run beside (agent/command.h).
 *
 * A sensor that fails gives no value, and says so in the log once, until it
 * works again. The list is made at start: what is plugged in later is not seen.
 */
#ifndef SLUICE_AGENT_SENSOR_H
#define SLUICE_AGENT_SENSOR_H

#include "agent/command.h"
#include "agent/gpio.h"
#include "agent/iio_buffer.h"
#include "sluice/device.h"

enum {
    SENSORS_MAX = 64, /* the channels of a frame */
    SENSOR_NAME_BYTES = 65,
    SENSOR_UNIT_BYTES = 33,
    SENSOR_PATH_BYTES = 512,
    SENSOR_TEXT_BYTES = 128,
};

struct sensor {
    char name[SENSOR_NAME_BYTES];
    char unit[SENSOR_UNIT_BYTES];
    uint8_t decimals;
    enum sluice_channel_type type;

    bool (*read)(struct sensor *sensor, double *ret_number);
    char text[SENSOR_TEXT_BYTES]; /* SLUICE_TEXT: what it gave when it was read; empty: nothing */
    char path[SENSOR_PATH_BYTES]; /* of a file or a chip, or the text of a command */
    double scale;                 /* value = (number + offset) * scale */
    double offset;
    uint64_t busy_count, total_count; /* of the processor, when it was last read */
    struct command command;
    struct gpio gpio;
    const struct iio_buffer *buffer; /* whose element this is */
    size_t element;
    enum buffer_take take;

    bool was_found;  /* on the board: not named in the configuration */
    bool is_missing; /* and the log says so */
};

struct sensor_list {
    struct sensor sensors[SENSORS_MAX];
    size_t count;
    size_t left_out_count; /* were found when the list was full */
};

/* What to look for. `root` is "" or the directory under which this board's /sys and /proc are. */
struct sensor_search {
    const char *root;
    bool hwmon, iio, thermal, power, proc;
    const struct iio_buffer *buffers; /* their devices are not looked at again */
    size_t buffer_count;
    const char *exclude; /* names to leave out: patterns as of the shell, with spaces between them */
};

void sensor_find(struct sensor_list *list, const struct sensor_search *search);
/* Gives sensors of the list that are missing the places where they are now: what was plugged in again may
 * have come back under another number. */
void sensor_find_again(struct sensor_list *list, const struct sensor_search *search);
/* The parts of it, in agent/sysfs.c and agent/proc.c. */
void sysfs_find(struct sensor_list *list, const struct sensor_search *search);
void proc_find(struct sensor_list *list, const struct sensor_search *search);
/* What the IIO channel `element` ("in_accel_x") of the device in `directory` measures: its name, unit,
 * decimals, scale and offset. */
void sysfs_describe_element(const char *directory, const char *element, struct sensor *ret_sensor);

/*
 * Appends a copy of `sensor` under a name that is unique and has only letters,
 * digits, `_`, `-` and `.` in it. Gives NULL where `search` (may be NULL) excludes
 * it or the list is full.
 */
struct sensor *sensor_add(struct sensor_list *list, const struct sensor_search *search,
                          const struct sensor *sensor);

/* A sensor that is a file with a number or a text in it, or a command that prints one. */
bool sensor_read_file(struct sensor *sensor, double *ret_number);
bool sensor_read_command(struct sensor *sensor, double *ret_number);
/* A line of a GPIO chip: its level, or its edges since it was last read. */
bool sensor_read_gpio(struct sensor *sensor, double *ret_number);
/* An element of the scans that a buffer has collected. */
bool sensor_read_buffer(struct sensor *sensor, double *ret_number);

/* The number, or NAN, as of a sensor of texts; logs when a sensor goes missing and when it comes back. */
double sensor_value(struct sensor *sensor);

/* The first line of a file, without what surrounds it; false: there is none. */
bool sensor_read_line(const char *path, char *ret_line, size_t capacity);
/* The whole of a small file as a string. */
bool sensor_read_text(const char *path, char *ret_text, size_t capacity);

#endif
