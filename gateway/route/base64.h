/*
 * Base64 (RFC 4648, section 4) for encode() and decode(). Pure functions; what
 * they give is in the arena.
 */
#ifndef SLUICE_ROUTE_BASE64_H
#define SLUICE_ROUTE_BASE64_H

#include "base/arena.h"

static inline size_t base64_len(size_t bytes_count)
{
    return (bytes_count + 2) / 3 * 4;
}

struct span base64_encode(struct span bytes, struct arena *arena);
/* False: `text` has a character outside of the alphabet or ends within a byte. The padding may be left out.
 */
bool base64_decode(struct span text, struct arena *arena, struct span *ret_bytes);

#endif
