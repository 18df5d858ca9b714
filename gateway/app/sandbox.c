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
#include <sys/wait.h>
#include <unistd.h>

enum { MEGABYTE = 1024 * 1024, REPORT_BYTES = 2048 };

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

/* Or is it. */
static bool is_inside(const char *path, const char *folder)
{
    char real_path[PATH_MAX], real_folder[PATH_MAX];
    if (!path || !realpath(path, real_path) || !realpath(folder, real_folder))
        return false;
    size_t len = strlen(real_folder);
    return strncmp(real_path, real_folder, len) == 0 &&
           (real_path[len] == '/' || real_path[len] == '\0' || len == 1);
}

/* A function's code has its libraries and data beside it. But where the gateway has its own secrets there
 * too, only the file itself is the function's. */
static void add_code(struct words *words, const struct config *config, const char *handler)
{
    const char *const secrets[] = {config->data, config->file, config->tls.key, config->passwords};
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", handler);
    const char *folder = dirname(path);
    bool holds_secrets = false;
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        holds_secrets |= is_inside(secrets[i], folder);
    add_option(words, "--read", holds_secrets ? handler : folder);
}

/* Our own worker for remote functions runs nobody's code, and reads credentials wherever they are. */
static void add_remote(struct words *words)
{
    add_option(words, "--read", "/");
    add_option(words, "--network", "all");
}

static void add_local(struct words *words, const struct config *config,
                      const struct config_function *function, const char *worker)
{
    add_option(words, "--read", worker);
    add_code(words, config, function->handler);
    add_paths(words, "--read", &function->readable);
    add_paths(words, "--write", &function->writable);
    add_option(words, "--network", function->network ? "all" : "none");
    add_number(words, "--data-bytes", function->memory_mb * MEGABYTE);
}

char **sandbox_launcher(const struct config *config, const struct config_function *function,
                        const char *workers, const char *worker)
{
    char launcher[PATH_MAX];
    struct words words = {0};
    if (config->workers.sandbox == CONFIG_SANDBOX_OFF)
        return NULL;
    snprintf(launcher, sizeof launcher, "%s/launch", workers);
    add(&words, launcher);
    if (function->lambda)
        add_remote(&words);
    else
        add_local(&words, config, function, worker);
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
static int run_check(char *launcher, char report[static REPORT_BYTES])
{
    char *const arguments[] = {launcher, "--check", NULL}, *const environment[] = {NULL};
    int pipes[2], status = 0;
    pid_t child;
    if (pipe2(pipes, O_CLOEXEC) != 0)
        return errno;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
    int error = posix_spawn(&child, launcher, &actions, NULL, arguments, environment);
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
    char launcher[PATH_MAX], report[REPORT_BYTES] = "";
    if (config->workers.sandbox == CONFIG_SANDBOX_OFF || config->function_count == 0)
        return SLUICE_OK;
    snprintf(launcher, sizeof launcher, "%s/launch", workers);
    int error = run_check(launcher, report);
    if (error) {
        log_error("functions cannot be confined: the launcher %s cannot be run: %s", launcher,
                  strerror(error));
        return SLUICE_IO;
    }
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
