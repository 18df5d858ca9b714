#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "app/file_tree.h"

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct file_tree_options all = {.count_max = 100, .bytes_max = 1000};

struct folders {
    char root[32], from[64], to[64];
};

static void write_file(const struct folders *folders, const char *name, const char *text, mode_t mode)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folders->from, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void link_to(const struct folders *folders, const char *name, const char *target)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folders->from, name);
    assert_int_equal(symlink(target, path), 0);
}

static int set_up(void **state)
{
    struct folders *folders = calloc(1, sizeof *folders);
    strcpy(folders->root, "/tmp/sluice-tree-XXXXXX");
    char path[128];
    if (!mkdtemp(folders->root))
        return -1;
    snprintf(folders->from, sizeof folders->from, "%s/from", folders->root);
    snprintf(folders->to, sizeof folders->to, "%s/to", folders->root);
    snprintf(path, sizeof path, "%s/lib", folders->from);
    *state = folders;
    return mkdir(folders->from, 0700) || mkdir(path, 0700);
}

static int tear_down(void **state)
{
    struct folders *folders = *state;
    int failed = file_tree_delete(folders->root) != SLUICE_OK || access(folders->root, F_OK) == 0;
    free(folders);
    return failed;
}

/* Copies everything; returns the hash. */
static void copy(const struct folders *folders, char hash[FILE_TREE_HASH_BYTES])
{
    struct file_tree tree;
    char text[FILE_TREE_TEXT_BYTES];
    assert_int_equal(file_tree_list(folders->from, &all, &tree, text), SLUICE_OK);
    assert_int_equal(file_tree_copy(&tree, folders->to, hash, text), SLUICE_OK);
    file_tree_free(&tree);
}

static void links_that_stay_inside_stay_links(void **state)
{
    const struct folders *folders = *state;
    static const struct {
        const char *name, *target;
        bool stays;
    } rows[] = {{"near", "a", true},
                {"lib/up", "../a", true},
                {"round", "lib/../a", true},
                {"out", "../outside", false},
                {"lib/out", "../../outside", false}};
    char hash[FILE_TREE_HASH_BYTES], path[128];
    struct stat status;
    write_file(folders, "a", "a", 0600);
    write_file(folders, "../outside", "outside", 0600);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        link_to(folders, rows[i].name, rows[i].target);
    copy(folders, hash);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(path, sizeof path, "%s/%s", folders->to, rows[i].name);
        if (lstat(path, &status) != 0 || S_ISLNK(status.st_mode) != rows[i].stays)
            fail_msg("%s", rows[i].name);
    }
}

static void others_may_read_the_copy(void **state)
{
    const struct folders *folders = *state;
    char path[128];
    struct stat status;
    write_file(folders, "lib/data", "1", 0600);
    write_file(folders, "program", "2", 0700);
    copy(folders, NULL);
    snprintf(path, sizeof path, "%s/lib/data", folders->to);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
    snprintf(path, sizeof path, "%s/program", folders->to);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0755);
}

static void the_hash_is_of_names_contents_and_rights(void **state)
{
    const struct folders *folders = *state;
    char hashes[5][FILE_TREE_HASH_BYTES];
    for (size_t i = 0; i < 5; i++) {
        write_file(folders, "a", i == 1 ? "b" : "a", i == 2 ? 0700 : 0600);
        if (i == 3)
            write_file(folders, "lib/b", "", 0600);
        copy(folders, hashes[i]);
        assert_int_equal(file_tree_delete(folders->to), SLUICE_OK);
        char path[128];
        snprintf(path, sizeof path, "%s/lib/b", folders->from);
        unlink(path);
    }
    for (size_t i = 1; i < 4; i++)
        assert_string_not_equal(hashes[0], hashes[i]);
    assert_string_equal(hashes[0], hashes[4]);
}

static void bounds_and_what_is_there_are_kept(void **state)
{
    const struct folders *folders = *state;
    struct file_tree tree;
    char text[FILE_TREE_TEXT_BYTES];
    write_file(folders, "a", "aaaa", 0600);
    write_file(folders, "b", "bbbb", 0600);
    struct file_tree_options few = {.count_max = 1, .bytes_max = 1000};
    struct file_tree_options small = {.count_max = 100, .bytes_max = 7};
    assert_int_equal(file_tree_list(folders->from, &few, &tree, text), SLUICE_TOO_LARGE);
    assert_int_equal(file_tree_list(folders->from, &small, &tree, text), SLUICE_TOO_LARGE);
    assert_non_null(strstr(text, "more than 100 files or 7 bytes"));
    assert_int_equal(file_tree_list(folders->from, &all, &tree, text), SLUICE_OK);
    assert_int_equal(file_tree_copy(&tree, folders->from, NULL, text), SLUICE_EXISTS);
    file_tree_free(&tree);
}

static bool all_but_round(void *ctx, const char *path)
{
    (void)ctx;
    return strcmp(path, "lib/round") != 0;
}

static void a_link_round_does_not_go_on_for_ever(void **state)
{
    const struct folders *folders = *state;
    struct file_tree tree;
    char text[FILE_TREE_TEXT_BYTES], target[128];
    snprintf(target, sizeof target, "%s", folders->from);
    link_to(folders, "lib/round", target);
    write_file(folders, "a", "a", 0600);
    assert_int_equal(file_tree_list(folders->from, &all, &tree, text), SLUICE_IO);
    assert_non_null(strstr(text, "/lib/round links to a folder that it is in"));
    struct file_tree_options without = all;
    without.wanted = all_but_round;
    assert_int_equal(file_tree_list(folders->from, &without, &tree, text), SLUICE_OK);
    assert_int_equal(tree.count, 1);
    file_tree_free(&tree);
}

/* Makes one folder in the other, that many. */
static void nest(const struct folders *folders, size_t count)
{
    char path[PATH_MAX];
    size_t len = (size_t)snprintf(path, sizeof path, "%s", folders->from);
    for (size_t i = 0; i < count; i++) {
        len += (size_t)snprintf(path + len, sizeof path - len, "/d");
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    }
}

static void folders_in_folders_have_a_bound(void **state)
{
    const struct folders *folders = *state;
    struct file_tree tree;
    char text[FILE_TREE_TEXT_BYTES];
    nest(folders, 99);
    assert_int_equal(file_tree_list(folders->from, &all, &tree, text), SLUICE_OK);
    file_tree_free(&tree);
    nest(folders, 100);
    assert_int_equal(file_tree_list(folders->from, &all, &tree, text), SLUICE_IO);
    assert_non_null(strstr(text, "/d/d is more than 100 folders deep"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(links_that_stay_inside_stay_links, set_up, tear_down),
        cmocka_unit_test_setup_teardown(others_may_read_the_copy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_hash_is_of_names_contents_and_rights, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_and_what_is_there_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_round_does_not_go_on_for_ever, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folders_in_folders_have_a_bound, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
