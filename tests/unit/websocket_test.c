/* net/websocket.h: rows of frames, each cut at every place. What the Server sends is read back here by hand.
 */
#include "base/memory.h"
#include "net/websocket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum {
    FRAME_BYTES_MAX = 70000,
    FIN = 0x80,
    RSV1 = 0x40, /* permessage-deflate's */
    RSV2 = 0x20,
    RSV3 = 0x10,
    CONTINUATION = 0,
    TEXT = 1,
    BINARY = 2,
    CLOSE = 8,
    PING = 9,
    PONG = 10,
    MASKED = 0x80,
    NO_STATUS = 1005, /* as RFC 6455 numbers a Close without one */
    OPEN = 0,
};

/* ---- The Client's side ---- */

static void append_byte(struct buffer *out, unsigned byte)
{
    buffer_append(out, span_of(&(uint8_t){(uint8_t)byte}, 1));
}

static void append_masked(struct buffer *out, unsigned first, struct span payload)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t len = payload.len;
    append_byte(out, first);
    append_byte(out, MASKED | (unsigned)(len < 126 ? len : len < 65536 ? 126 : 127));
    for (int shift = len < 126 ? -8 : len < 65536 ? 8 : 56; shift >= 0; shift -= 8)
        append_byte(out, (unsigned)(len >> shift) & 0xff);
    buffer_append(out, span_of(mask, sizeof mask));
    for (size_t i = 0; i < len; i++)
        append_byte(out, payload.data[i] ^ mask[i % 4]);
}

/* ---- The Server's side ---- */

struct heard {
    struct buffer payload;
    struct buffer pongs; /* their payloads, each with a full stop behind it */
    size_t frame_count;
    unsigned status; /* of its Close, or OPEN */
};

static void forget(struct heard *heard)
{
    buffer_fini(&heard->payload);
    buffer_fini(&heard->pongs);
}

static void hear(struct span bytes, struct heard *heard)
{
    struct reader reader = reader_of(bytes);
    while (reader_left(&reader) > 0) {
        unsigned first = read_u8(&reader), length = read_u8(&reader);
        assert_true(length <= 127 && heard->status == OPEN); /* no mask, and nothing behind a Close */
        uint64_t len = length < 126 ? length : read_integer(&reader, length == 126 ? 2 : 8);
        assert_true(length < 126 || len > (length == 126 ? 125 : 65535)); /* the shortest form */
        struct span payload = read_bytes(&reader, len);
        if (first == (FIN | BINARY)) {
            buffer_append(&heard->payload, payload);
            heard->frame_count++;
        } else if (first == (FIN | PONG)) {
            buffer_append(&heard->pongs, payload);
            append_byte(&heard->pongs, '.');
        } else {
            assert_int_equal(first, FIN | CLOSE);
            assert_true(len == 0 || len == 2);
            heard->status = len == 0 ? NO_STATUS : (unsigned)(payload.data[0] << 8 | payload.data[1]);
        }
    }
    assert_false(reader.failed);
}

/* Decodes a copy of `bytes`; what they carry is added to `payload`. */
static void decode(struct websocket *websocket, struct span bytes, struct buffer *payload)
{
    struct buffer copy = {0};
    buffer_append(&copy, bytes);
    size_t len = websocket_decode(websocket, copy.data, bytes.len);
    assert_true(len <= bytes.len);
    buffer_append(payload, span_of(copy.data, len));
    websocket_rest(websocket);
    buffer_fini(&copy);
}

static void check(const char *name, size_t cut, struct span is, struct span expected)
{
    if (!span_equal(is, expected))
        fail_msg("%s, cut at %zu: \"%.*s\"", name, cut, (int)is.len, (const char *)is.data);
}

/* Gives the bytes in two pieces, then takes what the Server says to them. */
static void answer(struct span bytes, size_t cut, struct buffer *payload, struct heard *heard)
{
    struct websocket *websocket = websocket_new(FRAME_BYTES_MAX);
    struct buffer nothing = {0};
    decode(websocket, span_of(bytes.data, cut), payload);
    decode(websocket, span_skip(bytes, cut), payload);
    websocket_encode(websocket, &nothing);
    if (websocket_ended(websocket))
        websocket_goodbye(websocket);
    hear(buffer_span(websocket_output(websocket)), heard);
    websocket_free(websocket);
}

