/*
 * `sluice dlq`: works on the database of the data folder, whether a gateway has it or not. What it changes
 * there a running gateway is told by SIGUSR1; one that starts looks by itself. So replaying is a mark in the
 * database: the gateway, which alone writes the journal, puts the letter back and then deletes it.
 */
#include "app/commands.h"
#include "app/config.h"
#include "app/data_lock.h"
#include "app/dlq_print.h"
#include "app/functions.h"
#include "base/memory.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 1000, LOOK_AGAIN_MS = 10, PATIENCE_MS = 10 * 1000 };

/* What a command works on. */
struct dlq {
    const struct config *config;
    struct state *state;
    struct state_letters which;
    bool all; /* --all was given */
};

static int complain(const char *subject, const char *what)
{
    fprintf(stderr, "sluice dlq: %s%s\n", subject, what);
    return 1;
}

/* ---- Looking ---- */

struct listing {
    void (*print)(const struct state_dead_letter *letter);
    uint64_t last_id;
    uint64_t count;
};

static void on_letter(void *ctx, const struct state_dead_letter *letter)
{
    struct listing *listing = ctx;
    listing->print(letter);
    listing->last_id = letter->id;
    listing->count++;
}

static enum sluice_error print_letters(struct dlq *dlq, struct listing *listing)
{
    uint64_t before;
    enum sluice_error error;
    do {
        before = listing->count;
        error = state_list_dead_letters(dlq->state, dlq->which, listing->last_id, PAGE, on_letter, listing);
    } while (!error && listing->count == before + PAGE);
    return error;
}

static int list(struct dlq *dlq)
{
    struct listing listing = {.print = dlq_print_line};
    if (print_letters(dlq, &listing))
        return 1;
    printf("%" PRIu64 " dead letters\n", listing.count);
    return 0;
}

static int show(struct dlq *dlq)
{
    struct listing listing = {.print = dlq_print_letter};
    if (print_letters(dlq, &listing))
        return 1;
    return listing.count > 0 ? 0 : complain("", "there is no such dead letter");
}

/* ---- Changing ---- */

/* True: a gateway has the data folder, and knows that there is something new. */
static bool tell_gateway(const struct dlq *dlq, pid_t *ret_gateway)
{
    if (data_lock_owner(dlq->config->data, ret_gateway) != SLUICE_OK)
        return false;
    /* A process that this one cannot see has no number here. */
    if (*ret_gateway > 0 && kill(*ret_gateway, SIGUSR1) == 0)
        return true;
    complain("",
             "the gateway cannot be signalled from here: it looks at the dead letters when it starts again");
    return false;
}

static int purge(struct dlq *dlq)
{
    uint64_t count;
    pid_t gateway;
    if (dlq->which.function.len == 0 && dlq->which.id == 0 && !dlq->all) {
        complain("", "purge deletes for good: give a FUNCTION, an ID, or --all");
        return 2;
    }
    if (state_purge_dead_letters(dlq->state, dlq->which, &count))
        return 1;
    if (count == 0)
        return complain("", "there is no such dead letter");
    tell_gateway(dlq, &gateway);
    printf("%" PRIu64 " dead letters are deleted\n", count);
    return 0;
}

/* Only those whose queue is configured: others would go off when it is some day. */
static enum sluice_error mark(struct dlq *dlq, uint64_t *ret_count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < dlq->config->function_count; i++) {
        const struct config_function *function = &dlq->config->functions[i];
        if (dlq->which.function.len > 0 && !span_equal(dlq->which.function, span_from_string(function->name)))
            continue;
        for (size_t j = 0; j <= function->event_count; j++) { /* and the queue of no event */
            uint64_t count = 0;
            char *queue =
                functions_queue_name(function, j < function->event_count ? &function->events[j] : NULL);
            enum sluice_error error =
                state_mark_replays(dlq->state, span_from_string(queue), dlq->which.id, &count);
            memory_free(queue);
            if (error)
                return error;
            total += count;
        }
    }
    *ret_count = total;
    return SLUICE_OK;
}

/* Until the gateway has put back what is marked, has ended, or makes no more progress. *ret_left still wait.
 */
static void wait_for_replays(const struct dlq *dlq, pid_t gateway, uint64_t *ret_left)
{
    static const struct timespec pause = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};
    pid_t owner = gateway;
    for (int idle_ms = 0; idle_ms < PATIENCE_MS; idle_ms += LOOK_AGAIN_MS) {
        uint64_t left;
        if (state_count_replays(dlq->state, dlq->which, &left))
            return;
        if (left < *ret_left)
            idle_ms = 0;
        *ret_left = left;
        if (left == 0 || data_lock_owner(dlq->config->data, &owner) == SLUICE_NOT_FOUND || owner != gateway)
            return;
        nanosleep(&pause, NULL);
    }
}

