#include "route/reply.h"

#include "route/json.h"
#include "route/value.h"
#include "wire/topic.h"

/* A part of a template: literal text, `%c`, or the path of a `${...}`. */
struct part {
    enum {
        PART_TEXT,
        PART_CLIENT_ID,
        PART_PATH,
        PART_BROKEN, /* a `${` without its `}` */
    } kind;
    struct span text;
};

static struct part take_part(struct span *rest)
{
    struct span from = *rest;
    if (span_starts_with(from, SPAN_LITERAL("%c"))) {
        *rest = span_skip(from, 2);
        return (struct part){PART_CLIENT_ID, SPAN_EMPTY};
    }
    if (span_starts_with(from, SPAN_LITERAL("${"))) {
        const uint8_t *closing = memchr(from.data, '}', from.len);
        size_t len = closing ? (size_t)(closing - from.data) : from.len;
        *rest = span_skip(from, closing ? len + 1 : len);
        return (struct part){closing ? PART_PATH : PART_BROKEN, span_of(from.data + 2, len - 2)};
    }
    size_t len = 1;
    while (len < from.len && from.data[len] != '$' && from.data[len] != '%')
        len++;
    *rest = span_skip(from, len);
    return (struct part){PART_TEXT, span_of(from.data, len)};
}

/* Takes the first name off a path such as a.b.c. */
static struct span take_name(struct span *path)
{
    const uint8_t *dot = memchr(path->data, '.', path->len);
    size_t len = dot ? (size_t)(dot - path->data) : path->len;
    struct span name = {path->data, len};
    *path = span_skip(*path, dot ? len + 1 : len);
    return name;
}

static bool path_valid(struct span path)
{
    if (path.len == 0 || path.data[path.len - 1] == '.')
        return false;
    while (path.len > 0)
        if (take_name(&path).len == 0)
            return false;
    return true;
}

const char *reply_template_fault(struct span reply_template)
{
    /* A `+` or `#` cannot be part of a placeholder's name either, so the whole has to be a Topic Name. */
    if (!topic_name_valid(reply_template))
        return "a topic is 1 to 65535 bytes of UTF-8 without `+` and `#`";
    for (struct span rest = reply_template; rest.len > 0;) {
        struct part part = take_part(&rest);
        if (part.kind == PART_BROKEN)
            return "a `${` has no closing `}`";
        if (part.kind == PART_PATH && !path_valid(part.text))
            return "a placeholder is a path into the event, as in ${device} or ${device.id}";
    }
    return NULL;
}

static bool makes_no_level(struct span value)
{
    if (value.len == 0)
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] == 0 || strchr("/+#", value.data[i]))
            return false;
    return true;
}

static bool look_up(struct span path, struct span event, struct arena *arena, struct span *ret_text)
{
    while (path.len > 0)
        if (!json_member(event, take_name(&path), &event))
            return false;
    struct value value = event.len > 0 ? value_of_json(event, arena) : value_undefined();
    return (value.kind == VALUE_STRING || value.kind == VALUE_NUMBER) &&
           value_to_text(value, arena, ret_text);
}

/* What a template is filled from. */
struct source {
    struct span topic; /* of the message that is passed on; empty: ${topic} is the event's */
    struct span event;
    struct span client_id;
};

/* False: a placeholder has no value, or one that `is_usable` (NULL: each is) refuses. */
static bool fill(struct span template, const struct source *source, bool (*is_usable)(struct span value),
                 struct buffer *out)
{
    size_t fault_at;
    struct span json = json_check(source->event, &fault_at) ? json_trim(source->event) : SPAN_EMPTY;
    uint8_t scratch[512];
    struct arena arena = arena_of(scratch, sizeof scratch);
    bool filled = true;
    while (filled && template.len > 0) {
        struct part part = take_part(&template);
        struct span text = part.kind == PART_CLIENT_ID ? source->client_id : part.text;
        bool is_source =
            part.kind == PART_PATH && source->topic.len > 0 && span_equal(part.text, SPAN_LITERAL("topic"));
        if (is_source)
            text = source->topic;
        else if (part.kind == PART_PATH)
            filled = look_up(part.text, json, &arena, &text);
        filled = filled && (part.kind == PART_TEXT || is_source || !is_usable || is_usable(text));
        if (filled)
            buffer_append(out, text);
    }
    arena_fini(&arena);
    return filled;
}

enum sluice_error reply_topic_from(struct span reply_template, struct span source_topic, struct span event,
                                   struct span client_id, struct buffer *out_topic)
{
    struct buffer topic = {0};
    struct source source = {source_topic, event, client_id};
    bool filled =
        fill(reply_template, &source, makes_no_level, &topic) && topic_name_valid(buffer_span(&topic));
    if (filled)
        buffer_append(out_topic, buffer_span(&topic));
    buffer_fini(&topic);
    return filled ? SLUICE_OK : SLUICE_INVALID;
}

enum sluice_error reply_topic(struct span reply_template, struct span event, struct span client_id,
                              struct buffer *out_topic)
{
    return reply_topic_from(reply_template, SPAN_EMPTY, event, client_id, out_topic);
}

enum sluice_error reply_text(struct span reply_template, struct span event, struct span client_id,
                             struct buffer *out_text)
{
    struct buffer text = {0};
    struct source source = {SPAN_EMPTY, event, client_id};
    bool filled = fill(reply_template, &source, NULL, &text);
    if (filled)
        buffer_append(out_text, buffer_span(&text));
    buffer_fini(&text);
    return filled ? SLUICE_OK : SLUICE_INVALID;
}
