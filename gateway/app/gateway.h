/*
 * The gateway: joins net, broker, route, deliver and invoke on one loop. It
 * starts everything a configuration names or nothing, and stops cleanly: the
 * listeners first, then the workers, then the disk.
 */
#ifndef SLUICE_APP_GATEWAY_H
#define SLUICE_APP_GATEWAY_H

#include "app/config.h"

#include <uv.h>

struct gateway;

/* `workers` is the folder with the worker programs; `config` outlives the gateway. On failure the log says
 * what is wrong, nothing runs, and the loop has to be run once more until it is empty. */
enum sluice_error gateway_start(uv_loop_t *loop, const struct config *config, const char *workers,
                                struct gateway **ret_gateway);

/*
 * Loads the configuration's file again with all that it names, and takes up what may change while it runs:
 * access rules, certificates, revocation lists, passwords, tokens, who may be anonymous. All of it or, if
 * anything is wrong, nothing. It takes the loop for as long as the files take to be read and checked.
 * Connections that stay allowed are not touched, the others end at once. The log has the outcome, and so has
 * the data folder (data_lock.h).
 */
void gateway_reload(struct gateway *gateway);

/* `sluice deploy` or `sluice rollback` has written what is to be live; it hears of the outcome in the data
 * folder. */
void gateway_roll_out(struct gateway *gateway);
/* `sluice dlq` has changed the dead letters in the data folder: looks what it wants. */
void gateway_letters_changed(struct gateway *gateway);

/* The files of that function have changed: new workers run it, and nothing that was accepted is lost. */
void gateway_restart_function(struct gateway *gateway, const char *name);

/* Stops and frees; when the loop has run empty it is done. */
void gateway_stop(struct gateway *gateway);

#endif
