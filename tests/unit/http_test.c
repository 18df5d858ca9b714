/* net/http.h: rows of bytes and what they are, each cut at every place. */
#include "base/memory.h"
#include "net/http.h"
#include "net/websocket_upgrade.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { HEAD_BYTES = 512, BODY_BYTES = 16, SCRIPT_BYTES = 2048 };

/* What http_input made of the bytes, one line a request: METHOD PATH [?QUERY] [BODY], ` close` if it ends the
 * connection; `!STATUS` for a refusal; `...` for a request that is not whole. */
struct script {
    char text[SCRIPT_BYTES];
    size_t len;
    struct buffer out;
};

static void add(struct script *script, const char *text, struct span span)
{
    int len = snprintf(script->text + script->len, sizeof script->text - script->len, "%s%.*s", text,
                       (int)span.len, (const char *)span.data);
    script->len += (size_t)len;
    assert_true(script->len < sizeof script->text);
}

static void add_request(struct script *script, const struct http_request *request)
{
    add(script, script->len > 0 ? "\n" : "", request->method);
    add(script, " ", request->path);
    if (request->query.len > 0)
        add(script, " ?", request->query);
    if (request->body.len > 0)
        add(script, " ", request->body);
    if (!request->keep_alive)
        add(script, " close", SPAN_EMPTY);
}

/* False: it was refused. */
static bool feed(struct http *http, struct span input, struct script *script)
{
    const struct http_request *request;
    size_t used;
    while (input.len > 0) {
        enum sluice_error error = http_input(http, input, &script->out, &used, &request);
        input = span_skip(input, used);
        if (error == SLUICE_INVALID) {
            char status[16];
            snprintf(status, sizeof status, "%s!%d", script->len > 0 ? "\n" : "", http_why(http).status);
            add(script, status, SPAN_EMPTY);
            return false;
        }
        if (error == SLUICE_OK) {
            add_request(script, request);
            http_next(http);
        } else {
            assert_int_equal(input.len, 0); /* all is used */
        }
    }
    return true;
}

static void read_cut_at(struct span input, size_t cut, struct script *script)
{
    struct http *http = http_new(&(struct http_limits){.head_bytes = HEAD_BYTES, .body_bytes = BODY_BYTES});
    *script = (struct script){.len = 0};
    if (feed(http, span_of(input.data, cut), script) && feed(http, span_skip(input, cut), script) &&
        !http_is_idle(http))
        add(script, script->len > 0 ? "\n..." : "...", SPAN_EMPTY);
    http_free(http);
}

static void one_byte_at_a_time(struct span input, struct script *script)
{
    struct http *http = http_new(&(struct http_limits){.head_bytes = HEAD_BYTES, .body_bytes = BODY_BYTES});
    *script = (struct script){.len = 0};
    for (size_t i = 0; i < input.len && feed(http, span_of(input.data + i, 1), script); i++)
        ;
    if (!http_is_idle(http) && !strchr(script->text, '!'))
        add(script, script->len > 0 ? "\n..." : "...", SPAN_EMPTY);
    http_free(http);
}

#define HOST    "Host: a\r\n"
#define CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
#define ROW(name, input, script)                                                                             \
    {                                                                                                        \
        name, SPAN_LITERAL(input), script                                                                    \
    }

struct row {
    const char *name;
    struct span input;
    const char *script;
};

static void check_everywhere(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct script script;
        for (size_t cut = 0; cut <= rows[i].input.len; cut++) {
            read_cut_at(rows[i].input, cut, &script);
            if (strcmp(script.text, rows[i].script) != 0)
                fail_msg("%s, cut at %zu: %s", rows[i].name, cut, script.text);
        }
        one_byte_at_a_time(rows[i].input, &script);
        if (strcmp(script.text, rows[i].script) != 0)
            fail_msg("%s, byte by byte: %s", rows[i].name, script.text);
    }
}

