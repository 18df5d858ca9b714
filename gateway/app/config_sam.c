#include "app/config_sam.h"

#include "app/config_intrinsics.h"

#include <stdio.h>

enum { NAMES_BYTES = 256 };

struct template
{
    struct arena *arena;
    const struct config_node *root;
    struct config_problems *problems;
    struct config_intrinsics intrinsics;
};

/* From a property of SAM to a parameter of ours, both with dots; `list` and so on are done apart. */
struct renaming {
    const char *from, *to;
};

static const struct renaming function_names[] = {
    {"Runtime", "runtime"},
    {"Timeout", "timeout"},
    {"MemorySize", "memorySize"},
    {"FunctionName", "name"},
    {"Description", "description"},
    {"EphemeralStorage.Size", "ephemeralStorageSize"},
    {"ReservedConcurrentExecutions", "reservedConcurrency"},
    {"ProvisionedConcurrencyConfig.ProvisionedConcurrentExecutions", "provisionedConcurrency"},
    {"EventInvokeConfig.MaximumRetryAttempts", "maximumRetryAttempts"},
    {"EventInvokeConfig.MaximumEventAgeInSeconds", "maximumEventAge"},
};

static const struct event_type {
    const char *type, *event;
    struct renaming names[5];
} event_types[] = {
    {"IoTRule", "iot", {{"Sql", "sql"}, {"AwsIotSqlVersion", "sqlVersion"}}},
    {"Schedule",
     "schedule",
     {{"Schedule", "rate"},
      {"Input", "input"},
      {"Enabled", "enabled"},
      {"Name", "name"},
      {"Description", "description"}}},
    {"ScheduleV2",
     "schedule",
     {{"ScheduleExpression", "rate"},
      {"Input", "input"},
      {"Name", "name"},
      {"Description", "description"},
      {"ScheduleExpressionTimezone", "timezone"}}},
    {"Api", "http", {{"Path", "path"}, {"Method", "method"}}},
    {"HttpApi", "httpApi", {{"Path", "path"}, {"Method", "method"}, {"PayloadFormatVersion", "payload"}}},
};

bool config_sam_is_template(const struct config_node *root)
{
    return config_tree_member(root, SPAN_LITERAL("Resources")) != NULL;
}

/* ---- Making trees ---- */

static struct config_node *new_mapping(struct template *template, struct config_place place, size_t capacity)
{
    struct config_node *node = arena_new(template->arena, sizeof *node);
    *node = (struct config_node){.kind = CONFIG_MAPPING, .place = place};
    node->pairs = arena_new(template->arena, (capacity > 0 ? capacity : 1) * sizeof *node->pairs);
    return node;
}

/* There is room for it. */
static void add(struct template *template, struct config_node *mapping, const char *key,
                struct config_place place, struct config_node *value)
{
    struct config_node *name = config_tree_text(template->arena, span_from_string(key), true, place);
    mapping->pairs[mapping->count++] = (struct config_pair){name, value};
}

/* What stands at `A.B`; NULL: nothing. */
static struct config_node *member(const struct config_node *node, const char *path)
{
    struct config_node *found = NULL;
    for (const char *end; node; node = found, path = end + 1) {
        end = strchr(path, '.');
        size_t len = end ? (size_t)(end - path) : strlen(path);
        found = config_tree_member(node, span_of(path, len));
        if (!end)
            break;
    }
    return found;
}

static bool is_text(const struct config_node *node, const char *text)
{
    return node && node->kind == CONFIG_TEXT && span_equal(node->text, span_from_string(text));
}

/* Adds what a value is once its intrinsics are applied, if it is anything. */
static void add_value(struct template *template, struct config_node *mapping, const char *key,
                      const struct config_node *value)
{
    struct config_node *applied = value ? config_intrinsics_apply(&template->intrinsics, value) : NULL;
    if (applied)
        add(template, mapping, key, value->place, applied);
}

/* ---- Events ---- */

static bool is_disabled(const struct config_node *properties)
{
    return is_text(member(properties, "State"), "DISABLED");
}

