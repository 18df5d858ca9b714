/* `sluice deploy`, `sluice rollback` and `sluice versions`. */
#include "app/command_host.h"
#include "app/commands.h"
#include "app/deploy.h"
#include "app/file_tree.h"
#include "app/functions_internal.h"
#include "base/log.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct options {
    const char *config_file, *stage;
    const char *arguments[2]; /* NULL where there are fewer */
};

static bool read_options(int argc, char **argv, size_t least, size_t most, struct options *ret_options)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'}, {"stage", required_argument, NULL, 's'}, {0}};
    struct options options = {NULL, NULL, {NULL, NULL}};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "c:s:", longs, NULL)) != -1;) {
        switch (option) {
        case 'c': options.config_file = optarg; break;
        case 's': options.stage = optarg; break;
        default: return false;
        }
    }
    size_t count = (size_t)(argc - optind);
    if (count < least || count > most)
        return false;
    for (size_t i = 0; i < count; i++)
        options.arguments[i] = argv[optind + (int)i];
    *ret_options = options;
    return !options.stage || stage_valid(options.stage);
}

static bool load(const char *file, const char *stage, struct config **ret_config)
{
    return config_load_stage(file, stage, stderr, ret_config) == SLUICE_OK;
}

static bool load_gateway(const struct options *options, struct config **ret_config)
{
    return load(options->config_file ? options->config_file : config_default_file(), options->stage,
                ret_config);
}

static const struct config_function *find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->function_count; i++) {
        if (strcmp(config->functions[i].name, name) == 0)
            return &config->functions[i];
    }
    return NULL;
}

static int complain(const char *command, const char *subject, const char *what)
{
    fprintf(stderr, "sluice %s: %s %s\n", command, subject, what);
    return 1;
}

/* ---- deploy ---- */

static const char deploy_usage[] =
    "usage: sluice deploy [DIR] [--config FILE] [--stage NAME]\n"
    "Copies the functions of DIR's serverless.yml into the data folder of the gateway whose configuration "
    "FILE\n"
    "is (DIR's own without it), each as a new version, and makes them live when all have started.\n";

/* Adds a version, unless it is as the live one. What it lacks is better said here than in a gateway's log. */
static bool add_version(struct deploy *deploy, const struct config *project,
                        const struct config_function *function, bool *ret_changed)
{
    const struct config_function *here = find(deploy->config, function->name);
    char code[FILE_TREE_HASH_BYTES];
    struct version version;
    if (!here || config_is_remote(here)) {
        complain(deploy->command, function->name, "is no local function of the gateway's configuration");
        return false;
    }
    if (deploy_package(deploy, project, function, code, &version) != SLUICE_OK)
        return false;
    version.deployed_ms = command_wall_ms();
    struct versions_function *deployed = versions_find(deploy->versions, span_from_string(function->name));
    const struct version *live = deployed ? versions_number(deployed, deployed->live) : NULL;
    if (live && version_equal(live, &version)) {
        printf("%s: version %" PRIu64 " is live already\n", function->name, live->number);
        return true;
    }
    const struct version *added = versions_add(deploy->versions, function->name, &version);
    deployed = versions_find(deploy->versions, span_from_string(function->name));
    uint64_t before = deployed->live;
    deployed->live = added->number;
    *ret_changed = true;
    struct config_function applied =
        version_apply(added, here, deploy->config->data, &deploy->versions->arena);
    versions_bound(deployed, deploy->config->deploys.kept_count, before);
    return function_pool_check(&applied) == SLUICE_OK;
}

static void print_live(const struct deploy *deploy, const struct config *project)
{
    for (size_t i = 0; i < project->function_count; i++) {
        const struct versions_function *function =
            versions_find(deploy->versions, span_from_string(project->functions[i].name));
        if (function)
            printf("%s: version %" PRIu64 " is live\n", function->name, function->live);
    }
}

static int deploy_all(struct deploy *deploy, const struct config *project)
{
    bool changed = false, good = true;
    size_t local_count = 0;
    for (size_t i = 0; i < project->function_count && good; i++) {
        if (config_is_remote(&project->functions[i]))
            continue;
        local_count++;
        good = add_version(deploy, project, &project->functions[i], &changed);
    }
    if (local_count == 0)
        return complain(deploy->command, project->file, "has no local function");
    if (good && changed)
        good = deploy_submit(deploy) == SLUICE_OK;
    if (good && changed)
        print_live(deploy, project);
    deploy_prune(deploy);
    return good ? 0 : 1;
}

