#include "launch/launch.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

/* The worker dies with the gateway: said here, because a change of user would undo it, and for workers that
 * do not say it themselves. */
int launch_give_up_privileges(const struct launch *launch)
{
    (void)launch;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return errno;
    return 0;
}
