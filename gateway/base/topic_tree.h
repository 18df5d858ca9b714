/*
 * A tree of topics, one node a level: the subscriptions and the rules are one
 * each (of Topic Filters), the retained messages another (of Topic Names). A node
 * exists while it has a value or something below it. Children are found in one hash table for
 * the whole tree, so a level with 100,000 children costs what one with 2 costs.
 *
 * Nothing recurses: walks follow parent and sibling links, and a match keeps at
 * most two open branches a level. A walk over names may be interrupted and go on
 * after the tree has changed: what is added behind it, it does not see. Topics have at most TOPIC_LEVELS_MAX
 * levels, which the caller checks. Owned by one thread; out of memory ends the process.
 */
#ifndef SLUICE_BASE_TOPIC_TREE_H
#define SLUICE_BASE_TOPIC_TREE_H

#include "base/hash.h"

enum { TOPIC_LEVELS_MAX = 32 };

struct topic_node {
    /* What a match reads comes last, beside the level, so that it costs one cache line or two. */
    struct topic_node *first_child;
    struct topic_node *next_sibling, *previous_sibling;
    struct topic_node *next_in_bucket;
    struct topic_node *parent;
    uint64_t hash;
    void *value; /* the owner's; NULL: none */
    uint16_t level_len;
    bool has_single_level; /* among its children is `+`, where the tree is one of filters */
    bool has_multi_level;  /* likewise `#` */
    uint8_t level[];
};

struct topic_tree {
    struct hash_key key;
    uint64_t single_level_hash, multi_level_hash; /* of `+` and `#` */
    struct topic_node *root;
    struct topic_node **buckets;
    size_t bucket_count; /* a power of two */
    size_t node_count;
    struct topic_walk *walks; /* that are under way */
};

/* Where a walk over the names that a filter matches has got to. It must not move. */
struct topic_walk {
    struct topic_tree *tree;
    struct topic_walk *next, *previous;
    struct topic_node *at;  /* not looked at yet; NULL: it is done */
    struct topic_node *top; /* of the subtree that `#` matches, when `at` is in it */
    size_t depth;           /* levels of the filter that `at`, or `top`, has matched */
    struct span filter;
};

void topic_tree_init(struct topic_tree *tree, struct hash_key key);
/* The owner has taken all values out. */
void topic_tree_fini(struct topic_tree *tree);

/* The node of this topic, made where it is missing: give it a value, or call topic_tree_release. */
struct topic_node *topic_tree_make(struct topic_tree *tree, struct span topic);
/* The node of exactly this topic, or NULL. */
struct topic_node *topic_tree_find(const struct topic_tree *tree, struct span topic);
/* Takes the node, and those above it, out of the tree as far as they have neither value nor children. */
void topic_tree_release(struct topic_tree *tree, struct topic_node *node);

/* In a tree of filters: calls on_match for the value of each filter that matches this Topic Name. Returns how
 * many nodes it looked at. */
size_t topic_tree_match_filters(const struct topic_tree *tree, struct span name,
                                void (*on_match)(void *ctx, void *value), void *ctx);
/* In a tree of names: a walk over those that this filter matches, which must live until topic_walk_stop. */
void topic_walk_start(struct topic_tree *tree, struct topic_walk *walk, struct span filter);
/* The value of the next name that matches; it is the same again until topic_walk_skip. Looks at no more than
 * *budget nodes, and takes off it what it looked at. NULL: there is no more, or with *budget 0 it may be
 * called again. */
void *topic_walk_at(struct topic_walk *walk, size_t *budget);
void topic_walk_skip(struct topic_walk *walk);
void topic_walk_stop(struct topic_walk *walk);

#endif
