#include "broker/retained.h"

#include "base/memory.h"
#include "broker/parts.h"

/* Adds the message to what is there, or takes it off. */
static void count(struct broker *broker, const struct message *message, bool added)
{
    struct broker_counters *counters = &broker->counters;
    if (message->topic.data[0] == '$')
        return;
    uint64_t sign = added ? 1 : UINT64_MAX; /* in the arithmetic of unsigned numbers, -1 */
    counters->retained += sign;
    counters->retained_bytes += sign * message_bytes(message);
}

static void forget(struct broker *broker, struct topic_node *node)
{
    struct retained *retained = node->value;
    count(broker, retained->message, false);
    timers_stop(&broker->retained_expiry, &retained->expiry);
    message_unref(retained->message);
    memory_free(retained);
    node->value = NULL;
}

/* The same, and the topic with it. */
static void remove_topic(struct broker *broker, struct topic_node *node)
{
    forget(broker, node);
    topic_tree_release(&broker->retained, node);
}

static void on_expired(void *owner, uint64_t wall_ms)
{
    (void)wall_ms;
    struct retained *retained = owner;
    struct broker *broker = retained->broker;
    broker->hooks.retained_removed(broker->hooks.ctx, retained->message->topic);
    remove_topic(broker, retained->node);
}

static bool has_room(const struct broker *broker, const struct retained *replaced, size_t bytes)
{
    uint64_t others = broker->counters.retained - (replaced ? 1 : 0);
    uint64_t held = broker->counters.retained_bytes - (replaced ? message_bytes(replaced->message) : 0);
    return others < broker->config.retained_count && held + bytes <= broker->config.retained_bytes;
}

enum broker_retained retained_change(const struct broker *broker, const struct message *message)
{
    const struct topic_node *node = topic_tree_find(&broker->retained, message->topic);
    const struct retained *old = node ? node->value : NULL;
    if (message->payload.len > 0 && has_room(broker, old, message_bytes(message)))
        return BROKER_RETAINED_SET;
    return old ? BROKER_RETAINED_REMOVED : BROKER_RETAINED_SAME;
}

/* Takes a reference of `message`. */
static void keep(struct broker *broker, struct message *message)
{
    struct topic_node *node = topic_tree_make(&broker->retained, message->topic);
    if (node->value)
        forget(broker, node);
    struct retained *retained = memory_new(sizeof *retained);
    *retained = (struct retained){.broker = broker,
                                  .node = node,
                                  .message = message_ref(message),
                                  .expiry = {.on_expired = on_expired, .owner = retained}};
    node->value = retained;
    if (message->expires_ms != 0)
        timers_set(&broker->retained_expiry, &retained->expiry, message->expires_ms);
    count(broker, message, true);
}

/* Several messages of one PUBLISH were asked about before the first of them was kept. */
static void remove_if_there(struct broker *broker, struct span topic)
{
    struct topic_node *node = topic_tree_find(&broker->retained, topic);
    if (node && node->value)
        remove_topic(broker, node);
}

void retained_publish(struct broker *broker, struct broker_stored *stored)
{
    if (stored->retained == BROKER_RETAINED_SET)
        keep(broker, broker_stored_keep(stored));
    if (stored->retained == BROKER_RETAINED_REMOVED)
        remove_if_there(broker, stored->message->topic);
    if (stored->retained != BROKER_RETAINED_SET && stored->message->payload.len > 0)
        broker_dropped(broker, BROKER_DROP_RETAINED_FULL);
}

void retained_show(struct broker *broker, struct broker_stored *stored)
{
    keep(broker, broker_stored_keep(stored));
}

enum sluice_error retained_restore(struct broker *broker, const struct message *message)
{
    remove_if_there(broker, message->topic);
    if (message->payload.len == 0)
        return SLUICE_OK;
    if (!publish_still_allowed(broker, message)) {
        broker->hooks.retained_removed(broker->hooks.ctx, message->topic);
        broker_dropped(broker, BROKER_DROP_NOT_ALLOWED);
        return SLUICE_DENIED;
    }
    if (!has_room(broker, NULL, message_bytes(message)))
        return SLUICE_FULL;
    struct message *kept = message_new(message);
    keep(broker, kept);
    message_unref(kept);
    return SLUICE_OK;
}

/* Every topic: `#` leaves out those that begin with `$`, which only the gateway itself publishes. */
void retained_check_access(struct broker *broker)
{
    struct topic_walk walk;
    const struct retained *retained;
    size_t budget = SIZE_MAX;
    topic_walk_start(&broker->retained, &walk, SPAN_LITERAL("#"));
    while ((retained = topic_walk_at(&walk, &budget))) {
        topic_walk_skip(&walk);
        if (publish_still_allowed(broker, retained->message))
            continue;
        broker->hooks.retained_removed(broker->hooks.ctx, retained->message->topic);
        broker_dropped(broker, BROKER_DROP_NOT_ALLOWED);
        remove_topic(broker, retained->node);
    }
    topic_walk_stop(&walk);
}

void retained_fini(struct broker *broker)
{
    while (broker->retained.root->first_child) {
        struct topic_node *node = broker->retained.root->first_child;
        while (!node->value)
            node = node->first_child;
        remove_topic(broker, node);
    }
    timers_fini(&broker->retained_expiry);
}
