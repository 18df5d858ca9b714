#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 2048 };

static atomic_int lowest_level = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&lowest_level, (int)level);
}

/* One write a line, so that lines of several threads and processes do not mix. */
static void write_line(const char *level, const char *format, va_list arguments)
{
    char line[LINE_BYTES];
    size_t prefix = (size_t)snprintf(line, sizeof line, "%s ", level);
    int text = vsnprintf(line + prefix, sizeof line - prefix - 1, format, arguments);
    if (text < 0)
        return;
    size_t len = prefix + (size_t)text;
    if (len > sizeof line - 2)
        len = sizeof line - 2;
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)line[i];
        if (byte < 0x20 || byte == 0x7f)
            line[i] = '?';
    }
    line[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* there is nowhere left to report a log that cannot be written */
}

void log_line(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"DEBUG", "INFO", "WARNING", "ERROR"};
    if ((int)level < atomic_load_explicit(&lowest_level, memory_order_relaxed))
        return;
    va_list arguments;
    va_start(arguments, format);
    write_line(names[level], format, arguments);
    va_end(arguments);
}

void log_fatal(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line("FATAL", format, arguments);
    va_end(arguments);
    exit(1);
}
