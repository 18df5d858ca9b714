/* A function's package: which files of its folder it has, and its copy in the data folder. */
#include "app/deploy.h"
#include "app/file.h"
#include "app/file_tree.h"
#include "app/package.h"
#include "base/memory.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEPS_MAX = PATH_MAX }; /* on a way: links that lead round end there */

/* Files and folders, by what they are and not by a path, of which each has many. */
struct nodes {
    struct node {
        dev_t device;
        ino_t number;
    } * items;
    size_t count;
};

/* What `wanted` and `entered` look at. */
struct selection {
    const char *root;
    const char **patterns;
    size_t pattern_count;
    struct nodes private;  /* the gateway's own, which are nobody's code */
    struct nodes writable; /* by a function: its data, which may be links to anywhere */
};

static void add_node(struct nodes *nodes, const char *path)
{
    struct stat status;
    if (!path || stat(path, &status) != 0)
        return;
    nodes->items = memory_resize(nodes->items, (nodes->count + 1) * sizeof *nodes->items);
    nodes->items[nodes->count++] = (struct node){status.st_dev, status.st_ino};
}

static bool is_one_of(const struct nodes *nodes, const char *path)
{
    struct stat status;
    if (nodes->count == 0 || stat(path, &status) != 0)
        return false;
    for (size_t i = 0; i < nodes->count; i++) {
        if (nodes->items[i].device == status.st_dev && nodes->items[i].number == status.st_ino)
            return true;
    }
    return false;
}

/* ---- What is no code ---- */

static void add_private(struct selection *selection, const char *path)
{
    add_node(&selection->private, path);
}

static void add_of_function(struct selection *selection, const struct config_function *function)
{
    add_private(selection, function->uplink.key);
    for (size_t i = 0; i < function->writable.count; i++)
        add_node(&selection->writable, function->writable.items[i]);
}

/* Beside the gateway's key are those of the authority. */
static void add_private_of(struct selection *selection, const struct config *config)
{
    char keys[PATH_MAX], real_keys[PATH_MAX], root[PATH_MAX];
    add_private(selection, config->data);
    add_private(selection, config->file);
    add_private(selection, config->passwords);
    add_private(selection, config->tls.key);
    add_private(selection, config->iot.key);
    for (size_t i = 0; i < config->token_count; i++)
        add_private(selection, config->tokens[i].key);
    for (size_t i = 0; i < config->key_count; i++)
        add_private(selection, config->keys[i].secret);
    for (size_t i = 0; i < config->function_count; i++)
        add_of_function(selection, &config->functions[i]);
    snprintf(keys, sizeof keys, "%s", config->tls.key ? config->tls.key : "/");
    if (realpath(dirname(keys), real_keys) && realpath(selection->root, root) &&
        strncmp(root, real_keys, strlen(real_keys)) != 0)
        add_private(selection, real_keys);
}

/* A step on a way: what `at` is, with its `rest` behind it; a link's target takes its place. */
static bool follow(char at[static PATH_MAX], size_t folder_len, char rest[static PATH_MAX])
{
    char link[PATH_MAX], on[2 * PATH_MAX];
    ssize_t len = readlink(at, link, sizeof link - 1);
    if (len <= 0)
        return true;
    link[len] = '\0';
    at[*link == '/' ? 0 : folder_len] = '\0';
    if (snprintf(on, sizeof on, "%s/%s", link, rest) >= PATH_MAX)
        return false;
    memcpy(rest, on, strlen(on) + 1);
    return true;
}

/* Whether the way to a path below the root, by all links on it, is through what a function may write: that
 * function says where it ends. */
static bool is_written(const struct selection *selection, const char *path)
{
    char at[PATH_MAX], rest[PATH_MAX];
    snprintf(at, sizeof at, "%s", selection->root);
    snprintf(rest, sizeof rest, "%s", path);
    for (size_t step = 0; selection->writable.count > 0 && *rest; step++) {
        size_t folder_len = strlen(at), len = strcspn(rest, "/");
        if (step == STEPS_MAX || folder_len + len + 2 > PATH_MAX)
            return true;
        snprintf(at + folder_len, PATH_MAX - folder_len, "%s%.*s", len > 0 ? "/" : "", (int)len, rest);
        memmove(rest, rest + len + (rest[len] == '/'), strlen(rest + len) + (rest[len] != '/'));
        if (!follow(at, folder_len, rest) || is_one_of(&selection->writable, at))
            return true;
    }
    return false;
}

static bool is_no_code(const struct selection *selection, const char *path)
{
    char full[PATH_MAX];
    return snprintf(full, sizeof full, "%s/%s", selection->root, path) < PATH_MAX &&
           (is_one_of(&selection->private, full) || is_written(selection, path));
}

/* Who may write what is above may put anything in its place. */
static bool is_root_writable(const struct selection *selection)
{
    char path[PATH_MAX];
    if (!realpath(selection->root, path))
        return false;
    while (!is_one_of(&selection->writable, path)) {
        char *slash = strrchr(path, '/');
        if (!slash || slash[1] == '\0')
            return false;
        slash[slash == path] = '\0';
    }
    return true;
}

