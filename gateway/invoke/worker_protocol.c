#include "invoke/worker_protocol.h"

enum {
    HEADER_BYTES = 13, /* length, type, invocation */
    LENGTH_BYTES = 4,
    INVOKE_FIXED_BYTES = 12,
    READY_FIXED_BYTES = 8,
    ERROR_FIXED_BYTES = 11,
    LOG_FIXED_BYTES = 1,
    PUBLISH_FIXED_BYTES = 5,
    PUBLISHED_BYTES = 1,
};

/* One row a frame type; the index is the type. */
static const struct {
    enum worker_peer sender;
    uint32_t body_min;
    uint32_t body_max;
} frames[] = {
    [WORKER_INIT] = {WORKER_PEER_GATEWAY, 0, WORKER_INIT_BYTES_MAX},
    [WORKER_INVOKE] = {WORKER_PEER_GATEWAY, INVOKE_FIXED_BYTES,
                       INVOKE_FIXED_BYTES + WORKER_CONTEXT_BYTES_MAX + WORKER_PAYLOAD_BYTES_MAX},
    [WORKER_SHUTDOWN] = {WORKER_PEER_GATEWAY, 0, 0},
    [WORKER_READY] = {WORKER_PEER_WORKER, READY_FIXED_BYTES, READY_FIXED_BYTES},
    [WORKER_RESULT] = {WORKER_PEER_WORKER, 0, WORKER_PAYLOAD_BYTES_MAX},
    [WORKER_ERROR] = {WORKER_PEER_WORKER, ERROR_FIXED_BYTES,
                      ERROR_FIXED_BYTES + WORKER_ERROR_TYPE_BYTES_MAX + WORKER_TEXT_BYTES_MAX +
                          WORKER_PAYLOAD_BYTES_MAX},
    [WORKER_LOG] = {WORKER_PEER_WORKER, LOG_FIXED_BYTES, LOG_FIXED_BYTES + WORKER_TEXT_BYTES_MAX},
    [WORKER_PUBLISH] = {WORKER_PEER_WORKER, PUBLISH_FIXED_BYTES,
                        PUBLISH_FIXED_BYTES + WORKER_TOPIC_BYTES_MAX + WORKER_PROPERTIES_BYTES_MAX +
                            WORKER_PAYLOAD_BYTES_MAX},
    [WORKER_PUBLISHED] = {WORKER_PEER_GATEWAY, PUBLISHED_BYTES, PUBLISHED_BYTES},
};

enum { FRAME_TYPE_COUNT = sizeof frames / sizeof frames[0] };

/* A byte string of at most max bytes; longer ones fail the reader. */
static struct span read_bounded(struct reader *reader, size_t len, size_t max)
{
    if (len > max) {
        reader_fail(reader);
        return SPAN_EMPTY;
    }
    return read_bytes(reader, len);
}

static struct span read_bounded_rest(struct reader *reader, size_t max)
{
    return read_bounded(reader, reader_left(reader), max);
}

static void read_invoke(struct reader *reader, struct worker_frame *frame)
{
    frame->invoke.deadline_ms = read_u64(reader);
    frame->invoke.context = read_bounded(reader, read_u32(reader), WORKER_CONTEXT_BYTES_MAX);
    frame->invoke.event = read_bounded_rest(reader, WORKER_PAYLOAD_BYTES_MAX);
    if (frame->invocation == 0)
        reader_fail(reader);
}

static void read_ready(struct reader *reader, struct worker_frame *frame)
{
    frame->ready.concurrency = read_u32(reader);
    frame->ready.init_ms = read_u32(reader);
}

static void read_error(struct reader *reader, struct worker_frame *frame)
{
    uint8_t kind = read_u8(reader);
    if (kind > WORKER_ERROR_TIMEOUT)
        reader_fail(reader);
    frame->error.kind = kind;
    frame->error.retry_after_ms = read_u32(reader);
    uint16_t type_len = read_u16(reader);
    uint32_t message_len = read_u32(reader);
    frame->error.type = read_bounded(reader, type_len, WORKER_ERROR_TYPE_BYTES_MAX);
    frame->error.message = read_bounded(reader, message_len, WORKER_TEXT_BYTES_MAX);
    frame->error.payload = read_bounded_rest(reader, WORKER_PAYLOAD_BYTES_MAX);
}

static void read_log(struct reader *reader, struct worker_frame *frame)
{
    uint8_t level = read_u8(reader);
    if (level > WORKER_LOG_ERROR)
        reader_fail(reader);
    frame->log.level = level;
    frame->log.text = read_rest(reader);
}

static void read_publish(struct reader *reader, struct worker_frame *frame)
{
    uint8_t retain = read_u8(reader);
    uint16_t topic_len = read_u16(reader), properties_len = read_u16(reader);
    frame->publish.retain = retain == 1;
    frame->publish.topic = read_bytes(reader, topic_len);
    frame->publish.properties = read_bytes(reader, properties_len);
    frame->publish.payload = read_bounded_rest(reader, WORKER_PAYLOAD_BYTES_MAX);
    if (retain > 1 || frame->invocation == 0)
        reader_fail(reader);
}

static void read_published(struct reader *reader, struct worker_frame *frame)
{
    uint8_t outcome = read_u8(reader);
    frame->published = outcome;
    if (outcome > WORKER_PUBLISHED_FULL || frame->invocation == 0)
        reader_fail(reader);
}

