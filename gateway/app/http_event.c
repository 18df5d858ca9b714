#include "app/http_event_internal.h"

#include "base/json_write.h"
#include "wire/topic.h"

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
    const struct http_values headers = http_event_headers(request);
    const char *before = "";
    json_write_raw(out, ",\"headers\":{");
    for (size_t i = 0; i < headers.count; i++) {
        struct span name = headers.items[i].name;
        if (http_event_is_repeated(&headers, i) || http_same(name, SPAN_LITERAL("cookie")))
            continue;
        struct buffer lower = {0};
        buffer_append(&lower, name);
        for (size_t j = lower.start; j < lower.end; j++)
            lower.data[j] |= lower.data[j] >= 'A' && lower.data[j] <= 'Z' ? 0x20 : 0;
        http_event_begin_member(out, &before, buffer_span(&lower));
        write_values(request, name, out);
        buffer_fini(&lower);
    }
    json_write_raw(out, "}");
}

/* Takes a cookie off the front, without the blanks before it. */
static struct span take_cookie(struct span *rest)
{
    const uint8_t *end = memchr(rest->data, ';', rest->len);
    struct span cookie = span_of(rest->data, end ? (size_t)(end - rest->data) : rest->len);
    *rest = span_skip(*rest, cookie.len + (end != NULL));
    while (cookie.len > 0 && cookie.data[0] == ' ')
        cookie = span_skip(cookie, 1);
    return cookie;
}

static void write_cookies(const struct http_request *request, struct buffer *out)
{
    const char *before = ",\"cookies\":[";
    for (size_t i = 0; i < request->header_count; i++) {
        struct span rest = request->headers[i].value;
        while (http_same(request->headers[i].name, SPAN_LITERAL("cookie")) && rest.len > 0) {
            struct span cookie = take_cookie(&rest);
            buffer_append(out, span_from_string(before));
            json_write_string(out, cookie);
            before = ",";
        }
    }
    if (*before == ',' && !before[1])
        json_write_raw(out, "]");
}

/* All values of the name that this one is the first of, with commas between them. */
static void write_parameter(const struct http_values *parameters, size_t index, struct buffer *out)
{
    struct buffer value = {0};
    buffer_append(&value, parameters->items[index].value);
    for (size_t i = index + 1; i < parameters->count; i++) {
        if (!parameters->is_same(parameters->items[i].name, parameters->items[index].name))
            continue;
        buffer_append(&value, SPAN_LITERAL(","));
        buffer_append(&value, parameters->items[i].value);
    }
    json_write_string(out, buffer_span(&value));
    buffer_fini(&value);
}

static enum sluice_error write_query(struct span query, struct buffer *out)
{
    struct http_header items[HTTP_EVENT_QUERY_COUNT];
    struct http_values parameters;
    struct buffer text = {0};
    const char *before = "";
    enum sluice_error error = http_event_read_query(query, items, &text, &parameters);
    if (!error && parameters.count > 0) {
        json_write_raw(out, ",\"queryStringParameters\":{");
        for (size_t i = 0; i < parameters.count; i++) {
            if (http_event_is_repeated(&parameters, i))
                continue;
            http_event_begin_member(out, &before, parameters.items[i].name);
            write_parameter(&parameters, i, out);
        }
        json_write_raw(out, "}");
    }
    buffer_fini(&text);
    return error;
}

static void write_path_parameters(const struct http_event *event, struct buffer *out)
{
    struct buffer members = {0};
    if (http_event_write_path_parameters(event, &members)) {
        json_write_raw(out, ",\"pathParameters\":");
        buffer_append(out, buffer_span(&members));
    }
    buffer_fini(&members);
}

/* As rules know it: who the request comes from. */
static void write_authorizer(const struct identity *identity, struct buffer *out)
{
    struct buffer principal = {0};
    if (identity->kind == IDENTITY_TOKEN) {
        json_write_raw(out, ",\"authorizer\":{\"jwt\":{\"claims\":{\"sub\":");
        json_write_string(out, span_from_string(identity->name));
        json_write_raw(out, "},\"scopes\":null}}");
    } else if (http_event_principal(identity, &principal)) {
        json_write_raw(out, ",\"authorizer\":{\"lambda\":{\"principalId\":");
        json_write_string(out, buffer_span(&principal));
        json_write_raw(out, "}}");
    }
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
    json_write_raw(
        out,
        ",\"requestContext\":{\"accountId\":\"000000000000\",\"apiId\":\"sluice\",\"stage\":\"$default\"");
    http_event_write_member(out, "domainName", http_header(request, "Host"));
    write_authorizer(event->identity, out);
    json_write_raw(out, ",\"http\":{\"protocol\":\"HTTP/1.1\"");
    http_event_write_member(out, "method", request->method);
    http_event_write_member(out, "path", request->path);
    http_event_write_member(out, "sourceIp", span_from_string(event->source_address));
    http_event_write_member(out, "userAgent", http_header(request, "User-Agent"));
    json_write_raw(out, "}");
    http_event_write_member(out, "requestId", span_from_string(event->request_id));
    http_event_write_member(out, "routeKey", key);
    json_write_raw(out, ",\"time\":");
    http_event_write_time(event->wall_ms, out);
    json_write_raw(out, ",\"timeEpoch\":");
    json_write_u64(out, event->wall_ms);
    json_write_raw(out, "}");
}

/* What HTTP APIs take for text; all else is in Base64. */
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

static enum sluice_error write_http_api(const struct http_event *event, struct buffer *out)
{
    const struct http_request *request = event->request;
    struct buffer key_text = {0};
    struct span key = route_key(event->route, &key_text);
    json_write_raw(out, "{\"version\":\"2.0\"");
    http_event_write_member(out, "routeKey", key);
    http_event_write_member(out, "rawPath", request->path);
    http_event_write_member(out, "rawQueryString", request->query);
    write_cookies(request, out);
    write_headers(request, out);
    enum sluice_error error = write_query(request->query, out);
    write_path_parameters(event, out);
    write_request_context(event, key, out);
    http_event_write_body(request, is_text(request), SPAN_EMPTY, out);
    json_write_raw(out, "}");
    buffer_fini(&key_text);
    return error;
}

enum sluice_error http_event_write(const struct http_event *event, struct buffer *out)
{
    return event->route->form == CONFIG_HTTP_API ? write_http_api(event, out)
                                                 : http_event_write_rest(event, out);
}
