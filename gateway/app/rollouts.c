/* gateway_roll_out, gateway_refuse_rollout: what `sluice deploy` and `sluice rollback` ask a running gateway
 * for. */
#include "app/file.h"
#include "app/gateway_internal.h"
#include "app/rollout.h"
#include "app/versions.h"
#include "base/log.h"

#include <errno.h>
#include <unistd.h>

/* The command waits until `refused`, which it has left empty, says why, or is no more (app/versions.h). */
static void on_rolled_out(void *ctx, const char *fault)
{
    const struct gateway *gateway = ctx;
    char refused[PATH_MAX], next[PATH_MAX];
    versions_path(gateway->started->data, VERSIONS_REFUSED, refused);
    versions_path(gateway->started->data, VERSIONS_NEXT, next);
    if (!fault) {
        unlink(refused);
        return;
    }
    log_error("deploy: %s; what was live stays so", fault);
    unlink(next);
    if (file_replace(refused, 0600, span_from_string(fault)) == SLUICE_OK)
        return;
    log_error("%s cannot be written: %s", refused, strerror(errno));
    unlink(refused);
}

void gateway_roll_out(struct gateway *gateway)
{
    if (!gateway->stopping)
        rollout_start(gateway->functions, on_rolled_out, gateway);
}

void gateway_refuse_rollout(struct gateway *gateway)
{
    char next[PATH_MAX];
    versions_path(gateway->started->data, VERSIONS_NEXT, next);
    if (access(next, F_OK) == 0)
        on_rolled_out(gateway, "the gateway has just started; try again");
}
