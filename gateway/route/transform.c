#include "route/transform.h"

#include "base/json_write.h"
#include "route/json.h"

#include <ctype.h>

enum { INDEX_DIGITS_MAX = 6 };

/* ---- Paths ---- */

/* Takes `.name` or `[index]` off the front; an empty name is an index. False: it is neither. */
static bool take_step(struct span *rest, struct span *ret_name, size_t *ret_index)
{
    bool is_index = rest->data[0] == '[';
    size_t len = 1, index = 0;
    for (; len < rest->len && rest->data[len] != '.' && rest->data[len] != '[' && rest->data[len] != ']';
         len++) {
        if (is_index && (!isdigit(rest->data[len]) || len > INDEX_DIGITS_MAX))
            return false;
        index = is_index ? index * 10 + rest->data[len] - '0' : 0;
    }
    if (len == 1 || (!is_index && rest->data[0] != '.'))
        return false;
    *ret_name = is_index ? SPAN_EMPTY : span_of(rest->data + 1, len - 1);
    *ret_index = index;
    *rest = span_skip(*rest, len);
    if (is_index && (rest->len == 0 || rest->data[0] != ']'))
        return false;
    *rest = span_skip(*rest, is_index);
    return true;
}

const char *transform_path_fault(struct span path)
{
    struct span name, rest = path;
    size_t index;
    if (rest.len == 0 || rest.data[0] != '$')
        return "it does not begin with $";
    for (rest = span_skip(rest, 1); rest.len > 0;) {
        if (!take_step(&rest, &name, &index))
            return "after $ come only .name and [index]";
    }
    return NULL;
}

static bool find_element(struct span array, size_t index, struct span *ret_value)
{
    struct span key, value;
    if (array.data[0] != '[')
        return false;
    for (struct json_walk walk = json_walk_of(array); json_next(&walk, &key, &value);) {
        if (index-- == 0) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

bool transform_find(struct span json, struct span path, struct span *ret_value)
{
    struct span name, value = json_trim(json);
    size_t index;
    if (path.len == 0)
        return false;
    for (struct span rest = span_skip(path, 1); rest.data && rest.len > 0;) {
        if (!take_step(&rest, &name, &index))
            return false;
        if (name.len > 0 ? !json_member(value, name, &value) : !find_element(value, index, &value))
            return false;
    }
    *ret_value = value;
    return true;
}

/* ---- Templates ---- */

/* The path of a variable or a reserved name; empty: it is neither. */
static struct span path_of(const struct transform *transform, struct span name)
{
    static const struct {
        const char *name, *path;
    } reserved[] = {{"aws.events.event.json", "$"},
                    {"aws.events.event.ingestion-time", "$.time"},
                    {"aws.events.rule-arn", "$.resources[0]"}};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (span_equal(span_from_string(reserved[i].name), name))
            return span_from_string(reserved[i].path);
    }
    for (size_t i = 0; i < transform->variable_count; i++) {
        struct span variable = span_from_string(transform->variables[i]);
        if (span_starts_with(variable, name) && variable.len > name.len && variable.data[name.len] == '=')
            return span_skip(variable, name.len + 1);
    }
    return SPAN_EMPTY;
}

/* The name in <> that the text begins with; empty: it begins with none. */
static struct span name_at(struct span text)
{
    size_t len = 1;
    while (len < text.len && (isalnum(text.data[len]) || strchr("._-", text.data[len])))
        len++;
    bool is_name = text.len > 0 && text.data[0] == '<' && len > 1 && len < text.len && text.data[len] == '>';
    return is_name ? span_of(text.data + 1, len - 1) : SPAN_EMPTY;
}

struct span transform_unknown_name(const struct transform *transform)
{
    struct span rest = span_from_string(transform->template);
    for (; rest.len > 0; rest = span_skip(rest, 1)) {
        struct span name = name_at(rest);
        if (name.len > 0 && !path_of(transform, name).data)
            return name;
    }
    return SPAN_EMPTY;
}

/* Within quotes a string is its text, which is escaped already, and all else is JSON as text. */
static void append_value(struct span value, bool in_quotes, struct buffer *out)
{
    if (!in_quotes) {
        buffer_append(out, value);
    } else if (value.data[0] == '"') {
        buffer_append(out, span_of(value.data + 1, value.len - 2));
    } else {
        struct buffer text = {0};
        json_write_string(&text, value);
        buffer_append(out, span_of(buffer_span(&text).data + 1, buffer_len(&text) - 2));
        buffer_fini(&text);
    }
}

void transform_apply(const struct transform *transform, struct span event, struct buffer *out)
{
    struct buffer text = {0};
    bool in_quotes = false, is_escaped = false;
    size_t fault_at;
    for (struct span value, rest = span_from_string(transform->template); rest.len > 0;) {
        struct span name = name_at(rest);
        if (name.len > 0) {
            if (transform_find(event, path_of(transform, name), &value))
                append_value(value, in_quotes, &text);
            rest = span_skip(rest, name.len + 2);
            continue;
        }
        in_quotes ^= rest.data[0] == '"' && !is_escaped;
        is_escaped = rest.data[0] == '\\' && !is_escaped;
        buffer_append(&text, span_of(rest.data, 1));
        rest = span_skip(rest, 1);
    }
    if (json_check(buffer_span(&text), &fault_at))
        buffer_append(out, buffer_span(&text));
    else
        json_write_string(out, buffer_span(&text));
    buffer_fini(&text);
}
