/* The topic tree against wire/topic.h, and the subscriptions that stand in it. */
#include "base/memory.h"
#include "broker/subscriptions.h"
#include "wire/topic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct hash_key key = {1, 2};

static const char *const names[] = {
    "a", "a/b", "a/b/c", "/", "/a", "a/", "a//c", "b", "b/a", "$SYS", "$SYS/x", "a/$x", "long level name/b",
};
static const char *const filters[] = {
    "#",
    "+",
    "a",
    "a/#",
    "a/+",
    "+/+",
    "+/b",
    "a/b/c",
    "a/+/c",
    "/",
    "/+",
    "+/",
    "a//c",
    "$SYS/#",
    "$SYS/+",
    "+/x",
    "a/b/c/#",
    "+/b/#",
    "long level name/+",
    "a/b/#",
};
enum { NAME_COUNT = sizeof names / sizeof *names, FILTER_COUNT = sizeof filters / sizeof *filters };

struct seen {
    int count[FILTER_COUNT];
};

static void note(void *ctx, void *value)
{
    struct seen *seen = ctx;
    seen->count[(const char *const *)value - filters]++;
}

static void walk_names(struct topic_tree *tree, const char *filter, struct seen *seen)
{
    struct topic_walk walk;
    const char *const *value;
    topic_walk_start(tree, &walk, span_from_string(filter));
    do { /* one node at a time */
        size_t budget = 1;
        value = topic_walk_at(&walk, &budget);
        if (value) {
            seen->count[value - names]++;
            topic_walk_skip(&walk);
        }
    } while (walk.at);
    topic_walk_stop(&walk);
}

static void clear(struct topic_tree *tree, const char *const *topics, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct topic_node *node = topic_tree_find(tree, span_from_string(topics[i]));
        assert_non_null(node);
        node->value = NULL;
        topic_tree_release(tree, node);
    }
    topic_tree_fini(tree);
}

static void names_find_the_filters_that_match_them(void **state)
{
    (void)state;
    struct topic_tree tree;
    topic_tree_init(&tree, key);
    for (size_t i = 0; i < FILTER_COUNT; i++)
        topic_tree_make(&tree, span_from_string(filters[i]))->value = (void *)(uintptr_t)&filters[i];
    for (size_t i = 0; i < NAME_COUNT; i++) {
        struct seen seen = {{0}};
        topic_tree_match_filters(&tree, span_from_string(names[i]), note, &seen);
        for (size_t j = 0; j < FILTER_COUNT; j++) {
            bool wanted = topic_matches(span_from_string(filters[j]), span_from_string(names[i]));
            if (seen.count[j] != wanted)
                fail_msg("filter %s, name %s: %d", filters[j], names[i], seen.count[j]);
        }
    }
    clear(&tree, filters, FILTER_COUNT);
}

static void filters_find_the_names_that_they_match(void **state)
{
    (void)state;
    struct topic_tree tree;
    topic_tree_init(&tree, key);
    for (size_t i = 0; i < NAME_COUNT; i++)
        topic_tree_make(&tree, span_from_string(names[i]))->value = (void *)(uintptr_t)&names[i];
    for (size_t j = 0; j < FILTER_COUNT; j++) {
        struct seen seen = {{0}};
        walk_names(&tree, filters[j], &seen);
        for (size_t i = 0; i < NAME_COUNT; i++) {
            bool wanted = topic_matches(span_from_string(filters[j]), span_from_string(names[i]));
            if (seen.count[i] != wanted)
                fail_msg("filter %s, name %s: %d", filters[j], names[i], seen.count[i]);
        }
    }
    clear(&tree, names, NAME_COUNT);
}

static uint32_t below(uint64_t *random, uint32_t bound)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 33) % bound;
}

/* Three levels of three names each, one of them reserved at the front; half of the topics come and go. */
enum { STABLE = 0, CHANGING = 1, TREE_TOPICS = 3 + 9 + 27 };

struct changing {
    char topics[TREE_TOPICS][8];
    bool there[TREE_TOPICS];
    int seen[TREE_TOPICS];
};

static void make_topics(struct changing *changing)
{
    static const char *const level[] = {"a", "", "$"};
    size_t count = 0;
    for (int depth = 1; depth <= 3; depth++) {
        int of_depth = depth == 1 ? 3 : depth == 2 ? 9 : 27;
        for (int i = 0; i < of_depth; i++) {
            char *text = changing->topics[count++];
            if (depth == 1)
                snprintf(text, 8, "%s", i == 1 ? "b" : level[i]);
            else if (depth == 2)
                snprintf(text, 8, "%s/%s", level[i / 3], level[i % 3]);
            else
                snprintf(text, 8, "%s/%s/%s", level[i / 9], level[i / 3 % 3], level[i % 3]);
        }
    }
}

static void set_topic(struct topic_tree *tree, struct changing *changing, size_t i, bool there)
{
    if (changing->there[i] == there)
        return;
    changing->there[i] = there;
    struct topic_node *node = topic_tree_make(tree, span_from_string(changing->topics[i]));
    node->value = there ? changing->topics[i] : NULL;
    topic_tree_release(tree, node);
}

