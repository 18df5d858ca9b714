#include "app/invoke_api_name.h"

/* What follows the last colon, which goes with it; empty, if there is none. */
static struct span take_last(struct span *text)
{
    const uint8_t *at = text->len > 0 ? memrchr(text->data, ':', text->len) : NULL;
    struct span last = at ? span_skip(*text, (size_t)(at - text->data) + 1) : SPAN_EMPTY;
    if (at)
        text->len = (size_t)(at - text->data);
    return last;
}

static bool ends_with(struct span text, struct span end)
{
    return text.len >= end.len && span_equal(span_skip(text, text.len - end.len), end);
}

/* `rest` is what stands before a name: the beginning of an ARN. */
static bool is_arn_head(struct span rest)
{
    return span_equal(rest, SPAN_LITERAL("function")) || ends_with(rest, SPAN_LITERAL(":function"));
}

bool invoke_api_name_read(struct span text, struct invoke_api_name *ret_name)
{
    struct span rest = text, last = take_last(&rest);
    struct invoke_api_name name = {.name = last};
    bool is_name = last.len > 0;
    if (last.len == 0) {
        name.name = text;
        is_name = text.len > 0 && rest.len == text.len; /* there is no colon */
    } else if (!is_arn_head(rest)) {
        struct span before = rest, second = take_last(&before);
        name = (struct invoke_api_name){second.len > 0 ? second : rest, last};
        is_name = rest.len > 0 && (second.len == 0 || is_arn_head(before));
    }
    if (is_name)
        *ret_name = name;
    return is_name;
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

bool invoke_api_decode(struct span text, struct buffer *out)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte == '%') {
            int high = i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
            if (low < 0)
                return false;
            byte = (uint8_t)(high << 4 | low);
            i += 2;
        }
        buffer_append(out, span_of(&byte, 1));
    }
    return true;
}

struct span invoke_api_query_qualifier(struct span query)
{
    static const struct span name = SPAN_LITERAL("Qualifier=");
    while (query.len > 0) {
        const uint8_t *end = memchr(query.data, '&', query.len);
        struct span item = span_of(query.data, end ? (size_t)(end - query.data) : query.len);
        if (span_starts_with(item, name))
            return span_skip(item, name.len);
        query = span_skip(query, item.len + (end != NULL));
    }
    return SPAN_EMPTY;
}

bool invoke_api_qualifier(const struct invoke_api_name *name, struct span queried, struct span *ret_qualifier)
{
    if (name->qualifier.len > 0 && queried.len > 0 && !span_equal(name->qualifier, queried))
        return false;
    *ret_qualifier = name->qualifier.len > 0 ? name->qualifier : queried;
    return true;
}