/* ---- Tests ---- */

enum { FRAMES_A_ROW = 4 };

/* HOSTILE 53, 55, 56: what frames carry, and what ends the connection with which status. */
static void frames_are_one_stream_wherever_they_are_cut(void **state)
{
#define BYTES(text) SPAN_LITERAL(text)
    static const struct {
        const char *name;
        struct {
            unsigned first;
            struct span payload;
        } frames[FRAMES_A_ROW];
        struct span payload, pongs;
        unsigned status;
    } rows[] = {
        {"one", {{FIN | BINARY, BYTES("ab")}}, BYTES("ab"), BYTES(""), OPEN},
        {"an empty one",
         {{FIN | BINARY, BYTES("")}, {FIN | BINARY, BYTES("a")}},
         BYTES("a"),
         BYTES(""),
         OPEN},
        {"[MQTT-6.0.0-2] a packet over three frames",
         {{FIN | BINARY, BYTES("\xc0")}, {FIN | BINARY, BYTES("\0\xc0")}, {FIN | BINARY, BYTES("\0")}},
         BYTES("\xc0\0\xc0\0"),
         BYTES(""),
         OPEN},
        {"[MQTT-6.0.0-2] two packets in one",
         {{FIN | BINARY, BYTES("\xc0\0\xc0\0")}},
         BYTES("\xc0\0\xc0\0"),
         BYTES(""),
         OPEN},
        {"fragments",
         {{BINARY, BYTES("ab")}, {CONTINUATION, BYTES("")}, {FIN | CONTINUATION, BYTES("c")}},
         BYTES("abc"),
         BYTES(""),
         OPEN},
        {"a Ping between fragments",
         {{BINARY, BYTES("ab")}, {FIN | PING, BYTES("p")}, {FIN | CONTINUATION, BYTES("c")}},
         BYTES("abc"),
         BYTES("p."),
         OPEN},
        {"the last of three Pings",
         {{FIN | PING, BYTES("1")}, {FIN | PING, BYTES("")}, {FIN | PING, BYTES("33")}},
         BYTES(""),
         BYTES("33."),
         OPEN},
        {"a Pong is ignored",
         {{FIN | PING, BYTES("1")}, {FIN | PONG, BYTES("xyz")}, {FIN | BINARY, BYTES("a")}},
         BYTES("a"),
         BYTES("1."),
         OPEN},
        {"Close, and what comes behind it",
         {{FIN | BINARY, BYTES("a")}, {FIN | CLOSE, BYTES("\x03\xe8")}, {FIN | BINARY, BYTES("b")}},
         BYTES("a"),
         BYTES(""),
         1000},
        {"Close with a reason", {{FIN | CLOSE, BYTES("\x03\xe9going")}}, BYTES(""), BYTES(""), 1001},
        {"Close with a status of the application",
         {{FIN | CLOSE, BYTES("\x0b\xb8")}},
         BYTES(""),
         BYTES(""),
         3000},
        {"Close without a status", {{FIN | CLOSE, BYTES("")}}, BYTES(""), BYTES(""), NO_STATUS},
        {"Close with half a status", {{FIN | CLOSE, BYTES("\x03")}}, BYTES(""), BYTES(""), 1002},
        {"Close with a status that is never sent",
         {{FIN | CLOSE, BYTES("\x03\xed")}},
         BYTES(""),
         BYTES(""),
         1002},
        {"Close with one of TLS", {{FIN | CLOSE, BYTES("\x03\xf7")}}, BYTES(""), BYTES(""), 1002},
        {"Close with one that is none", {{FIN | CLOSE, BYTES("\0\0")}}, BYTES(""), BYTES(""), 1002},
        {"[MQTT-6.0.0-1] text",
         {{FIN | BINARY, BYTES("a")}, {FIN | TEXT, BYTES("b")}},
         BYTES("a"),
         BYTES(""),
         1003},
        {"[MQTT-6.0.0-1] the beginning of a text", {{TEXT, BYTES("b")}}, BYTES(""), BYTES(""), 1003},
        {"deflated", {{FIN | RSV1 | BINARY, BYTES("a")}}, BYTES(""), BYTES(""), 1002},
        {"the second reserved bit", {{FIN | RSV2 | BINARY, BYTES("a")}}, BYTES(""), BYTES(""), 1002},
        {"the third, of a Ping", {{FIN | RSV3 | PING, BYTES("a")}}, BYTES(""), BYTES(""), 1002},
        {"a reserved opcode", {{FIN | 3, BYTES("a")}}, BYTES(""), BYTES(""), 1002},
        {"a reserved control opcode", {{FIN | 11, BYTES("a")}}, BYTES(""), BYTES(""), 1002},
        {"a fragmented Ping", {{PING, BYTES("a")}}, BYTES(""), BYTES(""), 1002},
        {"a fragmented Close", {{CLOSE, BYTES("\x03\xe8")}}, BYTES(""), BYTES(""), 1002},
        {"a continuation of nothing", {{FIN | CONTINUATION, BYTES("a")}}, BYTES(""), BYTES(""), 1002},
        {"a continuation behind the end",
         {{BINARY, BYTES("a")}, {FIN | CONTINUATION, BYTES("b")}, {CONTINUATION, BYTES("c")}},
         BYTES("ab"),
         BYTES(""),
         1002},
        {"a message in a message",
         {{BINARY, BYTES("a")}, {FIN | BINARY, BYTES("b")}},
         BYTES("a"),
         BYTES(""),
         1002},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer bytes = {0};
        for (size_t j = 0; j < FRAMES_A_ROW && rows[i].frames[j].payload.data; j++)
            append_masked(&bytes, rows[i].frames[j].first, rows[i].frames[j].payload);
        for (size_t cut = 0; cut <= buffer_len(&bytes); cut++) {
            struct buffer payload = {0};
            struct heard heard = {0};
            answer(buffer_span(&bytes), cut, &payload, &heard);
            check(rows[i].name, cut, buffer_span(&payload), rows[i].payload);
            check(rows[i].name, cut, buffer_span(&heard.pongs), rows[i].pongs);
            if (heard.status != rows[i].status)
                fail_msg("%s, cut at %zu: status %u", rows[i].name, cut, heard.status);
            buffer_fini(&payload);
            forget(&heard);
        }
        buffer_fini(&bytes);
    }
}

