/* The codec of handlers/PROTOCOL.md: every frame there and back, in pieces; and what it refuses. */
#include "invoke/worker_protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FRAME_BYTES_MAX = 256 };

static const struct {
    const char *name;
    enum worker_peer sender;
    struct worker_frame frame;
} frames[] = {
    {"init", WORKER_PEER_GATEWAY, {.type = WORKER_INIT, .init = SPAN_LITERAL("{\"protocol\":1}")}},
    {"invoke",
     WORKER_PEER_GATEWAY,
     {.type = WORKER_INVOKE,
      .invocation = 0x0102030405060708,
      .invoke = {1700000000123, SPAN_LITERAL("{\"requestId\":\"a\"}"), SPAN_LITERAL("[1,2]")}}},
    {"invoke, empty", WORKER_PEER_GATEWAY, {.type = WORKER_INVOKE, .invocation = UINT64_MAX}},
    {"shutdown", WORKER_PEER_GATEWAY, {.type = WORKER_SHUTDOWN}},
    {"ready", WORKER_PEER_WORKER, {.type = WORKER_READY, .ready = {1000, 250}}},
    {"publish",
     WORKER_PEER_WORKER,
     {.type = WORKER_PUBLISH,
      .invocation = 4,
      .publish = {true, SPAN_LITERAL("a/b"), SPAN_LITERAL("\1\1"), SPAN_LITERAL("payload")}}},
    {"published",
     WORKER_PEER_GATEWAY,
     {.type = WORKER_PUBLISHED, .invocation = 4, .published = WORKER_PUBLISHED_FULL}},
    {"ready for nothing now", WORKER_PEER_WORKER, {.type = WORKER_READY, .ready = {0, 0}}},
    {"result", WORKER_PEER_WORKER, {.type = WORKER_RESULT, .invocation = 7, .result = SPAN_LITERAL("null")}},
    {"result, empty", WORKER_PEER_WORKER, {.type = WORKER_RESULT, .invocation = 7}},
    {"error",
     WORKER_PEER_WORKER,
     {.type = WORKER_ERROR,
      .invocation = 9,
      .error = {WORKER_ERROR_THROTTLED, 1500, SPAN_LITERAL("TooManyRequestsException"),
                SPAN_LITERAL("Rate Exceeded."), SPAN_LITERAL("{}")}}},
    {"log", WORKER_PEER_WORKER, {.type = WORKER_LOG, .log = {WORKER_LOG_ERROR, SPAN_LITERAL("text")}}},
};

static struct span encode(const struct worker_frame *frame, uint8_t *memory, size_t capacity)
{
    struct worker_frame_parts parts;
    assert_int_equal(worker_frame_encode(frame, &parts), SLUICE_OK);
    struct writer writer = writer_of(memory, capacity);
    write_bytes(&writer, span_of(parts.head, parts.head_len));
    for (size_t i = 0; i < WORKER_FRAME_TAIL_COUNT; i++)
        write_bytes(&writer, parts.tails[i]);
    assert_int_equal(writer_span(&writer).len, parts.len);
    return writer_span(&writer);
}

