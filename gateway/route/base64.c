#include "route/base64.h"

struct span base64_encode(struct span bytes, struct arena *arena)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = base64_len(bytes.len);
    uint8_t *encoded = arena_take(arena, len), *to = encoded;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16;
        group |= left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        group |= left > 2 ? bytes.data[i + 2] : 0;
        *to++ = (uint8_t)alphabet[group >> 18];
        *to++ = (uint8_t)alphabet[(group >> 12) & 63];
        *to++ = left > 1 ? (uint8_t)alphabet[(group >> 6) & 63] : '=';
        *to++ = left > 2 ? (uint8_t)alphabet[group & 63] : '=';
    }
    return span_of(encoded, len);
}

/* The value of a digit, or 64. */
static uint32_t digit_value(uint32_t digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    return digit == '+' ? 62 : digit == '/' ? 63 : 64;
}

/* Without the padding of a last group that has it. */
static struct span without_padding(struct span text)
{
    for (int i = 0; i < 2 && text.len % 4 != 1 && text.len > 0 && text.data[text.len - 1] == '='; i++)
        text.len--;
    return text;
}

bool base64_decode(struct span text, struct arena *arena, struct span *ret_bytes)
{
    struct span digits = without_padding(text);
    bool is_padded = digits.len < text.len;
    if (digits.len % 4 == 1 || (is_padded && text.len % 4 != 0))
        return false;
    uint8_t *decoded = arena_take(arena, text.len), *to = decoded;
    uint32_t group = 0, bit_count = 0;
    for (size_t i = 0; i < digits.len; i++) {
        uint32_t value = digit_value(digits.data[i]);
        if (value == 64)
            return false;
        group = group << 6 | value;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            *to++ = (uint8_t)(group >> bit_count);
        }
    }
    *ret_bytes = span_of(decoded, (size_t)(to - decoded));
    return true;
}
