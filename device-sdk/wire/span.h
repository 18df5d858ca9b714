/*
 * Bytes are spans: a pointer and a length, passed by value, never owned. A span
 * that a callback receives is a view that lives until the callback returns;
 * keeping it means copying it.
 *
 * All bounds arithmetic on bytes from outside lives in struct reader and struct
 * writer. Both have a sticky error: after the first overrun every further call
 * is harmless (reads give zero or an empty span, writes do nothing), so that a
 * parser reads top to bottom and checks once at its end. Integers are
 * big-endian, as MQTT has them, unless the name says otherwise.
 */
#ifndef SLUICE_WIRE_SPAN_H
#define SLUICE_WIRE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *data;
    size_t len;
};

#define SPAN_EMPTY ((struct span){NULL, 0})
/* A span over a string literal, without its NUL. */
#define SPAN_LITERAL(literal) ((struct span){(const uint8_t *)("" literal), sizeof(literal) - 1})

inline struct span span_of(const void *data, size_t len)
{
    return (struct span){(const uint8_t *)data, len};
}

/* The bytes of a C string, without its NUL; NULL gives an empty span. */
static inline struct span span_from_string(const char *string)
{
    return (struct span){(const uint8_t *)string, string ? strlen(string) : 0};
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool span_starts_with(struct span whole, struct span prefix)
{
    return whole.len >= prefix.len && (prefix.len == 0 || memcmp(whole.data, prefix.data, prefix.len) == 0);
}

/* What is left of `span` after its first `count` bytes; count must be within it. */
static inline struct span span_skip(struct span span, size_t count)
{
    return (struct span){span.len ? span.data + count : span.data, span.len - count};
}

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed; /* something was read past the end, or was malformed */
};

/* These are inline: a PUBLISH is decoded and encoded twice as fast for it (tests/bench/codec_bench.c). The
 * larger ones are not static: where the compiler looks for size, all callers share the one in span.c. */
static inline struct reader reader_of(struct span span)
{
    static const uint8_t nothing[1];
    const uint8_t *data = span.data ? span.data : nothing;
    return (struct reader){data, data + span.len, false};
}

inline size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

inline void reader_fail(struct reader *reader)
{
    reader->failed = true;
    reader->at = reader->end;
}

inline struct span read_bytes(struct reader *reader, size_t len)
{
    if (len > reader_left(reader)) {
        reader_fail(reader);
        return SPAN_EMPTY;
    }
    struct span bytes = {reader->at, len};
    reader->at += len;
    return bytes;
}

static inline struct span read_rest(struct reader *reader)
{
    return read_bytes(reader, reader_left(reader));
}

/* A big-endian integer of `size` bytes, 1 to 8. */
inline uint64_t read_integer(struct reader *reader, size_t size)
{
    struct span bytes = read_bytes(reader, size);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.len; i++)
        value = value << 8 | bytes.data[i];
    return value;
}

static inline uint8_t read_u8(struct reader *reader)
{
    return (uint8_t)read_integer(reader, 1);
}

inline uint16_t read_u16(struct reader *reader)
{
    return (uint16_t)read_integer(reader, 2);
}

static inline uint32_t read_u32(struct reader *reader)
{
    return (uint32_t)read_integer(reader, 4);
}

static inline uint64_t read_u64(struct reader *reader)
{
    return read_integer(reader, 8);
}

/* A two-byte length and as many bytes: MQTT Binary Data, and strings before the UTF-8 check. */
inline struct span read_u16_bytes(struct reader *reader)
{
    return read_bytes(reader, read_u16(reader));
}

/* MQTT's Variable Byte Integer, 0 to 268,435,455, in its shortest form only [MQTT-1.5.5-1]. */
uint32_t read_varint(struct reader *reader);

struct writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool failed; /* something did not fit */
};

static inline struct writer writer_of(void *memory, size_t capacity_bytes)
{
    uint8_t *start = (uint8_t *)memory;
    return (struct writer){start, start, start + capacity_bytes, false};
}

static inline size_t writer_len(const struct writer *writer)
{
    return (size_t)(writer->at - writer->start);
}

/* What was written so far, or an empty span if anything did not fit. */
static inline struct span writer_span(const struct writer *writer)
{
    return writer->failed ? SPAN_EMPTY : span_of(writer->start, writer_len(writer));
}

inline void write_bytes(struct writer *writer, struct span bytes)
{
    if (writer->failed || bytes.len > (size_t)(writer->end - writer->at)) {
        writer->failed = true;
        return;
    }
    if (bytes.len > 0)
        memcpy(writer->at, bytes.data, bytes.len);
    writer->at += bytes.len;
}

/* The low `size` bytes of `value`, 1 to 8, big-endian. */
inline void write_integer(struct writer *writer, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    write_bytes(writer, span_of(bytes, size));
}

static inline void write_u8(struct writer *writer, uint8_t value)
{
    write_integer(writer, value, 1);
}

inline void write_u16(struct writer *writer, uint16_t value)
{
    write_integer(writer, value, 2);
}

static inline void write_u32(struct writer *writer, uint32_t value)
{
    write_integer(writer, value, 4);
}

static inline void write_u64(struct writer *writer, uint64_t value)
{
    write_integer(writer, value, 8);
}

/* Spans over 65,535 bytes fail the writer. */
inline void write_u16_bytes(struct writer *writer, struct span bytes)
{
    if (bytes.len > UINT16_MAX) {
        writer->failed = true;
        return;
    }
    write_u16(writer, (uint16_t)bytes.len);
    write_bytes(writer, bytes);
}

/* Values over 268,435,455 fail the writer. */
void write_varint(struct writer *writer, uint32_t value);
/* Bytes that write_varint uses for `value`, 1 to 4. */
size_t varint_size(uint32_t value);

#endif
