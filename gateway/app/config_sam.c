#include "app/config_sam.h"

#include "base/buffer.h"

#include <stdio.h>

enum { DEPTH_MAX = 32, COPIES_MAX = 100000 /* aliases within aliases would be many more */ };

struct template
{
    struct arena *arena;
    const struct config_node *root;
    struct config_problems *problems;
    size_t copies_count;
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
    {"HttpApi", "httpApi", {{"Path", "path"}, {"Method", "method"}}},
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

/* ---- Intrinsics ---- */

/* What ${name} or !Ref name is; empty with no data: it is nothing that there is here. */
static struct span reference(const struct template *template, struct span name)
{
    static const struct {
        const char *name, *value;
    } pseudo[] = {{"AWS::Region", "us-east-1"},
                  {"AWS::AccountId", "000000000000"},
                  {"AWS::Partition", "aws"},
                  {"AWS::URLSuffix", "amazonaws.com"},
                  {"AWS::StackName", "sluice"}};
    for (size_t i = 0; i < sizeof pseudo / sizeof *pseudo; i++) {
        if (span_equal(name, span_from_string(pseudo[i].name)))
            return span_from_string(pseudo[i].value);
    }
    const struct config_node *parameters = member(template->root, "Parameters");
    const struct config_node *parameter = parameters ? config_tree_member(parameters, name) : NULL;
    const struct config_node *value = parameter ? member(parameter, "Default") : NULL;
    if (value && value->kind == CONFIG_TEXT)
        return value->text;
    return config_tree_member(member(template->root, "Resources"), name) ? name : SPAN_EMPTY;
}

static void report(const struct template *template, const struct config_node *node, struct span name)
{
    config_error(
        template->problems, node->place,
        "%.*s has no value here; allowed: a parameter with a Default, a resource of this template, or "
        "AWS::Region and the like",
        (int)(name.len < 128 ? name.len : 128), (const char *)name.data);
}

/* !Sub: each ${name}; ${!name} is ${name} as it is. */
static void substitute(const struct template *template, const struct config_node *node, struct buffer *out)
{
    const char *at = (const char *)node->text.data, *start, *end;
    while ((start = strstr(at, "${")) && (end = strchr(start, '}'))) {
        struct span name = span_of(start + 2, (size_t)(end - start) - 2);
        buffer_append(out, span_of(at, (size_t)(start - at)));
        at = end + 1;
        if (span_starts_with(name, SPAN_LITERAL("!"))) {
            buffer_append(out, SPAN_LITERAL("${"));
            buffer_append(out, span_skip(name, 1));
            buffer_append(out, SPAN_LITERAL("}"));
            continue;
        }
        struct span value = reference(template, name);
        if (!value.data)
            report(template, node, name);
        buffer_append(out, value);
    }
    buffer_append(out, span_from_string(at));
}

/* The ARN of one of the template's resources, as the gateway names functions. */
static void write_arn(const struct template *template, const struct config_node *node, struct buffer *out)
{
    size_t len = node->text.len >= 4 ? node->text.len - 4 : 0;
    struct span name = span_of(node->text.data, len);
    if (!span_equal(span_skip(node->text, len), SPAN_LITERAL(".Arn")) || !reference(template, name).data) {
        report(template, node, node->text);
        return;
    }
    buffer_append(out, SPAN_LITERAL("arn:aws:lambda:us-east-1:000000000000:function:"));
    buffer_append(out, name);
}

/* The intrinsic that a node is, as a tag or as a mapping's only key, and what it is of; NULL: none. */
static const char *intrinsic(const struct config_node *node, const struct config_node **ret_argument)
{
    *ret_argument = node;
    if (node->tag)
        return node->tag + 1;
    if (node->kind != CONFIG_MAPPING || node->count != 1 || node->pairs[0].key->kind != CONFIG_TEXT)
        return NULL;
    *ret_argument = node->pairs[0].value;
    const char *name = (const char *)node->pairs[0].key->text.data;
    if (strcmp(name, "Ref") == 0)
        return name;
    return strncmp(name, "Fn::", 4) == 0 ? name + 4 : NULL;
}

static struct config_node *apply(struct template *template, const char *name, const struct config_node *node,
                                 const struct config_node *argument)
{
    struct buffer text = {0};
    if (argument->kind != CONFIG_TEXT) {
        config_error(template->problems, node->place,
                     "%s is of no text; allowed: !Ref, !Sub and !GetAtt with text", name);
    } else if (strcmp(name, "Ref") == 0) {
        struct span value = reference(template, argument->text);
        if (!value.data)
            report(template, node, argument->text);
        buffer_append(&text, value);
    } else if (strcmp(name, "Sub") == 0) {
        substitute(template, argument, &text);
    } else if (strcmp(name, "GetAtt") == 0) {
        write_arn(template, argument, &text);
    } else {
        config_error(template->problems, node->place, "%s is not served; allowed: !Ref, !Sub and !GetAtt",
                     name);
    }
    struct config_node *value = config_tree_text(template->arena, buffer_span(&text), true, node->place);
    buffer_fini(&text);
    return value;
}

/* A copy with its intrinsics applied. */
static struct config_node *copy(struct template *template, const struct config_node *node, int depth)
{
    const struct config_node *argument;
    const char *name = intrinsic(node, &argument);
    if (name)
        return apply(template, name, node, argument);
    struct config_node *made = arena_new(template->arena, sizeof *made);
    *made = *node;
    if (depth == DEPTH_MAX || template->copies_count++ == COPIES_MAX) {
        config_error(template->problems, node->place, "this is too much; allowed: %d levels, %d values",
                     DEPTH_MAX, COPIES_MAX);
        made->count = 0;
    }
    made->pairs = made->count > 0 ? arena_new(template->arena, made->count * sizeof *made->pairs) : NULL;
    for (size_t i = 0; i < made->count; i++)
        made->pairs[i] =
            (struct config_pair){node->pairs[i].key, copy(template, node->pairs[i].value, depth + 1)};
    return made;
}

/* Adds what `from` has under its new names. */
static void rename_all(struct template *template, const struct config_node *from,
                       const struct renaming *names, size_t count, struct config_node *to)
{
    for (size_t i = 0; i < count && names[i].from; i++) {
        const struct config_node *value = member(from, names[i].from);
        if (value)
            add(template, to, names[i].to, value->place, copy(template, value, 0));
    }
}

/* ---- Functions ---- */

static struct config_node *convert_event(struct template *template, const struct config_node *event)
{
    const struct config_node *type = member(event, "Type"), *properties = member(event, "Properties");
    struct config_node *made = new_mapping(template, event->place, 1);
    for (size_t i = 0; i < sizeof event_types / sizeof *event_types; i++) {
        if (!is_text(type, event_types[i].type))
            continue;
        struct config_node *values = new_mapping(template, event->place, 5);
        if (properties)
            rename_all(template, properties, event_types[i].names, 5, values);
        add(template, made, event_types[i].event, event->place, values);
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

/* The handler within the folder of the function's code. */
static struct config_node *convert_handler(struct template *template, const struct config_node *properties,
                                           const struct config_node *handler)
{
    const struct config_node *code = member(properties, "CodeUri");
    if (!code)
        code = member(template->root, "Globals.Function.CodeUri");
    struct config_node *value = copy(template, handler, 0);
    if (!code || code->kind != CONFIG_TEXT || value->kind != CONFIG_TEXT || is_text(code, ".") ||
        is_text(code, "./"))
        return value;
    struct buffer path = {0};
    buffer_append(&path, code->text);
    if (code->text.len > 0 && code->text.data[code->text.len - 1] != '/')
        buffer_append(&path, SPAN_LITERAL("/"));
    buffer_append(&path, value->text);
    value = config_tree_text(template->arena, buffer_span(&path), true, value->place);
    buffer_fini(&path);
    return value;
}

static struct config_node *convert_function(struct template *template, const struct config_node *resource)
{
    const struct config_node *properties = member(resource, "Properties");
    const struct config_node *own = member(resource, "Metadata.gateway");
    size_t names_count = sizeof function_names / sizeof *function_names;
    size_t own_count = own && own->kind == CONFIG_MAPPING ? own->count : 0;
    struct config_node *function = new_mapping(template, resource->place, names_count + 3 + own_count);
    if (properties) {
        const struct config_node *handler = member(properties, "Handler");
        const struct config_node *environment = member(properties, "Environment.Variables");
        const struct config_node *events = member(properties, "Events");
        rename_all(template, properties, function_names, names_count, function);
        if (!handler)
            handler = member(template->root, "Globals.Function.Handler");
        if (handler)
            add(template, function, "handler", handler->place,
                convert_handler(template, properties, handler));
        if (environment)
            add(template, function, "environment", environment->place, copy(template, environment, 0));
        if (events && events->kind == CONFIG_MAPPING)
            add(template, function, "events", events->place, convert_events(template, events));
    }
    for (size_t i = 0; i < own_count; i++)
        function->pairs[function->count++] = own->pairs[i];
    return function;
}

static struct config_node *convert_resources(struct template *template, const struct config_node *resources)
{
    struct config_node *functions = new_mapping(template, resources->place, resources->count);
    for (size_t i = 0; resources->kind == CONFIG_MAPPING && i < resources->count; i++) {
        const struct config_pair *pair = &resources->pairs[i];
        const struct config_node *type = member(pair->value, "Type");
        if (is_text(type, "AWS::Serverless::Function"))
            functions->pairs[functions->count++] =
                (struct config_pair){pair->key, convert_function(template, pair->value)};
        else
            config_warning(template->problems, pair->key->place,
                           "Resources.%.*s is no AWS::Serverless::Function; it is ignored",
                           (int)(pair->key->text.len < 128 ? pair->key->text.len : 128),
                           (const char *)pair->key->text.data);
    }
    return functions;
}

struct config_node *config_sam_convert(struct arena *arena, const struct config_node *root,
                                       struct config_problems *problems)
{
    static const struct renaming globals_names[] = {{"Function.Runtime", "runtime"},
                                                    {"Function.Timeout", "timeout"},
                                                    {"Function.MemorySize", "memorySize"},
                                                    {"Function.Environment.Variables", "environment"}};
    struct template template = {.arena = arena, .root = root, .problems = problems};
    const struct config_node *resources = member(root, "Resources"), *globals = member(root, "Globals");
    struct config_node *gateway = member(root, "Metadata.gateway");
    struct config_node *made = new_mapping(&template, root->place, 3);
    if (globals) {
        struct config_node *provider = new_mapping(&template, globals->place, 4);
        rename_all(&template, globals, globals_names, 4, provider);
        add(&template, made, "provider", globals->place, provider);
    }
    if (gateway)
        add(&template, made, "gateway", gateway->place, gateway);
    add(&template, made, "functions", resources->place, convert_resources(&template, resources));
    return made;
}
