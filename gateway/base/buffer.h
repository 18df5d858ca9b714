/*
 * A growable byte queue: bytes are appended at the end and consumed from the
 * front. Owned by one thread. Empty buffers hold no memory after buffer_trim, so
 * that an idle connection costs nothing here. Allocation failure ends the
 * process (log_fatal): every buffer's size is bounded by its owner, so running
 * out of memory is a fault of the machine and not a state to carry on in.
 */
#ifndef SLUICE_BASE_BUFFER_H
#define SLUICE_BASE_BUFFER_H

#include "wire/span.h"

struct buffer {
    uint8_t *data; /* NULL while capacity is 0 */
    size_t start;  /* first unconsumed byte */
    size_t end;    /* one past the last byte */
    size_t capacity;
};

/* A zeroed struct buffer is an empty one. */
void buffer_fini(struct buffer *buffer);
static inline size_t buffer_len(const struct buffer *buffer)
{
    return buffer->end - buffer->start;
}
static inline struct span buffer_span(const struct buffer *buffer)
{
    return (struct span){buffer->data ? buffer->data + buffer->start : NULL, buffer->end - buffer->start};
}
/* Room for `len` more bytes at the end; the caller writes there, then calls buffer_grown. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t len);
void buffer_grown(struct buffer *buffer, size_t len);
static inline void buffer_append(struct buffer *buffer, struct span bytes)
{
    if (!bytes.data || bytes.len == 0)
        return;
    bool fits = buffer->capacity - buffer->end >= bytes.len;
    memcpy(fits ? buffer->data + buffer->end : buffer_reserve(buffer, bytes.len), bytes.data, bytes.len);
    buffer->end += bytes.len;
}
/* Drops `len` bytes from the front; len must be within buffer_len. */
void buffer_consume(struct buffer *buffer, size_t len);
/* Drops what is behind the first `len` bytes, which are there. */
static inline void buffer_cut(struct buffer *buffer, size_t len)
{
    buffer->end = buffer->start + len;
}
/* Gives the memory back if the buffer is empty. */
void buffer_trim(struct buffer *buffer);

#endif
