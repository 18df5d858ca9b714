#include "base/digits.h"

struct span decimal_write(uint64_t value, char ret_text[DECIMAL_BYTES])
{
    char digits[DECIMAL_BYTES];
    size_t start = sizeof digits;
    do {
        digits[--start] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    size_t len = sizeof digits - start;
    memcpy(ret_text, digits + start, len);
    ret_text[len] = '\0';
    return span_of(ret_text, len);
}

void hex_write(struct span bytes, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        *ret_text++ = digits[bytes.data[i] >> 4];
        *ret_text++ = digits[bytes.data[i] & 15];
    }
    *ret_text = '\0';
}
