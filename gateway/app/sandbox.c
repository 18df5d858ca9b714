#include "app/sandbox.h"

#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MEGABYTE = 1024 * 1024,
    REPORT_BYTES = 2048,
    PROCESSES_TRIED = 16,
    REMOTE_WORKERS = 2, /* of one function: an uplink may have one that brings topics down */
};

static const char resolver[] = "/etc/resolv.conf";

/* --- A list of words that grows --- */

struct words {
    char **items;
    size_t count;
};

static void add(struct words *words, const char *word)
{
    words->items = memory_resize(words->items, (words->count + 2) * sizeof *words->items);
    words->items[words->count++] = memory_string(span_from_string(word));
    words->items[words->count] = NULL;
}

static void add_option(struct words *words, const char *option, const char *value)
{
    add(words, option);
    add(words, value);
}

static void add_number(struct words *words, const char *option, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    add_option(words, option, text);
}

static void add_paths(struct words *words, const char *option, const struct config_strings *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        add_option(words, option, paths->items[i]);
}

/* --- Options --- */

static void add_launcher(struct words *words, const char *workers)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/launch", workers);
    add(words, path);
}

/* Whether `file` is in `folder` or below, or is it. */
static bool is_folder_of(const char *folder, const char *file)
{
    char real_folder[PATH_MAX], real_file[PATH_MAX];
    if (!realpath(folder, real_folder) || !realpath(file, real_file))
        return false;
    size_t len = strlen(real_folder);
    return strncmp(real_file, real_folder, len) == 0 &&
           (real_file[len] == '/' || real_file[len] == '\0' || len == 1);
}

/* A function's code has its libraries and data beside it. Often the gateway has its own things there too, and
 * beside the gateway's key those of the authority. */
static void add_code(struct words *words, const struct config *config, const char *folder, const char *code)
{
    const char *const secrets[] = {config->data, config->file, config->passwords, config->tls.key,
                                   config->iot.key};
    char path[PATH_MAX];
    bool is_hidden = is_folder_of(config->data, folder);
    if (is_hidden && is_folder_of(folder, config->data))
        log_warning(
            "functions cannot read %s, since it is the gateway's data: their code needs a folder of its own",
            folder);
    add_option(words, is_hidden ? "--code" : "--read", folder);
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        if (secrets[i])
            add_option(words, "--hide", secrets[i]);
    }
    for (size_t i = 0; i < config->token_count; i++)
        add_option(words, "--hide", config->tokens[i].key);
    for (size_t i = 0; i < config->key_count; i++)
        add_option(words, "--hide", config->keys[i].secret);
    for (size_t i = 0; i < config->function_count; i++) {
        if (config->functions[i].uplink.key)
            add_option(words, "--hide", config->functions[i].uplink.key);
    }
    snprintf(path, sizeof path, "%s", config->tls.key ? config->tls.key : "");
    const char *keys = dirname(path);
    if (config->tls.key && !is_folder_of(keys, code))
        add_option(words, "--hide", keys);
}

static void add_handler(struct words *words, const struct config *config, const char *handler)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", handler);
    add_code(words, config, dirname(path), handler);
}

/* The task root, and what its program is installed with: the folder that its bin is in. */
static void add_command(struct words *words, const struct config *config,
                        const struct function_command *command)
{
    char path[PATH_MAX];
    add_code(words, config, command->root, command->root);
    add_option(words, "--read", command->words[0]);
    if (!realpath(command->words[0], path) || is_folder_of(command->root, path))
        return;
    const char *prefix = dirname(dirname(path));
    if (strcmp(prefix, "/") != 0 && !is_folder_of(prefix, command->root))
        add_option(words, "--read", prefix);
}

/* Root gives each function a user of its own, by its place in the file; 0: it does not. */
static uint64_t user_of(const struct config *config, const struct config_function *function)
{
    if (geteuid() != 0 || config->workers.first_user == 0)
        return 0;
    uint64_t place = 0;
    while (place + 1 < config->function_count && strcmp(config->functions[place].name, function->name) != 0)
        place++;
    return config->workers.first_user + place;
}

/* Whether a user who is neither its owner nor in its group may read it. What is not there is said elsewhere.
 */
static bool others_can_read(const char *path)
{
    char real[PATH_MAX];
    struct stat status;
    if (!realpath(path, real) || stat(real, &status) != 0)
        return errno == ENOENT;
    if (!(status.st_mode & S_IROTH))
        return false;
    for (char *slash = strrchr(real, '/'); slash && slash != real; slash = strrchr(real, '/')) {
        *slash = '\0';
        if (stat(real, &status) != 0 || !(status.st_mode & S_IXOTH))
            return false;
    }
    return true;
}