static int replay(struct dlq *dlq)
{
    uint64_t all, marked;
    pid_t gateway;
    if (state_count_dead_letters(dlq->state, dlq->which, &all) || mark(dlq, &marked))
        return 1;
    if (all == 0)
        return complain("", "there is no such dead letter");
    if (all > marked)
        printf("%" PRIu64
               " dead letters stay: their event is not configured any more, or they have no input\n",
               all - marked);
    if (marked == 0)
        return 1;
    uint64_t left = marked;
    bool told = tell_gateway(dlq, &gateway);
    if (told)
        wait_for_replays(dlq, gateway, &left);
    if (left < marked)
        printf("%" PRIu64 " dead letters are back in their queues\n", marked - left);
    if (left > 0)
        printf("%" PRIu64 " dead letters will go back into their queues %s\n", left,
               told ? "when there is room" : "when the gateway starts");
    return 0;
}

/* ---- The command ---- */

static const struct subcommand {
    const char *name;
    int (*run)(struct dlq *dlq);
    bool changes;
    const char *text;
} subcommands[] = {
    {"ls", list, false, "lists them, one on a line"},
    {"show", show, false, "prints them with input, error and attempts, as JSON"},
    {"replay", replay, true, "puts them back into the queues that they came from"},
    {"purge", purge, true, "deletes them; without FUNCTION and ID it needs --all"},
};

static int print_usage(void)
{
    fputs("usage: sluice dlq ls | show | replay | purge [--config FILE] [FUNCTION] [ID]\n", stderr);
    for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++)
        fprintf(stderr, "  %-7s %s\n", subcommands[i].name, subcommands[i].text);
    return 2;
}

static bool is_configured(const struct config *config, const char *function)
{
    size_t i = 0;
    while (i < config->function_count && strcmp(config->functions[i].name, function) != 0)
        i++;
    return i < config->function_count;
}

/* [FUNCTION] [ID]: what is a number, and no function's name, is an ID. */
static bool read_which(int argc, char **argv, const struct config *config, struct state_letters *ret_which)
{
    struct state_letters which = {0};
    const char *last = argc > 0 ? argv[argc - 1] : "";
    bool is_id =
        *last && last[strspn(last, "0123456789")] == '\0' && (argc == 2 || !is_configured(config, last));
    if (is_id)
        which.id = strtoull(last, NULL, 10);
    if (argc > 2 || (argc == 2 && !is_id) || (is_id && (which.id == 0 || which.id > INT64_MAX)))
        return false;
    if (argc > is_id)
        which.function = span_from_string(argv[0]);
    *ret_which = which;
    return true;
}

static int run(const struct subcommand *subcommand, struct dlq *dlq)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/sluice.db", dlq->config->data);
    if (access(path, F_OK) != 0) {
        puts("no dead letters: this gateway has not run yet");
        return 0;
    }
    enum sluice_error error =
        (subcommand->changes ? state_open_to_change : state_open_to_read)(path, &dlq->state);
    int status = error ? 1 : subcommand->run(dlq);
    state_close(dlq->state);
    return status;
}

int dlq_command(int argc, char **argv)
{
    static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
                                          {"stage", required_argument, NULL, 's'},
                                          {"all", no_argument, NULL, 'a'},
                                          {0}};
    const char *config_file = config_default_file(), *stage = NULL;
    struct dlq dlq = {0};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "c:s:", longs, NULL)) != -1;) {
        switch (option) {
        case 'c': config_file = optarg; break;
        case 's': stage = optarg; break;
        case 'a': dlq.all = true; break;
        default: return 2;
        }
    }
    const struct subcommand *subcommand = subcommands,
                            *end = subcommand + sizeof subcommands / sizeof *subcommands;
    while (subcommand < end && (optind >= argc || strcmp(argv[optind], subcommand->name) != 0))
        subcommand++;
    if (subcommand == end)
        return print_usage();
    struct config *config;
    if ((stage && !stage_valid(stage)) || config_load_stage(config_file, stage, stderr, &config) != SLUICE_OK)
        return 2;
    dlq.config = config;
    int status = read_which(argc - optind - 1, argv + optind + 1, config, &dlq.which) ? run(subcommand, &dlq)
                                                                                      : print_usage();
    config_free(config);
    return status;
}
