/* Routes of HTTP events, a request as an event, and a result as an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "app/http_event.h"
#include "app/http_route.h"

#include <stdio.h>

#include <cmocka.h>

static void the_most_specific_route_is_taken(void **state)
{
    static struct config_route routes[] = {
        {.method = "ANY", .path = "$default"},       {.method = "GET", .path = "/a/{proxy+}"},
        {.method = "ANY", .path = "/a/{id}"},        {.method = "GET", .path = "/a/{id}"},
        {.method = "GET", .path = "/a/b"},           {.method = "GET", .path = "/a/{id}/c"},
        {.method = "POST", .path = "/a/b/{proxy+}"}, {.method = "GET", .path = "/"},
    };
    static const struct {
        const char *method, *path;
        size_t wanted;
    } rows[] = {
        {"GET", "/a/b", 4},   {"GET", "/a/x", 3},      {"PUT", "/a/x", 2},   {"POST", "/a/b", 2},
        {"GET", "/a/x/c", 5}, {"GET", "/a/x/d", 1},    {"GET", "/a/x/", 1},  {"GET", "/a/", 0},
        {"GET", "/a", 0},     {"POST", "/a/b/c/d", 6}, {"PUT", "/a/b/c", 0}, {"GET", "/", 7},
        {"GET", "//a/b", 0},  {"GET", "/a/../a/b", 1}, {"GET", "/A/b", 0},
    };
    (void)state;
    struct config config = {.routes = routes, .route_count = sizeof routes / sizeof *routes};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct config_route *route =
            http_route_find(&config, span_from_string(rows[i].method), span_from_string(rows[i].path));
        if (route != &routes[rows[i].wanted])
            fail_msg("%s %s: %s %s", rows[i].method, rows[i].path, route->method, route->path);
    }
    config.routes++;
    config.route_count--;
    assert_null(http_route_find(&config, SPAN_LITERAL("GET"), SPAN_LITERAL("/b")));
}

static void check_event(const struct http_request *request, const struct config_route *route,
                        const struct identity *identity, const char *wanted)
{
    struct buffer out = {0};
    struct http_event event = {request, route, "10.0.0.1", identity, "id-1", UINT64_C(1584053938000), "dev"};
    assert_int_equal(http_event_write(&event, &out), SLUICE_OK);
    buffer_append(&out, span_of("", 1));
    assert_string_equal((const char *)buffer_span(&out).data, wanted);
    buffer_fini(&out);
}

static void a_request_becomes_an_event(void **state)
{
    static const struct http_request request = {
        .method = SPAN_LITERAL("POST"),
        .path = SPAN_LITERAL("/users/a%20b/x/y"),
        .query = SPAN_LITERAL("q=1&r=%41+b&q=2&flag"),
        .body = SPAN_LITERAL("{\"n\":1}"),
        .headers = {{SPAN_LITERAL("Host"), SPAN_LITERAL("box")},
                    {SPAN_LITERAL("X-Tag"), SPAN_LITERAL("one")},
                    {SPAN_LITERAL("Cookie"), SPAN_LITERAL("a=1; b=2")},
                    {SPAN_LITERAL("x-tag"), SPAN_LITERAL("two")},
                    {SPAN_LITERAL("Content-Type"), SPAN_LITERAL("application/json")}},
        .header_count = 5,
    };
    static const struct config_route route = {.method = "POST", .path = "/users/{id}/{rest+}"};
    static const struct identity user = {.kind = IDENTITY_USER, .name = "anna"};
    (void)state;
    check_event(
        &request, &route, &user,
        "{\"version\":\"2.0\",\"routeKey\":\"POST /users/{id}/{rest+}\",\"rawPath\":\"/users/a%20b/x/y\","
        "\"rawQueryString\":\"q=1&r=%41+b&q=2&flag\",\"cookies\":[\"a=1\",\"b=2\"],"
        "\"headers\":{\"host\":\"box\",\"x-tag\":\"one,two\",\"content-type\":\"application/json\"},"
        "\"queryStringParameters\":{\"q\":\"1,2\",\"r\":\"A b\",\"flag\":\"\"},"
        "\"pathParameters\":{\"id\":\"a b\",\"rest\":\"x/y\"},"
        "\"requestContext\":{\"accountId\":\"000000000000\",\"apiId\":\"sluice\",\"stage\":\"$default\","
        "\"domainName\":\"box\",\"authorizer\":{\"lambda\":{\"principalId\":\"user:anna\"}},"
        "\"http\":{\"protocol\":\"HTTP/1.1\",\"method\":\"POST\",\"path\":\"/users/a%20b/x/y\","
        "\"sourceIp\":\"10.0.0.1\",\"userAgent\":\"\"},\"requestId\":\"id-1\","
        "\"routeKey\":\"POST /users/{id}/{rest+}\",\"time\":\"12/Mar/2020:22:58:58 +0000\","
        "\"timeEpoch\":1584053938000},\"body\":\"{\\\"n\\\":1}\",\"isBase64Encoded\":false}");
}

static void a_rest_api_has_the_first_payload_format(void **state)
{
    static const struct http_request request = {
        .method = SPAN_LITERAL("POST"),
        .path = SPAN_LITERAL("/users/a%20b"),
        .query = SPAN_LITERAL("q=1&q=2&r=%41+b"),
        .body = SPAN_LITERAL("a=1&b=2"),
        .headers = {{SPAN_LITERAL("Host"), SPAN_LITERAL("box")},
                    {SPAN_LITERAL("X-Tag"), SPAN_LITERAL("one")},
                    {SPAN_LITERAL("x-tag"), SPAN_LITERAL("two")},
                    {SPAN_LITERAL("Content-Type"), SPAN_LITERAL("application/x-www-form-urlencoded")}},
        .header_count = 4,
    };
    static const struct config_route route = {
        .method = "ANY", .path = "/users/{id}", .form = CONFIG_REST_API};
    static const struct identity token = {.kind = IDENTITY_TOKEN, .name = "anna"};
    (void)state;
    check_event(&request, &route, &token,
                "{\"resource\":\"/users/{id}\",\"path\":\"/users/a%20b\",\"httpMethod\":\"POST\","
                "\"headers\":{\"Host\":\"box\",\"X-Tag\":\"two\","
                "\"Content-Type\":\"application/x-www-form-urlencoded\"},"
                "\"multiValueHeaders\":{\"Host\":[\"box\"],\"X-Tag\":[\"one\",\"two\"],"
                "\"Content-Type\":[\"application/x-www-form-urlencoded\"]},"
                "\"queryStringParameters\":{\"q\":\"2\",\"r\":\"A b\"},"
                "\"multiValueQueryStringParameters\":{\"q\":[\"1\",\"2\"],\"r\":[\"A b\"]},"
                "\"pathParameters\":{\"id\":\"a b\"},\"stageVariables\":null,"
                "\"requestContext\":{\"accountId\":\"000000000000\",\"apiId\":\"sluice\","
                "\"authorizer\":{\"principalId\":\"token:anna\",\"claims\":{\"sub\":\"anna\"}},"
                "\"domainName\":\"box\",\"extendedRequestId\":\"id-1\",\"httpMethod\":\"POST\","
                "\"identity\":{\"accessKey\":null,\"accountId\":null,\"caller\":null,"
                "\"cognitoAuthenticationProvider\":null,\"cognitoAuthenticationType\":null,"
                "\"cognitoIdentityId\":null,\"cognitoIdentityPoolId\":null,\"principalOrgId\":null,"
                "\"sourceIp\":\"10.0.0.1\",\"user\":null,\"userAgent\":null,\"userArn\":null},"
                "\"path\":\"/users/a%20b\",\"protocol\":\"HTTP/1.1\",\"requestId\":\"id-1\","
                "\"requestTime\":\"12/Mar/2020:22:58:58 +0000\",\"requestTimeEpoch\":1584053938000,"
                "\"resourceId\":\"sluice\",\"resourcePath\":\"/users/{id}\",\"stage\":\"dev\"},"
                "\"body\":\"a=1&b=2\",\"isBase64Encoded\":false}");
}

static void what_a_rest_event_lacks_is_null(void **state)
{
    static const struct http_request request = {.method = SPAN_LITERAL("GET"), .path = SPAN_LITERAL("/")};
    static const struct config_route route = {.method = "GET", .path = "/", .form = CONFIG_HTTP_API_1};
    static const struct identity nobody = {.kind = IDENTITY_ANONYMOUS};
    (void)state;
    struct buffer out = {0};
    struct http_event event = {&request, &route, "10.0.0.1", &nobody, "id-1", 0, "dev"};
    static const char start[] =
        "{\"resource\":\"/\",\"version\":\"1.0\",\"path\":\"/\",\"httpMethod\":\"GET\",\"headers\":{},"
        "\"multiValueHeaders\":{},\"queryStringParameters\":null,\"multiValueQueryStringParameters\":null,"
        "\"pathParameters\":null,\"stageVariables\":null,\"requestContext\":{";
    static const char end[] = "},\"body\":null,\"isBase64Encoded\":false}";
    assert_int_equal(http_event_write(&event, &out), SLUICE_OK);
    struct span text = buffer_span(&out);
    assert_true(span_starts_with(text, span_from_string(start)));
    assert_true(span_equal(span_skip(text, text.len - strlen(end)), span_from_string(end)));
    buffer_fini(&out);
}

static void bodies_that_are_no_text_are_in_base64(void **state)
{
    static const struct {
        const char *type;
        struct span body;
        const char *wanted;
    } rows[] = {
        {"text/plain", SPAN_LITERAL("a"), "\"body\":\"a\",\"isBase64Encoded\":false}"},
        {"TEXT/html; charset=utf-8", SPAN_LITERAL("a"), "\"body\":\"a\",\"isBase64Encoded\":false}"},
        {"image/png", SPAN_LITERAL("a"), "\"body\":\"YQ==\",\"isBase64Encoded\":true}"},
        {"text/plain", SPAN_LITERAL("\xff"), "\"body\":\"/w==\",\"isBase64Encoded\":true}"},
        {"text/plain", {NULL, 0}, "},\"isBase64Encoded\":false}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_request request = {
            .method = SPAN_LITERAL("POST"),
            .path = SPAN_LITERAL("/"),
            .body = rows[i].body,
            .headers = {{SPAN_LITERAL("Content-Type"), span_from_string(rows[i].type)}},
            .header_count = 1,
        };
        struct buffer out = {0};
        struct config_route route = {.method = "ANY", .path = "$default"};
        struct identity nobody = {.kind = IDENTITY_ANONYMOUS};
        struct http_event event = {&request, &route, "10.0.0.1", &nobody, "id-1", 0, "dev"};
        assert_int_equal(http_event_write(&event, &out), SLUICE_OK);
        struct span text = buffer_span(&out), end = span_from_string(rows[i].wanted);
        if (text.len < end.len || !span_equal(span_skip(text, text.len - end.len), end))
            fail_msg("%zu: %.*s", i, (int)text.len, (const char *)text.data);
        buffer_fini(&out);
    }
}

static void queries_are_bounded(void **state)
{
    (void)state;
    struct buffer query = {0}, out = {0};
    for (size_t i = 0; i <= HTTP_EVENT_QUERY_COUNT; i++)
        buffer_append(&query, SPAN_LITERAL("a=b&"));
    struct http_request request = {
        .method = SPAN_LITERAL("GET"), .path = SPAN_LITERAL("/"), .query = buffer_span(&query)};
    struct config_route route = {.method = "ANY", .path = "$default"};
    struct identity nobody = {.kind = IDENTITY_ANONYMOUS};
    struct http_event event = {&request, &route, "10.0.0.1", &nobody, "id-1", 0, "dev"};
    assert_int_equal(http_event_write(&event, &out), SLUICE_TOO_LARGE);
    buffer_fini(&out);
    request.query.len -= 4;
    assert_int_equal(http_event_write(&event, &out), SLUICE_OK);
    buffer_fini(&out);
    buffer_fini(&query);
}

#define PLAIN "Content-Type: text/plain;charset=UTF-8\r\n"

struct answer {
    enum config_http_form form;
    const char *result;
    int status; /* 0: it is none */
    const char *headers, *body;
};

