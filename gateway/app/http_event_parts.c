/* What both forms of an HTTP event are made of. */
#include "app/http_event_internal.h"

#include "app/http_route.h"
#include "base/json_write.h"

#include <mbedtls/base64.h>
#include <time.h>

/* ---- Characters ---- */

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Decodes %XX, and + as forms have it; what is none stays. `out` has room, so that the span stays where it
 * is. */
static struct span decode(struct span text, bool is_form, struct buffer *out)
{
    size_t before = buffer_len(out);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = is_form && text.data[i] == '+' ? ' ' : text.data[i];
        int high = byte == '%' && i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
        if (low >= 0) {
            byte = (uint8_t)(high << 4 | low);
            i += 2;
        }
        buffer_append(out, span_of(&byte, 1));
    }
    return span_skip(buffer_span(out), before);
}

static struct span take_until(struct span *rest, char end)
{
    const uint8_t *at = rest->len > 0 ? memchr(rest->data, end, rest->len) : NULL;
    struct span part = span_of(rest->data, at ? (size_t)(at - rest->data) : rest->len);
    *rest = span_skip(*rest, part.len + (at != NULL));
    return part;
}

/* ---- Members ---- */

void http_event_begin_member(struct buffer *out, const char **before, struct span name)
{
    buffer_append(out, span_from_string(*before));
    json_write_string(out, name);
    json_write_raw(out, ":");
    *before = ",";
}

void http_event_write_member(struct buffer *out, const char *name, struct span value)
{
    const char *before = ",";
    http_event_begin_member(out, &before, span_from_string(name));
    json_write_string(out, value);
}

struct http_values http_event_headers(const struct http_request *request)
{
    return (struct http_values){request->headers, request->header_count, http_same};
}

bool http_event_is_repeated(const struct http_values *values, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (values->is_same(values->items[i].name, values->items[index].name))
            return true;
    }
    return false;
}

enum sluice_error http_event_read_query(struct span query, struct http_header *parameters,
                                        struct buffer *text, struct http_values *ret_values)
{
    size_t count = 0;
    buffer_reserve(text, query.len + 1);
    while (query.len > 0) {
        struct span value = take_until(&query, '&');
        struct span name = take_until(&value, '=');
        if (name.len == 0 && value.len == 0)
            continue;
        if (count == HTTP_EVENT_QUERY_COUNT)
            return SLUICE_TOO_LARGE;
        parameters[count].name = decode(name, true, text);
        parameters[count++].value = decode(value, true, text);
    }
    *ret_values = (struct http_values){parameters, count, span_equal};
    return SLUICE_OK;
}

bool http_event_write_path_parameters(const struct http_event *event, struct buffer *out)
{
    struct http_route_walk walk = http_route_walk_of(event->route, event->request->path);
    const char *before = "{";
    struct span name, value;
    while (http_route_next(&walk, &name, &value)) {
        struct buffer text = {0};
        http_event_begin_member(out, &before, name);
        json_write_string(out, decode(value, false, &text));
        buffer_fini(&text);
    }
    bool any = *before == ',';
    if (any)
        json_write_raw(out, "}");
    return any;
}

void http_event_write_time(uint64_t wall_ms, struct buffer *out)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    char text[64];
    struct tm utc;
    gmtime_r(&seconds, &utc);
    json_write_string(out, span_of(text, strftime(text, sizeof text, "%d/%b/%Y:%H:%M:%S +0000", &utc)));
}

bool http_event_principal(const struct identity *identity, struct buffer *out)
{
    static const char *const kinds[] = {
        [IDENTITY_CERTIFICATE] = "device:", [IDENTITY_USER] = "user:", [IDENTITY_TOKEN] = "token:"};
    const char *kind = (size_t)identity->kind < sizeof kinds / sizeof *kinds ? kinds[identity->kind] : NULL;
    if (!kind)
        return false;
    buffer_append(out, span_from_string(kind));
    buffer_append(out, span_from_string(identity->name));
    return true;
}

void http_event_write_body(const struct http_request *request, bool as_text, struct span none,
                           struct buffer *out)
{
    struct span body = request->body;
    if (body.len == 0) {
        buffer_append(out, none);
    } else if (as_text) {
        http_event_write_member(out, "body", body);
    } else {
        size_t room = 4 * ((body.len + 2) / 3) + 1, len = 0;
        json_write_raw(out, ",\"body\":\"");
        if (mbedtls_base64_encode(buffer_reserve(out, room), room, &len, body.data, body.len) == 0)
            buffer_grown(out, len);
        json_write_raw(out, "\"");
    }
    json_write_raw(out, ",\"isBase64Encoded\":");
    buffer_append(out, body.len > 0 && !as_text ? SPAN_LITERAL("true") : SPAN_LITERAL("false"));
}
