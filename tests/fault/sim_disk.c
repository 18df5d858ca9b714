#include "sim_disk.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <stdio.h>

enum { FILES_MAX = 512, NAME_BYTES = 40, CHANGES_MAX = 256, SECTOR_BYTES = 512 };

struct unsynced {
    uint64_t offset;
    struct buffer bytes;
};

struct inode {
    bool used;
    struct buffer visible, durable;
    struct unsynced *writes;
    size_t write_count;
};

struct name {
    bool used;
    char text[NAME_BYTES];
    struct inode *inode;
};

struct directory {
    struct name names[FILES_MAX];
};

/* A change of the directory: `from` lets go of its inode, `to` gets one; either may be empty. */
struct change {
    char from[NAME_BYTES], to[NAME_BYTES];
    struct inode *inode;
};

struct disk_file {
    struct sim_disk *sim;
    struct inode *inode;
};

struct sim_disk {
    struct disk disk;
    uint64_t random;
    struct inode inodes[FILES_MAX];
    struct directory visible, durable;
    struct change changes[CHANGES_MAX];
    size_t change_count;
    uint64_t capacity;
    uint32_t operations_left, failing_syncs;
    bool read_only;
};

static uint32_t random_below(struct sim_disk *sim, uint64_t bound)
{
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return (uint32_t)((sim->random >> 16) % bound);
}

static struct name *find(struct directory *directory, const char *text)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if (directory->names[i].used && strcmp(directory->names[i].text, text) == 0)
            return &directory->names[i];
    }
    return NULL;
}

static void set_name(struct directory *directory, const char *text, struct inode *inode)
{
    struct name *name = find(directory, text);
    for (int i = 0; !name; i++) {
        if (!directory->names[i].used)
            name = &directory->names[i];
    }
    name->used = true;
    name->inode = inode;
    snprintf(name->text, sizeof name->text, "%s", text);
}

static void apply_change(struct directory *directory, const struct change *change)
{
    struct name *from = change->from[0] ? find(directory, change->from) : NULL;
    if (from)
        from->used = false;
    if (change->to[0])
        set_name(directory, change->to, change->inode);
}

static void write_into(struct buffer *content, uint64_t offset, struct span bytes)
{
    while (buffer_len(content) < offset + bytes.len)
        buffer_append(content, SPAN_LITERAL("\0"));
    if (bytes.len > 0)
        memcpy(content->data + content->start + offset, bytes.data, bytes.len);
}

static void forget_writes(struct inode *inode)
{
    for (size_t i = 0; i < inode->write_count; i++)
        buffer_fini(&inode->writes[i].bytes);
    memory_free(inode->writes);
    inode->writes = NULL;
    inode->write_count = 0;
}

static enum sluice_error may_change(struct sim_disk *sim)
{
    if (sim->operations_left == 0)
        return SLUICE_IO;
    if (sim->operations_left != UINT32_MAX)
        sim->operations_left--;
    return sim->read_only ? SLUICE_DENIED : SLUICE_OK;
}

static void change_directory(struct sim_disk *sim, const char *from, const char *to, struct inode *inode)
{
    struct change change = {.inode = inode};
    snprintf(change.from, sizeof change.from, "%s", from);
    snprintf(change.to, sizeof change.to, "%s", to);
    apply_change(&sim->visible, &change);
    if (sim->change_count == CHANGES_MAX) { /* what is old enough reaches the disk by itself */
        apply_change(&sim->durable, &sim->changes[0]);
        memmove(sim->changes, sim->changes + 1, sizeof sim->changes - sizeof sim->changes[0]);
        sim->change_count--;
    }
    sim->changes[sim->change_count++] = change;
}

static bool is_named(const struct sim_disk *sim, const struct inode *inode)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if ((sim->visible.names[i].used && sim->visible.names[i].inode == inode) ||
            (sim->durable.names[i].used && sim->durable.names[i].inode == inode))
            return true;
    }
    for (size_t i = 0; i < sim->change_count; i++) {
        if (sim->changes[i].inode == inode)
            return true;
    }
    return false;
}

static void inode_clear(struct inode *inode)
{
    forget_writes(inode);
    buffer_fini(&inode->visible);
    buffer_fini(&inode->durable);
    inode->used = false;
}

static struct inode *inode_new(struct sim_disk *sim)
{
    for (int i = 0; i < FILES_MAX; i++) {
        struct inode *inode = &sim->inodes[i];
        if (inode->used && !is_named(sim, inode))
            inode_clear(inode);
        if (!inode->used) {
            inode->used = true;
            return inode;
        }
    }
    return NULL;
}

