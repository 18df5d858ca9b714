/*
 * What pool.c and worker.c share inside this folder: the requests, the workers,
 * and who tells whom what. pool.c decides (which worker, when to start one, when
 * to give up); worker.c lives one worker's life. Users see invoke.h.
 */
#ifndef SLUICE_INVOKE_POOL_H
#define SLUICE_INVOKE_POOL_H

#include "base/buffer.h"
#include "invoke/invoke.h"
#include "invoke/process.h"

#define INVOKE_NEVER UINT64_MAX

/* --- Requests (request.c) --- */

struct request {
    struct request *next;
    uint64_t invocation;
    struct invoke_worker *worker; /* that has it; NULL: none does yet */
    char request_id[INVOKE_REQUEST_ID_BYTES];
    bool is_logged; /* the function's log has its begin */
    void (*on_done)(void *ctx, const struct invoke_result *result);
    void *ctx;
    uint64_t began_ns;    /* when a worker got it; 0: none did yet */
    uint64_t deadline_ms; /* of the loop's clock */
    uint64_t init_us;     /* of a cold start */
    bool wants_log;
    struct buffer log;  /* its last lines */
    size_t context_len; /* of `bytes`; the event is the rest */
    size_t bytes_len;
    uint8_t bytes[]; /* only of a request that waits: nobody reads them once a worker has got it */
};

/* A line that its worker has printed. */
void request_log(struct request *request, struct span line);

/* First in, first out. A zeroed one is empty. */
struct request_list {
    struct request *first;
    struct request *last;
    uint32_t count;
};

void request_list_append(struct request_list *list, struct request *request);
/* NULL if there is none. */
struct request *request_list_take(struct request_list *list, uint64_t invocation);
struct request *request_list_take_first(struct request_list *list);

/* --- Configuration (config.c) --- */

/* A deep copy, to be released by invoke_config_free. */
struct invoke_config invoke_config_copy(const struct invoke_config *config);
void invoke_config_free(struct invoke_config *config);
/* One clear sentence in `error` if the executable cannot be run, or INIT would be over its bound. */
enum sluice_error invoke_config_check(const struct invoke_config *config, char *error, size_t error_bytes);
void invoke_config_write_init(const struct invoke_config *config, struct buffer *out);

/* --- Workers (worker.c) --- */

enum worker_state {
    WORKER_STARTING,    /* INIT was sent */
    WORKER_SERVING,     /* READY came */
    WORKER_DRAINING,    /* SHUTDOWN was sent */
    WORKER_TERMINATING, /* SIGTERM was sent */
    WORKER_KILLED,      /* SIGKILL was sent; its requests are completed */
};

struct invoke_worker {
    struct invoke_worker *next;
    struct invoke_pool *pool;
    struct process *process;
    void *group; /* NULL: it has none */
    enum worker_state state;
    bool closed;          /* its socket ended; its exit is awaited */
    uint64_t deadline_ms; /* of the state; INVOKE_NEVER: none */
    uint64_t number;      /* the pool's workers are counted from 1 */
    uint64_t publishing;  /* the publication that is not answered, or 0 */
    bool ready;           /* READY came */
    bool shared;          /* READY has said another concurrency than 1: see LATE_MS */
    uint32_t concurrency; /* as the last READY had it; 0 before */
    uint64_t started_ns;
    uint64_t init_us; /* until the first invocation, which reports it; then 0 */
    struct request_list running;
    uint64_t memory_bytes;   /* the most that was seen, */
    uint64_t memory_seen_ms; /* when it was last looked at; 0: never */
};

/* 0, or libuv's error code. */
int worker_start(struct invoke_pool *pool, struct invoke_worker **ret_worker);
uint32_t worker_room(const struct invoke_worker *worker);
/* There must be room. */
void worker_run(struct invoke_worker *worker, struct request *request, struct span context,
                struct span event);
/* If it has nothing to do, the idle time-out runs from now. */
void worker_idle_anew(struct invoke_worker *worker);
/* SHUTDOWN, and what follows if it is not obeyed. */
void worker_shut_down(struct invoke_worker *worker);
/* The most memory that it has held (memory_peak.h), as of now, or else of less than a second ago. */
uint64_t worker_memory_bytes(struct invoke_worker *worker, bool now);
/* Does what is due. */
void worker_expire(struct invoke_worker *worker, uint64_t now_ms);
uint64_t worker_next_deadline_ms(const struct invoke_worker *worker);

/* --- The pool, as its workers see it (pool.c) --- */

struct invoke_pool {
    uv_loop_t *loop;
    struct invoke_config config;
    struct invoke_hooks hooks;
    struct buffer init; /* the body of INIT */
    struct invoke_worker *workers;
    struct request_list waiting;
    size_t waiting_bytes;
    uint64_t last_invocation;
    uint32_t expected_concurrency; /* of a worker that is starting: what the last one said */
    uint32_t failure_count;        /* of workers, in a row */
    bool probing; /* a worker that takes several has crashed, and none has answered since: one at a time */
    uint64_t spawn_not_before_ms;
    uv_timer_t timer;
    uint64_t timer_at_ms; /* INVOKE_NEVER: not running */
    uv_prepare_t flush;   /* runs before the loop sleeps, while there is something to write */
    bool stopping;
    int open_handles; /* 0 until they are being closed */
    void (*on_stopped)(void *ctx);
    void *stopped_ctx;
    struct invoke_counters counters;
};

/* The loop's timer will run at `at_ms` or sooner. */
void pool_wake_at(struct invoke_pool *pool, uint64_t at_ms);
/* Something was sent to a worker. */
void pool_flush_soon(struct invoke_pool *pool);
void pool_worker_started(struct invoke_pool *pool); /* the first READY */
void pool_worker_ready(struct invoke_pool *pool);   /* also when its concurrency has changed */
void pool_worker_answered(struct invoke_pool *pool, struct request *request,
                          const struct invoke_result *result);
/* A worker ended in a way that it should not have. Completes its requests with `why`; those that nothing
 * says to be the reason get INVOKE_TRANSPORT_ERROR. If it had never served and no other worker can, those
 * that wait are completed too. */
void pool_worker_failed(struct invoke_pool *pool, const struct invoke_worker *worker,
                        struct request_list running, const struct invoke_result *why);
/* A worker that was told to stop ended with requests open. */
void pool_worker_stopped(struct invoke_pool *pool, struct request_list running);
/* The worker's last handle is closed: forgets and frees it. */
void pool_worker_gone(struct invoke_pool *pool, struct invoke_worker *worker);
/* Whether an idle worker is one more than are provisioned. */
bool pool_has_surplus(const struct invoke_pool *pool);

#endif
