/*
 * The `runtime` worker: runs one execution environment of a function, whose
 * runtime client speaks the Lambda Runtime API to it (api.h), behind the worker
 * protocol. One invocation at a time; its time limit is the gateway's to keep.
 *
 * Environment and worker live and die together: when the environment ends by
 * itself the worker ends in the same way, and the gateway says of the invocation
 * that was open what became of it, and starts another worker.
 */
#include "base/memory.h"
#include "runtime/api.h"
#include "runtime/environment.h"
#include "runtime/server.h"
#include "runtime/variables.h"
#include "worker/worker.h"

#include <cjson/cJSON.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { ERROR_BYTES = 512, COMMAND_MAX = 16, STREAM_BYTES = 16 };

extern char **environ;

struct runtime {
    uv_loop_t loop;
    struct worker worker;
    uv_poll_t gateway; /* the worker's socket */
    uv_signal_t terminated;
    struct environment environment;
    struct server *server; /* NULL until INIT */
    struct api *api;
    uint64_t started_ns;
    uint64_t invocation; /* that is open; 0: none */
    bool stopping;       /* the environment is to end when nothing is open */
    bool has_environment;
    int status; /* to exit with */
    int signal; /* to end by; 0: none */
};

static void close_everything(struct runtime *runtime)
{
    if (uv_is_closing((uv_handle_t *)&runtime->gateway))
        return;
    uv_close((uv_handle_t *)&runtime->gateway, NULL);
    uv_close((uv_handle_t *)&runtime->terminated, NULL);
    if (runtime->server)
        server_stop(runtime->server);
    if (runtime->has_environment)
        environment_close(&runtime->environment);
}

static void stop_if_idle(struct runtime *runtime)
{
    if (!runtime->stopping || runtime->invocation)
        return;
    if (runtime->environment.pid)
        environment_terminate(&runtime->environment);
    else
        close_everything(runtime);
}

/* ---- What the environment says ---- */

static void on_respond(void *ctx, void *client, const struct http_response *response)
{
    (void)ctx;
    server_respond(client, response);
}

static void on_ready(void *ctx)
{
    struct runtime *runtime = ctx;
    uint64_t init_ms = (uv_hrtime() - runtime->started_ns) / 1000000;
    worker_send_ready(&runtime->worker, 1, (uint32_t)init_ms);
}

static void send_failure(struct runtime *runtime, const struct api_failure *failure)
{
    struct worker_frame frame = {.type = WORKER_ERROR, .invocation = runtime->invocation};
    frame.error.kind = WORKER_ERROR_FUNCTION;
    frame.error.type = failure->type;
    frame.error.message = failure->message;
    frame.error.payload = failure->document;
    worker_send(&runtime->worker, &frame);
}

static void on_init_failed(void *ctx, const struct api_failure *failure)
{
    struct runtime *runtime = ctx;
    send_failure(runtime, failure);
    runtime->status = 1;
    runtime->stopping = true;
    stop_if_idle(runtime);
}

static void on_succeeded(void *ctx, struct span result)
{
    struct runtime *runtime = ctx;
    worker_send_result(&runtime->worker, runtime->invocation, result);
    runtime->invocation = 0;
    stop_if_idle(runtime);
}

static void on_failed(void *ctx, const struct api_failure *failure)
{
    struct runtime *runtime = ctx;
    send_failure(runtime, failure);
    runtime->invocation = 0;
    stop_if_idle(runtime);
}

/* ---- Its HTTP ---- */

static void on_request(void *ctx, struct connection *connection, const struct http_request *request)
{
    api_request(((struct runtime *)ctx)->api, connection, request);
}

static void on_too_large(void *ctx, struct connection *connection, const struct http_request *request)
{
    api_request_too_large(((struct runtime *)ctx)->api, connection, request);
}

static void on_gone(void *ctx, struct connection *connection)
{
    api_client_gone(((struct runtime *)ctx)->api, connection);
}

/* ---- Its end ---- */

