/*
 * The log: one line a call to standard error, `LEVEL text`, with control
 * characters in arguments replaced so that bytes from outside cannot forge or
 * break a line. Its level and rate are the only mutable file-scope state of the
 * program. Any thread may call.
 *
 * Over the rate, lines of one kind (from one place of the program) are counted,
 * and the first of them is written with their number when the second is over: a
 * flood costs neither the disk of the log nor the loop.
 */
#ifndef SLUICE_BASE_LOG_H
#define SLUICE_BASE_LOG_H

#include "wire/span.h"

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARNING,
    LOG_ERROR,
};

/* Bytes of the control character that the text begins with: ASCII's, or in UTF-8 one of U+0080 to U+009F,
 * some of which terminals obey too. 0: it begins with another character. */
size_t log_control_bytes(struct span text);

void log_set_level(enum log_level level);
/* Lines a second of one kind; 0, as it is at first: any number. */
void log_set_rate(unsigned count);
/* Writes what was held back in the seconds before this one; call it now and then. It costs nothing while
 * there is nothing. */
void log_settle(void);
/* The same, and what was held back just now: before the process ends. */
void log_finish(void);

#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_line(LOG_ERROR, __VA_ARGS__)

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Logs and ends the process with status 1: only where carrying on would break a promise. */
_Noreturn void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
