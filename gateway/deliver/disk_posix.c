/* The directory on a real file system. */
#include "deliver/disk.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct posix_disk {
    struct disk disk;
    int directory;
};

struct disk_file {
    int descriptor;
};

static int directory_of(struct disk *disk)
{
    return ((struct posix_disk *)disk)->directory;
}

static enum sluice_error error_of(int number)
{
    switch (number) {
    case ENOENT: return SLUICE_NOT_FOUND;
    case EEXIST: return SLUICE_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS: return SLUICE_DENIED;
    case ENOSPC:
    case EDQUOT: return SLUICE_FULL;
    default: return SLUICE_IO;
    }
}

static enum sluice_error open_with(struct disk *disk, const char *name, int flags,
                                   struct disk_file **ret_file)
{
    int descriptor = openat(directory_of(disk), name, flags | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return error_of(errno);
    *ret_file = memory_new(sizeof **ret_file);
    (*ret_file)->descriptor = descriptor;
    return SLUICE_OK;
}

static enum sluice_error posix_create(struct disk *disk, const char *name, struct disk_file **ret_file)
{
    return open_with(disk, name, O_RDWR | O_CREAT | O_EXCL, ret_file);
}

static enum sluice_error posix_open(struct disk *disk, const char *name, struct disk_file **ret_file)
{
    return open_with(disk, name, O_RDONLY, ret_file);
}

static void posix_close(struct disk_file *file)
{
    close(file->descriptor);
    memory_free(file);
}

static enum sluice_error posix_write(struct disk_file *file, uint64_t offset, struct span bytes)
{
    while (bytes.len > 0) {
        ssize_t count = pwrite(file->descriptor, bytes.data, bytes.len, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0 ? error_of(errno) : SLUICE_IO;
        bytes = span_skip(bytes, (size_t)count);
        offset += (uint64_t)count;
    }
    return SLUICE_OK;
}

static enum sluice_error posix_read(struct disk_file *file, uint64_t offset, void *memory, size_t len,
                                    size_t *ret_len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t count = pread(file->descriptor, (uint8_t *)memory + done, len - done, (off_t)(offset + done));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_of(errno);
        if (count == 0)
            break;
        done += (size_t)count;
    }
    *ret_len = done;
    return SLUICE_OK;
}

static enum sluice_error posix_size(struct disk_file *file, uint64_t *ret_bytes)
{
    struct stat status;
    if (fstat(file->descriptor, &status) < 0)
        return error_of(errno);
    *ret_bytes = (uint64_t)status.st_size;
    return SLUICE_OK;
}

static enum sluice_error posix_sync(struct disk_file *file)
{
    return fdatasync(file->descriptor) < 0 ? error_of(errno) : SLUICE_OK;
}

static enum sluice_error posix_rename(struct disk *disk, const char *from, const char *to)
{
    int directory = directory_of(disk);
    return renameat(directory, from, directory, to) < 0 ? error_of(errno) : SLUICE_OK;
}

static enum sluice_error posix_remove(struct disk *disk, const char *name)
{
    return unlinkat(directory_of(disk), name, 0) < 0 ? error_of(errno) : SLUICE_OK;
}

static enum sluice_error posix_list(struct disk *disk, void (*on_name)(void *ctx, const char *name),
                                    void *ctx)
{
    /* A description of its own: reading a directory moves the position of the one that is open. */
    int descriptor = openat(directory_of(disk), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return error_of(errno);
    DIR *stream = fdopendir(descriptor);
    if (!stream) {
        close(descriptor);
        return SLUICE_IO;
    }
    errno = 0;
    for (struct dirent *entry; (entry = readdir(stream));) {
        if (entry->d_name[0] != '.')
            on_name(ctx, entry->d_name);
        errno = 0;
    }
    enum sluice_error error = errno ? error_of(errno) : SLUICE_OK;
    closedir(stream);
    return error;
}

static enum sluice_error posix_sync_directory(struct disk *disk)
{
    return fsync(directory_of(disk)) < 0 ? error_of(errno) : SLUICE_OK;
}

/* A new directory is there after a power cut only once its parent says so on disk. */
static bool sync_parent(int directory)
{
    int parent = openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return false;
    bool synced = fsync(parent) == 0;
    close(parent);
    return synced;
}

enum sluice_error disk_posix_new(const char *path, struct disk **ret_disk)
{
    static const struct disk_ops ops = {
        .create = posix_create,
        .open = posix_open,
        .close = posix_close,
        .write = posix_write,
        .read = posix_read,
        .size = posix_size,
        .sync = posix_sync,
        .rename = posix_rename,
        .remove = posix_remove,
        .list = posix_list,
        .sync_directory = posix_sync_directory,
    };
    bool made = mkdir(path, 0700) == 0;
    if (!made && errno != EEXIST)
        return error_of(errno);
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return error_of(errno);
    if (made && !sync_parent(directory)) {
        enum sluice_error error = error_of(errno);
        close(directory);
        return error;
    }
    struct posix_disk *disk = memory_new(sizeof *disk);
    disk->disk.ops = &ops;
    disk->directory = directory;
    *ret_disk = &disk->disk;
    return SLUICE_OK;
}

void disk_posix_free(struct disk *disk)
{
    if (!disk)
        return;
    close(directory_of(disk));
    memory_free(disk);
}
