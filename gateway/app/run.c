#include "app/commands.h"
#include "app/config.h"
#include "app/gateway.h"
#include "base/log.h"

#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct run_options {
    const char *config_file;
    bool verbose;
};

static bool read_options(int argc, char **argv, struct run_options *options)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'}, {"verbose", no_argument, NULL, 'v'}, {0}};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "c:v", longs, NULL)) != -1;) {
        switch (option) {
        case 'c': options->config_file = optarg; break;
        case 'v': options->verbose = true; break;
        default: return false;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "sluice %s: '%s' is not an option\n", argv[0], argv[optind]);
        return false;
    }
    return true;
}

/* The worker programs: SLUICE_WORKERS, or ../libexec/sluice beside the folder that this program is in. */
static bool find_workers(char folder[static PATH_MAX])
{
    const char *given = getenv("SLUICE_WORKERS");
    if (given) {
        snprintf(folder, PATH_MAX, "%s", given);
        return true;
    }
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    if (len < 0)
        return false;
    program[len] = '\0';
    return snprintf(folder, PATH_MAX, "%s/../libexec/sluice", dirname(program)) < PATH_MAX;
}

/* Every connection is a descriptor: use all that this user may have. */
static void raise_descriptor_limit(const struct config *config)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < config->limits.connections_count + 64)
        log_debug("this user may open %llu files: fewer connections than the configured %llu",
                  (unsigned long long)limit.rlim_cur, (unsigned long long)config->limits.connections_count);
}

/* The first signal stops the gateway, which frees itself in the end; others may come before and after that.
 */
static void on_signal(uv_signal_t *signal, int number)
{
    struct gateway **running = signal->data;
    if (!*running)
        return;
    log_info("%s: stopping", number == SIGINT ? "Ctrl-C" : "SIGTERM");
    gateway_stop(*running);
    *running = NULL;
}

static void watch_signal(uv_loop_t *loop, uv_signal_t *handle, int number, struct gateway **running)
{
    uv_signal_init(loop, handle);
    handle->data = running;
    uv_signal_start(handle, on_signal, number);
    uv_unref((uv_handle_t *)handle); /* it keeps no loop alive */
}

static int run_gateway(const struct config *config)
{
    char workers[PATH_MAX];
    if (!find_workers(workers)) {
        log_error("the folder of the workers cannot be found; set SLUICE_WORKERS to it");
        return 1;
    }
    uv_loop_t loop;
    if (uv_loop_init(&loop) != 0)
        log_fatal("the event loop cannot be made");
    signal(SIGPIPE, SIG_IGN);
    struct gateway *gateway;
    enum sluice_error error = gateway_start(&loop, config, workers, &gateway);
    uv_signal_t interrupt, terminate;
    if (!error) {
        watch_signal(&loop, &interrupt, SIGINT, &gateway);
        watch_signal(&loop, &terminate, SIGTERM, &gateway);
        log_info("sluice is ready");
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    if (!error) {
        uv_close((uv_handle_t *)&interrupt, NULL);
        uv_close((uv_handle_t *)&terminate, NULL);
        uv_run(&loop, UV_RUN_DEFAULT);
    }
    if (uv_loop_close(&loop) != 0)
        log_error("the event loop was left with open handles");
    return error ? 1 : 0;
}

int run_command(int argc, char **argv)
{
    struct run_options options = {.config_file = "serverless.yml"};
    if (!read_options(argc, argv, &options))
        return 2;
    if (options.verbose)
        log_set_level(LOG_DEBUG);
    struct config *config;
    if (config_load(options.config_file, stderr, &config) != SLUICE_OK)
        return 2;
    raise_descriptor_limit(config);
    int status = run_gateway(config);
    config_free(config);
    return status;
}

int check_command(int argc, char **argv)
{
    struct run_options options = {.config_file = "serverless.yml"};
    if (!read_options(argc, argv, &options))
        return 2;
    struct config *config;
    if (config_load(options.config_file, stderr, &config) != SLUICE_OK)
        return 2;
    printf("%s is good: %zu functions\n", options.config_file, config->function_count);
    config_free(config);
    return 0;
}

int reference_command(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    config_print_reference(stdout);
    return 0;
}
