#include "route/rule_set.h"

#include "base/memory.h"

void rule_set_fini(struct rule_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        struct topic_node *node = topic_tree_find(&set->filters, rule_filter(set->entries[i]->rule));
        if (node) { /* else another rule of this filter was first */
            node->value = NULL;
            topic_tree_release(&set->filters, node);
        }
    }
    for (size_t i = 0; i < set->count; i++)
        memory_free(set->entries[i]);
    if (set->count > 0)
        topic_tree_fini(&set->filters);
    memory_free(set->entries);
    memory_free(set->found);
    *set = (struct rule_set){0};
}

static void make_room(struct rule_set *set)
{
    if (set->count < set->capacity)
        return;
    /* The filters are the configuration's, so nobody chooses them to collide: the key need not be secret. */
    if (set->count == 0)
        topic_tree_init(&set->filters, (struct hash_key){0, 0});
    set->capacity = set->capacity ? set->capacity * 2 : 8;
    set->entries = memory_resize(set->entries, set->capacity * sizeof *set->entries);
    set->found = memory_resize(set->found, set->capacity * sizeof *set->found);
}

void rule_set_add(struct rule_set *set, const struct rule *rule, void *user)
{
    make_room(set);
    struct topic_node *node = topic_tree_make(&set->filters, rule_filter(rule));
    struct rule_entry *entry = memory_new(sizeof *entry);
    *entry = (struct rule_entry){rule, user, node->value};
    node->value = entry;
    set->entries[set->count++] = entry;
}

static void on_filter(void *ctx, void *value)
{
    struct rule_set *set = ctx;
    for (const struct rule_entry *entry = value; entry; entry = entry->next)
        set->found[set->found_count++] = entry;
}

size_t rule_set_find(struct rule_set *set, struct span topic, const struct rule_entry *const **ret_found)
{
    set->found_count = 0;
    if (set->count > RULE_SET_LIST_MAX)
        topic_tree_match_filters(&set->filters, topic, on_filter, set);
    for (size_t i = 0; set->count <= RULE_SET_LIST_MAX && i < set->count; i++)
        if (rule_topic_matches(set->entries[i]->rule, topic))
            set->found[set->found_count++] = set->entries[i];
    *ret_found = set->found;
    return set->found_count;
}
