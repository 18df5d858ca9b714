#include "base/json_write.h"

#include "wire/topic.h"

#include <inttypes.h>
#include <stdio.h>

/* Bytes of the UTF-8 character that `at` begins with, at most `left`; 0 if it is not well-formed. */
static size_t character_len(const uint8_t *at, size_t left)
{
    size_t len = *at < 0x80 ? 1 : *at < 0xE0 ? 2 : *at < 0xF0 ? 3 : 4;
    return len <= left && (len == 1 || utf8_valid(span_of(at, len))) ? len : 0;
}

static bool needs_escape(uint8_t byte)
{
    return byte < 0x20 || byte == '"' || byte == '\\';
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

void json_write_string(struct buffer *out, struct span text)
{
    const uint8_t *at = text.data, *plain = text.data, *end = text.data + text.len;
    json_write_raw(out, "\"");
    while (at < end) {
        size_t len = character_len(at, (size_t)(end - at));
        if (len > 0 && !needs_escape(*at)) {
            at += len;
            continue;
        }
        buffer_append(out, span_of(plain, (size_t)(at - plain)));
        if (len > 0)
            write_escape(out, *at);
        else
            json_write_raw(out, "\xEF\xBF\xBD");
        plain = ++at;
    }
    buffer_append(out, span_of(plain, (size_t)(end - plain)));
    json_write_raw(out, "\"");
}

void json_write_u64(struct buffer *out, uint64_t value)
{
    char digits[24];
    buffer_append(out, span_of(digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu64, value)));
}
