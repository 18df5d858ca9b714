#include "app/commands.h"
#include "app/config.h"
#include "app/gateway.h"
#include "app/watch.h"
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
    struct run_options options = {.config_file = config_default_file()};
    static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
                                          {"stage", required_argument, NULL, 's'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {"watch", no_argument, NULL, 'w'},
                                          {0}};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "c:s:vw", longs, NULL)) != -1;) {
        switch (option) {
        case 'c': options.config_file = optarg; break;
        case 's': options.stage = optarg; break;
        case 'v': options.verbose = true; break;
        case 'w': options.watch = true; break;
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

/* `path` is relative to the folder that this program is in. */
static bool find_beside(const char *path, const char *what, char folder[PATH_MAX])
{
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    program[len > 0 ? len : 0] = '\0';
    bool found = len > 0 && snprintf(folder, PATH_MAX, "%s/%s", dirname(program), path) < PATH_MAX;
    if (!found)
        log_error("the folder of the %s cannot be found", what);
    return found;
}

bool find_workers(char folder[PATH_MAX])
{
    const char *given = getenv("SLUICE_WORKERS");
    if (!given)
        return find_beside("../libexec/sluice", "workers", folder);
    snprintf(folder, PATH_MAX, "%s", given);
    return true;
}

bool find_templates(char folder[PATH_MAX])
{
    return find_beside("../share/sluice/templates", "templates", folder);
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

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
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
    if (number == SIGUSR2) {
        gateway_roll_out(*running);
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

/* ---- Running ---- */

/* The gateway that runs, and with --watch the one that will. */
struct run {
    uv_loop_t loop;
    char workers[PATH_MAX];
    struct gateway *gateway; /* NULL: it stops */
    struct config *config;
    struct config *next; /* that has taken the place of config's file; NULL: there is none */
    struct watch *watch;
};

/* What is wrong with it is said, and what runs goes on. */
static void on_config_changed(void *ctx)
{
    struct run *run = ctx;
    if (!run->gateway)
        return;
    if (config_load_stage(run->config->file, run->config->stage, stderr, &run->next) != SLUICE_OK) {
        log_error("%s has changed and is wrong: what was loaded before goes on", run->config->file);
        return;
    }
    log_info("%s has changed: starting anew", run->config->file);
    gateway_stop(run->gateway);
    run->gateway = NULL;
}

static void on_function_changed(void *ctx, const struct config_function *function)
{
    struct run *run = ctx;
    if (!run->gateway)
        return;
    log_info("function %s has changed: new workers run it", function->name);
    gateway_restart_function(run->gateway, function->name);
}

/* Until it is told to stop, or to begin again with run->next. */
static enum sluice_error run_once(struct run *run, bool watches)
{
    struct watch_hooks hooks = {run, on_config_changed, on_function_changed};
    raise_descriptor_limit(run->config);
    log_set_rate((unsigned)run->config->limits.log_lines);
    enum sluice_error error = gateway_start(&run->loop, run->config, run->workers, &run->gateway);
    if (!error) {
        log_info("sluice is ready");
        run->watch = watches ? watch_start(&run->loop, run->config, &hooks) : NULL;
    }
    uv_run(&run->loop, UV_RUN_DEFAULT);
    watch_stop(run->watch);
    run->watch = NULL;
    uv_run(&run->loop, UV_RUN_DEFAULT);
    return error;
}

/* A changed configuration that cannot be started gives way to the one before. */
static enum sluice_error run_watching(struct run *run)
{
    enum sluice_error error = run_once(run, true);
    while (run->next) {
        struct config *before = run->config;
        run->config = run->next;
        run->next = NULL;
        error = run_once(run, true);
        if (error) {
            log_error("the changed %s cannot be started: what was loaded before starts again", before->file);
            config_free(run->config);
            run->config = before;
            error = run_once(run, true);
        } else {
            config_free(before);
        }
    }
    return error;
}

static int run_gateway(struct run *run, bool watches)
{
    uv_signal_t handles[SIGNALS_COUNT];
    if (!find_workers(run->workers))
        return 1;
    if (uv_loop_init(&run->loop) != 0)
        log_fatal("the event loop cannot be made");
    signal(SIGPIPE, SIG_IGN);
    watch_signals(&run->loop, handles, &run->gateway);
    enum sluice_error error = watches ? run_watching(run) : run_once(run, false);
    for (size_t i = 0; i < SIGNALS_COUNT; i++)
        uv_close((uv_handle_t *)&handles[i], NULL);
    uv_run(&run->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&run->loop) != 0)
        log_error("the event loop was left with open handles");
    return error ? 1 : 0;
}

int run_command(int argc, char **argv)
{
    struct run_options options;
    struct run run = {.gateway = NULL};
    if (!run_options_read(argc, argv, &options))
        return 2;
    if (options.verbose)
        log_set_level(LOG_DEBUG);
    if (config_load_stage(options.config_file, options.stage, stderr, &run.config) != SLUICE_OK)
        return 2;
    int status = run_gateway(&run, options.watch);
    log_finish();
    config_free(run.config);
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
