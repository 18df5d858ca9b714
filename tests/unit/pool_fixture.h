/*
 * A pool on a loop of its own, for tests: submits, runs the loop until what was
 * submitted is done, keeps the results. Several tests of gateway/invoke share it.
 */
#ifndef SLUICE_TEST_POOL_FIXTURE_H
#define SLUICE_TEST_POOL_FIXTURE_H

#include "base/buffer.h"
#include "invoke/invoke.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { FIXTURE_RESULTS = 64 };

struct kept_result {
    enum invoke_outcome outcome;
    char payload[512];
    char error_type[64];
    char error_message[256];
    char log[256];
    uint32_t retry_after_ms;
    uint64_t init_us;
    int done_count; /* must end as 1 */
};

struct fixture {
    uv_loop_t loop;
    struct invoke_pool *pool;
    struct kept_result results[FIXTURE_RESULTS]; /* by order of submission */
    int submitted_count;
    int done_count;
    bool stopped;
    bool wants_log;                       /* each request */
    bool leaves_out;                      /* the log's begin says so */
    struct buffer log;                    /* what the log's hooks were told */
    uint64_t memory_bytes;                /* at the last end */
    int started_count, not_started_count; /* as hooks.started had it */
};

static inline uint64_t fixture_wall_ms(void *ctx)
{
    (void)ctx;
    uv_timeval64_t now;
    uv_gettimeofday(&now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
}

static inline uint32_t fixture_random(void *ctx)
{
    (void)ctx;
    return UINT32_MAX / 2;
}

static inline void fixture_on_started(void *ctx, const struct invoke_result *why)
{
    struct fixture *fixture = ctx;
    *(why ? &fixture->not_started_count : &fixture->started_count) += 1;
}

/* How the on_done callback finds both the fixture and the result. */
struct fixture_ticket {
    struct fixture *fixture;
    struct kept_result *result;
};

static inline void fixture_keep(char *to, size_t capacity, struct span from)
{
    size_t len = from.len < capacity - 1 ? from.len : capacity - 1;
    if (len > 0)
        memcpy(to, from.data, len);
    to[len] = '\0';
}

static inline void fixture_on_done(void *ctx, const struct invoke_result *result)
{
    struct fixture_ticket *ticket = ctx;
    struct kept_result *kept = ticket->result;
    kept->outcome = result->outcome;
    kept->retry_after_ms = result->retry_after_ms;
    kept->init_us = result->init_us;
    kept->done_count++;
    fixture_keep(kept->payload, sizeof kept->payload, result->payload);
    fixture_keep(kept->error_type, sizeof kept->error_type, result->error_type);
    fixture_keep(kept->log, sizeof kept->log, result->log);
    fixture_keep(kept->error_message, sizeof kept->error_message, result->error_message);
    ticket->fixture->done_count++;
    free(ticket);
}

static inline enum sluice_error fixture_submit(struct fixture *fixture, struct span event)
{
    struct fixture_ticket *ticket = malloc(sizeof *ticket);
    assert_non_null(ticket);
    assert_true(fixture->submitted_count < FIXTURE_RESULTS);
    *ticket = (struct fixture_ticket){fixture, &fixture->results[fixture->submitted_count]};
    enum sluice_error error = invoke_submit(
        fixture->pool,
        &(struct invoke_request){.context = SPAN_LITERAL("{\"requestId\":\"8476a536\",\"attempt\":1}"),
                                 .event = event,
                                 .request_id = "8476a536",
                                 .wants_log = fixture->wants_log,
                                 .on_done = fixture_on_done,
                                 .ctx = ticket});
    if (error)
        free(ticket);
    else
        fixture->submitted_count++;
    return error;
}

static inline void fixture_run(struct fixture *fixture)
{
    while (fixture->done_count < fixture->submitted_count)
        uv_run(&fixture->loop, UV_RUN_ONCE);
}

static inline const struct kept_result *fixture_invoke(struct fixture *fixture, const char *event)
{
    int index = fixture->submitted_count;
    assert_int_equal(fixture_submit(fixture, span_from_string(event)), SLUICE_OK);
    fixture_run(fixture);
    return &fixture->results[index];
}

static inline bool fixture_on_begin(void *ctx, const char *request_id)
{
    struct fixture *fixture = ctx;
    buffer_append(&fixture->log, SPAN_LITERAL("begin "));
    buffer_append(&fixture->log, span_from_string(request_id));
    buffer_append(&fixture->log, SPAN_LITERAL("|"));
    return !fixture->leaves_out;
}

static inline void fixture_on_line(void *ctx, const char *request_id, struct span line)
{
    struct fixture *fixture = ctx;
    buffer_append(&fixture->log, span_from_string(request_id ? request_id : "-"));
    buffer_append(&fixture->log, SPAN_LITERAL(" "));
    buffer_append(&fixture->log, line);
    buffer_append(&fixture->log, SPAN_LITERAL("|"));
}

static inline void fixture_on_end(void *ctx, const char *request_id, bool begun,
                                  const struct invoke_result *result)
{
    struct fixture *fixture = ctx;
    assert_int_equal(begun, !fixture->leaves_out);
    fixture->memory_bytes = result->memory_bytes;
    buffer_append(&fixture->log, SPAN_LITERAL("end "));
    buffer_append(&fixture->log, span_from_string(request_id));
    buffer_append(&fixture->log, SPAN_LITERAL("|"));
}

static inline void fixture_init(struct fixture *fixture, const struct invoke_config *config)
{
    char error[256] = "";
    *fixture = (struct fixture){0};
    uv_loop_init(&fixture->loop);
    const struct invoke_hooks hooks = {.ctx = fixture,
                                       .wall_ms = fixture_wall_ms,
                                       .random = fixture_random,
                                       .log = {fixture_on_begin, fixture_on_line, fixture_on_end},
                                       .started = fixture_on_started};
    assert_int_equal(invoke_pool_start(&fixture->loop, config, &hooks, error, sizeof error, &fixture->pool),
                     SLUICE_OK);
    assert_string_equal(error, "");
}

static inline void fixture_on_stopped(void *ctx)
{
    ((struct fixture *)ctx)->stopped = true;
}

/* Stops the pool, and checks that every request completed once and that no handle is left. */
static inline void fixture_fini(struct fixture *fixture)
{
    invoke_pool_stop(fixture->pool, fixture_on_stopped, fixture);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_true(fixture->stopped);
    assert_int_equal(fixture->done_count, fixture->submitted_count);
    for (int i = 0; i < fixture->submitted_count; i++)
        assert_int_equal(fixture->results[i].done_count, 1);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    buffer_fini(&fixture->log);
}

#endif
