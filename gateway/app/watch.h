/*
 * What `sluice run --watch` looks at: the configuration file, and the files that
 * functions are made of. It looks at folders, because tools put a new file in the
 * place of an old one; what comes together (a linker writes for a while) is told
 * once, when nothing has come for 200 ms.
 *
 * A native function is its shared object; any other is what lies in its handler's
 * folder, but for hidden files, copies that end with ~, and folders.
 *
 * The loop's thread; it does not keep the loop running. The configuration outlives
 * it. Only as many folders as there are functions, and one.
 */
#ifndef SLUICE_APP_WATCH_H
#define SLUICE_APP_WATCH_H

#include "app/config.h"

#include <uv.h>

struct watch;

/* Never called from inside a function of this header, and watch_stop may be called in them. */
struct watch_hooks {
    void *ctx;
    void (*config_changed)(void *ctx);
    void (*function_changed)(void *ctx, const struct config_function *function);
};

/* A folder that cannot be watched is a warning in the log. */
struct watch *watch_start(uv_loop_t *loop, const struct config *config, const struct watch_hooks *hooks);
/* Nothing is told any more; it frees itself in the loop. */
void watch_stop(struct watch *watch); /* NULL is allowed */

#endif
