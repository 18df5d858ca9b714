#include "app/config_json.h"
#include "app/config_table.h"
#include "app/config_value.h"

#include <ctype.h>
#include <strings.h>
#include <yaml.h>

/* Walks the YAML document and the table together. The table is finite, so the depth is, whatever aliases
 * the document has. */
struct walk {
    yaml_document_t *document;
    struct config *config;
    struct config_problems *problems;
};

enum { KEY_BYTES = 100 };

static struct config_place place_of(const yaml_node_t *node)
{
    return (struct config_place){(unsigned)node->start_mark.line + 1, (unsigned)node->start_mark.column + 1};
}

static struct span scalar_text(const yaml_node_t *node)
{
    return span_of(node->data.scalar.value, node->data.scalar.length);
}

/* A key, or NULL after saying what is wrong with it. */
static const char *key_of(struct walk *walk, const yaml_node_t *node)
{
    bool is_text = node->type == YAML_SCALAR_NODE && node->data.scalar.length < KEY_BYTES &&
                   !memchr(node->data.scalar.value, 0, node->data.scalar.length);
    if (!is_text) {
        config_error(walk->problems, place_of(node), "this key is no name; allowed: text of at most %d bytes",
                     KEY_BYTES - 1);
        return NULL;
    }
    return (const char *)node->data.scalar.value;
}

/* The pair's key, or NULL after saying what is wrong with it: that it is no name, or was there before. */
static const char *key_once(struct walk *walk, const yaml_node_t *mapping, const yaml_node_pair_t *pair)
{
    const yaml_node_t *key = yaml_document_get_node(walk->document, pair->key);
    const char *name = key_of(walk, key);
    const yaml_node_pair_t *other = mapping->data.mapping.pairs.start;
    for (; name && other < pair; other++) {
        const yaml_node_t *before = yaml_document_get_node(walk->document, other->key);
        if (before->type == YAML_SCALAR_NODE && span_equal(scalar_text(before), scalar_text(key))) {
            config_error(walk->problems, place_of(key), "%s is there twice; allowed: once", name);
            return NULL;
        }
    }
    return name;
}

