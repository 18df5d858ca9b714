/*
 * `sluice logs`: prints a function's log (function_log.h), whether a gateway runs or not, and with --follow
 * what comes, over rotations and restarts.
 */
#include "app/commands.h"
#include "app/config.h"
#include "app/function_log.h"
#include "app/log_reader.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_AGAIN_MS = 100, TIME_BYTES = 32 };

static const char usage[] =
    "usage: sluice logs NAME [--follow] [--since TIME] [--config FILE] [--stage NAME]\n"
    "Prints what the function NAME has printed. TIME is 30s, 10m, 2h or 1d ago, or a time in UTC, or as "
    "much\n"
    "of one as matters: 2026-11-21T19:30.\n";

struct options {
    const char *name, *config_file, *stage;
    char since[TIME_BYTES]; /* what a record's time begins with, or a later one; "": all */
    bool follow;
};

/* What a unit has of seconds; 0: it is none. */
static uint64_t unit_seconds(char unit)
{
    switch (unit) {
    case 's': return 1;
    case 'm': return 60;
    case 'h': return 3600;
    case 'd': return 86400;
    default: return 0;
    }
}

/* How much of a time it is: 2026-11-21T19:30:00.123Z has all. */
static bool is_time(const char *text)
{
    static const char pattern[] = "0000-00-00T00:00:00.000Z";
    size_t len = strlen(text);
    bool valid = len >= 4 && len < sizeof pattern;
    for (size_t i = 0; valid && i < len; i++)
        valid = pattern[i] == '0' ? text[i] >= '0' && text[i] <= '9' : text[i] == pattern[i];
    return valid;
}

static bool read_since(const char *text, char ret_since[static TIME_BYTES])
{
    char *end;
    struct tm parts;
    uint64_t count = strtoull(text, &end, 10), unit = unit_seconds(*end);
    if (*text >= '0' && *text <= '9' && unit > 0 && end[1] == '\0' && count <= UINT32_MAX) {
        time_t since = time(NULL) - (time_t)(count * unit);
        return gmtime_r(&since, &parts) && strftime(ret_since, TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &parts) > 0;
    }
    if (is_time(text)) {
        snprintf(ret_since, TIME_BYTES, "%s", text);
        return true;
    }
    fprintf(stderr, "sluice logs: '%s' is no time; allowed: 30s, 10m, 2h, 1d, or a time such as %s\n", text,
            "2026-11-21T19:30");
    return false;
}

static bool read_options(int argc, char **argv, struct options *ret_options)
{
    static const struct option longs[] = {{"follow", no_argument, NULL, 'f'},
                                          {"since", required_argument, NULL, 't'},
                                          {"config", required_argument, NULL, 'c'},
                                          {"stage", required_argument, NULL, 's'},
                                          {0}};
    struct options options = {.config_file = config_default_file()};
    bool good = true;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "fc:s:", longs, NULL)) != -1;) {
        switch (option) {
        case 'f': options.follow = true; break;
        case 't': good &= read_since(optarg, options.since); break;
        case 'c': options.config_file = optarg; break;
        case 's': options.stage = optarg; break;
        default: good = false;
        }
    }
    if (argc - optind != 1)
        fputs(usage, stderr);
    options.name = argv[argc - optind == 1 ? optind : 0];
    *ret_options = options;
    return good && argc - optind == 1 && (!options.stage || stage_valid(options.stage));
}

static void print_new(struct log_reader *reader, const struct options *options)
{
    struct span line;
    size_t len = strlen(options->since);
    while (log_reader_next(reader, &line)) {
        if (len > 0 && (line.len < len || memcmp(line.data, options->since, len) < 0))
            continue;
        fwrite(line.data, 1, line.len, stdout);
        putchar('\n');
    }
    fflush(stdout);
}

static int print(const char *path, const struct options *options)
{
    static const struct timespec pause = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};
    struct log_reader reader;
    if (access(path, R_OK) != 0 && errno != ENOENT) { /* one that is not there yet has nothing to say */
        fprintf(stderr, "sluice logs: %s cannot be read: %s\n", path, strerror(errno));
        return 1;
    }
    log_reader_init(&reader, path);
    print_new(&reader, options);
    while (options->follow && !ferror(stdout)) {
        nanosleep(&pause, NULL);
        print_new(&reader, options);
    }
    log_reader_fini(&reader);
    return ferror(stdout) ? 1 : 0;
}

/* A function that is configured no more may have left a log. */
static bool is_known(const struct config *config, const char *name, const char *path)
{
    bool known = strchr(name, '/') == NULL && access(path, F_OK) == 0;
    for (size_t i = 0; i < config->function_count && !known; i++)
        known = strcmp(config->functions[i].name, name) == 0;
    return known;
}

int logs_command(int argc, char **argv)
{
    struct options options;
    struct config *config;
    char path[PATH_MAX];
    if (!read_options(argc, argv, &options) ||
        config_load_stage(options.config_file, options.stage, stderr, &config) != SLUICE_OK)
        return 2;
    int status = 2;
    if (!function_log_path(config, options.name, path) || !is_known(config, options.name, path))
        fprintf(stderr, "sluice logs: there is no function %s in %s, and no log of one\n", options.name,
                options.config_file);
    else if (config->logs.file_count == 0)
        fputs("sluice logs: gateway.logs.files is 0: no logs are kept\n", stderr);
    else
        status = print(path, &options);
    config_free(config);
    return status;
}
