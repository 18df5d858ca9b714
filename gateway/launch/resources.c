#include "launch/launch.h"
#include "launch/sanitizer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Of 1000: a function that eats the machine's memory is killed before the gateway and its neighbours. */
static const char oom_score[] = "500";

enum { LOWEST_PRIORITY = 19 };

static int limit(int resource, uint64_t most)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)resource, &now) != 0)
        return errno;
    if (now.rlim_max != RLIM_INFINITY && now.rlim_max < most)
        most = now.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &(struct rlimit){most, most}) == 0 ? 0 : errno;
}

/* Each session may be a group of its own to the scheduler; then a priority counts only inside the group, and
 * the group has one too. The system takes few changes of those a second from who is not root (EAGAIN), and
 * none for the sessions that are in no such group (EINVAL), as they are when none began since the boot. */
static int lower_priority(int by)
{
    char text[16];
    errno = 0;
    int priority = getpriority(PRIO_PROCESS, 0) + by;
    if (priority > LOWEST_PRIORITY)
        priority = LOWEST_PRIORITY;
    if (errno || setpriority(PRIO_PROCESS, 0, priority) != 0)
        return errno;
    snprintf(text, sizeof text, "%d", priority);
    int error = launch_write_file("/proc/self/autogroup", text);
    return error == ENOENT || error == EAGAIN || error == EINVAL ? 0 : error;
}

/* Where others have the same user, their processes would count too. */
int launch_limit_processes(struct launch *launch)
{
    if (launch->process_count == 0)
        return 0;
    return launch->own_processes ? limit(RLIMIT_NPROC, launch->process_count) : EPERM;
}

int launch_limit_resources(struct launch *launch)
{
    const struct {
        int resource;
        uint64_t most;
        bool wanted;
    } limits[] = {
        {RLIMIT_CORE, 0, true}, /* what it held is not left on the disk */
        {RLIMIT_NOFILE, launch->open_file_count, launch->open_file_count > 0},
#ifndef SANITIZER
        {RLIMIT_DATA, launch->data_bytes, launch->data_bytes > 0},
#endif
    };
    int error = 0;
    for (size_t i = 0; i < sizeof limits / sizeof *limits && !error; i++) {
        if (limits[i].wanted)
            error = limit(limits[i].resource, limits[i].most);
    }
    if (!error)
        error = launch_write_file("/proc/self/oom_score_adj", oom_score);
    if (!error && launch->nice > 0)
        error = lower_priority(launch->nice);
    return error;
}