/* HOSTILE 53: unmasked frames and lengths that nobody can mean. */
static void headers_that_may_not_be(void **state)
{
    static const struct {
        const char *name;
        struct span bytes;
        unsigned status;
    } rows[] = {
        {"unmasked", BYTES("\x82\x01x"), 1002},
        {"unmasked and empty", BYTES("\x82\0"), 1002},
        {"an unmasked Close", BYTES("\x88\0"), 1002},
        {"a Ping of 126 bytes", BYTES("\x89\xfe\0\x7e\0\0\0\0p"), 1002},
        {"2^63 bytes", BYTES("\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0x"), 1002},
        {"2^64 - 1 bytes", BYTES("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x"), 1002},
        {"2^63 - 1 bytes", BYTES("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x"), 1009},
        {"one over the bound", BYTES("\x82\xff\0\0\0\0\0\x01\x11\x71\0\0\0\0x"), 1009},
        {"one over it, of a continuation", BYTES("\x02\x80\0\0\0\0\x80\xff\0\0\0\0\0\x01\x11\x71\0\0\0\0x"),
         1009},
        {"the bound", BYTES("\x82\xff\0\0\0\0\0\x01\x11\x70\0\0\0\0"), OPEN},
        {"a length in too many bytes", BYTES("\x82\xfe\0\x7d\0\0\0\0x"), 1002},
        {"in far too many", BYTES("\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0x"), 1002},
        {"half a header", BYTES("\x82\xff\0\0\0\0\0\x01"), OPEN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t cut = 0; cut <= rows[i].bytes.len; cut++) {
            struct buffer payload = {0};
            struct heard heard = {0};
            answer(rows[i].bytes, cut, &payload, &heard);
            check(rows[i].name, cut, buffer_span(&payload), SPAN_EMPTY);
            if (heard.status != rows[i].status)
                fail_msg("%s, cut at %zu: status %u", rows[i].name, cut, heard.status);
            forget(&heard);
        }
    }
}

