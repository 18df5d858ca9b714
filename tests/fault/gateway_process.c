#include "gateway_process.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    LOG_READ_BYTES = 4096,
    HANG_MS = 60000, /* after which a machine is taken to hang; no measure of time */
};

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static _Noreturn void give_up(const struct gateway_process *gateway, const char *what)
{
    struct span log = buffer_span(&gateway->log);
    fwrite(log.data, 1, log.len, stderr);
    log_fatal("the gateway %s", what);
}

static _Noreturn void run_gateway(const struct gateway_process *gateway, int output)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execl(gateway->program, gateway->program, "run", "--config", gateway->config_file, (char *)NULL);
    _exit(127);
}

/* False at the end of the log. */
static bool read_log(struct gateway_process *gateway)
{
    ssize_t count;
    while ((count = read(gateway->log_fd, buffer_reserve(&gateway->log, LOG_READ_BYTES), LOG_READ_BYTES)) > 0)
        buffer_grown(&gateway->log, (size_t)count);
    return count < 0 && errno == EAGAIN;
}

/* The text behind `words` in the log, or NULL. */
static const char *find_in_log(const struct gateway_process *gateway, const char *words)
{
    struct span log = buffer_span(&gateway->log);
    const char *found = log.len ? memmem(log.data, log.len, words, strlen(words)) : NULL;
    return found ? found + strlen(words) : NULL;
}

static void wait_until_ready(struct gateway_process *gateway)
{
    while (!find_in_log(gateway, "sluice is ready\n")) {
        struct pollfd poll_fd = {.fd = gateway->log_fd, .events = POLLIN};
        if (poll(&poll_fd, 1, HANG_MS) <= 0)
            give_up(gateway, "does not start");
        if (!read_log(gateway) && !find_in_log(gateway, "sluice is ready\n"))
            give_up(gateway, "ended instead of starting");
    }
    const char *port = find_in_log(gateway, "mqtt listens on 127.0.0.1:");
    if (!port)
        give_up(gateway, "does not say where it listens");
    gateway->port = (uint16_t)strtoul(port, NULL, 10);
}

void gateway_process_start(struct gateway_process *gateway)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* its workers become this process's children when it is killed */
    buffer_consume(&gateway->log, buffer_len(&gateway->log));
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        log_fatal("there is no pipe to be had");
    uint64_t start_us = now_us();
    gateway->pid = fork();
    if (gateway->pid == 0)
        run_gateway(gateway, ends[1]);
    if (gateway->pid < 0)
        log_fatal("there is no process to be had");
    close(ends[1]);
    gateway->log_fd = ends[0];
    fcntl(gateway->log_fd, F_SETFL, O_NONBLOCK);
    wait_until_ready(gateway);
    gateway->ready_us = now_us() - start_us;
}

void gateway_process_log(struct gateway_process *gateway)
{
    if (!read_log(gateway))
        give_up(gateway, "ended by itself");
}

static int wait_for_end(struct gateway_process *gateway)
{
    int status;
    if (waitpid(gateway->pid, &status, 0) != gateway->pid)
        log_fatal("the gateway cannot be waited for");
    gateway->pid = 0;
    read_log(gateway);
    close(gateway->log_fd);
    return status;
}

void gateway_process_kill(struct gateway_process *gateway)
{
    kill(gateway->pid, SIGKILL);
    int status = wait_for_end(gateway);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        give_up(gateway, "had ended before it was killed");
}

int gateway_process_stop(struct gateway_process *gateway)
{
    kill(gateway->pid, SIGTERM);
    int status = wait_for_end(gateway);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void gateway_process_reap(void)
{
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
}
