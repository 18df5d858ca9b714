#include "route/function.h"

#include "route/json.h"
#include "wire/topic.h"

#include <math.h>
#include <stdio.h>
#include <strings.h>

enum { TEXT_BYTES_MAX = 6 * 1024 * 1024 }; /* a longer text fits in no event, and is Undefined */

/* ---- Operators ---- */

static bool both_numbers(const struct function_call *call, struct value *ret_left, struct value *ret_right)
{
    return value_to_number(call->arguments[0], ret_left) && value_to_number(call->arguments[1], ret_right);
}

static struct value join_texts(const struct function_call *call)
{
    struct span texts[FUNCTION_ARGUMENTS_MAX];
    size_t len = 0;
    for (size_t i = 0; i < call->argument_count; i++) {
        if (!value_to_text(call->arguments[i], call->arena, &texts[i]))
            return value_undefined();
        len += texts[i].len;
    }
    if (len > TEXT_BYTES_MAX)
        return value_undefined();
    uint8_t *joined = arena_take(call->arena, len), *to = joined;
    for (size_t i = 0; i < call->argument_count; i++) {
        if (texts[i].len > 0)
            memcpy(to, texts[i].data, texts[i].len);
        to += texts[i].len;
    }
    return value_string(span_of(joined, len));
}

static struct value apply_add(const struct function_call *call)
{
    const struct value *left = &call->arguments[0], *right = &call->arguments[1];
    if (left->kind == VALUE_STRING || right->kind == VALUE_STRING)
        return join_texts(call);
    struct value a, b;
    if (!both_numbers(call, &a, &b))
        return value_undefined();
    return value_number(a.number + b.number, a.is_int && b.is_int);
}

static struct value apply_subtract(const struct function_call *call)
{
    struct value a, b;
    if (!both_numbers(call, &a, &b))
        return value_undefined();
    return value_number(a.number - b.number, a.is_int && b.is_int);
}

static struct value apply_multiply(const struct function_call *call)
{
    struct value a, b;
    if (!both_numbers(call, &a, &b))
        return value_undefined();
    return value_number(a.number * b.number, a.is_int && b.is_int);
}

static struct value apply_divide(const struct function_call *call)
{
    struct value a, b;
    if (!both_numbers(call, &a, &b))
        return value_undefined();
    bool is_int = a.is_int && b.is_int;
    double quotient = a.number / b.number;
    return value_number(is_int ? trunc(quotient) : quotient, is_int);
}

static struct value apply_remainder(const struct function_call *call)
{
    struct value a, b;
    if (!both_numbers(call, &a, &b))
        return value_undefined();
    return value_number(fmod(a.number, b.number), a.is_int && b.is_int);
}

static struct value apply_minus(const struct function_call *call)
{
    struct value a;
    if (!value_to_number(call->arguments[0], &a))
        return value_undefined();
    return value_number(-a.number, a.is_int);
}

static struct value apply_less(const struct function_call *call)
{
    struct value a, b;
    return both_numbers(call, &a, &b) ? value_boolean(a.number < b.number) : value_undefined();
}

static struct value apply_less_equal(const struct function_call *call)
{
    struct value a, b;
    return both_numbers(call, &a, &b) ? value_boolean(a.number <= b.number) : value_undefined();
}

static struct value apply_greater(const struct function_call *call)
{
    struct value a, b;
    return both_numbers(call, &a, &b) ? value_boolean(a.number > b.number) : value_undefined();
}

static struct value apply_greater_equal(const struct function_call *call)
{
    struct value a, b;
    return both_numbers(call, &a, &b) ? value_boolean(a.number >= b.number) : value_undefined();
}

/* False if it is Undefined whether they are equal. */
static bool compare_equal(const struct value *a, const struct value *b, bool *ret_equal)
{
    if (a->kind == VALUE_UNDEFINED || b->kind == VALUE_UNDEFINED)
        return false;
    *ret_equal = false;
    if (a->kind != b->kind)
        return true;
    switch (a->kind) {
    case VALUE_UNDEFINED:
    case VALUE_ARRAY:
    case VALUE_OBJECT: return false;
    case VALUE_NULL: *ret_equal = true; break;
    case VALUE_BOOLEAN: *ret_equal = a->boolean == b->boolean; break;
    case VALUE_NUMBER: *ret_equal = a->number == b->number; break;
    case VALUE_STRING: *ret_equal = span_equal(a->text, b->text); break;
    }
    return true;
}

