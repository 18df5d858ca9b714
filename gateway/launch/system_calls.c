#include "launch/allowed_calls.h"
#include "launch/launch.h"
#include "launch/sanitizer.h"

#include <errno.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define NEW_NAMESPACES                                                                                       \
    (CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER |            \
     CLONE_NEWUTS | 0x80 /* CLONE_NEWTIME */)

/* A call that is allowed, or answered with an error, when one of its arguments is as given. */
struct conditional_call {
    int call;
    uint32_t action;
    struct scmp_arg_cmp argument;
};

#define ITSELF(name, argument)                                                                               \
    {                                                                                                        \
        SCMP_SYS(name), SCMP_ACT_ALLOW,                                                                      \
        {                                                                                                    \
            argument, SCMP_CMP_EQ, 0, 0                                                                      \
        }                                                                                                    \
    }
#define SOCKET(family, action)                                                                               \
    {                                                                                                        \
        SCMP_SYS(socket), (action),                                                                          \
        {                                                                                                    \
            0, SCMP_CMP_EQ, (family), 0                                                                      \
        }                                                                                                    \
    }

static const struct conditional_call conditional_calls[] = {
    /* Threads and processes, but no namespace. clone3 has its flags in memory, where no filter sees them: it
     * does not exist, and C libraries use clone. */
    {SCMP_SYS(clone), SCMP_ACT_ALLOW, {0, SCMP_CMP_MASKED_EQ, NEW_NAMESPACES, 0}},
    /* Pipes with a name, but no devices. */
    {SCMP_SYS(mknod), SCMP_ACT_ALLOW, {1, SCMP_CMP_MASKED_EQ, S_IFMT, S_IFIFO}},
    {SCMP_SYS(mknodat), SCMP_ACT_ALLOW, {2, SCMP_CMP_MASKED_EQ, S_IFMT, S_IFIFO}},
    /* Limits and priorities of its own, not of the gateway, which may have the same user. */
    ITSELF(prlimit64, 0),
    ITSELF(sched_setaffinity, 0),
    ITSELF(sched_setparam, 0),
    ITSELF(sched_setscheduler, 0),
    ITSELF(sched_setattr, 0),
    ITSELF(setpriority, 1),
    ITSELF(ioprio_set, 1),
    SOCKET(AF_UNIX, SCMP_ACT_ALLOW),
};

static const struct conditional_call network_calls[] = {
    SOCKET(AF_INET, SCMP_ACT_ALLOW), SOCKET(AF_INET6, SCMP_ACT_ALLOW),
    SOCKET(AF_NETLINK, SCMP_ACT_ALLOW), /* which addresses this machine has: name resolution asks */
};

/* EACCES says better than "not implemented" that this is forbidden. */
static const struct conditional_call no_network_calls[] = {
    SOCKET(AF_INET, SCMP_ACT_ERRNO(EACCES)),
    SOCKET(AF_INET6, SCMP_ACT_ERRNO(EACCES)),
};

/* A worker is killed by its process group, which nothing that it starts may leave. */
static const int group_calls[] = {SCMP_SYS(setsid), SCMP_SYS(setpgid)};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int add_conditional(scmp_filter_ctx filter, const struct conditional_call *calls, size_t count)
{
    int error = 0;
    for (size_t i = 0; i < count && !error; i++) {
        if (calls[i].call >= 0)
            error = seccomp_rule_add_array(filter, calls[i].action, calls[i].call, 1, &calls[i].argument);
    }
    return error;
}

static int add_calls(scmp_filter_ctx filter, const struct launch *launch)
{
    int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree of numbers, not a list */
    for (size_t i = 0; i < COUNT(allowed_calls) && !error; i++) {
        if (allowed_calls[i] >= 0)
            error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i], 0);
    }
#ifdef SANITIZER
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ptrace), 0); /* the leak checker's */
#endif
    for (size_t i = 0; i < COUNT(group_calls) && !error; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), group_calls[i], 0);
    if (!error)
        error = add_conditional(filter, conditional_calls, COUNT(conditional_calls));
    if (!error && launch->network == LAUNCH_NO_NETWORK)
        error = add_conditional(filter, no_network_calls, COUNT(no_network_calls));
    else if (!error)
        error = add_conditional(filter, network_calls, COUNT(network_calls));
    return error;
}

int launch_limit_calls(struct launch *launch)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (!filter)
        return ENOMEM;
    int error = add_calls(filter, launch);
    if (!error)
        error = seccomp_load(filter);
    seccomp_release(filter);
    return -error;
}
