#include "lambda_session.h"

#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORKER_FD = 3, READ_BYTES = 64 * 1024, MUCH_TIME_MS = 60 * 1000 };

/* ---- Processes ---- */

static pid_t spawn(const char *const *arguments, const char *const *environment, int from, int to)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, from, to);
    int failed = posix_spawn(&pid, arguments[0], &actions, NULL, (char *const *)(uintptr_t)arguments,
                             (char *const *)(uintptr_t)environment);
    posix_spawn_file_actions_destroy(&actions);
    assert_int_equal(failed, 0);
    return pid;
}

static int status_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

void mock_start(struct mock *mock, const char *token)
{
    int input[2], output[2];
    char line[16] = "";
    const char *const arguments[] = {MOCK_LAMBDA, TEST_KEY_ID, TEST_SECRET, "eu-west-1", token, NULL};
    const char *const environment[] = {NULL};
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
    assert_int_equal(posix_spawn(&mock->pid, MOCK_LAMBDA, &actions, NULL, (char *const *)(uintptr_t)arguments,
                                 (char *const *)(uintptr_t)environment),
                     0);
    posix_spawn_file_actions_destroy(&actions);
    close(input[0]);
    close(output[1]);
    assert_true(read(output[0], line, sizeof line - 1) > 1);
    close(output[0]);
    mock->input = input[1];
    mock->port = (unsigned)strtoul(line, NULL, 10);
}

void mock_stop(struct mock *mock)
{
    close(mock->input);
    assert_int_equal(status_of(mock->pid), 0);
}

/* ---- Frames ---- */

static void send_span(int fd, struct span bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        assert_true(sent > 0);
        bytes = span_skip(bytes, (size_t)sent);
    }
}

static void send_frame(struct session *session, const struct worker_frame *frame)
{
    struct worker_frame_parts parts;
    assert_int_equal(worker_frame_encode(frame, &parts), SLUICE_OK);
    send_span(session->fd, span_of(parts.head, parts.head_len));
    for (size_t i = 0; i < WORKER_FRAME_TAIL_COUNT; i++)
        send_span(session->fd, parts.tails[i]);
}

const char *session_settings(unsigned port, const char *function, const char *more)
{
    static char settings[1024];
    snprintf(settings, sizeof settings,
             "{\"function\":\"%s\",\"region\":\"eu-west-1\",\"endpoint\":\"http://127.0.0.1:%u\"%s}",
             function, port, more);
    return settings;
}

void session_start(struct session *session, const char *const *environment, const char *settings)
{
    int ends[2];
    char json[2048];
    const char *with_fd[16] = {"SLUICE_WORKER_FD=3"};
    for (size_t i = 0; environment[i]; i++)
        with_fd[i + 1] = environment[i];
    *session = (struct session){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const char *const arguments[] = {LAMBDA_WORKER, NULL};
    session->pid = spawn(arguments, with_fd, ends[1], WORKER_FD);
    session->fd = ends[0];
    close(ends[1]);
    struct worker_frame init = {.type = WORKER_INIT};
    snprintf(json, sizeof json, "{\"protocol\":1,\"functionName\":\"archive\",\"settings\":%s}", settings);
    init.init = span_from_string(json);
    send_frame(session, &init);
}

void session_start_ready(struct session *session, const struct mock *mock, const char *more)
{
    const char *const environment[] = {"AWS_ACCESS_KEY_ID=" TEST_KEY_ID, "AWS_SECRET_ACCESS_KEY=" TEST_SECRET,
                                       NULL};
    struct worker_frame frame;
    session_start(session, environment, session_settings(mock->port, "archive", more));
    assert_true(session_receive(session, &frame));
    assert_int_equal(frame.type, WORKER_READY);
}

void session_invoke(struct session *session, uint64_t invocation, struct span event, unsigned timeout_ms)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct worker_frame frame = {.type = WORKER_INVOKE, .invocation = invocation};
    frame.invoke.deadline_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + timeout_ms;
    frame.invoke.context = SPAN_LITERAL("{\"requestId\":\"8476a536\",\"attempt\":1}");
    frame.invoke.event = event;
    send_frame(session, &frame);
}

void session_shut_down(struct session *session)
{
    send_frame(session, &(struct worker_frame){.type = WORKER_SHUTDOWN});
}

static bool fill(struct session *session)
{
    ssize_t got = read(session->fd, buffer_reserve(&session->input, READ_BYTES), READ_BYTES);
    assert_true(got >= 0);
    buffer_grown(&session->input, (size_t)got);
    return got > 0;
}

static void keep_log(struct session *session, struct span text)
{
    session->log_count++;
    snprintf(session->log, sizeof session->log, "%.*s", (int)text.len, (const char *)text.data);
}

bool session_receive(struct session *session, struct worker_frame *ret_frame)
{
    for (;;) {
        buffer_consume(&session->input, session->frame_bytes);
        session->frame_bytes = 0;
        enum sluice_error error = worker_frame_decode(buffer_span(&session->input), WORKER_PEER_WORKER,
                                                      ret_frame, &session->frame_bytes);
        if (error == SLUICE_OK && ret_frame->type == WORKER_LOG) {
            keep_log(session, ret_frame->log.text);
        } else if (error == SLUICE_OK) {
            return true;
        } else {
            assert_int_equal(error, SLUICE_AGAIN);
            session->frame_bytes = 0;
            if (!fill(session))
                return false;
        }
    }
}

struct worker_frame session_ask(struct session *session, const char *event)
{
    struct worker_frame answer;
    session_invoke(session, 7, span_from_string(event), MUCH_TIME_MS);
    assert_true(session_receive(session, &answer));
    assert_int_equal(answer.invocation, 7);
    return answer;
}

int session_end(struct session *session)
{
    close(session->fd);
    buffer_fini(&session->input);
    return status_of(session->pid);
}
