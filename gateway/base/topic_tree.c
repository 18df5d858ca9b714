#include "base/topic_tree.h"

#include "base/memory.h"
#include "wire/topic.h"

#include <assert.h>

enum { SMALLEST_BUCKET_COUNT = 64 };

void topic_tree_init(struct topic_tree *tree, struct hash_key key)
{
    *tree = (struct topic_tree){.key = key,
                                .single_level_hash = hash_bytes(key, SPAN_LITERAL("+")),
                                .multi_level_hash = hash_bytes(key, SPAN_LITERAL("#")),
                                .bucket_count = SMALLEST_BUCKET_COUNT};
    tree->root = memory_new(sizeof *tree->root);
    tree->buckets = memory_new_array(tree->bucket_count, sizeof *tree->buckets);
}

void topic_tree_fini(struct topic_tree *tree)
{
    assert(tree->node_count == 0 && !tree->root->value && !tree->walks);
    memory_free(tree->root);
    memory_free(tree->buckets);
    *tree = (struct topic_tree){0};
}

/* The level's own hash is made once for a topic; which parent it hangs from is mixed in cheaply. So the hash
 * of a node follows from its topic alone, and a match knows where it will look before it has looked. */
static inline uint64_t child_hash(uint64_t parent_hash, uint64_t level_hash)
{
    uint64_t hash = (parent_hash ^ level_hash) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static inline struct topic_node **bucket_of(const struct topic_tree *tree, uint64_t hash)
{
    return &tree->buckets[hash & (tree->bucket_count - 1)];
}

static struct topic_node *find_child(const struct topic_tree *tree, const struct topic_node *parent,
                                     struct span level, uint64_t level_hash)
{
    uint64_t hash = child_hash(parent->hash, level_hash);
    struct topic_node *node = *bucket_of(tree, hash);
    for (; node; node = node->next_in_bucket) {
        if (node->hash == hash && node->parent == parent &&
            span_equal(span_of(node->level, node->level_len), level))
            return node;
    }
    return NULL;
}

static void grow(struct topic_tree *tree)
{
    size_t count = tree->bucket_count * 2;
    struct topic_node **buckets = memory_new_array(count, sizeof *buckets);
    for (size_t i = 0; i < tree->bucket_count; i++) {
        struct topic_node *next;
        for (struct topic_node *node = tree->buckets[i]; node; node = next) {
            next = node->next_in_bucket;
            node->next_in_bucket = buckets[node->hash & (count - 1)];
            buckets[node->hash & (count - 1)] = node;
        }
    }
    memory_free(tree->buckets);
    tree->buckets = buckets;
    tree->bucket_count = count;
}

static bool is_level(struct span level, char wildcard)
{
    return level.len == 1 && level.data[0] == (uint8_t)wildcard;
}

static struct topic_node *add_child(struct topic_tree *tree, struct topic_node *parent, struct span level,
                                    uint64_t level_hash)
{
    if (tree->node_count * 2 >= tree->bucket_count)
        grow(tree);
    struct topic_node *node = memory_new(sizeof *node + level.len);
    node->parent = parent;
    node->level_len = (uint16_t)level.len;
    if (level.len > 0)
        memcpy(node->level, level.data, level.len);
    node->hash = child_hash(parent->hash, level_hash);
    struct topic_node **bucket = bucket_of(tree, node->hash);
    node->next_in_bucket = *bucket;
    *bucket = node;
    node->next_sibling = parent->first_child;
    if (parent->first_child)
        parent->first_child->previous_sibling = node;
    parent->first_child = node;
    parent->has_single_level |= is_level(level, '+');
    parent->has_multi_level |= is_level(level, '#');
    tree->node_count++;
    return node;
}

struct topic_node *topic_tree_make(struct topic_tree *tree, struct span topic)
{
    struct topic_node *node = tree->root;
    struct span rest = topic, level;
    bool done = false;
    while (topic_next_level(&rest, &done, &level)) {
        uint64_t hash = hash_bytes(tree->key, level);
        struct topic_node *child = find_child(tree, node, level, hash);
        node = child ? child : add_child(tree, node, level, hash);
    }
    return node;
}

struct topic_node *topic_tree_find(const struct topic_tree *tree, struct span topic)
{
    struct topic_node *node = tree->root;
    struct span rest = topic, level;
    bool done = false;
    while (node && topic_next_level(&rest, &done, &level))
        node = find_child(tree, node, level, hash_bytes(tree->key, level));
    return node;
}

static void remove_node(struct topic_tree *tree, struct topic_node *node)
{
    for (struct topic_walk *walk = tree->walks; walk; walk = walk->next) {
        if (walk->at == node) /* it has neither value nor children: nothing is missed */
            topic_walk_skip(walk);
    }
    struct topic_node **link = bucket_of(tree, node->hash);
    while (*link != node)
        link = &(*link)->next_in_bucket;
    *link = node->next_in_bucket;
    struct topic_node *parent = node->parent;
    if (node->previous_sibling)
        node->previous_sibling->next_sibling = node->next_sibling;
    else
        parent->first_child = node->next_sibling;
    if (node->next_sibling)
        node->next_sibling->previous_sibling = node->previous_sibling;
    struct span level = span_of(node->level, node->level_len);
    parent->has_single_level &= !is_level(level, '+');
    parent->has_multi_level &= !is_level(level, '#');
    tree->node_count--;
    memory_free(node);
}

void topic_tree_release(struct topic_tree *tree, struct topic_node *node)
{
    while (node != tree->root && !node->value && !node->first_child) {
        struct topic_node *parent = node->parent;
        remove_node(tree, node);
        node = parent;
    }
}

struct levels {
    struct span level[TOPIC_LEVELS_MAX];
    size_t count;
};

static void split(struct span topic, struct levels *ret_levels)
{
    struct span rest = topic;
    bool done = false;
    ret_levels->count = 0;
    while (ret_levels->count < TOPIC_LEVELS_MAX &&
           topic_next_level(&rest, &done, &ret_levels->level[ret_levels->count]))
        ret_levels->count++;
}

static bool is_reserved(struct span level)
{
    return level.len > 0 && level.data[0] == '$';
}

static void emit(const struct topic_node *node, void (*on_match)(void *ctx, void *value), void *ctx)
{
    if (node && node->value)
        on_match(ctx, node->value);
}

/*
 * A tree of 100,000 filters does not fit into the processor's caches, and a walk that waits for memory at
 * each step takes many times longer than one that does not. Where the nodes of a path are, its hashes tell,
 * so they are fetched together: first the buckets, then what these point to.
 */
static void fetch_path(const struct topic_tree *tree, uint64_t hash, const uint64_t *level_hashes,
                       size_t count)
{
    struct topic_node **path[TOPIC_LEVELS_MAX];
    for (size_t i = 0; i < count; i++) {
        hash = child_hash(hash, level_hashes[i]);
        path[i] = bucket_of(tree, hash);
        __builtin_prefetch(path[i]);
    }
    for (size_t i = 0; i < count; i++) {
        const struct topic_node *node = *path[i];
        __builtin_prefetch(node ? &node->next_in_bucket : NULL);
        __builtin_prefetch(node ? node->level : NULL);
    }
}

size_t topic_tree_match_filters(const struct topic_tree *tree, struct span name,
                                void (*on_match)(void *ctx, void *value), void *ctx)
{
    struct levels levels;
    split(name, &levels);
    uint64_t hashes[TOPIC_LEVELS_MAX];
    for (size_t i = 0; i < levels.count; i++)
        hashes[i] = hash_bytes(tree->key, levels.level[i]);
    fetch_path(tree, tree->root->hash, hashes, levels.count);
    struct branch {
        struct topic_node *node;
        size_t depth;
    } open[2 * TOPIC_LEVELS_MAX];
    open[0] = (struct branch){tree->root, 0};
    size_t open_count = 1, seen_count = 0;
    for (; open_count > 0; seen_count++) {
        struct branch at = open[--open_count];
        /* A wildcard at the front does not match names that begin with $ [MQTT-4.7.2-1]. */
        bool wildcards = at.depth > 0 || !is_reserved(levels.level[0]);
        if (wildcards && at.node->has_multi_level)
            emit(find_child(tree, at.node, SPAN_LITERAL("#"), tree->multi_level_hash), on_match, ctx);
        if (at.depth == levels.count) {
            emit(at.node, on_match, ctx);
            continue;
        }
        if (wildcards && at.node->has_single_level) {
            uint64_t displaced = hashes[at.depth];
            hashes[at.depth] = tree->single_level_hash;
            fetch_path(tree, at.node->hash, hashes + at.depth, levels.count - at.depth);
            hashes[at.depth] = displaced;
            struct topic_node *child = find_child(tree, at.node, SPAN_LITERAL("+"), tree->single_level_hash);
            open[open_count++] = (struct branch){child, at.depth + 1};
        }
        struct topic_node *child = find_child(tree, at.node, levels.level[at.depth], hashes[at.depth]);
        if (child)
            open[open_count++] = (struct branch){child, at.depth + 1};
    }
    return seen_count;
}

/* ---- Walks over names ---- */

/* `node` or the first of its later siblings that a wildcard at this place matches, or NULL. */
static struct topic_node *any_sibling(const struct topic_tree *tree, struct topic_node *node)
{
    while (node && node->parent == tree->root && is_reserved(span_of(node->level, node->level_len)))
        node = node->next_sibling;
    return node;
}

/* The next node of the subtree below walk->top, parents before children; NULL at its end. */
static struct topic_node *next_below(const struct topic_walk *walk)
{
    struct topic_node *node = walk->at;
    struct topic_node *next = any_sibling(walk->tree, node->first_child);
    while (!next && node != walk->top) {
        next = any_sibling(walk->tree, node->next_sibling);
        node = node->parent;
    }
    return next;
}

/* Goes on behind `node`, which has matched walk->depth levels: up to the nearest `+` that has another level
 * to offer. */
static void go_on_behind(struct topic_walk *walk, const struct levels *levels, struct topic_node *node)
{
    walk->at = walk->top = NULL;
    for (; walk->depth > 0 && !walk->at; node = node->parent) {
        if (is_level(levels->level[walk->depth - 1], '+'))
            walk->at = any_sibling(walk->tree, node->next_sibling);
        if (!walk->at)
            walk->depth--;
    }
}

/* The node at walk->at is not what the filter asks for, or done with. */
static void go_on(struct topic_walk *walk, const struct levels *levels)
{
    struct topic_node *node = walk->at;
    const struct topic_tree *tree = walk->tree;
    if (walk->top) {
        struct topic_node *top = walk->top;
        walk->at = next_below(walk);
        if (!walk->at)
            go_on_behind(walk, levels, top);
        return;
    }
    struct topic_node *child = NULL;
    if (walk->depth < levels->count) {
        struct span level = levels->level[walk->depth];
        child = is_level(level, '+') ? any_sibling(tree, node->first_child)
                                     : find_child(tree, node, level, hash_bytes(tree->key, level));
    }
    if (child) {
        walk->at = child;
        walk->depth++;
    } else {
        go_on_behind(walk, levels, node);
    }
}

void *topic_walk_at(struct topic_walk *walk, size_t *budget)
{
    struct levels levels;
    split(walk->filter, &levels);
    for (; walk->at && *budget > 0; --*budget) {
        if (!walk->top && walk->depth < levels.count && is_level(levels.level[walk->depth], '#'))
            walk->top = walk->at;
        if ((walk->top || walk->depth == levels.count) && walk->at->value)
            return walk->at->value;
        go_on(walk, &levels);
    }
    return NULL;
}

void topic_walk_skip(struct topic_walk *walk)
{
    struct levels levels;
    split(walk->filter, &levels);
    go_on(walk, &levels);
}

void topic_walk_start(struct topic_tree *tree, struct topic_walk *walk, struct span filter)
{
    *walk = (struct topic_walk){.tree = tree, .next = tree->walks, .at = tree->root, .filter = filter};
    if (tree->walks)
        tree->walks->previous = walk;
    tree->walks = walk;
}

void topic_walk_stop(struct topic_walk *walk)
{
    *(walk->previous ? &walk->previous->next : &walk->tree->walks) = walk->next;
    if (walk->next)
        walk->next->previous = walk->previous;
}
