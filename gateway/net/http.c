#include "net/http.h"

#include "base/memory.h"
#include "net/http_head.h"

enum state {
    STATE_HEAD,
    STATE_BODY,       /* of Content-Length */
    STATE_CHUNK_LINE, /* its size */
    STATE_CHUNK,
    STATE_CHUNK_END, /* the CRLF after it */
    STATE_TRAILER,
    STATE_WHOLE,
    STATE_REFUSED,
};

struct http {
    struct http_limits limits;
    enum state state;
    struct buffer head;
    size_t searched_bytes; /* of the head, where its end is not */
    struct buffer line;    /* of a chunked body's framing: what has come of it */
    struct buffer body;
    uint32_t body_bytes; /* the bound of this one */
    uint64_t left_bytes; /* of the body, or of the chunk */
    size_t trailer_bytes;
    bool head_is_read;
    struct http_request request;
    struct http_refusal why;
};

struct http *http_new(const struct http_limits *limits)
{
    struct http *http = memory_new(sizeof *http);
    http->limits = *limits;
    return http;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    http_next(http);
    memory_free(http);
}

void http_next(struct http *http)
{
    buffer_fini(&http->head);
    buffer_fini(&http->line);
    buffer_fini(&http->body);
    http->state = STATE_HEAD;
    http->head_is_read = false;
    http->searched_bytes = 0;
    http->trailer_bytes = 0;
}

bool http_is_idle(const struct http *http)
{
    return http->state == STATE_HEAD && buffer_len(&http->head) == 0;
}

struct http_refusal http_why(const struct http *http)
{
    return http->why;
}

const struct http_request *http_refused(const struct http *http)
{
    return http->state == STATE_REFUSED && http->head_is_read ? &http->request : NULL;
}

static void refuse(struct http *http, enum http_status status, const char *text)
{
    http->why = (struct http_refusal){status, text};
    http->state = STATE_REFUSED;
}

static struct span take(struct span *input, uint64_t most)
{
    struct span part = span_of(input->data, input->len < most ? input->len : (size_t)most);
    *input = span_skip(*input, part.len);
    return part;
}

/* ---- The head ---- */

static void begin_body(struct http *http, const struct http_framing *framing, struct buffer *out)
{
    const struct http_limits *limits = &http->limits;
    struct http_refusal why = {HTTP_CONTENT_TOO_LARGE, "the body is too large"};
    http->head_is_read = true;
    http->left_bytes = framing->body_bytes;
    http->body_bytes = limits->body_bytes;
    http->state = framing->chunked ? STATE_CHUNK_LINE : framing->body_bytes > 0 ? STATE_BODY : STATE_WHOLE;
    bool allowed =
        !limits->allow_body ||
        limits->allow_body(limits->ctx, &http->request, framing->chunked ? UINT64_MAX : framing->body_bytes,
                           &http->body_bytes, &why);
    if (!allowed || http->left_bytes > http->body_bytes)
        refuse(http, why.status, why.text);
    else if (framing->expects_continue && http->state != STATE_WHOLE)
        buffer_append(out, SPAN_LITERAL("HTTP/1.1 100 Continue\r\n\r\n"));
}

static bool ends_with(struct span text, struct span end)
{
    return text.len >= end.len && span_equal(span_skip(text, text.len - end.len), end);
}

/* Bytes of the head with its empty line; 0: that has not come. Bare LFs end it too: parsing refuses them. */
static size_t head_end(struct http *http)
{
    struct span head = buffer_span(&http->head);
    while (head.data && http->searched_bytes < head.len) {
        struct span rest = span_skip(head, http->searched_bytes);
        const uint8_t *lf = memchr(rest.data, '\n', rest.len);
        http->searched_bytes = lf ? (size_t)(lf - head.data) + 1 : head.len;
        struct span lines = span_of(head.data, http->searched_bytes);
        if (ends_with(lines, SPAN_LITERAL("\n\r\n")) || ends_with(lines, SPAN_LITERAL("\n\n")))
            return lines.len;
    }
    return 0;
}