/* An invocation that it never asked for is not what ended it, and loses no attempt. */
static void on_exit_of_environment(void *ctx, int status)
{
    struct runtime *runtime = ctx;
    if (runtime->invocation && api_progress(runtime->api) == API_WAITING)
        worker_send_error(&runtime->worker, runtime->invocation, WORKER_ERROR_TRANSPORT, "Runtime.ExitError",
                          "the execution environment ended before it asked for the invocation");
    else if (!runtime->stopping || runtime->invocation) {
        runtime->status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        runtime->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    close_everything(runtime);
}

/* ---- INIT ---- */

static const char *string_of(const cJSON *object, const char *name)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return value ? value : "";
}

static void refuse(struct runtime *runtime, const char *type, const char *message)
{
    worker_send_error(&runtime->worker, 0, WORKER_ERROR_TRANSPORT, type, message);
    runtime->status = 1;
    close_everything(runtime);
}

static void write_stream_name(char ret_name[2 * STREAM_BYTES + 1])
{
    uint8_t random[STREAM_BYTES] = {0};
    uv_random(NULL, NULL, random, sizeof random, 0, NULL);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(ret_name + 2 * i, 3, "%02x", random[i]);
}

static uint32_t memory_mb(const cJSON *init)
{
    const cJSON *memory = cJSON_GetObjectItemCaseSensitive(init, "memorySizeMb");
    return cJSON_IsNumber(memory) && memory->valuedouble > 0 ? (uint32_t)memory->valuedouble : 0;
}

/* A gateway without versions says none. */
static const char *version_of(const cJSON *init)
{
    const char *version = string_of(init, "functionVersion");
    return version && *version ? version : "$LATEST";
}

static char **variables_of(const struct runtime *runtime, const cJSON *init, const cJSON *settings)
{
    char stream[2 * STREAM_BYTES + 1];
    uv_timeval64_t now = {0};
    uv_gettimeofday(&now);
    write_stream_name(stream);
    const struct variables_of of = {
        .function_name = string_of(init, "functionName"),
        .function_version = version_of(init),
        .handler = string_of(init, "handler"),
        .runtime = string_of(init, "runtime"),
        .region = string_of(settings, "region"),
        .task_root = string_of(settings, "taskRoot"),
        .memory_mb = memory_mb(init),
        .port = server_port(runtime->server),
        .wall_ms = (uint64_t)now.tv_sec * 1000,
        .stream_name = stream,
    };
    return variables_new(&of, (const char *const *)environ);
}

static void start_environment(struct runtime *runtime, const cJSON *init, const cJSON *settings)
{
    const char *command[COMMAND_MAX + 1] = {0};
    char error[ERROR_BYTES];
    size_t count = 0;
    const cJSON *word;
    cJSON_ArrayForEach(word, cJSON_GetObjectItemCaseSensitive(settings, "command"))
    {
        if (cJSON_IsString(word) && count < COMMAND_MAX)
            command[count++] = word->valuestring;
    }
    if (count == 0) {
        refuse(runtime, "Runtime.InvalidSettings", "settings.command is empty");
        return;
    }
    char **variables = variables_of(runtime, init, settings);
    const struct environment_config config = {command, (const char *const *)variables,
                                              string_of(settings, "taskRoot"),
                                              (uint64_t)memory_mb(init) * 1024 * 1024};
    runtime->has_environment = true;
    if (!environment_start(&runtime->environment, &runtime->loop, &config, on_exit_of_environment, runtime,
                           error, sizeof error))
        refuse(runtime, "Runtime.InvalidEntrypoint", error);
    variables_free(variables);
}

