/*
 * Which rules a topic concerns. Neither the rules nor their users belong to the
 * set; both must outlive it. Owned by one thread; what a search has found lives
 * until the next one.
 *
 * A few rules are looked at one after the other, and most of them no further than
 * the part of the filter before its first wildcard, which is quickest; more are
 * found in a tree of their filters, whose time does not grow with their number.
 */
#ifndef SLUICE_ROUTE_RULE_SET_H
#define SLUICE_ROUTE_RULE_SET_H

#include "base/topic_tree.h"
#include "route/rule.h"

enum { RULE_SET_LIST_MAX = 16 }; /* from here on by the tree */

struct rule_entry {
    const struct rule *rule;
    void *user;
    struct rule_entry *next; /* of the same filter */
};

/* Zeroed it is an empty one. */
struct rule_set {
    struct rule_entry **entries;
    size_t count, capacity;
    struct topic_tree filters;
    const struct rule_entry **found; /* has room for all */
    size_t found_count;
};

void rule_set_fini(struct rule_set *set);
void rule_set_add(struct rule_set *set, const struct rule *rule, void *user);
/* Those whose FROM matches, in no particular order; returns how many. The topic has at most TOPIC_LEVELS_MAX
 * levels. */
size_t rule_set_find(struct rule_set *set, struct span topic, const struct rule_entry *const **ret_found);

#endif
