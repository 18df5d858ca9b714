/*
 * What `sluice deploy`, `sluice rollback` and `sluice versions` share: they change
 * what is in DATA/functions (app/versions.h), one of them at a time, and have it
 * taken up, by the gateway that has the data folder or, where none runs, by
 * themselves. A process of its own; blocks. Errors are said on standard error.
 */
#ifndef SLUICE_APP_DEPLOY_H
#define SLUICE_APP_DEPLOY_H

#include "app/config.h"
#include "app/versions.h"

struct deploy {
    const char *command; /* for what it says */
    const struct config *config;
    struct versions *versions; /* what is; changed by the commands, then what is to be */
    int lock;                  /* of DATA/functions/deploying */
};

/* Takes the lock, makes the folders where they are not there, and reads what is. */
enum sluice_error deploy_begin(const char *command, const struct config *config, struct deploy *ret_deploy);
/* deploy_submit.c: has deploy->versions taken up, when all that it makes live has started. */
enum sluice_error deploy_submit(const struct deploy *deploy);
/* Deletes the code that no version has any more and that nobody runs. */
void deploy_prune(const struct deploy *deploy);
void deploy_end(struct deploy *deploy);

/* deploy_package.c: copies a function's package into the data folder, where it is by its hash. ret_version
 * gets `code` and what else the version has of the function's configuration, which it uses; ret_code, of
 * FILE_TREE_HASH_BYTES, is what `code` points to. */
enum sluice_error deploy_package(const struct deploy *deploy, const struct config *project,
                                 const struct config_function *function, char *ret_code,
                                 struct version *ret_version);

#endif
