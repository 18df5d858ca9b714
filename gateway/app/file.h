/*
 * Small files that must be whole: what is written is on disk, with its name, when
 * these return, and a crash before leaves the old file or none. The bytes go to a
 * file beside it that gets its name at the end. Any thread; nothing is kept.
 */
#ifndef SLUICE_APP_FILE_H
#define SLUICE_APP_FILE_H

#include "base/buffer.h"
#include "sluice/error.h"

#include <sys/types.h>

/* Makes a file; SLUICE_EXISTS if there is one of that name, which stays as it is. SLUICE_IO: see errno. */
enum sluice_error file_make(const char *path, mode_t mode, struct span bytes);
/* Makes a file, or puts it in the place of the one there is, whose owner, group and mode it keeps if this
 * user may give them; but others may do no more than `mode` says. SLUICE_IO: see errno. */
enum sluice_error file_replace(const char *path, mode_t mode, struct span bytes);
/* The names in a folder are on disk when it is. SLUICE_IO: see errno. */
enum sluice_error file_sync_folder(const char *folder);
/* Reads the whole file into ret_bytes, an empty buffer. SLUICE_NOT_FOUND; SLUICE_TOO_LARGE: over `most`
 * bytes; SLUICE_IO: see errno. */
enum sluice_error file_read(const char *path, size_t most, struct buffer *ret_bytes);

#endif