static void read_body(struct reader *reader, struct worker_frame *frame)
{
    switch (frame->type) {
    case WORKER_INIT: frame->init = read_rest(reader); break;
    case WORKER_INVOKE: read_invoke(reader, frame); break;
    case WORKER_SHUTDOWN: break;
    case WORKER_READY: read_ready(reader, frame); break;
    case WORKER_RESULT: frame->result = read_rest(reader); break;
    case WORKER_ERROR: read_error(reader, frame); break;
    case WORKER_LOG: read_log(reader, frame); break;
    case WORKER_PUBLISH: read_publish(reader, frame); break;
    case WORKER_PUBLISHED: read_published(reader, frame); break;
    }
}

enum sluice_error worker_frame_decode(struct span input, enum worker_peer sender,
                                      struct worker_frame *ret_frame, size_t *ret_len)
{
    *ret_len = 0;
    struct reader reader = reader_of(input);
    uint32_t len = read_u32(&reader);
    uint8_t type = read_u8(&reader);
    if (reader.failed)
        return SLUICE_AGAIN;
    if (type == 0 || type >= FRAME_TYPE_COUNT || frames[type].sender != sender)
        return SLUICE_INVALID;
    if (len < HEADER_BYTES - LENGTH_BYTES + frames[type].body_min)
        return SLUICE_INVALID;
    if (len > HEADER_BYTES - LENGTH_BYTES + frames[type].body_max)
        return SLUICE_TOO_LARGE;
    size_t frame_len = LENGTH_BYTES + (size_t)len;
    *ret_len = frame_len;
    if (input.len < frame_len)
        return SLUICE_AGAIN;

    struct worker_frame frame = {.type = type};
    reader = reader_of(span_of(input.data + LENGTH_BYTES + 1, len - 1));
    frame.invocation = read_u64(&reader);
    read_body(&reader, &frame);
    if (reader.failed)
        return SLUICE_INVALID;
    *ret_frame = frame;
    return SLUICE_OK;
}

/* The fixed fields of the body go to `head`, its byte strings to ret_parts->tails. */
static bool write_body(struct writer *head, const struct worker_frame *frame, struct span *tails)
{
    switch (frame->type) {
    case WORKER_INIT: tails[0] = frame->init; return frame->init.len <= WORKER_INIT_BYTES_MAX;
    case WORKER_INVOKE:
        write_u64(head, frame->invoke.deadline_ms);
        write_u32(head, (uint32_t)frame->invoke.context.len);
        tails[0] = frame->invoke.context;
        tails[1] = frame->invoke.event;
        return tails[0].len <= WORKER_CONTEXT_BYTES_MAX && tails[1].len <= WORKER_PAYLOAD_BYTES_MAX;
    case WORKER_SHUTDOWN: return true;
    case WORKER_READY:
        write_u32(head, frame->ready.concurrency);
        write_u32(head, frame->ready.init_ms);
        return true;
    case WORKER_RESULT: tails[0] = frame->result; return frame->result.len <= WORKER_PAYLOAD_BYTES_MAX;
    case WORKER_ERROR:
        write_u8(head, (uint8_t)frame->error.kind);
        write_u32(head, frame->error.retry_after_ms);
        write_u16(head, (uint16_t)frame->error.type.len);
        write_u32(head, (uint32_t)frame->error.message.len);
        tails[0] = frame->error.type;
        tails[1] = frame->error.message;
        tails[2] = frame->error.payload;
        return tails[0].len <= WORKER_ERROR_TYPE_BYTES_MAX && tails[1].len <= WORKER_TEXT_BYTES_MAX &&
               tails[2].len <= WORKER_PAYLOAD_BYTES_MAX;
    case WORKER_LOG:
        write_u8(head, (uint8_t)frame->log.level);
        tails[0] = frame->log.text;
        return frame->log.text.len <= WORKER_TEXT_BYTES_MAX;
    case WORKER_PUBLISH:
        write_u8(head, frame->publish.retain);
        write_u16(head, (uint16_t)frame->publish.topic.len);
        write_u16(head, (uint16_t)frame->publish.properties.len);
        tails[0] = frame->publish.topic;
        tails[1] = frame->publish.properties;
        tails[2] = frame->publish.payload;
        return tails[0].len <= WORKER_TOPIC_BYTES_MAX && tails[1].len <= WORKER_PROPERTIES_BYTES_MAX &&
               tails[2].len <= WORKER_PAYLOAD_BYTES_MAX;
    case WORKER_PUBLISHED: write_u8(head, (uint8_t)frame->published); return true;
    }
    return false;
}

enum sluice_error worker_frame_encode(const struct worker_frame *frame, struct worker_frame_parts *ret_parts)
{
    struct worker_frame_parts parts = {0};
    struct writer body = writer_of(parts.head + HEADER_BYTES, sizeof parts.head - HEADER_BYTES);
    if (!write_body(&body, frame, parts.tails))
        return SLUICE_TOO_LARGE;
    parts.head_len = HEADER_BYTES + writer_len(&body);
    parts.len = parts.head_len;
    for (size_t i = 0; i < WORKER_FRAME_TAIL_COUNT; i++)
        parts.len += parts.tails[i].len;

    struct writer header = writer_of(parts.head, HEADER_BYTES);
    write_u32(&header, (uint32_t)(parts.len - LENGTH_BYTES));
    write_u8(&header, (uint8_t)frame->type);
    write_u64(&header, frame->invocation);
    *ret_parts = parts;
    return SLUICE_OK;
}