static void check_answers(const struct answer *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct http_answer answer = {0};
        bool good = http_answer_read(span_from_string(rows[i].result), rows[i].form, &answer);
        if (good != (rows[i].status != 0) ||
            (good && ((int)answer.status != rows[i].status ||
                      strcmp((const char *)buffer_span(&answer.headers).data, rows[i].headers) != 0 ||
                      !span_equal(buffer_span(&answer.body), span_from_string(rows[i].body)))))
            fail_msg("%s: %d %s", rows[i].result, good, (const char *)buffer_span(&answer.headers).data);
        http_answer_fini(&answer);
    }
}

static void a_result_becomes_an_answer(void **state)
{
    static const struct answer rows[] = {
        {CONFIG_HTTP_API, "{\"statusCode\":201,\"body\":\"hi\"}", 201, PLAIN, "hi"},
        {CONFIG_HTTP_API, "{\"statusCode\":\"404\"}", 404, PLAIN, ""},
        {CONFIG_HTTP_API,
         "{\"statusCode\":200,\"headers\":{\"content-type\":\"text/html\",\"X-N\":7},\"body\":\"\"}", 200,
         "content-type: text/html\r\nX-N: 7\r\n", ""},
        {CONFIG_HTTP_API, "{\"statusCode\":200,\"cookies\":[\"a=1\",\"b=2; Path=/\"]}", 200,
         "Set-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\n" PLAIN, ""},
        {CONFIG_HTTP_API, "{\"statusCode\":200,\"body\":\"aGk=\",\"isBase64Encoded\":true}", 200, PLAIN,
         "hi"},
        {CONFIG_HTTP_API,
         "{\"statusCode\":200,\"headers\":{\"Content-Length\":\"9\",\"Connection\":\"close\"}}", 200, PLAIN,
         ""},
        {CONFIG_HTTP_API, "{\"a\":1}", 200, "Content-Type: application/json\r\n", "{\"a\":1}"},
        {CONFIG_HTTP_API, "\"Hello\"", 200, "Content-Type: application/json\r\n", "Hello"},
        {CONFIG_HTTP_API, "", 200, "Content-Type: application/json\r\n", "null"},
        {CONFIG_HTTP_API, "{\"statusCode\":99}", 0, NULL, NULL},
        {CONFIG_HTTP_API, "{\"statusCode\":2000}", 0, NULL, NULL},
        {CONFIG_HTTP_API, "{\"statusCode\":null}", 0, NULL, NULL},
        {CONFIG_HTTP_API, "{\"statusCode\":200,\"headers\":{\"X-A\":\"b\\r\\nSet-Cookie: c\"}}", 0, NULL,
         NULL},
        {CONFIG_HTTP_API, "{\"statusCode\":200,\"headers\":{\"X A\":\"b\"}}", 0, NULL, NULL},
        {CONFIG_HTTP_API, "{\"statusCode\":200,\"headers\":{\"\":\"b\"}}", 0, NULL, NULL},
        {CONFIG_HTTP_API, "{\"statusCode\":200,\"headers\":[1]}", 0, NULL, NULL},
        {CONFIG_HTTP_API, "{\"statusCode\":200,\"cookies\":[\"a\\nb\"]}", 0, NULL, NULL},
        {CONFIG_HTTP_API, "{\"statusCode\":200,\"body\":{}}", 0, NULL, NULL},
        {CONFIG_HTTP_API, "{\"statusCode\":200,\"body\":\"%\",\"isBase64Encoded\":true}", 0, NULL, NULL},
        {CONFIG_HTTP_API, "no JSON", 0, NULL, NULL},
        {CONFIG_HTTP_API, "{\"statusCode\":200,\"multiValueHeaders\":{\"X-A\":[1]}}", 200, PLAIN, ""},
    };
    (void)state;
    check_answers(rows, sizeof rows / sizeof *rows);
}