static void assert_bodies_equal(const struct worker_frame *a, const struct worker_frame *b)
{
    switch (a->type) {
    case WORKER_INIT: assert_true(span_equal(a->init, b->init)); break;
    case WORKER_INVOKE:
        assert_int_equal(a->invoke.deadline_ms, b->invoke.deadline_ms);
        assert_true(span_equal(a->invoke.context, b->invoke.context));
        assert_true(span_equal(a->invoke.event, b->invoke.event));
        break;
    case WORKER_SHUTDOWN: break;
    case WORKER_READY:
        assert_int_equal(a->ready.concurrency, b->ready.concurrency);
        assert_int_equal(a->ready.init_ms, b->ready.init_ms);
        break;
    case WORKER_RESULT: assert_true(span_equal(a->result, b->result)); break;
    case WORKER_ERROR:
        assert_int_equal(a->error.kind, b->error.kind);
        assert_int_equal(a->error.retry_after_ms, b->error.retry_after_ms);
        assert_true(span_equal(a->error.type, b->error.type));
        assert_true(span_equal(a->error.message, b->error.message));
        assert_true(span_equal(a->error.payload, b->error.payload));
        break;
    case WORKER_PUBLISH:
        assert_int_equal(a->publish.retain, b->publish.retain);
        assert_true(span_equal(a->publish.topic, b->publish.topic));
        assert_true(span_equal(a->publish.properties, b->publish.properties));
        assert_true(span_equal(a->publish.payload, b->publish.payload));
        break;
    case WORKER_PUBLISHED: assert_int_equal(a->published, b->published); break;
    case WORKER_LOG:
        assert_int_equal(a->log.level, b->log.level);
        assert_true(span_equal(a->log.text, b->log.text));
        break;
    }
}

static void every_frame_survives_in_pieces_of_any_size(void **state)
{
    (void)state;
    for (size_t row = 0; row < sizeof frames / sizeof frames[0]; row++) {
        uint8_t memory[FRAME_BYTES_MAX];
        struct span bytes = encode(&frames[row].frame, memory, sizeof memory);
        for (size_t there = 0; there <= bytes.len; there++) {
            uint8_t *exact = malloc(there + 1); /* so that the sanitizer sees a read past the end */
            assert_non_null(exact);
            uint8_t *piece = exact + 1; /* the byte before is another frame's */
            memcpy(piece, bytes.data, there);
            struct worker_frame frame;
            size_t len;
            enum sluice_error error =
                worker_frame_decode(span_of(piece, there), frames[row].sender, &frame, &len);
            assert_int_equal(error, there < bytes.len ? SLUICE_AGAIN : SLUICE_OK);
            assert_int_equal(len, there < 5 ? 0 : bytes.len);
            if (!error) {
                assert_int_equal(frame.type, frames[row].frame.type);
                assert_int_equal(frame.invocation, frames[row].frame.invocation);
                assert_bodies_equal(&frame, &frames[row].frame);
            }
            free(exact);
        }
    }
}

static void a_frame_from_the_wrong_side_is_refused(void **state)
{
    (void)state;
    for (size_t row = 0; row < sizeof frames / sizeof frames[0]; row++) {
        uint8_t memory[FRAME_BYTES_MAX];
        struct worker_frame frame;
        size_t len;
        enum worker_peer other =
            frames[row].sender == WORKER_PEER_GATEWAY ? WORKER_PEER_WORKER : WORKER_PEER_GATEWAY;
        assert_int_equal(
            worker_frame_decode(encode(&frames[row].frame, memory, sizeof memory), other, &frame, &len),
            SLUICE_INVALID);
    }
}

#define HEADER(length, type) "\0\0\0" length type "\0\0\0\0\0\0\0\1"

