/*
 * Runs a built example function as the native worker does, in this process:
 * single events, and batches in the shape that the gateway builds.
 */
#ifndef SLUICE_TEST_HANDLER_FIXTURE_H
#define SLUICE_TEST_HANDLER_FIXTURE_H

#include "invoke/records.h"
#include "native/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static inline void handler_log(void *ctx, const char *line)
{
    (void)ctx;
    print_message("  log: %s\n", line);
}

static inline struct host *handler_new(const char *path)
{
    return host_new(&(struct host_config){"function", path, handler_log, NULL});
}

static inline struct host *handler_open(const char *path)
{
    struct host *host = handler_new(path);
    struct host_answer answer = host_start(host);
    if (!answer.succeeded)
        fail_msg("%s: %s", answer.error_type, answer.error_message);
    return host;
}

static inline struct host_answer handler_invoke(struct host *host, struct span event)
{
    struct worker_frame frame = {.type = WORKER_INVOKE, .invocation = 1};
    frame.invoke.context = SPAN_LITERAL("{}");
    frame.invoke.event = event;
    return host_invoke(host, &frame);
}

static inline void handler_expect(struct host *host, struct span event, const char *result)
{
    struct host_answer answer = handler_invoke(host, event);
    assert_true(answer.succeeded);
    assert_int_equal(answer.result.len, strlen(result));
    if (answer.result.len > 0)
        assert_memory_equal(answer.result.data, result, answer.result.len);
}

static inline void handler_md5(struct span bytes, char ret_hex[RECORDS_MD5_HEX_BYTES])
{
    snprintf(ret_hex, RECORDS_MD5_HEX_BYTES, "%032zx", bytes.len);
}

/* A Records event of these bodies, for buffer_fini. */
static inline struct buffer handler_batch(const char *const *bodies, size_t count)
{
    static const struct records_source source = {SPAN_LITERAL("aws:sqs"), SPAN_LITERAL("arn"),
                                                 SPAN_LITERAL("local"), handler_md5, 0};
    struct buffer out = {0};
    struct records_writer writer = records_begin(&out, &source);
    for (size_t i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "m-%zu", i);
        records_add(&writer, &(struct record){.message_id = span_from_string(id),
                                              .body = span_from_string(bodies[i]),
                                              .receive_count = 1});
    }
    records_end(&writer, SPAN_EMPTY);
    return out;
}

#endif