static void add_user(struct words *words, const struct config *config, const struct config_function *function,
                     const char *code, const char *worker)
{
    uint64_t user = user_of(config, function);
    const char *unreadable = NULL;
    if (!others_can_read(worker))
        unreadable = worker;
    else if (!others_can_read(code))
        unreadable = code;
    if (user > 0 && unreadable && config->workers.sandbox != CONFIG_SANDBOX_REQUIRED)
        log_warning("function %s runs as root, without its privileges, because %s is not readable for a user "
                    "of its own",
                    function->name, unreadable);
    else if (user > 0)
        add_number(words, "--user", user);
}

/* --- Workers of what is elsewhere: our own code, with keys --- */

static const char *variable_of(const struct config_function *function, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < function->environment.count; i++) {
        const char *variable = function->environment.items[i];
        if (strncmp(variable, name, len) == 0 && variable[len] == '=')
            return variable + len + 1;
    }
    return getenv(name);
}

struct remote_files {
    const char *paths[10]; /* NULL: there is none of its kind */
    char home_credentials[PATH_MAX], home_folder[PATH_MAX], shared_folder[PATH_MAX], token_folder[PATH_MAX];
};
enum { REMOTE_FILES = sizeof((struct remote_files *)0)->paths / sizeof(char *) };

/* Such as /etc or /run. */
static bool is_at_top(const char *folder)
{
    char real[PATH_MAX];
    return realpath(folder, real) && strrchr(real, '/') == real;
}

/* Where another file takes the place of this one. NULL where that is a folder of much else, such as /etc:
 * there a reload takes the other file up. */
static const char *folder_of(const struct config *config, const char *path, const char *home,
                             char memory[static PATH_MAX])
{
    if (!path)
        return NULL;
    snprintf(memory, PATH_MAX, "%s", path);
    const char *folder = dirname(memory);
    bool is_of_others = is_at_top(folder) || (home && is_folder_of(folder, home)) ||
                        is_folder_of(folder, config->file) || is_folder_of(folder, config->data);
    return is_of_others ? NULL : folder;
}

/* What a worker reads besides what all do. Of credentials and tokens the folder too, since who renews them
 * replaces the file. */
