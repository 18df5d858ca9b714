#include "net/http_head.h"

/* ---- Characters ---- */

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

bool http_same(struct span a, struct span b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    }
    return true;
}

bool http_token_valid(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = lower(text.data[i]);
        bool is_word = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
        if (!is_word && (byte == 0 || !strchr("!#$%&'*+-.^_`|~", byte)))
            return false;
    }
    return text.len > 0;
}

static bool is_target(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f)
            return false;
    }
    return text.len > 0 && text.data[0] == '/';
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static struct span trim(struct span text)
{
    while (text.len > 0 && is_blank(text.data[0]))
        text = span_skip(text, 1);
    while (text.len > 0 && is_blank(text.data[text.len - 1]))
        text.len--;
    return text;
}

/* Up to the first `end`, which goes too; all, if there is none. */
static struct span take_until(struct span *rest, char end)
{
    const uint8_t *at = rest->len > 0 ? memchr(rest->data, end, rest->len) : NULL;
    struct span part = span_of(rest->data, at ? (size_t)(at - rest->data) : rest->len);
    *rest = span_skip(*rest, part.len + (at != NULL));
    return part;
}

bool http_take_line(struct span *rest, struct span *ret_line)
{
    struct span line = take_until(rest, '\n');
    if (line.len == 0 || line.data[line.len - 1] != '\r')
        return false;
    line.len--;
    for (size_t i = 0; i < line.len; i++) {
        if ((line.data[i] < ' ' && line.data[i] != '\t') || line.data[i] == 0x7f)
            return false;
    }
    *ret_line = line;
    return true;
}

/* ---- Headers ---- */

struct span http_header(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (http_same(request->headers[i].name, span_from_string(name)))
            return request->headers[i].value;
    }
    return SPAN_EMPTY;
}

bool http_header_lists(const struct http_request *request, const char *name, const char *word,
                       bool ignores_case)
{
    struct span wanted = span_from_string(word);
    for (size_t i = 0; i < request->header_count; i++) {
        if (!http_same(request->headers[i].name, span_from_string(name)))
            continue;
        for (struct span list = request->headers[i].value; list.len > 0;) {
            struct span item = trim(take_until(&list, ','));
            if (ignores_case ? http_same(item, wanted) : span_equal(item, wanted))
                return true;
        }
    }
    return false;
}

size_t http_header_count(const struct http_request *request, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++)
        count += http_same(request->headers[i].name, span_from_string(name));
    return count;
}

/* ---- The head ---- */

static enum sluice_error refuse(struct http_refusal *ret_why, enum http_status status, const char *text)
{
    *ret_why = (struct http_refusal){status, text};
    return SLUICE_INVALID;
}

static enum sluice_error parse_request_line(struct span line, struct http_request *request,
                                            bool *ret_is_first_version, struct http_refusal *ret_why)
{
    struct span method = take_until(&line, ' '), target = take_until(&line, ' '), version = line;
    if (!http_token_valid(method) || !is_target(target) || !span_starts_with(version, SPAN_LITERAL("HTTP/")))
        return refuse(ret_why, HTTP_BAD_REQUEST, "this is no HTTP request line");
    *ret_is_first_version = span_equal(version, SPAN_LITERAL("HTTP/1.0"));
    if (!*ret_is_first_version && !span_equal(version, SPAN_LITERAL("HTTP/1.1")))
        return refuse(ret_why, HTTP_VERSION_NOT_SUPPORTED, "this is a server of HTTP/1.1");
    request->method = method;
    request->path = take_until(&target, '?');
    request->query = target;
    return SLUICE_OK;
}

static enum sluice_error parse_header(struct span line, struct http_request *request,
                                      struct http_refusal *ret_why)
{
    if (request->header_count == HTTP_HEADERS_MAX)
        return refuse(ret_why, HTTP_HEADERS_TOO_LARGE, "the request has too many headers");
    size_t line_len = line.len;
    struct span name = take_until(&line, ':');
    if (name.len == line_len || !http_token_valid(name)) /* a folded line begins with white space: no token */
        return refuse(ret_why, HTTP_BAD_REQUEST, "a header is no name, colon and value");
    request->headers[request->header_count++] = (struct http_header){name, trim(line)};
    return SLUICE_OK;
}

static bool parse_length(struct span text, uint64_t *ret_length)
{
    uint64_t length = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        length = length * 10 + (text.data[i] - '0');
    }
    *ret_length = length;
    return text.len > 0 && text.len <= 18; /* what cannot overflow */
}

static enum sluice_error parse_framing(const struct http_request *request, bool is_first_version,
                                       struct http_framing *ret_framing, struct http_refusal *ret_why)
{
    size_t lengths = http_header_count(request, "Content-Length"),
           encodings = http_header_count(request, "Transfer-Encoding");
    struct http_framing framing = {.chunked = encodings > 0};
    if (lengths + encodings > 1 || (encodings > 0 && is_first_version))
        return refuse(ret_why, HTTP_BAD_REQUEST, "the request says twice where its body ends");
    if (lengths > 0 && !parse_length(http_header(request, "Content-Length"), &framing.body_bytes))
        return refuse(ret_why, HTTP_BAD_REQUEST, "Content-Length is no number");
    if (encodings > 0 && !http_same(http_header(request, "Transfer-Encoding"), SPAN_LITERAL("chunked")))
        return refuse(ret_why, HTTP_NOT_IMPLEMENTED, "the only Transfer-Encoding is chunked");
    framing.expects_continue = http_header_count(request, "Expect") > 0;
    if (framing.expects_continue && !http_same(http_header(request, "Expect"), SPAN_LITERAL("100-continue")))
        return refuse(ret_why, HTTP_EXPECTATION_FAILED, "the only expectation is 100-continue");
    *ret_framing = framing;
    return SLUICE_OK;
}

enum sluice_error http_head_parse(struct span head, struct http_request *ret_request,
                                  struct http_framing *ret_framing, struct http_refusal *ret_why)
{
    struct span line = SPAN_EMPTY;
    bool is_first_version = false;
    enum sluice_error error = SLUICE_OK;
    *ret_request = (struct http_request){.header_count = 0};
    for (bool is_request_line = true; !error; is_request_line = false) {
        if (!http_take_line(&head, &line))
            return refuse(ret_why, HTTP_BAD_REQUEST,
                          "a line has a control character or does not end with CRLF");
        if (is_request_line)
            error = parse_request_line(line, ret_request, &is_first_version, ret_why);
        else if (line.len == 0)
            break;
        else
            error = parse_header(line, ret_request, ret_why);
    }
    if (error)
        return error;
    if (!is_first_version && http_header_count(ret_request, "Host") != 1)
        return refuse(ret_why, HTTP_BAD_REQUEST, "the request has no Host, or more than one");
    ret_request->is_first_version = is_first_version;
    ret_request->keep_alive =
        !is_first_version && !http_header_lists(ret_request, "Connection", "close", true);
    return parse_framing(ret_request, is_first_version, ret_framing, ret_why);
}
