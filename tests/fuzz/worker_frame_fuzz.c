/*
 * Arbitrary bytes as what a worker wrote: every frame that decodes must encode to
 * the bytes that it came from, and what does not must be refused without a read
 * past the end.
 */
#include "invoke/worker_protocol.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode_back(const struct worker_frame *frame, struct span bytes)
{
    struct worker_frame_parts parts;
    if (worker_frame_encode(frame, &parts) || parts.len != bytes.len)
        abort();
    struct reader reader = reader_of(bytes);
    if (!span_equal(read_bytes(&reader, parts.head_len), span_of(parts.head, parts.head_len)))
        abort();
    for (size_t i = 0; i < WORKER_FRAME_TAIL_COUNT; i++) {
        if (!span_equal(read_bytes(&reader, parts.tails[i].len), parts.tails[i]))
            abort();
    }
}

static void decode_all(struct span input, enum worker_peer sender)
{
    struct worker_frame frame;
    size_t len;
    while (worker_frame_decode(input, sender, &frame, &len) == SLUICE_OK) {
        encode_back(&frame, span_of(input.data, len));
        input = span_skip(input, len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode_all(span_of(data, size), WORKER_PEER_WORKER);
    decode_all(span_of(data, size), WORKER_PEER_GATEWAY);
    return 0;
}