static void a_result_in_the_first_format_becomes_an_answer(void **state)
{
    static const struct answer rows[] = {
        {CONFIG_REST_API, "{\"statusCode\":200}", 200, "Content-Type: application/json\r\n", ""},
        {CONFIG_HTTP_API_1, "{\"statusCode\":200}", 200, PLAIN, ""},
        {CONFIG_REST_API,
         "{\"statusCode\":200,\"multiValueHeaders\":{\"Set-Cookie\":[\"a=1\",\"b=2\"],\"X-A\":[1]},"
         "\"headers\":{\"X-A\":1,\"X-B\":\"c\",\"Content-Type\":\"a/"
         "b\"},\"cookies\":[\"d=3\"],\"body\":\"x\"}",
         200, "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-A: 1\r\nX-B: c\r\nContent-Type: a/b\r\n", "x"},
        {CONFIG_REST_API, "{\"statusCode\":200,\"multiValueHeaders\":{\"X-A\":1}}", 0, NULL, NULL},
        {CONFIG_REST_API, "{\"statusCode\":200,\"multiValueHeaders\":{\"X-A\":[\"a\\nb\"]}}", 0, NULL, NULL},
        {CONFIG_REST_API, "{\"a\":1}", 0, NULL, NULL},
        {CONFIG_HTTP_API_1, "\"Hello\"", 0, NULL, NULL},
    };
    (void)state;
    check_answers(rows, sizeof rows / sizeof *rows);
}

