#include "topic.h"

enum { TOPIC_BYTES_MAX = 65535 };

/* As many bytes as the machine takes at once. */
typedef size_t word;

/* Every byte of a word set to `byte`. */
#define EVERY(byte) ((word)-1 / 0xFF * (word)(byte))

/* Whether one of a word's bytes is not ASCII, is U+0000, or (in a Topic Name) is a wildcard. For ASCII bytes,
 * subtracting one sets the top bit of a byte only if it, or one below it, is zero. */
static inline bool word_is_special(const uint8_t *at, bool is_name)
{
    word bytes;
    memcpy(&bytes, at, sizeof bytes);
    word found = bytes | (bytes - EVERY(1));
    if (is_name)
        found |= ((bytes ^ EVERY('+')) - EVERY(1)) | ((bytes ^ EVERY('#')) - EVERY(1));
    return found & EVERY(0x80);
}

static inline bool byte_is_special(uint8_t byte, bool is_name)
{
    return byte == 0 || byte >= 0x80 || (is_name && (byte == '+' || byte == '#'));
}

/* Nearly all text is plain ASCII: seen a word at a time, the last one overlapping those before. */
static inline bool has_special(struct span text, bool is_name)
{
    if (text.len < sizeof(word)) {
        for (size_t i = 0; i < text.len; i++)
            if (byte_is_special(text.data[i], is_name))
                return true;
        return false;
    }
    for (size_t i = 0; i + sizeof(word) <= text.len; i += sizeof(word))
        if (word_is_special(text.data + i, is_name))
            return true;
    return word_is_special(text.data + text.len - sizeof(word), is_name);
}

/* Bytes of the well-formed UTF-8 sequence that `text` begins with, or 0. The bounds of the second byte keep
 * out overlong forms, surrogates and what is above U+10FFFF (Unicode, table 3-7). */
static size_t utf8_sequence(struct span text)
{
    uint8_t lead = text.data[0];
    if (lead < 0x80)
        return lead != 0;
    size_t len = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    if (len == 0 || len > text.len)
        return 0;
    uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (text.data[1] < low || text.data[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((text.data[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

static bool utf8_valid_slow(struct span text)
{
    while (text.len > 0) {
        size_t len = utf8_sequence(text);
        if (len == 0)
            return false;
        text = span_skip(text, len);
    }
    return true;
}

bool utf8_valid(struct span text)
{
    return !has_special(text, false) || utf8_valid_slow(text);
}

static bool has_wildcard(struct span text)
{
    return text.len > 0 && (memchr(text.data, '+', text.len) || memchr(text.data, '#', text.len));
}

bool topic_name_valid(struct span name)
{
    if (name.len == 0 || name.len > TOPIC_BYTES_MAX)
        return false;
    return !has_special(name, true) || (!has_wildcard(name) && utf8_valid_slow(name));
}

/* Whether the wildcard at `at` is a level of its own, and `#` the last one. */
static bool wildcard_in_place(struct span filter, size_t at)
{
    bool is_last = at + 1 == filter.len;
    bool starts_level = at == 0 || filter.data[at - 1] == '/';
    bool ends_level = is_last || filter.data[at + 1] == '/';
    return starts_level && (filter.data[at] == '#' ? is_last : ends_level);
}

bool topic_filter_valid(struct span filter)
{
    if (topic_name_valid(filter))
        return true;
    if (filter.len == 0 || filter.len > TOPIC_BYTES_MAX || !utf8_valid(filter))
        return false;
    for (size_t i = 0; i < filter.len; i++)
        if ((filter.data[i] == '+' || filter.data[i] == '#') && !wildcard_in_place(filter, i))
            return false;
    return true;
}

bool topic_filter_share(struct span filter, struct span *ret_name, struct span *ret_filter)
{
    if (!span_starts_with(filter, SPAN_LITERAL("$share/")))
        return false;
    struct span inner = span_skip(filter, strlen("$share/")), name;
    bool done = false;
    topic_next_level(&inner, &done, &name);
    bool valid = !done && topic_name_valid(name) && topic_filter_valid(inner);
    *ret_name = valid ? name : SPAN_EMPTY;
    *ret_filter = valid ? inner : SPAN_EMPTY;
    return true;
}

static bool level_is(struct span level, uint8_t wildcard)
{
    return level.len == 1 && level.data[0] == wildcard;
}

/* [MQTT-4.7.2-1] */
static bool hidden_from_wildcard(struct span filter, struct span topic)
{
    return filter.len > 0 && topic.len > 0 && topic.data[0] == '$' &&
           (filter.data[0] == '+' || filter.data[0] == '#');
}

bool topic_matches(struct span filter, struct span name)
{
    if (hidden_from_wildcard(filter, name))
        return false;
    size_t n = 0;
    for (size_t f = 0; f < filter.len; f++) {
        if (filter.data[f] == '#')
            return true;
        if (filter.data[f] == '+')
            while (n < name.len && name.data[n] != '/')
                n++;
        else if (n == name.len)
            return span_equal(span_skip(filter, f), SPAN_LITERAL("/#")); /* `a/#` matches `a` too */
        else if (filter.data[f] != name.data[n++])
            return false;
    }
    return n == name.len;
}

bool topic_filter_covers(struct span outer, struct span inner)
{
    if (hidden_from_wildcard(outer, inner))
        return false;
    /* Every name has a first level, so these two say the same. */
    if (span_equal(inner, SPAN_LITERAL("#")) && span_equal(outer, SPAN_LITERAL("+/#")))
        return true;
    struct span outer_level, inner_level;
    bool outer_done = false, inner_done = false;
    while (topic_next_level(&outer, &outer_done, &outer_level)) {
        if (level_is(outer_level, '#'))
            return true;
        if (!topic_next_level(&inner, &inner_done, &inner_level) || level_is(inner_level, '#'))
            return false;
        if (!level_is(outer_level, '+') && !span_equal(outer_level, inner_level))
            return false;
    }
    return inner_done;
}

bool topic_next_level(struct span *rest, bool *done, struct span *ret_level)
{
    if (*done)
        return false;
    const uint8_t *slash = rest->len > 0 ? memchr(rest->data, '/', rest->len) : NULL;
    *done = slash == NULL;
    size_t len = slash ? (size_t)(slash - rest->data) : rest->len;
    *ret_level = span_of(rest->data, len);
    *rest = span_skip(*rest, slash ? len + 1 : len);
    return true;
}

size_t topic_level_count(struct span topic)
{
    size_t count = 1;
    for (size_t i = 0; i < topic.len; i++)
        count += topic.data[i] == '/';
    return count;
}
