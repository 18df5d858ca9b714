#include "app/config_table.h"

#include <stdio.h>
#include <string.h>

size_t parameter_group_len(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? (size_t)(dot - path) : 0;
}

/* An item's path ends with `[]`, or with the NAME that follows a dot. */
size_t parameter_item_len(const char *path)
{
    size_t item = 0;
    for (size_t len = 0; path[len]; len++) {
        if (strncmp(path + len, "[]", 2) == 0)
            item = len + 2;
        else if (strncmp(path + len, ".NAME", 5) == 0)
            item = len + 5;
    }
    return item;
}

const struct parameter *parameter_find(const char *path)
{
    const struct parameter *any = NULL;
    size_t group = parameter_group_len(path);
    for (size_t i = 0; i < config_parameter_count; i++) {
        const char *at = config_parameters[i].path;
        if (strcmp(at, path) == 0)
            return &config_parameters[i];
        if (group > 0 && strncmp(at, path, group) == 0 && strcmp(at + group, ".*") == 0)
            any = &config_parameters[i];
    }
    return any;
}

bool parameter_reloads(const struct parameter *parameter)
{
    static const char *const groups[] = {
        "gateway.anonymous", "gateway.tls.",   "gateway.websocket.", "gateway.access",
        "gateway.passwords", "gateway.tokens", "gateway.keys",       "gateway.limits.tokenClockSkew"};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (strncmp(parameter->path, groups[i], strlen(groups[i])) == 0)
            return true;
    }
    return false;
}

static const char *type_text(enum parameter_type type)
{
    static const char *const texts[] = {
        [PARAMETER_GROUP] = "a mapping",
        [PARAMETER_ITEMS] = "a list of mappings",
        [PARAMETER_NAMED_ITEMS] = "a mapping of names to mappings",
        [PARAMETER_TEXT] = "text",
        [PARAMETER_PATH] = "a path",
        [PARAMETER_PATHS] = "a list of paths",
        [PARAMETER_COUNT] = "a whole number",
        [PARAMETER_SECONDS] = "a number",
        [PARAMETER_BOOLEAN] = "true or false",
        [PARAMETER_CHOICE] = "a word",
        [PARAMETER_FLAG] = "a word",
        [PARAMETER_LISTEN] = "HOST:PORT, [IPv6]:PORT or PORT",
        [PARAMETER_ANONYMOUS] = "a list of mqtt, mqtts, https and http",
        [PARAMETER_ORIGINS] = "a list of SCHEME://HOST or SCHEME://HOST:PORT in lower case, same and none",
        [PARAMETER_WHO] = "device:PATTERN, user:PATTERN, token:PATTERN or anonymous",
        [PARAMETER_FILTERS] = "a list of Topic Filters",
        [PARAMETER_PATTERNS] = "a list of patterns of paths, with ! before what they leave out",
        [PARAMETER_CLIENT_IDS] = "a list of patterns",
        [PARAMETER_ENVIRONMENT] = "a mapping of names to text",
        [PARAMETER_SQL] = "SQL",
        [PARAMETER_REPLY] = "a topic template",
        [PARAMETER_RATES] = "rate(5 minutes), cron(0 12 * * ? *), or a list of them",
        [PARAMETER_JSON] = "any value, or JSON text",
        [PARAMETER_NOTED] = "anything",
        [PARAMETER_NOT_HERE] = "anything",
    };
    return texts[type];
}

void parameter_allowed(const struct parameter *parameter, char *text, size_t text_bytes)
{
    const char *type = type_text(parameter->type);
    if (parameter->unit)
        snprintf(text, text_bytes, "%s from %.15g to %.15g %s", type, parameter->minimum, parameter->maximum,
                 parameter->unit);
    else if (parameter->allowed && parameter->type != PARAMETER_LISTEN)
        snprintf(text, text_bytes, "%s", parameter->allowed);
    else
        snprintf(text, text_bytes, "%s", type);
}

static void print_row(const struct parameter *parameter, FILE *out)
{
    char allowed[128];
    parameter_allowed(parameter, allowed, sizeof allowed);
    fprintf(out, "| `%s` | ", parameter->path);
    for (const char *at = allowed; *at; at++) /* a bar would end the cell */
        fprintf(out, "%s%c", *at == '|' ? "\\" : "", *at);
    const char *quote = parameter->fallback ? "`" : "";
    fprintf(out, " | %s%s%s | %s%s |\n", quote, parameter->fallback ? parameter->fallback : "", quote,
            parameter->text, parameter->required ? "; required" : "");
}

static bool is_noted(const struct parameter *parameter)
{
    return parameter->type == PARAMETER_NOTED;
}

static bool is_not_here(const struct parameter *parameter)
{
    return parameter->type == PARAMETER_NOT_HERE;
}

static bool reloads(const struct parameter *parameter)
{
    return parameter_reloads(parameter) && !strchr(parameter->path, '[');
}

static void print_paths(bool (*is_one)(const struct parameter *), const char *title, FILE *out)
{
    fprintf(out, "\n%s:", title);
    const char *comma = "";
    for (size_t i = 0; i < config_parameter_count; i++) {
        if (!is_one(&config_parameters[i]))
            continue;
        fprintf(out, "%s `%s`", comma, config_parameters[i].path);
        comma = ",";
    }
    fputs(".\n", out);
}

void config_print_reference(FILE *out)
{
    fputs("| parameter | allowed | default | meaning |\n|---|---|---|---|\n", out);
    for (size_t i = 0; i < config_parameter_count; i++)
        if (!is_noted(&config_parameters[i]) && !is_not_here(&config_parameters[i]))
            print_row(&config_parameters[i], out);
    print_paths(reloads,
                "Taken up by `sluice reload`, with the files that they name; the others need a restart", out);
    print_paths(is_noted, "Taken, and of no effect on the gateway", out);
    print_paths(is_not_here,
                "Taken with a warning, because they do not apply at the edge or are not served yet", out);
}