static struct config_node *convert_properties(struct template *template, const struct event_type *type,
                                              const struct config_node *event)
{
    const struct config_node *properties = member(event, "Properties");
    struct config_node *values = new_mapping(template, event->place, 7);
    for (size_t i = 0; properties && i < 5 && type->names[i].from; i++)
        add_value(template, values, type->names[i].to, member(properties, type->names[i].from));
    if (properties && is_disabled(properties) && !member(values, "enabled"))
        add(template, values, "enabled", event->place,
            config_tree_text(template->arena, SPAN_LITERAL("false"), true, event->place));
    if (strcmp(type->event, "httpApi") == 0 && !member(values, "path"))
        add(template, values, "path", event->place,
            config_tree_text(template->arena, SPAN_LITERAL("$default"), false, event->place));
    return values;
}

static struct config_node *convert_event(struct template *template, const struct config_node *event)
{
    const struct config_node *type = member(event, "Type");
    struct config_node *made = new_mapping(template, event->place, 1);
    for (size_t i = 0; i < sizeof event_types / sizeof *event_types; i++) {
        if (!is_text(type, event_types[i].type))
            continue;
        add(template, made, event_types[i].event, event->place,
            convert_properties(template, &event_types[i], event));
        return made;
    }
    if (type && type->kind == CONFIG_TEXT) /* the table names it in a warning */
        add(template, made, (const char *)type->text.data, type->place,
            new_mapping(template, type->place, 0));
    else
        config_error(template->problems, event->place,
                     "this event has no Type; allowed: IoTRule, Schedule, "
                     "ScheduleV2, Api, HttpApi");
    return made;
}

static struct config_node *convert_events(struct template *template, const struct config_node *events)
{
    struct config_node *list = new_mapping(template, events->place, events->count);
    list->kind = CONFIG_LIST;
    for (size_t i = 0; i < events->count; i++)
        list->pairs[list->count++].value = convert_event(template, events->pairs[i].value);
    return list;
}

/* ---- Functions ---- */

/* A function's own, or that of all functions. */
static const struct config_node *property(const struct template *template,
                                          const struct config_node *properties, const char *path)
{
    const struct config_node *own = properties ? member(properties, path) : NULL;
    const struct config_node *globals = member(template->root, "Globals.Function");
    return own || !globals ? own : member(globals, path);
}

/* Whether a property of a function is one that is taken. */
static bool is_taken(struct span name)
{
    static const char *const others[] = {"Handler", "CodeUri", "Environment", "Events"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (span_equal(name, span_from_string(others[i])))
            return true;
    }
    for (size_t i = 0; i < sizeof function_names / sizeof *function_names; i++) {
        const char *from = function_names[i].from;
        if (span_equal(name, span_of(from, strcspn(from, "."))))
            return true;
    }
    return false;
}

/* What is for AWS alone, in one warning. */
static void warn_of_properties(const struct template *template, const char *whose,
                               const struct config_node *properties)
{
    char names[NAMES_BYTES] = "";
    for (size_t i = 0; properties && properties->kind == CONFIG_MAPPING && i < properties->count; i++) {
        const struct config_node *key = properties->pairs[i].key;
        size_t len = strlen(names);
        if (key->kind == CONFIG_TEXT && !is_taken(key->text))
            snprintf(names + len, sizeof names - len, "%s%s", len > 0 ? ", " : "",
                     (const char *)key->text.data);
    }
    if (names[0])
        config_warning(template->problems, properties->place,
                       "%s has properties that do not apply at the edge; they "
                       "are ignored: %s",
                       whose, names);
}

static void add_code(struct template *template, const struct config_node *properties,
                     struct config_node *function)
{
    const struct config_node *code = property(template, properties, "CodeUri");
    if (!code)
        return;
    if (code->kind == CONFIG_TEXT && !span_starts_with(code->text, SPAN_LITERAL("s3:")))
        add_value(template, function, "code", code);
    else
        config_error(template->problems, code->place,
                     "CodeUri is elsewhere; allowed: a folder beside this file");
}

