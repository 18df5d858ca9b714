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

static int hex_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool hex_read(struct span text, uint8_t *ret_bytes)
{
    for (size_t i = 0; i + 1 < text.len; i += 2) {
        int high = hex_value(text.data[i]), low = hex_value(text.data[i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret_bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    return text.len % 2 == 0;
}
