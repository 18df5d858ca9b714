/*
 * Which rules a topic concerns. Rules are found in the order in which they were
 * added. Neither the rules nor their users belong to the set; both must outlive
 * it. Owned by one thread; nothing may be added during a search.
 *
 * A search looks at each rule, and at most of them no further than the part of
 * the filter before its first wildcard: for the tens of routes that a gateway
 * has this is quicker than a tree.
 */
#ifndef SLUICE_ROUTE_RULE_SET_H
#define SLUICE_ROUTE_RULE_SET_H

#include "route/rule.h"

struct rule_entry {
    const struct rule *rule;
    void *user;
};

/* Zeroed it is an empty one. */
struct rule_set {
    struct rule_entry *entries;
    size_t count;
    size_t capacity;
};

void rule_set_fini(struct rule_set *set);
void rule_set_add(struct rule_set *set, const struct rule *rule, void *user);
/* The next entry whose FROM matches, or NULL. Start with *cursor = 0. */
const struct rule_entry *rule_set_next(const struct rule_set *set, struct span topic, size_t *cursor);

#endif
