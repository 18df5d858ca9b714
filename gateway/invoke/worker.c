#include "base/log.h"
#include "base/memory.h"
#include "invoke/memory_peak.h"
#include "invoke/pool.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
    TERMINATE_GRACE_MS = 2000, /* from SIGTERM to SIGKILL, as in Lambda */
    LATE_MS = 1000,            /* that a worker with several invocations may be late: see PROTOCOL.md */
    CONCURRENCY_MAX = 1000,
    REASON_BYTES = 192,
    MEMORY_AGE_MS = 1000,
};

static void init_timed_out(struct invoke_worker *worker);
static void idle(struct invoke_worker *worker);
static void terminate(struct invoke_worker *worker);
static void kill_stubborn(struct invoke_worker *worker);

/* What happens when a state's deadline passes. */
static const struct {
    const char *name;
    void (*expire)(struct invoke_worker *worker);
} states[] = {
    [WORKER_STARTING] = {"starting", init_timed_out},
    [WORKER_SERVING] = {"serving", idle},
    [WORKER_DRAINING] = {"shutting down", terminate},
    [WORKER_TERMINATING] = {"terminating", kill_stubborn},
    [WORKER_KILLED] = {"killed", NULL},
};

static void enter(struct invoke_worker *worker, enum worker_state state, uint64_t duration_ms)
{
    log_debug("%s: worker %d: %s", worker->pool->config.function_name, process_pid(worker->process),
              states[state].name);
    worker->state = state;
    worker->deadline_ms =
        duration_ms == INVOKE_NEVER ? INVOKE_NEVER : uv_now(worker->pool->loop) + duration_ms;
    pool_wake_at(worker->pool, worker->deadline_ms);
}

/* --- The ends of a worker --- */

static void kill_worker(struct invoke_worker *worker)
{
    enter(worker, WORKER_KILLED, INVOKE_NEVER);
    worker->pool->counters.killed_count++;
    process_kill(worker->process);
}

static struct request_list take_running(struct invoke_worker *worker)
{
    struct request_list running = worker->running;
    worker->running = (struct request_list){0};
    return running;
}

/* Of no invocation: those that are open say it themselves. */
static void log_failure(const struct invoke_worker *worker, const struct invoke_result *why)
{
    char line[REASON_BYTES];
    const struct invoke_hooks *hooks = &worker->pool->hooks;
    if (!hooks->log.on_line)
        return;
    int len = snprintf(line, sizeof line, "%.*s: %.*s", (int)why->error_type.len,
                       (const char *)why->error_type.data, (int)why->error_message.len,
                       (const char *)why->error_message.data);
    hooks->log.on_line(hooks->ctx, NULL,
                       span_of(line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1));
}

static void fail(struct invoke_worker *worker, const struct invoke_result *why)
{
    log_warning("%s: worker %d failed: %.*s: %.*s", worker->pool->config.function_name,
                process_pid(worker->process), (int)why->error_type.len, (const char *)why->error_type.data,
                (int)why->error_message.len, (const char *)why->error_message.data);
    if (worker->running.count == 0)
        log_failure(worker, why);
    pool_worker_failed(worker->pool, worker, take_running(worker), why);
}

static void crash(struct invoke_worker *worker, const char *message)
{
    fail(worker, &(struct invoke_result){.outcome = INVOKE_CRASHED,
                                         .error_type = SPAN_LITERAL("Runtime.ExitError"),
                                         .error_message = span_from_string(message)});
}

static void break_protocol(struct invoke_worker *worker, const char *how)
{
    char message[REASON_BYTES];
    snprintf(message, sizeof message, "the worker broke the worker protocol and was killed: %s", how);
    kill_worker(worker);
    crash(worker, message);
}

static void time_out(struct invoke_worker *worker, uint32_t limit_ms)
{
    char message[REASON_BYTES];
    snprintf(message, sizeof message, "Task timed out after %" PRIu32 ".%02" PRIu32 " seconds",
             limit_ms / 1000, limit_ms % 1000 / 10);
    process_deafen(worker->process);
    terminate(worker);
    fail(worker, &(struct invoke_result){.outcome = INVOKE_TIMED_OUT,
                                         .error_type = SPAN_LITERAL("Sandbox.Timedout"),
                                         .error_message = span_from_string(message)});
}

static void init_timed_out(struct invoke_worker *worker)
{
    time_out(worker, worker->pool->config.init_timeout_ms);
}

