/*
 * A YAML document as a tree (a graph where it has aliases): what the
 * configuration is read from, once its variables are resolved. Whatever else is
 * to be read as a configuration is turned into such a tree first, its places kept.
 * Internal to the configuration's own files.
 *
 * Memory: everything is in the arena that was handed in, which nothing outlives.
 */
#ifndef SLUICE_APP_CONFIG_TREE_H
#define SLUICE_APP_CONFIG_TREE_H

#include "app/config_table.h"

enum config_node_kind {
    CONFIG_TEXT, /* a single value; empty for what is not there */
    CONFIG_LIST,
    CONFIG_MAPPING,
};

struct config_node {
    enum config_node_kind kind;
    bool is_plain;                /* text without quotes: may be a number, true, false or null */
    bool is_resolving;            /* its variables are: who comes here again has found a circle */
    struct config_node *resolved; /* what its variables make of it, once that is known */
    struct config_place place;
    const char *tag;           /* `!Ref` and the like; NULL: none */
    struct span text;          /* ends with a NUL behind it */
    struct config_pair *pairs; /* of a list, without keys */
    size_t count;
};

struct config_pair {
    struct config_node *key, *value;
};

struct config_tree_source {
    struct span text;
    const char
        *included; /* its path, where another file names it at `place`: all problems are there; or NULL */
    struct config_place place;
};

/* NULL: it is no YAML, or empty. That, and a second document, is reported. */
struct config_node *config_tree_parse(struct arena *arena, const struct config_tree_source *source,
                                      struct config_problems *problems);
struct config_node *config_tree_text(struct arena *arena, struct span text, bool is_plain,
                                     struct config_place place);
/* The value of a mapping's key; NULL: it has none, or is no mapping. */
struct config_node *config_tree_member(const struct config_node *mapping, struct span name);

#endif
