#include "app/http_event.h"

#include "app/http_route.h"
#include "base/json_write.h"
#include "wire/topic.h"

#include <mbedtls/base64.h>
#include <stdio.h>
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

/* ---- Parts of the event ---- */

static void begin_member(struct buffer *out, const char **before, struct span name)
{
    buffer_append(out, span_from_string(*before));
    json_write_string(out, name);
    json_write_raw(out, ":");
    *before = ",";
}

static void write_member(struct buffer *out, const char *name, struct span value)
{
    const char *before = ",";
    begin_member(out, &before, span_from_string(name));
    json_write_string(out, value);
}

static bool is_repeated(const struct http_request *request, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (http_same(request->headers[i].name, request->headers[index].name))
            return true;
    }
    return false;
}

/* The values of all lines of that name, with commas between them. */
static void write_values(const struct http_request *request, struct span name, struct buffer *out)
{
    struct buffer value = {0};
    for (size_t i = 0; i < request->header_count; i++) {
        if (!http_same(request->headers[i].name, name))
            continue;
        buffer_append(&value, buffer_len(&value) > 0 ? SPAN_LITERAL(",") : SPAN_EMPTY);
        buffer_append(&value, request->headers[i].value);
    }
    json_write_string(out, buffer_span(&value));
    buffer_fini(&value);
}

static void write_headers(const struct http_request *request, struct buffer *out)
{
    const char *before = "";
    json_write_raw(out, ",\"headers\":{");
    for (size_t i = 0; i < request->header_count; i++) {
        struct span name = request->headers[i].name;
        if (is_repeated(request, i) || http_same(name, SPAN_LITERAL("cookie")))
            continue;
        struct buffer lower = {0};
        buffer_append(&lower, name);
        for (size_t j = lower.start; j < lower.end; j++)
            lower.data[j] |= lower.data[j] >= 'A' && lower.data[j] <= 'Z' ? 0x20 : 0;
        begin_member(out, &before, buffer_span(&lower));
        write_values(request, name, out);
        buffer_fini(&lower);
    }
    json_write_raw(out, "}");
}

static void write_cookies(const struct http_request *request, struct buffer *out)
{
    const char *before = ",\"cookies\":[";
    for (size_t i = 0; i < request->header_count; i++) {
        struct span rest = request->headers[i].value;
        while (http_same(request->headers[i].name, SPAN_LITERAL("cookie")) && rest.len > 0) {
            struct span cookie = take_until(&rest, ';');
            while (cookie.len > 0 && cookie.data[0] == ' ')
                cookie = span_skip(cookie, 1);
            buffer_append(out, span_from_string(before));
            json_write_string(out, cookie);
            before = ",";
        }
    }
    if (*before == ',' && !before[1])
        json_write_raw(out, "]");
}

struct parameter {
    struct span name, value;
};

static size_t read_query(struct span query, struct parameter *parameters, struct buffer *text)
{
    size_t count = 0;
    while (query.len > 0) {
        struct span value = take_until(&query, '&');
        struct span name = take_until(&value, '=');
        if (name.len == 0 && value.len == 0)
            continue;
        if (count == HTTP_EVENT_QUERY_COUNT)
            return count + 1;
        parameters[count].name = decode(name, true, text);
        parameters[count++].value = decode(value, true, text);
    }
    return count;
}

static void write_parameter(const struct parameter *parameters, size_t count, size_t index,
                            const char **before, struct buffer *out)
{
    struct buffer value = {0};
    for (size_t i = 0; i < index; i++) {
        if (span_equal(parameters[i].name, parameters[index].name))
            return; /* its first one has them all */
    }
    buffer_append(&value, parameters[index].value);
    for (size_t i = index + 1; i < count; i++) {
        if (!span_equal(parameters[i].name, parameters[index].name))
            continue;
        buffer_append(&value, SPAN_LITERAL(","));
        buffer_append(&value, parameters[i].value);
    }
    begin_member(out, before, parameters[index].name);
    json_write_string(out, buffer_span(&value));
    buffer_fini(&value);
}

static enum sluice_error write_query(struct span query, struct buffer *out)
{
    struct parameter parameters[HTTP_EVENT_QUERY_COUNT];
    struct buffer text = {0};
    const char *before = "";
    buffer_reserve(&text, query.len + 1);
    size_t count = read_query(query, parameters, &text);
    bool fits = count <= HTTP_EVENT_QUERY_COUNT;
    if (count > 0 && fits) {
        json_write_raw(out, ",\"queryStringParameters\":{");
        for (size_t i = 0; i < count; i++)
            write_parameter(parameters, count, i, &before, out);
        json_write_raw(out, "}");
    }
    buffer_fini(&text);
    return fits ? SLUICE_OK : SLUICE_TOO_LARGE;
}

