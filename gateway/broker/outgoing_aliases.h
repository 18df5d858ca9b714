/*
 * The Topic Aliases that the Server sets on one connection, towards its client.
 *
 * An alias costs 3 bytes in each PUBLISH and saves the Topic Name in all but the
 * first, so short names get none. The first names get what there is. Later ones go
 * without, which costs nothing; each so many of these misses as there are aliases
 * take one from the uses that the name under the hand has in store, and at 0 the
 * newcomer takes its place. So a name keeps its alias while it is used, and a walk
 * over several times more names than aliases leaves them where they are, where the
 * least recently used one would give way each time and nothing be saved.
 *
 * Bounded by `maximum` and by the longest name that gets one: at most 70 KB, and
 * nothing for a connection that is sent nothing. Owned by its channel; one thread.
 */
#ifndef SLUICE_BROKER_OUTGOING_ALIASES_H
#define SLUICE_BROKER_OUTGOING_ALIASES_H

#include "wire/span.h"

enum { OUTGOING_ALIASES_MAX = 256, OUTGOING_ALIAS_SHORTEST = 4, OUTGOING_ALIAS_LONGEST = 255 };

struct outgoing_aliases;

/* `maximum` is from 1 to OUTGOING_ALIASES_MAX. */
struct outgoing_aliases *outgoing_aliases_new(uint16_t maximum);
void outgoing_aliases_free(struct outgoing_aliases *aliases); /* NULL is allowed */

/* The alias of this Topic Name, whose hash that is; 0: none. *ret_is_new: the client does not know it yet, so
 * both are to be sent. */
uint16_t outgoing_aliases_use(struct outgoing_aliases *aliases, struct span topic, uint64_t hash,
                              bool *ret_is_new);
/* The PUBLISH that was to set this alias was not sent. */
void outgoing_aliases_undo(struct outgoing_aliases *aliases, uint16_t alias);

#endif
