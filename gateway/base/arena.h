/*
 * Memory that is given back all at once: allocations are cut from blocks, and
 * arena_fini frees the blocks. What a parsed rule or a configuration consists of
 * lives in one, and so do the values of one evaluation, whose first block may be
 * the caller's stack. Owned by one thread. Sizes that come from outside are
 * bounded before they get here; running out of memory ends the process.
 */
#ifndef SLUICE_BASE_ARENA_H
#define SLUICE_BASE_ARENA_H

#include "wire/span.h"

struct arena_block;

/* Zeroed it is an empty one; arena_of gives it a first block that it does not own. */
struct arena {
    struct arena_block *blocks;
    uint8_t *at; /* free bytes of the current block */
    uint8_t *end;
};

struct arena arena_of(void *memory, size_t capacity_bytes);
void arena_fini(struct arena *arena);
/* Aligned for any object, not zeroed. */
void *arena_take(struct arena *arena, size_t size);
void *arena_new(struct arena *arena, size_t size); /* zeroed */
/* Copies; the string ends with NUL. */
struct span arena_copy(struct arena *arena, struct span bytes);
char *arena_string(struct arena *arena, struct span bytes);

#endif
