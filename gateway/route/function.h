/*
 * What an expression can apply to values: the operators, CASE and the functions
 * of AWS IoT SQL, each a row of one table. A row's C function is pure but for
 * the arena that it takes text from, and gives Undefined for arguments that it
 * has no meaning for.
 */
#ifndef SLUICE_ROUTE_FUNCTION_H
#define SLUICE_ROUTE_FUNCTION_H

#include "base/message.h"
#include "route/value.h"

struct function_call {
    const struct message *message; /* what topic() and the like are about */
    struct arena *arena;
    const struct value *arguments;
    size_t argument_count;
};

enum function_kind {
    FUNCTION_NAMED, /* name(argument, ...) */
    FUNCTION_BINARY,
    FUNCTION_UNARY,
    FUNCTION_CASE, /* arguments: value, then WHEN and THEN in pairs, then ELSE if there is one */
};

enum { FUNCTION_ARGUMENTS_MAX = 64 };

struct function {
    const char *name;
    enum function_kind kind;
    uint8_t level; /* of operators: those of a higher one bind first */
    uint8_t arguments_min, arguments_max;
    bool takes_payload; /* its first argument may be `*` */
    bool takes_bytes;   /* ... and stands for any bytes, as a String; else it must be JSON */
    struct value (*apply)(const struct function_call *call);
};

enum { FUNCTION_LEVEL_NOT = 3, FUNCTION_LEVEL_MINUS = 7 };

/* Case does not matter. NULL: there is none. */
const struct function *function_find(enum function_kind kind, struct span name);
/* The names of all FUNCTION_NAMED, for an error: "abs, ceil, ...". */
void function_names(char *text, size_t text_bytes);

#endif
