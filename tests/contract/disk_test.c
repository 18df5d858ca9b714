/* What the journal relies on holds for the real directory and for the simulated disk. */
#include "../fault/sim_disk.h"

#include "deliver/disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct disk *disk;
    struct sim_disk *sim; /* NULL: the real one */
    char path[64];
};

static struct fixture fixtures[2];

static int open_real(void **state)
{
    struct fixture *fixture = &fixtures[0];
    snprintf(fixture->path, sizeof fixture->path, "/tmp/disk_test.XXXXXX");
    *state = fixture;
    if (!mkdtemp(fixture->path) || rmdir(fixture->path) != 0)
        return -1;
    return disk_posix_new(fixture->path, &fixture->disk);
}

static int close_real(void **state)
{
    struct fixture *fixture = *state;
    disk_posix_free(fixture->disk);
    return rmdir(fixture->path);
}

static int open_simulated(void **state)
{
    struct fixture *fixture = &fixtures[1];
    fixture->sim = sim_disk_new(1);
    fixture->disk = sim_disk_of(fixture->sim);
    *state = fixture;
    return 0;
}

static int close_simulated(void **state)
{
    sim_disk_free(((struct fixture *)*state)->sim);
    return 0;
}

static struct disk_file *create(struct disk *disk, const char *name, struct span content)
{
    struct disk_file *file;
    assert_int_equal(disk->ops->create(disk, name, &file), SLUICE_OK);
    assert_int_equal(disk->ops->write(file, 0, content), SLUICE_OK);
    assert_int_equal(disk->ops->sync(file), SLUICE_OK);
    assert_int_equal(disk->ops->sync_directory(disk), SLUICE_OK);
    return file;
}

static void what_is_written_is_read(void **state)
{
    struct disk *disk = ((struct fixture *)*state)->disk;
    struct disk_file *file = create(disk, "a", SPAN_LITERAL("0123456789")), *again;
    assert_int_equal(disk->ops->write(file, 10, SPAN_LITERAL("abc")), SLUICE_OK);
    assert_int_equal(disk->ops->write(file, 2, SPAN_LITERAL("--")), SLUICE_OK);
    assert_int_equal(disk->ops->open(disk, "a", &again), SLUICE_OK);
    char bytes[32];
    size_t len;
    uint64_t size;
    assert_int_equal(disk->ops->read(again, 1, bytes, sizeof bytes, &len), SLUICE_OK);
    assert_true(span_equal(span_of(bytes, len), SPAN_LITERAL("1--456789abc")));
    assert_int_equal(disk->ops->read(again, 3, bytes, 2, &len), SLUICE_OK);
    assert_true(span_equal(span_of(bytes, len), SPAN_LITERAL("-4")));
    assert_int_equal(disk->ops->read(again, 13, bytes, sizeof bytes, &len), SLUICE_OK);
    assert_int_equal(len, 0);
    assert_int_equal(disk->ops->size(again, &size), SLUICE_OK);
    assert_int_equal(size, 13);
    assert_int_equal(disk->ops->sync(again), SLUICE_OK);
    disk->ops->close(again);
    disk->ops->close(file);
    assert_int_equal(disk->ops->remove(disk, "a"), SLUICE_OK);
}

static void names_are_taken_once_and_gone_when_removed(void **state)
{
    struct disk *disk = ((struct fixture *)*state)->disk;
    struct disk_file *file;
    assert_int_equal(disk->ops->open(disk, "a", &file), SLUICE_NOT_FOUND);
    assert_int_equal(disk->ops->remove(disk, "a"), SLUICE_NOT_FOUND);
    assert_int_equal(disk->ops->rename(disk, "a", "b"), SLUICE_NOT_FOUND);
    disk->ops->close(create(disk, "a", SPAN_LITERAL("first")));
    assert_int_equal(disk->ops->create(disk, "a", &file), SLUICE_EXISTS);
    disk->ops->close(create(disk, "b", SPAN_LITERAL("second")));
    assert_int_equal(disk->ops->rename(disk, "a", "b"), SLUICE_OK);
    assert_int_equal(disk->ops->open(disk, "a", &file), SLUICE_NOT_FOUND);
    assert_int_equal(disk->ops->open(disk, "b", &file), SLUICE_OK);
    uint64_t size;
    assert_int_equal(disk->ops->size(file, &size), SLUICE_OK);
    assert_int_equal(size, 5);
    disk->ops->close(file);
    assert_int_equal(disk->ops->remove(disk, "b"), SLUICE_OK);
    assert_int_equal(disk->ops->open(disk, "b", &file), SLUICE_NOT_FOUND);
}

static void note_name(void *ctx, const char *name)
{
    *(unsigned *)ctx |= 1u << (name[0] - 'a');
}

static void the_list_has_each_name(void **state)
{
    struct disk *disk = ((struct fixture *)*state)->disk;
    static const char *const names[] = {"a", "b", "c"};
    unsigned seen = 0;
    for (int i = 0; i < 3; i++)
        disk->ops->close(create(disk, names[i], SPAN_EMPTY));
    assert_int_equal(disk->ops->remove(disk, "b"), SLUICE_OK);
    for (int round = 0; round < 2; round++) { /* reading it once does not use it up */
        seen = 0;
        assert_int_equal(disk->ops->list(disk, note_name, &seen), SLUICE_OK);
        assert_int_equal(seen, 5);
    }
    assert_int_equal(disk->ops->remove(disk, "a"), SLUICE_OK);
    assert_int_equal(disk->ops->remove(disk, "c"), SLUICE_OK);
}

#define BOTH(name)                                                                                           \
    {#name " (directory)", name, open_real, close_real, NULL},                                               \
    {                                                                                                        \
#        name " (simulated)", name, open_simulated, close_simulated, NULL                                    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(what_is_written_is_read),
        BOTH(names_are_taken_once_and_gone_when_removed),
        BOTH(the_list_has_each_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
