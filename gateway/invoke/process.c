#include "invoke/process.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "invoke/output_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WORKER_FD = 3, /* the socket's number in the child: the first after standard error */
    READ_BYTES = 64 * 1024,
    READ_TURN_BYTES = 1024 * 1024, /* of one process in one turn of the loop */
    KEPT_BUFFER_BYTES = 256 * 1024,
    OUTPUT_READ_BYTES = 4096,
    OUTPUT_READS_PER_TURN = 16,
    HANDLE_COUNT = 4,
};

struct process {
    const char *name;
    struct process_hooks hooks;
    uv_process_t child;
    uv_poll_t socket;
    uv_poll_t output;
    uv_timer_t output_pause;
    uv_handle_t *handles[HANDLE_COUNT]; /* those that are initialised, until they are closed */
    int handle_count;
    int socket_fd;
    int output_fd;
    int watched_events; /* of the socket */
    bool listening;     /* frames are wanted */
    bool running;       /* not reaped yet: signals reach it */
    size_t frame_len;   /* of the frame that `in` begins with; 0: not known yet */
    struct buffer in;
    struct buffer out;
    struct output_lines lines;
};

static void log_output(void *ctx, enum worker_log_level level, struct span line)
{
    static const enum log_level levels[] = {
        [WORKER_LOG_DEBUG] = LOG_DEBUG,
        [WORKER_LOG_INFO] = LOG_INFO,
        [WORKER_LOG_WARNING] = LOG_WARNING,
        [WORKER_LOG_ERROR] = LOG_ERROR,
    };
    const struct process *process = ctx;
    log_line(levels[level], "%s: %.*s", process->name, (int)line.len, (const char *)line.data);
    process->hooks.on_line(process->hooks.ctx, line);
}

static uint64_t now_ms(const struct process *process)
{
    return uv_now(process->socket.loop);
}

/* --- Closing: every handle that was initialised is closed once, and the last one frees. --- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct process *process = handle->data;
    if (--process->handle_count > 0)
        return;
    if (process->hooks.on_closed)
        process->hooks.on_closed(process->hooks.ctx);
    buffer_fini(&process->in);
    buffer_fini(&process->out);
    memory_free(process);
}

static void close_all(struct process *process)
{
    int count = process->handle_count;
    for (int i = 0; i < count; i++)
        uv_close(process->handles[i], on_handle_closed);
    close(process->socket_fd);
    close(process->output_fd);
    if (count == 0)
        memory_free(process);
}

/* --- Reading --- */

void process_deafen(struct process *process)
{
    process->listening = false;
    uv_poll_stop(&process->socket);
}

static void broken(struct process *process, const char *reason)
{
    process_deafen(process);
    process->hooks.on_broken(process->hooks.ctx, reason);
}

static void decode_frames(struct process *process)
{
    while (process->listening) {
        struct worker_frame frame;
        enum sluice_error error =
            worker_frame_decode(buffer_span(&process->in), WORKER_PEER_WORKER, &frame, &process->frame_len);
        if (error == SLUICE_AGAIN)
            break;
        if (error) {
            broken(process, error == SLUICE_TOO_LARGE ? "a frame over its bound" : "a malformed frame");
            break;
        }
        if (frame.type == WORKER_LOG)
            output_lines_message(&process->lines, frame.log.level, frame.log.text, now_ms(process));
        else
            process->hooks.on_frame(process->hooks.ctx, &frame);
        buffer_consume(&process->in, process->frame_len);
        process->frame_len = 0;
    }
    if (process->in.capacity > KEPT_BUFFER_BYTES)
        buffer_trim(&process->in);
}

/* Bytes to read next: all that is missing of a large frame, so that it is moved about only once. */
static size_t read_size(const struct process *process)
{
    size_t held = buffer_len(&process->in);
    return process->frame_len > held + READ_BYTES ? process->frame_len - held : READ_BYTES;
}

