/*
 * What the journal needs of a file system: flat files in one directory, behind
 * a table of functions, so that tests can put a disk underneath that loses,
 * tears and reorders what was not synced (tests/fault/sim_disk.h). One contract
 * test runs over both.
 *
 * A write is durable after sync() of its file; a create, rename or remove is
 * durable after sync_directory(). Nothing else is promised about what survives
 * a power cut, nor in which order.
 *
 * Threads: any thread may call. One file may be read on one thread while
 * another writes elsewhere in it; nothing else of one file is concurrent.
 * Errors: SLUICE_NOT_FOUND, SLUICE_EXISTS, SLUICE_DENIED (no permission, or
 * mounted read-only), SLUICE_FULL (no space left), and SLUICE_IO for the rest.
 * The caller reports; nothing here logs.
 */
#ifndef SLUICE_DELIVER_DISK_H
#define SLUICE_DELIVER_DISK_H

#include "sluice/error.h"
#include "wire/span.h"

struct disk;
struct disk_file; /* owned by the disk; ends with close */

struct disk_ops {
    /* A new, empty file for writing and reading; SLUICE_EXISTS if the name is taken. */
    enum sluice_error (*create)(struct disk *disk, const char *name, struct disk_file **ret_file);
    /* A file that exists, for reading and sync. */
    enum sluice_error (*open)(struct disk *disk, const char *name, struct disk_file **ret_file);
    void (*close)(struct disk_file *file);
    /* All of `bytes`, or an error and any part of them. */
    enum sluice_error (*write)(struct disk_file *file, uint64_t offset, struct span bytes);
    /* As many bytes as there are, up to `len`. */
    enum sluice_error (*read)(struct disk_file *file, uint64_t offset, void *memory, size_t len,
                              size_t *ret_len);
    enum sluice_error (*size)(struct disk_file *file, uint64_t *ret_bytes);
    enum sluice_error (*sync)(struct disk_file *file);
    enum sluice_error (*rename)(struct disk *disk, const char *from, const char *to); /* replaces `to` */
    enum sluice_error (*remove)(struct disk *disk, const char *name);
    /* Names in no order. The disk must not change within on_name. */
    enum sluice_error (*list)(struct disk *disk, void (*on_name)(void *ctx, const char *name), void *ctx);
    enum sluice_error (*sync_directory)(struct disk *disk);
};

struct disk {
    const struct disk_ops *ops;
};

/*
 * The directory `path`, made if it is not there. SLUICE_DENIED, SLUICE_FULL,
 * SLUICE_NOT_FOUND (its parent) or SLUICE_IO, with errno still set.
 */
enum sluice_error disk_posix_new(const char *path, struct disk **ret_disk);
void disk_posix_free(struct disk *disk); /* after its files are closed; NULL is allowed */

#endif
