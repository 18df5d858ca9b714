#include "route/rule_set.h"

#include "base/memory.h"

void rule_set_fini(struct rule_set *set)
{
    memory_free(set->entries);
    *set = (struct rule_set){0};
}

void rule_set_add(struct rule_set *set, const struct rule *rule, void *user)
{
    if (set->count == set->capacity) {
        set->capacity = set->capacity ? set->capacity * 2 : 8;
        set->entries = memory_resize(set->entries, set->capacity * sizeof *set->entries);
    }
    set->entries[set->count++] = (struct rule_entry){rule, user};
}

const struct rule_entry *rule_set_next(const struct rule_set *set, struct span topic, size_t *cursor)
{
    while (*cursor < set->count) {
        const struct rule_entry *entry = &set->entries[(*cursor)++];
        if (rule_topic_matches(entry->rule, topic))
            return entry;
    }
    return NULL;
}
