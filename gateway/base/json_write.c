#include "base/json_write.h"

#include "base/digits.h"
#include "wire/topic.h"

#include <stdio.h>

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

static void write_escape(struct buffer *out, uint8_t byte)
{
    static const char letters[0x20] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    char escape[8] = {'\\', (char)byte};
    size_t len = 2;
    if (byte < 0x20 && letters[byte])
        escape[1] = letters[byte];
    else if (byte < 0x20)
        len = (size_t)snprintf(escape, sizeof escape, "\\u%04x", byte);
    buffer_append(out, span_of(escape, len));
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
        size_t plain = 0;
        while (plain < text.len && is_plain(text.data[plain]))
            plain++;
        buffer_append(out, span_of(text.data, plain));
        text = span_skip(text, plain);
        if (text.len == 0)
            break;
        size_t used = 1;
        if (text.data[0] < 0x80)
            write_escape(out, text.data[0]);
        else
            used = write_character(out, text);
        text = span_skip(text, used);
    }
    json_write_raw(out, "\"");
}

void json_write_u64(struct buffer *out, uint64_t value)
{
    char digits[DECIMAL_BYTES];
    buffer_append(out, decimal_write(value, digits));
}

void json_write_member(struct buffer *out, const char *name, const char *value)
{
    if (!value)
        return;
    json_write_raw(out, ",");
    json_write_string(out, span_from_string(name));
    json_write_raw(out, ":");
    json_write_string(out, span_from_string(value));
}
