#include "app/config_tree.h"

#include <yaml.h>

static struct config_place place_of(yaml_mark_t mark)
{
    return (struct config_place){(unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

struct config_node *config_tree_text(struct arena *arena, struct span text, bool is_plain,
                                     struct config_place place)
{
    struct config_node *node = arena_new(arena, sizeof *node);
    *node = (struct config_node){
        .kind = CONFIG_TEXT, .is_plain = is_plain, .place = place, .text = {NULL, text.len}};
    node->text.data = (const uint8_t *)arena_string(arena, text);
    return node;
}

struct config_node *config_tree_member(const struct config_node *mapping, struct span name)
{
    for (size_t i = 0; mapping->kind == CONFIG_MAPPING && i < mapping->count; i++) {
        const struct config_node *key = mapping->pairs[i].key;
        if (key->kind == CONFIG_TEXT && span_equal(key->text, name))
            return mapping->pairs[i].value;
    }
    return NULL;
}

/* ---- From libyaml's document ---- */

/* libyaml numbers its nodes from 1. */
static void copy_node(struct arena *arena, const yaml_node_t *from, struct config_node *nodes,
                      struct config_node *node)
{
    if (from->tag && from->tag[0] == '!')
        node->tag = arena_string(arena, span_from_string((const char *)from->tag));
    if (from->type == YAML_SCALAR_NODE) {
        node->kind = CONFIG_TEXT;
        node->is_plain = from->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        node->text = span_of(from->data.scalar.value, from->data.scalar.length);
        node->text.data = (const uint8_t *)arena_string(arena, node->text);
    } else if (from->type == YAML_SEQUENCE_NODE) {
        const yaml_node_item_t *items = from->data.sequence.items.start;
        node->kind = CONFIG_LIST;
        node->count = (size_t)(from->data.sequence.items.top - items);
        node->pairs = arena_new(arena, node->count * sizeof *node->pairs);
        for (size_t i = 0; i < node->count; i++)
            node->pairs[i].value = &nodes[items[i] - 1];
    } else {
        const yaml_node_pair_t *pairs = from->data.mapping.pairs.start;
        node->kind = CONFIG_MAPPING;
        node->count = (size_t)(from->data.mapping.pairs.top - pairs);
        node->pairs = arena_new(arena, node->count * sizeof *node->pairs);
        for (size_t i = 0; i < node->count; i++)
            node->pairs[i] = (struct config_pair){&nodes[pairs[i].key - 1], &nodes[pairs[i].value - 1]};
    }
}

static struct config_node *copy_document(struct arena *arena, const struct config_tree_source *source,
                                         yaml_document_t *document)
{
    size_t count = (size_t)(document->nodes.top - document->nodes.start);
    struct config_node *nodes = arena_new(arena, count * sizeof *nodes);
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *from = &document->nodes.start[i];
        copy_node(arena, from, nodes, &nodes[i]);
        nodes[i].place = source->included ? source->place : place_of(from->start_mark);
    }
    return nodes; /* the first one is the root */
}

/* ---- Parsing ---- */

struct parsing {
    yaml_parser_t parser;
    struct arena *arena;
    const struct config_tree_source *source;
    struct config_problems *problems;
};

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

static void report(const struct parsing *parsing, struct config_place place, const char *what,
                   const char *why)
{
    const struct config_tree_source *source = parsing->source;
    if (source->included)
        config_error(parsing->problems, source->place, "%s:%u:%u: %s%s", source->included, place.line,
                     place.column, what, why);
    else
        config_error(parsing->problems, place, "%s%s", what, why);
}

static void report_yaml(const struct parsing *parsing)
{
    const yaml_parser_t *parser = &parsing->parser;
    struct config_place place = place_of(parser->problem_mark);
    if (parser->error == YAML_READER_ERROR) /* has no mark yet */
        place = place_at(parsing->source->text, parser->problem_offset);
    report(parsing, place, "this is no YAML: ", parser->problem ? parser->problem : "out of memory");
}

static void check_end(struct parsing *parsing)
{
    yaml_document_t more;
    if (!yaml_parser_load(&parsing->parser, &more)) {
        report_yaml(parsing);
        return;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&more);
    if (root)
        report(parsing, place_of(root->start_mark), "there is a second document; ", "allowed: one in a file");
    yaml_document_delete(&more);
}

static struct config_node *load(struct parsing *parsing)
{
    yaml_document_t document;
    struct config_node *root = NULL;
    if (!yaml_parser_load(&parsing->parser, &document)) {
        report_yaml(parsing);
        return NULL;
    }
    if (yaml_document_get_root_node(&document)) {
        root = copy_document(parsing->arena, parsing->source, &document);
        check_end(parsing);
    } else {
        report(parsing, (struct config_place){1, 1}, "the file is empty; ",
               "allowed: a mapping, as in `functions: ...`");
    }
    yaml_document_delete(&document);
    return root;
}

struct config_node *config_tree_parse(struct arena *arena, const struct config_tree_source *source,
                                      struct config_problems *problems)
{
    struct parsing parsing = {.arena = arena, .source = source, .problems = problems};
    if (!yaml_parser_initialize(&parsing.parser)) {
        config_error(problems, (struct config_place){0}, "out of memory");
        return NULL;
    }
    yaml_parser_set_input_string(&parsing.parser, source->text.data, source->text.len);
    struct config_node *root = load(&parsing);
    yaml_parser_delete(&parsing.parser);
    return root;
}
