#include "app/commands.h"
#include "app/config.h"
#include "base/log.h"
#include "deliver/state.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, PAGE = 1000 };

struct listing {
    uint64_t last_id;
    uint64_t count;
};

/* Text from outside, on one line and without what a terminal would obey. */
static void print_text(struct span text)
{
    while (text.len > 0) {
        size_t control = log_control_bytes(text);
        putchar(control ? '?' : text.data[0]);
        text = span_skip(text, control ? control : 1);
    }
}

static void on_letter(void *ctx, const struct state_dead_letter *letter)
{
    struct listing *listing = ctx;
    char when[32];
    time_t seconds = (time_t)(letter->stored_ms / 1000);
    struct tm parts;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &parts));
    printf("%llu  %s  ", (unsigned long long)letter->id, when);
    print_text(letter->function);
    printf("  ");
    print_text(letter->message->topic);
    printf("  %u attempts, ", letter->attempts);
    print_text(letter->reason);
    printf(": ");
    print_text(letter->error_type);
    printf(letter->error_message.len ? ": " : "");
    print_text(letter->error_message);
    putchar('\n');
    listing->last_id = letter->id;
    listing->count++;
}

static int list_letters(const struct config *config, const char *function)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/sluice.db", config->data);
    struct state *state;
    if (access(path, F_OK) != 0) {
        puts("no dead letters: this gateway has not run yet");
        return 0;
    }
    if (state_open_to_read(path, &state) != SLUICE_OK)
        return 1;
    struct listing listing = {0};
    enum sluice_error error;
    uint64_t before;
    do {
        before = listing.count;
        error = state_list_dead_letters(state, span_from_string(function), listing.last_id, PAGE, on_letter,
                                        &listing);
    } while (!error && listing.count == before + PAGE);
    state_close(state);
    if (error) {
        fprintf(stderr, "sluice dlq: %s cannot be read: %s\n", path, sluice_error_text(error));
        return 1;
    }
    printf("%llu dead letters\n", (unsigned long long)listing.count);
    return 0;
}

int dlq_command(int argc, char **argv)
{
    static const struct option longs[] = {{"config", required_argument, NULL, 'c'}, {0}};
    const char *config_file = "serverless.yml";
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "c:", longs, NULL)) != -1;) {
        if (option != 'c')
            return 2;
        config_file = optarg;
    }
    if (optind >= argc || strcmp(argv[optind], "ls") != 0 || argc - optind > 2) {
        fputs("usage: sluice dlq ls [--config FILE] [FUNCTION]\n", stderr);
        return 2;
    }
    struct config *config;
    if (config_load(config_file, stderr, &config) != SLUICE_OK)
        return 2;
    int status = list_letters(config, argc - optind == 2 ? argv[optind + 1] : "");
    config_free(config);
    return status;
}