static void idle(struct invoke_worker *worker)
{
    if (pool_has_surplus(worker->pool))
        worker_shut_down(worker);
    else
        worker->deadline_ms = INVOKE_NEVER;
}

void worker_idle_anew(struct invoke_worker *worker)
{
    if (worker->running.count > 0 || worker->state != WORKER_SERVING)
        return;
    worker->deadline_ms = uv_now(worker->pool->loop) + worker->pool->config.idle_timeout_ms;
    pool_wake_at(worker->pool, worker->deadline_ms);
}

static void terminate(struct invoke_worker *worker)
{
    enter(worker, WORKER_TERMINATING, TERMINATE_GRACE_MS);
    process_signal(worker->process, SIGTERM);
}

static void kill_stubborn(struct invoke_worker *worker)
{
    kill_worker(worker);
    pool_worker_stopped(worker->pool, take_running(worker));
}

void worker_shut_down(struct invoke_worker *worker)
{
    if (worker->state != WORKER_STARTING && worker->state != WORKER_SERVING)
        return;
    enter(worker, WORKER_DRAINING, worker->pool->config.stop_grace_ms);
    process_send(worker->process, &(struct worker_frame){.type = WORKER_SHUTDOWN});
    pool_flush_soon(worker->pool);
}

/* --- Frames --- */

static void started(struct invoke_worker *worker, uint32_t own_init_ms)
{
    worker->init_us = (uv_hrtime() - worker->started_ns) / 1000;
    process_read_output(
        worker->process); /* what it has printed meanwhile comes before its first invocation */
    log_debug("%s: worker %d: ready after %" PRIu64 " ms, of which %" PRIu32 " ms its own initialisation",
              worker->pool->config.function_name, process_pid(worker->process), worker->init_us / 1000,
              own_init_ms);
    if (worker->state == WORKER_STARTING)
        enter(worker, WORKER_SERVING, worker->pool->config.idle_timeout_ms);
}

static void on_ready(struct invoke_worker *worker, const struct worker_frame *frame)
{
    uint32_t concurrency = frame->ready.concurrency;
    bool first = !worker->ready;
    worker->ready = true;
    worker->shared |= concurrency != 1;
    worker->concurrency = concurrency < CONCURRENCY_MAX ? concurrency : CONCURRENCY_MAX;
    if (concurrency > 0)
        worker->pool->expected_concurrency = worker->concurrency;
    if (first)
        started(worker, frame->ready.init_ms);
    if (worker->state != WORKER_SERVING) /* it is being shut down already */
        return;
    pool_worker_ready(worker->pool);
    if (first)
        pool_worker_started(worker->pool);
}

static struct invoke_result result_of(const struct worker_frame *frame)
{
    static const enum invoke_outcome outcomes[] = {
        [WORKER_ERROR_FUNCTION] = INVOKE_FUNCTION_ERROR,
        [WORKER_ERROR_TRANSPORT] = INVOKE_TRANSPORT_ERROR,
        [WORKER_ERROR_THROTTLED] = INVOKE_THROTTLED,
        [WORKER_ERROR_TIMEOUT] = INVOKE_TIMED_OUT,
    };
    if (frame->type == WORKER_RESULT)
        return (struct invoke_result){.outcome = INVOKE_SUCCEEDED, .payload = frame->result};
    bool waits = frame->error.kind == WORKER_ERROR_THROTTLED || frame->error.kind == WORKER_ERROR_TRANSPORT;
    return (struct invoke_result){
        .outcome = outcomes[frame->error.kind],
        .payload = frame->error.payload,
        .error_type = frame->error.type,
        .error_message = frame->error.message,
        .retry_after_ms = waits ? frame->error.retry_after_ms : 0,
    };
}

static void on_answer(struct invoke_worker *worker, const struct worker_frame *frame)
{
    struct invoke_result result = result_of(frame);
    if (frame->type == WORKER_ERROR && frame->invocation == 0 && !worker->ready) {
        kill_worker(worker);
        fail(worker, &result);
        return;
    }
    if (worker->running.first && (worker->running.first->wants_log || worker->running.first->is_logged))
        process_read_output(worker->process); /* what was printed before the answer belongs to it */
    struct request *request = request_list_take(&worker->running, frame->invocation);
    if (!request) {
        break_protocol(worker, "an answer to an invocation that is not open");
        return;
    }
    worker_idle_anew(worker);
    pool_worker_answered(worker->pool, request, &result);
}

