/*
 * The commands of `sluice`. Each gets its own arguments (argv[0] is its name) and
 * returns the exit status: 0, 1 when it failed, 2 when it was called wrongly or
 * the configuration is wrong; then standard error says why in one sentence each.
 */
#ifndef SLUICE_APP_COMMANDS_H
#define SLUICE_APP_COMMANDS_H

#include <limits.h>
#include <stdbool.h>

struct run_options {
    const char *config_file; /* config_default_file() unless it is given */
    const char *stage;       /* NULL unless it is given */
    bool verbose;
    bool watch;
};

/* --config FILE, --stage NAME, --verbose and --watch. False: another is there, and standard error says so. */
bool run_options_read(int argc, char **argv, struct run_options *ret_options);

/* The worker programs: SLUICE_WORKERS, or ../libexec/sluice beside the folder that this program is in. False:
 * they cannot be found, and the log says so. */
bool find_workers(char folder[PATH_MAX]);

/* The templates of `sluice init`: ../share/sluice/templates beside that folder. False: as above. */
bool find_templates(char folder[PATH_MAX]);

/* Whether it can be a stage, and so stand in topics and paths; if not, standard error says what may. */
bool stage_valid(const char *stage);

int run_command(int argc, char **argv);       /* runs the gateway until SIGINT or SIGTERM */
int check_command(int argc, char **argv);     /* checks a configuration */
int init_command(int argc, char **argv);      /* begins a project from a template */
int deploy_command(int argc, char **argv);    /* copies functions into the data folder, and makes them live */
int rollback_command(int argc, char **argv);  /* makes an older version live */
int versions_command(int argc, char **argv);  /* lists the versions */
int dlq_command(int argc, char **argv);       /* the dead letters */
int invoke_command(int argc, char **argv);    /* runs one function once */
int logs_command(int argc, char **argv);      /* what functions have printed */
int passwd_command(int argc, char **argv);    /* sets and deletes passwords */
int pki_command(int argc, char **argv);       /* makes and revokes certificates */
int reload_command(int argc, char **argv);    /* has the running gateway load what may change */
int sql_command(int argc, char **argv);       /* shows what a rule makes of a message */
int reference_command(int argc, char **argv); /* prints the configuration reference */

#endif