void process_read(struct process *process)
{
    size_t total = 0;
    while (process->listening && total < READ_TURN_BYTES) {
        size_t wanted = read_size(process);
        ssize_t got = recv(process->socket_fd, buffer_reserve(&process->in, wanted), wanted, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            broken(process, NULL);
            return;
        }
        buffer_grown(&process->in, (size_t)got);
        total += (size_t)got;
        decode_frames(process);
        if ((size_t)got < wanted)
            return; /* drained */
    }
}

static void read_output(struct process *process)
{
    char bytes[OUTPUT_READ_BYTES];
    for (int i = 0; i < OUTPUT_READS_PER_TURN; i++) {
        ssize_t got = read(process->output_fd, bytes, sizeof bytes);
        if (got < 0)
            return;
        if (got == 0) {
            uv_poll_stop(&process->output);
            return;
        }
        output_lines_feed(&process->lines, span_of(bytes, (size_t)got), now_ms(process));
    }
}

void process_read_output(struct process *process)
{
    if (!uv_is_active((uv_handle_t *)&process->output_pause))
        read_output(process);
}

/* --- Writing --- */

static void watch_socket(struct process *process)
{
    int events = UV_READABLE | (buffer_len(&process->out) > 0 ? UV_WRITABLE : 0);
    if (events != process->watched_events)
        uv_poll_start(&process->socket, events, process->socket.poll_cb);
    process->watched_events = events;
}

enum sluice_error process_send(struct process *process, const struct worker_frame *frame)
{
    struct worker_frame_parts parts;
    enum sluice_error error = worker_frame_encode(frame, &parts);
    if (error || !process->listening)
        return error;
    buffer_reserve(&process->out, parts.len);
    buffer_append(&process->out, span_of(parts.head, parts.head_len));
    for (size_t i = 0; i < WORKER_FRAME_TAIL_COUNT; i++)
        buffer_append(&process->out, parts.tails[i]);
    return SLUICE_OK;
}

void process_flush(struct process *process)
{
    while (process->listening && buffer_len(&process->out) > 0) {
        struct span bytes = buffer_span(&process->out);
        ssize_t sent = send(process->socket_fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            break;
        /* A socket that is gone shows up as end of file when it is read. */
        buffer_consume(&process->out, sent < 0 ? bytes.len : (size_t)sent);
    }
    if (process->out.capacity > KEPT_BUFFER_BYTES)
        buffer_trim(&process->out);
    if (process->listening)
        watch_socket(process);
}

/* --- Callbacks of the loop --- */

static void on_socket(uv_poll_t *handle, int status, int events)
{
    struct process *process = handle->data;
    if (events & UV_WRITABLE)
        process_flush(process);
    if (events & UV_READABLE || status < 0)
        process_read(process);
    /* The worker is gone and had not read everything: what it wrote was still worth reading. */
    if (status < 0 && process->listening)
        broken(process, NULL);
}

static void on_output(uv_poll_t *handle, int status, int events);

static void on_output_pause_over(uv_timer_t *timer)
{
    struct process *process = timer->data;
    uv_poll_start(&process->output, UV_READABLE, on_output);
}

/* Whoever prints more than is read in a second waits for the next one. */
static void on_output(uv_poll_t *handle, int status, int events)
{
    struct process *process = handle->data;
    (void)events;
    if (status != 0) {
        uv_poll_stop(handle);
        return;
    }
    read_output(process);
    uint64_t pause_ms = output_lines_pause_ms(&process->lines, now_ms(process));
    if (pause_ms == 0)
        return;
    uv_poll_stop(handle);
    uv_timer_start(&process->output_pause, on_output_pause_over, pause_ms, 0);
}

/* What the child wrote before it died still counts, so everything is read before its end is reported. What it
 * started dies with it; no further bytes can come after that. */
static void on_child_exit(uv_process_t *child, int64_t exit_status, int signal)
{
    struct process *process = child->data;
    kill(-child->pid, SIGKILL);
    process->running = false;
    process_read(process);
    read_output(process);
    output_lines_end(&process->lines, now_ms(process));
    if (process->listening)
        process_deafen(process);
    process->hooks.on_exit(process->hooks.ctx, exit_status, signal);
    close_all(process);
}

/* --- Starting --- */

static void own(struct process *process, uv_handle_t *handle)
{
    handle->data = process;
    process->handles[process->handle_count++] = handle;
}

static size_t count_strings(const char *const *strings)
{
    size_t count = 0;
    while (strings && strings[count])
        count++;
    return count;
}

/* NULL-terminated: `before`, `own`, `after`. The strings themselves are not copied, nor written to by libuv,
 * whose type lacks the const. */
static char **string_list(const char *const *before, const char *own, const char *const *after)
{
    char **list = memory_new_array(count_strings(before) + count_strings(after) + 2, sizeof *list);
    size_t count = 0;
    for (; before && *before; before++)
        list[count++] = (char *)(uintptr_t)*before;
    list[count++] = (char *)(uintptr_t)own;
    for (; after && *after; after++)
        list[count++] = (char *)(uintptr_t)*after;
    return list;
}

static int spawn(uv_loop_t *loop, struct process *process, const struct process_config *config,
                 int child_socket_fd, int child_output_fd)
{
    char fd_variable[sizeof WORKER_FD_VARIABLE + 12];
    snprintf(fd_variable, sizeof fd_variable, "%s=%d", WORKER_FD_VARIABLE, WORKER_FD);
    uv_stdio_container_t stdio[WORKER_FD + 1] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = child_output_fd},
        {.flags = UV_INHERIT_FD, .data.fd = child_output_fd},
        {.flags = UV_INHERIT_FD, .data.fd = child_socket_fd},
    };
    uv_process_options_t options = {
        .exit_cb = on_child_exit,
        .args = string_list(config->launcher, config->executable, config->arguments),
        .env = string_list(NULL, fd_variable, config->environment),
        .flags = UV_PROCESS_DETACHED, /* a group of its own, to be killed as a whole */
        .stdio_count = WORKER_FD + 1,
        .stdio = stdio,
    };
    options.file = options.args[0];
    int error = uv_spawn(loop, &process->child, &options);
    own(process, (uv_handle_t *)&process->child); /* also after a failure */
    memory_free(options.args);
    memory_free(options.env);
    return error;
}

