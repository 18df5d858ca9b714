#include "app/function_command.h"

#include "base/json_write.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    /* What Node.js needs beside its heap, in MB, as Lambda reckons: a tenth, and not less than this. */
    NODE_OWN_MB = 16,
};

static void __attribute__((format(printf, 2, 3)))
add_word(struct function_command *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command->words[command->count++], PATH_MAX, format, arguments);
    va_end(arguments);
}

static bool is_executable(const char *path)
{
    struct stat file;
    return stat(path, &file) == 0 && S_ISREG(file.st_mode) && access(path, X_OK) == 0;
}

/* Where a shell would find it. */
static bool add_program(struct function_command *command, const char *name)
{
    const char *path = getenv("PATH");
    char *at = command->words[command->count];
    while (path && *path) {
        size_t len = strcspn(path, ":");
        snprintf(at, PATH_MAX, "%.*s/%s", (int)len, path, name);
        if (*path == '/' && is_executable(at)) {
            command->count++;
            return true;
        }
        path += len + (path[len] == ':');
    }
    return false;
}

/* In Lambda always ./bootstrap. Here a handler that names another executable file means that one, so that
 * several functions can share a folder. */
static bool provided_command(const struct config_function *function, const char *root,
                             struct function_command *command)
{
    char *path = command->words[command->count++];
    const char *const names[] = {function->handler, "bootstrap"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char at[PATH_MAX];
        int len = *names[i] == '/' ? snprintf(at, sizeof at, "%s", names[i])
                                   : snprintf(at, sizeof at, "%s/%s", root, names[i]);
        if (len < PATH_MAX && is_executable(at)) {
            memcpy(path, at, (size_t)len + 1);
            return true;
        }
    }
    log_error(
        "function %s cannot be served: neither its handler %s nor bootstrap is an executable file in %s",
        function->name, function->handler, root);
    return false;
}

static bool nodejs_command(const struct config_function *function, const char *root,
                           struct function_command *command)
{
    if (!add_program(command, "node")) {
        log_error("function %s cannot be served: its runtime %s needs node, which is not in PATH",
                  function->name, function->runtime);
        return false;
    }
    uint64_t own_mb = function->memory_mb / 10 > NODE_OWN_MB ? function->memory_mb / 10 : NODE_OWN_MB;
    if (function->memory_mb > 2 * own_mb)
        add_word(command, "--max-old-space-size=%llu", (unsigned long long)(function->memory_mb - own_mb));
    add_word(command, "%s/node_modules/aws-lambda-ric/bin/index.mjs", root);
    if (access(command->words[command->count - 1], R_OK) != 0) {
        log_error("function %s cannot be served: its runtime %s needs the package aws-lambda-ric in "
                  "%s/node_modules; `npm install aws-lambda-ric` there installs it",
                  function->name, function->runtime, root);
        return false;
    }
    add_word(command, "%s", function->handler);
    return true;
}

/* The version that the runtime names, or else the box's own. */
static bool python_command(const struct config_function *function, struct function_command *command)
{
    if (!add_program(command, function->runtime) && !add_program(command, "python3")) {
        log_error("function %s cannot be served: its runtime %s needs python3, which is not in PATH",
                  function->name, function->runtime);
        return false;
    }
    add_word(command, "-m");
    add_word(command, "awslambdaric");
    add_word(command, "%s", function->handler);
    return true;
}

static bool find_command(const struct config_function *function, const char *root,
                         struct function_command *command)
{
    switch (function->kind) {
    case CONFIG_PROVIDED: return provided_command(function, root, command);
    case CONFIG_NODEJS: return nodejs_command(function, root, command);
    default: return python_command(function, command);
    }
}

enum sluice_error function_command_find(const struct config_function *function,
                                        struct function_command *ret_command)
{
    ret_command->count = 0;
    if (!realpath(function->task_root, ret_command->root)) {
        log_error("function %s cannot be served: its folder %s cannot be entered: %s", function->name,
                  function->task_root, strerror(errno));
        return SLUICE_NOT_FOUND;
    }
    return find_command(function, ret_command->root, ret_command) ? SLUICE_OK : SLUICE_NOT_FOUND;
}

char *function_command_settings(const struct function_command *command, const char *region)
{
    struct buffer out = {0};
    json_write_raw(&out, "{\"command\":[");
    for (size_t i = 0; i < command->count; i++) {
        if (i > 0)
            json_write_raw(&out, ",");
        json_write_string(&out, span_from_string(command->words[i]));
    }
    json_write_raw(&out, "],\"taskRoot\":");
    json_write_string(&out, span_from_string(command->root));
    json_write_raw(&out, ",\"region\":");
    json_write_string(&out, span_from_string(region));
    json_write_raw(&out, "}");
    char *settings = memory_string(buffer_span(&out));
    buffer_fini(&out);
    return settings;
}
