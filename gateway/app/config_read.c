#include "app/config_intrinsics.h"
#include "app/config_json.h"
#include "app/config_table.h"
#include "app/config_tree.h"
#include "app/config_value.h"
#include "app/config_variables.h"

#include <ctype.h>
#include <strings.h>

/* Walks the tree and the table together. The table is finite, so the depth is, whatever aliases the tree has.
 * Variables are resolved where the walk comes to them: those of what is not read need no value here. */
struct walk {
    struct config_variables *variables;
    struct config *config;
    struct config_problems *problems;
    struct config_intrinsics intrinsics; /* of a serverless.yml's resources */
};

enum { KEY_BYTES = 100 };

/* What stands there once its variables are resolved; NULL: that failed, and was reported. */
static const struct config_node *value_of(struct walk *walk, struct config_node *node)
{
    return config_variables_resolve(walk->variables, node);
}

/* A key, or NULL after saying what is wrong with it. */
static const char *key_of(struct walk *walk, const struct config_node *node)
{
    bool is_text = node->kind == CONFIG_TEXT && node->text.len < KEY_BYTES &&
                   !memchr(node->text.data, 0, node->text.len);
    if (!is_text) {
        config_error(walk->problems, node->place, "this key is no name; allowed: text of at most %d bytes",
                     KEY_BYTES - 1);
        return NULL;
    }
    return (const char *)node->text.data;
}

/* The pair's key, or NULL after saying what is wrong with it: that it is no name, or was there before. */
static const char *key_once(struct walk *walk, const struct config_node *mapping,
                            const struct config_pair *pair)
{
    const struct config_node *key = pair->key;
    const char *name = key_of(walk, key);
    for (const struct config_pair *other = mapping->pairs; name && other < pair; other++) {
        if (other->key->kind == CONFIG_TEXT && span_equal(other->key->text, key->text)) {
            config_error(walk->problems, key->place, "%s is there twice; allowed: once", name);
            return NULL;
        }
    }
    return name;
}

static void wrong_type(struct walk *walk, const struct parameter *parameter, const struct config_node *node)
{
    static const char *const names[] = {
        [CONFIG_TEXT] = "a single value", [CONFIG_LIST] = "a list", [CONFIG_MAPPING] = "a mapping"};
    char allowed[256];
    parameter_allowed(parameter, allowed, sizeof allowed);
    config_error(walk->problems, node->place, "%s is %s; allowed: %s", parameter->path, names[node->kind],
                 allowed);
}

/* ---- Unknown keys ---- */

/* How many letters differ, be it one changed, left out, put in, or two swapped: 0, 1, or 2 for more. */
static int difference(const char *a, const char *b)
{
    while (*a && tolower((unsigned char)*a) == tolower((unsigned char)*b))
        a++, b++;
    if (!*a && !*b)
        return 0;
    bool swapped = *a && *b && a[1] && tolower((unsigned char)a[0]) == tolower((unsigned char)b[1]) &&
                   tolower((unsigned char)a[1]) == tolower((unsigned char)b[0]);
    if ((swapped && strcasecmp(a + 2, b + 2) == 0) || (*a && *b && strcasecmp(a + 1, b + 1) == 0) ||
        (*a && strcasecmp(a + 1, b) == 0) || (*b && strcasecmp(a, b + 1) == 0))
        return 1;
    return 2;
}

/* The last name of the row's path if it is a member of the group at `prefix`, else NULL. */
static const char *member_name(const struct parameter *parameter, const char *prefix)
{
    size_t group = parameter_group_len(parameter->path);
    if (group != strlen(prefix) || strncmp(parameter->path, prefix, group) != 0)
        return NULL;
    return parameter->path + (group > 0 ? group + 1 : 0);
}