static void find_remote_files(const struct config *config, const struct config_function *function,
                              struct remote_files *ret_files)
{
    const struct config_uplink *uplink = &function->uplink;
    *ret_files = (struct remote_files){.paths = {uplink->ca, uplink->certificate, uplink->key}};
    if (!function->lambda)
        return;
    const char *home = variable_of(function, "HOME");
    const char *shared = variable_of(function, "AWS_SHARED_CREDENTIALS_FILE");
    const char *token = variable_of(function, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (home)
        snprintf(ret_files->home_credentials, PATH_MAX, "%s/.aws/credentials", home);
    const char *own = home ? ret_files->home_credentials : NULL;
    const char *const paths[REMOTE_FILES] = {
        own,
        folder_of(config, own, home, ret_files->home_folder),
        shared,
        folder_of(config, shared, home, ret_files->shared_folder),
        token,
        folder_of(config, token, home, ret_files->token_folder),
        variable_of(function, "SSL_CERT_FILE"),
        config->iot.certificate,
        config->iot.key,
        config->iot.ca,
    };
    memcpy(ret_files->paths, paths, sizeof paths);
}

static uint64_t mix_file(uint64_t number, const char *path)
{
    struct stat status;
    if (!path || stat(path, &status) != 0 || S_ISDIR(status.st_mode))
        return number;
    const uint64_t parts[] = {status.st_dev, status.st_ino, (uint64_t)status.st_mtim.tv_sec,
                              (uint64_t)status.st_mtim.tv_nsec};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        number = (number ^ parts[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return number;
}

uint64_t sandbox_files(const struct config *config, const struct config_function *function)
{
    struct remote_files files;
    if (!config_is_remote(function))
        return 0;
    uint64_t number = mix_file(0, resolver);
    find_remote_files(config, function, &files);
    for (size_t i = 0; i < REMOTE_FILES; i++)
        number = mix_file(number, files.paths[i]);
    return number;
}

static void add_remote_files(struct words *words, const struct config *config,
                             const struct config_function *function)
{
    struct remote_files files;
    bool any = false;
    find_remote_files(config, function, &files);
    for (size_t i = 0; i < REMOTE_FILES; i++) {
        if (files.paths[i])
            add_option(words, "--read", files.paths[i]);
        any |= files.paths[i] != NULL;
    }
    if (any) /* also what takes their place, whoever may read that */
        add(words, "--read-any");
}

/* The folder where the system's resolver is configured, since the file is replaced as networks come and go.
 * Where that is one such as /etc, the file is all it gets, as all do. */
static void add_resolver(struct words *words)
{
    char path[PATH_MAX];
    const char *folder = realpath(resolver, path) ? dirname(path) : NULL;
    if (folder && !is_at_top(folder))
        add_option(words, "--read", folder);
}

static void add_remote(struct words *words, const struct config *config,
                       const struct config_function *function, const char *worker)
{
    add_option(words, "--read", worker);
    add_remote_files(words, config, function);
    add_resolver(words);
    add_option(words, "--network", "all");
    add_number(words, "--processes", config->workers.process_count * REMOTE_WORKERS);
    add_user(words, config, function, worker, worker);
}

static void add_local(struct words *words, const struct config *config,
                      const struct config_function *function, const struct function_command *command,
                      const char *worker)
{
    bool has_command = command->count > 0;
    const char *least_network = has_command ? "loopback" : "none"; /* the Runtime API is on a port */
    add_option(words, "--read", worker);
    if (has_command)
        add_command(words, config, command);
    else
        add_handler(words, config, function->handler);
    add_paths(words, "--read", &function->readable);
    add_paths(words, "--write", &function->writable);
    add_option(words, "--network", function->network ? "all" : least_network);
    add_number(words, "--data-bytes", function->memory_mb * MEGABYTE);
    add_number(words, "--scratch-bytes", function->scratch_mb * MEGABYTE);
    add_number(words, "--processes", config->workers.process_count * function->reserved_concurrency);
    add_user(words, config, function, has_command ? command->words[0] : function->handler, worker);
}

char **sandbox_launcher(const struct config *config, const struct config_function *function,
                        const struct function_command *command, const char *workers, const char *worker)
{
    struct words words = {0};
    if (config->workers.sandbox == CONFIG_SANDBOX_OFF)
        return NULL;
    add_launcher(&words, workers);
    if (config_is_remote(function))
        add_remote(&words, config, function, worker);
    else
        add_local(&words, config, function, command, worker);
    add_number(&words, "--open-files", config->workers.open_file_count);
    add_number(&words, "--nice", config->workers.nice);
    if (config->workers.sandbox == CONFIG_SANDBOX_REQUIRED)
        add(&words, "--required");
    add(&words, "--");
    return words.items;
}

void sandbox_launcher_free(char **launcher)
{
    for (char **word = launcher; word && *word; word++)
        memory_free(*word);
    memory_free(launcher);
}

/* --- What this system allows --- */

/* Reads until the end, and gives the lines as one, with `; ` between them. */
static void read_report(int fd, char report[static REPORT_BYTES])
{
    size_t len = 0;
    ssize_t got;
    while (len + 1 < REPORT_BYTES && (got = read(fd, report + len, REPORT_BYTES - 1 - len)) != 0) {
        if (got < 0 && errno != EINTR)
            break;
        len += got > 0 ? (size_t)got : 0;
    }
    while (len > 0 && report[len - 1] == '\n')
        len--;
    report[len] = '\0';
    for (char *line = report; (line = strchr(line, '\n')); line++)
        *line = ';';
}

/* 0, or an errno. */
static int run_check(char *const *arguments, char report[static REPORT_BYTES])
{
    char *const environment[] = {NULL};
    int pipes[2], status = 0;
    pid_t child;
    if (pipe2(pipes, O_CLOEXEC) != 0)
        return errno;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
    int error = posix_spawn(&child, arguments[0], &actions, NULL, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    if (!error) {
        read_report(pipes[0], report);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            continue;
        error = status == 0 ? 0 : ECANCELED;
    }
    close(pipes[0]);
    return error;
}

enum sluice_error sandbox_check(const struct config *config, const char *workers)
{
    char report[REPORT_BYTES] = "";
    struct words words = {0};
    if (config->workers.sandbox == CONFIG_SANDBOX_OFF || config->function_count == 0)
        return SLUICE_OK;
    add_launcher(&words, workers);
    add(&words, "--check");
    add_option(&words, "--network", "loopback");
    add_number(&words, "--scratch-bytes", MEGABYTE);
    add_number(&words, "--processes", PROCESSES_TRIED);
    if (user_of(config, config->functions) > 0)
        add_number(&words, "--user", user_of(config, config->functions));
    int error = run_check(words.items, report);
    if (error)
        log_error("functions cannot be confined: the launcher %s cannot be run: %s", words.items[0],
                  strerror(error));
    sandbox_launcher_free(words.items);
    if (error)
        return SLUICE_IO;
    if (!*report)
        return SLUICE_OK;
    if (config->workers.sandbox == CONFIG_SANDBOX_REQUIRED) {
        log_error("gateway.workers.sandbox is required, and this system does not allow: %s", report);
        return SLUICE_DENIED;
    }
    log_warning("functions are less confined than gateway.workers.sandbox can, since this system does not "
                "allow: %s",
                report);
    return SLUICE_OK;
}