static const struct {
    const char *name;
    enum worker_peer sender;
    struct span bytes;
    enum sluice_error error;
} refused[] = {
    {"type 0", WORKER_PEER_WORKER, SPAN_LITERAL(HEADER("\x09", "\0")), SLUICE_INVALID},
    {"type 10", WORKER_PEER_WORKER, SPAN_LITERAL(HEADER("\x09", "\x0a")), SLUICE_INVALID},
    {"publish without its fields", WORKER_PEER_WORKER, SPAN_LITERAL(HEADER("\x0d", "\x08") "\0\0\1\0"),
     SLUICE_INVALID},
    {"publish whose topic is longer than it", WORKER_PEER_WORKER,
     SPAN_LITERAL(HEADER("\x0e", "\x08") "\0\0\1\0\0"), SLUICE_INVALID},
    {"published with a fourth outcome", WORKER_PEER_GATEWAY, SPAN_LITERAL(HEADER("\x0a", "\x09") "\3"),
     SLUICE_INVALID},
    {"length of 0", WORKER_PEER_WORKER, SPAN_LITERAL(HEADER("\0", "\5")), SLUICE_INVALID},
    {"length without an invocation", WORKER_PEER_WORKER, SPAN_LITERAL(HEADER("\x08", "\5")), SLUICE_INVALID},
    {"4 GiB result", WORKER_PEER_WORKER, SPAN_LITERAL("\xff\xff\xff\xff\5"), SLUICE_TOO_LARGE},
    {"result over its bound", WORKER_PEER_WORKER, SPAN_LITERAL("\x00\x60\x00\x6e\5"), SLUICE_TOO_LARGE},
    {"ready that is short", WORKER_PEER_WORKER, SPAN_LITERAL(HEADER("\x10", "\4") "\0\0\0\1\0\0\0"),
     SLUICE_INVALID},
    {"ready that is long", WORKER_PEER_WORKER, SPAN_LITERAL(HEADER("\x12", "\4") "\0\0\0\1\0\0\0\0\0"),
     SLUICE_TOO_LARGE},
    {"error of an unknown kind", WORKER_PEER_WORKER,
     SPAN_LITERAL(HEADER("\x14", "\6") "\4\0\0\0\0\0\0\0\0\0\0"), SLUICE_INVALID},
    {"error type past the end", WORKER_PEER_WORKER,
     SPAN_LITERAL(HEADER("\x14", "\6") "\0\0\0\0\0\0\1\0\0\0\0"), SLUICE_INVALID},
    {"error message past the end", WORKER_PEER_WORKER,
     SPAN_LITERAL(HEADER("\x14", "\6") "\0\0\0\0\0\0\0\xff\xff\xff\xff"), SLUICE_INVALID},
    {"log of an unknown level", WORKER_PEER_WORKER, SPAN_LITERAL(HEADER("\x0a", "\7") "\4"), SLUICE_INVALID},
    {"shutdown with a body", WORKER_PEER_GATEWAY, SPAN_LITERAL(HEADER("\x0a", "\3") "x"), SLUICE_TOO_LARGE},
    {"context past the end", WORKER_PEER_GATEWAY,
     SPAN_LITERAL(HEADER("\x15", "\2") "\0\0\0\0\0\0\0\0\0\0\0\1"), SLUICE_INVALID},
    {"invocation 0", WORKER_PEER_GATEWAY,
     SPAN_LITERAL("\0\0\0\x15\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), SLUICE_INVALID},
};

static void broken_frames_are_refused(void **state)
{
    (void)state;
    for (size_t row = 0; row < sizeof refused / sizeof refused[0]; row++) {
        struct worker_frame frame = {.invocation = 4711};
        size_t len;
        print_message("  %s\n", refused[row].name);
        assert_int_equal(worker_frame_decode(refused[row].bytes, refused[row].sender, &frame, &len),
                         refused[row].error);
        assert_int_equal(frame.invocation, 4711);
    }
}

static void what_is_over_its_bound_is_not_encoded(void **state)
{
    (void)state;
    static const uint8_t some[1];
    struct worker_frame_parts parts;
    struct worker_frame invoke = {.type = WORKER_INVOKE, .invocation = 1};
    invoke.invoke.event = span_of(some, WORKER_PAYLOAD_BYTES_MAX);
    assert_int_equal(worker_frame_encode(&invoke, &parts), SLUICE_OK);
    invoke.invoke.event.len++;
    assert_int_equal(worker_frame_encode(&invoke, &parts), SLUICE_TOO_LARGE);
    struct worker_frame error = {.type = WORKER_ERROR, .invocation = 1};
    error.error.type = span_of(some, WORKER_ERROR_TYPE_BYTES_MAX + 1);
    assert_int_equal(worker_frame_encode(&error, &parts), SLUICE_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_survives_in_pieces_of_any_size),
        cmocka_unit_test(a_frame_from_the_wrong_side_is_refused),
        cmocka_unit_test(broken_frames_are_refused),
        cmocka_unit_test(what_is_over_its_bound_is_not_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
