#include "launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

static const char scratch[] = LAUNCH_SCRATCH "/";

/* Who is not root may have namespaces only inside one of users; there it stays who it is. */
static int enter_user_namespace(void)
{
    uid_t user = geteuid();
    gid_t group = getegid();
    char users[32], groups[32];
    snprintf(users, sizeof users, "%u %u 1", (unsigned)user, (unsigned)user);
    snprintf(groups, sizeof groups, "%u %u 1", (unsigned)group, (unsigned)group);
    if (unshare(CLONE_NEWUSER) != 0)
        return errno;
    int error = launch_write_file("/proc/self/setgroups", "deny");
    if (!error)
        error = launch_write_file("/proc/self/uid_map", users);
    return error ? error : launch_write_file("/proc/self/gid_map", groups);
}

int launch_enter_namespaces(struct launch *launch)
{
    if (launch->scratch_bytes == 0 && launch->process_count == 0 && launch->network != LAUNCH_LOOPBACK)
        return 0;
    if (geteuid() != 0) {
        int error = enter_user_namespace();
        if (error)
            return error;
        launch->own_processes = true; /* they are counted inside the namespace */
    }
    launch->may_mount = unshare(CLONE_NEWNS) == 0;
    return launch->may_mount ? 0 : errno;
}

int launch_leave_network(struct launch *launch)
{
    if (launch->network != LAUNCH_LOOPBACK)
        return 0;
    int fd = -1, error = 0;
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (unshare(CLONE_NEWNET) != 0 || (fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0 ||
        ioctl(fd, SIOCSIFFLAGS, &loopback) != 0)
        error = errno;
    if (fd >= 0)
        close(fd);
    return error;
}

/* What it may read or write in the machine's /tmp would be gone, or writable, in its own. */
static bool needs_old(const struct launch_paths *paths)
{
    char real[PATH_MAX];
    bool needs = false;
    for (size_t i = 0; i < paths->count; i++)
        needs |= realpath(paths->items[i], real) && strncmp(real, scratch, sizeof scratch - 1) == 0;
    return needs;
}

/* A file system in memory, which goes with the worker. */
int launch_make_scratch(struct launch *launch)
{
    char options[128];
    if (launch->scratch_bytes == 0)
        return 0;
    if (!launch->may_mount)
        return EPERM;
    if (needs_old(&launch->read) || needs_old(&launch->code) || needs_old(&launch->write))
        return EBUSY;
    uid_t user = launch->user ? launch->user : geteuid();
    gid_t group = launch->user ? launch->user : getegid();
    snprintf(options, sizeof options, "mode=700,size=%llu,nr_inodes=65536,uid=%u,gid=%u",
             (unsigned long long)launch->scratch_bytes, (unsigned)user, (unsigned)group);
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", LAUNCH_SCRATCH, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0)
        return errno;
    launch->write.items[launch->write.count++] = LAUNCH_SCRATCH;
    return 0;
}
