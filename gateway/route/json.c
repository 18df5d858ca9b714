#include "route/json.h"

#include "wire/topic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Checking ---- */

/* Where the check has come to. Each step returns false where the text cannot go on like this. */
struct check {
    const uint8_t *at;
    const uint8_t *end;
};

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static void skip_space(struct check *check)
{
    while (check->at < check->end && is_space(*check->at))
        check->at++;
}

static bool take(struct check *check, char byte)
{
    if (check->at == check->end || *check->at != (uint8_t)byte)
        return false;
    check->at++;
    return true;
}

static bool check_word(struct check *check, struct span word)
{
    if (!span_starts_with(span_of(check->at, (size_t)(check->end - check->at)), word))
        return false;
    check->at += word.len;
    return true;
}

static bool check_digits(struct check *check)
{
    const uint8_t *start = check->at;
    while (check->at < check->end && is_digit(*check->at))
        check->at++;
    return check->at > start;
}

static bool check_number(struct check *check)
{
    take(check, '-');
    if (!take(check, '0') && !check_digits(check))
        return false;
    if (take(check, '.') && !check_digits(check))
        return false;
    if (take(check, 'e') || take(check, 'E')) {
        if (!take(check, '+'))
            take(check, '-');
        return check_digits(check);
    }
    return true;
}

/* The part of an escape after its backslash. */
static bool check_escape(struct check *check)
{
    if (check->at == check->end)
        return false;
    uint8_t kind = *check->at;
    if (kind == 0 || !strchr("\"\\/bfnrtu", kind))
        return false;
    check->at++;
    for (int digits = kind == 'u' ? 4 : 0; digits > 0; digits--, check->at++)
        if (check->at == check->end || *check->at == 0 || !strchr("0123456789abcdefABCDEF", *check->at))
            return false;
    return true;
}

static bool check_string(struct check *check)
{
    if (!take(check, '"'))
        return false;
    const uint8_t *start = check->at;
    uint8_t seen = 0;
    while (check->at < check->end && *check->at >= 0x20 && *check->at != '"') {
        uint8_t byte = *check->at++;
        seen |= byte;
        if (byte == '\\' && !check_escape(check))
            return false;
    }
    if (seen >= 0x80 && !utf8_valid(span_of(start, (size_t)(check->at - start))))
        return false;
    return take(check, '"');
}

static bool check_scalar(struct check *check)
{
    if (check->at == check->end)
        return false;
    switch (*check->at) {
    case '"': return check_string(check);
    case 't': return check_word(check, SPAN_LITERAL("true"));
    case 'f': return check_word(check, SPAN_LITERAL("false"));
    case 'n': return check_word(check, SPAN_LITERAL("null"));
    default: return check_number(check);
    }
}

static bool check_key(struct check *check)
{
    skip_space(check);
    if (!check_string(check))
        return false;
    skip_space(check);
    return take(check, ':');
}

/* The open objects and arrays, innermost last: their closing brackets. */
struct nesting {
    char closing[JSON_DEPTH_MAX];
    size_t depth;
};

/* Enters the object or array that begins here, as far as its first value. *ret_empty: it has none and is
 * left again. */
static bool check_open(struct check *check, struct nesting *nesting, bool *ret_empty)
{
    if (nesting->depth == JSON_DEPTH_MAX)
        return false;
    char closing = *check->at++ == '{' ? '}' : ']';
    skip_space(check);
    *ret_empty = take(check, closing);
    if (*ret_empty)
        return true;
    nesting->closing[nesting->depth++] = closing;
    return closing == ']' || check_key(check);
}

/* After a value: leaves what ends here, up to the next value. *ret_done: everything ended. */
static bool check_next(struct check *check, struct nesting *nesting, bool *ret_done)
{
    for (;;) {
        skip_space(check);
        *ret_done = nesting->depth == 0;
        if (*ret_done)
            return check->at == check->end;
        char closing = nesting->closing[nesting->depth - 1];
        if (take(check, ','))
            return closing == ']' || check_key(check);
        if (!take(check, closing))
            return false;
        nesting->depth--;
    }
}

static bool check_document(struct check *check)
{
    struct nesting nesting = {.depth = 0};
    bool done = false;
    while (!done) {
        skip_space(check);
        if (check->at < check->end && (*check->at == '{' || *check->at == '[')) {
            bool empty;
            if (!check_open(check, &nesting, &empty))
                return false;
            if (!empty)
                continue;
        } else if (!check_scalar(check)) {
            return false;
        }
        if (!check_next(check, &nesting, &done))
            return false;
    }
    return true;
}

bool json_check(struct span text, size_t *ret_fault_at)
{
    if (text.len == 0) {
        *ret_fault_at = 0;
        return false;
    }
    struct check check = {text.data, text.data + text.len};
    if (check_document(&check))
        return true;
    *ret_fault_at = (size_t)(check.at - text.data);
    return false;
}

/* ---- Looking ---- */

struct span json_trim(struct span text)
{
    while (text.len > 0 && is_space(text.data[0]))
        text = span_skip(text, 1);
    while (text.len > 0 && is_space(text.data[text.len - 1]))
        text.len--;
    return text;
}

static struct span skip_spaces(struct span text)
{
    while (text.len > 0 && is_space(text.data[0]))
        text = span_skip(text, 1);
    return text;
}

/* Bytes of the string that `text` begins with, quotes included. */
static size_t string_len(struct span text)
{
    size_t at = 1;
    while (at < text.len && text.data[at] != '"')
        at += text.data[at] == '\\' ? 2 : 1;
    return at < text.len ? at + 1 : text.len;
}