static struct disk_file *file_new(struct sim_disk *sim, struct inode *inode)
{
    struct disk_file *file = memory_new(sizeof *file);
    file->sim = sim;
    file->inode = inode;
    return file;
}

static enum sluice_error sim_create(struct disk *disk, const char *name, struct disk_file **ret_file)
{
    struct sim_disk *sim = (struct sim_disk *)disk;
    enum sluice_error error = may_change(sim);
    if (error)
        return error;
    if (find(&sim->visible, name))
        return SLUICE_EXISTS;
    struct inode *inode = inode_new(sim);
    if (!inode)
        return SLUICE_FULL;
    change_directory(sim, "", name, inode);
    *ret_file = file_new(sim, inode);
    return SLUICE_OK;
}

static enum sluice_error sim_open(struct disk *disk, const char *name, struct disk_file **ret_file)
{
    struct sim_disk *sim = (struct sim_disk *)disk;
    struct name *found = find(&sim->visible, name);
    if (!found)
        return SLUICE_NOT_FOUND;
    *ret_file = file_new(sim, found->inode);
    return SLUICE_OK;
}

static void sim_close(struct disk_file *file)
{
    memory_free(file);
}

static uint64_t used_bytes(const struct sim_disk *sim)
{
    uint64_t bytes = 0;
    for (int i = 0; i < FILES_MAX; i++) {
        if (sim->visible.names[i].used)
            bytes += buffer_len(&sim->visible.names[i].inode->visible);
    }
    return bytes;
}

static enum sluice_error sim_write(struct disk_file *file, uint64_t offset, struct span bytes)
{
    struct sim_disk *sim = file->sim;
    enum sluice_error error = may_change(sim);
    if (error)
        return error;
    if (used_bytes(sim) + bytes.len > sim->capacity) {
        error = SLUICE_FULL;
        bytes.len /= 2;
    }
    struct inode *inode = file->inode;
    write_into(&inode->visible, offset, bytes);
    inode->writes = memory_resize(inode->writes, (inode->write_count + 1) * sizeof *inode->writes);
    struct unsynced *write = &inode->writes[inode->write_count++];
    *write = (struct unsynced){.offset = offset};
    buffer_append(&write->bytes, bytes);
    return error;
}

static enum sluice_error sim_read(struct disk_file *file, uint64_t offset, void *memory, size_t len,
                                  size_t *ret_len)
{
    struct span content = buffer_span(&file->inode->visible);
    size_t left = offset < content.len ? content.len - (size_t)offset : 0;
    *ret_len = len < left ? len : left;
    if (*ret_len > 0)
        memcpy(memory, content.data + offset, *ret_len);
    return SLUICE_OK;
}

static enum sluice_error sim_size(struct disk_file *file, uint64_t *ret_bytes)
{
    *ret_bytes = buffer_len(&file->inode->visible);
    return SLUICE_OK;
}

/* Any part of one unsynced write, torn between sectors or anywhere. */
static void keep_some(struct sim_disk *sim, struct inode *inode, const struct unsynced *write)
{
    struct span bytes = buffer_span(&write->bytes);
    size_t step = random_below(sim, 2) ? SECTOR_BYTES : 1 + random_below(sim, SECTOR_BYTES);
    uint32_t keep_of_4 = random_below(sim, 5);
    for (size_t at = 0; at < bytes.len;) {
        size_t end = at + step - (write->offset + at) % step;
        if (end > bytes.len)
            end = bytes.len;
        if (random_below(sim, 4) < keep_of_4)
            write_into(&inode->durable, write->offset + at, span_of(bytes.data + at, end - at));
        at = end;
    }
}

static void lose_writes(struct sim_disk *sim, struct inode *inode)
{
    for (size_t i = 0; i < inode->write_count; i++)
        keep_some(sim, inode, &inode->writes[i]);
    forget_writes(inode);
}

static enum sluice_error sim_sync(struct disk_file *file)
{
    struct sim_disk *sim = file->sim;
    enum sluice_error error = may_change(sim);
    if (error)
        return error;
    if (sim->failing_syncs > 0) {
        sim->failing_syncs--;
        lose_writes(sim, file->inode);
        return SLUICE_IO;
    }
    struct inode *inode = file->inode;
    for (size_t i = 0; i < inode->write_count; i++)
        write_into(&inode->durable, inode->writes[i].offset, buffer_span(&inode->writes[i].bytes));
    forget_writes(inode);
    return SLUICE_OK;
}

