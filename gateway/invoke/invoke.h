/*
 * A pool of worker processes for one function: it starts them when there is
 * work, hands them invocations over the worker protocol (handlers/PROTOCOL.md),
 * watches them, and kills and replaces those that crash, hang, or write garbage.
 *
 * Thread: the loop's only. Memory: the configuration, the context and the event
 * are copied; what a callback receives is a view until it returns. Callbacks are
 * never made from inside a function of this header, and may call any of them.
 *
 * Every request that invoke_submit took completes exactly once, also when its
 * worker dies and when the pool is stopped. A request is never tried again here:
 * that is the queue's decision (gateway/deliver).
 *
 * Bounds: workers, waiting requests by count and by bytes, event and result of
 * 6 MiB + 100 B. The time limit runs from the moment that a worker gets the
 * request, as in Lambda; before that it waits for a worker, and when no worker
 * can be started it completes with the reason.
 */
#ifndef SLUICE_INVOKE_INVOKE_H
#define SLUICE_INVOKE_INVOKE_H

#include "invoke/worker_protocol.h"
#include "sluice/error.h"
#include "wire/span.h"

#include <uv.h>

struct invoke_pool;

enum {
    INVOKE_LOG_BYTES = 4096,
    INVOKE_REQUEST_ID_BYTES = 37, /* of a UUID as text, with its NUL */
};

struct invoke_config {
    const char *function_name;
    const char *function_version; /* "3", or "$LATEST" */
    const char *handler;          /* as the function's configuration has it; for `native` a path to the .so */
    const char *runtime;          /* "native", "lambda", ... */
    const char *settings_json;    /* an object for this kind of worker, or NULL for {} */
    const char *const *launcher;  /* a program and arguments that runs the worker; NULL: none does */
    const char *executable;       /* path of the worker */
    const char *const *arguments; /* after the executable's name, NULL-terminated; NULL: none */
    const char *const *environment; /* "NAME=value", NULL-terminated: all that the worker gets; NULL: none */
    uint32_t workers_max;           /* reserved concurrency, where a worker runs one at a time */
    uint32_t workers_provisioned;   /* kept started; at most workers_max */
    uint32_t timeout_ms;            /* of one invocation */
    uint32_t init_timeout_ms;       /* from start to READY */
    uint32_t idle_timeout_ms;       /* after which a worker beyond the provisioned ones is shut down */
    uint32_t stop_grace_ms;         /* from SHUTDOWN to SIGTERM */
    uint32_t memory_mb;             /* told to the worker, which limits itself; 0: no limit */
    uint32_t waiting_count_max;     /* requests that may wait for a worker; 0, with provisioned ones: none,
                                       so that those that come back stay before those that never left */
    uint32_t waiting_bytes_max;     /* their bytes; if any may wait, one always may */
    uint32_t spawn_interval_ms;     /* at least this long between two starts */
    uint32_t restart_base_ms;       /* after a failure: see restart.h */
    uint32_t restart_cap_ms;
};

/* The limits' defaults: 1 worker, 3 s, Lambda's 10 s to start. The caller fills in names, paths and what
 * differs. */
struct invoke_config invoke_config_default(void);

/* What a worker publishes: a view. Its answer, by invoke_published, may come later. */
struct invoke_publication {
    uint64_t worker; /* which one */
    uint64_t id;     /* its name for it */
    bool retain;
    struct span topic, payload;
    struct span properties; /* MQTT 5's, as PUBLISH has them; not checked */
};

struct invoke_result;

/* What a function's log is made of: all of them, or none. They may come while a function of this header runs,
 * and may call none. */
struct invoke_log_hooks {
    /* A worker begins with an invocation. False: the log leaves it out. */
    bool (*on_begin)(void *ctx, const char *request_id);
    /* A line that a worker has printed; request_id is NULL where it is of no invocation, or one of several.
     */
    void (*on_line)(void *ctx, const char *request_id, struct span line);
    /* Before on_done, and before its worker begins with another one. `begun` is what on_begin has said. */
    void (*on_end)(void *ctx, const char *request_id, bool begun, const struct invoke_result *result);
};

/* Where each worker has a group of its own (a cgroup), with limits for all of its processes together; all of
 * them, or none. They may call nothing of this header. */
struct invoke_group_hooks {
    /* A worker has been started, and has been told nothing yet. NULL: it has no group. */
    void *(*enter)(void *ctx, int pid);
    /* The most memory that all of it has held; 0: not known. */
    uint64_t (*memory_bytes)(void *group);
    /* The worker has ended: whatever is left in the group ends too. */
    void (*leave)(void *ctx, void *group);
};

struct invoke_result;