static void on_publish(struct invoke_worker *worker, const struct worker_frame *frame)
{
    const struct invoke_hooks *hooks = &worker->pool->hooks;
    if (!hooks->publish || worker->publishing != 0) {
        break_protocol(worker, hooks->publish ? "a PUBLISH before the last one was answered"
                                              : "a PUBLISH of a worker that may publish nothing");
        return;
    }
    worker->publishing = frame->invocation;
    hooks->publish(hooks->ctx, &(struct invoke_publication){.worker = worker->number,
                                                            .id = frame->invocation,
                                                            .retain = frame->publish.retain,
                                                            .topic = frame->publish.topic,
                                                            .properties = frame->publish.properties,
                                                            .payload = frame->publish.payload});
}

void invoke_published(struct invoke_pool *pool, uint64_t number, uint64_t id, enum worker_published outcome)
{
    struct invoke_worker *worker = pool->workers;
    while (worker && worker->number != number)
        worker = worker->next;
    if (!worker || worker->closed || worker->state == WORKER_KILLED || worker->publishing != id)
        return;
    worker->publishing = 0;
    struct worker_frame frame = {.type = WORKER_PUBLISHED, .invocation = id};
    frame.published = outcome;
    process_send(worker->process, &frame);
    pool_flush_soon(pool);
}

static void on_frame(void *ctx, const struct worker_frame *frame)
{
    if (frame->type == WORKER_READY)
        on_ready(ctx, frame);
    else if (frame->type == WORKER_PUBLISH)
        on_publish(ctx, frame);
    else
        on_answer(ctx, frame); /* LOG does not come here, and the codec refuses what gateways send */
}

/* --- The process --- */

static void on_broken(void *ctx, const char *reason)
{
    struct invoke_worker *worker = ctx;
    worker->closed = true;
    if (reason)
        break_protocol(worker, reason);
    else if (worker->state == WORKER_STARTING || worker->state == WORKER_SERVING)
        process_signal(worker->process, SIGKILL); /* mostly it is dying already: on_exit says of what */
}

static void see_memory(struct invoke_worker *worker)
{
    uint64_t bytes = worker->group ? worker->pool->hooks.group.memory_bytes(worker->group) : 0;
    if (bytes == 0)
        bytes = memory_peak_bytes(process_pid(worker->process));
    if (bytes > worker->memory_bytes)
        worker->memory_bytes = bytes;
    worker->memory_seen_ms = uv_now(worker->pool->loop);
}

/* With several invocations at once nobody knows whose it is. */
static void on_line(void *ctx, struct span line)
{
    struct invoke_worker *worker = ctx;
    const struct invoke_hooks *hooks = &worker->pool->hooks;
    struct request *request = worker->running.count == 1 ? worker->running.first : NULL;
    if (request && request->wants_log)
        request_log(request, line);
    if (hooks->log.on_line)
        hooks->log.on_line(hooks->ctx, request ? request->request_id : NULL, line);
}

static void leave_group(struct invoke_worker *worker)
{
    const struct invoke_hooks *hooks = &worker->pool->hooks;
    if (!worker->group)
        return;
    see_memory(worker);
    hooks->group.leave(hooks->ctx, worker->group);
    worker->group = NULL;
}

static void on_exit(void *ctx, int64_t exit_status, int signal)
{
    struct invoke_worker *worker = ctx;
    leave_group(worker);
    char message[REASON_BYTES];
    if (signal != 0)
        snprintf(message, sizeof message, "Runtime exited with error: signal: %s", strsignal(signal));
    else if (exit_status != 0)
        snprintf(message, sizeof message, "Runtime exited with error: exit status %" PRId64, exit_status);
    else
        snprintf(message, sizeof message, "Runtime exited without providing a reason");
    enum worker_state state = worker->state;
    if (state == WORKER_KILLED)
        return;
    enter(worker, WORKER_KILLED, INVOKE_NEVER);
    if (state == WORKER_STARTING || state == WORKER_SERVING)
        crash(worker, message);
    else
        pool_worker_stopped(worker->pool, take_running(worker));
}

static void on_closed(void *ctx)
{
    struct invoke_worker *worker = ctx;
    pool_worker_gone(worker->pool, worker);
}