static void unknown_key(struct walk *walk, const char *prefix, const char *key,
                        const struct config_node *node)
{
    char allowed[700] = "";
    const char *near = NULL;
    for (size_t i = 0; i < config_parameter_count; i++) {
        const char *name = member_name(&config_parameters[i], prefix);
        if (!name)
            continue;
        if (difference(name, key) < 2)
            near = name;
        size_t len = strlen(allowed);
        if (config_parameters[i].type != PARAMETER_NOT_HERE)
            snprintf(allowed + len, sizeof allowed - len, "%s%s", len > 0 ? ", " : "", name);
    }
    const char *dot = prefix[0] ? "." : "";
    if (near)
        config_error(walk->problems, node->place, "there is no %s%s%s; did you mean %s?", prefix, dot, key,
                     near);
    else
        config_error(walk->problems, node->place, "there is no %s%s%s; allowed: %s", prefix, dot, key,
                     allowed);
}

/* ---- Values ---- */

static void read_mapping(struct walk *walk, const struct config_node *node, const char *prefix, void *base);

static void read_scalar(struct walk *walk, const struct parameter *parameter, const struct config_node *node,
                        void *field)
{
    if (node->kind != CONFIG_TEXT) {
        wrong_type(walk, parameter, node);
        return;
    }
    struct config_scalar scalar = {walk->config, parameter, node->text, node->place, walk->problems, field};
    if (scalar.text.len > 0 && memchr(scalar.text.data, 0, scalar.text.len)) {
        config_error(walk->problems, scalar.place, "%s has a NUL character in it", parameter->path);
        return;
    }
    config_scalar_read(&scalar);
}

/* A list of scalars, or one of them. */
static void read_list(struct walk *walk, const struct parameter *parameter, const struct config_node *node,
                      void *field)
{
    if (node->kind != CONFIG_LIST) {
        read_scalar(walk, parameter, node, field);
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct config_node *item = value_of(walk, node->pairs[i].value);
        if (item)
            read_scalar(walk, parameter, item, field);
    }
}

static bool variable_name_valid(const char *name)
{
    if (!isalpha((unsigned char)name[0]) && name[0] != '_')
        return false;
    while (isalnum((unsigned char)*name) || *name == '_')
        name++;
    return *name == '\0';
}

/* What a variable of the environment is set to; where that is an intrinsic of CloudFormation which only AWS
 * has a value for, it is left out with a warning: NULL. */
static const struct config_node *variable_value(struct walk *walk, struct config_node *node)
{
    if (config_intrinsics_is(node))
        node = config_intrinsics_apply(&walk->intrinsics, node);
    return node ? value_of(walk, node) : NULL;
}

static void read_environment(struct walk *walk, const struct parameter *parameter,
                             const struct config_node *node, struct config_strings *field)
{
    if (node->kind != CONFIG_MAPPING) {
        wrong_type(walk, parameter, node);
        return;
    }
    struct parameter text = *parameter;
    text.type = PARAMETER_TEXT;
    const struct config_pair *pair = node->pairs;
    for (; pair < node->pairs + node->count; pair++) {
        const struct config_node *key = pair->key;
        const char *name = key_once(walk, node, pair);
        if (!name)
            continue;
        if (!variable_name_valid(name)) {
            config_error(walk->problems, key->place,
                         "%s: %s is no variable's name; allowed: letters, digits and _", parameter->path,
                         name);
            continue;
        }
        char *value = NULL;
        const struct config_node *value_node = variable_value(walk, pair->value);
        if (!value_node)
            continue;
        if (value_node->kind == CONFIG_TEXT && value_node->text.len == 0)
            value = ""; /* a variable, and only a variable, may be empty */
        else
            read_scalar(walk, &text, value_node, &value);
        if (!value)
            continue;
        size_t bytes = strlen(name) + strlen(value) + 2;
        char *variable = arena_take(&walk->config->arena, bytes);
        snprintf(variable, bytes, "%s=%s", name, value);
        config_strings_add(walk->config, field, variable);
    }
}

/* ---- Items ---- */

/* Gives the fields of a new struct their defaults; `prefix` is its path, empty for struct config. */
static void set_defaults(struct walk *walk, const char *prefix, void *base)
{
    for (size_t i = 0; i < config_parameter_count; i++) {
        const struct parameter *parameter = &config_parameters[i];
        size_t item = parameter_item_len(parameter->path);
        if (!parameter->fallback || item != strlen(prefix) || strncmp(parameter->path, prefix, item) != 0)
            continue;
        config_scalar_read(&(struct config_scalar){walk->config,
                                                   parameter,
                                                   span_from_string(parameter->fallback),
                                                   {0},
                                                   walk->problems,
                                                   (char *)base + parameter->offset});
    }
}

