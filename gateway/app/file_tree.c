#include "app/file_tree.h"

#include "base/digits.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <libgen.h>
#include <mbedtls/sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP_BYTES = 64 * 1024, OPEN_FOLDERS_MAX = 32, DIGEST_BYTES = 32, DEPTH_MAX = 100 };

/* ---- Listing ---- */

struct listing {
    const struct file_tree_options *options;
    struct file_tree tree;
    size_t capacity;
    size_t depth; /* of folders that are being looked into: each has its place on the stack */
    char *text;
};

static enum sluice_error say(char *text, const char *path, const char *what)
{
    snprintf(text, FILE_TREE_TEXT_BYTES, "%s %s", path, what);
    return SLUICE_IO;
}

static enum sluice_error say_errno(char *text, const char *path, const char *what)
{
    snprintf(text, FILE_TREE_TEXT_BYTES, "%s %s: %s", path, what, strerror(errno));
    return SLUICE_IO;
}

/* Whether a link at `path` leads to what is below the root too, wherever that is. */
static bool stays_inside(const char *path, const char *link)
{
    long depth = 0;
    if (*link == '/')
        return false;
    for (const char *at = path; (at = strchr(at, '/')); at++)
        depth++;
    for (const char *at = link; *at && depth >= 0;) {
        size_t len = strcspn(at, "/");
        if (len == 2 && strncmp(at, "..", 2) == 0)
            depth--;
        else if (len > 0 && !(len == 1 && *at == '.'))
            depth++;
        at += len + (at[len] == '/');
    }
    return depth >= 0;
}

static enum sluice_error add(struct listing *listing, const char *path, const char *link,
                             const struct stat *status)
{
    struct file_tree *tree = &listing->tree;
    const struct file_tree_options *options = listing->options;
    uint64_t bytes = link ? 0 : (uint64_t)status->st_size;
    if (tree->count == options->count_max || options->bytes_max - tree->bytes < bytes) {
        snprintf(listing->text, FILE_TREE_TEXT_BYTES, "%s has more than %zu files or %" PRIu64 " bytes",
                 tree->root, options->count_max, options->bytes_max);
        return SLUICE_TOO_LARGE;
    }
    if (tree->count == listing->capacity) {
        listing->capacity = listing->capacity ? listing->capacity * 2 : 64;
        tree->entries = memory_resize(tree->entries, listing->capacity * sizeof *tree->entries);
    }
    tree->entries[tree->count++] =
        (struct file_tree_entry){.path = memory_string(span_from_string(path)),
                                 .link = link ? memory_string(span_from_string(link)) : NULL,
                                 .bytes = bytes,
                                 .is_executable = !link && (status->st_mode & S_IXUSR)};
    tree->bytes += bytes;
    return SLUICE_OK;
}

static enum sluice_error list_folder(struct listing *listing, const char *path);

/* Whether a link leads to a folder that it is in itself, and so round and round. */
static bool leads_round(const char *link)
{
    char parent[PATH_MAX], from[PATH_MAX], to[PATH_MAX];
    snprintf(parent, sizeof parent, "%s", link);
    if (!realpath(dirname(parent), from) || !realpath(link, to))
        return false;
    size_t len = strlen(to);
    return strncmp(from, to, len) == 0 && (from[len] == '/' || from[len] == '\0' || len == 1);
}