static void start(struct runtime *runtime, struct span init_json)
{
    const struct server_hooks hooks = {runtime, on_request, on_too_large, on_gone};
    cJSON *init = cJSON_ParseWithLength((const char *)init_json.data, init_json.len);
    const cJSON *protocol = cJSON_GetObjectItemCaseSensitive(init, "protocol");
    int error;
    if (!cJSON_IsNumber(protocol) || protocol->valueint != WORKER_PROTOCOL_VERSION)
        refuse(runtime, "Runtime.ProtocolVersion",
               "gateway and worker are of different versions: install both together");
    else if ((error = server_start(&runtime->loop, API_BODY_BYTES_MAX, &hooks, &runtime->server)) != 0)
        refuse(runtime, "Runtime.NoPort", uv_strerror(error));
    else
        start_environment(runtime, init, cJSON_GetObjectItemCaseSensitive(init, "settings"));
    cJSON_Delete(init);
}

/* ---- What the gateway says ---- */

static void invoke(struct runtime *runtime, const struct worker_frame *frame)
{
    runtime->invocation = frame->invocation;
    api_invoke(runtime->api, &(struct api_invocation){.context = frame->invoke.context,
                                                      .event = frame->invoke.event,
                                                      .number = frame->invocation,
                                                      .deadline_ms = frame->invoke.deadline_ms});
}

static void handle(struct runtime *runtime, const struct worker_frame *frame)
{
    if (frame->type == WORKER_INIT && !runtime->server) {
        start(runtime, frame->init);
    } else if (frame->type == WORKER_INVOKE && runtime->invocation == 0) {
        invoke(runtime, frame);
    } else if (frame->type == WORKER_SHUTDOWN) {
        runtime->stopping = true;
        stop_if_idle(runtime);
    }
}

static void on_gateway(uv_poll_t *poll, int status, int events)
{
    struct runtime *runtime = poll->data;
    struct worker_frame frame;
    (void)status;
    (void)events;
    enum sluice_error error = worker_fill(&runtime->worker);
    while (!error && !uv_is_closing((uv_handle_t *)poll) &&
           (error = worker_next(&runtime->worker, &frame)) == SLUICE_OK)
        handle(runtime, &frame);
    /* The environment does not outlive this process: see environment.c. */
    if (error && error != SLUICE_AGAIN)
        close_everything(runtime);
}

/* The whole process group has got it: the environment ends, and what is open with it. */
static void on_terminated(uv_signal_t *signal, int number)
{
    struct runtime *runtime = signal->data;
    (void)number;
    runtime->stopping = true;
    if (runtime->environment.pid == 0)
        close_everything(runtime);
}

static void run(struct runtime *runtime)
{
    const struct api_hooks hooks = {runtime, on_respond, on_ready, on_init_failed, on_succeeded, on_failed};
    runtime->api = api_new(&hooks);
    runtime->started_ns = uv_hrtime();
    uv_loop_init(&runtime->loop);
    uv_poll_init(&runtime->loop, &runtime->gateway, worker_fd(&runtime->worker));
    /* libuv has made it non-blocking; worker.h sends with blocking writes, which the gateway always reads. */
    int flags = fcntl(worker_fd(&runtime->worker), F_GETFL);
    fcntl(worker_fd(&runtime->worker), F_SETFL, flags & ~O_NONBLOCK);
    runtime->gateway.data = runtime;
    uv_poll_start(&runtime->gateway, UV_READABLE, on_gateway);
    uv_signal_init(&runtime->loop, &runtime->terminated);
    runtime->terminated.data = runtime;
    uv_signal_start(&runtime->terminated, on_terminated, SIGTERM);
    uv_run(&runtime->loop, UV_RUN_DEFAULT);
    uv_loop_close(&runtime->loop);
    api_free(runtime->api);
    /* The worker's socket stays open to the last: a gateway that sees it closed kills what is behind it, and
     * would never know how this process ends. */
}

int main(void)
{
    static struct runtime runtime;
    if (worker_open(&runtime.worker)) {
        fputs("runtime is started by the gateway and runs functions for it; see handlers/PROTOCOL.md\n",
              stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* a client that has closed its connection */
    run(&runtime);
    if (runtime.signal) {
        signal(runtime.signal, SIG_DFL);
        raise(runtime.signal);
    }
    return runtime.status;
}
