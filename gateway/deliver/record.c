#include "deliver/record.h"

#include "base/crc32c.h"
#include "base/digits.h"

#include <assert.h>

enum {
    FIRST_OF_BATCH = 0x80,
    FLAG_QOS = 0x03,
    FLAG_RETAIN = 0x04,
    FLAG_RECEIVED = 0x08,      /* of a target */
    FLAG_HEX_PRINCIPAL = 0x08, /* of a message */
    FLAG_SHARE = 0x10,         /* of a target */
    FLAG_PUBLISHER = 0x10,     /* of a message */
    HEX_PRINCIPAL_DIGITS = 64,
    CRC_BYTES = 4,
};

static const struct span magic = SPAN_LITERAL("SLUICEJ\n");

void segment_header_write(struct buffer *out, const struct segment_header *header)
{
    uint8_t *start = buffer_reserve(out, RECORD_SEGMENT_HEADER_BYTES);
    struct writer writer = writer_of(start, RECORD_SEGMENT_HEADER_BYTES);
    write_bytes(&writer, magic);
    write_u32(&writer, RECORD_VERSION);
    write_u32(&writer, header->number);
    write_u32(&writer, header->previous);
    write_u64(&writer, header->previous_bytes);
    write_u64(&writer, header->first_seq);
    write_u32(&writer, crc32c(0, writer_span(&writer)));
    assert(!writer.failed);
    buffer_grown(out, writer_len(&writer));
}

enum sluice_error segment_header_read(struct span bytes, struct segment_header *ret_header)
{
    struct reader reader = reader_of(bytes);
    bool ours = span_equal(read_bytes(&reader, magic.len), magic);
    uint32_t version = read_u32(&reader);
    struct segment_header header = {.number = read_u32(&reader)};
    header.previous = read_u32(&reader);
    header.previous_bytes = read_u64(&reader);
    header.first_seq = read_u64(&reader);
    uint32_t crc = read_u32(&reader);
    if (reader.failed || !ours)
        return SLUICE_INVALID;
    if (version > RECORD_VERSION && version <= RECORD_VERSION_LAST)
        return SLUICE_NOT_FOUND; /* its header may be another, so there is no CRC to check */
    if (version == 0 || version > RECORD_VERSION ||
        crc != crc32c(0, span_of(bytes.data, RECORD_SEGMENT_HEADER_BYTES - CRC_BYTES)))
        return SLUICE_INVALID;
    *ret_header = header;
    return SLUICE_OK;
}

static uint32_t record_crc(uint32_t segment, struct span after_crc)
{
    uint8_t seed[4];
    struct writer writer = writer_of(seed, sizeof seed);
    write_u32(&writer, segment);
    return crc32c(crc32c(0, writer_span(&writer)), after_crc);
}

struct writer record_begin(struct buffer *out, size_t body_bytes_max)
{
    uint8_t *start = buffer_reserve(out, RECORD_HEADER_BYTES + body_bytes_max);
    return writer_of(start + RECORD_HEADER_BYTES, body_bytes_max);
}

size_t record_end(struct buffer *out, const struct writer *body, uint32_t segment, uint64_t seq,
                  enum record_type type, bool first_of_batch)
{
    assert(!body->failed);
    size_t body_bytes = writer_len(body);
    uint8_t *start = body->start - RECORD_HEADER_BYTES;
    struct writer header = writer_of(start, RECORD_HEADER_BYTES);
    write_u32(&header, 0);
    write_u32(&header, (uint32_t)body_bytes);
    write_u64(&header, seq);
    write_u8(&header, (uint8_t)(type | (first_of_batch ? FIRST_OF_BATCH : 0)));
    size_t bytes = RECORD_HEADER_BYTES + body_bytes;
    struct writer crc = writer_of(start, CRC_BYTES);
    write_u32(&crc, record_crc(segment, span_of(start + CRC_BYTES, bytes - CRC_BYTES)));
    buffer_grown(out, bytes);
    return bytes;
}

uint32_t record_body_bytes(const uint8_t *header)
{
    struct reader reader = reader_of(span_of(header + CRC_BYTES, 4));
    return read_u32(&reader);
}

bool record_read(struct span bytes, uint32_t segment, struct record *ret_record)
{
    struct reader reader = reader_of(bytes);
    uint32_t crc = read_u32(&reader);
    uint32_t body_bytes = read_u32(&reader);
    uint64_t seq = read_u64(&reader);
    uint8_t type = read_u8(&reader);
    struct span body = read_bytes(&reader, body_bytes);
    if (reader.failed || (type & ~FIRST_OF_BATCH) == 0 || seq > RECORD_SEQ_MAX)
        return false;
    size_t whole = RECORD_HEADER_BYTES + body.len;
    if (crc != record_crc(segment, span_of(bytes.data + CRC_BYTES, whole - CRC_BYTES)))
        return false;
    *ret_record = (struct record){.seq = seq,
                                  .type = type & (uint8_t)~FIRST_OF_BATCH,
                                  .first_of_batch = (type & FIRST_OF_BATCH) != 0,
                                  .body = body,
                                  .bytes = whole};
    return true;
}