static size_t container_len(struct span text)
{
    size_t depth = 0, at = 0;
    do {
        uint8_t byte = text.data[at];
        depth += byte == '{' || byte == '[';
        depth -= byte == '}' || byte == ']';
        at += byte == '"' ? string_len(span_skip(text, at)) : 1;
    } while (depth > 0 && at < text.len);
    return at;
}

size_t json_depth(struct span text)
{
    size_t depth = 0, most = 0;
    for (size_t at = 0; at < text.len;) {
        uint8_t byte = text.data[at];
        depth += byte == '{' || byte == '[';
        most = depth > most ? depth : most;
        depth -= byte == '}' || byte == ']';
        at += byte == '"' ? string_len(span_skip(text, at)) : 1;
    }
    return most;
}

struct span json_compact(struct span text, struct arena *arena)
{
    uint8_t *start = arena_take(arena, text.len), *to = start;
    for (size_t at = 0, len; at < text.len; at += len) {
        len = text.data[at] == '"' ? string_len(span_skip(text, at)) : 1;
        if (is_space(text.data[at]))
            continue;
        memcpy(to, text.data + at, len);
        to += len;
    }
    return span_of(start, (size_t)(to - start));
}

static size_t value_len(struct span text)
{
    if (text.data[0] == '"')
        return string_len(text);
    if (text.data[0] == '{' || text.data[0] == '[')
        return container_len(text);
    size_t len = 0;
    while (len < text.len && !is_space(text.data[len]) && text.data[len] != ',' && text.data[len] != '}' &&
           text.data[len] != ']')
        len++;
    return len;
}

static struct span take_value(struct span *rest)
{
    size_t len = value_len(*rest);
    struct span value = {rest->data, len};
    *rest = skip_spaces(span_skip(*rest, len));
    return value;
}

struct json_walk json_walk_of(struct span text)
{
    return (struct json_walk){skip_spaces(span_skip(text, 1)), text.data[0] == '{'};
}

bool json_next(struct json_walk *walk, struct span *ret_key, struct span *ret_value)
{
    struct span *rest = &walk->rest;
    if (rest->len > 0 && rest->data[0] == ',')
        *rest = skip_spaces(span_skip(*rest, 1));
    if (rest->len == 0 || rest->data[0] == '}' || rest->data[0] == ']')
        return false;
    *ret_key = SPAN_EMPTY;
    if (walk->is_object) {
        *ret_key = take_value(rest);
        *rest = skip_spaces(span_skip(*rest, 1)); /* the colon */
    }
    *ret_value = take_value(rest);
    return true;
}

static bool key_is(struct span key, struct span name)
{
    struct span inner = {key.data + 1, key.len - 2};
    if (inner.len < name.len)
        return false; /* escapes only make it longer */
    if (inner.len == 0 || !memchr(inner.data, '\\', inner.len))
        return span_equal(inner, name);
    uint8_t memory[256];
    struct arena arena = arena_of(memory, sizeof memory);
    bool equal = span_equal(json_unescape(key, &arena), name);
    arena_fini(&arena);
    return equal;
}

bool json_member(struct span object, struct span name, struct span *ret_value)
{
    if (object.len == 0 || object.data[0] != '{')
        return false;
    struct json_walk walk = {skip_spaces(span_skip(object, 1)), .is_object = true};
    struct span key, value;
    while (json_next(&walk, &key, &value)) {
        if (key_is(key, name)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* ---- Text ---- */

static uint32_t hex_digits(const uint8_t *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 4 | (uint32_t)(at[i] <= '9' ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
    return value;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (uint8_t)code;
        return to;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xC0, 0xE0, 0xF0};
    *to++ = (uint8_t)(leads[more] | code >> (6 * more));
    while (more-- > 0)
        *to++ = (uint8_t)(0x80 | ((code >> (6 * more)) & 0x3F));
    return to;
}

/* The code point of the \u escape whose digits are at `*at`, with the second half of a surrogate pair. */
static uint32_t unicode_escape(const uint8_t **at, const uint8_t *end)
{
    uint32_t code = hex_digits(*at);
    *at += 4;
    if (code < 0xD800 || code > 0xDFFF)
        return code;
    if (code <= 0xDBFF && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        uint32_t low = hex_digits(*at + 2);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *at += 6;
            return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    return 0xFFFD;
}

struct span json_unescape(struct span string, struct arena *arena)
{
    struct span inner = {string.data + 1, string.len - 2};
    if (inner.len == 0 || !memchr(inner.data, '\\', inner.len))
        return inner;
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    uint8_t *start = arena_take(arena, inner.len), *to = start;
    const uint8_t *at = inner.data, *end = inner.data + inner.len;
    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        uint8_t kind = at[1];
        at += 2;
        if (kind == 'u')
            to = put_utf8(to, unicode_escape(&at, end));
        else
            *to++ = (uint8_t)values[strchr(names, kind) - names];
    }
    return span_of(start, (size_t)(to - start));
}

size_t json_format_number(double number, char text[static JSON_NUMBER_BYTES])
{
    int len = 0;
    if (fabs(number) < 1e15 && trunc(number) == number)
        len = snprintf(text, JSON_NUMBER_BYTES, "%.0f", number);
    for (int digits = 15; len == 0 && digits <= 17; digits++) {
        int tried = snprintf(text, JSON_NUMBER_BYTES, "%.*g", digits, number);
        if (digits == 17 || strtod(text, NULL) == number)
            len = tried;
    }
    return (size_t)len;
}
