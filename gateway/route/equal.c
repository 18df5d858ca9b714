#include "route/equal.h"

#include "route/json.h"

#include <math.h>
#include <stdlib.h>

static enum equality compare(struct value a, struct value b, struct arena *arena, size_t depth);

static enum equality equality_of(bool equal)
{
    return equal ? EQUALITY_HOLDS : EQUALITY_FAILS;
}

/* Integers past 2^53 may be different and the same double: their digits, which JSON writes in one way only,
 * tell. */
static bool numbers_equal(const struct value *a, const struct value *b)
{
    bool digits_tell = a->is_int && b->is_int && a->text.len > 0 && b->text.len > 0;
    if (digits_tell && fabs(a->number) >= 9007199254740992.0)
        return span_equal(a->text, b->text);
    return a->number == b->number;
}

static enum equality compare_arrays(struct span a, struct span b, struct arena *arena, size_t depth)
{
    struct json_walk walk_a = json_walk_of(a), walk_b = json_walk_of(b);
    struct span key, item_a, item_b;
    for (;;) {
        bool more_a = json_next(&walk_a, &key, &item_a), more_b = json_next(&walk_b, &key, &item_b);
        if (!more_a || !more_b)
            return equality_of(more_a == more_b);
        enum equality items =
            compare(value_of_json(item_a, arena), value_of_json(item_b, arena), arena, depth + 1);
        if (items != EQUALITY_HOLDS)
            return items;
    }
}

struct member {
    struct span key, value;
};

/* By key; of the same key the first in the text comes first. */
static int order_members(const void *left, const void *right)
{
    const struct member *a = left, *b = right;
    size_t len = a->key.len < b->key.len ? a->key.len : b->key.len;
    int order = len > 0 ? memcmp(a->key.data, b->key.data, len) : 0;
    if (order != 0)
        return order;
    if (a->key.len != b->key.len)
        return a->key.len < b->key.len ? -1 : 1;
    return a->value.data < b->value.data ? -1 : 1;
}

/* The members by key, so that comparing takes no look-up for each; of a repeated key the first. */
static const struct member *sort_members(struct span object, struct arena *arena, size_t *ret_count)
{
    struct json_walk walk = json_walk_of(object);
    struct member member;
    size_t count = 0, kept = 0;
    while (json_next(&walk, &member.key, &member.value))
        count++;
    struct member *members = arena_take(arena, count * sizeof *members);
    walk = json_walk_of(object);
    for (size_t i = 0; json_next(&walk, &member.key, &member.value); i++)
        members[i] = (struct member){json_unescape(member.key, arena), member.value};
    if (count > 0)
        qsort(members, count, sizeof *members, order_members);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !span_equal(members[kept - 1].key, members[i].key))
            members[kept++] = members[i];
    *ret_count = kept;
    return members;
}

static enum equality compare_objects(struct span a, struct span b, struct arena *arena, size_t depth)
{
    size_t count_a, count_b;
    const struct member *members_a = sort_members(a, arena, &count_a);
    const struct member *members_b = sort_members(b, arena, &count_b);
    if (count_a != count_b)
        return EQUALITY_FAILS;
    for (size_t i = 0; i < count_a; i++) {
        if (!span_equal(members_a[i].key, members_b[i].key))
            return EQUALITY_FAILS;
        enum equality values = compare(value_of_json(members_a[i].value, arena),
                                       value_of_json(members_b[i].value, arena), arena, depth + 1);
        if (values != EQUALITY_HOLDS)
            return values;
    }
    return EQUALITY_HOLDS;
}

static enum equality compare(struct value a, struct value b, struct arena *arena, size_t depth)
{
    if (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED)
        return EQUALITY_UNDEFINED;
    if (a.kind != b.kind)
        return EQUALITY_FAILS;
    switch (a.kind) {
    case VALUE_UNDEFINED: break;
    case VALUE_NULL: return EQUALITY_HOLDS;
    case VALUE_BOOLEAN: return equality_of(a.boolean == b.boolean);
    case VALUE_NUMBER: return equality_of(numbers_equal(&a, &b));
    case VALUE_STRING: return equality_of(span_equal(a.text, b.text));
    case VALUE_ARRAY:
        return depth < EQUAL_DEPTH_MAX ? compare_arrays(a.text, b.text, arena, depth) : EQUALITY_UNDEFINED;
    case VALUE_OBJECT:
        return depth < EQUAL_DEPTH_MAX ? compare_objects(a.text, b.text, arena, depth) : EQUALITY_UNDEFINED;
    }
    return EQUALITY_UNDEFINED;
}

enum equality value_equal(struct value a, struct value b, struct arena *arena)
{
    return compare(a, b, arena, 0);
}