void write_number(struct writer *writer, uint64_t value)
{
    uint8_t bytes[RECORD_NUMBER_BYTES];
    size_t len = 0;
    do {
        bytes[len] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
        len++;
    } while (value);
    write_bytes(writer, span_of(bytes, len));
}

uint64_t read_number(struct reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = read_u8(reader);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    reader_fail(reader);
    return 0;
}

static void write_counted(struct writer *writer, struct span bytes)
{
    write_number(writer, bytes.len);
    write_bytes(writer, bytes);
}

static struct span read_counted(struct reader *reader)
{
    uint64_t len = read_number(reader);
    if (len > reader_left(reader)) {
        reader_fail(reader);
        return SPAN_EMPTY;
    }
    return read_bytes(reader, (size_t)len);
}

static struct span unpack_hex(struct span bytes, char *memory)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        memory[2 * i] = digits[bytes.data[i] >> 4];
        memory[2 * i + 1] = digits[bytes.data[i] & 15];
    }
    return span_of(memory, 2 * bytes.len);
}

size_t message_bytes_max(const struct journal_message *message)
{
    const struct message *view = message->message;
    return 3 + 9 * RECORD_NUMBER_BYTES + message->target_count * (3 * RECORD_NUMBER_BYTES + 1) +
           message_bytes(view) - sizeof *view;
}

void write_message(struct writer *body, const struct journal_message *message)
{
    const struct message *view = message->message;
    write_number(body, message->target_count);
    for (size_t i = 0; i < message->target_count; i++) {
        const struct journal_target *target = &message->targets[i];
        write_number(body, target->queue);
        write_number(body, target->ordinal);
        write_u8(body, (uint8_t)(target->qos | (target->retain ? FLAG_RETAIN : 0) |
                                 (target->received ? FLAG_RECEIVED : 0) | (target->share ? FLAG_SHARE : 0)));
        if (target->share)
            write_number(body, target->share);
    }
    uint8_t packed[HEX_PRINCIPAL_DIGITS / 2];
    bool hex = view->principal.len == HEX_PRINCIPAL_DIGITS && hex_read(view->principal, packed);
    bool publisher = view->publisher_kind != 0 || view->publisher_name.len > 0;
    write_u8(body, (uint8_t)(view->qos | (view->retain ? FLAG_RETAIN : 0) | (hex ? FLAG_HEX_PRINCIPAL : 0) |
                             (publisher ? FLAG_PUBLISHER : 0)));
    write_number(body, view->received_ms);
    write_number(body, view->expires_ms);
    write_counted(body, view->topic);
    write_counted(body, view->payload);
    write_counted(body, view->properties);
    write_counted(body, view->client_id);
    write_counted(body, hex ? span_of(packed, sizeof packed) : view->principal);
    if (publisher) {
        write_u8(body, view->publisher_kind);
        write_counted(body, view->publisher_name);
    }
}

bool read_target(struct reader *targets, struct journal_target *ret_target)
{
    if (reader_left(targets) == 0)
        return false;
    uint64_t queue = read_number(targets);
    uint64_t ordinal = read_number(targets);
    uint8_t flags = read_u8(targets);
    uint64_t share = flags & FLAG_SHARE ? read_number(targets) : 0;
    if (targets->failed || queue > UINT32_MAX || ordinal > RECORD_SEQ_MAX || share > JOURNAL_SHARE_MAX)
        return false;
    *ret_target = (struct journal_target){.queue = (uint32_t)queue,
                                          .ordinal = ordinal,
                                          .share = (uint32_t)share,
                                          .qos = flags & FLAG_QOS,
                                          .retain = (flags & FLAG_RETAIN) != 0,
                                          .received = (flags & FLAG_RECEIVED) != 0};
    return true;
}

static struct span read_targets(struct reader *body, size_t *ret_count)
{
    uint64_t count = read_number(body);
    const uint8_t *start = body->at;
    struct journal_target target;
    for (uint64_t i = 0; i < count; i++) {
        if (!read_target(body, &target)) {
            reader_fail(body);
            return SPAN_EMPTY;
        }
    }
    *ret_count = (size_t)count;
    return span_of(start, (size_t)(body->at - start));
}

bool read_message(struct reader *body, struct message_view *ret_view)
{
    if (reader_left(body) == 0)
        return false;
    ret_view->target_count = 0;
    ret_view->targets = read_targets(body, &ret_view->target_count);
    uint8_t flags = read_u8(body);
    struct message *message = &ret_view->message;
    *message = (struct message){.qos = flags & FLAG_QOS, .retain = (flags & FLAG_RETAIN) != 0};
    message->received_ms = read_number(body);
    message->expires_ms = read_number(body);
    message->topic = read_counted(body);
    message->payload = read_counted(body);
    message->properties = read_counted(body);
    message->client_id = read_counted(body);
    message->principal = read_counted(body);
    if (flags & FLAG_PUBLISHER) {
        message->publisher_kind = read_u8(body);
        message->publisher_name = read_counted(body);
    }
    if (flags & FLAG_HEX_PRINCIPAL) {
        if (message->principal.len * 2 != sizeof ret_view->principal)
            reader_fail(body);
        else
            message->principal = unpack_hex(message->principal, ret_view->principal);
    }
    return !body->failed;
}
