/* A request as REST APIs of API Gateway hand it on: payload format 1.0. */
#include "app/http_event_internal.h"

#include "base/json_write.h"
#include "wire/topic.h"

/* ---- Headers and the query ---- */

static void write_last(const struct http_values *values, size_t index, struct buffer *out)
{
    size_t last = index;
    for (size_t i = index + 1; i < values->count; i++) {
        if (values->is_same(values->items[i].name, values->items[index].name))
            last = i;
    }
    json_write_string(out, values->items[last].value);
}

static void write_all(const struct http_values *values, size_t index, struct buffer *out)
{
    const char *before = "[";
    for (size_t i = index; i < values->count; i++) {
        if (!values->is_same(values->items[i].name, values->items[index].name))
            continue;
        buffer_append(out, span_from_string(before));
        json_write_string(out, values->items[i].value);
        before = ",";
    }
    json_write_raw(out, "]");
}

/* An object; each name as it stands there first. */
static void write_values(const struct http_values *values, struct buffer *out,
                         void (*write_value)(const struct http_values *values, size_t index,
                                             struct buffer *out))
{
    const char *before = "";
    json_write_raw(out, "{");
    for (size_t i = 0; i < values->count; i++) {
        if (http_event_is_repeated(values, i))
            continue;
        http_event_begin_member(out, &before, values->items[i].name);
        write_value(values, i, out);
    }
    json_write_raw(out, "}");
}

static void write_headers(const struct http_request *request, struct buffer *out)
{
    const struct http_values headers = http_event_headers(request);
    json_write_raw(out, ",\"headers\":");
    write_values(&headers, out, write_last);
    json_write_raw(out, ",\"multiValueHeaders\":");
    write_values(&headers, out, write_all);
}

static enum sluice_error write_query(const struct http_request *request, struct buffer *out)
{
    struct http_header items[HTTP_EVENT_QUERY_COUNT];
    struct http_values parameters;
    struct buffer text = {0};
    enum sluice_error error = http_event_read_query(request->query, items, &text, &parameters);
    if (!error && parameters.count > 0) {
        json_write_raw(out, ",\"queryStringParameters\":");
        write_values(&parameters, out, write_last);
        json_write_raw(out, ",\"multiValueQueryStringParameters\":");
        write_values(&parameters, out, write_all);
    } else if (!error) {
        json_write_raw(out, ",\"queryStringParameters\":null,\"multiValueQueryStringParameters\":null");
    }
    buffer_fini(&text);
    return error;
}

/* ---- The context ---- */

static void write_authorizer(const struct identity *identity, struct buffer *out)
{
    struct buffer principal = {0};
    if (http_event_principal(identity, &principal)) {
        json_write_raw(out, ",\"authorizer\":{\"principalId\":");
        json_write_string(out, buffer_span(&principal));
        if (identity->kind == IDENTITY_TOKEN) {
            json_write_raw(out, ",\"claims\":{\"sub\":");
            json_write_string(out, span_from_string(identity->name));
            json_write_raw(out, "}");
        }
        json_write_raw(out, "}");
    }
    buffer_fini(&principal);
}

static void write_identity(const struct http_event *event, struct buffer *out)
{
    struct span agent = http_header(event->request, "User-Agent");
    json_write_raw(out, ",\"identity\":{\"accessKey\":null,\"accountId\":null,\"caller\":null,"
                        "\"cognitoAuthenticationProvider\":null,\"cognitoAuthenticationType\":null,"
                        "\"cognitoIdentityId\":null,\"cognitoIdentityPoolId\":null,"
                        "\"principalOrgId\":null,\"sourceIp\":");
    json_write_string(out, span_from_string(event->source_address));
    json_write_raw(out, ",\"user\":null,\"userAgent\":");
    if (agent.data)
        json_write_string(out, agent);
    else
        json_write_raw(out, "null");
    json_write_raw(out, ",\"userArn\":null}");
}

static void write_request_context(const struct http_event *event, struct buffer *out)
{
    const struct http_request *request = event->request;
    struct span domain = http_header(request, "Host"), id = span_from_string(event->request_id);
    json_write_raw(out, ",\"requestContext\":{\"accountId\":\"000000000000\",\"apiId\":\"sluice\"");
    write_authorizer(event->identity, out);
    http_event_write_member(out, "domainName", domain);
    http_event_write_member(out, "extendedRequestId", id);
    http_event_write_member(out, "httpMethod", request->method);
    write_identity(event, out);
    http_event_write_member(out, "path", request->path);
    json_write_raw(out, ",\"protocol\":\"HTTP/1.1\"");
    http_event_write_member(out, "requestId", id);
    json_write_raw(out, ",\"requestTime\":");
    http_event_write_time(event->wall_ms, out);
    json_write_raw(out, ",\"requestTimeEpoch\":");
    json_write_u64(out, event->wall_ms);
    json_write_raw(out, ",\"resourceId\":\"sluice\"");
    http_event_write_member(out, "resourcePath", span_from_string(event->route->path));
    http_event_write_member(out, "stage", span_from_string(event->stage));
    json_write_raw(out, "}");
}

enum sluice_error http_event_write_rest(const struct http_event *event, struct buffer *out)
{
    const struct http_request *request = event->request;
    json_write_raw(out, "{\"resource\":");
    json_write_string(out, span_from_string(event->route->path));
    if (event->route->form == CONFIG_HTTP_API_1)
        http_event_write_member(out, "version", SPAN_LITERAL("1.0"));
    http_event_write_member(out, "path", request->path);
    http_event_write_member(out, "httpMethod", request->method);
    write_headers(request, out);
    enum sluice_error error = write_query(request, out);
    json_write_raw(out, ",\"pathParameters\":");
    if (!http_event_write_path_parameters(event, out))
        json_write_raw(out, "null");
    json_write_raw(out, ",\"stageVariables\":null");
    write_request_context(event, out);
    http_event_write_body(request, utf8_valid(request->body), SPAN_LITERAL(",\"body\":null"), out);
    json_write_raw(out, "}");
    return error;
}