static struct value apply_equal(const struct function_call *call)
{
    bool equal;
    return compare_equal(&call->arguments[0], &call->arguments[1], &equal) ? value_boolean(equal)
                                                                           : value_undefined();
}

static struct value apply_not_equal(const struct function_call *call)
{
    bool equal;
    return compare_equal(&call->arguments[0], &call->arguments[1], &equal) ? value_boolean(!equal)
                                                                           : value_undefined();
}

static struct value apply_and(const struct function_call *call)
{
    bool a, b;
    if (!value_to_boolean(call->arguments[0], &a) || !value_to_boolean(call->arguments[1], &b))
        return value_undefined();
    return value_boolean(a && b);
}

static struct value apply_or(const struct function_call *call)
{
    bool a, b;
    if (!value_to_boolean(call->arguments[0], &a) || !value_to_boolean(call->arguments[1], &b))
        return value_undefined();
    return value_boolean(a || b);
}

static struct value apply_not(const struct function_call *call)
{
    bool a;
    return value_to_boolean(call->arguments[0], &a) ? value_boolean(!a) : value_undefined();
}

static struct value apply_case(const struct function_call *call)
{
    size_t i = 1;
    for (; i + 1 < call->argument_count; i += 2) {
        bool equal;
        if (compare_equal(&call->arguments[0], &call->arguments[i], &equal) && equal)
            return call->arguments[i + 1];
    }
    return i < call->argument_count ? call->arguments[i] : value_undefined();
}

/* ---- The message ---- */

static struct value apply_topic(const struct function_call *call)
{
    struct span rest = call->message->topic, level = SPAN_EMPTY;
    if (call->argument_count == 0)
        return value_string(rest);
    struct value number;
    if (!value_to_number(call->arguments[0], &number))
        return value_undefined();
    bool done = false;
    for (double n = 1; topic_next_level(&rest, &done, &level); n++)
        if (n == trunc(number.number))
            return value_string(level);
    return value_undefined();
}

static struct value text_or_undefined(struct span text)
{
    return text.len > 0 ? value_string(text) : value_undefined();
}

static struct value apply_clientid(const struct function_call *call)
{
    return text_or_undefined(call->message->client_id);
}

static struct value apply_principal(const struct function_call *call)
{
    return text_or_undefined(call->message->principal);
}

static struct value apply_timestamp(const struct function_call *call)
{
    return value_number((double)call->message->received_ms, true);
}

/* ---- Numbers ---- */

static struct value apply_abs(const struct function_call *call)
{
    struct value a;
    return value_to_number(call->arguments[0], &a) ? value_number(fabs(a.number), a.is_int)
                                                   : value_undefined();
}

static struct value apply_ceil(const struct function_call *call)
{
    struct value a;
    return value_to_number(call->arguments[0], &a) ? value_number(ceil(a.number), true) : value_undefined();
}

static struct value apply_floor(const struct function_call *call)
{
    struct value a;
    return value_to_number(call->arguments[0], &a) ? value_number(floor(a.number), true) : value_undefined();
}

static struct value apply_round(const struct function_call *call)
{
    struct value a;
    return value_to_number(call->arguments[0], &a) ? value_number(round(a.number), true) : value_undefined();
}

/* Cuts the decimal digits that the number is written with: dividing by a power of ten would make 0.28 of
 * trunc(0.29, 2). */
static struct value apply_trunc(const struct function_call *call)
{
    struct value a, places;
    if (!both_numbers(call, &a, &places) || places.number < 0 || places.number > 34)
        return value_undefined();
    char digits[400]; /* the largest double has 309 before its point */
    size_t len = json_format_number(a.number, digits);
    if (memchr(digits, 'e', len))
        len = (size_t)snprintf(digits, sizeof digits, "%.40f", a.number);
    const char *point = memchr(digits, '.', len);
    if (!point)
        return a;
    size_t keep = (size_t)(point - digits) + 1 + (size_t)places.number;
    struct value cut;
    if (places.number < 1)
        keep = (size_t)(point - digits);
    if (!value_parse_number(span_of(digits, keep < len ? keep : len), &cut))
        return value_undefined();
    return value_number(cut.number, places.number < 1);
}

/* ---- Text ---- */

