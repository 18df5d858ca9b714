/*
 * One file of records that stays small: PATH is what is written to, and PATH.1,
 * PATH.2, ... are those before it. The oldest goes when there are more than are to
 * be kept. Nothing is held open between log_file_open and log_file_close, so that
 * a file that somebody removes or empties is simply begun anew. One thread at a
 * time; it may wait for the disk.
 */
#ifndef SLUICE_APP_LOG_FILE_H
#define SLUICE_APP_LOG_FILE_H

#include "wire/span.h"

#include <limits.h>
#include <stdbool.h>

struct log_file_bounds {
    uint64_t bytes; /* of one file */
    unsigned count; /* of files, 1 or more */
};

enum { LOG_FILE_COUNT_MAX = 100 };

struct log_file {
    char path[PATH_MAX];
    struct log_file_bounds bounds;
    int fd; /* -1: it is not open */
    uint64_t bytes;
};

/* The path of the file `number`: 0 is the one that is written to. False: it is too long. */
bool log_file_path(const char *path, unsigned number, char ret_path[static PATH_MAX]);
/* Removes what is there of more files than `bounds` keeps. */
void log_file_forget_more(const char *path, struct log_file_bounds bounds);

/* False: see errno; nothing is open then. */
bool log_file_open(struct log_file *file, const char *path, struct log_file_bounds bounds);
/* A record with its newline, of at most bounds.bytes: it is there whole, or not at all. False: see errno. */
bool log_file_append(struct log_file *file, struct span record);
void log_file_close(struct log_file *file);

#endif
