#include "invoke/pool.h"

#include "base/log.h"
#include "base/memory.h"
#include "invoke/restart.h"

#include <assert.h>
#include <stdio.h>

enum { POOL_HANDLE_COUNT = 2 };

/* --- Completing --- */

/* What is known when a request ends, as the log has it at once. */
static struct invoke_result end(struct invoke_pool *pool, struct request *request,
                                const struct invoke_result *result)
{
    struct invoke_result given = *result;
    bool is_read = request->wants_log || request->is_logged;
    given.duration_us = request->began_ns ? (uv_hrtime() - request->began_ns) / 1000 : 0;
    given.init_us = request->init_us;
    given.log = buffer_span(&request->log);
    if (is_read && request->worker)
        given.memory_bytes = worker_memory_bytes(request->worker, request->wants_log);
    pool->counters.completed_count[given.outcome]++;
    if (request->worker && pool->hooks.log.on_end)
        pool->hooks.log.on_end(pool->hooks.ctx, request->request_id, request->is_logged, &given);
    return given;
}

static void tell(struct request *request, const struct invoke_result *result)
{
    request->on_done(request->ctx, result);
    buffer_fini(&request->log);
    memory_free(request);
}

static void complete(struct invoke_pool *pool, struct request *request, const struct invoke_result *result)
{
    struct invoke_result given = end(pool, request, result);
    tell(request, &given);
}

static void complete_all(struct invoke_pool *pool, struct request_list requests,
                         const struct invoke_result *result)
{
    struct request *request;
    while ((request = request_list_take_first(&requests)))
        complete(pool, request, result);
}

static struct request_list take_waiting(struct invoke_pool *pool)
{
    struct request_list waiting = pool->waiting;
    pool->waiting = (struct request_list){0};
    pool->waiting_bytes = 0;
    return waiting;
}

/* --- Waking: one timer for every deadline of the pool, one flush a turn of the loop --- */

static void on_timer(uv_timer_t *timer);