/* Makes room for the structs and sets the pointer and the count behind it. */
static char *new_items(struct walk *walk, const struct parameter *parameter, size_t count, char *field)
{
    char *items = arena_new(&walk->config->arena, count * parameter->item_bytes);
    memcpy(field, &(void *){items}, sizeof(void *));
    memcpy(field + sizeof(void *), &count, sizeof count);
    return items;
}

static void read_noted(struct walk *walk, const struct parameter *parameter, const struct config_node *key)
{
    if (parameter->type == PARAMETER_NOT_HERE)
        config_warning(walk->problems, key->place, "%.*s%s %s; it is ignored",
                       (int)parameter_group_len(parameter->path) + (parameter_group_len(parameter->path) > 0),
                       parameter->path, (const char *)key->text.data, parameter->text);
}

/* An item that is only a name, as `- alexaSkill` among events: the same as with nothing behind it. */
static bool is_name_of_others(struct walk *walk, const char *prefix, const struct config_node *item)
{
    char path[CONFIG_PATH_BYTES + KEY_BYTES];
    if (item->kind != CONFIG_TEXT || item->text.len == 0 || item->text.len >= KEY_BYTES)
        return false;
    snprintf(path, sizeof path, "%s.%s", prefix, (const char *)item->text.data);
    const struct parameter *parameter = parameter_find(path);
    if (!parameter || parameter->type != PARAMETER_NOT_HERE)
        return false;
    read_noted(walk, parameter, item);
    return true;
}

static void read_items(struct walk *walk, const struct parameter *parameter, const struct config_node *node,
                       char *field)
{
    if (node->kind != CONFIG_LIST) {
        wrong_type(walk, parameter, node);
        return;
    }
    char prefix[CONFIG_PATH_BYTES];
    snprintf(prefix, sizeof prefix, "%s[]", parameter->path);
    if ((double)node->count < parameter->minimum)
        config_error(walk->problems, node->place, "%s is an empty list; allowed: a mapping in it, or no %s",
                     parameter->path, parameter->path);
    char *items = new_items(walk, parameter, node->count, field);
    for (size_t i = 0; i < node->count; i++, items += parameter->item_bytes) {
        const struct config_node *item = value_of(walk, node->pairs[i].value);
        struct config_place place = node->pairs[i].value->place;
        memcpy(items, &place, sizeof place); /* every item's struct begins with it */
        set_defaults(walk, prefix, items);
        if (item && !is_name_of_others(walk, prefix, item))
            read_mapping(walk, item, prefix, items);
    }
}

static bool function_name_valid(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
    return len > 0 && len <= 64 && name[len] == '\0';
}

static void read_named_items(struct walk *walk, const struct parameter *parameter,
                             const struct config_node *node, char *field)
{
    if (node->kind != CONFIG_MAPPING) {
        wrong_type(walk, parameter, node);
        return;
    }
    char prefix[CONFIG_PATH_BYTES];
    snprintf(prefix, sizeof prefix, "%s.NAME", parameter->path);
    const struct config_pair *pair = node->pairs, *end = pair + node->count;
    struct config_function *function = (void *)new_items(walk, parameter, node->count, field);
    for (; pair < end; pair++, function++) {
        const struct config_node *key = pair->key, *value = value_of(walk, pair->value);
        const char *name = key_once(walk, node, pair);
        function->place = key->place;
        function->name =
            arena_string(&walk->config->arena, key->kind == CONFIG_TEXT ? key->text : SPAN_EMPTY);
        if (name && !function_name_valid(name))
            config_error(walk->problems, function->place,
                         "%s is no function's name; allowed: 1 to 64 letters, digits, - and _", name);
        set_defaults(walk, prefix, function);
        if (value)
            read_mapping(walk, value, prefix, function);
    }
}

static void read_json(struct walk *walk, const struct parameter *parameter, const struct config_node *node,
                      char **field)
{
    char *text = config_json(walk->variables, node, &walk->config->arena);
    if (text)
        *field = text;
    else
        config_error(walk->problems, node->place,
                     "%s is no JSON, or too large; allowed: values, lists and mappings that are at most %d "
                     "bytes as JSON, or such JSON as text",
                     parameter->path, CONFIG_JSON_BYTES_MAX);
}

