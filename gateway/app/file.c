#include "app/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_STEP_BYTES = 16 * 1024 };

static bool write_all(int fd, struct span bytes)
{
    while (bytes.len > 0) {
        ssize_t written = write(fd, bytes.data, bytes.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes = span_of(bytes.data + written, bytes.len - (size_t)written);
    }
    return true;
}

enum sluice_error file_sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return SLUICE_IO;
    int error = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    errno = error;
    return error ? SLUICE_IO : SLUICE_OK;
}

/* A name is on disk when its folder is. */
static enum sluice_error sync_name(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    return file_sync_folder(dirname(copy));
}

/* Its owner and group can do with it what they could with the file that is there, others no more than `mode`
 * says. Where this user may not give it away, it is the user's own, with `mode`. */
static bool set_owner_and_mode(int fd, const char *path, mode_t mode)
{
    struct stat old;
    if (stat(path, &old) == 0 && fchown(fd, old.st_uid, old.st_gid) == 0)
        mode = old.st_mode & (S_IRWXU | S_IRWXG | mode);
    return fchmod(fd, mode) == 0;
}

/* The file without its name: `temporary` is given its own, PATH_MAX bytes. */
static bool write_beside(const char *path, mode_t mode, struct span bytes, char *temporary)
{
    if (snprintf(temporary, PATH_MAX, "%s.XXXXXX", path) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return false;
    bool written = set_owner_and_mode(fd, path, mode) && write_all(fd, bytes) && fsync(fd) == 0;
    int error = errno;
    close(fd);
    if (!written)
        unlink(temporary);
    errno = error;
    return written;
}

enum sluice_error file_make(const char *path, mode_t mode, struct span bytes)
{
    char temporary[PATH_MAX];
    if (!write_beside(path, mode, bytes, temporary))
        return SLUICE_IO;
    bool made = link(temporary, path) == 0; /* unlike rename(), it replaces nothing */
    int error = errno;
    unlink(temporary);
    errno = error;
    if (!made)
        return error == EEXIST ? SLUICE_EXISTS : SLUICE_IO;
    return sync_name(path);
}

enum sluice_error file_replace(const char *path, mode_t mode, struct span bytes)
{
    char temporary[PATH_MAX];
    if (!write_beside(path, mode, bytes, temporary))
        return SLUICE_IO;
    if (rename(temporary, path) == 0)
        return sync_name(path);
    int error = errno;
    unlink(temporary);
    errno = error;
    return SLUICE_IO;
}

enum sluice_error file_read(const char *path, size_t most, struct buffer *ret_bytes)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return errno == ENOENT ? SLUICE_NOT_FOUND : SLUICE_IO;
    struct buffer bytes = {0};
    size_t len;
    do {
        len = fread(buffer_reserve(&bytes, READ_STEP_BYTES), 1, READ_STEP_BYTES, file);
        buffer_grown(&bytes, len);
    } while (len > 0 && buffer_len(&bytes) <= most);
    int error = ferror(file) ? errno : 0;
    fclose(file);
    enum sluice_error result = error ? SLUICE_IO : buffer_len(&bytes) > most ? SLUICE_TOO_LARGE : SLUICE_OK;
    if (result)
        buffer_fini(&bytes);
    else
        *ret_bytes = bytes;
    errno = error;
    return result;
}
