/*
 * The `lambda` worker: invokes one function in AWS Lambda (README.md) behind the
 * worker protocol. One thread, as many invocations at once as the configuration
 * says. It exits with 0 when the gateway says so and nothing is open any more, or
 * when the gateway is gone, and with 1 when it cannot start.
 */
#include "base/memory.h"
#include "lambda/identity.h"
#include "lambda/invoker.h"
#include "worker/clock.h"
#include "worker/complaints.h"

#include <cjson/cJSON.h>

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
    struct transfers *transfers;
    struct identity identity;
    struct invoker *invoker; /* NULL until INIT succeeded */
    uint32_t concurrency;
    uint32_t told; /* what READY said last */
    struct complaints complaints;
    bool stopping;
    int status; /* to exit with */
};

static struct transfers_now now_of(void)
{
    return (struct transfers_now){worker_clock_ms(CLOCK_MONOTONIC), worker_clock_ms(CLOCK_REALTIME)};
}

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
    if (answer->identity_refused)
        identity_refused(&lambda->identity, worker_clock_ms(CLOCK_MONOTONIC));
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
static bool goes_unsigned(const struct lambda *lambda)
{
    return !lambda->identity.provider && !lambda->target.encrypted && lambda->target.loopback;
}

static enum sluice_error start_identity(struct lambda *lambda, const cJSON *iot)
{
    char error[REASON_BYTES] = "", message[LINE_BYTES];
    enum sluice_error failed = identity_open(&lambda->identity, iot, lambda->transfers, error, sizeof error);
    if (!failed)
        return SLUICE_OK;
    if (failed == SLUICE_NOT_FOUND && goes_unsigned(lambda)) {
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
    lambda->concurrency = concurrency_of(settings);
    lambda->transfers = transfers_new(lambda->concurrency);
    enum sluice_error failed =
        start_identity(lambda, cJSON_GetObjectItemCaseSensitive(settings, "iotCredentials"));
    if (failed)
        return failed;
    if (!lambda->target.encrypted && !lambda->target.loopback)
        worker_say(lambda->worker, WORKER_LOG_WARNING,
                   "events and results are readable on the way to http://%s", lambda->target.host);
    lambda->invoker = invoker_new(&(struct invoker_config){
        .transfers = lambda->transfers,
        .target = &lambda->target,
        .credentials = identity_credentials(&lambda->identity),
        .ca_file = ca_file && *ca_file ? ca_file : NULL,
        .type = type && strcmp(type, "Event") == 0 ? INVOKER_EVENT : INVOKER_REQUEST_RESPONSE,
        .concurrency = lambda->concurrency,
        .on_answer = on_answer,
        .ctx = lambda,
    });
    return SLUICE_OK;
}

/* Without credentials it takes nothing: what there is to invoke waits in the queue. */
static uint32_t room_of(const struct lambda *lambda)
{
    return identity_credentials(&lambda->identity)->access_key_id || goes_unsigned(lambda)
               ? lambda->concurrency
               : 0;
}

static void tell_room(struct lambda *lambda, uint32_t init_ms)
{
    lambda->told = room_of(lambda);
    worker_send_ready(lambda->worker, lambda->told, init_ms);
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
        tell_room(lambda, (uint32_t)(worker_clock_ms(CLOCK_MONOTONIC) - started_ms));
    cJSON_Delete(init);
}

/* ---- The conversation ---- */

static void refuse_invocation(const struct lambda *lambda, uint64_t invocation, enum sluice_error error)
{
    if (error == SLUICE_TOO_LARGE)
        worker_send_error(lambda->worker, invocation, WORKER_ERROR_FUNCTION, "RequestEntityTooLargeException",
                          "an event of an asynchronous invocation has at most 1048576 bytes");
    else
        worker_send_error(lambda->worker, invocation, WORKER_ERROR_TRANSPORT, "Lambda.TooManyInvocations",
                          "more invocations are open than READY allowed");
}

static void invoke(struct lambda *lambda, const struct worker_frame *frame)
{
    const struct transfers_now now = now_of();
    if (room_of(lambda) == 0) {
        worker_send_error(lambda->worker, frame->invocation, WORKER_ERROR_TRANSPORT, "Lambda.NoCredentials",
                          "the credentials have expired, and no others have come");
        return;
    }
    enum sluice_error error = invoker_start(lambda->invoker, frame->invocation, frame->invoke.event,
                                            frame->invoke.deadline_ms, &now);
    if (error)
        refuse_invocation(lambda, frame->invocation, error);
}

/* False: it is time to exit. */
static bool handle(void *ctx, const struct worker_frame *frame)
{
    struct lambda *lambda = ctx;
    if (frame->type == WORKER_INIT && !lambda->invoker)
        start(lambda, frame->init);
    else if (frame->type == WORKER_INVOKE && lambda->invoker)
        invoke(lambda, frame);
    else if (frame->type == WORKER_SHUTDOWN)
        lambda->stopping = true;
    return lambda->invoker != NULL || lambda->stopping;
}

static bool is_done(const struct lambda *lambda)
{
    return lambda->stopping && (!lambda->invoker || invoker_open_count(lambda->invoker) == 0);
}

static void keep_identity(struct lambda *lambda)
{
    char error[REASON_BYTES];
    const struct transfers_now now = now_of();
    identity_run(&lambda->identity, &now, error, sizeof error);
    if (*error)
        complain(lambda, error);
}

/* Waits; then does what is due. False: it is time to exit, or the gateway is gone. */
static bool turn(struct lambda *lambda)
{
    uint64_t until_ms = identity_next_deadline_ms(&lambda->identity);
    uint64_t deadline_ms = invoker_next_deadline_ms(lambda->invoker);
    bool readable =
        transfers_wait(lambda->transfers, worker_fd(lambda->worker), worker_clock_ms(CLOCK_MONOTONIC),
                       deadline_ms < until_ms ? deadline_ms : until_ms);
    keep_identity(lambda);
    if (readable && !worker_handle(lambda->worker, handle, lambda))
        return false;
    const struct transfers_now now = now_of();
    transfers_run(lambda->transfers, &now);
    invoker_run(lambda->invoker, now.monotonic_ms);
    if (room_of(lambda) != lambda->told)
        tell_room(lambda, 0);
    return true;
}

static int run(struct lambda *lambda)
{
    bool alive = true;
    while (alive && !lambda->invoker && !lambda->stopping)
        alive = worker_handle(lambda->worker, handle, lambda);
    while (alive && !is_done(lambda))
        alive = turn(lambda);
    if (lambda->invoker)
        invoker_free(lambda->invoker);
    identity_close(&lambda->identity);
    if (lambda->transfers)
        transfers_free(lambda->transfers);
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
