#include "app/command_host.h"
#include "app/commands.h"
#include "app/file.h"
#include "route/rule.h"
#include "wire/topic.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

enum { PAYLOAD_BYTES_MAX = 268435455 }; /* no MQTT packet has more */

static const char usage[] =
    "usage: sluice sql RULE --topic TOPIC [--payload FILE] [--clientid NAME] [--principal TEXT]\n"
    "Prints what the rule makes of the message, or why the message is not for it.\n";

struct options {
    const char *sql, *topic, *payload_file, *client_id, *principal;
};

static bool read_options(int argc, char **argv, struct options *ret_options)
{
    static const struct option longs[] = {{"topic", required_argument, NULL, 't'},
                                          {"payload", required_argument, NULL, 'p'},
                                          {"clientid", required_argument, NULL, 'i'},
                                          {"principal", required_argument, NULL, 'r'},
                                          {0}};
    struct options options = {0};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "t:p:i:r:", longs, NULL)) != -1;) {
        switch (option) {
        case 't': options.topic = optarg; break;
        case 'p': options.payload_file = optarg; break;
        case 'i': options.client_id = optarg; break;
        case 'r': options.principal = optarg; break;
        default: return false;
        }
    }
    if (argc - optind != 1 || !options.topic)
        return false;
    options.sql = argv[optind];
    *ret_options = options;
    return true;
}

static uint32_t random_word(void *ctx)
{
    (void)ctx;
    uint32_t word = 0;
    uv_random(NULL, NULL, &word, sizeof word, 0, NULL);
    return word;
}

static void print_line(FILE *file, const char *before, struct span text)
{
    fputs(before, file);
    fwrite(text.data, 1, text.len, file);
    fputc('\n', file);
}

/* The exit status: 0 where the rule selects the message, else 1. */
static int show(const struct rule *rule, const struct message *message)
{
    struct rule_input input = rule_input_of(message, (struct rule_random){random_word, NULL});
    struct buffer text = {0};
    rule_explain(rule, &input, &text);
    bool is_for_it = buffer_len(&text) == 0;
    if (is_for_it && rule_select(rule, &input, &text) == RULE_MATCH)
        print_line(stdout, "", buffer_span(&text));
    else
        print_line(stderr, "sluice sql: no match: ", buffer_span(&text));
    buffer_fini(&text);
    return is_for_it ? 0 : 1;
}

static int run_rule(const struct rule *rule, const struct options *options)
{
    struct buffer payload = {0};
    enum sluice_error error =
        options->payload_file ? file_read(options->payload_file, PAYLOAD_BYTES_MAX, &payload) : SLUICE_OK;
    int status = 2;
    if (error) {
        fprintf(stderr, "sluice sql: %s: %s\n", options->payload_file,
                error == SLUICE_TOO_LARGE ? "it is too large for an MQTT packet" : strerror(errno));
    } else {
        struct message message = {.received_ms = command_wall_ms(),
                                  .topic = span_from_string(options->topic),
                                  .payload = buffer_span(&payload),
                                  .client_id = span_from_string(options->client_id),
                                  .principal = span_from_string(options->principal)};
        status = show(rule, &message);
    }
    buffer_fini(&payload);
    return status;
}

int sql_command(int argc, char **argv)
{
    struct options options;
    if (!read_options(argc, argv, &options)) {
        fputs(usage, stderr);
        return 2;
    }
    if (!topic_name_valid(span_from_string(options.topic))) {
        fprintf(stderr, "sluice sql: '%s' is no Topic Name; it is not empty and has no + and #\n",
                options.topic);
        return 2;
    }
    struct rule *rule;
    struct rule_error error;
    if (rule_parse(span_from_string(options.sql), &rule, &error) != SLUICE_OK) {
        fprintf(stderr, "sluice sql: %u:%u: %s\n", error.line, error.column, error.text);
        return 2;
    }
    int status = run_rule(rule, &options);
    rule_free(rule);
    return status;
}