static void write_path_parameters(const struct http_event *event, struct buffer *out)
{
    struct http_route_walk walk = http_route_walk_of(event->route, event->request->path);
    const char *before = ",\"pathParameters\":{";
    struct span name, value;
    bool any = false;
    while (http_route_next(&walk, &name, &value)) {
        struct buffer text = {0};
        begin_member(out, &before, name);
        json_write_string(out, decode(value, false, &text));
        buffer_fini(&text);
        any = true;
    }
    if (any)
        json_write_raw(out, "}");
}

/* As rules know it: who the request comes from. */
static void write_authorizer(const struct identity *identity, struct buffer *out)
{
    static const char *const kinds[] = {
        [IDENTITY_CERTIFICATE] = "device", [IDENTITY_USER] = "user", [IDENTITY_TOKEN] = "token"};
    const char *kind = (size_t)identity->kind < sizeof kinds / sizeof *kinds ? kinds[identity->kind] : NULL;
    if (!kind)
        return;
    struct span name = span_from_string(identity->name);
    if (identity->kind == IDENTITY_TOKEN) {
        json_write_raw(out, ",\"authorizer\":{\"jwt\":{\"claims\":{\"sub\":");
        json_write_string(out, name);
        json_write_raw(out, "},\"scopes\":null}}");
        return;
    }
    struct buffer principal = {0};
    buffer_append(&principal, span_from_string(kind));
    buffer_append(&principal, SPAN_LITERAL(":"));
    buffer_append(&principal, name);
    json_write_raw(out, ",\"authorizer\":{\"lambda\":{\"principalId\":");
    json_write_string(out, buffer_span(&principal));
    json_write_raw(out, "}}");
    buffer_fini(&principal);
}

static struct span route_key(const struct config_route *route, struct buffer *out)
{
    if (route->path[0] == '/') {
        buffer_append(out, span_from_string(route->method));
        buffer_append(out, SPAN_LITERAL(" "));
    }
    buffer_append(out, span_from_string(route->path));
    return buffer_span(out);
}

static void write_request_context(const struct http_event *event, struct span key, struct buffer *out)
{
    const struct http_request *request = event->request;
    time_t seconds = (time_t)(event->wall_ms / 1000);
    char time_text[64];
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t len = strftime(time_text, sizeof time_text, "%d/%b/%Y:%H:%M:%S +0000", &utc);
    json_write_raw(
        out,
        ",\"requestContext\":{\"accountId\":\"000000000000\",\"apiId\":\"sluice\",\"stage\":\"$default\"");
    write_member(out, "domainName", http_header(request, "Host"));
    write_authorizer(event->identity, out);
    json_write_raw(out, ",\"http\":{\"protocol\":\"HTTP/1.1\"");
    write_member(out, "method", request->method);
    write_member(out, "path", request->path);
    write_member(out, "sourceIp", span_from_string(event->source_address));
    write_member(out, "userAgent", http_header(request, "User-Agent"));
    json_write_raw(out, "}");
    write_member(out, "requestId", span_from_string(event->request_id));
    write_member(out, "routeKey", key);
    write_member(out, "time", span_of(time_text, len));
    json_write_raw(out, ",\"timeEpoch\":");
    json_write_u64(out, event->wall_ms);
    json_write_raw(out, "}");
}

/* What API Gateway takes for text; all else is in Base64. */
static bool is_text(const struct http_request *request)
{
    static const struct span types[] = {SPAN_LITERAL("text/"), SPAN_LITERAL("application/json"),
                                        SPAN_LITERAL("application/javascript"),
                                        SPAN_LITERAL("application/xml")};
    struct span type = http_header(request, "Content-Type");
    bool found = type.len == 0;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        found |= type.len >= types[i].len && http_same(span_of(type.data, types[i].len), types[i]);
    return found && utf8_valid(request->body);
}

static void write_body(const struct http_request *request, struct buffer *out)
{
    bool as_text = is_text(request);
    if (request->body.len > 0 && as_text) {
        write_member(out, "body", request->body);
    } else if (request->body.len > 0) {
        size_t room = 4 * ((request->body.len + 2) / 3) + 1, len = 0;
        json_write_raw(out, ",\"body\":\"");
        if (mbedtls_base64_encode(buffer_reserve(out, room), room, &len, request->body.data,
                                  request->body.len) == 0)
            buffer_grown(out, len);
        json_write_raw(out, "\"");
    }
    json_write_raw(out, ",\"isBase64Encoded\":");
    buffer_append(out, request->body.len > 0 && !as_text ? SPAN_LITERAL("true}") : SPAN_LITERAL("false}"));
}

enum sluice_error http_event_write(const struct http_event *event, struct buffer *out)
{
    const struct http_request *request = event->request;
    struct buffer key_text = {0};
    struct span key = route_key(event->route, &key_text);
    json_write_raw(out, "{\"version\":\"2.0\"");
    write_member(out, "routeKey", key);
    write_member(out, "rawPath", request->path);
    write_member(out, "rawQueryString", request->query);
    write_cookies(request, out);
    write_headers(request, out);
    enum sluice_error error = write_query(request->query, out);
    write_path_parameters(event, out);
    write_request_context(event, key, out);
    write_body(request, out);
    buffer_fini(&key_text);
    return error;
}
