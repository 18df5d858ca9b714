/*
 * The words of AWS IoT SQL. A scanner goes over text that it does not own; it
 * neither allocates nor fails: what is no word is a token of its own kind, for
 * the parser to complain about where it stands.
 */
#ifndef SLUICE_ROUTE_TOKEN_H
#define SLUICE_ROUTE_TOKEN_H

#include "wire/span.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,   /* keywords too */
    TOKEN_STRING, /* its text is between the quotes; a doubled quote stands for one */
    TOKEN_NUMBER,
    TOKEN_SYMBOL,
    TOKEN_OPEN_STRING, /* no quote ends it */
    TOKEN_OTHER,
};

struct token {
    enum token_kind kind;
    struct span text;
    char quote;    /* of a string */
    size_t offset; /* of its first byte, a quote included */
};

struct scanner {
    struct span text;
    size_t at;
};

struct token scanner_next(struct scanner *scanner);
/* Whether it is that symbol, or that word in any case. */
bool token_is(const struct token *token, const char *text);

#endif