/* ---- Selecting ---- */

static bool is_wanted(void *ctx, const char *path)
{
    const struct selection *selection = ctx;
    return package_takes(selection->patterns, selection->pattern_count, path) && !is_no_code(selection, path);
}

static bool is_entered(void *ctx, const char *path)
{
    return strcmp(path, ".git") != 0 && !is_no_code(ctx, path);
}

static enum sluice_error list_files(const struct deploy *deploy, struct selection *selection,
                                    struct file_tree *ret_tree, char *text)
{
    const struct config_deploys *bounds = &deploy->config->deploys;
    struct file_tree_options options = {.ctx = selection,
                                        .wanted = is_wanted,
                                        .entered = is_entered,
                                        .count_max = bounds->package_files,
                                        .bytes_max = bounds->package_bytes};
    if (!is_root_writable(selection))
        return file_tree_list(selection->root, &options, ret_tree, text);
    snprintf(text, FILE_TREE_TEXT_BYTES,
             "its folder %s may be written by a function (files: {write: ...}), and what a function writes "
             "is not deployed",
             selection->root);
    return SLUICE_DENIED;
}

static enum sluice_error list_package(const struct deploy *deploy, const struct config *project,
                                      const struct config_function *function, struct file_tree *ret_tree,
                                      char *text)
{
    const struct config_strings *lists[] = {&project->package_patterns, &function->package_patterns};
    const char **patterns = memory_new_array(lists[0]->count + lists[1]->count + 1, sizeof *patterns);
    struct selection selection = {.root = function->task_root, .patterns = patterns};
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < lists[i]->count; j++)
            patterns[selection.pattern_count++] = lists[i]->items[j];
    }
    add_private_of(&selection, project);
    add_private_of(&selection, deploy->config);
    enum sluice_error error = list_files(deploy, &selection, ret_tree, text);
    memory_free(selection.private.items);
    memory_free(selection.writable.items);
    memory_free(patterns);
    return error;
}

/* ---- Copying ---- */

/* Its hash is known when it is copied; then it gets its name, unless it is there. */
static enum sluice_error store(const struct deploy *deploy, const struct file_tree *tree, char *ret_code,
                               char *text)
{
    char folder[PATH_MAX], new[PATH_MAX + 8], path[2 * PATH_MAX];
    versions_path(deploy->config->data, VERSIONS_CODE, folder);
    snprintf(new, sizeof new, "%s/new", folder);
    file_tree_delete(new); /* of one that was killed */
    enum sluice_error error = file_tree_copy(tree, new, ret_code, text);
    if (!error) {
        snprintf(path, sizeof path, "%s/%s", folder, ret_code);
        bool is_there = access(path, F_OK) == 0;
        if (!is_there && (rename(new, path) != 0 || file_sync_folder(folder) != SLUICE_OK)) {
            snprintf(text, FILE_TREE_TEXT_BYTES, "%.*s cannot be made: %s", PATH_MAX, path, strerror(errno));
            error = SLUICE_IO;
        }
    }
    file_tree_delete(new);
    return error;
}

/* A native function's handler is below its folder in the package as in the project. */
static const char *handler_in(const struct config_function *function)
{
    const char *root = function->task_root, *handler = function->handler;
    size_t len = strlen(root);
    if (function->kind != CONFIG_NATIVE || (strcmp(root, ".") == 0 && *handler != '/'))
        return handler;
    if (len > 2 && strcmp(root + len - 2, "/.") == 0)
        len -= 2;
    return strncmp(handler, root, len) == 0 && handler[len] == '/' ? handler + len + 1 : NULL;
}

enum sluice_error deploy_package(const struct deploy *deploy, const struct config *project,
                                 const struct config_function *function, char *ret_code,
                                 struct version *ret_version)
{
    char text[FILE_TREE_TEXT_BYTES];
    struct file_tree tree = {0};
    const char *handler = handler_in(function);
    if (!handler) {
        fprintf(stderr, "sluice %s: function %s: its handler %s is not in the folder %s\n", deploy->command,
                function->name, function->handler, function->task_root);
        return SLUICE_INVALID;
    }
    enum sluice_error error = list_package(deploy, project, function, &tree, text);
    if (!error)
        error = store(deploy, &tree, ret_code, text);
    file_tree_free(&tree);
    if (error) {
        fprintf(stderr, "sluice %s: function %s: %s%s\n", deploy->command, function->name, text,
                error == SLUICE_TOO_LARGE
                    ? "; allowed are gateway.versions.packageFiles and packageBytes, and "
                      "package.patterns leaves files out"
                    : "");
        return error;
    }
    *ret_version = (struct version){.code = ret_code,
                                    .handler = (char *)(uintptr_t)handler,
                                    .runtime = function->runtime,
                                    .timeout_ms = function->timeout_ms,
                                    .memory_mb = function->memory_mb,
                                    .environment = function->environment};
    return SLUICE_OK;
}
