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

static inline struct span span_of(const void *data, size_t len)
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

struct reader reader_of(struct span span);
size_t reader_left(const struct reader *reader);
uint8_t read_u8(struct reader *reader);
uint16_t read_u16(struct reader *reader);
uint32_t read_u32(struct reader *reader);
uint64_t read_u64(struct reader *reader);
/* MQTT's Variable Byte Integer, 0 to 268,435,455, in its shortest form only [MQTT-1.5.5-1]. */
uint32_t read_varint(struct reader *reader);
struct span read_bytes(struct reader *reader, size_t len);
/* A two-byte length and as many bytes: MQTT Binary Data, and strings before the UTF-8 check. */
struct span read_u16_bytes(struct reader *reader);
struct span read_rest(struct reader *reader);
void reader_fail(struct reader *reader);

struct writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool failed; /* something did not fit */
};

struct writer writer_of(void *memory, size_t capacity_bytes);
/* What was written so far, or an empty span if anything did not fit. */
struct span writer_span(const struct writer *writer);
size_t writer_len(const struct writer *writer);
void write_u8(struct writer *writer, uint8_t value);
void write_u16(struct writer *writer, uint16_t value);
void write_u32(struct writer *writer, uint32_t value);
void write_u64(struct writer *writer, uint64_t value);
/* Values over 268,435,455 fail the writer. */
void write_varint(struct writer *writer, uint32_t value);
void write_bytes(struct writer *writer, struct span bytes);
/* Spans over 65,535 bytes fail the writer. */
void write_u16_bytes(struct writer *writer, struct span bytes);

/* Bytes that write_varint uses for `value`, 1 to 4. */
size_t varint_size(uint32_t value);

#endif
