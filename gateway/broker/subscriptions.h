/*
 * All subscriptions, found by the Topic Name of a message. Those with the same
 * Topic Filter stand together in one struct subscribers: the plain ones as a
 * list, the Shared Subscriptions as groups of which one member gets each message.
 * A struct subscription belongs to its session and lives in the session's memory
 * (session.c); this module links it. Owned by one thread.
 */
#ifndef SLUICE_BROKER_SUBSCRIPTIONS_H
#define SLUICE_BROKER_SUBSCRIPTIONS_H

#include "base/topic_tree.h"

struct session;

struct subscription {
    struct session *session;
    struct subscription *next; /* of the same session */
    struct topic_node *node;
    struct share_group *group; /* NULL: not shared */
    uint32_t place;            /* in its list */
    uint32_t share;            /* share_tag, 0: not shared */
    uint32_t identifier;       /* Subscription Identifier, 0: none */
    uint8_t qos;
    bool no_local, retain_as_published;
    uint8_t retain_handling;
    uint16_t filter_len;
    uint8_t filter[]; /* as the client sent it */
};

struct subscription_list {
    struct subscription **items;
    uint32_t count, capacity;
};

struct share_group {
    struct share_group *next; /* of the same filter */
    struct subscription_list members;
    uint32_t turn; /* the member to try first */
    size_t name_len;
    uint8_t name[];
};

struct subscribers {
    struct subscription_list plain;
    struct share_group *groups;
};

/* What matched one Topic Name; reused from match to match. */
struct subscription_matches {
    struct subscribers **items;
    size_t count, capacity;
};

/* Links it under `filter`, the inner one of a Shared Subscription named `share` (empty: not shared). */
void subscriptions_add(struct topic_tree *tree, struct subscription *subscription, struct span share,
                       struct span filter);
void subscriptions_remove(struct topic_tree *tree, struct subscription *subscription);
/* Those to exactly this filter, of this share or plain; NULL: there is none. */
const struct subscription_list *subscriptions_find(const struct topic_tree *tree, struct span share,
                                                   struct span filter);
/* Splits what a client sent into share (empty: not shared) and filter. False: a malformed Shared
 * Subscription. */
bool subscription_take_apart(struct span whole, struct span *ret_share, struct span *ret_filter);
/* Replaces *matches by what matches `name`. They live until a subscription is added or removed. Returns how
 * many levels of filters it looked at. */
size_t subscriptions_match(const struct topic_tree *tree, struct span name,
                           struct subscription_matches *matches);

static inline struct span subscription_filter(const struct subscription *subscription)
{
    return span_of(subscription->filter, subscription->filter_len);
}

#endif