static void take_head(struct http *http, struct span *input, struct buffer *out)
{
    struct span arrived = *input;
    size_t before = buffer_len(&http->head);
    buffer_append(&http->head, take(input, http->limits.head_bytes - before));
    size_t end = head_end(http);
    if (end) {
        struct http_framing framing;
        struct span head = span_of(buffer_span(&http->head).data, end);
        *input = span_skip(arrived, end - before); /* what lies behind it stays the caller's */
        if (http_head_parse(head, &http->request, &framing, &http->why))
            http->state = STATE_REFUSED;
        else
            begin_body(http, &framing, out);
    } else if (buffer_len(&http->head) == http->limits.head_bytes) {
        refuse(http, HTTP_HEADERS_TOO_LARGE, "the headers are too large");
    }
}

/* ---- The body ---- */

static void take_body(struct http *http, struct span *input, enum state next)
{
    struct span part = take(input, http->left_bytes);
    buffer_append(&http->body, part);
    http->left_bytes -= part.len;
    if (http->left_bytes == 0)
        http->state = next;
}

static int hex_digit(uint8_t byte)
{
    const char *digits = "0123456789abcdef";
    const char *at = byte ? strchr(digits, byte >= 'A' && byte <= 'F' ? byte | 0x20 : byte) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* A chunk's size; what follows a semicolon is ignored. */
static void begin_chunk(struct http *http, struct span line)
{
    uint64_t size = 0;
    size_t i = 0;
    for (; i < line.len && hex_digit(line.data[i]) >= 0 && i < 15; i++)
        size = size << 4 | (uint64_t)hex_digit(line.data[i]);
    if (i == 0 || (i < line.len && line.data[i] != ';')) {
        refuse(http, HTTP_BAD_REQUEST, "a chunk's size is no hexadecimal number");
    } else if (size > http->body_bytes - buffer_len(&http->body)) {
        refuse(http, HTTP_CONTENT_TOO_LARGE, "the body is too large");
    } else {
        http->left_bytes = size;
        http->state = size > 0 ? STATE_CHUNK : STATE_TRAILER;
    }
}

static void take_framing_line(struct http *http, struct span line)
{
    switch (http->state) {
    case STATE_CHUNK_LINE: begin_chunk(http, line); break;
    case STATE_CHUNK_END:
        if (line.len > 0)
            refuse(http, HTTP_BAD_REQUEST, "a chunk is longer than it says");
        else
            http->state = STATE_CHUNK_LINE;
        break;
    default: /* a trailer: nobody here wants any */
        http->trailer_bytes += line.len + 2;
        if (line.len == 0)
            http->state = STATE_WHOLE;
        else if (http->trailer_bytes > http->limits.head_bytes)
            refuse(http, HTTP_HEADERS_TOO_LARGE, "the trailers are too large");
    }
}

static void take_framing(struct http *http, struct span *input)
{
    const uint8_t *end = memchr(input->data, '\n', input->len);
    struct span part = take(input, end ? (size_t)(end - input->data) + 1 : input->len);
    if (buffer_len(&http->line) + part.len > HTTP_CHUNK_LINE_BYTES_MAX) {
        refuse(http, HTTP_BAD_REQUEST, "a line of the chunked body is too long");
        return;
    }
    buffer_append(&http->line, part);
    if (!end)
        return;
    struct span bytes = buffer_span(&http->line), line;
    if (http_take_line(&bytes, &line))
        take_framing_line(http, line);
    else
        refuse(http, HTTP_BAD_REQUEST, "a line of the chunked body does not end with CRLF");
    buffer_fini(&http->line);
}

/* ---- All of it ---- */

static void step(struct http *http, struct span *input, struct buffer *out)
{
    switch (http->state) {
    case STATE_HEAD: take_head(http, input, out); break;
    case STATE_BODY: take_body(http, input, STATE_WHOLE); break;
    case STATE_CHUNK: take_body(http, input, STATE_CHUNK_END); break;
    default: take_framing(http, input);
    }
}

enum sluice_error http_input(struct http *http, struct span input, struct buffer *out, size_t *ret_used,
                             const struct http_request **ret_request)
{
    struct span rest = input;
    while (rest.len > 0 && http->state < STATE_WHOLE)
        step(http, &rest, out);
    *ret_used = input.len - rest.len;
    if (http->state == STATE_REFUSED)
        return SLUICE_INVALID;
    if (http->state != STATE_WHOLE)
        return SLUICE_AGAIN;
    http->request.body = buffer_span(&http->body);
    *ret_request = &http->request;
    return SLUICE_OK;
}