static void wrong_type(struct walk *walk, const struct parameter *parameter, const yaml_node_t *node)
{
    static const char *const names[] = {[YAML_NO_NODE] = "empty",
                                        [YAML_SCALAR_NODE] = "a single value",
                                        [YAML_SEQUENCE_NODE] = "a list",
                                        [YAML_MAPPING_NODE] = "a mapping"};
    char allowed[256];
    parameter_allowed(parameter, allowed, sizeof allowed);
    config_error(walk->problems, place_of(node), "%s is %s; allowed: %s", parameter->path, names[node->type],
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

static void unknown_key(struct walk *walk, const char *prefix, const char *key, const yaml_node_t *node)
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
        config_error(walk->problems, place_of(node), "there is no %s%s%s; did you mean %s?", prefix, dot, key,
                     near);
    else
        config_error(walk->problems, place_of(node), "there is no %s%s%s; allowed: %s", prefix, dot, key,
                     allowed);
}

/* ---- Values ---- */

static void read_mapping(struct walk *walk, const yaml_node_t *node, const char *prefix, void *base);

static void read_scalar(struct walk *walk, const struct parameter *parameter, const yaml_node_t *node,
                        void *field)
{
    if (node->type != YAML_SCALAR_NODE) {
        wrong_type(walk, parameter, node);
        return;
    }
    struct config_scalar scalar = {walk->config,   parameter,      scalar_text(node),
                                   place_of(node), walk->problems, field};
    if (scalar.text.len > 0 && memchr(scalar.text.data, 0, scalar.text.len)) {
        config_error(walk->problems, scalar.place, "%s has a NUL character in it", parameter->path);
        return;
    }
    /* ${env:NAME} and the like are Serverless Framework's; taking them for text would be a silent mistake. */
    const char *variable = strstr((const char *)node->data.scalar.value, "${");
    size_t name = variable ? strspn(variable + 2, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") : 0;
    if (variable && variable[2 + name] == ':')
        config_error(walk->problems, scalar.place,
                     "%s has the variable %.*s:...}, which the gateway does not "
                     "resolve; allowed: the value itself",
                     parameter->path, (int)(name < 64 ? name : 64) + 2, variable);
    else
        config_scalar_read(&scalar);
}

/* A list of scalars, or one of them. */
static void read_list(struct walk *walk, const struct parameter *parameter, const yaml_node_t *node,
                      void *field)
{
    if (node->type != YAML_SEQUENCE_NODE) {
        read_scalar(walk, parameter, node, field);
        return;
    }
    for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top;
         item++)
        read_scalar(walk, parameter, yaml_document_get_node(walk->document, *item), field);
}

static bool variable_name_valid(const char *name)
{
    if (!isalpha((unsigned char)name[0]) && name[0] != '_')
        return false;
    while (isalnum((unsigned char)*name) || *name == '_')
        name++;
    return *name == '\0';
}

static void read_environment(struct walk *walk, const struct parameter *parameter, const yaml_node_t *node,
                             struct config_strings *field)
{
    if (node->type != YAML_MAPPING_NODE) {
        wrong_type(walk, parameter, node);
        return;
    }
    struct parameter text = *parameter;
    text.type = PARAMETER_TEXT;
    yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(walk->document, pair->key);
        const char *name = key_once(walk, node, pair);
        if (!name)
            continue;
        if (!variable_name_valid(name)) {
            config_error(walk->problems, place_of(key),
                         "%s: %s is no variable's name; allowed: letters, digits and _", parameter->path,
                         name);
            continue;
        }
        char *value = NULL;
        const yaml_node_t *value_node = yaml_document_get_node(walk->document, pair->value);
        if (value_node->type == YAML_SCALAR_NODE && value_node->data.scalar.length == 0)
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

static void read_items(struct walk *walk, const struct parameter *parameter, const yaml_node_t *node,
                       char *field)
{
    if (node->type != YAML_SEQUENCE_NODE) {
        wrong_type(walk, parameter, node);
        return;
    }
    char prefix[CONFIG_PATH_BYTES];
    snprintf(prefix, sizeof prefix, "%s[]", parameter->path);
    const yaml_node_item_t *first = node->data.sequence.items.start, *end = node->data.sequence.items.top;
    if ((double)(end - first) < parameter->minimum)
        config_error(walk->problems, place_of(node),
                     "%s is an empty list; allowed: a mapping in it, or no %s", parameter->path,
                     parameter->path);
    char *items = new_items(walk, parameter, (size_t)(end - first), field);
    for (; first < end; first++, items += parameter->item_bytes) {
        const yaml_node_t *item = yaml_document_get_node(walk->document, *first);
        struct config_place place = place_of(item);
        memcpy(items, &place, sizeof place); /* every item's struct begins with it */
        set_defaults(walk, prefix, items);
        read_mapping(walk, item, prefix, items);
    }
}

static bool function_name_valid(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
    return len > 0 && len <= 64 && name[len] == '\0';
}

static void read_named_items(struct walk *walk, const struct parameter *parameter, const yaml_node_t *node,
                             char *field)
{
    if (node->type != YAML_MAPPING_NODE) {
        wrong_type(walk, parameter, node);
        return;
    }
    char prefix[CONFIG_PATH_BYTES];
    snprintf(prefix, sizeof prefix, "%s.NAME", parameter->path);
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start, *end = node->data.mapping.pairs.top;
    struct config_function *function = (void *)new_items(walk, parameter, (size_t)(end - pair), field);
    for (; pair < end; pair++, function++) {
        const yaml_node_t *key = yaml_document_get_node(walk->document, pair->key);
        const char *name = key_once(walk, node, pair);
        function->place = place_of(key);
        function->name =
            arena_string(&walk->config->arena, key->type == YAML_SCALAR_NODE ? scalar_text(key) : SPAN_EMPTY);
        if (name && !function_name_valid(name))
            config_error(walk->problems, function->place,
                         "%s is no function's name; allowed: 1 to 64 letters, digits, - and _", name);
        set_defaults(walk, prefix, function);
        read_mapping(walk, yaml_document_get_node(walk->document, pair->value), prefix, function);
    }
}

static void read_json(struct walk *walk, const struct parameter *parameter, const yaml_node_t *node,
                      char **field)
{
    char *text = config_json(walk->document, node, &walk->config->arena);
    if (text)
        *field = text;
    else
        config_error(walk->problems, place_of(node),
                     "%s is no JSON, or too large; allowed: values, lists and mappings that are at most %d "
                     "bytes as JSON, or such JSON as text",
                     parameter->path, CONFIG_JSON_BYTES_MAX);
}

static void read_noted(struct walk *walk, const struct parameter *parameter, const yaml_node_t *key)
{
    if (parameter->type == PARAMETER_NOT_HERE)
        config_warning(walk->problems, place_of(key), "%.*s%s %s; it is ignored",
                       (int)parameter_group_len(parameter->path) + (parameter_group_len(parameter->path) > 0),
                       parameter->path, (const char *)key->data.scalar.value, parameter->text);
}

static void read_value(struct walk *walk, const struct parameter *parameter, const yaml_node_t *key,
                       const yaml_node_t *node, void *base);

/* A mapping, or the value of the one member that it is short for, as in `schedule: rate(5 minutes)`. */
static void read_group(struct walk *walk, const struct parameter *parameter, const yaml_node_t *key,
                       const yaml_node_t *node, void *base)
{
    if (!parameter->short_for || node->type == YAML_MAPPING_NODE) {
        read_mapping(walk, node, parameter->path, base);
        return;
    }
    char path[CONFIG_PATH_BYTES];
    snprintf(path, sizeof path, "%s.%s", parameter->path, parameter->short_for);
    read_value(walk, parameter_find(path), key, node, base);
}

static void read_value(struct walk *walk, const struct parameter *parameter, const yaml_node_t *key,
                       const yaml_node_t *node, void *base)
{
    char *field = (char *)base + parameter->offset;
    switch (parameter->type) {
    case PARAMETER_GROUP: read_group(walk, parameter, key, node, base); break;
    case PARAMETER_ITEMS: read_items(walk, parameter, node, field); break;
    case PARAMETER_NAMED_ITEMS: read_named_items(walk, parameter, node, field); break;
    case PARAMETER_FILTERS:
    case PARAMETER_ORIGINS:
    case PARAMETER_PATHS:
    case PARAMETER_CLIENT_IDS:
    case PARAMETER_RATES:
    case PARAMETER_ANONYMOUS: read_list(walk, parameter, node, field); break;
    case PARAMETER_ENVIRONMENT:
        read_environment(walk, parameter, node, (struct config_strings *)field);
        break;
    case PARAMETER_JSON: read_json(walk, parameter, node, (char **)field); break;
    case PARAMETER_NOTED:
    case PARAMETER_NOT_HERE: read_noted(walk, parameter, key); break;
    default: read_scalar(walk, parameter, node, field); break;
    }
}

static void check_required(struct walk *walk, const yaml_node_t *mapping, const char *prefix)
{
    for (size_t i = 0; i < config_parameter_count; i++) {
        const char *name = member_name(&config_parameters[i], prefix);
        bool found = !name || !config_parameters[i].required;
        const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
        for (; !found && pair < mapping->data.mapping.pairs.top; pair++) {
            const yaml_node_t *key = yaml_document_get_node(walk->document, pair->key);
            found = key->type == YAML_SCALAR_NODE && span_equal(scalar_text(key), span_from_string(name));
        }
        if (!found)
            config_error(walk->problems, place_of(mapping), "%s is missing; it is %s",
                         config_parameters[i].path, config_parameters[i].text);
    }
}

static void read_mapping(struct walk *walk, const yaml_node_t *node, const char *prefix, void *base)
{
    if (node->type != YAML_MAPPING_NODE) {
        config_error(walk->problems, place_of(node), "%s is no mapping; allowed: `name: value` lines",
                     prefix[0] ? prefix : "the file");
        return;
    }
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key_node = yaml_document_get_node(walk->document, pair->key);
        const char *key = key_once(walk, node, pair);
        if (!key)
            continue;
        char path[CONFIG_PATH_BYTES + KEY_BYTES];
        snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] ? "." : "", key);
        const struct parameter *parameter =
            strchr(key, '.') || strchr(key, '*') ? NULL : parameter_find(path);
        if (!parameter)
            unknown_key(walk, prefix, key, key_node);
        else
            read_value(walk, parameter, key_node, yaml_document_get_node(walk->document, pair->value), base);
    }
    check_required(walk, node, prefix);
}

