/*
 * What functions ask of a command that runs them by itself (`sluice invoke`, and
 * `sluice deploy` without a gateway): clocks, random numbers and the loop. There
 * are no messages, so there is no journal, no state and nobody to publish to.
 */
#ifndef SLUICE_APP_COMMAND_HOST_H
#define SLUICE_APP_COMMAND_HOST_H

#include "app/functions.h"

/* Unix epoch. */
uint64_t command_wall_ms(void);
struct functions_host command_host(uv_loop_t *loop);
/* uv_run returns when their workers have ended. */
void command_stop_functions(struct functions *functions);

#endif
