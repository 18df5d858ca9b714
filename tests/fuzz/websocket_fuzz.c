/*
 * Arbitrary bytes as frames: what they carry is never more than they are, is the
 * same wherever they are cut, and ends for the same reason. What is sent back to
 * them is frames of a Server.
 */
#include "net/websocket.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_output(struct span bytes)
{
    struct reader reader = reader_of(bytes);
    while (reader_left(&reader) > 0) {
        uint8_t first = read_u8(&reader);
        uint8_t length = read_u8(&reader);
        if ((first != 0x82 && first != 0x88 && first != 0x8a) || length > 127)
            abort();
        read_bytes(&reader, length < 126 ? length : read_integer(&reader, length == 126 ? 2 : 8));
    }
    if (reader.failed)
        abort();
}

/* Payload, then the last answer: Pong and Close. */
static struct buffer read_in_pieces(struct span input, size_t piece_bytes)
{
    struct websocket *websocket = websocket_new(1000);
    struct buffer script = {0}, echo = {0};
    while (input.len > 0) {
        size_t len = input.len < piece_bytes ? input.len : piece_bytes;
        uint8_t *copy = malloc(len); /* of this size alone, so that AddressSanitizer sees its end */
        memcpy(copy, input.data, len);
        size_t payload_len = websocket_decode(websocket, copy, len);
        if (payload_len > len)
            abort();
        buffer_append(&script, span_of(copy, payload_len));
        free(copy);
        websocket_rest(websocket);
        input = span_skip(input, len);
    }
    buffer_append(&echo, buffer_span(&script));
    websocket_encode(websocket, &echo);
    if (websocket_ended(websocket))
        websocket_goodbye(websocket);
    check_output(buffer_span(websocket_output(websocket)));
    buffer_append(&script, buffer_span(websocket_output(websocket)));
    websocket_free(websocket);
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
