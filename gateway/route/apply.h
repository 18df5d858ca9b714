/*
 * What the rows of function.c's table point to, in four files: operators and
 * casts, numbers, text, and what is about the message or about Arrays and
 * Objects. Each is a pure function but for the arena that it takes text from
 * (and newuuid, which asks for randomness), and gives Undefined for arguments
 * that it has no meaning for. The parser has seen to the arguments' count.
 */
#ifndef SLUICE_ROUTE_APPLY_H
#define SLUICE_ROUTE_APPLY_H

#include "route/function.h"

enum { APPLY_TEXT_BYTES_MAX = 6 * 1024 * 1024 }; /* a longer text fits in no event, and is Undefined */

struct value apply_or(const struct function_call *call);
struct value apply_and(const struct function_call *call);
struct value apply_not(const struct function_call *call);
struct value apply_equal(const struct function_call *call);
struct value apply_not_equal(const struct function_call *call);
struct value apply_in(const struct function_call *call);
struct value apply_less(const struct function_call *call);
struct value apply_less_equal(const struct function_call *call);
struct value apply_greater(const struct function_call *call);
struct value apply_greater_equal(const struct function_call *call);
struct value apply_add(const struct function_call *call);
struct value apply_subtract(const struct function_call *call);
struct value apply_multiply(const struct function_call *call);
struct value apply_divide(const struct function_call *call);
struct value apply_remainder(const struct function_call *call);
struct value apply_minus(const struct function_call *call);
struct value apply_case(const struct function_call *call);

struct value apply_cast_to_boolean(const struct function_call *call);
struct value apply_cast_to_decimal(const struct function_call *call);
struct value apply_cast_to_int(const struct function_call *call);
struct value apply_cast_to_string(const struct function_call *call);

struct value apply_abs(const struct function_call *call);
struct value apply_ceil(const struct function_call *call);
struct value apply_floor(const struct function_call *call);
struct value apply_round(const struct function_call *call);
struct value apply_trunc(const struct function_call *call);

struct value apply_decode(const struct function_call *call);
struct value apply_encode(const struct function_call *call);
struct value apply_endswith(const struct function_call *call);
struct value apply_lower(const struct function_call *call);
struct value apply_regexp_matches(const struct function_call *call);
struct value apply_startswith(const struct function_call *call);
struct value apply_substring(const struct function_call *call);
struct value apply_upper(const struct function_call *call);

struct value apply_array(const struct function_call *call);  /* [argument, ...] */
struct value apply_object(const struct function_call *call); /* {key: value, ...}, as pairs of arguments */
struct value apply_member(const struct function_call *call); /* value.name */
struct value apply_clientid(const struct function_call *call);
struct value apply_concat(const struct function_call *call);
struct value apply_get(const struct function_call *call);
struct value apply_is_null(const struct function_call *call);
struct value apply_is_undefined(const struct function_call *call);
struct value apply_newuuid(const struct function_call *call);
struct value apply_principal(const struct function_call *call);
struct value apply_timestamp(const struct function_call *call);
struct value apply_topic(const struct function_call *call);

/* The texts of all arguments behind each other. */
struct value apply_join_texts(const struct function_call *call);

#endif