/* ASCII letters only: what is beyond depends on the language. */
static struct value change_case(const struct function_call *call, uint8_t first, uint8_t last)
{
    struct span text;
    if (!value_to_text(call->arguments[0], call->arena, &text))
        return value_undefined();
    uint8_t *changed = arena_take(call->arena, text.len);
    for (size_t i = 0; i < text.len; i++)
        changed[i] = text.data[i] >= first && text.data[i] <= last ? text.data[i] ^ 0x20 : text.data[i];
    return value_string(span_of(changed, text.len));
}

static struct value apply_lower(const struct function_call *call)
{
    return change_case(call, 'A', 'Z');
}

static struct value apply_upper(const struct function_call *call)
{
    return change_case(call, 'a', 'z');
}

/* With an Array among its arguments, concat makes one Array of all of them. */
static struct value join_arrays(const struct function_call *call)
{
    struct buffer out = {0};
    buffer_append(&out, SPAN_LITERAL("["));
    for (size_t i = 0; i < call->argument_count; i++) {
        struct value value = call->arguments[i];
        if (value.kind == VALUE_ARRAY) /* without its brackets */
            value.text = json_trim(span_of(value.text.data + 1, value.text.len - 2));
        bool is_empty = value.kind == VALUE_UNDEFINED || (value.kind == VALUE_ARRAY && value.text.len == 0);
        if (!is_empty && buffer_len(&out) > 1)
            buffer_append(&out, SPAN_LITERAL(","));
        if (!is_empty)
            value_write(value, &out);
    }
    buffer_append(&out, SPAN_LITERAL("]"));
    struct value joined = value_undefined();
    if (buffer_len(&out) <= TEXT_BYTES_MAX)
        joined = (struct value){.kind = VALUE_ARRAY, .text = arena_copy(call->arena, buffer_span(&out))};
    buffer_fini(&out);
    return joined;
}

static struct value apply_concat(const struct function_call *call)
{
    if (call->argument_count == 0)
        return value_undefined();
    if (call->argument_count == 1)
        return call->arguments[0];
    for (size_t i = 0; i < call->argument_count; i++)
        if (call->arguments[i].kind == VALUE_ARRAY)
            return join_arrays(call);
    return join_texts(call);
}

/* Bytes of the first `count` characters of UTF-8 text. */
static size_t characters_len(struct span text, double count)
{
    size_t at = 0;
    for (double n = 0; at < text.len && n < count; n++)
        do
            at++;
        while (at < text.len && (text.data[at] & 0xC0) == 0x80);
    return at;
}

static struct value apply_substring(const struct function_call *call)
{
    struct span text;
    struct value start, end = {.number = INFINITY};
    if (!value_to_text(call->arguments[0], call->arena, &text) ||
        !value_to_number(call->arguments[1], &start))
        return value_undefined();
    if (call->argument_count > 2 && !value_to_number(call->arguments[2], &end))
        return value_undefined();
    size_t from = characters_len(text, trunc(start.number));
    size_t to = characters_len(text, trunc(end.number));
    return value_string(span_of(text.data + from, to > from ? to - from : 0));
}

static bool both_texts(const struct function_call *call, struct span *ret_text, struct span *ret_part)
{
    return value_to_text(call->arguments[0], call->arena, ret_text) &&
           value_to_text(call->arguments[1], call->arena, ret_part);
}

static struct value apply_startswith(const struct function_call *call)
{
    struct span text, part;
    return both_texts(call, &text, &part) ? value_boolean(span_starts_with(text, part)) : value_undefined();
}

static struct value apply_endswith(const struct function_call *call)
{
    struct span text, part;
    if (!both_texts(call, &text, &part))
        return value_undefined();
    return value_boolean(part.len <= text.len && span_equal(span_skip(text, text.len - part.len), part));
}

static struct value apply_encode(const struct function_call *call)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct span bytes, scheme;
    if (!both_texts(call, &bytes, &scheme) || !span_equal(scheme, SPAN_LITERAL("base64")))
        return value_undefined();
    size_t len = (bytes.len + 2) / 3 * 4;
    if (len > TEXT_BYTES_MAX)
        return value_undefined();
    uint8_t *encoded = arena_take(call->arena, len), *to = encoded;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16;
        group |= left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        group |= left > 2 ? bytes.data[i + 2] : 0;
        *to++ = (uint8_t)alphabet[group >> 18];
        *to++ = (uint8_t)alphabet[(group >> 12) & 63];
        *to++ = left > 1 ? (uint8_t)alphabet[(group >> 6) & 63] : '=';
        *to++ = left > 2 ? (uint8_t)alphabet[group & 63] : '=';
    }
    return value_string(span_of(encoded, len));
}

