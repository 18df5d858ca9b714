/*
 * How the workers of a function are confined: the launcher (gateway/launch) and
 * its options, made from the configuration. What a function may do stands in
 * handlers/README.md.
 *
 * The loop's thread, at start. `sandbox_check` waits for the launcher, which tries
 * everything once and says what this system does not allow: some milliseconds.
 */
#ifndef SLUICE_APP_SANDBOX_H
#define SLUICE_APP_SANDBOX_H

#include "app/config.h"
#include "app/function_command.h"

/* `workers` is the folder of the worker programs. What cannot be had is one warning; where all is required,
 * an error in the log and SLUICE_DENIED. SLUICE_IO: the launcher cannot be run; the log says why. */
enum sluice_error sandbox_check(const struct config *config, const char *workers);

/* What comes in front of `worker`, the path of its program; NULL-terminated, to be released by
 * sandbox_launcher_free; NULL where nothing is confined. `command` is empty where the worker itself runs the
 * function. */
char **sandbox_launcher(const struct config *config, const struct config_function *function,
                        const struct function_command *command, const char *workers, const char *worker);
/* A number that is another one when a file of keys or certificates that its worker was given, or that of the
 * resolver, has been replaced; always the same one for a function that runs here. */
uint64_t sandbox_files(const struct config *config, const struct config_function *function);
void sandbox_launcher_free(char **launcher); /* NULL is allowed */

#endif