/* Everything but the child itself. */
static int watch(uv_loop_t *loop, struct process *process)
{
    int error = uv_poll_init(loop, &process->socket, process->socket_fd);
    if (error)
        return error;
    own(process, (uv_handle_t *)&process->socket);
    error = uv_poll_init(loop, &process->output, process->output_fd);
    if (error)
        return error;
    own(process, (uv_handle_t *)&process->output);
    uv_timer_init(loop, &process->output_pause);
    own(process, (uv_handle_t *)&process->output_pause);
    process->watched_events = UV_READABLE;
    error = uv_poll_start(&process->socket, UV_READABLE, on_socket);
    return error ? error : uv_poll_start(&process->output, UV_READABLE, on_output);
}

int process_start(uv_loop_t *loop, const struct process_config *config, const struct process_hooks *hooks,
                  struct process **ret_process)
{
    int sockets[2], pipes[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
        return uv_translate_sys_error(errno);
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        int error = errno;
        close(sockets[0]);
        close(sockets[1]);
        return uv_translate_sys_error(error);
    }
    struct process *process = memory_new(sizeof *process);
    process->name = config->name;
    process->socket_fd = sockets[0];
    process->output_fd = pipes[0];
    output_lines_init(&process->lines, log_output, process);
    int error = watch(loop, process);
    if (!error)
        error = spawn(loop, process, config, sockets[1], pipes[1]);
    close(sockets[1]);
    close(pipes[1]);
    if (error) {
        close_all(process);
        return error;
    }
    process->hooks = *hooks;
    process->listening = process->running = true;
    *ret_process = process;
    return 0;
}

int process_pid(const struct process *process)
{
    return process->child.pid;
}

void process_signal(struct process *process, int signal)
{
    if (process->running)
        kill(-process->child.pid, signal);
}

void process_kill(struct process *process)
{
    process_deafen(process);
    process_signal(process, SIGKILL);
}
