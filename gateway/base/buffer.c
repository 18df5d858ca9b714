#include "base/buffer.h"

#include "base/memory.h"

#include <assert.h>

enum { SMALLEST_CAPACITY = 256 };

void buffer_fini(struct buffer *buffer)
{
    memory_free(buffer->data);
    *buffer = (struct buffer){0};
}

static void move_to_front(struct buffer *buffer)
{
    size_t len = buffer_len(buffer);
    if (len > 0)
        memmove(buffer->data, buffer->data + buffer->start, len);
    buffer->start = 0;
    buffer->end = len;
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t len)
{
    if (buffer->capacity - buffer->end < len) {
        size_t wanted = buffer_len(buffer) + len;
        /* Moving is cheaper than growing only while it frees at least half: then it is amortised O(1). */
        if (wanted <= buffer->capacity && buffer->start >= buffer->capacity / 2) {
            move_to_front(buffer);
        } else {
            size_t capacity = buffer->capacity ? buffer->capacity : SMALLEST_CAPACITY;
            while (capacity < wanted + buffer->start)
                capacity *= 2;
            buffer->data = memory_resize(buffer->data, capacity);
            buffer->capacity = capacity;
        }
    }
    return buffer->data + buffer->end;
}

void buffer_grown(struct buffer *buffer, size_t len)
{
    assert(len <= buffer->capacity - buffer->end);
    buffer->end += len;
}

void buffer_consume(struct buffer *buffer, size_t len)
{
    assert(len <= buffer_len(buffer));
    buffer->start += len;
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
}

void buffer_trim(struct buffer *buffer)
{
    if (buffer_len(buffer) == 0)
        buffer_fini(buffer);
}
