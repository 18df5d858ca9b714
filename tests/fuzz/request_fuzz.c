/*
 * A request over HTTP on its way to a function, whatever it is: the event that is
 * made of it is JSON, and has the body as it came; a function's name in its path is
 * part of it; who has no access key does not get in, and what was signed with one
 * does, unless it was changed behind it. Its body is also taken for a function's
 * result: no header of the answer can end in the middle of a line.
 */
#include "app/access_keys.h"
#include "app/http_event.h"
#include "app/http_route.h"
#include "app/invoke_api_name.h"
#include "base/sigv4.h"
#include "route/json.h"

#include <mbedtls/base64.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW_S = 1700000000, HEAD_BYTES = 4096, BODY_BYTES = 4096 };
#define NOW_TEXT "20231114T221320Z"
#define KEY_ID   "AKIDEXAMPLE"
#define SECRET   "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* ---- Events ---- */

static void check_body(const struct http_request *request, struct span event)
{
    struct arena arena = {0};
    struct span body, is_base64;
    bool has_body = json_member(event, SPAN_LITERAL("body"), &body) && body.data[0] == '"';
    require(has_body == (request->body.len > 0));
    require(json_member(event, SPAN_LITERAL("isBase64Encoded"), &is_base64));
    if (has_body) {
        struct span text = json_unescape(body, &arena);
        if (is_base64.data[0] == 't') {
            size_t len = 0;
            uint8_t *bytes = arena_take(&arena, text.len);
            require(mbedtls_base64_decode(bytes, text.len, &len, text.data, text.len) == 0);
            text = span_of(bytes, len);
        }
        require(span_equal(text, request->body));
    }
    arena_fini(&arena);
}

static void try_event(const struct http_request *request, enum config_http_form form)
{
    struct config_route routes[] = {{.method = "ANY", .path = "$default", .form = form},
                                    {.method = "POST", .path = "/users/{id}/{rest+}", .form = form},
                                    {.method = "GET", .path = "/users/{id}", .form = form}};
    const struct config config = {.routes = routes, .route_count = 3};
    static const struct identity identities[] = {
        {.kind = IDENTITY_ANONYMOUS}, {.kind = IDENTITY_USER, .name = "a"}, {.kind = IDENTITY_TOKEN}};
    struct http_event event = {
        .request = request,
        .route = http_route_find(&config, request->method, request->path),
        .source_address = "10.0.0.1",
        .identity = &identities[request->header_count % 3],
        .request_id = "id",
        .stage = "dev",
    };
    struct buffer text = {0};
    size_t fault_at;
    if (http_event_write(&event, &text) == SLUICE_OK) {
        require(json_check(buffer_span(&text), &fault_at));
        check_body(request, buffer_span(&text));
    }
    buffer_fini(&text);
}

/* ---- Answers ---- */

static void try_answer(struct span result, enum config_http_form form)
{
    struct http_answer answer = {0};
    if (http_answer_read(result, form, &answer)) {
        require(answer.status >= 200 && answer.status <= 599);
        struct span rest = buffer_span(&answer.headers);
        require(rest.len > 0 && rest.data[--rest.len] == '\0');
        while (rest.len > 0) {
            size_t len = 0;
            while (len < rest.len && (rest.data[len] >= ' ' || rest.data[len] == '\t'))
                len++;
            const uint8_t *colon = memchr(rest.data, ':', len);
            require(colon && http_token_valid(span_of(rest.data, (size_t)(colon - rest.data))));
            require(span_starts_with(span_skip(rest, len), SPAN_LITERAL("\r\n")));
            rest = span_skip(rest, len + 2);
        }
    }
    http_answer_fini(&answer);
}

/* ---- Names ---- */

static void try_name(struct span path)
{
    struct buffer text = {0};
    struct invoke_api_name name;
    if (invoke_api_decode(path, &text) && invoke_api_name_read(buffer_span(&text), &name)) {
        struct span all = buffer_span(&text);
        size_t end_len = name.name.len + (name.qualifier.len > 0 ? name.qualifier.len + 1 : 0);
        require(name.name.len > 0 && end_len <= all.len);
        require(name.name.data == all.data + all.len - end_len);
    }
    buffer_fini(&text);
}

