#include "base/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 2048, KINDS = 64 };

/* Lines of one kind come from one place of the program: they share their format. */
struct kind {
    const char *format;
    uint64_t second;
    uint32_t written_count, held_count; /* in that second */
    size_t held_bytes;                  /* of the first of those held back */
};

static atomic_int lowest_level = LOG_INFO;
static atomic_uint lines_a_second;
static atomic_uint kinds_holding;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static struct kind kinds[KINDS];
static char held_lines[KINDS][LINE_BYTES]; /* pages that are never used cost nothing */

void log_set_level(enum log_level level)
{
    atomic_store(&lowest_level, (int)level);
}

void log_set_rate(unsigned count)
{
    atomic_store(&lines_a_second, count);
}

/* ---- One line ---- */

size_t log_control_bytes(struct span text)
{
    if (text.len >= 2 && text.data[0] == 0xc2 && text.data[1] < 0xa0)
        return 2;
    return text.len >= 1 && (text.data[0] < 0x20 || text.data[0] == 0x7f);
}

static size_t format_line(char line[LINE_BYTES], const char *level, const char *format, va_list arguments)
{
    size_t prefix = (size_t)snprintf(line, LINE_BYTES, "%s ", level);
    int text = vsnprintf(line + prefix, LINE_BYTES - prefix - 1, format, arguments);
    size_t len = prefix + (text > 0 ? (size_t)text : 0);
    if (len > LINE_BYTES - 2)
        len = LINE_BYTES - 2;
    for (size_t i = 0, control; i < len; i += control ? control : 1) {
        control = log_control_bytes(span_of(line + i, len - i));
        memset(line + i, '?', control);
    }
    line[len++] = '\n';
    return len;
}

/* One write a line, so that lines of several threads and processes do not mix. */
static void write_line(const char *line, size_t len)
{
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* there is nowhere left to report a log that cannot be written */
}

/* ---- Too many of a kind; all with the lock held ---- */

static uint64_t second_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

static char *held_line(const struct kind *kind)
{
    return held_lines[kind - kinds];
}

/* The held line, and behind it how many more there were. */
static void sum_up(struct kind *kind)
{
    char line[LINE_BYTES + 64];
    const char *held = held_line(kind);
    if (kind->held_count == 0)
        return;
    int len = snprintf(line, sizeof line, "%.*s (and %" PRIu32 " more lines of this kind)\n",
                       (int)kind->held_bytes - 1, held, kind->held_count - 1);
    if (kind->held_count == 1)
        write_line(held, kind->held_bytes);
    else
        write_line(line, (size_t)len);
    kind->held_count = 0;
    atomic_fetch_sub(&kinds_holding, 1);
}

/* A format keeps its place for ever; where there are more formats than places, some share one. */
static struct kind *find_kind(const char *format)
{
    size_t home = ((uintptr_t)format >> 3) % KINDS;
    for (size_t i = 0; i < KINDS; i++) {
        struct kind *kind = &kinds[(home + i) % KINDS];
        if (!kind->format)
            kind->format = format;
        if (kind->format == format)
            return kind;
    }
    return &kinds[home];
}

static struct kind *kind_of(const char *format, uint64_t second)
{
    struct kind *kind = find_kind(format);
    if (kind->second != second) {
        sum_up(kind);
        kind->second = second;
        kind->written_count = 0;
    }
    return kind;
}

/* True: the line is to be written. */
static bool admit(const char *level, const char *format, va_list arguments)
{
    struct kind *kind = kind_of(format, second_now());
    if (kind->written_count < atomic_load_explicit(&lines_a_second, memory_order_relaxed)) {
        kind->written_count++;
        return true;
    }
    if (kind->held_count++ == 0) {
        kind->held_bytes = format_line(held_line(kind), level, format, arguments);
        atomic_fetch_add(&kinds_holding, 1);
    }
    return false;
}

static void settle(bool all)
{
    if (atomic_load_explicit(&kinds_holding, memory_order_relaxed) == 0)
        return;
    pthread_mutex_lock(&lock);
    uint64_t second = second_now();
    for (size_t i = 0; i < KINDS; i++) {
        if (all || kinds[i].second != second)
            sum_up(&kinds[i]);
    }
    pthread_mutex_unlock(&lock);
}

void log_settle(void)
{
    settle(false);
}

void log_finish(void)
{
    settle(true);
}

/* ---- */

void log_line(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"DEBUG", "INFO", "WARNING", "ERROR"};
    if ((int)level < atomic_load_explicit(&lowest_level, memory_order_relaxed))
        return;
    char line[LINE_BYTES];
    va_list arguments;
    bool admitted = true;
    if (atomic_load_explicit(&lines_a_second, memory_order_relaxed) > 0) {
        va_start(arguments, format);
        pthread_mutex_lock(&lock);
        admitted = admit(names[level], format, arguments);
        pthread_mutex_unlock(&lock);
        va_end(arguments);
    }
    if (!admitted)
        return;
    va_start(arguments, format);
    size_t len = format_line(line, names[level], format, arguments);
    va_end(arguments);
    write_line(line, len);
}

void log_fatal(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    size_t len = format_line(line, "FATAL", format, arguments);
    va_end(arguments);
    log_finish();
    write_line(line, len);
    exit(1);
}
