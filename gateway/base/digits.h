/*
 * Numbers and bytes as text, where snprintf would be most of the cost: for what
 * is written with each message. No state, any thread; the caller's memory.
 */
#ifndef SLUICE_BASE_DIGITS_H
#define SLUICE_BASE_DIGITS_H

#include "wire/span.h"

enum { DECIMAL_BYTES = 21 }; /* of UINT64_MAX, with its NUL */

/* In decimal, ended by NUL; gives the digits as a span of ret_text. */
struct span decimal_write(uint64_t value, char ret_text[DECIMAL_BYTES]);
/* Two lower-case hexadecimal digits a byte, then NUL: ret_text has 2 * bytes.len + 1. */
void hex_write(struct span bytes, char *ret_text);
/* Of lower-case digits, two a byte: ret_bytes has text.len / 2. False: it is not that. */
bool hex_read(struct span text, uint8_t *ret_bytes);

#endif
