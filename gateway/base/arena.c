#include "base/arena.h"

#include "base/memory.h"

#include <stdalign.h>

enum { BLOCK_BYTES = 4096 };

struct arena_block {
    struct arena_block *next;
    alignas(max_align_t) uint8_t bytes[];
};

struct arena arena_of(void *memory, size_t capacity_bytes)
{
    return (struct arena){NULL, memory, (uint8_t *)memory + capacity_bytes};
}

void arena_fini(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        memory_free(block);
    }
    *arena = (struct arena){0};
}

static size_t padding(const uint8_t *at)
{
    return -(uintptr_t)at & (alignof(max_align_t) - 1);
}

void *arena_take(struct arena *arena, size_t size)
{
    size_t skip = arena->at ? padding(arena->at) : 0;
    if (arena->at && skip + size <= (size_t)(arena->end - arena->at)) {
        uint8_t *taken = arena->at + skip;
        arena->at = taken + size;
        return taken;
    }
    size_t bytes = size > BLOCK_BYTES / 2 ? size : BLOCK_BYTES;
    struct arena_block *block = memory_new(sizeof *block + bytes);
    block->next = arena->blocks;
    arena->blocks = block;
    /* A large object has a block of its own, and the current block goes on. */
    if (bytes == BLOCK_BYTES) {
        arena->at = block->bytes + size;
        arena->end = block->bytes + bytes;
    }
    return block->bytes;
}

void *arena_new(struct arena *arena, size_t size)
{
    return memset(arena_take(arena, size), 0, size);
}

char *arena_string(struct arena *arena, struct span bytes)
{
    char *string = arena_take(arena, bytes.len + 1);
    if (bytes.len > 0)
        memcpy(string, bytes.data, bytes.len);
    string[bytes.len] = '\0';
    return string;
}

struct span arena_copy(struct arena *arena, struct span bytes)
{
    return span_of(arena_string(arena, bytes), bytes.len);
}
