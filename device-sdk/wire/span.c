#include "span.h"

enum { VARINT_MAX = 268435455 };

struct reader reader_of(struct span span)
{
    static const uint8_t nothing[1];
    const uint8_t *data = span.data ? span.data : nothing;
    return (struct reader){data, data + span.len, false};
}

size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

void reader_fail(struct reader *reader)
{
    reader->failed = true;
    reader->at = reader->end;
}

struct span read_bytes(struct reader *reader, size_t len)
{
    if (len > reader_left(reader)) {
        reader_fail(reader);
        return SPAN_EMPTY;
    }
    struct span bytes = {reader->at, len};
    reader->at += len;
    return bytes;
}

static uint64_t read_big_endian(struct reader *reader, size_t size)
{
    struct span bytes = read_bytes(reader, size);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.len; i++)
        value = value << 8 | bytes.data[i];
    return value;
}

uint8_t read_u8(struct reader *reader)
{
    return (uint8_t)read_big_endian(reader, 1);
}

uint16_t read_u16(struct reader *reader)
{
    return (uint16_t)read_big_endian(reader, 2);
}

uint32_t read_u32(struct reader *reader)
{
    return (uint32_t)read_big_endian(reader, 4);
}

uint64_t read_u64(struct reader *reader)
{
    return read_big_endian(reader, 8);
}

uint32_t read_varint(struct reader *reader)
{
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
        uint8_t byte = read_u8(reader);
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        if (byte == 0 && shift > 0)
            break; /* not the shortest form */
        return value;
    }
    reader_fail(reader);
    return 0;
}

struct span read_u16_bytes(struct reader *reader)
{
    return read_bytes(reader, read_u16(reader));
}

struct span read_rest(struct reader *reader)
{
    return read_bytes(reader, reader_left(reader));
}

struct writer writer_of(void *memory, size_t capacity_bytes)
{
    uint8_t *start = memory;
    return (struct writer){start, start, start + capacity_bytes, false};
}

size_t writer_len(const struct writer *writer)
{
    return (size_t)(writer->at - writer->start);
}

struct span writer_span(const struct writer *writer)
{
    return writer->failed ? SPAN_EMPTY : span_of(writer->start, writer_len(writer));
}

void write_bytes(struct writer *writer, struct span bytes)
{
    if (writer->failed || bytes.len > (size_t)(writer->end - writer->at)) {
        writer->failed = true;
        return;
    }
    if (bytes.len > 0)
        memcpy(writer->at, bytes.data, bytes.len);
    writer->at += bytes.len;
}

static void write_big_endian(struct writer *writer, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    write_bytes(writer, span_of(bytes, size));
}

void write_u8(struct writer *writer, uint8_t value)
{
    write_big_endian(writer, value, 1);
}

void write_u16(struct writer *writer, uint16_t value)
{
    write_big_endian(writer, value, 2);
}

void write_u32(struct writer *writer, uint32_t value)
{
    write_big_endian(writer, value, 4);
}

void write_u64(struct writer *writer, uint64_t value)
{
    write_big_endian(writer, value, 8);
}

size_t varint_size(uint32_t value)
{
    return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : 4;
}

void write_varint(struct writer *writer, uint32_t value)
{
    if (value > VARINT_MAX) {
        writer->failed = true;
        return;
    }
    do {
        uint8_t byte = value & 0x7f;
        value >>= 7;
        write_u8(writer, value ? byte | 0x80 : byte);
    } while (value);
}

void write_u16_bytes(struct writer *writer, struct span bytes)
{
    if (bytes.len > UINT16_MAX) {
        writer->failed = true;
        return;
    }
    write_u16(writer, (uint16_t)bytes.len);
    write_bytes(writer, bytes);
}
