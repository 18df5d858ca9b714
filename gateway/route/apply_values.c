#include "route/apply.h"
#include "route/json.h"
#include "wire/topic.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* ---- The message ---- */

struct value apply_topic(const struct function_call *call)
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

/* AWS's word for a message that no MQTT client has sent. */
struct value apply_clientid(const struct function_call *call)
{
    struct span client_id = call->message->client_id;
    return value_string(client_id.len > 0 ? client_id : SPAN_LITERAL("n/a"));
}

struct value apply_principal(const struct function_call *call)
{
    struct span principal = call->message->principal;
    return principal.len > 0 ? value_string(principal) : value_undefined();
}

struct value apply_timestamp(const struct function_call *call)
{
    return value_number((double)call->message->received_ms, true);
}

/* RFC 9562, version 4. */
struct value apply_newuuid(const struct function_call *call)
{
    enum { UUID_TEXT_BYTES = 36 };
    const struct rule_random *random = call->random;
    if (!random->next)
        return value_undefined();
    uint32_t words[4];
    for (size_t i = 0; i < 4; i++)
        words[i] = random->next(random->ctx);
    char *text = arena_take(call->arena, UUID_TEXT_BYTES + 1);
    snprintf(text, UUID_TEXT_BYTES + 1,
             "%08" PRIx32 "-%04" PRIx32 "-4%03" PRIx32 "-%04" PRIx32 "-%04" PRIx32 "%08" PRIx32, words[0],
             words[1] >> 16, words[1] & 0xFFF, 0x8000 | (words[2] >> 16 & 0x3FFF), words[2] & 0xFFFF,
             words[3]);
    return value_string(span_of(text, UUID_TEXT_BYTES));
}

/* ---- Arrays and Objects ---- */

/* Whether there is an argument and the container is not too long already, which ends in Undefined. */
static bool goes_on(const struct function_call *call, size_t index, const struct buffer *json)
{
    return index < call->argument_count && buffer_len(json) <= APPLY_TEXT_BYTES_MAX;
}

/* Ends the buffer. What is longer than an event may be, or could not be read again when it stands in one, is
 * Undefined. */
static struct value take_container(enum value_kind kind, struct buffer *json, struct arena *arena)
{
    struct value value = value_undefined();
    if (buffer_len(json) <= APPLY_TEXT_BYTES_MAX && json_depth(buffer_span(json)) < JSON_DEPTH_MAX)
        value = (struct value){.kind = kind, .text = arena_copy(arena, buffer_span(json))};
    buffer_fini(json);
    return value;
}

static void write_separator(struct buffer *out)
{
    if (buffer_len(out) > 1)
        buffer_append(out, SPAN_LITERAL(","));
}

struct value apply_array(const struct function_call *call)
{
    struct buffer out = {0};
    buffer_append(&out, SPAN_LITERAL("["));
    for (size_t i = 0; goes_on(call, i, &out); i++) {
        if (call->arguments[i].kind == VALUE_UNDEFINED)
            continue;
        write_separator(&out);
        value_write(call->arguments[i], &out);
    }
    buffer_append(&out, SPAN_LITERAL("]"));
    return take_container(VALUE_ARRAY, &out, call->arena);
}

struct value apply_object(const struct function_call *call)
{
    struct buffer out = {0};
    buffer_append(&out, SPAN_LITERAL("{"));
    for (size_t i = 0; goes_on(call, i + 1, &out); i += 2) {
        if (call->arguments[i + 1].kind == VALUE_UNDEFINED)
            continue;
        write_separator(&out);
        value_write(call->arguments[i], &out);
        buffer_append(&out, SPAN_LITERAL(":"));
        value_write(call->arguments[i + 1], &out);
    }
    buffer_append(&out, SPAN_LITERAL("}"));
    return take_container(VALUE_OBJECT, &out, call->arena);
}

struct value apply_join_texts(const struct function_call *call)
{
    struct span texts[FUNCTION_ARGUMENTS_MAX];
    size_t len = 0;
    for (size_t i = 0; i < call->argument_count; i++) {
        if (!value_to_text(call->arguments[i], call->arena, &texts[i]))
            return value_undefined();
        len += texts[i].len;
    }
    if (len > APPLY_TEXT_BYTES_MAX)
        return value_undefined();
    uint8_t *joined = arena_take(call->arena, len), *to = joined;
    for (size_t i = 0; i < call->argument_count; i++) {
        if (texts[i].len > 0)
            memcpy(to, texts[i].data, texts[i].len);
        to += texts[i].len;
    }
    return value_string(span_of(joined, len));
}

/* With an Array among its arguments, concat makes one Array of all of them. */
static struct value join_arrays(const struct function_call *call)
{
    struct buffer out = {0};
    buffer_append(&out, SPAN_LITERAL("["));
    for (size_t i = 0; goes_on(call, i, &out); i++) {
        struct value value = call->arguments[i];
        if (value.kind == VALUE_ARRAY) /* without its brackets */
            value.text = json_trim(span_of(value.text.data + 1, value.text.len - 2));
        if (value.kind == VALUE_UNDEFINED || (value.kind == VALUE_ARRAY && value.text.len == 0))
            continue;
        write_separator(&out);
        value_write(value, &out);
    }
    buffer_append(&out, SPAN_LITERAL("]"));
    return take_container(VALUE_ARRAY, &out, call->arena);
}

struct value apply_concat(const struct function_call *call)
{
    if (call->argument_count == 0)
        return value_undefined();
    if (call->argument_count == 1)
        return call->arguments[0];
    for (size_t i = 0; i < call->argument_count; i++)
        if (call->arguments[i].kind == VALUE_ARRAY)
            return join_arrays(call);
    return apply_join_texts(call);
}

static struct value character_at(struct span text, double index)
{
    size_t at = 0;
    for (double n = 0; at < text.len; n++) {
        size_t start = at++;
        while (at < text.len && (text.data[at] & 0xC0) == 0x80)
            at++;
        if (n == index)
            return value_string(span_of(text.data + start, at - start));
    }
    return value_undefined();
}

static struct value item_at(struct span array, double index, struct arena *arena)
{
    struct json_walk walk = json_walk_of(array);
    struct span key, item;
    for (double n = 0; json_next(&walk, &key, &item); n++)
        if (n == index)
            return value_of_json(item, arena);
    return value_undefined();
}

struct value apply_member(const struct function_call *call)
{
    struct span found;
    if (call->arguments[0].kind != VALUE_OBJECT || call->arguments[1].kind != VALUE_STRING ||
        !json_member(call->arguments[0].text, call->arguments[1].text, &found))
        return value_undefined();
    return value_of_json(found, call->arena);
}

struct value apply_get(const struct function_call *call)
{
    const struct value *from = &call->arguments[0];
    struct value index;
    if (from->kind == VALUE_OBJECT)
        return apply_member(call);
    if (!value_to_number(call->arguments[1], &index))
        return value_undefined();
    if (from->kind == VALUE_ARRAY)
        return item_at(from->text, trunc(index.number), call->arena);
    return from->kind == VALUE_STRING ? character_at(from->text, trunc(index.number)) : value_undefined();
}

struct value apply_is_undefined(const struct function_call *call)
{
    return value_boolean(call->arguments[0].kind == VALUE_UNDEFINED);
}

struct value apply_is_null(const struct function_call *call)
{
    return value_boolean(call->arguments[0].kind == VALUE_NULL);
}
