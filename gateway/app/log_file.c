#include "app/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

bool log_file_path(const char *path, unsigned number, char ret_path[static PATH_MAX])
{
    int len = number > 0 ? snprintf(ret_path, PATH_MAX, "%s.%u", path, number)
                         : snprintf(ret_path, PATH_MAX, "%s", path);
    if (len < PATH_MAX)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

void log_file_forget_more(const char *path, struct log_file_bounds bounds)
{
    char old[PATH_MAX];
    for (unsigned number = bounds.count; number <= LOG_FILE_COUNT_MAX; number++) {
        if (log_file_path(path, number, old))
            unlink(old);
    }
}

/* A record that a power cut has torn does not become the beginning of the next one. */
static bool ends_whole(int fd, uint64_t bytes)
{
    char last = '\n';
    return bytes == 0 || pread(fd, &last, 1, (off_t)bytes - 1) != 1 || last == '\n';
}

bool log_file_open(struct log_file *file, const char *path, struct log_file_bounds bounds)
{
    struct stat status;
    file->fd = -1;
    file->bounds = bounds;
    if (!log_file_path(path, 0, file->path))
        return false;
    file->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file->fd < 0)
        return false;
    file->bytes = fstat(file->fd, &status) == 0 ? (uint64_t)status.st_size : 0;
    if (!ends_whole(file->fd, file->bytes))
        file->bytes += write(file->fd, "\n", 1) == 1;
    return true;
}

void log_file_close(struct log_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

/* Each file takes the next number, and the path is free. */
static bool make_way(const struct log_file *file)
{
    char from[PATH_MAX], to[PATH_MAX];
    unsigned number = file->bounds.count - 1;
    if (!log_file_path(file->path, number, to) || (unlink(to) != 0 && errno != ENOENT))
        return false;
    for (; number > 0; number--) {
        if (!log_file_path(file->path, number - 1, from) || !log_file_path(file->path, number, to) ||
            (rename(from, to) != 0 && errno != ENOENT))
            return false;
    }
    return true;
}

static bool rotate(struct log_file *file)
{
    char path[PATH_MAX];
    log_file_close(file);
    snprintf(path, sizeof path, "%s", file->path);
    return make_way(file) && log_file_open(file, path, file->bounds);
}

bool log_file_append(struct log_file *file, struct span record)
{
    if (file->fd < 0 || (file->bytes > 0 && file->bytes + record.len > file->bounds.bytes && !rotate(file)))
        return false;
    ssize_t written;
    do
        written = write(file->fd, record.data, record.len);
    while (written < 0 && errno == EINTR);
    if (written == (ssize_t)record.len) {
        file->bytes += record.len;
        return true;
    }
    if (written >= 0) { /* the disk took a part of it */
        errno = ftruncate(file->fd, (off_t)file->bytes) == 0 ? ENOSPC : errno;
    }
    return false;
}