static void headers_of_an_answer_are_bounded(void **state)
{
    static char result[HTTP_ANSWER_HEADERS_BYTES + 100];
    struct http_answer answer = {0};
    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        int value_len = HTTP_ANSWER_HEADERS_BYTES - (int)strlen("X-A: \r\n") + extra;
        snprintf(result, sizeof result, "{\"statusCode\":200,\"headers\":{\"X-A\":\"%0*d\"}}", value_len, 0);
        assert_int_equal(http_answer_read(span_from_string(result), CONFIG_HTTP_API, &answer), extra == 0);
        http_answer_fini(&answer);
        answer = (struct http_answer){0};
    }
}

static void repeated_headers_of_an_answer_are_bounded(void **state)
{
    enum { MOST = HTTP_ANSWER_HEADERS_BYTES / 6 }; /* "a: 1" and its line's end */
    (void)state;
    for (int beyond = 0; beyond < 2; beyond++) {
        struct buffer result = {0};
        struct http_answer answer = {0};
        buffer_append(&result,
                      SPAN_LITERAL("{\"statusCode\":200,\"multiValueHeaders\":{\"a\":[1]},\"headers\":"
                                   "{\"b\":2"));
        for (int i = 0; i < MOST + beyond; i++)
            buffer_append(&result, SPAN_LITERAL(",\"a\":1"));
        buffer_append(&result, SPAN_LITERAL("}}"));
        assert_int_equal(http_answer_read(buffer_span(&result), CONFIG_REST_API, &answer), beyond == 0);
        http_answer_fini(&answer);
        buffer_fini(&result);
    }
}