/* What a function does here is in the Metadata of its resource, beside what SAM's tools have there. */
static void add_own(const struct template *template, const struct config_node *resource,
                    struct config_node *function)
{
    const struct config_node *own = member(resource, "Metadata.gateway");
    const struct config_node *build = member(resource, "Metadata.BuildMethod");
    for (size_t i = 0; own && own->kind == CONFIG_MAPPING && i < own->count; i++)
        function->pairs[function->count++] = own->pairs[i];
    if (build)
        config_warning(template->problems, build->place,
                       "Metadata.BuildMethod is for `sam build`, whose "
                       ".aws-sam/build/template.yaml can be run; here it is ignored");
}

static struct config_node *convert_function(struct template *template, const char *name,
                                            const struct config_node *resource)
{
    const struct config_node *properties = member(resource, "Properties");
    const struct config_node *own = member(resource, "Metadata.gateway");
    const struct config_node *environment = properties ? member(properties, "Environment.Variables") : NULL;
    const struct config_node *events = properties ? member(properties, "Events") : NULL;
    size_t names_count = sizeof function_names / sizeof *function_names;
    struct config_node *function =
        new_mapping(template, resource->place, names_count + 4 + (own ? own->count : 0));
    for (size_t i = 0; i < names_count; i++)
        add_value(template, function, function_names[i].to,
                  property(template, properties, function_names[i].from));
    add_value(template, function, "handler", property(template, properties, "Handler"));
    add_code(template, properties, function);
    template->intrinsics.is_lenient = true;
    add_value(template, function, "environment", environment);
    template->intrinsics.is_lenient = false;
    if (events && events->kind == CONFIG_MAPPING)
        add(template, function, "events", events->place, convert_events(template, events));
    add_own(template, resource, function);
    warn_of_properties(template, name, properties);
    return function;
}

/* Whether the resource's condition holds, if it has one. */
static bool is_wanted(struct template *template, const struct config_node *resource)
{
    const struct config_node *condition = member(resource, "Condition");
    return !condition || config_intrinsics_condition(&template->intrinsics, condition);
}

static struct config_node *convert_resources(struct template *template, const struct config_node *resources)
{
    struct config_node *functions = new_mapping(template, resources->place, resources->count);
    for (size_t i = 0; resources->kind == CONFIG_MAPPING && i < resources->count; i++) {
        const struct config_pair *pair = &resources->pairs[i];
        const struct config_node *type = member(pair->value, "Type");
        char name[NAMES_BYTES];
        snprintf(name, sizeof name, "Resources.%.*s",
                 (int)(pair->key->text.len < 128 ? pair->key->text.len : 128),
                 pair->key->text.data ? (const char *)pair->key->text.data : "");
        if (!is_text(type, "AWS::Serverless::Function"))
            config_warning(template->problems, pair->key->place,
                           "%s is no AWS::Serverless::Function; it is ignored", name);
        else if (is_wanted(template, pair->value))
            functions->pairs[functions->count++] =
                (struct config_pair){pair->key, convert_function(template, name, pair->value)};
    }
    return functions;
}

struct config_node *config_sam_convert(struct arena *arena, const struct config_node *root,
                                       struct config_problems *problems)
{
    struct template template = {.arena = arena,
                                .root = root,
                                .problems = problems,
                                .intrinsics = {.arena = arena, .root = root, .problems = problems}};
    const struct config_node *resources = member(root, "Resources"),
                             *globals = member(root, "Globals.Function");
    struct config_node *gateway = member(root, "Metadata.gateway");
    struct config_node *made = new_mapping(&template, root->place, 3);
    if (globals) {
        struct config_node *provider = new_mapping(&template, globals->place, 1);
        template.intrinsics.is_lenient = true;
        add_value(&template, provider, "environment", member(globals, "Environment.Variables"));
        template.intrinsics.is_lenient = false;
        add(&template, made, "provider", globals->place, provider);
        warn_of_properties(&template, "Globals.Function", globals);
    }
    if (gateway)
        add(&template, made, "gateway", gateway->place, gateway);
    add(&template, made, "functions", resources->place, convert_resources(&template, resources));
    return made;
}
