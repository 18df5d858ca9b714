#include "route/apply.h"
#include "route/equal.h"
#include "route/json.h"

#include <math.h>

enum { IN_BYTES_MAX = 4 * 1024 * 1024 }; /* of Arrays and Objects, while IN compares them */

static bool both_numbers(const struct function_call *call, struct value *ret_left, struct value *ret_right)
{
    return value_to_number(call->arguments[0], ret_left) && value_to_number(call->arguments[1], ret_right);
}

struct value apply_add(const struct function_call *call)
{
    const struct value *left = &call->arguments[0], *right = &call->arguments[1];
    if (left->kind == VALUE_STRING || right->kind == VALUE_STRING)
        return apply_join_texts(call);
    struct value a, b;
    if (!both_numbers(call, &a, &b))
        return value_undefined();
    return value_number(a.number + b.number, a.is_int && b.is_int);
}

struct value apply_subtract(const struct function_call *call)
{
    struct value a, b;
    if (!both_numbers(call, &a, &b))
        return value_undefined();
    return value_number(a.number - b.number, a.is_int && b.is_int);
}

struct value apply_multiply(const struct function_call *call)
{
    struct value a, b;
    if (!both_numbers(call, &a, &b))
        return value_undefined();
    return value_number(a.number * b.number, a.is_int && b.is_int);
}

struct value apply_divide(const struct function_call *call)
{
    struct value a, b;
    if (!both_numbers(call, &a, &b))
        return value_undefined();
    bool is_int = a.is_int && b.is_int;
    double quotient = a.number / b.number;
    return value_number(is_int ? trunc(quotient) : quotient, is_int);
}

struct value apply_remainder(const struct function_call *call)
{
    struct value a, b;
    if (!both_numbers(call, &a, &b))
        return value_undefined();
    return value_number(fmod(a.number, b.number), a.is_int && b.is_int);
}

struct value apply_minus(const struct function_call *call)
{
    struct value a;
    if (!value_to_number(call->arguments[0], &a))
        return value_undefined();
    return value_number(-a.number, a.is_int);
}

struct value apply_less(const struct function_call *call)
{
    struct value a, b;
    return both_numbers(call, &a, &b) ? value_boolean(a.number < b.number) : value_undefined();
}

struct value apply_less_equal(const struct function_call *call)
{
    struct value a, b;
    return both_numbers(call, &a, &b) ? value_boolean(a.number <= b.number) : value_undefined();
}

struct value apply_greater(const struct function_call *call)
{
    struct value a, b;
    return both_numbers(call, &a, &b) ? value_boolean(a.number > b.number) : value_undefined();
}

struct value apply_greater_equal(const struct function_call *call)
{
    struct value a, b;
    return both_numbers(call, &a, &b) ? value_boolean(a.number >= b.number) : value_undefined();
}

static enum equality compare_arguments(const struct function_call *call)
{
    return value_equal(call->arguments[0], call->arguments[1], call->arena);
}

struct value apply_equal(const struct function_call *call)
{
    enum equality equality = compare_arguments(call);
    return equality ? value_boolean(equality == EQUALITY_HOLDS) : value_undefined();
}

struct value apply_not_equal(const struct function_call *call)
{
    enum equality equality = compare_arguments(call);
    return equality ? value_boolean(equality == EQUALITY_FAILS) : value_undefined();
}

/* Comparing a large Array or Object with each of many would take long: past a bound it is Undefined. */
struct value apply_in(const struct function_call *call)
{
    const struct value *sought = &call->arguments[0], *list = &call->arguments[1];
    if (sought->kind == VALUE_UNDEFINED || list->kind != VALUE_ARRAY)
        return value_undefined();
    bool is_container = sought->kind == VALUE_ARRAY || sought->kind == VALUE_OBJECT;
    struct json_walk walk = json_walk_of(list->text);
    struct span key, item;
    for (size_t read_bytes = 0; json_next(&walk, &key, &item);) {
        read_bytes += is_container ? sought->text.len : 0;
        if (read_bytes > IN_BYTES_MAX)
            return value_undefined();
        if (value_equal(*sought, value_of_json(item, call->arena), call->arena) == EQUALITY_HOLDS)
            return value_boolean(true);
    }
    return value_boolean(false);
}

struct value apply_and(const struct function_call *call)
{
    bool a, b;
    if (!value_to_boolean(call->arguments[0], &a) || !value_to_boolean(call->arguments[1], &b))
        return value_undefined();
    return value_boolean(a && b);
}

struct value apply_or(const struct function_call *call)
{
    bool a, b;
    if (!value_to_boolean(call->arguments[0], &a) || !value_to_boolean(call->arguments[1], &b))
        return value_undefined();
    return value_boolean(a || b);
}

struct value apply_not(const struct function_call *call)
{
    bool a;
    return value_to_boolean(call->arguments[0], &a) ? value_boolean(!a) : value_undefined();
}

struct value apply_case(const struct function_call *call)
{
    size_t i = 1;
    for (; i + 1 < call->argument_count; i += 2) {
        if (value_equal(call->arguments[0], call->arguments[i], call->arena) == EQUALITY_HOLDS)
            return call->arguments[i + 1];
    }
    return i < call->argument_count ? call->arguments[i] : value_undefined();
}

/* ---- cast() ---- */

struct value apply_cast_to_boolean(const struct function_call *call)
{
    struct value value = call->arguments[0];
    bool boolean;
    if (value.kind == VALUE_NUMBER)
        return value_boolean(value.number != 0);
    return value_to_boolean(value, &boolean) ? value_boolean(boolean) : value_undefined();
}

struct value apply_cast_to_decimal(const struct function_call *call)
{
    struct value value = call->arguments[0], number;
    if (value.kind == VALUE_BOOLEAN)
        return value_number(value.boolean, false);
    return value_to_number(value, &number) ? number : value_undefined();
}

/* An integer's digits are kept, however many they are. */
struct value apply_cast_to_int(const struct function_call *call)
{
    struct value value = call->arguments[0], number;
    if (value.kind == VALUE_BOOLEAN)
        return value_number(value.boolean, true);
    size_t fault_at;
    if (value.kind == VALUE_STRING && value_parse_number(value.text, &number) && number.is_int &&
        json_check(value.text, &fault_at)) /* it is not written with zeros in front */
        return value_of_json(value.text, call->arena);
    if (!value_to_number(value, &number))
        return value_undefined();
    return number.is_int ? number : value_number(floor(number.number), true);
}

struct value apply_cast_to_string(const struct function_call *call)
{
    struct span text;
    return value_to_text(call->arguments[0], call->arena, &text) ? value_string(text) : value_undefined();
}
