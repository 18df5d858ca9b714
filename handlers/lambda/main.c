/*
 * The `lambda` worker: invokes one function in AWS Lambda (README.md) behind the
 * worker protocol. One thread, as many invocations at once as the configuration
 * says. It exits with 0 when the gateway says so and nothing is open any more, or
 * when the gateway is gone, and with 1 when it cannot start.
 */
#include "base/memory.h"
#include "lambda/invoker.h"
#include "worker/clock.h"
#include "worker/complaints.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CONCURRENCY_DEFAULT = 1,
    CONCURRENCY_MAX = 1000, /* what an AWS account has for all of its functions */
    REASON_BYTES = 512,
    LINE_BYTES = 1024,
};

struct lambda {
    struct worker *worker;
    struct target target;
    struct credentials_source credentials;
    struct invoker *invoker; /* NULL until INIT succeeded */
    struct complaints complaints;
    bool stopping;
    int status; /* to exit with */
};

static void complain(struct lambda *lambda, const char *reason)
{
    complaints_say(&lambda->complaints, lambda->worker, worker_clock_ms(CLOCK_MONOTONIC), reason);
}

/* ---- Answers ---- */

static void on_answer(void *ctx, uint64_t invocation, const struct answer *answer)
{
    struct lambda *lambda = ctx;
    if (answer->succeeded) {
        worker_send_result(lambda->worker, invocation, answer->payload);
        return;
    }
    struct worker_frame frame = {.type = WORKER_ERROR, .invocation = invocation};
    frame.error.kind = answer->kind;
    frame.error.retry_after_ms = answer->retry_after_ms;
    frame.error.type = buffer_span(&answer->error_type);
    frame.error.message = buffer_span(&answer->error_message);
    frame.error.payload = answer->payload;
    worker_send(lambda->worker, &frame);
    if (answer->kind == WORKER_ERROR_TRANSPORT) {
        char reason[REASON_BYTES];
        snprintf(reason, sizeof reason, "%s is not reached: %.*s: %.*s", lambda->target.url,
                 (int)frame.error.type.len, (const char *)frame.error.type.data, (int)frame.error.message.len,
                 (const char *)frame.error.message.data);
        complain(lambda, reason);
    }
}

/* ---- INIT ---- */

static const char *string_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static double number_of(const cJSON *object, const char *name, double otherwise)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(value) ? value->valuedouble : otherwise;
}

static enum sluice_error refuse(struct lambda *lambda, const char *type, const char *message)
{
    worker_send_error(lambda->worker, 0, WORKER_ERROR_TRANSPORT, type, message);
    lambda->status = 1;
    return SLUICE_INVALID;
}

/* Without keys only an endpoint on this machine is asked, which checks none. */
static enum sluice_error start_credentials(struct lambda *lambda)
{
    char error[REASON_BYTES] = "", message[LINE_BYTES];
    credentials_open(&lambda->credentials);
    credentials_refresh(&lambda->credentials, error, sizeof error);
    if (lambda->credentials.current.access_key_id)
        return SLUICE_OK;
    if (!lambda->target.encrypted && lambda->target.loopback) {
        worker_say(lambda->worker, WORKER_LOG_INFO, "no AWS credentials: requests to %s go out unsigned",
                   lambda->target.host);
        return SLUICE_OK;
    }
    snprintf(message, sizeof message,
             "no AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, and %s", error);
    return refuse(lambda, "Lambda.NoCredentials", message);
}

static uint32_t concurrency_of(const cJSON *settings)
{
    double wanted = number_of(settings, "concurrency", CONCURRENCY_DEFAULT);
    if (!(wanted >= 1))
        return 1;
    return wanted < CONCURRENCY_MAX ? (uint32_t)wanted : CONCURRENCY_MAX;
}

