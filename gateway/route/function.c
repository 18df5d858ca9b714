#include "route/apply.h"

#include <stdio.h>
#include <strings.h>

#define OPERATOR(symbol, binding, applied)                                                                   \
    {                                                                                                        \
        symbol, FUNCTION_BINARY, binding, 2, 2, FUNCTION_PLAIN, applied                                      \
    }
#define NAMED(name, min, max, form, applied)                                                                 \
    {                                                                                                        \
        name, FUNCTION_NAMED, 0, min, max, form, applied                                                     \
    }
#define TYPE(name, applied)                                                                                  \
    {                                                                                                        \
        name, FUNCTION_TYPE, 0, 1, 1, FUNCTION_PLAIN, applied                                                \
    }

static const struct function functions[] = {
    OPERATOR("OR", 1, apply_or),
    OPERATOR("AND", 2, apply_and),
    {"NOT", FUNCTION_UNARY, FUNCTION_LEVEL_NOT, 1, 1, FUNCTION_PLAIN, apply_not},
    OPERATOR("=", 4, apply_equal),
    OPERATOR("<>", 4, apply_not_equal),
    OPERATOR("IN", 4, apply_in),
    OPERATOR("<", 4, apply_less),
    OPERATOR("<=", 4, apply_less_equal),
    OPERATOR(">", 4, apply_greater),
    OPERATOR(">=", 4, apply_greater_equal),
    OPERATOR("+", 5, apply_add),
    OPERATOR("-", 5, apply_subtract),
    OPERATOR("*", 6, apply_multiply),
    OPERATOR("/", 6, apply_divide),
    OPERATOR("%", 6, apply_remainder),
    {"-", FUNCTION_UNARY, FUNCTION_LEVEL_MINUS, 1, 1, FUNCTION_PLAIN, apply_minus},
    {"CASE", FUNCTION_CASE, 0, 3, FUNCTION_ARGUMENTS_MAX, FUNCTION_PLAIN, apply_case},
    {"[", FUNCTION_ARRAY, 0, 0, FUNCTION_ARGUMENTS_MAX, FUNCTION_PLAIN, apply_array},
    {"{", FUNCTION_OBJECT, 0, 0, FUNCTION_ARGUMENTS_MAX, FUNCTION_PLAIN, apply_object},
    {".", FUNCTION_MEMBER, 0, 2, 2, FUNCTION_PLAIN, apply_member},
    TYPE("Bool", apply_cast_to_boolean),
    TYPE("Boolean", apply_cast_to_boolean),
    TYPE("Decimal", apply_cast_to_decimal),
    TYPE("Double", apply_cast_to_decimal),
    TYPE("Int", apply_cast_to_int),
    TYPE("Integer", apply_cast_to_int),
    TYPE("Ntext", apply_cast_to_string),
    TYPE("Nvarchar", apply_cast_to_string),
    TYPE("String", apply_cast_to_string),
    TYPE("Text", apply_cast_to_string),
    TYPE("Varchar", apply_cast_to_string),
    NAMED("abs", 1, 1, FUNCTION_PLAIN, apply_abs),
    NAMED("cast", 1, 1, FUNCTION_OF_TYPE, NULL),
    NAMED("ceil", 1, 1, FUNCTION_PLAIN, apply_ceil),
    NAMED("clientid", 0, 0, FUNCTION_PLAIN, apply_clientid),
    NAMED("concat", 0, FUNCTION_ARGUMENTS_MAX, FUNCTION_PLAIN, apply_concat),
    NAMED("decode", 2, 2, FUNCTION_PLAIN, apply_decode),
    NAMED("encode", 2, 2, FUNCTION_OF_BYTES, apply_encode),
    NAMED("endswith", 2, 2, FUNCTION_PLAIN, apply_endswith),
    NAMED("floor", 1, 1, FUNCTION_PLAIN, apply_floor),
    NAMED("get", 2, 2, FUNCTION_OF_PAYLOAD, apply_get),
    NAMED("isNull", 1, 1, FUNCTION_PLAIN, apply_is_null),
    NAMED("isUndefined", 1, 1, FUNCTION_PLAIN, apply_is_undefined),
    NAMED("lower", 1, 1, FUNCTION_PLAIN, apply_lower),
    NAMED("newuuid", 0, 0, FUNCTION_PLAIN, apply_newuuid),
    NAMED("principal", 0, 0, FUNCTION_PLAIN, apply_principal),
    NAMED("regexp_matches", 2, 2, FUNCTION_OF_PATTERN, apply_regexp_matches),
    NAMED("round", 1, 1, FUNCTION_PLAIN, apply_round),
    NAMED("startswith", 2, 2, FUNCTION_PLAIN, apply_startswith),
    NAMED("substring", 2, 3, FUNCTION_PLAIN, apply_substring),
    NAMED("timestamp", 0, 0, FUNCTION_PLAIN, apply_timestamp),
    NAMED("topic", 0, 1, FUNCTION_PLAIN, apply_topic),
    NAMED("trunc", 2, 2, FUNCTION_PLAIN, apply_trunc),
    NAMED("upper", 1, 1, FUNCTION_PLAIN, apply_upper),
};

enum { FUNCTION_COUNT = sizeof functions / sizeof functions[0] };

const struct function *function_find(enum function_kind kind, struct span name)
{
    for (size_t i = 0; i < FUNCTION_COUNT; i++)
        if (functions[i].kind == kind && strlen(functions[i].name) == name.len &&
            strncasecmp(functions[i].name, (const char *)name.data, name.len) == 0)
            return &functions[i];
    return NULL;
}

void function_names(enum function_kind kind, char *text, size_t text_bytes)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < FUNCTION_COUNT; i++) {
        if (functions[i].kind != kind)
            continue;
        int added = snprintf(text + len, text_bytes - len, "%s%s", len > 0 ? ", " : "", functions[i].name);
        len = added > 0 && (size_t)added < text_bytes - len ? len + (size_t)added : text_bytes - 1;
    }
}
