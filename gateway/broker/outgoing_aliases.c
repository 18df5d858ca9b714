#include "broker/outgoing_aliases.h"

#include "base/memory.h"

enum { USES_MAX = 4 };

struct named {
    uint8_t *topic;
    uint32_t hash;
    uint8_t len; /* 0: the alias is free */
    uint8_t uses;
};

struct outgoing_aliases {
    uint16_t maximum;
    uint16_t hand;         /* whose turn it is to lose a use */
    uint16_t misses_count; /* since one lost it */
    struct named names[];
};

struct outgoing_aliases *outgoing_aliases_new(uint16_t maximum)
{
    struct outgoing_aliases *aliases = memory_new(sizeof *aliases + maximum * sizeof *aliases->names);
    aliases->maximum = maximum;
    return aliases;
}

void outgoing_aliases_free(struct outgoing_aliases *aliases)
{
    for (uint16_t i = 0; aliases && i < aliases->maximum; i++)
        memory_free(aliases->names[i].topic);
    memory_free(aliases);
}

static void set(struct named *name, struct span topic, uint32_t hash)
{
    name->topic = memory_resize(name->topic, topic.len);
    memcpy(name->topic, topic.data, topic.len);
    name->hash = hash;
    name->len = (uint8_t)topic.len;
    name->uses = 1;
}

/* Free ones come last, because they are given out in order: the first of them, or else the one under the hand
 * when it has no uses left. NULL: none. */
static struct named *make_room(struct outgoing_aliases *aliases, uint16_t used)
{
    if (used < aliases->maximum)
        return &aliases->names[used];
    if (++aliases->misses_count < aliases->maximum)
        return NULL;
    aliases->misses_count = 0;
    struct named *name = &aliases->names[aliases->hand];
    if (name->uses == 0)
        return name;
    name->uses--;
    if (++aliases->hand == aliases->maximum)
        aliases->hand = 0;
    return NULL;
}

uint16_t outgoing_aliases_use(struct outgoing_aliases *aliases, struct span topic, uint64_t hash,
                              bool *ret_is_new)
{
    uint32_t short_hash = (uint32_t)hash;
    if (topic.len < OUTGOING_ALIAS_SHORTEST || topic.len > OUTGOING_ALIAS_LONGEST)
        return 0;
    uint16_t used = 0;
    for (; used < aliases->maximum && aliases->names[used].len > 0; used++) {
        struct named *name = &aliases->names[used];
        if (name->hash != short_hash || !span_equal(span_of(name->topic, name->len), topic))
            continue;
        if (name->uses < USES_MAX)
            name->uses++;
        *ret_is_new = false;
        return (uint16_t)(used + 1);
    }
    struct named *name = make_room(aliases, used);
    if (!name)
        return 0;
    set(name, topic, short_hash);
    *ret_is_new = true;
    return (uint16_t)(name - aliases->names + 1);
}

/* It stays in its place, as a name that no Topic Name is equal to, and is the next to go. */
void outgoing_aliases_undo(struct outgoing_aliases *aliases, uint16_t alias)
{
    struct named *name = &aliases->names[alias - 1];
    name->topic[0] = '+';
    name->uses = 0;
    aliases->hand = (uint16_t)(alias - 1);
}