static enum sluice_error start_invoker(struct lambda *lambda, const cJSON *settings)
{
    const char *function = string_of(settings, "function"), *region = string_of(settings, "region");
    const char *type = string_of(settings, "invocationType"), *ca_file = getenv("SSL_CERT_FILE");
    const struct target_settings target = {function ? function : "", region ? region : "",
                                           string_of(settings, "endpoint")};
    char error[REASON_BYTES];
    if (target_parse(&target, error, sizeof error, &lambda->target))
        return refuse(lambda, "Lambda.InvalidSettings", error);
    enum sluice_error failed = start_credentials(lambda);
    if (failed)
        return failed;
    if (!lambda->target.encrypted && !lambda->target.loopback)
        worker_say(lambda->worker, WORKER_LOG_WARNING,
                   "events and results are readable on the way to http://%s", lambda->target.host);
    lambda->invoker = invoker_new(&(struct invoker_config){
        .target = &lambda->target,
        .credentials = &lambda->credentials.current,
        .ca_file = ca_file && *ca_file ? ca_file : NULL,
        .type = type && strcmp(type, "Event") == 0 ? INVOKER_EVENT : INVOKER_REQUEST_RESPONSE,
        .concurrency = concurrency_of(settings),
        .on_answer = on_answer,
        .ctx = lambda,
    });
    return SLUICE_OK;
}

static void start(struct lambda *lambda, struct span init_json)
{
    uint64_t started_ms = worker_clock_ms(CLOCK_MONOTONIC);
    cJSON *init = cJSON_ParseWithLength((const char *)init_json.data, init_json.len);
    const cJSON *settings = cJSON_GetObjectItemCaseSensitive(init, "settings");
    if ((int)number_of(init, "protocol", 0) != WORKER_PROTOCOL_VERSION)
        refuse(lambda, "Runtime.ProtocolVersion",
               "gateway and worker are of different versions: install both together");
    else if (start_invoker(lambda, settings) == SLUICE_OK)
        worker_send_ready(lambda->worker, concurrency_of(settings),
                          (uint32_t)(worker_clock_ms(CLOCK_MONOTONIC) - started_ms));
    cJSON_Delete(init);
}

/* ---- The conversation ---- */

static void invoke(struct lambda *lambda, const struct worker_frame *frame)
{
    char error[REASON_BYTES];
    if (credentials_refresh(&lambda->credentials, error, sizeof error) &&
        lambda->credentials.current.access_key_id)
        complain(lambda, error);
    const struct invoker_now now = {worker_clock_ms(CLOCK_MONOTONIC), worker_clock_ms(CLOCK_REALTIME)};
    if (invoker_start(lambda->invoker, frame->invocation, frame->invoke.event, frame->invoke.deadline_ms,
                      &now))
        worker_send_error(lambda->worker, frame->invocation, WORKER_ERROR_TRANSPORT,
                          "Lambda.TooManyInvocations", "more invocations are open than READY allowed");
}

/* False: it is time to exit. */
static bool handle(struct lambda *lambda, const struct worker_frame *frame)
{
    if (frame->type == WORKER_INIT && !lambda->invoker)
        start(lambda, frame->init);
    else if (frame->type == WORKER_INVOKE && lambda->invoker)
        invoke(lambda, frame);
    else if (frame->type == WORKER_SHUTDOWN)
        lambda->stopping = true;
    return lambda->invoker != NULL || lambda->stopping;
}

/* False: it is time to exit, or the gateway is gone. */
static bool handle_all(struct lambda *lambda)
{
    struct worker_frame frame;
    enum sluice_error error = worker_fill(lambda->worker);
    while (!error && (error = worker_next(lambda->worker, &frame)) == SLUICE_OK) {
        if (!handle(lambda, &frame))
            return false;
    }
    return error == SLUICE_AGAIN;
}

static bool is_done(const struct lambda *lambda)
{
    return lambda->stopping && (!lambda->invoker || invoker_open_count(lambda->invoker) == 0);
}

static int run(struct lambda *lambda)
{
    bool alive = true;
    while (alive && !lambda->invoker && !lambda->stopping)
        alive = handle_all(lambda);
    while (alive && !is_done(lambda)) {
        if (invoker_wait(lambda->invoker, worker_fd(lambda->worker), worker_clock_ms(CLOCK_MONOTONIC)))
            alive = handle_all(lambda);
        invoker_run(lambda->invoker, worker_clock_ms(CLOCK_MONOTONIC));
    }
    if (lambda->invoker)
        invoker_free(lambda->invoker);
    credentials_close(&lambda->credentials);
    target_fini(&lambda->target);
    return lambda->status;
}

int main(void)
{
    struct worker worker;
    if (worker_open(&worker)) {
        fputs("lambda is started by the gateway and invokes AWS Lambda for it; see handlers/PROTOCOL.md\n",
              stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* TLS writes to connections that the other end has closed */
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int status = run(&(struct lambda){.worker = &worker});
    curl_global_cleanup();
    worker_close(&worker);
    return status;
}
