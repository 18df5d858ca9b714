#include "runtime/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the parent ignores must not be ignored by what it starts: `true | false` in a shell needs SIGPIPE. */
static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The launcher may have done the same, but not where it may not confine, or is built with a sanitizer. */
static void limit_memory(uint64_t bytes)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_max < bytes)
        return;
    limit.rlim_cur = limit.rlim_max = bytes;
    setrlimit(RLIMIT_DATA, &limit);
}

/* In the child, between fork and exec: system calls only. Ends by telling the parent the error. */
static _Noreturn void become(const struct environment_config *config, pid_t parent, int error_fd)
{
    reset_signals();
    if (config->memory_bytes > 0)
        limit_memory(config->memory_bytes);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it died before prctl */
    if (chdir(config->folder) == 0)
        execve(config->command[0], (char *const *)(uintptr_t)config->command,
               (char *const *)(uintptr_t)config->variables);
    int error = errno;
    ssize_t written = write(error_fd, &error, sizeof error);
    (void)written;
    _exit(1);
}

/* 0, or what kept the child from becoming the command. */
static int spawn(struct environment *environment, const struct environment_config *config)
{
    int ends[2], error = 0;
    pid_t parent = getpid();
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    environment->pid = fork();
    if (environment->pid == 0)
        become(config, parent, ends[1]);
    if (environment->pid < 0) {
        error = errno;
        environment->pid = 0;
    }
    close(ends[1]);
    while (!error && read(ends[0], &error, sizeof error) < 0 && errno == EINTR)
        ;
    close(ends[0]);
    return error;
}

static void on_child(uv_signal_t *signal, int number)
{
    struct environment *environment = signal->data;
    int status;
    (void)number;
    if (environment->pid == 0 || waitpid(environment->pid, &status, WNOHANG) != environment->pid)
        return;
    environment->pid = 0;
    environment->on_exit(environment->ctx, status);
}

bool environment_start(struct environment *environment, uv_loop_t *loop,
                       const struct environment_config *config, void (*on_exit)(void *ctx, int status),
                       void *ctx, char *error, size_t error_bytes)
{
    environment->on_exit = on_exit;
    environment->ctx = ctx;
    uv_signal_init(loop, &environment->child_signal);
    environment->child_signal.data = environment;
    uv_signal_start(&environment->child_signal, on_child, SIGCHLD);
    int failed = spawn(environment, config);
    if (!failed)
        return true;
    snprintf(error, error_bytes, "%s cannot be started in %s: %s", config->command[0], config->folder,
             strerror(failed));
    if (environment->pid)
        waitpid(environment->pid, NULL, 0);
    environment->pid = 0;
    return false;
}

void environment_terminate(const struct environment *environment)
{
    if (environment->pid)
        kill(0, SIGTERM);
}

void environment_close(struct environment *environment)
{
    uv_close((uv_handle_t *)&environment->child_signal, NULL);
}
