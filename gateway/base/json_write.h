/*
 * JSON text written straight into a buffer, without a tree: for documents whose
 * shape is fixed in the code. Braces, commas and names are the caller's, with
 * json_write_raw. Any thread, no state; allocation as in base/buffer.h.
 */
#ifndef SLUICE_BASE_JSON_WRITE_H
#define SLUICE_BASE_JSON_WRITE_H

#include "base/buffer.h"

/* The characters of a string literal as they are. */
#define json_write_raw(out, literal) buffer_append((out), SPAN_LITERAL(literal))

/* Quoted and escaped; bytes that are not UTF-8 become U+FFFD, so that the document is always valid. */
void json_write_string(struct buffer *out, struct span text);
void json_write_u64(struct buffer *out, uint64_t value);
/* A comma, the name and the string; nothing where that is NULL. */
void json_write_member(struct buffer *out, const char *name, const char *value);
void json_write_number_member(struct buffer *out, const char *name, uint64_t value);

#endif
