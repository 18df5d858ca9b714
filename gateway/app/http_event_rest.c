/* A request as REST APIs of API Gateway hand it on: payload format 1.0. */
#include "app/http_event_internal.h"

#include "base/json_write.h"
#include "wire/topic.h"

/* ---- Headers ---- */

static void write_last_header(const struct http_request *request, size_t index, struct buffer *out)
{
    size_t last = index;
    for (size_t i = index + 1; i < request->header_count; i++) {
        if (http_same(request->headers[i].name, request->headers[index].name))
            last = i;
    }
    json_write_string(out, request->headers[last].value);
}

static void write_all_headers(const struct http_request *request, size_t index, struct buffer *out)
{
    const char *before = "[";
    for (size_t i = index; i < request->header_count; i++) {
        if (!http_same(request->headers[i].name, request->headers[index].name))
            continue;
        buffer_append(out, span_from_string(before));
        json_write_string(out, request->headers[i].value);
        before = ",";
    }
    json_write_raw(out, "]");
}

/* Under the name as the first line has it. */
static void write_headers(const struct http_request *request, struct buffer *out,
                          void (*write_values)(const struct http_request *request, size_t index,
                                               struct buffer *out))
{
    const char *before = "";
    json_write_raw(out, "{");
    for (size_t i = 0; i < request->header_count; i++) {
        if (http_event_is_repeated(request, i))
            continue;
        http_event_begin_member(out, &before, request->headers[i].name);
        write_values(request, i, out);
    }
    json_write_raw(out, "}");
}

/* ---- The query ---- */

struct query {
    struct http_parameter parameters[HTTP_EVENT_QUERY_COUNT];
    size_t count;
};

static void write_last_parameter(const struct query *query, size_t index, struct buffer *out)
{
    size_t last = index;
    for (size_t i = index + 1; i < query->count; i++) {
        if (span_equal(query->parameters[i].name, query->parameters[index].name))
            last = i;
    }
    json_write_string(out, query->parameters[last].value);
}

static void write_all_parameters(const struct query *query, size_t index, struct buffer *out)
{
    const char *before = "[";
    for (size_t i = index; i < query->count; i++) {
        if (!span_equal(query->parameters[i].name, query->parameters[index].name))
            continue;
        buffer_append(out, span_from_string(before));
        json_write_string(out, query->parameters[i].value);
        before = ",";
    }
    json_write_raw(out, "]");
}

static void write_parameters(const struct query *query, struct buffer *out,
                             void (*write_values)(const struct query *query, size_t index,
                                                  struct buffer *out))
{
    const char *before = "";
    if (query->count == 0) {
        json_write_raw(out, "null");
        return;
    }
    json_write_raw(out, "{");
    for (size_t i = 0; i < query->count; i++) {
        if (http_event_is_repeated_parameter(query->parameters, i))
            continue;
        http_event_begin_member(out, &before, query->parameters[i].name);
        write_values(query, i, out);
    }
    json_write_raw(out, "}");
}

static enum sluice_error write_query(const struct http_request *request, struct buffer *out)
{
    struct query query;
    struct buffer text = {0};
    query.count = http_event_read_query(request->query, query.parameters, &text);
    bool fits = query.count <= HTTP_EVENT_QUERY_COUNT;
    if (fits) {
        json_write_raw(out, ",\"queryStringParameters\":");
        write_parameters(&query, out, write_last_parameter);
        json_write_raw(out, ",\"multiValueQueryStringParameters\":");
        write_parameters(&query, out, write_all_parameters);
    }
    buffer_fini(&text);
    return fits ? SLUICE_OK : SLUICE_TOO_LARGE;
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
    json_write_raw(out, ",\"headers\":");
    write_headers(request, out, write_last_header);
    json_write_raw(out, ",\"multiValueHeaders\":");
    write_headers(request, out, write_all_headers);
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
