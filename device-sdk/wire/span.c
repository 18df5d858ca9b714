#include "span.h"

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
