#include "port/sentence.h"
#include "sluice/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct medium {
    struct sluice_medium medium; /* first: the two addresses are one */
    int descriptor;
};

static struct medium *medium_of(struct sluice_medium *medium)
{
    return (struct medium *)(void *)medium;
}

static enum sluice_error medium_read(struct sluice_medium *medium, uint64_t offset, void *memory, size_t len)
{
    for (uint8_t *at = memory; len > 0;) {
        ssize_t got = pread(medium_of(medium)->descriptor, at, len, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return SLUICE_IO;
        at += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return SLUICE_OK;
}

static enum sluice_error medium_write(struct sluice_medium *medium, uint64_t offset, const void *data,
                                      size_t len)
{
    for (const uint8_t *at = data; len > 0;) {
        ssize_t put = pwrite(medium_of(medium)->descriptor, at, len, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return SLUICE_IO;
        at += put;
        offset += (uint64_t)put;
        len -= (size_t)put;
    }
    return SLUICE_OK;
}

static enum sluice_error medium_sync(struct sluice_medium *medium)
{
    return fdatasync(medium_of(medium)->descriptor) ? SLUICE_IO : SLUICE_OK;
}

__attribute__((format(printf, 2, 3))) static enum sluice_error fail(char *ret_error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    sentence_write_arguments(ret_error, SLUICE_POSIX_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return SLUICE_IO;
}

/* So that the file is still there by its name after a power cut. */
static int sync_directory(const char *path)
{
    char copy[PATH_MAX];
    sentence_write(copy, sizeof copy, "%s", path);
    int directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = directory < 0 ? -1 : fsync(directory);
    if (directory >= 0)
        close(directory);
    return result;
}

/* Writes zeros up to `bytes`: then later writes change no metadata, and the disk cannot be full for them. */
static int fill(struct medium *medium, uint64_t from, uint64_t bytes)
{
    static const uint8_t zeros[4096];
    for (uint64_t at = from; at < bytes;) {
        size_t len = bytes - at < sizeof zeros ? (size_t)(bytes - at) : sizeof zeros;
        if (medium_write(&medium->medium, at, zeros, len)) {
            int error = errno;
            if (ftruncate(medium->descriptor, (off_t)from))
                error = errno;
            errno = error;
            return -1;
        }
        at += len;
    }
    return fsync(medium->descriptor);
}

static enum sluice_error prepare(struct medium *medium, const char *path, uint64_t bytes, char *ret_error)
{
    struct stat status;
    if (fstat(medium->descriptor, &status))
        return fail(ret_error, "cannot look at %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return fail(ret_error, "%s is no file", path);
    if (flock(medium->descriptor, LOCK_EX | LOCK_NB))
        return fail(ret_error, "%s is in use by another process", path);
    uint64_t have = (uint64_t)status.st_size;
    if (have < bytes && (fill(medium, have, bytes) || sync_directory(path)))
        return fail(ret_error, "cannot make %s %u KB large: %s", path, (unsigned)(bytes / 1024),
                    strerror(errno));
    medium->medium.bytes = have > bytes ? have : bytes;
    return SLUICE_OK;
}

enum sluice_error sluice_posix_medium_new(const char *path, uint64_t bytes,
                                          char ret_error[SLUICE_POSIX_ERROR_BYTES],
                                          struct sluice_medium **ret_medium)
{
    struct medium *medium = malloc(sizeof *medium);
    if (!medium)
        return SLUICE_NO_MEMORY;
    *medium = (struct medium){
        .medium = {.read = medium_read, .write = medium_write, .sync = medium_sync},
        .descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600),
    };
    enum sluice_error error = medium->descriptor < 0
                                  ? fail(ret_error, "cannot open %s: %s", path, strerror(errno))
                                  : prepare(medium, path, bytes, ret_error);
    if (error) {
        sluice_posix_medium_free(&medium->medium);
        return error;
    }
    *ret_medium = &medium->medium;
    return SLUICE_OK;
}

void sluice_posix_medium_free(struct sluice_medium *medium)
{
    if (!medium)
        return;
    if (medium_of(medium)->descriptor >= 0)
        close(medium_of(medium)->descriptor);
    free(medium_of(medium));
}
