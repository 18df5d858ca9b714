#include "native/host.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum sluice_outcome (*init_function)(struct sluice_context *);
typedef enum sluice_outcome (*handle_function)(struct sluice_context *, const char *, size_t);
typedef void (*stop_function)(struct sluice_context *);

struct host {
    struct sluice_context context;
    char *path;
    void *library; /* NULL until loaded */
    handle_function handle;
    bool started; /* sluice_init was called */
};

static char *copy(const char *string)
{
    char *copied = strdup(string);
    if (!copied)
        abort();
    return copied;
}

/* dlopen searches the system's libraries for a name without a slash; a handler is always a path. */
static char *path_of(const char *handler)
{
    char *path;
    if (strchr(handler, '/'))
        return copy(handler);
    if (asprintf(&path, "./%s", handler) < 0)
        abort();
    return path;
}

struct host *host_new(const struct host_config *config)
{
    struct host *host = calloc(1, sizeof *host);
    if (!host)
        abort();
    host->context.function_name = copy(config->function_name);
    host->context.on_log = config->on_log;
    host->context.log_ctx = config->log_ctx;
    host->path = path_of(config->handler);
    return host;
}

void host_free(struct host *host)
{
    stop_function stop = host->started ? (stop_function)dlsym(host->library, "sluice_stop") : NULL;
    if (stop)
        stop(&host->context);
    if (host->library)
        dlclose(host->library);
    context_fini(&host->context);
    free(host->path);
    free(host);
}

static struct host_answer failure(struct host *host, const char *type)
{
    const struct text *given = &host->context.error_type, *message = &host->context.error_message;
    if (given->len > 0)
        return (struct host_answer){false, SPAN_EMPTY, given->data, message->data};
    return (struct host_answer){false, SPAN_EMPTY, type, "the function gave no reason"};
}

static bool load(struct host *host)
{
    struct sluice_context *context = &host->context;
    host->library = dlopen(host->path, RTLD_NOW | RTLD_LOCAL);
    if (!host->library) {
        sluice_fail(context, "Runtime.ImportModuleError", "%s", dlerror());
        return false;
    }
    const uint32_t *abi = dlsym(host->library, "sluice_handler_abi");
    if (!abi) {
        sluice_fail(context, "Runtime.HandlerNotFound", "%s has no SLUICE_HANDLER", host->path);
        return false;
    }
    if (*abi != SLUICE_HANDLER_ABI) {
        sluice_fail(context, "Runtime.HandlerNotFound",
                    "%s was built for version %u of sluice/handler.h, this gateway has version %u",
                    host->path, (unsigned)*abi, (unsigned)SLUICE_HANDLER_ABI);
        return false;
    }
    host->handle = (handle_function)dlsym(host->library, "sluice_handle");
    if (!host->handle)
        sluice_fail(context, "Runtime.HandlerNotFound", "%s has no function sluice_handle", host->path);
    return host->handle != NULL;
}

struct host_answer host_start(struct host *host)
{
    if (!load(host))
        return failure(host, "");
    init_function init = (init_function)dlsym(host->library, "sluice_init");
    host->started = true;
    if (init && init(&host->context) != SLUICE_SUCCEEDED)
        return failure(host, "Function.InitFailed");
    return (struct host_answer){.succeeded = true};
}

struct host_answer host_invoke(struct host *host, const struct worker_frame *invoke)
{
    struct sluice_context *context = &host->context;
    context_begin(context, invoke);
    if (host->handle(context, context->event.data, context->event.len) != SLUICE_SUCCEEDED)
        return failure(host, "Function.Failed");
    return (struct host_answer){.succeeded = true,
                                .result = span_of(context->result.data, context->result.len)};
}
