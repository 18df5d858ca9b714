#include "sim_medium.h"

#include "base/memory.h"

struct sim_medium {
    struct sluice_medium medium; /* first: the two addresses are one */
    struct disk *disk;
    struct disk_file *file;
};

static struct sim_medium *medium_of(struct sluice_medium *medium)
{
    return (struct sim_medium *)(void *)medium;
}

static enum sluice_error sim_medium_read(struct sluice_medium *medium, uint64_t offset, void *memory,
                                         size_t len)
{
    struct sim_medium *sim = medium_of(medium);
    size_t got;
    enum sluice_error error = sim->disk->ops->read(sim->file, offset, memory, len, &got);
    return error || got < len ? SLUICE_IO : SLUICE_OK;
}

static enum sluice_error sim_medium_write(struct sluice_medium *medium, uint64_t offset, const void *data,
                                          size_t len)
{
    struct sim_medium *sim = medium_of(medium);
    return sim->disk->ops->write(sim->file, offset, span_of(data, len));
}

static enum sluice_error sim_medium_sync(struct sluice_medium *medium)
{
    struct sim_medium *sim = medium_of(medium);
    return sim->disk->ops->sync(sim->file);
}

struct sluice_medium *sim_medium_new(struct sim_disk *sim_disk, size_t bytes)
{
    struct sim_medium *sim = memory_new(sizeof *sim);
    uint8_t *zeros = memory_new_array(bytes, 1);
    sim_disk_put(sim_disk, "outbox", span_of(zeros, bytes));
    memory_free(zeros);
    *sim = (struct sim_medium){
        .medium = {.bytes = bytes,
                   .read = sim_medium_read,
                   .write = sim_medium_write,
                   .sync = sim_medium_sync},
        .disk = sim_disk_of(sim_disk),
    };
    if (sim->disk->ops->open(sim->disk, "outbox", &sim->file))
        return NULL;
    return &sim->medium;
}

void sim_medium_free(struct sluice_medium *medium)
{
    struct sim_medium *sim = medium_of(medium);
    sim->disk->ops->close(sim->file);
    memory_free(sim);
}
