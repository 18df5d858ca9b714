#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 * 1024,
    FIRST_OTHER_FD = STDERR_FILENO + 1,
    /* close_range(2), Linux 5.11; by number because older C libraries lack the name. */
    CLOSE_RANGE_ON_EXEC = 1 << 2,
};

static int fd_from_environment(void)
{
    const char *text = getenv(WORKER_FD_VARIABLE);
    char *end = NULL;
    long fd = text ? strtol(text, &end, 10) : -1;
    return text && end != text && *end == '\0' && fd >= 0 && fd < 1024L * 1024 ? (int)fd : -1;
}

enum sluice_error worker_open(struct worker *worker)
{
    int fd = fd_from_environment();
    int type = 0;
    socklen_t type_len = sizeof type;
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) != 0 || type != SOCK_STREAM)
        return SLUICE_NOT_FOUND;
    /* A gateway that died before this call is noticed by end of file. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#ifdef SYS_close_range
    syscall(SYS_close_range, FIRST_OTHER_FD, ~0U, CLOSE_RANGE_ON_EXEC);
#endif
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    unsetenv(WORKER_FD_VARIABLE);
    worker_open_fd(worker, fd);
    return SLUICE_OK;
}

void worker_open_fd(struct worker *worker, int fd)
{
    *worker = (struct worker){.fd = fd};
}

void worker_close(struct worker *worker)
{
    close(worker->fd);
    free(worker->input);
    *worker = (struct worker){.fd = -1};
}

static struct span input_of(const struct worker *worker)
{
    return worker->input ? span_of(worker->input + worker->start, worker->end - worker->start) : SPAN_EMPTY;
}

/* Room for `len` more bytes at the end of the input. */
static enum sluice_error reserve(struct worker *worker, size_t len)
{
    size_t held = input_of(worker).len;
    if (worker->start > 0) {
        memmove(worker->input, worker->input + worker->start, held);
        worker->start = 0;
        worker->end = held;
    }
    if (worker->capacity - held >= len)
        return SLUICE_OK;
    size_t capacity = worker->capacity ? worker->capacity : READ_BYTES;
    while (capacity - held < len)
        capacity *= 2;
    uint8_t *input = realloc(worker->input, capacity);
    if (!input)
        return SLUICE_NO_MEMORY;
    worker->input = input;
    worker->capacity = capacity;
    return SLUICE_OK;
}

enum sluice_error worker_fill(struct worker *worker)
{
    /* A whole large frame at once if its length is known, so that it is not moved about while it arrives. */
    struct worker_frame ignored;
    size_t frame_len = 0, held = input_of(worker).len;
    worker_frame_decode(input_of(worker), WORKER_PEER_GATEWAY, &ignored, &frame_len);
    size_t wanted = frame_len > held + READ_BYTES ? frame_len - held : READ_BYTES;
    enum sluice_error error = reserve(worker, wanted);
    if (error)
        return error;
    ssize_t got;
    do
        got = read(worker->fd, worker->input + worker->end, worker->capacity - worker->end);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno != ECONNRESET)
        return SLUICE_IO;
    if (got <= 0)
        return SLUICE_CLOSED;
    worker->end += (size_t)got;
    return SLUICE_OK;
}

enum sluice_error worker_next(struct worker *worker, struct worker_frame *ret_frame)
{
    size_t frame_len = 0;
    enum sluice_error error =
        worker_frame_decode(input_of(worker), WORKER_PEER_GATEWAY, ret_frame, &frame_len);
    if (!error)
        worker->start += frame_len;
    return error;
}

bool worker_handle(struct worker *worker, bool (*handle)(void *ctx, const struct worker_frame *frame),
                   void *ctx)
{
    struct worker_frame frame;
    enum sluice_error error = worker_fill(worker);
    while (!error && (error = worker_next(worker, &frame)) == SLUICE_OK) {
        if (!handle(ctx, &frame))
            return false;
    }
    return error == SLUICE_AGAIN;
}

