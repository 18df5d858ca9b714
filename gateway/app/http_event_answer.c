/* A function's result as the answer to a request. */
#include "app/http_event.h"

#include "base/memory.h"
#include "route/json.h"

#include <mbedtls/base64.h>
#include <stdlib.h>

static void append_line(struct buffer *headers, struct span name, struct span value)
{
    buffer_append(headers, name);
    buffer_append(headers, SPAN_LITERAL(": "));
    buffer_append(headers, value);
    buffer_append(headers, SPAN_LITERAL("\r\n"));
}

static bool has_line(const struct buffer *headers, struct span name, struct span value)
{
    struct buffer line = {0};
    append_line(&line, name, value);
    struct span all = buffer_span(headers), wanted = buffer_span(&line);
    const uint8_t *at = all.data ? memmem(all.data, all.len, wanted.data, wanted.len) : NULL;
    buffer_fini(&line);
    return at && (at == all.data || at[-1] == '\n');
}

/* How the body is framed and the connection goes on is the gateway's. */
static bool is_gateways(struct span name)
{
    static const struct span names[] = {SPAN_LITERAL("connection"), SPAN_LITERAL("content-length"),
                                        SPAN_LITERAL("transfer-encoding"), SPAN_LITERAL("keep-alive"),
                                        SPAN_LITERAL("upgrade")};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (http_same(names[i], name))
            return true;
    }
    return false;
}

/* A string's text, or a number or boolean as it stands there. False: a header can have no such value. */
static bool header_value(struct span json, struct arena *arena, struct span *ret_value)
{
    struct span value = json.data[0] == '"' ? json_unescape(json, arena) : json;
    if (json.data[0] == '{' || json.data[0] == '[')
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if ((value.data[i] < ' ' && value.data[i] != '\t') || value.data[i] == 0x7f)
            return false;
    }
    *ret_value = value;
    return true;
}

static bool add_header(struct span name, struct span json, struct arena *arena, struct http_answer *answer)
{
    struct span value;
    if (!http_token_valid(name) || !header_value(json, arena, &value))
        return false;
    if (!is_gateways(name))
        append_line(&answer->headers, name, value);
    answer->has_type |= http_same(name, SPAN_LITERAL("content-type"));
    return buffer_len(&answer->headers) <= HTTP_ANSWER_HEADERS_BYTES;
}

/* What multiValueHeaders says already is not said again. Each is looked for in all, so those that are there
 * are bounded as what they repeat. */
static bool read_headers(struct span object, struct arena *arena, struct http_answer *answer)
{
    struct span key, json, value;
    size_t repeated_bytes = 0;
    if (object.data[0] != '{')
        return false;
    for (struct json_walk walk = json_walk_of(object); json_next(&walk, &key, &json);) {
        struct span name = json_unescape(key, arena);
        bool is_there = !is_gateways(name) && header_value(json, arena, &value) &&
                        has_line(&answer->headers, name, value);
        if (is_there)
            repeated_bytes += name.len + value.len + strlen(": \r\n");
        if (repeated_bytes > HTTP_ANSWER_HEADERS_BYTES)
            return false;
        if (!is_there && !add_header(name, json, arena, answer))
            return false;
    }
    return true;
}

static bool read_multi_value_headers(struct span object, struct arena *arena, struct http_answer *answer)
{
    struct span key, array, none, json;
    if (object.data[0] != '{')
        return false;
    for (struct json_walk walk = json_walk_of(object); json_next(&walk, &key, &array);) {
        struct span name = json_unescape(key, arena);
        if (array.data[0] != '[')
            return false;
        for (struct json_walk values = json_walk_of(array); json_next(&values, &none, &json);) {
            if (!add_header(name, json, arena, answer))
                return false;
        }
    }
    return true;
}

static bool read_cookies(struct span array, struct arena *arena, struct http_answer *answer)
{
    struct span key, json, value;
    if (array.data[0] != '[')
        return false;
    for (struct json_walk walk = json_walk_of(array); json_next(&walk, &key, &json);) {
        if (!header_value(json, arena, &value))
            return false;
        append_line(&answer->headers, SPAN_LITERAL("Set-Cookie"), value);
    }
    return buffer_len(&answer->headers) <= HTTP_ANSWER_HEADERS_BYTES;
}

