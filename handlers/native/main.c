/*
 * The `native` worker: hosts one shared object (sluice/handler.h) behind the
 * worker protocol. One thread, one invocation at a time. It exits with 0 when the
 * gateway says so or is gone, and with 1 when the function cannot be loaded.
 */
#include "native/host.h"
#include "worker/clock.h"
#include "worker/worker.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#if defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#        define SANITIZER 1
#    endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define SANITIZER 1
#endif

/* memorySize bounds what the function can write to: heap, data and anonymous mappings, not code. */
static void limit_memory(double megabytes)
{
#ifndef SANITIZER /* it reserves terabytes for itself */
    if (megabytes > 0) {
        rlim_t bytes = (rlim_t)megabytes * 1024 * 1024;
        setrlimit(RLIMIT_DATA, &(struct rlimit){bytes, bytes});
    }
#else
    (void)megabytes;
#endif
}

static void send_line(void *ctx, const char *line)
{
    worker_send_log(ctx, 0, WORKER_LOG_INFO, line);
}

static const char *string_of(const cJSON *init, const char *name)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(init, name));
    return value ? value : "";
}

static double number_of(const cJSON *init, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(init, name);
    return cJSON_IsNumber(value) ? value->valuedouble : 0;
}

/* NULL when the function could not be started; the gateway has been told why. */
static struct host *start(struct worker *worker, struct span init_json)
{
    uint64_t started_ms = worker_clock_ms(CLOCK_MONOTONIC);
    cJSON *init = cJSON_ParseWithLength((const char *)init_json.data, init_json.len);
    if ((int)number_of(init, "protocol") != WORKER_PROTOCOL_VERSION) {
        worker_send_error(worker, 0, WORKER_ERROR_TRANSPORT, "Runtime.ProtocolVersion",
                          "gateway and worker are of different versions: install both together");
        cJSON_Delete(init);
        return NULL;
    }
    limit_memory(number_of(init, "memorySizeMb"));
    struct host *host = host_new(&(struct host_config){
        .function_name = string_of(init, "functionName"),
        .handler = string_of(init, "handler"),
        .on_log = send_line,
        .log_ctx = worker,
    });
    cJSON_Delete(init);
    struct host_answer answer = host_start(host);
    if (answer.succeeded) {
        worker_send_ready(worker, 1, (uint32_t)(worker_clock_ms(CLOCK_MONOTONIC) - started_ms));
        return host;
    }
    worker_send_error(worker, 0, WORKER_ERROR_FUNCTION, answer.error_type, answer.error_message);
    host_free(host);
    return NULL;
}

static void answer(struct worker *worker, struct host *host, const struct worker_frame *invoke)
{
    struct host_answer answer = host_invoke(host, invoke);
    if (answer.succeeded)
        worker_send_result(worker, invoke->invocation, answer.result);
    else
        worker_send_error(worker, invoke->invocation, WORKER_ERROR_FUNCTION, answer.error_type,
                          answer.error_message);
}

static int run(struct worker *worker)
{
    struct host *host = NULL;
    struct worker_frame frame;
    int status = 0;
    while (worker_receive(worker, &frame) == SLUICE_OK && frame.type != WORKER_SHUTDOWN) {
        if (frame.type == WORKER_INVOKE && host)
            answer(worker, host, &frame);
        else if (frame.type == WORKER_INIT && !host)
            host = start(worker, frame.init);
        if (!host) {
            status = 1;
            break;
        }
    }
    if (host)
        host_free(host);
    return status;
}

int main(void)
{
    struct worker worker;
    if (worker_open(&worker)) {
        fputs("native is started by the gateway and runs functions for it; see handlers/PROTOCOL.md\n",
              stderr);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* what the function prints is in the log before it can crash */
    int status = run(&worker);
    worker_close(&worker);
    return status;
}
