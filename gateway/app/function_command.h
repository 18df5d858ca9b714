/*
 * How a function that speaks the Lambda Runtime API is started: the command of its
 * execution environment, which the runtime worker runs in the function's task root
 * (handlers/runtime). Looks at the file system, so that what is missing there is
 * said when the gateway starts.
 */
#ifndef SLUICE_APP_FUNCTION_COMMAND_H
#define SLUICE_APP_FUNCTION_COMMAND_H

#include "app/config.h"

#include <limits.h>

enum { FUNCTION_COMMAND_WORDS_MAX = 6 };

struct function_command {
    char root[PATH_MAX];                              /* the task root, absolute */
    char words[FUNCTION_COMMAND_WORDS_MAX][PATH_MAX]; /* the program's path, absolute, and its arguments */
    size_t count;
};

/* SLUICE_NOT_FOUND: the log has said what is missing. */
enum sluice_error function_command_find(const struct config_function *function,
                                        struct function_command *ret_command);
/* The runtime worker's settings as JSON, for memory_free. */
char *function_command_settings(const struct function_command *command, const char *region);

#endif
