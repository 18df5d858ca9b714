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

bool stage_valid(const char *stage)
{
    size_t len = strspn(stage, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
    bool valid = len > 0 && len <= 64 && stage[len] == '\0';
    if (!valid)
        fprintf(stderr, "sluice: '%s' is no stage; allowed: 1 to 64 letters, digits, - and _\n", stage);
    return valid;
}

bool run_options_read(int argc, char **argv, struct run_options *ret_options)
{
    struct run_options options = {.config_file = "serverless.yml"};
    static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
                                          {"stage", required_argument, NULL, 's'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {0}};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "c:s:v", longs, NULL)) != -1;) {
        switch (option) {
        case 'c': options.config_file = optarg; break;
        case 's': options.stage = optarg; break;
        case 'v': options.verbose = true; break;
        default: return false;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "sluice %s: '%s' is not an option\n", argv[0], argv[optind]);
        return false;
    }
    *ret_options = options;
    return !options.stage || stage_valid(options.stage);
}

bool find_workers(char folder[PATH_MAX])
{
    const char *given = getenv("SLUICE_WORKERS");
    if (given) {
        snprintf(folder, PATH_MAX, "%s", given);
        return true;
    }
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    program[len > 0 ? len : 0] = '\0';
    bool found = len > 0 && snprintf(folder, PATH_MAX, "%s/../libexec/sluice", dirname(program)) < PATH_MAX;
    if (!found)
        log_error("the folder of the workers cannot be found; set SLUICE_WORKERS to it");
    return found;
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

/* ---- Signals ---- */

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
enum { SIGNALS_COUNT = sizeof signals / sizeof *signals };

/* The first one to stop stops the gateway, which frees itself in the end; others may come before and after
 * that. */
static void on_signal(uv_signal_t *signal, int number)
{
    struct gateway **running = signal->data;
    if (!*running)
        return;
    if (number == SIGHUP) {
        gateway_reload(*running);
        return;
    }
    if (number == SIGUSR1) {
        gateway_letters_changed(*running);
        return;
    }
    log_info("%s: stopping", number == SIGINT ? "Ctrl-C" : "SIGTERM");
    gateway_stop(*running);
    *running = NULL;
}

/* Before the gateway starts: one that asks for a reload must not end it. They keep no loop alive. */
static void watch_signals(uv_loop_t *loop, uv_signal_t *handles, struct gateway **running)
{
    for (size_t i = 0; i < SIGNALS_COUNT; i++) {
        uv_signal_init(loop, &handles[i]);
        handles[i].data = running;
        uv_signal_start(&handles[i], on_signal, signals[i]);
        uv_unref((uv_handle_t *)&handles[i]);
    }
}

static int run_gateway(const struct config *config)
{
    char workers[PATH_MAX];
    if (!find_workers(workers))
        return 1;
    uv_loop_t loop;
    if (uv_loop_init(&loop) != 0)
        log_fatal("the event loop cannot be made");
    signal(SIGPIPE, SIG_IGN);
    struct gateway *gateway = NULL;
    uv_signal_t handles[SIGNALS_COUNT];
    watch_signals(&loop, handles, &gateway);
    enum sluice_error error = gateway_start(&loop, config, workers, &gateway);
    if (!error)
        log_info("sluice is ready");
    uv_run(&loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < SIGNALS_COUNT; i++)
        uv_close((uv_handle_t *)&handles[i], NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop) != 0)
        log_error("the event loop was left with open handles");
    return error ? 1 : 0;
}

int run_command(int argc, char **argv)
{
    struct run_options options;
    if (!run_options_read(argc, argv, &options))
        return 2;
    if (options.verbose)
        log_set_level(LOG_DEBUG);
    struct config *config;
    if (config_load_stage(options.config_file, options.stage, stderr, &config) != SLUICE_OK)
        return 2;
    raise_descriptor_limit(config);
    log_set_rate((unsigned)config->limits.log_lines);
    int status = run_gateway(config);
    log_finish();
    config_free(config);
    return status;
}

int check_command(int argc, char **argv)
{
    struct run_options options;
    if (!run_options_read(argc, argv, &options))
        return 2;
    struct config *config;
    if (config_load_stage(options.config_file, options.stage, stderr, &config) != SLUICE_OK)
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
