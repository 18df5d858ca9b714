/*
 * Recursive descent over the tokens of token.h: expressions in
 * parse_expression.c, with the operators' levels from function.c's table, and
 * the clauses around them in parse.c. The first error stops it: parser_fail_at
 * records where and why, and every function from there on gives NULL or false
 * to its caller.
 *
 * `depth` counts the parentheses, calls and prefix operators that are open, and
 * bounds the recursion here; an expression's own depth, which a chain of
 * operators deepens without nesting, bounds the recursion of evaluate().
 */
#ifndef SLUICE_ROUTE_PARSER_H
#define SLUICE_ROUTE_PARSER_H

#include "route/expression.h"
#include "route/token.h"

struct parser {
    struct scanner scanner;
    struct token token; /* the next one */
    struct rule *rule;
    struct rule_error *error;
    bool failed;
    size_t depth;
};

void parser_fail_at(struct parser *parser, size_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* At the next token: that something else is expected there. */
void parser_fail_expected(struct parser *parser, const char *expected);
void parser_advance(struct parser *parser);
/* Takes the next token if it is that symbol or word. */
bool parser_accept(struct parser *parser, const char *text);
/* ... and fails if it is not. */
bool parser_expect(struct parser *parser, const char *text, const char *expected);
bool parser_is_keyword(const struct token *token);
/* A string token's characters: a doubled quote is one. */
struct span parser_string_text(struct parser *parser, const struct token *token);

/* NULL: it failed. */
const struct expression *parse_expression(struct parser *parser);

#endif