struct invoke_hooks {
    void *ctx;
    uint64_t (*wall_ms)(void *ctx); /* Unix epoch: for the deadline that workers are told */
    uint32_t (*random)(void *ctx);  /* for the jitter of restarts */
    /* NULL, or told of each start of a worker: that it serves (`why` is NULL), or that it ended before. */
    void (*started)(void *ctx, const struct invoke_result *why);
    /* NULL: its workers may publish nothing. A worker waits for the answer before it publishes again. */
    void (*publish)(void *ctx, const struct invoke_publication *publication);
    struct invoke_log_hooks log;     /* zeroed: nobody keeps one */
    struct invoke_group_hooks group; /* zeroed: there are none */
};

enum invoke_outcome {
    INVOKE_SUCCEEDED,
    INVOKE_FUNCTION_ERROR,  /* the function ran and failed, or could not be loaded */
    INVOKE_TRANSPORT_ERROR, /* it was not reached, or the gateway is stopping: no fault of the event */
    INVOKE_THROTTLED,       /* the target wants a lower rate: not before retry_after_ms */
    INVOKE_TIMED_OUT,       /* error type Sandbox.Timedout */
    INVOKE_CRASHED,         /* the worker died or broke the protocol: error type Runtime.ExitError */
};

struct invoke_result {
    enum invoke_outcome outcome;
    struct span payload;       /* the result, or the function's own error document; may be empty */
    struct span error_type;    /* empty on success; UTF-8 is not checked */
    struct span error_message; /* the same */
    uint32_t retry_after_ms;   /* INVOKE_THROTTLED, INVOKE_TRANSPORT_ERROR; 0: nothing was said */
    uint64_t duration_us;      /* from the worker getting the request; 0 if none did */
    uint64_t init_us;          /* cold start, on a worker's first invocation only; else 0 */
    uint64_t memory_bytes; /* the most that its worker has held so far, for who wants a log; 0: not known */
    struct span log;       /* the last lines that its worker printed meanwhile, where it ran alone there */
};

struct invoke_request {
    struct span context; /* JSON object, at most WORKER_CONTEXT_BYTES_MAX */
    struct span event;
    const char *request_id; /* as the context has it; NULL: "" */
    bool wants_log;         /* at most INVOKE_LOG_BYTES are kept for it */
    void (*on_done)(void *ctx, const struct invoke_result *result);
    void *ctx;
};

/* Checks that the executable can be run and starts the provisioned workers. On failure (SLUICE_NOT_FOUND,
 * SLUICE_DENIED, SLUICE_TOO_LARGE, SLUICE_IO) one clear sentence is in `error`, which has error_bytes. */
enum sluice_error invoke_pool_start(uv_loop_t *loop, const struct invoke_config *config,
                                    const struct invoke_hooks *hooks, char *error, size_t error_bytes,
                                    struct invoke_pool **ret_pool);

/* SLUICE_OK: on_done will be called, later and once. SLUICE_FULL: all workers are busy and the bound on
 * waiting is reached. SLUICE_TOO_LARGE: context or event. SLUICE_CLOSED: the pool is stopping. */
enum sluice_error invoke_submit(struct invoke_pool *pool, const struct invoke_request *request);

/* The answer to a publication; nothing if its worker is gone. */
void invoke_published(struct invoke_pool *pool, uint64_t worker, uint64_t id, enum worker_published outcome);

/* How many small requests invoke_submit would take now. */
size_t invoke_capacity(const struct invoke_pool *pool);

/* Whether a request would have to wait until another one has ended: all workers that there may be are taken.
 */
bool invoke_is_busy(const struct invoke_pool *pool);

/* Whether a worker is ready for the first request. */
bool invoke_serves(const struct invoke_pool *pool);

/* Whether workers have failed, and the pause before the next one has not passed. */
bool invoke_backs_off(const struct invoke_pool *pool);

struct invoke_counters {
    uint64_t submitted_count;
    uint64_t completed_count[INVOKE_CRASHED + 1]; /* by outcome */
    uint64_t started_count;                       /* workers */
    uint64_t killed_count;                        /* with SIGKILL, for whatever reason */
    uint32_t workers;                             /* now */
    uint32_t running;                             /* requests that workers have now */
    uint32_t waiting;                             /* requests that wait for one now */
};

struct invoke_counters invoke_counters(const struct invoke_pool *pool);

/* From now on that many workers are kept started, and others end when they have had nothing to do for that
 * long. With 0 and 0 a pool serves what it has, and what may still come, and then has no workers. */
void invoke_pool_keep(struct invoke_pool *pool, uint32_t workers_provisioned, uint32_t idle_timeout_ms);

/* The function is another one now: workers that are there finish what they have and end, as at a stop, and
 * new ones take what comes. What a worker has not finished by then ends with INVOKE_TRANSPORT_ERROR. */
void invoke_pool_restart(struct invoke_pool *pool);

/* Takes no more requests, completes those that wait (INVOKE_TRANSPORT_ERROR), and shuts the workers down:
 * SHUTDOWN, after stop_grace_ms SIGTERM, 2 s later SIGKILL. Then on_stopped is called, once, and the pool is
 * freed. */
void invoke_pool_stop(struct invoke_pool *pool, void (*on_stopped)(void *ctx), void *ctx);

#endif
