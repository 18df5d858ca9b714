/*
 * A parsed rule: a tree of expressions in the rule's own arena. Built by
 * parse.c, evaluated by evaluate.c, used through rule.h; immutable in between.
 */
#ifndef SLUICE_ROUTE_EXPRESSION_H
#define SLUICE_ROUTE_EXPRESSION_H

#include "route/function.h"
#include "route/rule.h"

enum expression_kind {
    EXPRESSION_LITERAL,
    EXPRESSION_PATH,
    EXPRESSION_PAYLOAD, /* `*` as an argument: the payload as JSON */
    EXPRESSION_BYTES,   /* the same: the payload's bytes as a String */
    EXPRESSION_APPLY,
};

struct expression {
    enum expression_kind kind;
    struct value literal;
    const struct span *names; /* of a path */
    size_t name_count;
    const struct function *function;
    struct regex *regex; /* the literal pattern of FUNCTION_OF_PATTERN */
    const struct expression *const *arguments;
    size_t argument_count;
    size_t depth; /* levels of APPLY below and with it */
};

struct regex_link {
    struct regex *regex;
    struct regex_link *next;
};

struct rule_item {
    struct span name;
    const struct expression *expression;
};

struct rule {
    struct arena arena;
    struct regex_link *regexes; /* of the expressions, to be freed */
    struct span filter;
    struct span filter_prefix; /* what every matching topic begins with */
    bool selects_all;          /* `*` is among the items */
    bool needs_json;           /* something looks into the payload */
    struct rule_item *items;   /* without the `*` */
    size_t item_count;
    const struct expression *where; /* NULL: none */
};

/* The payload that paths look into: its trimmed JSON text, or empty where the rule needs none. Recursion is
 * bounded by RULE_DEPTH_MAX, which the parser sees to. */
struct evaluation {
    const struct message *message;
    struct rule_random random;
    struct span json;
    struct arena arena;
};

struct value evaluate(const struct expression *expression, struct evaluation *evaluation);

#endif
