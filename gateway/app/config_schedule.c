/* Schedules of a configuration: their time zones, and what their events become. */
#include "app/config_table.h"

#include "app/file.h"
#include "base/buffer.h"
#include "route/transform.h"

#include <string.h>

#define ZONES "/usr/share/zoneinfo"

enum {
    ZONE_BYTES_MAX = 65536,
    PATH_BYTES = 256,
    TEMPLATE_BYTES_MAX = 8192, /* these two are EventBridge's */
    NAME_CHARACTERS_MAX = 64,
};

static bool is_zone_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_+-");
    return len > 0 && len <= 64 && name[len] == '\0' && name[0] != '/';
}

/* UTC needs no file, so that a box without the database has it. NULL: it is UTC, or was reported. */
static const struct time_zone *load_zone(struct config *config, const char *function,
                                         const struct config_event *event, struct config_problems *problems)
{
    const struct time_zone *zone = NULL;
    struct buffer file = {0};
    char path[PATH_BYTES];
    if (strcmp(event->timezone, "UTC") == 0)
        return NULL;
    snprintf(path, sizeof path, ZONES "/%s", event->timezone);
    if (!is_zone_name(event->timezone) || file_read(path, ZONE_BYTES_MAX, &file) != SLUICE_OK ||
        time_zone_parse(buffer_span(&file), &config->arena, &zone) != SLUICE_OK) {
        zone = NULL;
        config_error(problems, event->place,
                     "functions.%s: the timezone '%.64s' is not in " ZONES
                     "; allowed: UTC, or one that is there, "
                     "such as Europe/Berlin",
                     function, event->timezone);
    }
    buffer_fini(&file);
    return zone;
}

static void check_path(const char *function, const struct config_event *event, const char *path,
                       struct config_problems *problems)
{
    const char *fault = transform_path_fault(span_from_string(path));
    if (fault)
        config_error(problems, event->place,
                     "functions.%s: '%.128s' is no path in an event: %s; allowed: $.time, "
                     "$.resources[0] and the like",
                     function, path, fault);
}

static void check_transformer(const char *function, const struct config_event *event,
                              struct config_problems *problems)
{
    struct transform transform = {event->input_template, event->input_paths.items, event->input_paths.count};
    for (size_t i = 0; i < event->input_paths.count; i++)
        check_path(function, event, strchr(event->input_paths.items[i], '=') + 1, problems);
    if (!event->input_template)
        return;
    if (strlen(event->input_template) > TEMPLATE_BYTES_MAX)
        config_error(problems, event->place,
                     "functions.%s: the inputTemplate has %zu bytes; allowed: at most %d", function,
                     strlen(event->input_template), TEMPLATE_BYTES_MAX);
    struct span unknown = transform_unknown_name(&transform);
    if (unknown.len > 0)
        config_error(problems, event->place,
                     "functions.%s: the inputTemplate has <%.*s>; allowed: names of inputPathsMap, and "
                     "<aws.events.event.json>, <aws.events.event.ingestion-time> and <aws.events.rule-arn>",
                     function, (int)unknown.len, (const char *)unknown.data);
}

static void check_name(const char *function, const struct config_event *event,
                       struct config_problems *problems)
{
    const char *name = event->schedule_name;
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    if (name[len] || len > NAME_CHARACTERS_MAX)
        config_error(
            problems, event->place,
            "functions.%s: '%.80s' is no name of a schedule; allowed: 1 to %d letters, digits, -, _ and .",
            function, name, NAME_CHARACTERS_MAX);
}

void config_settle_schedule(struct config *config, const struct config_function *function,
                            struct config_event *event, struct config_problems *problems)
{
    const struct time_zone *zone =
        event->timezone ? load_zone(config, function->name, event, problems) : NULL;
    for (size_t i = 0; i < event->rates.count; i++)
        event->schedules[i].zone = zone;
    if (event->schedule_name)
        check_name(function->name, event, problems);
    if (event->input_path)
        check_path(function->name, event, event->input_path, problems);
    check_transformer(function->name, event, problems);
    if ((event->input != NULL) + (event->input_path != NULL) + (event->input_template != NULL) > 1)
        config_error(problems, event->place,
                     "functions.%s: a schedule has more than one of input, inputPath and inputTransformer; "
                     "allowed: one of them",
                     function->name);
}
