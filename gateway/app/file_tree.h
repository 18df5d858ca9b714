/*
 * The files below a folder, as a list in the order of their paths, and a copy of
 * them: for the templates of `sluice init` and for what `sluice deploy` keeps. A
 * link that leads to something inside, by a relative path, is copied as a link;
 * of any other, what it leads to is. Folders come with their files, so that empty
 * ones are left out, and what is neither file, folder nor link is too.
 *
 * Any thread; blocks on the disk. Bounds are the caller's, but for
 * the depth: 100 folders in each other. Each error is one
 * sentence.
 */
#ifndef SLUICE_APP_FILE_TREE_H
#define SLUICE_APP_FILE_TREE_H

#include "sluice/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FILE_TREE_TEXT_BYTES = 2 * PATH_MAX + 256, FILE_TREE_HASH_BYTES = 65 };

struct file_tree_entry {
    char *path;     /* below the root */
    char *link;     /* what it leads to, or NULL: it is a file */
    uint64_t bytes; /* of a file */
    bool is_executable;
};

struct file_tree {
    char *root;
    struct file_tree_entry *entries;
    size_t count;
    uint64_t bytes; /* of all */
};

struct file_tree_options {
    void *ctx;
    bool (*wanted)(void *ctx, const char *path);  /* of a file or link; NULL: all are */
    bool (*entered)(void *ctx, const char *path); /* whether a folder is looked into; NULL: all are */
    size_t count_max;
    uint64_t bytes_max;
};

/* SLUICE_TOO_LARGE, SLUICE_IO: ret_text, of FILE_TREE_TEXT_BYTES, has the sentence. */
enum sluice_error file_tree_list(const char *root, const struct file_tree_options *options,
                                 struct file_tree *ret_tree, char *ret_text);
void file_tree_free(struct file_tree *tree); /* a zeroed one is allowed */

/* Copies the files into a folder, which is made where it is not there. All can be read by everybody, and
 * executed where their owner can. Nothing that is there is replaced: SLUICE_EXISTS. When it returns
 * everything is on the disk, but for the name of `to`. `ret_hash`, FILE_TREE_HASH_BYTES, or NULL, is the
 * SHA-256 in hex of all that was copied: equal for equal trees, and the same everywhere. */
enum sluice_error file_tree_copy(const struct file_tree *tree, const char *to, char *ret_hash,
                                 char *ret_text);
/* Deletes a folder with everything in it; what is not there is deleted. SLUICE_IO: see errno. */
enum sluice_error file_tree_delete(const char *path);

#endif