int worker_start(struct invoke_pool *pool, struct invoke_worker **ret_worker)
{
    struct invoke_worker *worker = memory_new(sizeof *worker);
    worker->pool = pool;
    worker->started_ns = uv_hrtime();
    const struct process_config config = {
        .name = pool->config.function_name,
        .launcher = pool->config.launcher,
        .executable = pool->config.executable,
        .arguments = pool->config.arguments,
        .environment = pool->config.environment,
    };
    const struct process_hooks hooks = {worker, on_frame, on_broken, on_line, on_exit, on_closed};
    int error = process_start(pool->loop, &config, &hooks, &worker->process);
    if (error) {
        memory_free(worker);
        return error;
    }
    if (pool->hooks.group.enter)
        worker->group = pool->hooks.group.enter(pool->hooks.ctx, process_pid(worker->process));
    enter(worker, WORKER_STARTING, pool->config.init_timeout_ms);
    struct worker_frame init = {.type = WORKER_INIT};
    init.init = buffer_span(&pool->init);
    process_send(worker->process, &init);
    pool_flush_soon(pool);
    *ret_worker = worker;
    return 0;
}

/* --- Work --- */

uint32_t worker_room(const struct invoke_worker *worker)
{
    bool serves = worker->state == WORKER_SERVING && !worker->closed;
    uint32_t most = worker->pool->probing && worker->concurrency > 1 ? 1 : worker->concurrency;
    return serves && most > worker->running.count ? most - worker->running.count : 0;
}

static void begin_log(struct invoke_worker *worker, struct request *request)
{
    const struct invoke_hooks *hooks = &worker->pool->hooks;
    request->is_logged = hooks->log.on_begin && hooks->log.on_begin(hooks->ctx, request->request_id);
    if ((request->is_logged || request->wants_log) && worker->running.count == 0)
        process_read_output(worker->process); /* what was printed before is not of this invocation */
}

uint64_t worker_memory_bytes(struct invoke_worker *worker, bool now)
{
    bool is_fresh =
        worker->memory_seen_ms > 0 && uv_now(worker->pool->loop) - worker->memory_seen_ms < MEMORY_AGE_MS;
    if (worker->state != WORKER_KILLED && (now || !is_fresh))
        see_memory(worker);
    return worker->memory_bytes;
}

void worker_run(struct invoke_worker *worker, struct request *request, struct span context, struct span event)
{
    struct invoke_pool *pool = worker->pool;
    assert(worker_room(worker) > 0);
    request->invocation = ++pool->last_invocation;
    request->worker = worker;
    request->began_ns = uv_hrtime();
    request->deadline_ms = uv_now(pool->loop) + pool->config.timeout_ms;
    request->init_us = worker->init_us;
    worker->init_us = 0;
    worker->deadline_ms = INVOKE_NEVER;
    begin_log(worker, request);
    request_list_append(&worker->running, request);

    struct worker_frame frame = {.type = WORKER_INVOKE, .invocation = request->invocation};
    frame.invoke.deadline_ms = pool->hooks.wall_ms(pool->hooks.ctx) + pool->config.timeout_ms;
    frame.invoke.context = context;
    frame.invoke.event = event;
    enum sluice_error error = process_send(worker->process, &frame);
    assert(!error); /* invoke_submit has checked the sizes */
    (void)error;
    pool_flush_soon(pool);
    pool_wake_at(pool, worker_next_deadline_ms(worker));
}

/* All invocations of a pool have one time limit, so the oldest is the first to be late. */
static uint64_t oldest_deadline_ms(const struct invoke_worker *worker)
{
    if (!worker->running.first)
        return INVOKE_NEVER;
    return worker->running.first->deadline_ms + (worker->shared ? LATE_MS : 0);
}

uint64_t worker_next_deadline_ms(const struct invoke_worker *worker)
{
    uint64_t oldest_ms = oldest_deadline_ms(worker);
    return oldest_ms < worker->deadline_ms ? oldest_ms : worker->deadline_ms;
}

void worker_expire(struct invoke_worker *worker, uint64_t now_ms)
{
    /* After a stall of the gateway itself, answers may be here that only have not been read. */
    if (now_ms >= worker_next_deadline_ms(worker))
        process_read(worker->process);
    if (now_ms >= oldest_deadline_ms(worker))
        time_out(worker, worker->pool->config.timeout_ms);
    else if (now_ms >= worker->deadline_ms)
        states[worker->state].expire(worker);
}