/* ---- Any ---- */

static struct value apply_get(const struct function_call *call)
{
    const struct value *from = &call->arguments[0];
    struct span found, key;
    struct value index;
    if (from->kind == VALUE_OBJECT && value_to_text(call->arguments[1], call->arena, &key))
        return json_member(from->text, key, &found) ? value_of_json(found, call->arena) : value_undefined();
    if (from->kind != VALUE_ARRAY || !value_to_number(call->arguments[1], &index))
        return value_undefined();
    struct json_walk walk = json_walk_of(from->text);
    for (double n = 0; json_next(&walk, &key, &found); n++)
        if (n == trunc(index.number))
            return value_of_json(found, call->arena);
    return value_undefined();
}

static struct value apply_is_undefined(const struct function_call *call)
{
    return value_boolean(call->arguments[0].kind == VALUE_UNDEFINED);
}

static struct value apply_is_null(const struct function_call *call)
{
    return value_boolean(call->arguments[0].kind == VALUE_NULL);
}

#define OPERATOR(symbol, binding, applied)                                                                   \
    {                                                                                                        \
        symbol, FUNCTION_BINARY, binding, 2, 2, false, false, applied                                        \
    }
#define NAMED(name, min, max, applied)                                                                       \
    {                                                                                                        \
        name, FUNCTION_NAMED, 0, min, max, false, false, applied                                             \
    }

static const struct function functions[] = {
    OPERATOR("OR", 1, apply_or),
    OPERATOR("AND", 2, apply_and),
    {"NOT", FUNCTION_UNARY, FUNCTION_LEVEL_NOT, 1, 1, false, false, apply_not},
    OPERATOR("=", 4, apply_equal),
    OPERATOR("<>", 4, apply_not_equal),
    OPERATOR("<", 4, apply_less),
    OPERATOR("<=", 4, apply_less_equal),
    OPERATOR(">", 4, apply_greater),
    OPERATOR(">=", 4, apply_greater_equal),
    OPERATOR("+", 5, apply_add),
    OPERATOR("-", 5, apply_subtract),
    OPERATOR("*", 6, apply_multiply),
    OPERATOR("/", 6, apply_divide),
    OPERATOR("%", 6, apply_remainder),
    {"-", FUNCTION_UNARY, FUNCTION_LEVEL_MINUS, 1, 1, false, false, apply_minus},
    {"CASE", FUNCTION_CASE, 0, 3, FUNCTION_ARGUMENTS_MAX, false, false, apply_case},
    NAMED("abs", 1, 1, apply_abs),
    NAMED("ceil", 1, 1, apply_ceil),
    NAMED("clientid", 0, 0, apply_clientid),
    NAMED("concat", 0, FUNCTION_ARGUMENTS_MAX, apply_concat),
    {"encode", FUNCTION_NAMED, 0, 2, 2, true, true, apply_encode},
    NAMED("endswith", 2, 2, apply_endswith),
    NAMED("floor", 1, 1, apply_floor),
    {"get", FUNCTION_NAMED, 0, 2, 2, true, false, apply_get},
    NAMED("isNull", 1, 1, apply_is_null),
    NAMED("isUndefined", 1, 1, apply_is_undefined),
    NAMED("lower", 1, 1, apply_lower),
    NAMED("principal", 0, 0, apply_principal),
    NAMED("round", 1, 1, apply_round),
    NAMED("startswith", 2, 2, apply_startswith),
    NAMED("substring", 2, 3, apply_substring),
    NAMED("timestamp", 0, 0, apply_timestamp),
    NAMED("topic", 0, 1, apply_topic),
    NAMED("trunc", 2, 2, apply_trunc),
    NAMED("upper", 1, 1, apply_upper),
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

void function_names(char *text, size_t text_bytes)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < FUNCTION_COUNT; i++) {
        if (functions[i].kind != FUNCTION_NAMED)
            continue;
        int added = snprintf(text + len, text_bytes - len, "%s%s", len > 0 ? ", " : "", functions[i].name);
        len = added > 0 && (size_t)added < text_bytes - len ? len + (size_t)added : text_bytes - 1;
    }
}
