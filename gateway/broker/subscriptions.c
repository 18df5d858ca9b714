#include "broker/subscriptions.h"

#include "base/memory.h"
#include "wire/topic.h"

static void list_add(struct subscription_list *list, struct subscription *subscription)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 1;
        list->items = memory_resize(list->items, list->capacity * sizeof(struct subscription *));
    }
    subscription->place = list->count;
    list->items[list->count++] = subscription;
}

/* The last one takes the freed place: order among subscribers means nothing. */
static void list_remove(struct subscription_list *list, const struct subscription *subscription)
{
    struct subscription *last = list->items[--list->count];
    list->items[subscription->place] = last;
    last->place = subscription->place;
    if (list->count == 0) {
        memory_free(list->items);
        *list = (struct subscription_list){0};
    }
}

static struct share_group *find_group(const struct subscribers *subscribers, struct span name)
{
    struct share_group *group = subscribers->groups;
    while (group && !span_equal(span_of(group->name, group->name_len), name))
        group = group->next;
    return group;
}

static struct share_group *group_of(struct subscribers *subscribers, struct span name)
{
    struct share_group *group = find_group(subscribers, name);
    if (group)
        return group;
    group = memory_new(sizeof *group + name.len);
    memcpy(group->name, name.data, name.len);
    group->name_len = name.len;
    group->next = subscribers->groups;
    subscribers->groups = group;
    return group;
}

static void remove_group(struct subscribers *subscribers, struct share_group *group)
{
    struct share_group **link = &subscribers->groups;
    while (*link != group)
        link = &(*link)->next;
    *link = group->next;
    memory_free(group);
}

void subscriptions_add(struct topic_tree *tree, struct subscription *subscription, struct span share,
                       struct span filter)
{
    struct topic_node *node = topic_tree_make(tree, filter);
    if (!node->value)
        node->value = memory_new(sizeof(struct subscribers));
    struct subscribers *subscribers = node->value;
    subscription->node = node;
    subscription->group = share.len > 0 ? group_of(subscribers, share) : NULL;
    list_add(subscription->group ? &subscription->group->members : &subscribers->plain, subscription);
}

void subscriptions_remove(struct topic_tree *tree, struct subscription *subscription)
{
    struct topic_node *node = subscription->node;
    struct subscribers *subscribers = node->value;
    struct share_group *group = subscription->group;
    list_remove(group ? &group->members : &subscribers->plain, subscription);
    if (group && group->members.count == 0)
        remove_group(subscribers, group);
    if (subscribers->plain.count > 0 || subscribers->groups)
        return;
    memory_free(subscribers);
    node->value = NULL;
    topic_tree_release(tree, node);
}

const struct subscription_list *subscriptions_find(const struct topic_tree *tree, struct span share,
                                                   struct span filter)
{
    const struct topic_node *node = topic_tree_find(tree, filter);
    if (!node || !node->value)
        return NULL;
    const struct subscribers *subscribers = node->value;
    if (share.len == 0)
        return subscribers->plain.count > 0 ? &subscribers->plain : NULL;
    const struct share_group *group = find_group(subscribers, share);
    return group ? &group->members : NULL;
}

bool subscription_take_apart(struct span whole, struct span *ret_share, struct span *ret_filter)
{
    *ret_share = SPAN_EMPTY;
    *ret_filter = whole;
    return !topic_filter_share(whole, ret_share, ret_filter) || ret_share->len > 0;
}

static void add_match(void *ctx, void *value)
{
    struct subscription_matches *matches = ctx;
    if (matches->count == matches->capacity) {
        matches->capacity = matches->capacity ? matches->capacity * 2 : 16;
        matches->items = memory_resize(matches->items, matches->capacity * sizeof(struct subscribers *));
    }
    matches->items[matches->count++] = value;
}

size_t subscriptions_match(const struct topic_tree *tree, struct span name,
                           struct subscription_matches *matches)
{
    matches->count = 0;
    return topic_tree_match_filters(tree, name, add_match, matches);
}
