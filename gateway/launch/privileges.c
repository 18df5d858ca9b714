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
    if ((launch->reads_any && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) || setgroups(0, NULL) != 0 ||
        setresgid(launch->user, launch->user, launch->user) != 0 ||
        setresuid(launch->user, launch->user, launch->user) != 0)
        return errno;
    launch->own_processes = true;
    return 0;
}

/* Also what root would get back with the next program, and what the namespaces have given. */
static void drop_from_bounds(int kept)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
        if (capability != kept)
            prctl(PR_CAPBSET_DROP, capability, 0, 0,
                  0); /* refused to who has none: then there are none to drop */
    }
}

/* All but one: the worker of a private key has another user than the key. What else that could read, Landlock
 * keeps from it. */
static int drop_capabilities(bool keeps_reading)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct kept[_LINUX_CAPABILITY_U32S_3] = {{0}};
    drop_from_bounds(keeps_reading ? CAP_DAC_READ_SEARCH : -1);
    if (keeps_reading)
        kept[0].effective = kept[0].permitted = kept[0].inheritable = 1U << CAP_DAC_READ_SEARCH;
    if (syscall(SYS_capset, &header, kept) != 0 ||
        (keeps_reading && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) != 0))
        return errno;
    return 0;
}

/* The worker dies with the gateway: said here, because a change of user would undo it, and for workers that
 * do not say it themselves. */
int launch_give_up_privileges(struct launch *launch)
{
    int error = drop_capabilities(launch->reads_any && launch->user > 0);
    if (!error && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0))
        error = errno;
    return error;
}
