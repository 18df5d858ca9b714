/*
 * Allocation that cannot fail: out of memory ends the process with one line in
 * the log. Sizes that come from outside are bounded before they get here.
 */
#ifndef SLUICE_BASE_MEMORY_H
#define SLUICE_BASE_MEMORY_H

#include "wire/span.h"

void *memory_new(size_t size);                     /* zeroed */
void *memory_new_array(size_t count, size_t size); /* zeroed; overflow is out of memory */
void *memory_resize(void *memory, size_t size);    /* what is new is not zeroed */
void memory_free(void *memory);
/* Gives back to the system what is free, after much was in use at once; takes some milliseconds. */
void memory_trim(void);
/* A NUL-terminated copy, for memory_free. */
char *memory_string(struct span bytes);

#endif
