#include "route/value.h"

#include "base/json_write.h"
#include "route/json.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

struct value value_number(double number, bool is_int)
{
    if (!isfinite(number))
        return value_undefined();
    return (struct value){.kind = VALUE_NUMBER, .number = number, .is_int = is_int};
}

static size_t digit_count(struct span text)
{
    size_t count = 0;
    while (count < text.len && text.data[count] >= '0' && text.data[count] <= '9')
        count++;
    return count;
}

/* The lengths of a number's parts; false if `text` is none. */
static bool number_parts(struct span text, size_t *ret_whole, size_t *ret_fraction, bool *ret_has_exponent)
{
    struct span rest = text.len > 0 && text.data[0] == '-' ? span_skip(text, 1) : text;
    size_t whole = digit_count(rest), fraction = 0;
    rest = span_skip(rest, whole);
    if (rest.len > 0 && rest.data[0] == '.') {
        rest = span_skip(rest, 1);
        fraction = digit_count(rest);
        if (fraction == 0)
            return false;
        rest = span_skip(rest, fraction);
    }
    bool has_exponent = rest.len > 0 && (rest.data[0] | 0x20) == 'e';
    if (has_exponent) {
        rest = span_skip(rest, 1);
        if (rest.len > 0 && (rest.data[0] == '-' || rest.data[0] == '+'))
            rest = span_skip(rest, 1);
        size_t exponent = digit_count(rest);
        if (exponent == 0)
            return false;
        rest = span_skip(rest, exponent);
    }
    *ret_whole = whole;
    *ret_fraction = fraction;
    *ret_has_exponent = has_exponent;
    return whole > 0 && rest.len == 0;
}

/* strtod wants a NUL behind the number, which the payload has not. */
static double convert_slowly(struct span text)
{
    uint8_t memory[128];
    struct arena arena = arena_of(memory, sizeof memory);
    double number = strtod(arena_string(&arena, text), NULL);
    arena_fini(&arena);
    return number;
}

bool value_parse_number(struct span text, struct value *ret_number)
{
    static const double powers[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    size_t whole, fraction;
    bool has_exponent;
    if (!number_parts(text, &whole, &fraction, &has_exponent))
        return false;
    double number;
    if (has_exponent || whole + fraction > 15) {
        number = convert_slowly(text);
    } else {
        /* Both operands are exact, so the quotient is the nearest double, as strtod would give it. */
        uint64_t digits = 0;
        for (size_t i = 0; i < text.len; i++)
            if (text.data[i] >= '0')
                digits = digits * 10 + (uint64_t)(text.data[i] - '0');
        number = (double)digits / powers[fraction];
        if (text.data[0] == '-')
            number = -number;
    }
    *ret_number =
        (struct value){.kind = VALUE_NUMBER, .number = number, .is_int = fraction == 0 && !has_exponent};
    return true;
}

struct value value_of_json(struct span json, struct arena *arena)
{
    struct value value = value_undefined();
    switch (json.data[0]) {
    case '{': return (struct value){.kind = VALUE_OBJECT, .text = json};
    case '[': return (struct value){.kind = VALUE_ARRAY, .text = json};
    case '"': return value_string(json_unescape(json, arena));
    case 't':
    case 'f': return value_boolean(json.data[0] == 't');
    case 'n': return (struct value){.kind = VALUE_NULL};
    default:
        value_parse_number(json, &value);
        value.text = json;
        return value;
    }
}

bool value_to_number(struct value value, struct value *ret_number)
{
    if (value.kind == VALUE_STRING) {
        struct span text = value.text;
        if ((text.len > 0 && memchr(text.data, '+', text.len)) || !value_parse_number(text, &value))
            return false;
        value.is_int = false;
    }
    if (value.kind != VALUE_NUMBER)
        return false;
    *ret_number = value;
    return isfinite(value.number); /* 1e999 has its digits, but nothing can be computed with it */
}

static bool text_is(struct span text, struct span word)
{
    return text.len == word.len &&
           strncasecmp((const char *)text.data, (const char *)word.data, word.len) == 0;
}

bool value_to_boolean(struct value value, bool *ret_boolean)
{
    bool is_true = value.kind == VALUE_STRING && text_is(value.text, SPAN_LITERAL("true"));
    bool is_false = value.kind == VALUE_STRING && text_is(value.text, SPAN_LITERAL("false"));
    if (value.kind != VALUE_BOOLEAN && !is_true && !is_false)
        return false;
    *ret_boolean = value.kind == VALUE_BOOLEAN ? value.boolean : is_true;
    return true;
}

bool value_to_text(struct value value, struct arena *arena, struct span *ret_text)
{
    switch (value.kind) {
    case VALUE_UNDEFINED:
    case VALUE_NULL: return false;
    case VALUE_BOOLEAN: *ret_text = value.boolean ? SPAN_LITERAL("true") : SPAN_LITERAL("false"); return true;
    case VALUE_STRING: *ret_text = value.text; return true;
    case VALUE_ARRAY:
    case VALUE_OBJECT: *ret_text = json_compact(value.text, arena); return true;
    case VALUE_NUMBER: break;
    }
    char digits[JSON_NUMBER_BYTES];
    *ret_text = value.text.len > 0
                    ? value.text
                    : arena_copy(arena, span_of(digits, json_format_number(value.number, digits)));
    return true;
}

void value_write(struct value value, struct buffer *out)
{
    char digits[JSON_NUMBER_BYTES];
    switch (value.kind) {
    case VALUE_UNDEFINED: return;
    case VALUE_NULL: buffer_append(out, SPAN_LITERAL("null")); return;
    case VALUE_BOOLEAN:
        buffer_append(out, value.boolean ? SPAN_LITERAL("true") : SPAN_LITERAL("false"));
        return;
    case VALUE_STRING: json_write_string(out, value.text); return;
    case VALUE_ARRAY:
    case VALUE_OBJECT: buffer_append(out, value.text); return;
    case VALUE_NUMBER:
        buffer_append(out, value.text.len > 0 ? value.text
                                              : span_of(digits, json_format_number(value.number, digits)));
        return;
    }
}
