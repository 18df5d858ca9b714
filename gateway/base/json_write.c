#include "base/json_write.h"

#include "base/digits.h"
#include "wire/topic.h"

#include <endian.h>
#include <string.h>

enum {
    PART_BYTES = 256, /* of a string, for which room is made at once */
    ESCAPE_BYTES = 6, /* the longest: \u001f */
    WORD_BYTES = 8,
};

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* How many of the eight bytes that a text begins with are plain before the first that is not; of a shorter
 * text 0. Each test sets the highest bit of a byte that fails it; a borrow may set that of bytes behind it.
 */
static size_t plain_count(struct span text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;
    if (text.len < WORD_BYTES)
        return 0;
    memcpy(&word, text.data, WORD_BYTES);
    word = le64toh(word); /* the first byte is the lowest */
    uint64_t quotes = word ^ ones * '"', backslashes = word ^ ones * '\\';
    uint64_t failed = (word | (word - ones * 0x20) | (quotes - ones) | (backslashes - ones)) & ones * 0x80;
    return failed ? (size_t)__builtin_ctzll(failed) / 8 : WORD_BYTES;
}

static size_t write_escape(uint8_t byte, uint8_t *to)
{
    static const char letters[0x20] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    static const char hex[] = "0123456789abcdef";
    char letter = byte < 0x20 ? letters[byte] : (char)byte;
    if (letter) {
        memcpy(to, (char[]){'\\', letter}, 2);
        return 2;
    }
    memcpy(to, (char[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 0xF]}, ESCAPE_BYTES);
    return ESCAPE_BYTES;
}

/* Up to the first character that is not ASCII; `to` has room. Gives how much of the text, and what it became.
 */
static size_t write_ascii(struct span text, uint8_t *to, size_t *ret_written)
{
    struct span left = text;
    uint8_t *start = to;
    while (left.len > 0 && left.data[0] < 0x80) {
        size_t used = plain_count(left), written = used;
        if (used > 0) {
            memcpy(to, left.data, WORD_BYTES); /* what is not plain of it is written over */
        } else {
            used = 1;
            written = is_plain(left.data[0]) ? 1 : write_escape(left.data[0], to);
            if (written == 1)
                *to = left.data[0];
        }
        to += written;
        left = span_skip(left, used);
    }
    *ret_written = (size_t)(to - start);
    return text.len - left.len;
}

/* The UTF-8 character that `text` begins with, or U+FFFD for one byte that begins none. Gives its bytes in
 * text. */
static size_t write_character(struct buffer *out, struct span text)
{
    size_t len = text.data[0] < 0xE0 ? 2 : text.data[0] < 0xF0 ? 3 : 4;
    struct span character = span_of(text.data, len);
    if (len > text.len || !utf8_valid(character)) {
        json_write_raw(out, "\xEF\xBF\xBD");
        return 1;
    }
    buffer_append(out, character);
    return len;
}

void json_write_string(struct buffer *out, struct span text)
{
    json_write_raw(out, "\"");
    while (text.len > 0) {
        size_t written, part = text.len < PART_BYTES ? text.len : PART_BYTES;
        uint8_t *to = buffer_reserve(out, part * ESCAPE_BYTES);
        text = span_skip(text, write_ascii(span_of(text.data, part), to, &written));
        buffer_grown(out, written);
        if (text.len > 0 && text.data[0] >= 0x80)
            text = span_skip(text, write_character(out, text));
    }
    json_write_raw(out, "\"");
}

void json_write_u64(struct buffer *out, uint64_t value)
{
    char digits[DECIMAL_BYTES];
    buffer_append(out, decimal_write(value, digits));
}

static void begin_member(struct buffer *out, const char *name)
{
    json_write_raw(out, ",");
    json_write_string(out, span_from_string(name));
    json_write_raw(out, ":");
}

void json_write_member(struct buffer *out, const char *name, const char *value)
{
    if (!value)
        return;
    begin_member(out, name);
    json_write_string(out, span_from_string(value));
}

void json_write_number_member(struct buffer *out, const char *name, uint64_t value)
{
    begin_member(out, name);
    json_write_u64(out, value);
}
