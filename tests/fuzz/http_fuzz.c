/*
 * Arbitrary bytes as what a browser sends: they are requests or refused, and the
 * same wherever they are cut. A request that was taken has no character that
 * could forge a line, and its handshake is answered.
 */
#include "net/http.h"
#include "net/websocket_upgrade.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((text.data[i] < ' ' && text.data[i] != '\t') || text.data[i] == 0x7f)
            abort();
    }
}

static void add(struct buffer *script, struct span span)
{
    char len[32];
    buffer_append(script, span_of(len, (size_t)snprintf(len, sizeof len, "%zu:", span.len)));
    buffer_append(script, span);
}

static void add_request(const struct http_request *request, struct buffer *script)
{
    struct buffer answer = {0};
    struct http_refusal why;
    check_text(request->method);
    check_text(request->path);
    check_text(request->query);
    add(script, request->method);
    add(script, request->path);
    add(script, request->query);
    add(script, request->body);
    for (size_t i = 0; i < request->header_count; i++) {
        check_text(request->headers[i].name);
        check_text(request->headers[i].value);
        add(script, request->headers[i].name);
        add(script, request->headers[i].value);
    }
    if (websocket_upgrade_check(request, "mqtt", &why) == SLUICE_OK)
        websocket_upgrade_accept(request, "mqtt", &answer);
    buffer_fini(&answer);
}

/* What came of the bytes, in pieces of so many. */
static struct buffer read_in_pieces(struct span input, size_t piece_bytes)
{
    struct http *http = http_new(&(struct http_limits){.head_bytes = 2048, .body_bytes = 512});
    struct buffer script = {0};
    bool refused = false;
    while (input.len > 0 && !refused) {
        const struct http_request *request;
        size_t used;
        struct span piece = span_of(input.data, input.len < piece_bytes ? input.len : piece_bytes);
        enum sluice_error error = http_input(http, piece, &script, &used, &request);
        if (used > piece.len || (error == SLUICE_AGAIN && used != piece.len))
            abort();
        input = span_skip(input, used);
        refused = error == SLUICE_INVALID;
        if (refused)
            add(&script, span_from_string(http_why(http).text));
        if (error == SLUICE_OK) {
            add_request(request, &script);
            http_next(http);
        }
    }
    http_free(http);
    return script;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer whole = read_in_pieces(span_of(data, size), SIZE_MAX);
    for (size_t piece_bytes = 1; piece_bytes < 16; piece_bytes += 6) {
        struct buffer pieces = read_in_pieces(span_of(data, size), piece_bytes);
        if (!span_equal(buffer_span(&whole), buffer_span(&pieces)))
            abort();
        buffer_fini(&pieces);
    }
    buffer_fini(&whole);
    return 0;
}
