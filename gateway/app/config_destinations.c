/* Whom the destinations of functions mean. */
#include "app/config_table.h"

#include <string.h>

static bool names(const struct config_function *function, struct span name)
{
    return span_equal(span_from_string(function->name), name) ||
           (function->lambda && span_equal(span_from_string(function->lambda), name));
}

static struct config_function *find(const struct config *config, struct span name)
{
    for (size_t i = 0; i < config->function_count; i++) {
        if (names(&config->functions[i], name))
            return &config->functions[i];
    }
    return NULL;
}

/* The function of an ARN `arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`, or of its name alone. */
static struct config_function *find_by_arn(const struct config *config, const char *given)
{
    struct config_function *found = find(config, span_from_string(given));
    const char *name = strncmp(given, "arn:", 4) == 0 ? strstr(given, ":function:") : NULL;
    if (found || !name)
        return found;
    name += strlen(":function:");
    return find(config, span_of(name, strcspn(name, ":")));
}

/* A row of the table, and what stands where nothing was said. */
struct place_of_destination {
    const char *name;
    const char *allowed;
    enum config_destination_kind otherwise;
};

static const struct place_of_destination on_success = {"onSuccess", "none", CONFIG_TO_NOBODY};
static const struct place_of_destination on_failure = {"onFailure", "dlq, none", CONFIG_TO_DEAD_LETTERS};

static void settle_target(struct config *config, const struct config_function *function,
                          const struct place_of_destination *place, struct config_destination *destination,
                          struct config_problems *problems)
{
    const char *given = destination->function;
    struct config_function *target = find_by_arn(config, given);
    destination->kind = place->otherwise;
    if (!target && strncmp(given, "arn:", 4) == 0) {
        config_warning(problems, function->place,
                       "functions.%s: destinations.%s is '%s', which is not here; it is ignored",
                       function->name, place->name, given);
    } else if (!target) {
        config_error(problems, function->place,
                     "functions.%s: destinations.%s is '%s'; allowed: %s, a function's name or ARN, or "
                     "{topic: TOPIC}",
                     function->name, place->name, given, place->allowed);
    } else if (target == function) {
        config_error(problems, function->place,
                     "functions.%s: destinations.%s is the function itself, which would never end; allowed: "
                     "another one",
                     function->name, place->name);
    } else {
        destination->kind = CONFIG_TO_FUNCTION;
        destination->function = target->name;
        target->is_destination = true;
    }
}

static void settle_destination(struct config *config, const struct config_function *function,
                               const struct place_of_destination *place,
                               struct config_destination *destination, struct config_problems *problems)
{
    const char *given = destination->function;
    if (given && destination->topic)
        config_error(problems, function->place,
                     "functions.%s: destinations.%s has a function and a topic; allowed: one of them",
                     function->name, place->name);
    else if (destination->topic)
        destination->kind = CONFIG_TO_TOPIC;
    else if (!given)
        destination->kind = place->otherwise;
    else if (strcmp(given, "none") == 0)
        destination->kind = CONFIG_TO_NOBODY;
    else if (strcmp(given, "dlq") == 0 && place->otherwise == CONFIG_TO_DEAD_LETTERS)
        destination->kind = CONFIG_TO_DEAD_LETTERS;
    else
        settle_target(config, function, place, destination, problems);
}

void config_settle_destinations(struct config *config, struct config_problems *problems)
{
    for (size_t i = 0; i < config->function_count; i++) {
        struct config_function *function = &config->functions[i];
        settle_destination(config, function, &on_success, &function->on_success, problems);
        settle_destination(config, function, &on_failure, &function->on_failure, problems);
    }
}
