/* What a restart brings back: durable sessions, their subscriptions and queues, and retained messages. */
#include "base/memory.h"
#include "broker/parts.h"
#include "broker/retained.h"
#include "wire/topic.h"

enum sluice_error broker_restore_session(struct broker *broker, const struct broker_session *session,
                                         uint64_t now_ms)
{
    if (session->client_id.len > UINT16_MAX || session->client_id.len == 0)
        return SLUICE_INVALID;
    if (session_find(broker, session->client_id))
        return SLUICE_EXISTS;
    uint64_t queue = broker->hooks.queue_open(broker->hooks.ctx, session->client_id);
    struct session *restored =
        session_new(broker, session->client_id, session->owner, session->expiry_s, queue, 0);
    if (session->expiry_s == SESSION_NEVER_EXPIRES)
        return SLUICE_OK;
    uint64_t wall_ms = broker_wall_ms(broker), lifetime_ms = session->expiry_s * UINT64_C(1000);
    if (session->disconnected_ms == 0)
        session_save(restored, wall_ms);
    bool knows_since = session->disconnected_ms != 0 && session->disconnected_ms < wall_ms;
    uint64_t since_ms = knows_since ? wall_ms - session->disconnected_ms : 0;
    uint64_t left_ms = since_ms < lifetime_ms ? lifetime_ms - since_ms : 0;
    timers_set(&broker->timers, &restored->expiry, now_ms + left_ms);
    return SLUICE_OK;
}

enum sluice_error broker_restore_subscription(struct broker *broker,
                                              const struct broker_subscription *subscription)
{
    struct session *session = session_find(broker, subscription->client_id);
    struct span share, filter;
    if (!session)
        return SLUICE_NOT_FOUND;
    if (!subscription_take_apart(subscription->filter, &share, &filter) || !topic_filter_valid(filter) ||
        !publish_topic_fits(broker, filter))
        return SLUICE_INVALID;
    if (!grants_filter(session->grants, ACCESS_SUBSCRIBE, filter)) {
        broker->hooks.subscription_removed(broker->hooks.ctx, subscription->client_id, subscription->filter);
        return SLUICE_DENIED;
    }
    session_subscribe(session, subscription, share, filter);
    return SLUICE_OK;
}

enum sluice_error broker_restore_retained(struct broker *broker, const struct message *message)
{
    if (!topic_name_valid(message->topic) || !publish_topic_acceptable(broker, message->topic))
        return SLUICE_INVALID;
    return retained_restore(broker, message);
}

enum sluice_error broker_restore_will(struct broker *broker, const struct broker_will *will, uint64_t now_ms)
{
    return will_restore(broker, will, now_ms);
}

enum sluice_error broker_restore_queue(struct broker *broker, struct span client_id, uint64_t queue,
                                       uint64_t next_ordinal)
{
    struct session *session = session_find(broker, client_id);
    broker->restoring = session && session->queue == queue ? session : NULL;
    if (!broker->restoring)
        return SLUICE_NOT_FOUND;
    outgoing_init(&session->outgoing, next_ordinal);
    return SLUICE_OK;
}

static struct session *restoring(struct broker *broker, uint64_t queue)
{
    return broker->restoring && broker->restoring->queue == queue ? broker->restoring : NULL;
}

enum sluice_error broker_restore_entry(struct broker *broker, const struct broker_target *target,
                                       bool received, uint64_t position, size_t message_bytes)
{
    struct session *session = restoring(broker, target->queue);
    if (!session)
        return SLUICE_NOT_FOUND;
    if (target->qos < 1 || target->qos > 2 || message_bytes > UINT32_MAX)
        return SLUICE_INVALID;
    struct outgoing *outgoing = &session->outgoing;
    struct outgoing_entry entry = {.position = position,
                                   .bytes = (uint32_t)message_bytes,
                                   .share = target->share & BROKER_SHARE_MAX,
                                   .qos = target->qos & 3u,
                                   .retain = target->retain,
                                   .state = received ? OUTGOING_RECEIVED : OUTGOING_QUEUED,
                                   .restored = true,
                                   .old_rules = true};
    session_count_queue(session, false);
    bool restored = outgoing_restore(outgoing, target->ordinal, &entry);
    session_count_queue(session, true);
    return restored ? SLUICE_OK : SLUICE_INVALID;
}

enum sluice_error broker_restore_packet_id(struct broker *broker, uint64_t queue, uint16_t packet_id)
{
    struct session *session = restoring(broker, queue);
    if (!session)
        return SLUICE_NOT_FOUND;
    if (packet_id == 0 || incoming_find(&session->incoming, packet_id))
        return SLUICE_INVALID;
    incoming_add(&session->incoming, packet_id, 0, NULL);
    return SLUICE_OK;
}
