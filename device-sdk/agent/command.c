#include "agent/command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int spawn(const char *text, int input, int output, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    if (input >= 0)
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    else
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    /* A process group of its own, so that what it started can be killed with it. */
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    const char *arguments[] = {"sh", "-c", text, NULL};
    int error = posix_spawn(ret_pid, "/bin/sh", &actions, &attributes, (char **)(void *)arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* A descriptor that gives these bytes and then ends; -1: there is none. */
static int input_of(const void *data, size_t len)
{
    int ends[2];
    if (len > PIPE_BUF || pipe2(ends, O_CLOEXEC))
        return -1;
    ssize_t written = write(ends[1], data, len); /* an empty pipe takes so much at once */
    close(ends[1]);
    if (written == (ssize_t)len)
        return ends[0];
    close(ends[0]);
    return -1;
}

static bool start(struct command *command, const char *text, int input, uint64_t now_ms)
{
    int ends[2];
    command->succeeded = false;
    command->output_bytes = 0;
    if (pipe2(ends, O_CLOEXEC))
        return false;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pid_t pid;
    int error = spawn(text, input, ends[1], &pid);
    close(ends[1]);
    if (error) {
        close(ends[0]);
        return false;
    }
    command->pid = pid;
    command->descriptor = ends[0];
    command->deadline_ms = now_ms + command->timeout_ms;
    return true;
}

bool command_start(struct command *command, const char *text, uint64_t now_ms)
{
    return start(command, text, -1, now_ms);
}

bool command_start_with(struct command *command, const char *text, const void *input, size_t input_bytes,
                        uint64_t now_ms)
{
    int descriptor = input_of(input, input_bytes);
    if (descriptor < 0)
        return false;
    bool started = start(command, text, descriptor, now_ms);
    close(descriptor);
    return started;
}

static void close_output(struct command *command)
{
    if (command->descriptor >= 0)
        close(command->descriptor);
    command->descriptor = -1;
}

static void read_output(struct command *command)
{
    char rest[256];
    while (command->descriptor >= 0) {
        size_t room = sizeof command->output - 1 - command->output_bytes;
        char *place = room ? command->output + command->output_bytes : rest;
        ssize_t len = read(command->descriptor, place, room ? room : sizeof rest);
        if (len < 0 && errno != EINTR)
            return;
        if (len == 0)
            close_output(command);
        if (len > 0 && room)
            command->output_bytes += (size_t)len;
    }
}

void command_stop(struct command *command)
{
    if (command->pid == 0)
        return;
    kill(-command->pid, SIGKILL);
    waitpid(command->pid, NULL, 0);
    command->pid = 0;
    close_output(command);
}

/* It is over when it has ended, even if something that it left behind holds its output open. */
bool command_running(struct command *command, uint64_t now_ms)
{
    if (command->pid == 0)
        return false;
    int status;
    bool ended = waitpid(command->pid, &status, WNOHANG) == command->pid;
    read_output(command);
    command->output[command->output_bytes] = '\0';
    if (ended) {
        command->succeeded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        kill(-command->pid, SIGKILL);
        command->pid = 0;
        close_output(command);
    } else if (now_ms >= command->deadline_ms) {
        command_stop(command);
    }
    return command->pid != 0;
}
