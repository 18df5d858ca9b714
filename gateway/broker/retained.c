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
    message_unref(retained->message);
    memory_free(retained);
    node->value = NULL;
    topic_tree_release(&broker->retained, node);
}

static bool has_room(const struct broker *broker, const struct retained *replaced, size_t bytes)
{
    uint64_t others = broker->counters.retained - (replaced ? 1 : 0);
    uint64_t held = broker->counters.retained_bytes - (replaced ? message_bytes(replaced->message) : 0);
    return others < broker->config.retained_count && held + bytes <= broker->config.retained_bytes;
}

/* Takes a reference of `message`. */
static void keep(struct broker *broker, struct message *message, enum identity_kind kind, struct span name)
{
    struct topic_node *node = topic_tree_make(&broker->retained, message->topic);
    if (node->value) {
        struct retained *old = node->value;
        count(broker, old->message, false);
        message_unref(old->message);
        memory_free(old);
    }
    struct retained *retained = memory_new(sizeof *retained + name.len);
    retained->node = node;
    retained->message = message_ref(message);
    retained->publisher_kind = kind;
    retained->publisher_name_len = name.len;
    if (name.len > 0)
        memcpy(retained->publisher_name, name.data, name.len);
    node->value = retained;
    count(broker, message, true);
}

void retained_publish(struct broker *broker, struct broker_stored *stored, const struct identity *publisher)
{
    const struct message *view = stored->message;
    struct topic_node *node = topic_tree_find(&broker->retained, view->topic);
    struct retained *old = node ? node->value : NULL;
    bool is_kept = view->payload.len > 0 && has_room(broker, old, message_bytes(view));
    if (view->payload.len > 0 && !is_kept)
        broker_dropped(broker, BROKER_DROP_RETAINED_FULL);
    if (!is_kept) { /* the old one is over in any case [MQTT-3.3.1-5] */
        if (old) {
            broker->hooks.retained_removed(broker->hooks.ctx, view->topic);
            forget(broker, node);
        }
        return;
    }
    struct broker_retained saved = {view, publisher ? publisher->kind : IDENTITY_INTERNAL,
                                    span_from_string(publisher ? publisher->name : NULL)};
    broker->hooks.retained_saved(broker->hooks.ctx, &saved);
    keep(broker, broker_stored_keep(stored), saved.publisher_kind, saved.publisher_name);
}

void retained_show(struct broker *broker, struct broker_stored *stored)
{
    keep(broker, broker_stored_keep(stored), IDENTITY_INTERNAL, SPAN_EMPTY);
}

static bool publisher_allowed(const struct broker *broker, const struct broker_retained *retained)
{
    struct identity publisher = {.kind = retained->publisher_kind};
    if (retained->publisher_name.len >= sizeof publisher.name)
        return false;
    if (retained->publisher_name.len > 0)
        memcpy(publisher.name, retained->publisher_name.data, retained->publisher_name.len);
    struct grants *grants = grants_new(broker->access, &publisher, retained->message->client_id);
    bool allowed = grants_topic(grants, ACCESS_PUBLISH, retained->message->topic);
    grants_free(grants);
    return allowed;
}

enum sluice_error retained_restore(struct broker *broker, const struct broker_retained *from)
{
    if (!publisher_allowed(broker, from))
        return SLUICE_DENIED;
    if (!has_room(broker, NULL, message_bytes(from->message)))
        return SLUICE_FULL;
    struct message *message = message_new(from->message);
    keep(broker, message, from->publisher_kind, from->publisher_name);
    message_unref(message);
    return SLUICE_OK;
}

struct withdrawn {
    const struct broker *broker;
    struct topic_node **nodes;
    size_t count;
};

static void collect_withdrawn(void *ctx, void *value)
{
    struct withdrawn *withdrawn = ctx;
    struct retained *retained = value;
    struct broker_retained view = {retained->message, retained->publisher_kind,
                                   span_of(retained->publisher_name, retained->publisher_name_len)};
    if (!publisher_allowed(withdrawn->broker, &view))
        withdrawn->nodes[withdrawn->count++] = retained->node;
}

/* Every topic: `#` leaves out those that begin with `$`, which only the gateway itself publishes. */
void retained_check_access(struct broker *broker)
{
    struct withdrawn withdrawn = {.broker = broker};
    withdrawn.nodes = memory_new_array(broker->counters.retained, sizeof(struct topic_node *));
    topic_tree_match_names(&broker->retained, SPAN_LITERAL("#"), collect_withdrawn, &withdrawn);
    for (size_t i = 0; i < withdrawn.count; i++) {
        struct retained *retained = withdrawn.nodes[i]->value;
        broker->hooks.retained_removed(broker->hooks.ctx, retained->message->topic);
        broker_dropped(broker, BROKER_DROP_NOT_ALLOWED);
        forget(broker, withdrawn.nodes[i]);
    }
    memory_free(withdrawn.nodes);
}

void retained_fini(struct broker *broker)
{
    while (broker->retained.root->first_child) {
        struct topic_node *node = broker->retained.root->first_child;
        while (!node->value)
            node = node->first_child;
        forget(broker, node);
    }
}
