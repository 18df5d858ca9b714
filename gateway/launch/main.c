/*
 * `launch`: see launch.h. Exit status 126 where a measure is required and cannot
 * be had, 127 where the worker cannot be run.
 */
#include "launch/launch.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_NOT_CONFINED = 126, EXIT_NOT_RUN = 127 };

static const char usage[] =
    "usage: launch [OPTION...] -- PROGRAM [ARGUMENT...]\n"
    "Confines itself and becomes PROGRAM. The gateway starts workers with it.\n"
    "  --read PATH          may be read and executed, besides the system's own folders\n"
    "  --write PATH         may be changed too\n"
    "  --hide PATH          not, though a folder above it may be read\n"
    "  --code PATH          is the program's own, and may be read though a folder above it is hidden\n"
    "  --network WHAT       none (the default), loopback (its own, with nobody else) or all\n"
    "  --data-bytes N       of memory that it writes to\n"
    "  --open-files N       at once\n"
    "  --processes N        at once, threads included\n"
    "  --scratch-bytes N    of a /tmp of its own, in memory\n"
    "  --user N             to become, where root starts it; the group too\n"
    "  --read-any           as that user, what it may read by the above, whoever it belongs to\n"
    "  --nice N             below the priority of who starts it\n"
    "  --required           to fail where a measure cannot be had, instead of going on without\n"
    "  --check              to say which measures cannot be had, a line each, and exit\n";

enum mode {
    MODE_AVAILABLE,
    MODE_REQUIRED,
    MODE_CHECK,
};

/* In the order in which they are taken: each can still be done after those before it. */
static const struct {
    const char *name;
    int (*take)(struct launch *launch);
} measures[] = {
    {"closing other descriptors (close_range)", launch_close_descriptors},
    {"limits of resources", launch_limit_resources},
    {"namespaces", launch_enter_namespaces},
    {"a network of its own (network namespace)", launch_leave_network},
    {"a " LAUNCH_SCRATCH " of its own (mount namespace)", launch_make_scratch},
    {"limits of file access (Landlock)", launch_name_files},
    {"a user of its own", launch_become_user},
    {"a limit of processes", launch_limit_processes},
    {"no privileges", launch_give_up_privileges},
    {"limits of file access (Landlock)", launch_limit_files},
    {"limits of signals (Landlock scopes)", launch_limit_signals},
    {"limits of system calls (seccomp)", launch_limit_calls},
};

static void confine(struct launch *launch, enum mode mode)
{
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++) {
        int error = measures[i].take(launch);
        if (!error || mode == MODE_AVAILABLE)
            continue;
        fprintf(mode == MODE_CHECK ? stdout : stderr, "%s: %s\n", measures[i].name, strerror(error));
        if (mode == MODE_REQUIRED)
            exit(EXIT_NOT_CONFINED);
    }
}

static void __attribute__((noreturn)) refuse(const char *what)
{
    fprintf(stderr, "launch: %s\n%s", what, usage);
    exit(EXIT_USAGE);
}

static void add_path(struct launch_paths *paths, const char *path)
{
    if (!path)
        return; /* what is not there needs not be hidden */
    if (paths->count == LAUNCH_PATHS_MAX)
        refuse("more paths than 64");
    paths->items[paths->count++] = path;
}

static uint64_t number(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || *text < '0' || *text > '9')
        refuse("a number was expected");
    return value;
}

static enum launch_network network_of(const char *text)
{
    static const char *const names[] = {
        [LAUNCH_NO_NETWORK] = "none", [LAUNCH_LOOPBACK] = "loopback", [LAUNCH_WHOLE_NETWORK] = "all"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) == 0)
            return (enum launch_network)i;
    }
    refuse("--network is none, loopback or all");
}

static enum mode read_options(int argc, char **argv, struct launch *ret_launch)
{
    static const struct option options[] = {{"read", required_argument, NULL, 'r'},
                                            {"write", required_argument, NULL, 'w'},
                                            {"network", required_argument, NULL, 'n'},
                                            {"data-bytes", required_argument, NULL, 'd'},
                                            {"open-files", required_argument, NULL, 'o'},
                                            {"processes", required_argument, NULL, 'p'},
                                            {"nice", required_argument, NULL, 'i'},
                                            {"hide", required_argument, NULL, 'h'},
                                            {"code", required_argument, NULL, 'c'},
                                            {"scratch-bytes", required_argument, NULL, 's'},
                                            {"user", required_argument, NULL, 'u'},
                                            {"read-any", no_argument, NULL, 'a'},
                                            {"required", no_argument, NULL, 'R'},
                                            {"check", no_argument, NULL, 'C'},
                                            {0}};
    enum mode mode = MODE_AVAILABLE;
    for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        switch (option) {
        case 'r': add_path(&ret_launch->read, optarg); break;
        case 'w': add_path(&ret_launch->write, optarg); break;
        case 'h': add_path(&ret_launch->hide, realpath(optarg, NULL)); break;
        case 'c': add_path(&ret_launch->code, optarg); break;
        case 's': ret_launch->scratch_bytes = number(optarg); break;
        case 'u': ret_launch->user = (uid_t)number(optarg); break;
        case 'n': ret_launch->network = network_of(optarg); break;
        case 'd': ret_launch->data_bytes = number(optarg); break;
        case 'o': ret_launch->open_file_count = number(optarg); break;
        case 'p': ret_launch->process_count = number(optarg); break;
        case 'i': ret_launch->nice = (int)number(optarg); break;
        case 'a': ret_launch->reads_any = true; break;
        case 'R': mode = MODE_REQUIRED; break;
        case 'C': mode = MODE_CHECK; break;
        default: refuse("this is not an option");
        }
    }
    return mode;
}

int main(int argc, char **argv)
{
    struct launch launch = {0};
    enum mode mode = read_options(argc, argv, &launch);
    if (mode != MODE_CHECK && optind == argc)
        refuse("there is no program to run");
    confine(&launch, mode);
    if (mode == MODE_CHECK) /* nothing runs at exit: a leak checker could not, confined as this is now */
        _exit(fflush(stdout) == 0 ? 0 : EXIT_NOT_CONFINED);
    execv(argv[optind], argv + optind);
    fprintf(stderr, "%s cannot be run: %s\n", argv[optind], strerror(errno));
    return EXIT_NOT_RUN;
}
