#include "launch/launch.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int launch_become_user(struct launch *launch)
{
    if (launch->user == 0)
        return 0;
    if (setgroups(0, NULL) != 0 || setresgid(launch->user, launch->user, launch->user) != 0 ||
        setresuid(launch->user, launch->user, launch->user) != 0)
        return errno;
    launch->own_processes = true;
    return 0;
}

/* Also what root would get back with the next program, and what the namespaces have given. */
static int drop_capabilities(void)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        prctl(PR_CAPBSET_DROP, capability, 0, 0,
              0); /* refused to who has none: then there are none to drop */
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capset, &header, none) == 0 ? 0 : errno;
}

/* The worker dies with the gateway: said here, because a change of user would undo it, and for workers that
 * do not say it themselves. */
int launch_give_up_privileges(struct launch *launch)
{
    (void)launch;
    int error = drop_capabilities();
    if (!error && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0))
        error = errno;
    return error;
}