static bool read_body(struct span result, struct arena *arena, struct http_answer *answer)
{
    struct span json, text, flag = SPAN_EMPTY;
    size_t len = 0;
    if (!json_member(result, SPAN_LITERAL("body"), &json) || span_equal(json, SPAN_LITERAL("null")))
        return true;
    if (json.data[0] != '"')
        return false;
    text = json_unescape(json, arena);
    if (!json_member(result, SPAN_LITERAL("isBase64Encoded"), &flag) ||
        !span_equal(flag, SPAN_LITERAL("true"))) {
        buffer_append(&answer->body, text);
        return true;
    }
    if (text.len > 0 &&
        mbedtls_base64_decode(buffer_reserve(&answer->body, text.len), text.len, &len, text.data, text.len))
        return false;
    buffer_grown(&answer->body, len);
    return true;
}

/* Three digits, as a number or as text. */
static bool read_status(struct span json, enum http_status *ret_status)
{
    char digits[4] = "";
    if (json.len == 5 && json.data[0] == '"')
        json = span_of(json.data + 1, 3);
    if (json.len != 3)
        return false;
    memcpy(digits, json.data, 3);
    int status = strspn(digits, "0123456789") == 3 ? atoi(digits) : 0;
    *ret_status = (enum http_status)status;
    return status >= 200 && status <= 599;
}

/* A member that may be null or not there. Its JSON is bounded, not only what it adds to the answer: what is
 * dropped or said twice costs time too. */
static bool read_member(struct span result, struct span name, struct arena *arena, struct http_answer *answer,
                        bool (*read)(struct span json, struct arena *arena, struct http_answer *answer))
{
    struct span json;
    return !json_member(result, name, &json) || span_equal(json, SPAN_LITERAL("null")) ||
           (json.len <= HTTP_ANSWER_HEADERS_JSON_BYTES && read(json, arena, answer));
}

static bool read_whole(struct span result, enum config_http_form form, struct arena *arena,
                       struct http_answer *answer)
{
    struct span type =
        form == CONFIG_REST_API ? SPAN_LITERAL("application/json") : SPAN_LITERAL("text/plain;charset=UTF-8");
    bool is_second = form == CONFIG_HTTP_API;
    bool good = is_second || read_member(result, SPAN_LITERAL("multiValueHeaders"), arena, answer,
                                         read_multi_value_headers);
    good = good && read_member(result, SPAN_LITERAL("headers"), arena, answer, read_headers);
    if (is_second)
        good = good && read_member(result, SPAN_LITERAL("cookies"), arena, answer, read_cookies);
    if (!answer->has_type)
        append_line(&answer->headers, SPAN_LITERAL("Content-Type"), type);
    return good && read_body(result, arena, answer);
}

bool http_answer_read(struct span result, enum config_http_form form, struct http_answer *ret_answer)
{
    struct arena arena = {0};
    struct span status, json = json_trim(result.len > 0 ? result : SPAN_LITERAL("null"));
    size_t fault_at;
    bool good = json_check(json, &fault_at);
    if (good && json.data[0] == '{' && json_member(json, SPAN_LITERAL("statusCode"), &status)) {
        good = read_status(status, &ret_answer->status) && read_whole(json, form, &arena, ret_answer);
    } else if (good && form == CONFIG_HTTP_API) {
        ret_answer->status = HTTP_OK;
        append_line(&ret_answer->headers, SPAN_LITERAL("Content-Type"), SPAN_LITERAL("application/json"));
        buffer_append(&ret_answer->body, json.data[0] == '"' ? json_unescape(json, &arena) : json);
    } else {
        good = false;
    }
    buffer_append(&ret_answer->headers, span_of("", 1));
    arena_fini(&arena);
    return good;
}

void http_answer_fini(struct http_answer *answer)
{
    buffer_fini(&answer->headers);
    buffer_fini(&answer->body);
}
