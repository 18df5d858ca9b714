/*
 * A worker that does what its events say, good and bad, for supervisor_test.c.
 * Its first argument says how it starts, the second its concurrency.
 */
#include "worker/worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void write_raw(struct worker *worker, const void *bytes, size_t len)
{
    if (write(worker_fd(worker), bytes, len) < 0)
        exit(4);
}

static void echo(struct worker *worker, const struct worker_frame *invoke)
{
    worker_send_result(worker, invoke->invocation, invoke->invoke.event);
}

static void exit_3(struct worker *worker, const struct worker_frame *invoke)
{
    (void)worker;
    (void)invoke;
    exit(3);
}

static void be_killed(struct worker *worker, const struct worker_frame *invoke)
{
    (void)worker;
    (void)invoke;
    raise(SIGKILL);
}

static void leave_open(struct worker *worker, const struct worker_frame *invoke)
{
    (void)worker;
    (void)invoke;
}

static void be_deaf(struct worker *worker, const struct worker_frame *invoke)
{
    (void)worker;
    (void)invoke;
    for (;;)
        pause();
}

static void write_garbage(struct worker *worker, const struct worker_frame *invoke)
{
    (void)invoke;
    write_raw(worker, "HTTP/1.1 200 OK\r\n\r\n", 19);
}

static void claim_too_much(struct worker *worker, const struct worker_frame *invoke)
{
    (void)invoke;
    write_raw(worker, "\xff\xff\xff\xff\x05", 5);
}

static void die_in_mid_frame(struct worker *worker, const struct worker_frame *invoke)
{
    (void)invoke;
    write_raw(worker, "\0\0\0\x20\x05", 5);
    exit(0);
}

static void answer_another(struct worker *worker, const struct worker_frame *invoke)
{
    worker_send_result(worker, invoke->invocation + 1000, SPAN_LITERAL("x"));
}

static void take_one(struct worker *worker, const struct worker_frame *invoke)
{
    worker_send_ready(worker, 1, 0);
    echo(worker, invoke);
}

static void publish(struct worker *worker, const struct worker_frame *invoke)
{
    struct worker_frame frame = {.type = WORKER_PUBLISH, .invocation = invoke->invocation};
    frame.publish.topic = SPAN_LITERAL("a");
    worker_send(worker, &frame);
}

static void take_none(struct worker *worker, const struct worker_frame *invoke)
{
    worker_send_ready(worker, 0, 0);
    echo(worker, invoke);
}

/* The child keeps the socket and the output open, and would live for ever. Its number is the answer. */
static void leave_a_child(struct worker *worker, const struct worker_frame *invoke)
{
    char text[16];
    pid_t child = fork();
    if (child == 0)
        be_deaf(worker, invoke);
    int len = snprintf(text, sizeof text, "%d", (int)child);
    worker_send_result(worker, invoke->invocation, span_of(text, (size_t)len));
    exit(0);
}

static void flood(struct worker *worker, const struct worker_frame *invoke)
{
    for (int i = 0; i < 30000; i++)
        fprintf(stderr, "a line that nobody asked for, number %d\n", i);
    echo(worker, invoke);
}

static void say(struct worker *worker, const struct worker_frame *invoke)
{
    fprintf(stderr, "said\n");
    echo(worker, invoke);
}

/* It stops when its answer can be read, and when its line can. */
static void say_late(struct worker *worker, const struct worker_frame *invoke)
{
    echo(worker, invoke);
    raise(SIGSTOP);
    fprintf(stderr, "said late\n");
    raise(SIGSTOP);
}

static void fail(struct worker *worker, const struct worker_frame *invoke)
{
    struct worker_frame frame = {.type = WORKER_ERROR, .invocation = invoke->invocation};
    frame.error.kind = invoke->invoke.event.data[0] - '0';
    frame.error.retry_after_ms = 1500;
    frame.error.type = SPAN_LITERAL("Some.Error");
    frame.error.message = SPAN_LITERAL("as told");
    frame.error.payload = SPAN_LITERAL("{\"stackTrace\":[]}");
    worker_send(worker, &frame);
}

static const struct {
    const char *event;
    void (*act)(struct worker *worker, const struct worker_frame *invoke);
} acts[] = {
    {"exit 3", exit_3},
    {"be killed", be_killed},
    {"leave open", leave_open},
    {"be deaf", be_deaf},
    {"write garbage", write_garbage},
    {"claim too much", claim_too_much},
    {"die in mid-frame", die_in_mid_frame},
    {"answer another", answer_another},
    {"take one", take_one},
    {"take none", take_none},
    {"publish", publish},
    {"leave a child", leave_a_child},
    {"flood", flood},
    {"say", say},
    {"say late", say_late},
    {"0 function error", fail},
    {"1 transport error", fail},
    {"2 throttled", fail},
    {"3 timeout", fail},
};

static void act(struct worker *worker, const struct worker_frame *invoke)
{
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (span_equal(invoke->invoke.event, span_from_string(acts[i].event))) {
            acts[i].act(worker, invoke);
            return;
        }
    }
    echo(worker, invoke);
}

int main(int argc, char **argv)
{
    const char *start = argc > 1 ? argv[1] : "";
    struct worker worker;
    struct worker_frame frame;
    if (worker_open(&worker) || worker_receive(&worker, &frame) || frame.type != WORKER_INIT)
        return 5;
    if (strcmp(start, "exit") == 0)
        _exit(6); /* not exit: its status must not become a leak checker's */
    if (strcmp(start, "hang") == 0)
        be_deaf(&worker, &frame);
    if (strcmp(start, "refuse") == 0) {
        worker_send_error(&worker, 0, WORKER_ERROR_FUNCTION, "Runtime.ImportModuleError", "no such module");
        _exit(1);
    }
    bool stubborn = strcmp(start, "stubborn") == 0;
    if (stubborn)
        signal(SIGTERM, SIG_IGN);
    if (strcmp(start, "say") == 0)
        fprintf(stderr, "said at start\n");
    worker_send_ready(&worker, argc > 2 ? (uint32_t)atoi(argv[2]) : 1, 0);
    while (worker_receive(&worker, &frame) == SLUICE_OK) {
        if (frame.type == WORKER_INVOKE)
            act(&worker, &frame);
        else if (frame.type == WORKER_SHUTDOWN && !stubborn)
            break;
    }
    worker_close(&worker);
    return 0;
}