static enum sluice_error list_entry(struct listing *listing, const char *path)
{
    char full[PATH_MAX], link[PATH_MAX];
    struct stat status;
    const struct file_tree_options *options = listing->options;
    bool wanted = !options->wanted || options->wanted(options->ctx, path);
    if (snprintf(full, sizeof full, "%s/%s", listing->tree.root, path) >= PATH_MAX)
        return say(listing->text, path, "is too long a path");
    ssize_t len = readlink(full, link, sizeof link - 1);
    link[len > 0 ? len : 0] = '\0';
    if (len > 0 && stays_inside(path, link))
        return wanted ? add(listing, path, link, NULL) : SLUICE_OK;
    if (stat(full, &status) != 0)
        return wanted ? say_errno(listing->text, full, "cannot be read") : SLUICE_OK;
    if (len > 0 && S_ISDIR(status.st_mode) && !wanted)
        return SLUICE_OK;
    if (len > 0 && S_ISDIR(status.st_mode) && leads_round(full))
        return say(listing->text, full, "links to a folder that it is in");
    if (S_ISDIR(status.st_mode))
        return !options->entered || options->entered(options->ctx, path) ? list_folder(listing, path)
                                                                         : SLUICE_OK;
    return wanted && S_ISREG(status.st_mode) ? add(listing, path, NULL, &status) : SLUICE_OK;
}

static bool is_named(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* `path` is empty for the root. */
static enum sluice_error list_folder(struct listing *listing, const char *path)
{
    char full[PATH_MAX], inner[PATH_MAX];
    const char *slash = *path ? "/" : "";
    if (snprintf(full, sizeof full, "%s%s%s", listing->tree.root, slash, path) >= PATH_MAX)
        return say(listing->text, path, "is too long a path");
    if (listing->depth == DEPTH_MAX)
        return say(listing->text, full, "is more than 100 folders deep");
    DIR *entries = opendir(full);
    if (!entries)
        return say_errno(listing->text, full, "cannot be read");
    listing->depth++;
    enum sluice_error error = SLUICE_OK;
    for (struct dirent *entry; !error && (entry = readdir(entries));) {
        if (is_named(entry) && snprintf(inner, sizeof inner, "%s%s%s", path, slash, entry->d_name) < PATH_MAX)
            error = list_entry(listing, inner);
    }
    listing->depth--;
    closedir(entries);
    return error;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct file_tree_entry *)a)->path, ((const struct file_tree_entry *)b)->path);
}

enum sluice_error file_tree_list(const char *root, const struct file_tree_options *options,
                                 struct file_tree *ret_tree, char *ret_text)
{
    struct listing listing = {.options = options, .text = ret_text};
    listing.tree.root = memory_string(span_from_string(root));
    enum sluice_error error = list_folder(&listing, "");
    if (error) {
        file_tree_free(&listing.tree);
        return error;
    }
    if (listing.tree.count > 0)
        qsort(listing.tree.entries, listing.tree.count, sizeof *listing.tree.entries, by_path);
    *ret_tree = listing.tree;
    return SLUICE_OK;
}

void file_tree_free(struct file_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        memory_free(tree->entries[i].path);
        memory_free(tree->entries[i].link);
    }
    memory_free(tree->entries);
    memory_free(tree->root);
    *tree = (struct file_tree){0};
}

/* ---- Copying ---- */

/* Each part with its length, so that no two trees make the same bytes. */
static void hash_part(mbedtls_sha256_context *hash, struct span part)
{
    char len[24];
    int count = snprintf(len, sizeof len, "%zu:", part.len);
    mbedtls_sha256_update(hash, (const unsigned char *)len, (size_t)count);
    mbedtls_sha256_update(hash, part.data, part.len);
}

static bool write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);
        if (written < 0 && errno != EINTR)
            return false;
        bytes += written > 0 ? written : 0;
        len -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

/* `ret_digest` is of what was there to read. */
static bool copy_bytes(int from, int to, unsigned char ret_digest[static DIGEST_BYTES])
{
    mbedtls_sha256_context hash;
    uint8_t *step = memory_new(STEP_BYTES);
    ssize_t len;
    mbedtls_sha256_init(&hash);
    mbedtls_sha256_starts(&hash, 0);
    while ((len = read(from, step, STEP_BYTES)) != 0) {
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 || !write_all(to, step, (size_t)len))
            break;
        mbedtls_sha256_update(&hash, step, (size_t)len);
    }
    mbedtls_sha256_finish(&hash, ret_digest);
    mbedtls_sha256_free(&hash);
    memory_free(step);
    return len == 0;
}

