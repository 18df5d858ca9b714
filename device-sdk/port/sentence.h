/*
 * Sentences for people, put together without printf, which would be a tenth of a
 * small device's program. Knows %s, %u and %x, as they are, and nothing else; the
 * compiler checks the arguments as those of printf. What does not fit is cut off.
 */
#ifndef SLUICE_PORT_SENTENCE_H
#define SLUICE_PORT_SENTENCE_H

#include <stdarg.h>
#include <stddef.h>

/* Gives the length that all of it would have had. `capacity_bytes`, at least 1, are with the NUL. */
__attribute__((format(printf, 3, 0))) size_t sentence_write_arguments(char *ret_text, size_t capacity_bytes,
                                                                      const char *format, va_list arguments);
__attribute__((format(printf, 3, 4))) size_t sentence_write(char *ret_text, size_t capacity_bytes,
                                                            const char *format, ...);

#endif
