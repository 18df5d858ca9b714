/*
 * `sluice invoke`: runs one function of the configuration once, in a worker of its own that is confined as
 * the gateway's are. It asks no running gateway, and needs none: what is on the disk now is what runs. The
 * result goes to standard output, what the function prints to standard error.
 */
#include "app/command_host.h"
#include "app/commands.h"
#include "app/file.h"
#include "app/functions_internal.h"
#include "app/invoke_api_internal.h"
#include "app/sandbox.h"
#include "base/log.h"
#include "invoke/worker_protocol.h"
#include "route/json.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>

static const char usage[] =
    "usage: sluice invoke NAME [--event FILE] [--log] [--config FILE] [--stage NAME] [--verbose]\n"
    "Runs the function once, without a gateway, with the JSON of FILE (- is standard input; {} without it).\n"
    "The status is 0 when it succeeded, and 1 when it failed.\n";

struct options {
    const char *name, *event_file, *config_file, *stage;
    bool log, verbose;
};

/* One invocation, and all that it needs of a gateway. */
struct run {
    uv_loop_t loop;
    struct functions functions;
    struct function function;
    char arn[192];
    char request_id[REQUEST_ID_BYTES];
    bool wants_log;
    int status;
};

static bool read_options(int argc, char **argv, struct options *ret_options)
{
    static const struct option longs[] = {
        {"event", required_argument, NULL, 'e'}, {"config", required_argument, NULL, 'c'},
        {"stage", required_argument, NULL, 's'}, {"log", no_argument, NULL, 'l'},
        {"verbose", no_argument, NULL, 'v'},     {0}};
    struct options options = {.config_file = config_default_file()};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "e:c:s:lv", longs, NULL)) != -1;) {
        switch (option) {
        case 'e': options.event_file = optarg; break;
        case 'c': options.config_file = optarg; break;
        case 's': options.stage = optarg; break;
        case 'l': options.log = true; break;
        case 'v': options.verbose = true; break;
        default: return false;
        }
    }
    if (argc - optind != 1)
        return false;
    options.name = argv[optind];
    *ret_options = options;
    return true;
}

static int complain(const char *subject, const char *what)
{
    fprintf(stderr, "sluice invoke: %s %s\n", subject, what);
    return 2;
}

/* ---- The event ---- */

static enum sluice_error read_event(const char *file, struct buffer *event)
{
    size_t fault_at;
    const char *path = file && strcmp(file, "-") == 0 ? "/dev/stdin" : file;
    enum sluice_error error = file ? file_read(path, WORKER_PAYLOAD_BYTES_MAX, event) : SLUICE_OK;
    if (!file)
        buffer_append(event, SPAN_LITERAL("{}"));
    if (error == SLUICE_TOO_LARGE) {
        complain(file, "is larger than an event may be: 6 MB");
    } else if (error) {
        complain(file, strerror(errno));
    } else if (!json_check(buffer_span(event), &fault_at)) {
        fprintf(stderr, "sluice invoke: %s is no JSON from byte %zu on\n", file, fault_at);
        error = SLUICE_INVALID;
    }
    return error;
}

/* ---- The run ---- */

static void print_line(struct span text, FILE *out)
{
    if (text.len == 0)
        return;
    fwrite(text.data, 1, text.len, out);
    if (text.data[text.len - 1] != '\n')
        fputc('\n', out);
}

static void on_done(void *ctx, const struct invoke_result *result)
{
    struct run *run = ctx;
    run->status = result->outcome == INVOKE_SUCCEEDED ? 0 : 1;
    bool says_nothing = result->payload.len == 0;
    print_line(says_nothing && run->status == 0 ? SPAN_LITERAL("null") : result->payload, stdout);
    if (says_nothing && run->status)
        fprintf(stderr, "%.*s: %.*s\n", (int)result->error_type.len, (const char *)result->error_type.data,
                (int)result->error_message.len, (const char *)result->error_message.data);
    if (run->wants_log) {
        struct buffer log = {0};
        invoke_api_write_log(&run->function, 0, run->request_id, result, &log);
        print_line(buffer_span(&log), stderr);
        buffer_fini(&log);
    }
    command_stop_functions(&run->functions);
}

static const struct config_function *find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->function_count; i++) {
        if (strcmp(config->functions[i].name, name) == 0)
            return &config->functions[i];
    }
    return NULL;
}

static int run_function(const struct config *config, const struct config_function *function,
                        const struct options *options, struct span event)
{
    struct run run = {.wants_log = options->log, .status = 1};
    char workers[PATH_MAX];
    if (!find_workers(workers) || sandbox_check(config, workers) || uv_loop_init(&run.loop) != 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    snprintf(run.arn, sizeof run.arn, "arn:aws:lambda:%s:000000000000:function:%s", config->region,
             function->name);
    run.functions.config = config;
    run.functions.workers = workers;
    run.functions.functions = &run.function;
    run.functions.function_count = 1;
    run.functions.host = command_host(&run.loop);
    run.function =
        (struct function){.all = &run.functions, .given = function, .config = function, .arn = run.arn};
    struct function_version *version;
    struct direct_invocation invocation = {.event = event, .on_done = on_done, .ctx = &run};
    if (function_version_start(&run.function, NULL, &version) == SLUICE_OK) {
        function_go_live(version);
        if (function_invoke(&run.function, &invocation, run.request_id))
            log_fatal("the event is larger than a worker takes"); /* it was checked */
    }
    uv_run(&run.loop, UV_RUN_DEFAULT);
    uv_loop_close(&run.loop);
    return run.status;
}

int invoke_command(int argc, char **argv)
{
    struct options options;
    struct config *config;
    if (!read_options(argc, argv, &options)) {
        fputs(usage, stderr);
        return 2;
    }
    if (options.verbose)
        log_set_level(LOG_DEBUG);
    if ((options.stage && !stage_valid(options.stage)) ||
        config_load_stage(options.config_file, options.stage, stderr, &config) != SLUICE_OK)
        return 2;
    const struct config_function *function = find(config, options.name);
    struct buffer event = {0};
    int status = 2;
    if (!function)
        complain(options.name, "is no function of the configuration");
    else if (read_event(options.event_file, &event) == SLUICE_OK)
        status = run_function(config, function, &options, buffer_span(&event));
    log_finish();
    buffer_fini(&event);
    config_free(config);
    return status;
}