static enum sluice_error copy_file(const struct file_tree_entry *entry, const char *from, const char *to,
                                   mbedtls_sha256_context *hash, char *text)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return say_errno(text, from, "cannot be read");
    unsigned char digest[DIGEST_BYTES];
    mode_t mode = entry->is_executable ? 0755 : 0644;
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    enum sluice_error error = SLUICE_OK;
    if (out < 0)
        error = errno == EEXIST ? SLUICE_EXISTS : SLUICE_IO;
    else if (fchmod(out, mode) != 0 || !copy_bytes(in, out, digest) || fsync(out) != 0)
        error = SLUICE_IO;
    if (error)
        say_errno(text, to, "cannot be written");
    else
        hash_part(hash, span_of(digest, sizeof digest));
    if (out >= 0)
        close(out);
    close(in);
    return error;
}

static enum sluice_error copy_link(const struct file_tree_entry *entry, const char *to, char *text)
{
    if (symlink(entry->link, to) == 0)
        return SLUICE_OK;
    say_errno(text, to, "cannot be made");
    return errno == EEXIST ? SLUICE_EXISTS : SLUICE_IO;
}

/* The folders above `path`, as far as they are below `to`, with which it begins. */
static bool make_folders(const char *to, char *path)
{
    for (char *at = path + strlen(to) + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = '\0';
        bool made = mkdir(path, 0755) == 0 ? chmod(path, 0755) == 0 : errno == EEXIST;
        if (!made)
            return false;
    }
    return true;
}

static enum sluice_error copy_entry(const struct file_tree *tree, const struct file_tree_entry *entry,
                                    const char *to, mbedtls_sha256_context *hash, char *text)
{
    char source[PATH_MAX], target[PATH_MAX];
    if (snprintf(source, sizeof source, "%s/%s", tree->root, entry->path) >= PATH_MAX ||
        snprintf(target, sizeof target, "%s/%s", to, entry->path) >= PATH_MAX)
        return say(text, entry->path, "is too long a path");
    if (!make_folders(to, target))
        return say_errno(text, target, "cannot be made");
    hash_part(hash, entry->link            ? SPAN_LITERAL("link")
                    : entry->is_executable ? SPAN_LITERAL("program")
                                           : SPAN_LITERAL("file"));
    hash_part(hash, span_from_string(entry->path));
    if (!entry->link)
        return copy_file(entry, source, target, hash, text);
    hash_part(hash, span_from_string(entry->link));
    return copy_link(entry, target, text);
}

static int sync_folder(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)where;
    if (type != FTW_D)
        return 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) != 0;
    if (fd >= 0)
        close(fd);
    return failed;
}

enum sluice_error file_tree_copy(const struct file_tree *tree, const char *to, char *ret_hash, char *ret_text)
{
    mbedtls_sha256_context hash;
    unsigned char digest[DIGEST_BYTES];
    char folder[PATH_MAX];
    if (snprintf(folder, sizeof folder, "%s/", to) >= PATH_MAX || !make_folders("", folder))
        return say_errno(ret_text, to, "cannot be made");
    mbedtls_sha256_init(&hash);
    mbedtls_sha256_starts(&hash, 0);
    enum sluice_error error = SLUICE_OK;
    for (size_t i = 0; i < tree->count && !error; i++)
        error = copy_entry(tree, &tree->entries[i], to, &hash, ret_text);
    if (!error && nftw(to, sync_folder, OPEN_FOLDERS_MAX, FTW_PHYS) != 0)
        error = say_errno(ret_text, to, "cannot be written");
    mbedtls_sha256_finish(&hash, digest);
    mbedtls_sha256_free(&hash);
    if (!error && ret_hash)
        hex_write(span_of(digest, sizeof digest), ret_hash);
    return error;
}

/* ---- Deleting ---- */

static int delete_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

enum sluice_error file_tree_delete(const char *path)
{
    if (nftw(path, delete_entry, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT)
        return SLUICE_OK;
    return SLUICE_IO;
}