static void read_value(struct walk *walk, const struct parameter *parameter, const struct config_node *node,
                       void *base);

/* A mapping, or the value of the one member that it is short for, as in `schedule: rate(5 minutes)`. */
static void read_group(struct walk *walk, const struct parameter *parameter, const struct config_node *node,
                       void *base)
{
    if (!parameter->short_for || node->kind == CONFIG_MAPPING) {
        read_mapping(walk, node, parameter->path, base);
        return;
    }
    char path[CONFIG_PATH_BYTES];
    snprintf(path, sizeof path, "%s.%s", parameter->path, parameter->short_for);
    read_value(walk, parameter_find(path), node, base);
}

static void read_value(struct walk *walk, const struct parameter *parameter, const struct config_node *node,
                       void *base)
{
    char *field = (char *)base + parameter->offset;
    switch (parameter->type) {
    case PARAMETER_GROUP: read_group(walk, parameter, node, base); break;
    case PARAMETER_ITEMS: read_items(walk, parameter, node, field); break;
    case PARAMETER_NAMED_ITEMS: read_named_items(walk, parameter, node, field); break;
    case PARAMETER_FILTERS:
    case PARAMETER_ORIGINS:
    case PARAMETER_PATHS:
    case PARAMETER_PATTERNS:
    case PARAMETER_CLIENT_IDS:
    case PARAMETER_RATES:
    case PARAMETER_ANONYMOUS: read_list(walk, parameter, node, field); break;
    case PARAMETER_ENVIRONMENT:
        read_environment(walk, parameter, node, (struct config_strings *)field);
        break;
    case PARAMETER_JSON: read_json(walk, parameter, node, (char **)field); break;
    default: read_scalar(walk, parameter, node, field); break;
    }
}

static void check_required(struct walk *walk, const struct config_node *mapping, const char *prefix)
{
    for (size_t i = 0; i < config_parameter_count; i++) {
        const char *name = member_name(&config_parameters[i], prefix);
        bool found = !name || !config_parameters[i].required;
        if (!found && !config_tree_member(mapping, span_from_string(name)))
            config_error(walk->problems, mapping->place, "%s is missing; it is %s", config_parameters[i].path,
                         config_parameters[i].text);
    }
}

static void read_mapping(struct walk *walk, const struct config_node *node, const char *prefix, void *base)
{
    if (node->kind != CONFIG_MAPPING) {
        config_error(walk->problems, node->place, "%s is no mapping; allowed: `name: value` lines",
                     prefix[0] ? prefix : "the file");
        return;
    }
    for (const struct config_pair *pair = node->pairs; pair < node->pairs + node->count; pair++) {
        const struct config_node *key_node = pair->key;
        const struct config_node *value;
        const char *key = key_once(walk, node, pair);
        if (!key)
            continue;
        char path[CONFIG_PATH_BYTES + KEY_BYTES];
        snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] ? "." : "", key);
        const struct parameter *parameter =
            strchr(key, '.') || strchr(key, '*') ? NULL : parameter_find(path);
        if (!parameter)
            unknown_key(walk, prefix, key, key_node);
        else if (parameter->type == PARAMETER_NOTED || parameter->type == PARAMETER_NOT_HERE)
            read_noted(walk, parameter, key_node);
        else if ((value = value_of(walk, pair->value)))
            read_value(walk, parameter, value, base);
    }
    check_required(walk, node, prefix);
}

/* ---- The document ---- */

void config_read(struct config *config, struct config_node *root, struct config_variables *variables,
                 struct config_problems *problems)
{
    struct walk walk = {
        variables, config, problems, {.arena = &config->arena, .problems = problems, .is_lenient = true}};
    struct config_node *resources = root ? config_tree_member(root, SPAN_LITERAL("resources")) : NULL;
    if (resources)
        walk.intrinsics.root = value_of(&walk, resources);
    set_defaults(&walk, "", config);
    if (root)
        read_mapping(&walk, root, "", config);
}