/* ---- The document ---- */

/* The place of a byte; a column is a character of UTF-8. */
static struct config_place place_at(struct span text, size_t offset)
{
    struct config_place place = {1, 1};
    for (size_t i = 0; i < offset && i < text.len; i++) {
        bool ends_line = text.data[i] == '\n', is_inside = (text.data[i] & 0xc0) == 0x80;
        place = ends_line ? (struct config_place){place.line + 1, 1}
                          : (struct config_place){place.line, place.column + !is_inside};
    }
    return place;
}

static void report_yaml(const yaml_parser_t *parser, struct span text, struct config_problems *problems)
{
    struct config_place place = {(unsigned)parser->problem_mark.line + 1,
                                 (unsigned)parser->problem_mark.column + 1};
    if (parser->error == YAML_READER_ERROR) /* has no mark yet */
        place = place_at(text, parser->problem_offset);
    config_error(problems, place, "this is no YAML: %s", parser->problem ? parser->problem : "out of memory");
}

static void read_document(struct config *config, yaml_document_t *document, struct config_problems *problems)
{
    struct walk walk = {document, config, problems};
    const yaml_node_t *root = yaml_document_get_root_node(document);
    if (root)
        read_mapping(&walk, root, "", config);
    else
        config_error(problems, (struct config_place){1, 1},
                     "the file is empty; allowed: a mapping, as in "
                     "`functions: ...`");
}

static void check_end(yaml_parser_t *parser, struct span text, struct config_problems *problems)
{
    yaml_document_t more;
    if (!yaml_parser_load(parser, &more)) {
        report_yaml(parser, text, problems);
        return;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&more);
    if (root)
        config_error(problems, place_of(root), "there is a second document; allowed: one in a file");
    yaml_document_delete(&more);
}

bool config_read(struct config *config, struct span text, struct config_problems *problems)
{
    yaml_parser_t parser;
    yaml_document_t document;
    if (!yaml_parser_initialize(&parser)) {
        config_error(problems, (struct config_place){0}, "out of memory");
        return false;
    }
    set_defaults(&(struct walk){NULL, config, problems}, "", config);
    yaml_parser_set_input_string(&parser, text.data, text.len);
    bool is_yaml = yaml_parser_load(&parser, &document);
    if (is_yaml) {
        read_document(config, &document, problems);
        if (yaml_document_get_root_node(&document))
            check_end(&parser, text, problems);
        yaml_document_delete(&document);
    } else {
        report_yaml(&parser, text, problems);
    }
    yaml_parser_delete(&parser);
    return is_yaml;
}