/* One for headers that add nothing to the answer. */
static void headers_of_an_answer_cost_no_more_than_their_bound(void **state)
{
    static const struct {
        const char *begin, *repeated, *end;
    } rows[] = {
        {"{\"statusCode\":200,\"headers\":{\"upgrade\":\"\"", ",\"upgrade\":\"\"", "}}"},
        {"{\"statusCode\":200,\"multiValueHeaders\":{\"upgrade\":[\"\"", ",\"\"", "]}}"},
        {"{\"statusCode\":200,\"multiValueHeaders\":{\"a\":[]", ",\"a\":[]", "}}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int beyond = 0; beyond < 2; beyond++) {
            size_t bytes =
                HTTP_ANSWER_HEADERS_JSON_BYTES / 2 + (size_t)beyond * HTTP_ANSWER_HEADERS_JSON_BYTES;
            struct buffer result = {0};
            struct http_answer answer = {0};
            buffer_append(&result, span_from_string(rows[i].begin));
            while (buffer_len(&result) < bytes)
                buffer_append(&result, span_from_string(rows[i].repeated));
            buffer_append(&result, span_from_string(rows[i].end));
            if (http_answer_read(buffer_span(&result), CONFIG_REST_API, &answer) != (beyond == 0))
                fail_msg("%s, %zu bytes", rows[i].begin, bytes);
            http_answer_fini(&answer);
            buffer_fini(&result);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_specific_route_is_taken),
        cmocka_unit_test(a_request_becomes_an_event),
        cmocka_unit_test(a_rest_api_has_the_first_payload_format),
        cmocka_unit_test(what_a_rest_event_lacks_is_null),
        cmocka_unit_test(bodies_that_are_no_text_are_in_base64),
        cmocka_unit_test(queries_are_bounded),
        cmocka_unit_test(a_result_becomes_an_answer),
        cmocka_unit_test(a_result_in_the_first_format_becomes_an_answer),
        cmocka_unit_test(headers_of_an_answer_are_bounded),
        cmocka_unit_test(repeated_headers_of_an_answer_are_bounded),
        cmocka_unit_test(headers_of_an_answer_cost_no_more_than_their_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
