#include "app/deploy.h"

#include "app/file.h"
#include "app/file_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum sluice_error complain(const char *command, const char *path, const char *what)
{
    fprintf(stderr, "sluice %s: %s %s: %s\n", command, path, what, strerror(errno));
    return SLUICE_IO;
}

/* ---- The folders ---- */

/* Functions have users of their own where the gateway is root, and these must reach their code. So the data
 * folder may be passed through, and what else is in it is its owner's. */
static enum sluice_error open_way(const char *command, const char *data)
{
    DIR *entries = opendir(data);
    enum sluice_error error = entries ? SLUICE_OK : complain(command, data, "cannot be read");
    for (struct dirent *entry; !error && (entry = readdir(entries));) {
        char path[PATH_MAX];
        struct stat status;
        bool is_own = entry->d_name[0] == '.' || strcmp(entry->d_name, "functions") == 0;
        if (is_own || snprintf(path, sizeof path, "%s/%s", data, entry->d_name) >= PATH_MAX ||
            lstat(path, &status) != 0 || S_ISLNK(status.st_mode) || !(status.st_mode & (S_IRWXG | S_IRWXO)))
            continue;
        if (chmod(path, status.st_mode & S_IRWXU) != 0)
            error = complain(command, path, "cannot be made its owner's alone");
    }
    if (entries)
        closedir(entries);
    if (!error && chmod(data, 0711) != 0)
        error = complain(command, data, "cannot be opened for functions");
    return error;
}

static enum sluice_error make_folder(const char *command, const char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return SLUICE_OK;
    return complain(command, path, "cannot be made");
}

/* Whatever the umask of this or an earlier deploy: functions must reach their code. */
static enum sluice_error make_way(const char *command, const char *path)
{
    enum sluice_error error = make_folder(command, path);
    if (!error && chmod(path, 0711) != 0)
        error = complain(command, path, "cannot be opened for functions");
    return error;
}

/* The gateway could not read what somebody else has written there. */
static enum sluice_error check_owner(const char *command, const char *data)
{
    struct stat status;
    if (stat(data, &status) != 0)
        return complain(command, data, "cannot be looked at");
    if (status.st_uid == geteuid())
        return SLUICE_OK;
    fprintf(stderr, "sluice %s: %s belongs to the user %u; run this as that user\n", command, data,
            (unsigned)status.st_uid);
    return SLUICE_DENIED;
}

static enum sluice_error make_folders(const char *command, const struct config *config)
{
    char functions[PATH_MAX], code[PATH_MAX];
    versions_path(config->data, VERSIONS_FOLDER, functions);
    versions_path(config->data, VERSIONS_CODE, code);
    enum sluice_error error = make_folder(command, config->data);
    if (!error)
        error = check_owner(command, config->data);
    if (!error && geteuid() == 0 && config->workers.first_user > 0)
        error = open_way(command, config->data);
    if (!error)
        error = make_way(command, functions);
    if (!error)
        error = make_way(command, code);
    if (!error && file_sync_folder(config->data) != SLUICE_OK)
        error = complain(command, config->data, "cannot be written");
    return error;
}

/* ---- Beginning and ending ---- */

static enum sluice_error take_lock(struct deploy *deploy)
{
    char path[PATH_MAX];
    versions_path(deploy->config->data, VERSIONS_DEPLOYING, path);
    deploy->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (deploy->lock < 0)
        return complain(deploy->command, path, "cannot be written");
    if (flock(deploy->lock, LOCK_EX | LOCK_NB) == 0)
        return SLUICE_OK;
    if (errno != EWOULDBLOCK)
        return complain(deploy->command, path, "cannot be locked");
    fprintf(stderr, "sluice %s: another deploy into %s is at work; try again\n", deploy->command,
            deploy->config->data);
    return SLUICE_EXISTS;
}

enum sluice_error deploy_begin(const char *command, const struct config *config, struct deploy *ret_deploy)
{
    struct deploy deploy = {.command = command, .config = config, .lock = -1};
    char path[PATH_MAX], text[VERSIONS_TEXT_BYTES];
    enum sluice_error error = make_folders(command, config);
    if (!error)
        error = take_lock(&deploy);
    if (!error) {
        versions_path(config->data, VERSIONS_NOW, path);
        error = versions_read(path, &deploy.versions, text);
        if (error == SLUICE_NOT_FOUND)
            error = SLUICE_OK;
        else if (error)
            fprintf(stderr, "sluice %s: %s\n", command, text);
    }
    if (error)
        deploy_end(&deploy);
    else
        *ret_deploy = deploy;
    return error;
}

void deploy_end(struct deploy *deploy)
{
    versions_free(deploy->versions);
    deploy->versions = NULL;
    if (deploy->lock >= 0)
        close(deploy->lock);
    deploy->lock = -1;
}

/* ---- What is left over ---- */

static bool is_kept(const struct versions *versions, const char *code)
{
    for (size_t i = 0; i < versions->count; i++) {
        for (size_t j = 0; j < versions->functions[i].count; j++) {
            if (strcmp(versions->functions[i].items[j].code, code) == 0)
                return true;
        }
    }
    return false;
}

/* A gateway has locked what it runs. What is deleted has lost its name before: half of it would be taken for
 * the whole. */
static void delete_unused(const char *folder, const char *path)
{
    char gone[PATH_MAX + 8];
    int code = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (code < 0)
        return;
    snprintf(gone, sizeof gone, "%s/gone", folder);
    if (flock(code, LOCK_EX | LOCK_NB) == 0 &&
        (rename(path, gone) != 0 || file_tree_delete(gone) != SLUICE_OK))
        fprintf(stderr, "sluice: %s cannot be deleted: %s\n", path, strerror(errno));
    close(code);
}

void deploy_prune(const struct deploy *deploy)
{
    char now[PATH_MAX], folder[PATH_MAX], path[2 * PATH_MAX], text[VERSIONS_TEXT_BYTES];
    struct versions *versions;
    versions_path(deploy->config->data, VERSIONS_NOW, now);
    versions_path(deploy->config->data, VERSIONS_CODE, folder);
    snprintf(path, sizeof path, "%s/gone", folder); /* of one that was killed */
    file_tree_delete(path);
    enum sluice_error error = versions_read(now, &versions, text);
    if (error && error != SLUICE_NOT_FOUND)
        return; /* nobody knows what is needed */
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        if (entry->d_name[0] == '.' || is_kept(versions, entry->d_name))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        delete_unused(folder, path);
    }
    if (entries)
        closedir(entries);
    versions_free(versions);
}
