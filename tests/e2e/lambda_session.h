/*
 * The gateway's side of one `lambda` worker, and the mock that it invokes: starts
 * both as processes, sends frames, receives answers. For one thread of a cmocka
 * program; whatever goes wrong fails the test. Frames are views until the next
 * session_receive.
 */
#ifndef SLUICE_TEST_LAMBDA_SESSION_H
#define SLUICE_TEST_LAMBDA_SESSION_H

#include "base/buffer.h"
#include "invoke/worker_protocol.h"

#include <sys/types.h>

#define TEST_KEY_ID "AKIDEXAMPLE"
#define TEST_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

struct mock {
    pid_t pid;
    int input; /* closing it ends the mock */
    unsigned port;
};

/* `token` NULL: long-term credentials. */
void mock_start(struct mock *mock, const char *token);
void mock_stop(struct mock *mock);

struct session {
    pid_t pid;
    int fd;
    struct buffer input;
    size_t frame_bytes; /* of the frame that was received last */
    int log_count;      /* LOG frames so far, and the text of the last */
    char log[1024];
};

/* Starts the worker with `environment` (NULL-terminated) and sends INIT with these settings. */
void session_start(struct session *session, const char *const *environment, const char *settings);
/* The settings of a function at an endpoint on this machine. */
const char *session_settings(unsigned port, const char *function, const char *more);
/* session_start with the mock's credentials, and READY awaited. */
void session_start_ready(struct session *session, const struct mock *mock, const char *more);
void session_invoke(struct session *session, uint64_t invocation, struct span event, unsigned timeout_ms);
void session_shut_down(struct session *session);
/* The next frame that is no LOG; false at the end of file. */
bool session_receive(struct session *session, struct worker_frame *ret_frame);
/* Invokes with much time, and receives the answer. */
struct worker_frame session_ask(struct session *session, const char *event);
/* Closes the socket, and gives the status that the worker exits with. */
int session_end(struct session *session);

#endif
