/*
 * The Server's side of HTTP/1.1 (RFC 9112) for one connection: bytes become
 * requests, one at a time; the next one is begun only when the one before was
 * answered (http_next), so pipelined requests are answered in order. Responses
 * are written into a buffer.
 *
 * Sans-I/O; owned by one thread. A request, and every span of it, is a view that
 * lives until http_next. Memory: the head and the body as they arrive, within
 * struct http_limits; between two requests none.
 *
 * It takes what RFC 9112 lets a client send, and nothing that two readers could
 * read differently: a bare CR or LF, NUL and other control characters, folded
 * lines, white space before a colon, Content-Length that is repeated, signed or
 * beside Transfer-Encoding, any other Transfer-Encoding than chunked, no Host or
 * two, chunk sizes that are not plain hexadecimal. It is our own parser because
 * http-parser, as Debian builds it, takes most of these. After a refusal where
 * the next request begins is unknown: answer it, and close.
 */
#ifndef SLUICE_NET_HTTP_H
#define SLUICE_NET_HTTP_H

#include "base/buffer.h"
#include "sluice/error.h"

enum {
    HTTP_HEADERS_MAX = 64,
    HTTP_CHUNK_LINE_BYTES_MAX = 256, /* a chunk's size with its extensions, which are ignored */
};

enum http_status {
    HTTP_SWITCHING_PROTOCOLS = 101,
    HTTP_OK = 200,
    HTTP_ACCEPTED = 202,
    HTTP_NO_CONTENT = 204,
    HTTP_NOT_MODIFIED = 304,
    HTTP_BAD_REQUEST = 400,
    HTTP_UNAUTHORIZED = 401,
    HTTP_FORBIDDEN = 403,
    HTTP_NOT_FOUND = 404,
    HTTP_METHOD_NOT_ALLOWED = 405,
    HTTP_REQUEST_TIMEOUT = 408,
    HTTP_CONTENT_TOO_LARGE = 413,
    HTTP_EXPECTATION_FAILED = 417,
    HTTP_UPGRADE_REQUIRED = 426,
    HTTP_TOO_MANY_REQUESTS = 429,
    HTTP_HEADERS_TOO_LARGE = 431,
    HTTP_INTERNAL_SERVER_ERROR = 500,
    HTTP_NOT_IMPLEMENTED = 501,
    HTTP_BAD_GATEWAY = 502,
    HTTP_SERVICE_UNAVAILABLE = 503,
    HTTP_VERSION_NOT_SUPPORTED = 505,
};

struct http_header {
    struct span name, value; /* value: without the white space around it */
};

struct http_request {
    struct span method; /* "GET" */
    struct span path;   /* as it was sent: begins with / and is not decoded */
    struct span query;  /* what follows the first ?, or empty */
    struct span body;
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    bool is_first_version; /* HTTP/1.0 */
    bool keep_alive;       /* the connection may go on after the answer */
};

struct http_refusal {
    enum http_status status;
    const char *text; /* one sentence */
};

struct http_limits {
    uint32_t head_bytes; /* request line and headers, and a chunked body's trailers */
    uint32_t body_bytes;
    /* NULL, or asked for each request of which the head is there: whether its body may come.
     * `announced_bytes` is its Content-Length, UINT64_MAX for one in chunks; *body_bytes is the bound above,
     * and may be changed. False: it is refused with *ret_why. */
    bool (*allow_body)(void *ctx, const struct http_request *head, uint64_t announced_bytes,
                       uint32_t *body_bytes, struct http_refusal *ret_why);
    void *ctx;
};

struct http;

struct http *http_new(const struct http_limits *limits);
void http_free(struct http *http); /* NULL is allowed */

/*
 * Takes bytes from `input` up to the end of one request; *ret_used is how many. SLUICE_OK: ret_request is
 * whole. SLUICE_AGAIN: all is used, call again with more. SLUICE_INVALID: http_why says what to answer;
 * nothing more is taken. A client that asks before it sends its body is told to (100 Continue) in `out`.
 */
enum sluice_error http_input(struct http *http, struct span input, struct buffer *out, size_t *ret_used,
                             const struct http_request **ret_request);
/* The request was answered. */
void http_next(struct http *http);
/* Nothing of a request has come. */
bool http_is_idle(const struct http *http);
struct http_refusal http_why(const struct http *http);
/* The request whose body was refused, without it; NULL: its head could not be read either. */
const struct http_request *http_refused(const struct http *http);

/* ---- What a request says ---- */

/* The value of the header's first line, or an empty span; names are compared as HTTP does. */
struct span http_header(const struct http_request *request, const char *name);
size_t http_header_count(const struct http_request *request, const char *name); /* of its lines */
/* Whether the header, in all its lines, lists the word: `Connection: keep-alive, Upgrade`. */
bool http_header_lists(const struct http_request *request, const char *name, const char *word,
                       bool ignores_case);
/* ASCII letters of either case are the same. */
bool http_same(struct span a, struct span b);

/* Whether it may be the name of a header, or a method. */
bool http_token_valid(struct span text);

/* ---- What is answered ---- */

struct http_response {
    enum http_status status;
    const char *headers; /* whole lines with CRLF, or NULL */
    const char *type;    /* of the body; NULL: the headers say it */
    struct span body;
    bool closes; /* the connection ends after it */
};

/* `request` may be NULL: there was none that could be read. */
void http_respond(const struct http_request *request, const struct http_response *response,
                  struct buffer *out);
const char *http_status_text(enum http_status status);

#endif
