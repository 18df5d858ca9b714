#include "route/apply.h"
#include "route/base64.h"
#include "route/json.h"
#include "wire/topic.h"

#include <math.h>

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

struct value apply_lower(const struct function_call *call)
{
    return change_case(call, 'A', 'Z');
}

struct value apply_upper(const struct function_call *call)
{
    return change_case(call, 'a', 'z');
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

struct value apply_substring(const struct function_call *call)
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

struct value apply_startswith(const struct function_call *call)
{
    struct span text, part;
    return both_texts(call, &text, &part) ? value_boolean(span_starts_with(text, part)) : value_undefined();
}

struct value apply_endswith(const struct function_call *call)
{
    struct span text, part;
    if (!both_texts(call, &text, &part))
        return value_undefined();
    return value_boolean(part.len <= text.len && span_equal(span_skip(text, text.len - part.len), part));
}

static bool is_base64(struct value scheme)
{
    return scheme.kind == VALUE_STRING && span_equal(scheme.text, SPAN_LITERAL("base64"));
}

struct value apply_encode(const struct function_call *call)
{
    struct span bytes;
    if (!is_base64(call->arguments[1]) || !value_to_text(call->arguments[0], call->arena, &bytes) ||
        base64_len(bytes.len) > APPLY_TEXT_BYTES_MAX)
        return value_undefined();
    return value_string(base64_encode(bytes, call->arena));
}

/* An Object or Array if that is what was encoded, else a String; Null if it is no Base64 of UTF-8 text. */
struct value apply_decode(const struct function_call *call)
{
    struct span text, decoded;
    size_t fault_at;
    if (!is_base64(call->arguments[1]) || !value_to_text(call->arguments[0], call->arena, &text))
        return value_undefined();
    if (!base64_decode(text, call->arena, &decoded) || !utf8_valid(decoded))
        return (struct value){.kind = VALUE_NULL};
    struct span json = json_trim(decoded);
    bool is_container = json.len > 0 && (json.data[0] == '{' || json.data[0] == '[');
    if (is_container && json_check(json, &fault_at) && json_depth(json) < JSON_DEPTH_MAX)
        return value_of_json(json, call->arena);
    return value_string(decoded);
}

/* A pattern from the payload is compiled for this one search. */
struct value apply_regexp_matches(const struct function_call *call)
{
    struct span text, pattern;
    if (!both_texts(call, &text, &pattern))
        return value_undefined();
    char fault[REGEX_FAULT_BYTES];
    struct regex *compiled = call->regex ? NULL : regex_compile(pattern, fault);
    const struct regex *regex = call->regex ? call->regex : compiled;
    bool found, done = regex && regex_search(regex, text, &found);
    regex_free(compiled);
    return done ? value_boolean(found) : value_undefined();
}
