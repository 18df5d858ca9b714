#include "base/memory.h"

#include "base/log.h"

#include <stdlib.h>
#ifdef __GLIBC__
#    include <malloc.h>
#endif

static void *checked(void *memory)
{
    if (!memory)
        log_fatal("out of memory");
    return memory;
}

void *memory_new(size_t size)
{
    return checked(calloc(1, size ? size : 1));
}

void *memory_new_array(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1));
}

void *memory_resize(void *memory, size_t size)
{
    return checked(realloc(memory, size ? size : 1));
}

void memory_free(void *memory)
{
    free(memory);
}

void memory_trim(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

char *memory_string(struct span bytes)
{
    char *string = memory_new(bytes.len + 1);
    if (bytes.len > 0)
        memcpy(string, bytes.data, bytes.len);
    return string;
}
