/*
 * Reads the records that a log_file (log_file.h) has, from the oldest on, while
 * somebody else writes and rotates it. The file that is open stays the same one
 * whatever its number becomes, so nothing is read twice or left out unless the
 * files are gone before they were read. One that somebody empties is read from
 * its beginning; where somebody removes it, what comes after it is read. One
 * thread; blocking reads.
 */
#ifndef SLUICE_APP_LOG_READER_H
#define SLUICE_APP_LOG_READER_H

#include "base/buffer.h"

#include <stdbool.h>

struct log_reader {
    const char *path; /* the caller's */
    int fd;           /* -1: none is open */
    struct buffer lines;
};

void log_reader_init(struct log_reader *reader, const char *path);
void log_reader_fini(struct log_reader *reader);
/* The next line, without its end: a view until the next call. False: there is no further one now. */
bool log_reader_next(struct log_reader *reader, struct span *ret_line);

#endif