static void bytes_become_requests_wherever_they_are_cut(void **state)
{
    static const struct row rows[] = {
        ROW("the least", "GET / HTTP/1.1\r\n" HOST "\r\n", "GET /"),
        ROW("path and query", "GET /a/b%20c?d=e?f HTTP/1.1\r\n" HOST "\r\n", "GET /a/b%20c ?d=e?f"),
        ROW("body by its length", "POST /x HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", "POST /x abc"),
        ROW("no body", "POST /x HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "POST /x"),
        ROW("the largest body", "POST / HTTP/1.1\r\n" HOST "Content-Length: 16\r\n\r\n0123456789abcdef",
            "POST / 0123456789abcdef"),
        ROW("a body over the bound", "POST / HTTP/1.1\r\n" HOST "Content-Length: 17\r\n\r\n0123456789abcdefg",
            "!413"),
        ROW("a body that is not whole", "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nab", "..."),
        ROW("chunks", CHUNKED "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", "POST / abc0123456789"),
        ROW("chunks with trailers", CHUNKED "1\r\na\r\n0\r\nT: u\r\nV: w\r\n\r\n", "POST / a"),
        ROW("no chunk", CHUNKED "0\r\n\r\n", "POST /"),
        ROW("chunks over the bound", CHUNKED "9\r\n012345678\r\n8\r\n01234567\r\n0\r\n\r\n", "!413"),
        ROW("a chunk that claims all there is", CHUNKED "ffffffffffffffff\r\n", "!400"),
        ROW("one that claims nearly so", CHUNKED "fffffffffffffff\r\n", "!413"),
        ROW("pipelined",
            "GET /1 HTTP/1.1\r\n" HOST "\r\nPOST /2 HTTP/1.1\r\n" HOST
            "Content-Length: 1\r\n\r\nxGET /3 HTTP/1.1\r\n" HOST "\r\n",
            "GET /1\nPOST /2 x\nGET /3"),
        ROW("after chunks the next", CHUNKED "1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
            "POST / a\nGET /"),
        ROW("the client closes", "GET / HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\n", "GET / close"),
        ROW("HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "GET / close"),
        ROW("blanks around a value", "GET / HTTP/1.1\r\nHost:\t a \t\r\n\r\n", "GET /"),
        ROW("text beyond ASCII in a value", "GET / HTTP/1.1\r\n" HOST "X: \xc3\xa4\r\n\r\n", "GET /"),
    };
    (void)state;
    check_everywhere(rows, sizeof rows / sizeof *rows);
}

/* What two readers could read differently, and what is no HTTP. */
static void what_could_be_smuggled_is_refused_wherever_it_is_cut(void **state)
{
    static const struct row rows[] = {
        ROW("length and chunks",
            "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "!400"),
        ROW("two lengths", "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
            "!400"),
        ROW("a list of lengths", "POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\na", "!400"),
        ROW("a signed length", "POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\na", "!400"),
        ROW("an empty length", "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\na", "!400"),
        ROW("a length of 19 digits",
            "POST / HTTP/1.1\r\n" HOST "Content-Length: 0000000000000000001\r\n\r\na", "!400"),
        ROW("another encoding", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n",
            "!501"),
        ROW("nearly chunked", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", "!501"),
        ROW("two encodings",
            "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "!400"),
        ROW("chunks before HTTP/1.1", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "!400"),
        ROW("a blank before the colon", "POST / HTTP/1.1\r\n" HOST "Content-Length : 1\r\n\r\na", "!400"),
        ROW("a folded line", "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", "!400"),
        ROW("a folded first line", "GET / HTTP/1.1\r\n X: a\r\n" HOST "\r\n", "!400"),
        ROW("a bare LF", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "!400"),
        ROW("nothing but bare LFs", "GET / HTTP/1.1\nHost: a\n\n", "!400"),
        ROW("a bare CR", "GET / HTTP/1.1\r\n" HOST "X: a\rY: b\r\n\r\n", "!400"),
        ROW("a NUL in a value", "GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n", "!400"),
        ROW("a NUL in a name", "GET / HTTP/1.1\r\n" HOST "X\0: a\r\n\r\n", "!400"),
        ROW("a NUL in the path", "GET /\0 HTTP/1.1\r\n" HOST "\r\n", "!400"),
        ROW("a control character", "GET / HTTP/1.1\r\n" HOST "X: \x1b[2J\r\n\r\n", "!400"),
        ROW("a header without a name", "GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n", "!400"),
        ROW("a header without a colon", "GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", "!400"),
        ROW("no Host", "GET / HTTP/1.1\r\n\r\n", "!400"),
        ROW("two Hosts", "GET / HTTP/1.1\r\n" HOST "Host: b\r\n\r\n", "!400"),
        ROW("an empty line first", "\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "!400"),
        ROW("two empty lines", "\r\n\r\n", "!400"),
        ROW("another version", "GET / HTTP/2.0\r\n" HOST "\r\n", "!505"),
        ROW("no version", "GET /\r\n" HOST "\r\n", "!400"),
        ROW("two blanks", "GET  / HTTP/1.1\r\n" HOST "\r\n", "!400"),
        ROW("a whole URL", "GET http://a/ HTTP/1.1\r\n" HOST "\r\n", "!400"),
        ROW("no path", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "!400"),
        ROW("a method that is none", "G(T / HTTP/1.1\r\n" HOST "\r\n", "!400"),
        ROW("a byte beyond ASCII in the path", "GET /\x80 HTTP/1.1\r\n" HOST "\r\n", "!400"),
        ROW("an expectation", "GET / HTTP/1.1\r\n" HOST "Expect: cake\r\n\r\n", "!417"),
        ROW("a chunk's size with a sign", CHUNKED "+3\r\nabc\r\n", "!400"),
        ROW("a chunk's size in C", CHUNKED "0x3\r\nabc\r\n", "!400"),
        ROW("a blank after a chunk's size", CHUNKED "3 \r\nabc\r\n", "!400"),
        ROW("an empty chunk's size", CHUNKED "\r\nabc\r\n", "!400"),
        ROW("a chunk's size with a bare LF", CHUNKED "3\nabc\r\n0\r\n\r\n", "!400"),
        ROW("a chunk's size with a bare CR", CHUNKED "3\rX\r\nabc\r\n", "!400"),
        ROW("a chunk that is longer", CHUNKED "3\r\nabcd\r\n0\r\n\r\n", "!400"),
        ROW("a chunk with a bare LF behind it", CHUNKED "3\r\nabc\n0\r\n\r\n", "!400"),
        ROW("a trailer with a NUL", CHUNKED "0\r\nX: \0\r\n\r\n", "!400"),
        ROW("MQTT", "\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0\n\r\n", "!400"),
    };
    (void)state;
    check_everywhere(rows, sizeof rows / sizeof *rows);
}

/* HOSTILE 57: 64 KB of headers. Each bound is the last that is taken. */
static void heads_lines_and_trailers_are_bounded(void **state)
{
    static const struct {
        const char *name, *begin, *repeated, *end;
        size_t count;
        const char *script;
    } rows[] = {
        {"a long value", "GET / HTTP/1.1\r\n" HOST "X: ", "x", "\r\n\r\n", HEAD_BYTES - 32, "GET /"},
        {"one longer", "GET / HTTP/1.1\r\n" HOST "X: ", "x", "\r\n\r\n", HEAD_BYTES - 31, "!431"},
        {"64 KB of a line", "GET / HTTP/1.1\r\n" HOST "X: ", "x", "", 65536, "!431"},
        {"64 KB of headers", "GET / HTTP/1.1\r\n" HOST, "X: yyyyyyyy\r\n", "\r\n", 5400, "!431"},
        {"63 headers", "GET / HTTP/1.1\r\n" HOST, "a:\r\n", "\r\n", 63, "GET /"},
        {"64 headers", "GET / HTTP/1.1\r\n" HOST, "a:\r\n", "\r\n", 64, "!431"},
        {"64 KB without a line's end", "", "x", "", 65536, "!431"},
        {"a chunk's line", CHUNKED "1;", "x", "\r\na\r\n0\r\n\r\n", HTTP_CHUNK_LINE_BYTES_MAX - 4,
         "POST / a"},
        {"one longer", CHUNKED "1;", "x", "\r\na\r\n0\r\n\r\n", HTTP_CHUNK_LINE_BYTES_MAX - 3, "!400"},
        {"a chunk's line without end", CHUNKED "1;", "x", "", 65536, "!400"},
        {"trailers without end", CHUNKED "0\r\n", "X: y\r\n", "", 1000, "!431"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer input = {0};
        struct script whole, pieces;
        buffer_append(&input, span_from_string(rows[i].begin));
        for (size_t j = 0; j < rows[i].count; j++)
            buffer_append(&input, span_from_string(rows[i].repeated));
        buffer_append(&input, span_from_string(rows[i].end));
        read_cut_at(buffer_span(&input), 0, &whole);
        one_byte_at_a_time(buffer_span(&input), &pieces);
        if (strcmp(whole.text, rows[i].script) != 0 || strcmp(pieces.text, rows[i].script) != 0)
            fail_msg("%s: %s, byte by byte %s", rows[i].name, whole.text, pieces.text);
        buffer_fini(&input);
    }
}

static void a_client_that_asks_first_is_told_to_go_on(void **state)
{
    static const struct {
        struct span input;
        const char *out;
    } rows[] = {
        {SPAN_LITERAL("POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n"),
         "HTTP/1.1 100 Continue\r\n\r\n"},
        {SPAN_LITERAL("POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 99\r\n\r\n"), ""},
        {SPAN_LITERAL("GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n"), ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct script script;
        read_cut_at(rows[i].input, rows[i].input.len, &script);
        assert_true(span_equal(buffer_span(&script.out), span_from_string(rows[i].out)));
        buffer_fini(&script.out);
    }
}

static void responses_are_framed(void **state)
{
    static const struct http_request head = {.method = {(const uint8_t *)"HEAD", 4}};
    static const struct {
        const char *name;
        const struct http_request *request;
        struct http_response response;
        const char *out;
    } rows[] = {
        {"with a body",
         NULL,
         {HTTP_NOT_FOUND, NULL, "text/plain", {(const uint8_t *)"no", 2}, false},
         "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno"},
        {"the last, with a header",
         NULL,
         {HTTP_METHOD_NOT_ALLOWED, "Allow: GET\r\n", "text/plain", {(const uint8_t *)"no", 2}, true},
         "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
         "Connection: close\r\n\r\nno"},
        {"to HEAD",
         &head,
         {HTTP_NOT_FOUND, NULL, "text/plain", {(const uint8_t *)"no", 2}, false},
         "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer out = {0};
        http_respond(rows[i].request, &rows[i].response, &out);
        if (!span_equal(buffer_span(&out), span_from_string(rows[i].out)))
            fail_msg("%s: %.*s", rows[i].name, (int)buffer_len(&out), (const char *)buffer_span(&out).data);
        buffer_fini(&out);
    }
}

/* ---- WebSocket's handshake ---- */

#define UPGRADE    "Upgrade: websocket\r\n"
#define CONNECTION "Connection: keep-alive, Upgrade\r\n"
#define VERSION    "Sec-WebSocket-Version: 13\r\n"
#define KEY        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define PROTOCOL   "Sec-WebSocket-Protocol: mqttv3.1, mqtt\r\n"

/* HOSTILE 57: HTTP/1.0 knows no upgrade. */
static void no_websocket_over_the_first_version(void **state)
{
    (void)state;
    struct http *http = http_new(&(struct http_limits){.head_bytes = HEAD_BYTES});
    const struct http_request *request = NULL;
    struct http_refusal why = {HTTP_SWITCHING_PROTOCOLS, NULL};
    struct buffer out = {0};
    size_t used;
    const struct span text =
        SPAN_LITERAL("GET /mqtt HTTP/1.0\r\n" HOST UPGRADE CONNECTION VERSION KEY PROTOCOL "\r\n");
    assert_int_equal(http_input(http, text, &out, &used, &request), SLUICE_OK);
    assert_int_equal(websocket_upgrade_check(request, "mqtt", &why), SLUICE_INVALID);
    assert_int_equal(why.status, HTTP_UPGRADE_REQUIRED);
    buffer_fini(&out);
    http_free(http);
}

/* HOSTILE 57: no `mqtt` subprotocol. The key and its answer are RFC 6455's own. */
static void websocket_handshakes(void **state)
{
    static const struct {
        const char *name, *headers;
        int status;
    } rows[] = {
        {"[MQTT-6.0.0-3] all there", UPGRADE CONNECTION VERSION KEY PROTOCOL, 101},
        {"an extension is offered",
         UPGRADE CONNECTION VERSION KEY PROTOCOL
         "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
         101},
        {"in other letters", "UPGRADE: WebSocket\r\nconnection: upgrade\r\n" VERSION KEY PROTOCOL, 101},
        {"in two lines",
         UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: mqtt\r\n", 101},
        {"a plain GET", "", 426},
        {"to another protocol", "Upgrade: h2c\r\n" CONNECTION VERSION KEY PROTOCOL, 426},
        {"no version", UPGRADE CONNECTION KEY PROTOCOL, 426},
        {"an old version", UPGRADE CONNECTION "Sec-WebSocket-Version: 8\r\n" KEY PROTOCOL, 426},
        {"Connection does not name it", UPGRADE "Connection: keep-alive\r\n" VERSION KEY PROTOCOL, 400},
        {"no key", UPGRADE CONNECTION VERSION PROTOCOL, 400},
        {"two keys", UPGRADE CONNECTION VERSION KEY KEY PROTOCOL, 400},
        {"two versions", UPGRADE CONNECTION VERSION VERSION KEY PROTOCOL, 426},
        {"a short key", UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n" PROTOCOL, 400},
        {"a key of 18 bytes",
         UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWVl\r\n" PROTOCOL, 400},
        {"a key that is none",
         UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j(Q==\r\n" PROTOCOL, 400},
        {"[MQTT-6.0.0-3] no subprotocol", UPGRADE CONNECTION VERSION KEY, 400},
        {"[MQTT-6.0.0-3] others", UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: mqttv3.1, MQTT\r\n",
         400},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http *http = http_new(&(struct http_limits){.head_bytes = HEAD_BYTES});
        const struct http_request *request = NULL;
        struct http_refusal why = {HTTP_SWITCHING_PROTOCOLS, NULL};
        struct buffer text = {0}, out = {0};
        size_t used;
        buffer_append(&text, SPAN_LITERAL("GET /mqtt HTTP/1.1\r\n" HOST));
        buffer_append(&text, span_from_string(rows[i].headers));
        buffer_append(&text, SPAN_LITERAL("\r\n"));
        assert_int_equal(http_input(http, buffer_span(&text), &out, &used, &request), SLUICE_OK);
        if (websocket_upgrade_check(request, "mqtt", &why) == SLUICE_OK)
            websocket_upgrade_accept(request, "mqtt", &out);
        if ((int)why.status != rows[i].status)
            fail_msg("%s: %d %s", rows[i].name, why.status, why.text);
        struct span answer = SPAN_LITERAL("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                          "Connection: Upgrade\r\n"
                                          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                          "Sec-WebSocket-Protocol: mqtt\r\n\r\n"); /* [MQTT-6.0.0-4] */
        assert_true(span_equal(buffer_span(&out), rows[i].status == 101 ? answer : SPAN_EMPTY));
        buffer_fini(&out);
        buffer_fini(&text);
        http_free(http);
    }
}

/* As the gateway does it: a path of its own has its own bound, and one is refused. */
static bool allow_by_path(void *ctx, const struct http_request *head, uint64_t announced_bytes,
                          uint32_t *body_bytes, struct http_refusal *ret_why)
{
    *(uint64_t *)ctx = announced_bytes;
    if (span_equal(head->path, SPAN_LITERAL("/large")))
        *body_bytes = 2 * BODY_BYTES;
    if (!span_equal(head->path, SPAN_LITERAL("/full")))
        return true;
    *ret_why = (struct http_refusal){HTTP_TOO_MANY_REQUESTS, "there are too many"};
    return false;
}

static void a_body_is_asked_about_before_it_comes(void **state)
{
    static const struct {
        struct span input;
        const char *script;
        uint64_t announced_bytes;
    } rows[] = {
        {SPAN_LITERAL("POST /large HTTP/1.1\r\n" HOST "Content-Length: 17\r\n\r\n0123456789abcdefg"),
         "POST /large 0123456789abcdefg", 17},
        {SPAN_LITERAL("POST /large HTTP/1.1\r\n" HOST "Content-Length: 33\r\n\r\n"), "!413", 33},
        {SPAN_LITERAL("POST / HTTP/1.1\r\n" HOST "Content-Length: 17\r\n\r\n"), "!413", 17},
        {SPAN_LITERAL("POST /large HTTP/1.1\r\n" HOST
                      "Transfer-Encoding: chunked\r\n\r\n11\r\n0123456789abcdefg\r\n0\r\n\r\n"),
         "POST /large 0123456789abcdefg", UINT64_MAX},
        {SPAN_LITERAL("POST /full HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx"), "!429", 1},
        {SPAN_LITERAL("GET /full HTTP/1.1\r\n" HOST "\r\n"), "!429", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t announced_bytes = 12345;
        struct http *http = http_new(&(struct http_limits){.head_bytes = HEAD_BYTES,
                                                           .body_bytes = BODY_BYTES,
                                                           .allow_body = allow_by_path,
                                                           .ctx = &announced_bytes});
        struct script script = {.len = 0};
        feed(http, rows[i].input, &script);
        assert_string_equal(script.text, rows[i].script);
        assert_int_equal(announced_bytes, rows[i].announced_bytes);
        http_free(http);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_become_requests_wherever_they_are_cut),
        cmocka_unit_test(what_could_be_smuggled_is_refused_wherever_it_is_cut),
        cmocka_unit_test(heads_lines_and_trailers_are_bounded),
        cmocka_unit_test(a_client_that_asks_first_is_told_to_go_on),
        cmocka_unit_test(a_body_is_asked_about_before_it_comes),
        cmocka_unit_test(responses_are_framed),
        cmocka_unit_test(no_websocket_over_the_first_version),
        cmocka_unit_test(websocket_handshakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
