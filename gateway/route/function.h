/*
 * What an expression can apply to values: the operators, CASE, the types that
 * cast() knows, Array and Object literals and the functions of AWS IoT SQL,
 * each a row of one table. What a row's C function does is said in apply.h.
 */
#ifndef SLUICE_ROUTE_FUNCTION_H
#define SLUICE_ROUTE_FUNCTION_H

#include "base/message.h"
#include "route/random.h"
#include "route/regex.h"
#include "route/value.h"

struct function_call {
    const struct message *message;    /* what topic() and the like are about */
    const struct rule_random *random; /* for newuuid() */
    const struct regex *regex;        /* of FUNCTION_OF_PATTERN, where the pattern is a literal; else NULL */
    struct arena *arena;
    const struct value *arguments;
    size_t argument_count;
};

enum function_kind {
    FUNCTION_NAMED, /* name(argument, ...) */
    FUNCTION_BINARY,
    FUNCTION_UNARY,
    FUNCTION_CASE,   /* arguments: value, then WHEN and THEN in pairs, then ELSE if there is one */
    FUNCTION_TYPE,   /* of cast(argument AS type) */
    FUNCTION_ARRAY,  /* [argument, ...] */
    FUNCTION_OBJECT, /* {'key': argument, ...}; arguments: key and value in pairs */
    FUNCTION_MEMBER, /* argument.name, where the argument is no path */
};

/* How the arguments of a FUNCTION_NAMED are written, if not as expressions only. */
enum function_form {
    FUNCTION_PLAIN,
    FUNCTION_OF_PAYLOAD, /* the first may be `*`: the payload, which must be JSON */
    FUNCTION_OF_BYTES,   /* ... as a String of any bytes */
    FUNCTION_OF_PATTERN, /* the second is a regular expression; a literal one is compiled at load */
    FUNCTION_OF_TYPE,    /* (argument AS type); what is applied is the type's row */
};

enum { FUNCTION_ARGUMENTS_MAX = 256 };

struct function {
    const char *name;
    enum function_kind kind;
    uint8_t level; /* of operators: those of a higher one bind first */
    uint16_t arguments_min, arguments_max;
    enum function_form form;
    struct value (*apply)(const struct function_call *call);
};

enum { FUNCTION_LEVEL_NOT = 3, FUNCTION_LEVEL_MINUS = 7 };

/* Case does not matter. NULL: there is none. */
const struct function *function_find(enum function_kind kind, struct span name);
/* The names of all of that kind, for an error: "abs, ceil, ...". */
void function_names(enum function_kind kind, char *text, size_t text_bytes);

#endif
