/*
 * Three texts, parted by line ends, as outer filter, inner filter and name: the
 * functions of topic.h must agree with each other about them.
 */
#include "wire/topic.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static struct span next_line(struct span *input)
{
    const uint8_t *end = input->len > 0 ? memchr(input->data, '\n', input->len) : NULL;
    struct span line = span_of(input->data, end ? (size_t)(end - input->data) : input->len);
    *input = span_skip(*input, end ? line.len + 1 : line.len);
    return line;
}

static void check_text(struct span text)
{
    require(!topic_name_valid(text) || topic_filter_valid(text));
    require(!topic_filter_valid(text) || utf8_valid(text));
    struct span rest = text, level, name, inner;
    size_t count = 0, bytes = 0;
    for (bool done = false; topic_next_level(&rest, &done, &level); count++)
        bytes += level.len;
    require(count == topic_level_count(text) && bytes + count - 1 == text.len);
    if (topic_filter_share(text, &name, &inner) && name.len > 0)
        require(topic_name_valid(name) && topic_level_count(name) == 1 && topic_filter_valid(inner));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_of(data, size);
    struct span outer = next_line(&input), inner = next_line(&input), name = next_line(&input);
    check_text(outer);
    check_text(inner);
    check_text(name);
    if (!topic_filter_valid(outer) || !topic_filter_valid(inner))
        return 0;
    require(topic_filter_covers(outer, outer) && topic_filter_covers(inner, inner));
    if (topic_name_valid(name) && topic_filter_covers(outer, inner) && topic_matches(inner, name))
        require(topic_matches(outer, name));
    if (topic_name_valid(name)) /* a name is a filter that only it matches */
        require(topic_filter_covers(outer, name) == topic_matches(outer, name));
    return 0;
}