static enum sluice_error sim_rename(struct disk *disk, const char *from, const char *to)
{
    struct sim_disk *sim = (struct sim_disk *)disk;
    enum sluice_error error = may_change(sim);
    if (error)
        return error;
    struct name *name = find(&sim->visible, from);
    if (!name)
        return SLUICE_NOT_FOUND;
    change_directory(sim, from, to, name->inode);
    return SLUICE_OK;
}

static enum sluice_error sim_remove(struct disk *disk, const char *name)
{
    struct sim_disk *sim = (struct sim_disk *)disk;
    enum sluice_error error = may_change(sim);
    if (error)
        return error;
    if (!find(&sim->visible, name))
        return SLUICE_NOT_FOUND;
    change_directory(sim, name, "", NULL);
    return SLUICE_OK;
}

static enum sluice_error sim_list(struct disk *disk, void (*on_name)(void *ctx, const char *name), void *ctx)
{
    struct sim_disk *sim = (struct sim_disk *)disk;
    for (int i = 0; i < FILES_MAX; i++) {
        if (sim->visible.names[i].used)
            on_name(ctx, sim->visible.names[i].text);
    }
    return SLUICE_OK;
}

static enum sluice_error sim_sync_directory(struct disk *disk)
{
    struct sim_disk *sim = (struct sim_disk *)disk;
    enum sluice_error error = may_change(sim);
    if (error)
        return error;
    for (size_t i = 0; i < sim->change_count; i++)
        apply_change(&sim->durable, &sim->changes[i]);
    sim->change_count = 0;
    return SLUICE_OK;
}

struct sim_disk *sim_disk_new(uint64_t seed)
{
    static const struct disk_ops ops = {
        .create = sim_create,
        .open = sim_open,
        .close = sim_close,
        .write = sim_write,
        .read = sim_read,
        .size = sim_size,
        .sync = sim_sync,
        .rename = sim_rename,
        .remove = sim_remove,
        .list = sim_list,
        .sync_directory = sim_sync_directory,
    };
    struct sim_disk *sim = memory_new(sizeof *sim);
    sim->disk.ops = &ops;
    sim->random = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
    sim->operations_left = UINT32_MAX;
    sim->capacity = UINT64_MAX;
    return sim;
}

void sim_disk_free(struct sim_disk *sim)
{
    for (int i = 0; i < FILES_MAX; i++)
        inode_clear(&sim->inodes[i]);
    memory_free(sim);
}

struct disk *sim_disk_of(struct sim_disk *sim)
{
    return &sim->disk;
}

void sim_disk_stop_after(struct sim_disk *sim, uint32_t operations)
{
    sim->operations_left = operations;
}

/* Changes of the same name stay in order; of different names any may be missing. */
static void keep_some_changes(struct sim_disk *sim)
{
    for (size_t i = 0; i < sim->change_count; i++) {
        if (random_below(sim, 2))
            apply_change(&sim->durable, &sim->changes[i]);
    }
    sim->change_count = 0;
}

void sim_disk_power_cut(struct sim_disk *sim)
{
    keep_some_changes(sim);
    sim->visible = sim->durable;
    for (int i = 0; i < FILES_MAX; i++) {
        struct inode *inode = &sim->inodes[i];
        if (!inode->used)
            continue;
        lose_writes(sim, inode);
        buffer_fini(&inode->visible);
        buffer_append(&inode->visible, buffer_span(&inode->durable));
    }
    sim->operations_left = UINT32_MAX;
    sim->failing_syncs = 0;
    sim->capacity = UINT64_MAX;
}

void sim_disk_fail_syncs(struct sim_disk *sim, uint32_t count)
{
    sim->failing_syncs = count;
}

void sim_disk_set_capacity(struct sim_disk *sim, uint64_t bytes)
{
    sim->capacity = bytes;
}

void sim_disk_set_read_only(struct sim_disk *sim, bool read_only)
{
    sim->read_only = read_only;
}

struct buffer *sim_disk_content(struct sim_disk *sim, const char *name)
{
    struct name *found = find(&sim->visible, name);
    return found ? &found->inode->visible : NULL;
}

void sim_disk_put(struct sim_disk *sim, const char *name, struct span bytes)
{
    struct inode *inode = inode_new(sim);
    buffer_append(&inode->visible, bytes);
    buffer_append(&inode->durable, bytes);
    set_name(&sim->visible, name, inode);
    set_name(&sim->durable, name, inode);
}
