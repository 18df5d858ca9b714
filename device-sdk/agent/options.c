#include "agent/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOR_MAX_S = 1000 * 1000 * 1000 };

static void complain(struct agent_config *config, const char *option, const char *what)
{
    config->error_count++;
    fprintf(stderr, "sluice-agent: %s: %s\n", option, what);
}

/* One argument and, where the option has one, its value: `--port 8883` or `--port=8883`. */
struct argument {
    char name[32];
    const char *value; /* NULL: none */
    bool is_joined;    /* by an equals sign */
};

static struct argument split(char **at)
{
    struct argument argument = {.value = NULL};
    const char *text = *at + 2, *equals = strchr(text, '=');
    int len = equals ? (int)(equals - text) : (int)strlen(text);
    snprintf(argument.name, sizeof argument.name, "%.*s", len, text);
    argument.is_joined = equals != NULL;
    if (equals)
        argument.value = equals + 1;
    else if (at[1] && strncmp(at[1], "--", 2) != 0)
        argument.value = at[1];
    return argument;
}

static void parse_for(struct options *options, struct agent_config *config, const char *value)
{
    char *end;
    double seconds = strtod(value, &end);
    if (end == value || *end || !(seconds > 0) || seconds > FOR_MAX_S)
        complain(config, "--for", "allowed is a number of seconds above 0");
    else
        options->for_ms = (uint64_t)(seconds * 1000);
}

/* An option that has no value; false: this is none of them. */
static bool parse_flag(struct options *options, const char *name)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"help", &options->help},
                 {"list", &options->list},
                 {"once", &options->once},
                 {"check", &options->check}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(name, flags[i].name) == 0)
            return *flags[i].flag = true;
    return false;
}

static void parse_valued(struct options *options, struct agent_config *config,
                         const struct argument *argument)
{
    char option[40];
    snprintf(option, sizeof option, "--%s", argument->name);
    bool is_ours = strcmp(argument->name, "config") == 0 || strcmp(argument->name, "for") == 0 ||
                   strcmp(argument->name, "stats") == 0;
    if (is_ours && !argument->value)
        complain(config, option, "needs a value");
    else if (strcmp(argument->name, "for") == 0)
        parse_for(options, config, argument->value);
    else if (strcmp(argument->name, "stats") == 0)
        options->stats = argument->value;
    else if (!is_ours && !config_option(config, argument->name, argument->value))
        complain(config, option, "there is no such option; --help lists them");
}

void options_parse(struct options *options, struct agent_config *config, char **arguments)
{
    for (char **at = arguments; *at; at++)
        if (strncmp(*at, "--config", 8) == 0 && ((*at)[8] == '=' || (*at)[8] == '\0') && split(at).value)
            config_read(config, split(at).value);
    for (char **at = arguments; *at; at++) {
        if (strncmp(*at, "--", 2) != 0) {
            complain(config, *at, "this is no option; --help lists them");
            continue;
        }
        struct argument argument = split(at);
        if (!argument.is_joined && parse_flag(options, argument.name))
            continue;
        parse_valued(options, config, &argument);
        if (argument.value && !argument.is_joined)
            at++;
    }
}

void options_print_help(void)
{
    puts("sluice-agent: publishes what this board's sensors measure to a Sluice gateway.\n"
         "\n"
         "usage: sluice-agent [--config FILE] [OPTION VALUE]...\n"
         "\n"
         "  --config FILE  sections and keys: see device-sdk/agent/README.md\n"
         "  --check        show what is wrong in the configuration, and end; nothing is opened or run\n"
         "  --list         show the sensors of this board with their values, and end\n"
         "  --once         publish one sample, and end\n"
         "  --for SECONDS  end after this time\n"
         "  --stats FILE   at the end, write one line of JSON with all counters; - is standard output\n"
         "  --help         this text\n"
         "\n"
         "These are the keys of [gateway] and [sampling], and win over the file:\n");
    config_print_options();
    puts("\nExit status: 0, all is delivered; 1, something is not; 2, the configuration is wrong.");
}