/* ---- Signatures ---- */

static const struct access_keys *the_keys(void)
{
    static struct access_keys *keys;
    char text[ACCESS_KEYS_TEXT_BYTES], file[] = "/tmp/request_fuzz.XXXXXX";
    if (keys)
        return keys;
    int fd = mkstemp(file);
    require(fd >= 0 && write(fd, SECRET, sizeof SECRET - 1) == (ssize_t)sizeof SECRET - 1);
    struct config_key key = {.id = KEY_ID, .secret = file};
    struct config config = {.keys = &key, .key_count = 1};
    require(access_keys_new(&config, &keys, text) == SLUICE_OK);
    close(fd);
    unlink(file);
    return keys;
}

static enum access_key_fault verify(const struct http_request *request)
{
    struct identity identity = {.kind = IDENTITY_ANONYMOUS};
    enum access_key_fault fault = access_keys_verify(the_keys(), request, NOW_S, &identity);
    require((fault == ACCESS_KEY_GOOD) == (identity.kind == IDENTITY_USER));
    return fault;
}

/* What of the request is signed, and how, is the same as a caller's. */
static struct http_request sign(const struct http_request *request, struct buffer *authorization)
{
    struct http_request made = *request;
    struct sigv4_header headers[HTTP_HEADERS_MAX];
    made.header_count = 0;
    for (size_t i = 0; i < request->header_count && made.header_count < HTTP_HEADERS_MAX - 2; i++) {
        struct http_header header = request->headers[i];
        if (!http_same(header.name, SPAN_LITERAL("Authorization")) &&
            !http_same(header.name, SPAN_LITERAL("X-Amz-Date")))
            made.headers[made.header_count++] = header;
    }
    made.headers[made.header_count++] =
        (struct http_header){SPAN_LITERAL("X-Amz-Date"), SPAN_LITERAL(NOW_TEXT)};
    for (size_t i = 0; i < made.header_count; i++)
        headers[i] = (struct sigv4_header){made.headers[i].name, made.headers[i].value};
    sigv4_authorization(&(struct sigv4_scope){NOW_TEXT, SPAN_LITERAL("eu-west-1"), SPAN_LITERAL("lambda")},
                        &(struct sigv4_key){SPAN_LITERAL(KEY_ID), SPAN_LITERAL(SECRET)},
                        &(struct sigv4_request){.method = made.method,
                                                .path = made.path,
                                                .query = made.query,
                                                .headers = headers,
                                                .header_count = made.header_count,
                                                .body = made.body},
                        authorization);
    made.headers[made.header_count++] =
        (struct http_header){SPAN_LITERAL("Authorization"), buffer_span(authorization)};
    return made;
}

static void try_signature(const struct http_request *request)
{
    struct buffer authorization = {0};
    if (access_keys_signed(request))
        verify(request);
    struct http_request made = sign(request, &authorization);
    require(access_keys_signed(&made));
    require(verify(&made) == ACCESS_KEY_GOOD);
    made.body = made.body.len > 0 ? span_skip(made.body, 1) : SPAN_LITERAL("{}");
    require(verify(&made) == ACCESS_KEY_WRONG);
    made.body = request->body;
    made.method = SPAN_LITERAL("GETS");
    require(verify(&made) == (span_equal(request->method, made.method) ? ACCESS_KEY_GOOD : ACCESS_KEY_WRONG));
    buffer_fini(&authorization);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http *http = http_new(&(struct http_limits){.head_bytes = HEAD_BYTES, .body_bytes = BODY_BYTES});
    struct buffer answer = {0};
    const struct http_request *request;
    size_t used;
    if (http_input(http, span_of(data, size), &answer, &used, &request) == SLUICE_OK) {
        for (enum config_http_form form = CONFIG_HTTP_API; form <= CONFIG_REST_API; form++) {
            try_event(request, form);
            try_answer(request->body, form);
        }
        try_name(span_skip(request->path, 1));
        try_signature(request);
    }
    buffer_fini(&answer);
    http_free(http);
    return 0;
}