void pool_wake_at(struct invoke_pool *pool, uint64_t at_ms)
{
    if (at_ms >= pool->timer_at_ms)
        return;
    uint64_t now_ms = uv_now(pool->loop);
    pool->timer_at_ms = at_ms;
    uv_timer_start(&pool->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

/* Writes only: a worker that is gone is found out by reading, so nothing completes in here. */
static void on_flush(uv_prepare_t *flush)
{
    struct invoke_pool *pool = flush->data;
    uv_prepare_stop(flush);
    for (struct invoke_worker *worker = pool->workers; worker; worker = worker->next)
        process_flush(worker->process);
}

void pool_flush_soon(struct invoke_pool *pool)
{
    uv_prepare_start(&pool->flush, on_flush);
}

/* --- Workers: how many, and when --- */

/* Workers that serve or will, and what those that will are expected to take. */
static uint32_t live_workers(const struct invoke_pool *pool, uint64_t *ret_expected_room)
{
    uint32_t count = 0;
    *ret_expected_room = 0;
    for (const struct invoke_worker *worker = pool->workers; worker; worker = worker->next) {
        if ((worker->state != WORKER_STARTING && worker->state != WORKER_SERVING) || worker->closed)
            continue;
        count++;
        *ret_expected_room += worker->state == WORKER_STARTING ? pool->expected_concurrency : 0;
    }
    return count;
}

bool pool_has_surplus(const struct invoke_pool *pool)
{
    uint64_t expected_room;
    return live_workers(pool, &expected_room) > pool->config.workers_provisioned;
}

static bool needs_worker(const struct invoke_pool *pool)
{
    uint64_t expected_room;
    uint32_t live = live_workers(pool, &expected_room);
    if (pool->stopping || pool->counters.workers >= pool->config.workers_max)
        return false;
    return live < pool->config.workers_provisioned || pool->waiting.count > expected_room;
}

static void wake_to_spawn(struct invoke_pool *pool)
{
    if (needs_worker(pool))
        pool_wake_at(pool, pool->spawn_not_before_ms);
}

/* Starts are spaced, and more so after failures. */
static void space_next_spawn(struct invoke_pool *pool)
{
    const struct invoke_config *config = &pool->config;
    uint32_t random = pool->hooks.random(pool->hooks.ctx);
    uint32_t delay_ms =
        restart_delay_ms(config->restart_base_ms, config->restart_cap_ms, pool->failure_count, random);
    if (delay_ms < config->spawn_interval_ms)
        delay_ms = config->spawn_interval_ms;
    pool->spawn_not_before_ms = uv_now(pool->loop) + delay_ms;
}

/* Without a worker that could take them, those that wait would wait for ever. */
static void fail_waiting(struct invoke_pool *pool, const struct invoke_result *why)
{
    uint64_t expected_room;
    if (live_workers(pool, &expected_room) == 0)
        complete_all(pool, take_waiting(pool), why);
}

static void tell_started(const struct invoke_pool *pool, const struct invoke_result *why)
{
    if (pool->hooks.started)
        pool->hooks.started(pool->hooks.ctx, why);
}

void pool_worker_started(struct invoke_pool *pool)
{
    tell_started(pool, NULL);
}

static void spawn(struct invoke_pool *pool)
{
    struct invoke_worker *worker;
    int error = worker_start(pool, &worker);
    if (error) {
        char message[256];
        snprintf(message, sizeof message, "the worker %s cannot be started: %s", pool->config.executable,
                 uv_strerror(error));
        log_error("%s: %s", pool->config.function_name, message);
        pool->failure_count++;
        space_next_spawn(pool);
        struct invoke_result why = {.outcome = INVOKE_TRANSPORT_ERROR,
                                    .error_type = SPAN_LITERAL("Sluice.WorkerNotStarted"),
                                    .error_message = span_from_string(message)};
        fail_waiting(pool, &why);
        tell_started(pool, &why);
        return;
    }
    worker->next = pool->workers;
    pool->workers = worker;
    pool->counters.workers++;
    worker->number = ++pool->counters.started_count;
    space_next_spawn(pool);
}

static struct invoke_worker *find_room(const struct invoke_pool *pool)
{
    struct invoke_worker *worker = pool->workers;
    while (worker && worker_room(worker) == 0)
        worker = worker->next;
    return worker;
}

static void run_waiting(struct invoke_pool *pool)
{
    struct invoke_worker *worker;
    while (pool->waiting.first && (worker = find_room(pool))) {
        struct request *request = request_list_take_first(&pool->waiting);
        pool->waiting_bytes -= request->bytes_len;
        worker_run(worker, request, span_of(request->bytes, request->context_len),
                   span_of(request->bytes + request->context_len, request->bytes_len - request->context_len));
    }
}

/* --- What workers report --- */

void pool_worker_ready(struct invoke_pool *pool)
{
    run_waiting(pool);
}

void pool_worker_answered(struct invoke_pool *pool, struct request *request,
                          const struct invoke_result *result)
{
    pool->failure_count = 0;
    pool->probing = false;
    struct invoke_result given = end(pool, request, result);
    run_waiting(pool); /* before the callback, so that the worker is never without work */
    tell(request, &given);
}

static const struct invoke_result cut_short = {
    .outcome = INVOKE_TRANSPORT_ERROR,
    .error_type = SPAN_LITERAL("Sluice.WorkerKilled"),
    .error_message =
        SPAN_LITERAL("the worker was killed because of another invocation that passed its time limit"),
};

static const struct invoke_result stopped = {
    .outcome = INVOKE_TRANSPORT_ERROR,
    .error_type = SPAN_LITERAL("Sluice.Stopping"),
    .error_message = SPAN_LITERAL("the gateway stopped before the function had answered"),
};

/*
 * The end of a worker that takes several invocations says of none that it was the reason, and costs none an
 * attempt: the next worker gets one at a time until it has answered one. What ends a worker then is the one
 * that it had. So an event that ends every worker delays the others, and does not go round for ever.
 */
static struct invoke_result crash_of_several(struct invoke_pool *pool, uint32_t running_count,
                                             const struct invoke_result *why)
{
    struct invoke_result result = *why;
    if (!pool->probing || running_count > 1)
        result.outcome = INVOKE_TRANSPORT_ERROR;
    pool->probing = true;
    return result;
}

void pool_worker_failed(struct invoke_pool *pool, const struct invoke_worker *worker,
                        struct request_list running, const struct invoke_result *why)
{
    uint64_t now_ms = uv_now(pool->loop);
    struct invoke_result crash = *why;
    pool->failure_count++;
    space_next_spawn(pool);
    if (why->outcome == INVOKE_CRASHED && worker->shared && running.count > 0)
        crash = crash_of_several(pool, running.count, why);
    struct request *request;
    while ((request = request_list_take_first(&running))) {
        bool innocent = why->outcome == INVOKE_TIMED_OUT && request->deadline_ms > now_ms;
        complete(pool, request, innocent ? &cut_short : &crash);
    }
    if (!worker->ready) {
        fail_waiting(pool, why);
        tell_started(pool, why);
    }
    wake_to_spawn(pool);
}

void pool_worker_stopped(struct invoke_pool *pool, struct request_list running)
{
    complete_all(pool, running, &stopped);
}

void pool_worker_gone(struct invoke_pool *pool, struct invoke_worker *worker)
{
    struct invoke_worker **at = &pool->workers;
    while (*at != worker)
        at = &(*at)->next;
    *at = worker->next;
    memory_free(worker);
    pool->counters.workers--;
    if (pool->stopping)
        pool_wake_at(pool, 0);
    else
        wake_to_spawn(pool);
}

/* --- Stopping --- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct invoke_pool *pool = handle->data;
    if (--pool->open_handles > 0)
        return;
    void (*on_stopped)(void *ctx) = pool->on_stopped;
    void *ctx = pool->stopped_ctx;
    invoke_config_free(&pool->config);
    buffer_fini(&pool->init);
    memory_free(pool);
    on_stopped(ctx);
}

static void stop_further(struct invoke_pool *pool)
{
    complete_all(pool, take_waiting(pool), &stopped);
    for (struct invoke_worker *worker = pool->workers; worker; worker = worker->next)
        worker_shut_down(worker);
    if (pool->workers || pool->open_handles > 0)
        return;
    pool->open_handles = POOL_HANDLE_COUNT;
    uv_close((uv_handle_t *)&pool->timer, on_handle_closed);
    uv_close((uv_handle_t *)&pool->flush, on_handle_closed);
}

void invoke_pool_stop(struct invoke_pool *pool, void (*on_stopped)(void *ctx), void *ctx)
{
    assert(!pool->stopping);
    pool->stopping = true;
    pool->on_stopped = on_stopped;
    pool->stopped_ctx = ctx;
    pool_wake_at(pool, 0);
}

void invoke_pool_keep(struct invoke_pool *pool, uint32_t workers_provisioned, uint32_t idle_timeout_ms)
{
    struct invoke_config *config = &pool->config;
    config->workers_provisioned =
        workers_provisioned < config->workers_max ? workers_provisioned : config->workers_max;
    config->idle_timeout_ms = idle_timeout_ms;
    for (struct invoke_worker *worker = pool->workers; worker; worker = worker->next)
        worker_idle_anew(worker);
    wake_to_spawn(pool);
}

void invoke_pool_restart(struct invoke_pool *pool)
{
    for (struct invoke_worker *worker = pool->workers; worker; worker = worker->next)
        worker_shut_down(worker);
    pool->failure_count = 0;
    pool->spawn_not_before_ms = uv_now(pool->loop);
    wake_to_spawn(pool);
}

/* --- The timer: everything that is due --- */

static void on_timer(uv_timer_t *timer)
{
    struct invoke_pool *pool = timer->data;
    uint64_t now_ms = uv_now(pool->loop);
    pool->timer_at_ms = INVOKE_NEVER;
    for (struct invoke_worker *worker = pool->workers; worker; worker = worker->next)
        worker_expire(worker, now_ms); /* workers leave the list in on_closed only, never during this */
    if (pool->stopping) {
        stop_further(pool);
    } else {
        if (needs_worker(pool) && now_ms >= pool->spawn_not_before_ms)
            spawn(pool);
        wake_to_spawn(pool);
    }
    for (const struct invoke_worker *worker = pool->workers; worker; worker = worker->next)
        pool_wake_at(pool, worker_next_deadline_ms(worker));
}

/* --- The interface --- */

enum sluice_error invoke_pool_start(uv_loop_t *loop, const struct invoke_config *config,
                                    const struct invoke_hooks *hooks, char *error, size_t error_bytes,
                                    struct invoke_pool **ret_pool)
{
    assert(config->workers_max > 0 && config->timeout_ms > 0);
    assert(config->waiting_count_max > 0 || config->workers_provisioned > 0); /* or none would ever start */
    enum sluice_error refused = invoke_config_check(config, error, error_bytes);
    if (refused)
        return refused;
    struct invoke_pool *pool = memory_new(sizeof *pool);
    pool->loop = loop;
    pool->config = invoke_config_copy(config);
    pool->hooks = *hooks;
    pool->expected_concurrency = 1;
    pool->timer_at_ms = INVOKE_NEVER;
    invoke_config_write_init(config, &pool->init);
    uv_timer_init(loop, &pool->timer);
    uv_prepare_init(loop, &pool->flush);
    pool->timer.data = pool->flush.data = pool;
    wake_to_spawn(pool);
    *ret_pool = pool;
    return SLUICE_OK;
}

static struct request *request_new(const struct invoke_request *given, size_t bytes_len)
{
    struct request *request = memory_new(sizeof *request + bytes_len);
    request->on_done = given->on_done;
    request->ctx = given->ctx;
    snprintf(request->request_id, sizeof request->request_id, "%s",
             given->request_id ? given->request_id : "");
    request->wants_log = given->wants_log;
    request->bytes_len = bytes_len;
    return request;
}

static enum sluice_error wait_for_worker(struct invoke_pool *pool, const struct invoke_request *given)
{
    size_t len = given->context.len + given->event.len;
    bool full = pool->waiting.count >= pool->config.waiting_count_max ||
                pool->waiting_bytes + len > pool->config.waiting_bytes_max;
    if (full && (pool->waiting.count > 0 || pool->config.waiting_count_max == 0))
        return SLUICE_FULL;
    struct request *request = request_new(given, len);
    request->context_len = given->context.len;
    struct writer writer = writer_of(request->bytes, len);
    write_bytes(&writer, given->context);
    write_bytes(&writer, given->event);
    request_list_append(&pool->waiting, request);
    pool->waiting_bytes += len;
    wake_to_spawn(pool);
    return SLUICE_OK;
}

enum sluice_error invoke_submit(struct invoke_pool *pool, const struct invoke_request *request)
{
    if (pool->stopping)
        return SLUICE_CLOSED;
    if (request->context.len > WORKER_CONTEXT_BYTES_MAX || request->event.len > WORKER_PAYLOAD_BYTES_MAX)
        return SLUICE_TOO_LARGE;
    struct invoke_worker *worker = find_room(pool);
    if (worker) {
        worker_run(worker, request_new(request, 0), request->context, request->event);
    } else {
        enum sluice_error error = wait_for_worker(pool, request);
        if (error)
            return error;
    }
    pool->counters.submitted_count++;
    return SLUICE_OK;
}

size_t invoke_capacity(const struct invoke_pool *pool)
{
    size_t capacity = 0;
    if (pool->stopping)
        return 0;
    for (const struct invoke_worker *worker = pool->workers; worker; worker = worker->next)
        capacity += worker_room(worker);
    uint32_t waiting_max = pool->config.waiting_count_max;
    if (pool->waiting.count < waiting_max && pool->waiting_bytes < pool->config.waiting_bytes_max)
        capacity += waiting_max - pool->waiting.count;
    return capacity;
}

bool invoke_is_busy(const struct invoke_pool *pool)
{
    uint64_t expected_room;
    live_workers(pool, &expected_room);
    uint32_t startable = pool->config.workers_max > pool->counters.workers
                             ? pool->config.workers_max - pool->counters.workers
                             : 0;
    uint64_t room = expected_room + (uint64_t)startable * pool->expected_concurrency;
    for (const struct invoke_worker *worker = pool->workers; worker; worker = worker->next)
        room += worker_room(worker);
    return pool->stopping || pool->waiting.count >= room;
}

bool invoke_serves(const struct invoke_pool *pool)
{
    const struct invoke_worker *worker = pool->workers;
    while (worker && (worker->state != WORKER_SERVING || worker->closed))
        worker = worker->next;
    return worker != NULL;
}

bool invoke_backs_off(const struct invoke_pool *pool)
{
    return pool->failure_count > 0 && uv_now(pool->loop) < pool->spawn_not_before_ms;
}

struct invoke_counters invoke_counters(const struct invoke_pool *pool)
{
    struct invoke_counters counters = pool->counters;
    for (const struct invoke_worker *worker = pool->workers; worker; worker = worker->next)
        counters.running += worker->running.count;
    counters.waiting = pool->waiting.count;
    return counters;
}
