#include "launch_acts.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MEGABYTE = 1024 * 1024 };

/* 0 where the call did not fail. */
static int done(long result)
{
    return result >= 0 ? 0 : errno;
}

static int read_path(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? errno : done(read(fd, &byte, 1));
}

static int list_folder(const char *path)
{
    return done(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int write_path(const char *path)
{
    return done(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int run_program(const char *path)
{
    execl(path, path, (char *)NULL);
    return errno;
}

static int make_device(const char *path)
{
    return done(mknod(path, S_IFCHR | 0600, 0));
}

static int make_pipe(const char *path)
{
    return done(mkfifo(path, 0600));
}

static int open_internet(const char *none)
{
    (void)none;
    return done(socket(AF_INET, SOCK_STREAM, 0));
}

static int open_internet6(const char *none)
{
    (void)none;
    return done(socket(AF_INET6, SOCK_DGRAM, 0));
}

static int reach(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((in_port_t)port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : done(connect(fd, (struct sockaddr *)&address, sizeof address));
}

static int reach_port(const char *port)
{
    return reach(atoi(port));
}

static int reach_itself(const char *none)
{
    (void)none;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return errno;
    return reach(ntohs(address.sin_port));
}

static int be_user(const char *number)
{
    uid_t user = (uid_t)atol(number);
    return getuid() == user && geteuid() == user && getgid() == user && getgroups(0, NULL) == 0 ? 0 : EINVAL;
}

static int open_packets(const char *none)
{
    (void)none;
    return done(socket(AF_PACKET, SOCK_RAW, 0));
}

static int open_local(const char *none)
{
    (void)none;
    return done(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int trace(const char *process)
{
    return done(ptrace(PTRACE_ATTACH, atoi(process), NULL, NULL));
}

static int read_memory(const char *process)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)&launch_act, 1};
    return done(process_vm_readv(atoi(process), &here, 1, &there, 1, 0));
}

static int open_memory(const char *process)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/mem", process);
    return done(open(path, O_RDWR | O_CLOEXEC));
}

static int send_signal(const char *process)
{
    return done(kill(atoi(process), 0));
}

static int limit_other(const char *process)
{
    return done(prlimit(atoi(process), RLIMIT_CORE, &(struct rlimit){0, 0}, NULL));
}

static int slow_other(const char *process)
{
    return done(setpriority(PRIO_PROCESS, (id_t)atoi(process), 19));
}

static int have_priority(const char *number)
{
    return getpriority(PRIO_PROCESS, 0) == atoi(number) ? 0 : EINVAL;
}

static int leave_group(const char *none)
{
    (void)none;
    pid_t child = fork(); /* the first of a group may not leave it anyway */
    if (child == 0)
        _exit(done(setsid()));
    int status;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

static int make_namespace(const char *none)
{
    (void)none;
    return done(unshare(CLONE_NEWUSER));
}

static int mount_folder(const char *path)
{
    return done(mount("none", path, "tmpfs", 0, NULL));
}

static int call_by_number(const char *number)
{
    return done(syscall(atol(number), 0, 0, 0, 0, 0, 0));
}

/* EEXIST where a descriptor besides the standard ones and the worker's is open. */
static int find_descriptor(const char *none)
{
    (void)none;
    for (int fd = 4; fd < 1024; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            return EEXIST;
    }
    return 0;
}

static int open_files(const char *number)
{
    for (int i = atoi(number); i > 0; i--) {
        if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
            return errno;
    }
    return 0;
}

/* As a fork bomb does; the children go when their parent, with whose group they are killed, is gone. */
static int start_processes(const char *number)
{
    for (int i = atoi(number); i > 0; i--) {
        pid_t child = fork();
        if (child < 0)
            return errno;
        while (child == 0)
            pause();
    }
    return 0;
}

static int take_megabytes(const char *number)
{
    for (int i = atoi(number); i > 0; i--) {
        char *memory = malloc(MEGABYTE);
        if (!memory)
            return errno;
        memset(memory, 1, MEGABYTE);
    }
    return 0;
}

static int fork_without_end(const char *none)
{
    (void)none;
    while (getpid() > 0)
        fork();
    return 0;
}

static int loop(const char *none)
{
    (void)none;
    volatile int goes_on = 1;
    while (goes_on)
        continue;
    return 0;
}

static int crash(const char *none)
{
    (void)none;
    signal(SIGSEGV, SIG_DFL); /* no report of a sanitizer */
    return done(raise(SIGSEGV));
}

static int print_gigabyte(const char *none)
{
    (void)none;
    char line[1024];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < MEGABYTE; i++) {
        if (write(STDOUT_FILENO, line, sizeof line) < 0)
            return errno;
    }
    return 0;
}

/* ENOSPC, and the file is gone again. */
static int fill(const char *path)
{
    static char megabyte[MEGABYTE];
    int error = 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; fd >= 0 && i < 64 && !error; i++)
        error = done(write(fd, megabyte, sizeof megabyte));
    if (fd < 0)
        return errno;
    close(fd);
    unlink(path);
    return error;
}

/* Keeps its parent's death signal through exec: EINVAL where there is none. */
static int die_with_parent(const char *none)
{
    (void)none;
    int signal_number = 0;
    syscall(SYS_prctl, 2 /* PR_GET_PDEATHSIG */, &signal_number, 0, 0, 0);
    return signal_number == SIGKILL ? 0 : EINVAL;
}

static const struct {
    const char *name;
    int (*run)(const char *argument);
} acts[] = {
    {"read", read_path},
    {"list", list_folder},
    {"write", write_path},
    {"run", run_program},
    {"make a device", make_device},
    {"make a pipe", make_pipe},
    {"open an internet socket", open_internet},
    {"open an internet 6 socket", open_internet6},
    {"open a packet socket", open_packets},
    {"open a local socket", open_local},
    {"reach this process", reach_port},
    {"reach itself", reach_itself},
    {"be user", be_user},
    {"trace", trace},
    {"read the memory of", read_memory},
    {"open the memory of", open_memory},
    {"signal", send_signal},
    {"limit", limit_other},
    {"slow down", slow_other},
    {"have priority", have_priority},
    {"leave the group", leave_group},
    {"make a namespace", make_namespace},
    {"mount", mount_folder},
    {"call", call_by_number},
    {"find a descriptor", find_descriptor},
    {"open files", open_files},
    {"start processes", start_processes},
    {"take megabytes", take_megabytes},
    {"fork without end", fork_without_end},
    {"loop", loop},
    {"crash", crash},
    {"print a gigabyte", print_gigabyte},
    {"fill", fill},
    {"die with the parent", die_with_parent},
};

int launch_act(const char *act, const char *argument)
{
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        if (strcmp(acts[i].name, act) == 0)
            return acts[i].run(argument);
    }
    abort();
}
