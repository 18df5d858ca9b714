#include "route/apply.h"
#include "route/json.h"

#include <math.h>
#include <stdio.h>

enum { PLACES_MAX = 34 }; /* of trunc() */

struct value apply_abs(const struct function_call *call)
{
    struct value a;
    return value_to_number(call->arguments[0], &a) ? value_number(fabs(a.number), a.is_int)
                                                   : value_undefined();
}

/* An Int stays as it is, with all its digits. */
static struct value round_with(const struct function_call *call, double (*rounded)(double))
{
    struct value a;
    if (!value_to_number(call->arguments[0], &a))
        return value_undefined();
    return a.is_int ? a : value_number(rounded(a.number), true);
}

struct value apply_ceil(const struct function_call *call)
{
    return round_with(call, ceil);
}

struct value apply_floor(const struct function_call *call)
{
    return round_with(call, floor);
}

struct value apply_round(const struct function_call *call)
{
    return round_with(call, round);
}

/* Cuts the decimal digits that the number is written with: dividing by a power of ten would make 0.28 of
 * trunc(0.29, 2). */
static struct value cut_digits(double number, size_t places)
{
    char digits[400]; /* the largest double has 309 before its point */
    size_t len = json_format_number(number, digits);
    if (memchr(digits, 'e', len))
        len = (size_t)snprintf(digits, sizeof digits, "%.40f", number);
    const char *point = memchr(digits, '.', len);
    size_t keep = point ? (size_t)(point - digits) + (places > 0 ? 1 + places : 0) : len;
    struct value cut;
    if (!value_parse_number(span_of(digits, keep < len ? keep : len), &cut))
        return value_undefined();
    return value_number(cut.number, places == 0);
}

struct value apply_trunc(const struct function_call *call)
{
    const struct value *places = &call->arguments[1];
    struct value a;
    if (places->kind != VALUE_NUMBER || !value_to_number(call->arguments[0], &a))
        return value_undefined();
    double count = places->number < 0 ? 0 : places->number > PLACES_MAX ? PLACES_MAX : places->number;
    return a.is_int ? a : cut_digits(a.number, (size_t)count);
}