/* DIR's file, as config_default_file finds that of this folder. */
static void project_file(const char *folder, char ret_path[PATH_MAX])
{
    snprintf(ret_path, PATH_MAX, "%s/serverless.yml", folder);
    if (access(ret_path, F_OK) != 0 && snprintf(ret_path, PATH_MAX, "%s/template.yaml", folder) < PATH_MAX &&
        access(ret_path, F_OK) == 0)
        return;
    snprintf(ret_path, PATH_MAX, "%s/serverless.yml", folder);
}

int deploy_command(int argc, char **argv)
{
    struct options options;
    struct config *project, *config = NULL;
    struct deploy deploy;
    char file[PATH_MAX];
    if (!read_options(argc, argv, 0, 1, &options)) {
        fputs(deploy_usage, stderr);
        return 2;
    }
    project_file(options.arguments[0] ? options.arguments[0] : ".", file);
    if (!load(file, options.stage, &project))
        return 2;
    int status = 2;
    if (!options.config_file || load(options.config_file, options.stage, &config)) {
        status = 1;
        if (deploy_begin(argv[0], config ? config : project, &deploy) == SLUICE_OK) {
            status = deploy_all(&deploy, project);
            deploy_end(&deploy);
        }
    }
    log_finish();
    config_free(config);
    config_free(project);
    return status;
}

/* ---- rollback ---- */

static int roll_back(struct deploy *deploy, const char *name, const char *wanted)
{
    struct versions_function *function = versions_find(deploy->versions, span_from_string(name));
    if (!function)
        return complain(deploy->command, name, "has no versions: it was never deployed");
    char *end = NULL;
    uint64_t number = wanted ? strtoull(wanted, &end, 10) : 0;
    const struct version *version = wanted ? versions_number(function, number) : versions_before(function);
    if (wanted && (*end || !version))
        return complain(deploy->command, wanted, "is no version of it; `sluice versions` lists them");
    if (!version)
        return complain(deploy->command, name, "has no version before the live one");
    function->live = version->number;
    if (deploy_submit(deploy) != SLUICE_OK)
        return 1;
    printf("%s: version %" PRIu64 " is live\n", name, function->live);
    return 0;
}

int rollback_command(int argc, char **argv)
{
    struct options options;
    struct config *config;
    struct deploy deploy;
    if (!read_options(argc, argv, 1, 2, &options)) {
        fputs("usage: sluice rollback NAME [VERSION] [--config FILE] [--stage NAME]\n"
              "Makes the version before the live one live, or the one that is named.\n",
              stderr);
        return 2;
    }
    if (!load_gateway(&options, &config))
        return 2;
    int status = 1;
    if (deploy_begin(argv[0], config, &deploy) == SLUICE_OK) {
        status = roll_back(&deploy, options.arguments[0], options.arguments[1]);
        deploy_end(&deploy);
    }
    log_finish();
    config_free(config);
    return status;
}

/* ---- versions ---- */

static void print_version(const struct versions_function *function, const struct version *version)
{
    time_t seconds = (time_t)(version->deployed_ms / 1000);
    struct tm parts;
    char when[32];
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &parts));
    printf("%s  %" PRIu64 "  %s  %.12s%s\n", function->name, version->number, when, version->code,
           version->number == function->live ? "  live" : "");
}

static int print_versions(const char *data, const char *name)
{
    char path[PATH_MAX], text[VERSIONS_TEXT_BYTES];
    struct versions *versions;
    versions_path(data, VERSIONS_NOW, path);
    enum sluice_error error = versions_read(path, &versions, text);
    if (error && error != SLUICE_NOT_FOUND) {
        fprintf(stderr, "sluice versions: %s\n", text);
        return 1;
    }
    bool is_there = !name || versions_find(versions, span_from_string(name));
    for (size_t i = 0; i < versions->count; i++) {
        const struct versions_function *function = &versions->functions[i];
        for (size_t j = 0; j < function->count && (!name || strcmp(name, function->name) == 0); j++)
            print_version(function, &function->items[j]);
    }
    versions_free(versions);
    return is_there ? 0 : complain("versions", name, "has no versions: it was never deployed");
}

int versions_command(int argc, char **argv)
{
    struct options options;
    struct config *config;
    if (!read_options(argc, argv, 0, 1, &options)) {
        fputs("usage: sluice versions [NAME] [--config FILE] [--stage NAME]\n"
              "Lists what was deployed: function, version, when, the hash of its code, and which one is "
              "live.\n",
              stderr);
        return 2;
    }
    if (!load_gateway(&options, &config))
        return 2;
    int status = print_versions(config->data, options.arguments[0]);
    config_free(config);
    return status;
}