static struct buffer pattern(size_t len)
{
    struct buffer bytes = {0};
    for (size_t i = 0; i < len; i++)
        append_byte(&bytes, (unsigned)(i * 7 + i / 251) & 0xff);
    return bytes;
}

/* Lengths around each form of the header and around what wslay takes at once, in pieces of several sizes. */
static void payload_of_every_length_comes_through(void **state)
{
    static const size_t lengths[] = {0, 1, 125, 126, 127, 4095, 4096, 4097, 65535, 65536, FRAME_BYTES_MAX};
    static const size_t pieces[] = {1, 3, 4096, 1 << 20};
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct buffer original = pattern(lengths[i]), bytes = {0};
        append_masked(&bytes, FIN | BINARY, buffer_span(&original));
        append_masked(&bytes, FIN | BINARY, SPAN_LITERAL("end"));
        buffer_append(&original, SPAN_LITERAL("end"));
        for (size_t j = 0; j < sizeof pieces / sizeof *pieces; j++) {
            struct websocket *websocket = websocket_new(FRAME_BYTES_MAX);
            struct buffer payload = {0};
            for (struct span rest = buffer_span(&bytes); rest.len > 0;) {
                size_t len = rest.len < pieces[j] ? rest.len : pieces[j];
                decode(websocket, span_of(rest.data, len), &payload);
                rest = span_skip(rest, len);
            }
            assert_false(websocket_ended(websocket));
            assert_true(span_equal(buffer_span(&payload), buffer_span(&original)));
            buffer_fini(&payload);
            websocket_free(websocket);
        }
        buffer_fini(&bytes);
        buffer_fini(&original);
    }
}

static void output_is_one_binary_frame(void **state)
{
    static const size_t lengths[] = {0, 1, 125, 126, 65535, 65536, 1 << 20};
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct websocket *websocket = websocket_new(FRAME_BYTES_MAX);
        struct buffer original = pattern(lengths[i]), payload = pattern(lengths[i]);
        struct heard heard = {0};
        websocket_encode(websocket, &payload);
        assert_int_equal(buffer_len(&payload), 0);
        websocket_goodbye(websocket);
        websocket_goodbye(websocket); /* once */
        hear(buffer_span(websocket_output(websocket)), &heard);
        assert_true(span_equal(buffer_span(&heard.payload), buffer_span(&original)));
        assert_int_equal(heard.frame_count, lengths[i] > 0);
        assert_int_equal(heard.status, 1000);
        forget(&heard);
        buffer_fini(&original);
        websocket_free(websocket);
    }
}

static void a_flood_of_pings_has_one_answer(void **state)
{
    struct websocket *websocket = websocket_new(FRAME_BYTES_MAX);
    struct buffer pings = {0}, payload = {0}, nothing = {0};
    struct heard heard = {0};
    (void)state;
    for (int i = 0; i < 10000; i++)
        append_masked(&pings, FIN | PING, SPAN_LITERAL("0123456789"));
    decode(websocket, buffer_span(&pings), &payload);
    websocket_encode(websocket, &nothing);
    websocket_encode(websocket, &nothing);
    hear(buffer_span(websocket_output(websocket)), &heard);
    check("pings", 0, buffer_span(&heard.pongs), SPAN_LITERAL("0123456789."));
    forget(&heard);
    buffer_fini(&pings);
    websocket_free(websocket);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_one_stream_wherever_they_are_cut),
        cmocka_unit_test(headers_that_may_not_be),
        cmocka_unit_test(payload_of_every_length_comes_through),
        cmocka_unit_test(output_is_one_binary_frame),
        cmocka_unit_test(a_flood_of_pings_has_one_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
