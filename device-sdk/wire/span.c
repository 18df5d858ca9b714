#include "span.h"

extern inline struct span span_of(const void *data, size_t len);
extern inline size_t reader_left(const struct reader *reader);
extern inline void reader_fail(struct reader *reader);
extern inline struct span read_bytes(struct reader *reader, size_t len);
extern inline uint64_t read_integer(struct reader *reader, size_t size);
extern inline uint16_t read_u16(struct reader *reader);
extern inline struct span read_u16_bytes(struct reader *reader);
extern inline void write_bytes(struct writer *writer, struct span bytes);
extern inline void write_integer(struct writer *writer, uint64_t value, size_t size);
extern inline void write_u16(struct writer *writer, uint16_t value);
extern inline void write_u16_bytes(struct writer *writer, struct span bytes);

enum { VARINT_MAX = 268435455 };

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