enum sluice_error worker_receive(struct worker *worker, struct worker_frame *ret_frame)
{
    enum sluice_error error;
    while ((error = worker_next(worker, ret_frame)) == SLUICE_AGAIN) {
        error = worker_fill(worker);
        if (error)
            break;
    }
    return error;
}

static void skip_sent(struct iovec **parts, size_t *count, size_t sent)
{
    while (*count > 0 && sent >= (*parts)->iov_len) {
        sent -= (*parts)->iov_len;
        ++*parts;
        --*count;
    }
    if (*count > 0) {
        (*parts)->iov_base = (uint8_t *)(*parts)->iov_base + sent;
        (*parts)->iov_len -= sent;
    }
}

static enum sluice_error send_all(int fd, struct iovec *parts, size_t count)
{
    while (count > 0) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent >= 0)
            skip_sent(&parts, &count, (size_t)sent);
        else if (errno == EPIPE || errno == ECONNRESET)
            return SLUICE_CLOSED;
        else if (errno != EINTR)
            return SLUICE_IO;
    }
    return SLUICE_OK;
}

/* Cuts at a bound, between characters. */
static struct span cut(struct span text, size_t max)
{
    if (text.len <= max)
        return text;
    while (max > 0 && (text.data[max] & 0xC0) == 0x80)
        max--;
    return span_of(text.data, max);
}

static struct worker_frame with_texts_cut(const struct worker_frame *frame)
{
    struct worker_frame within = *frame;
    if (frame->type == WORKER_ERROR) {
        within.error.type = cut(frame->error.type, WORKER_ERROR_TYPE_BYTES_MAX);
        within.error.message = cut(frame->error.message, WORKER_TEXT_BYTES_MAX);
    } else if (frame->type == WORKER_LOG) {
        within.log.text = cut(frame->log.text, WORKER_TEXT_BYTES_MAX);
    }
    return within;
}

enum sluice_error worker_send(struct worker *worker, const struct worker_frame *frame)
{
    struct worker_frame_parts parts;
    struct worker_frame within = with_texts_cut(frame);
    enum sluice_error error = worker_frame_encode(&within, &parts);
    if (error)
        return error;
    struct iovec vectors[1 + WORKER_FRAME_TAIL_COUNT] = {{parts.head, parts.head_len}};
    size_t count = 1;
    for (size_t i = 0; i < WORKER_FRAME_TAIL_COUNT; i++) {
        if (parts.tails[i].len > 0)
            vectors[count++] = (struct iovec){(void *)(uintptr_t)parts.tails[i].data, parts.tails[i].len};
    }
    return send_all(worker->fd, vectors, count);
}

enum sluice_error worker_send_ready(struct worker *worker, uint32_t concurrency, uint32_t init_ms)
{
    struct worker_frame frame = {.type = WORKER_READY};
    frame.ready.concurrency = concurrency;
    frame.ready.init_ms = init_ms;
    return worker_send(worker, &frame);
}

enum sluice_error worker_send_result(struct worker *worker, uint64_t invocation, struct span result)
{
    if (result.len > WORKER_PAYLOAD_BYTES_MAX)
        return worker_send_error(
            worker, invocation, WORKER_ERROR_FUNCTION, "Function.ResponseSizeTooLarge",
            "Response payload size exceeded maximum allowed payload size (6291556 bytes).");
    struct worker_frame frame = {.type = WORKER_RESULT, .invocation = invocation};
    frame.result = result;
    return worker_send(worker, &frame);
}

enum sluice_error worker_send_error(struct worker *worker, uint64_t invocation, enum worker_error_kind kind,
                                    const char *type, const char *message)
{
    struct worker_frame frame = {.type = WORKER_ERROR, .invocation = invocation};
    frame.error.kind = kind;
    frame.error.type = span_from_string(type);
    frame.error.message = span_from_string(message);
    return worker_send(worker, &frame);
}

enum sluice_error worker_send_log(struct worker *worker, uint64_t invocation, enum worker_log_level level,
                                  const char *text)
{
    struct worker_frame frame = {.type = WORKER_LOG, .invocation = invocation};
    frame.log.level = level;
    frame.log.text = span_from_string(text);
    return worker_send(worker, &frame);
}