/* What is there all the time is seen once, and nothing twice that does not come anew. */
static void a_walk_goes_on_after_the_tree_has_changed(void **state)
{
    (void)state;
    static const char *const walked[] = {"#",     "+/#",   "a/#", "+/+",  "+/+/+",
                                         "a/+/$", "+/$/#", "$/#", "/+/a", "a"};
    uint64_t random = 1;
    for (int round = 0; round < 20000; round++) {
        struct changing changing = {.there = {false}};
        struct topic_tree tree;
        const char *filter = walked[round % 10];
        topic_tree_init(&tree, key);
        make_topics(&changing);
        for (size_t i = 0; i < TREE_TOPICS; i++)
            set_topic(&tree, &changing, i, i % 2 == STABLE || below(&random, 2));
        struct topic_walk walk;
        topic_walk_start(&tree, &walk, span_from_string(filter));
        while (walk.at) {
            size_t budget = 1 + below(&random, 3);
            const char *value = topic_walk_at(&walk, &budget);
            if (value && below(&random, 4) > 0) {
                changing.seen[(value - changing.topics[0]) / 8]++;
                topic_walk_skip(&walk);
            }
            size_t i = below(&random, TREE_TOPICS / 2) * 2 + CHANGING;
            set_topic(&tree, &changing, i, below(&random, 3) == 0);
        }
        topic_walk_stop(&walk);
        for (size_t i = 0; i < TREE_TOPICS; i++) {
            bool matches = topic_matches(span_from_string(filter), span_from_string(changing.topics[i]));
            if (i % 2 == STABLE ? changing.seen[i] != matches : changing.seen[i] > 0 && !matches)
                fail_msg("round %d: %s walked %s %d times", round, filter, changing.topics[i],
                         changing.seen[i]);
            set_topic(&tree, &changing, i, false);
        }
        topic_tree_fini(&tree);
    }
}

static void a_tree_gives_every_node_back(void **state)
{
    (void)state;
    struct topic_tree tree;
    topic_tree_init(&tree, key);
    char topic[64];
    for (int i = 0; i < 100000; i++) {
        snprintf(topic, sizeof topic, "site/%d/device/%d", i % 10, i);
        topic_tree_make(&tree, span_from_string(topic))->value = &tree;
    }
    assert_int_equal(tree.node_count, 1 + 10 + 10 + 100000);
    struct seen seen = {{0}};
    topic_tree_match_filters(&tree, SPAN_LITERAL("site/3/device"), note, &seen);
    for (int i = 0; i < 100000; i++) {
        snprintf(topic, sizeof topic, "site/%d/device/%d", i % 10, i);
        struct topic_node *node = topic_tree_find(&tree, span_from_string(topic));
        assert_non_null(node);
        node->value = NULL;
        topic_tree_release(&tree, node);
    }
    assert_int_equal(tree.node_count, 0);
    topic_tree_fini(&tree);
}

/* Every filter of sixteen levels that has 'a' or '+' in each would be 65,536: with all of those of the first
 * twelve levels there, a match may visit each of them once and no more [HOSTILE 35]. */
static int matches_seen;

static void count_match(void *ctx, void *value)
{
    (void)ctx, (void)value;
    matches_seen++;
}

static void an_adversarial_tree_is_matched_in_one_visit_a_node(void **state)
{
    (void)state;
    enum { LEVELS = 12 };
    struct topic_tree tree;
    topic_tree_init(&tree, key);
    char filter[2 * LEVELS];
    for (int round = 0; round < 2; round++) {
        for (int bits = 0; bits < 1 << LEVELS; bits++) {
            for (int level = 0; level < LEVELS; level++) {
                filter[2 * level] = bits >> level & 1 ? '+' : 'a';
                filter[2 * level + 1] = level == LEVELS - 1 ? '\0' : '/';
            }
            struct topic_node *node = topic_tree_make(&tree, span_from_string(filter));
            node->value = round == 0 ? &tree : NULL;
            topic_tree_release(&tree, node);
        }
        matches_seen = 0;
        topic_tree_match_filters(&tree, SPAN_LITERAL("a/a/a/a/a/a/a/a/a/a/a/a"), count_match, NULL);
        assert_int_equal(matches_seen, round == 0 ? 1 << LEVELS : 0);
    }
    topic_tree_fini(&tree);
}

static struct subscription *subscribe(struct topic_tree *tree, const char *share, const char *filter)
{
    struct subscription *subscription = memory_new(sizeof *subscription);
    subscriptions_add(tree, subscription, span_from_string(share), span_from_string(filter));
    return subscription;
}

static void shared_and_plain_ones_leave_in_every_order(void **state)
{
    (void)state;
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct topic_tree tree;
        topic_tree_init(&tree, key);
        struct subscription_matches matches = {.count = 0};
        struct subscription *all[3] = {subscribe(&tree, "", "a/+"), subscribe(&tree, "g", "a/+"),
                                       subscribe(&tree, "g", "a/+")};
        subscriptions_match(&tree, SPAN_LITERAL("a/b"), &matches);
        assert_int_equal(matches.count, 1);
        assert_int_equal(matches.items[0]->plain.count, 1);
        assert_int_equal(matches.items[0]->groups->members.count, 2);
        for (size_t j = 0; j < 3; j++) {
            subscriptions_remove(&tree, all[orders[i][j]]);
            memory_free(all[orders[i][j]]);
        }
        subscriptions_match(&tree, SPAN_LITERAL("a/b"), &matches);
        assert_int_equal(matches.count, 0);
        memory_free(matches.items);
        topic_tree_fini(&tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_find_the_filters_that_match_them),
        cmocka_unit_test(filters_find_the_names_that_they_match),
        cmocka_unit_test(a_walk_goes_on_after_the_tree_has_changed),
        cmocka_unit_test(a_tree_gives_every_node_back),
        cmocka_unit_test(an_adversarial_tree_is_matched_in_one_visit_a_node),
        cmocka_unit_test(shared_and_plain_ones_leave_in_every_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
