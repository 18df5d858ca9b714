/* gateway_roll_out: what `sluice deploy` and `sluice rollback` ask a running gateway for. */
#include "app/file.h"
#include "app/gateway_internal.h"
#include "app/rollout.h"
#include "app/versions.h"
#include "base/log.h"

#include <errno.h>
#include <unistd.h>

/* The command looks for the reason first, and then whether what it wrote is still there. */
static void on_rolled_out(void *ctx, const char *fault)
{
    const struct gateway *gateway = ctx;
    char refused[PATH_MAX], next[PATH_MAX];
    if (!fault)
        return;
    log_error("deploy: %s; what was live stays so", fault);
    versions_path(gateway->started->data, VERSIONS_REFUSED, refused);
    versions_path(gateway->started->data, VERSIONS_NEXT, next);
    if (file_replace(refused, 0600, span_from_string(fault)) != SLUICE_OK)
        log_error("%s cannot be written: %s", refused, strerror(errno));
    unlink(next);
}

void gateway_roll_out(struct gateway *gateway)
{
    if (!gateway->stopping)
        rollout_start(gateway->functions, on_rolled_out, gateway);
}
