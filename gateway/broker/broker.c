#include "broker/broker.h"

#include "base/memory.h"
#include "broker/parts.h"
#include "broker/retained.h"
#include "wire/topic.h"

#include <assert.h>

struct broker_config broker_config_default(void)
{
    return (struct broker_config){
        .packet_bytes = 256 * 1024,
        .connect_bytes = 16 * 1024,
        .client_id_bytes = 256,
        .topic_bytes = 1024,
        .topic_levels = 16,
        .connect_timeout_ms = 10 * 1000,
        .keep_alive_max_s = 3600,
        .session_expiry_max_s = 7 * 24 * 3600,
        .receive_maximum = 1024,
        .inflight_maximum = 1024,
        .topic_alias_maximum = 16,
        .topic_alias_out_maximum = 32,
        .sessions_count = 100 * 1000,
        .subscriptions_count = 1000,
        .subscriptions_total = 1000 * 1000,
        .filters_count = 256,
        .property_bytes = 16 * 1024,
        .publish_rate = {.messages_a_second = 1000 * 1000, .bytes_a_second = UINT64_C(1024) * 1024 * 1024},
        .queue_count = 100 * 1000,
        .queue_bytes = UINT64_C(64) * 1024 * 1024,
        .queue_bytes_total = UINT64_C(256) * 1024 * 1024,
        .queue_memory_bytes = UINT64_C(64) * 1024,
        .retained_count = 100 * 1000,
        .retained_bytes = UINT64_C(64) * 1024 * 1024,
        .output_bytes = 512 * 1024,
        .output_bytes_total = UINT64_C(512) * 1024 * 1024,
        .unacknowledged_count = 256 * 1024,
    };
}

const char *broker_drop_text(enum broker_drop reason)
{
    static const char *const texts[BROKER_DROP_COUNT] = {
        [BROKER_DROP_TOO_SLOW] = "too_slow",
        [BROKER_DROP_QUEUE_FULL] = "queue_full",
        [BROKER_DROP_QUEUES_FULL] = "queues_full",
        [BROKER_DROP_EXPIRED] = "expired",
        [BROKER_DROP_PACKET_TOO_BIG] = "packet_too_big",
        [BROKER_DROP_NOT_ALLOWED] = "not_allowed",
        [BROKER_DROP_SESSION_ENDED] = "session_ended",
        [BROKER_DROP_UNREADABLE] = "unreadable",
        [BROKER_DROP_NOT_STORED] = "not_stored",
        [BROKER_DROP_REFUSED] = "refused",
        [BROKER_DROP_RETAINED_FULL] = "retained_full",
    };
    return texts[reason];
}

const char *broker_limit_text(enum broker_limit limit)
{
    static const char *const texts[BROKER_LIMIT_COUNT] = {
        [BROKER_LIMIT_SESSIONS] = "sessions",
        [BROKER_LIMIT_PACKET_BYTES] = "packetBytes",
        [BROKER_LIMIT_PROPERTY_BYTES] = "propertyBytes",
        [BROKER_LIMIT_TOPIC_BYTES] = "topicBytes",
        [BROKER_LIMIT_TOPIC_LEVELS] = "topicLevels",
        [BROKER_LIMIT_FILTERS] = "filters",
        [BROKER_LIMIT_SUBSCRIPTIONS] = "subscriptions",
        [BROKER_LIMIT_SUBSCRIPTIONS_TOTAL] = "subscriptionsTotal",
        [BROKER_LIMIT_RECEIVE_MAXIMUM] = "receiveMaximum",
        [BROKER_LIMIT_PUBLISH_RATE] = "publishRate",
        [BROKER_LIMIT_OUTPUT_BYTES_TOTAL] = "outputBytesTotal",
    };
    return texts[limit];
}

struct broker *broker_new(const struct broker_config *config, const struct broker_hooks *hooks)
{
    assert(config->topic_levels <= TOPIC_LEVELS_MAX);
    struct broker *broker = memory_new(sizeof *broker);
    broker->config = *config;
    broker->hooks = *hooks;
    broker->key = hash_key_of(config->hash_key);
    wills_init(broker);
    topic_tree_init(&broker->subscriptions, broker->key);
    topic_tree_init(&broker->retained, broker->key);
    return broker;
}

void broker_free(struct broker *broker)
{
    assert(broker->counters.channels == 0);
    session_table_fini(broker);
    wills_fini(broker);
    retained_fini(broker);
    topic_tree_fini(&broker->subscriptions);
    topic_tree_fini(&broker->retained);
    deferred_ring_fini(&broker->journal_ring);
    deferred_ring_fini(&broker->state_ring);
    publish_scratch_fini(&broker->scratch);
    buffer_fini(&broker->properties);
    buffer_fini(&broker->encoding);
    timers_fini(&broker->timers);
    access_free(broker->access);
    memory_free(broker);
}

const struct broker_counters *broker_counters(const struct broker *broker)
{
    return &broker->counters;
}

/* ---- Rules ---- */

static void renew_grants(void *ctx, struct session *session)
{
    struct broker *broker = ctx;
    outgoing_rules_changed(&session->outgoing);
    grants_free(session->grants);
    session->grants = grants_new(broker->access, session->owner, session_client_id(session));
}

static void check_access(void *ctx, struct session *session)
{
    struct broker *broker = ctx;
    if (session->channel && !connect_client_id_kept(session))
        channel_disconnect(session->channel, MQTT_NOT_AUTHORIZED);
    struct subscription *next;
    for (struct subscription *subscription = session->subscriptions; subscription; subscription = next) {
        next = subscription->next;
        struct span whole = subscription_filter(subscription), share, filter;
        subscription_take_apart(whole, &share, &filter);
        if (grants_filter(session->grants, ACCESS_SUBSCRIBE, filter))
            continue;
        if (session->queue != 0)
            broker->hooks.subscription_removed(broker->hooks.ctx, session_client_id(session), whole);
        session_unsubscribe(session, subscription);
    }
}

void broker_set_access(struct broker *broker, struct access *access)
{
    access_free(broker->access);
    broker->access = access;
    session_each(broker, renew_grants, broker); /* of all: one may hand messages over to another */
    session_each(broker, check_access, broker);
    retained_check_access(broker);
}

static void recheck(void *ctx, struct session *session)
{
    (void)ctx;
    struct channel *channel = session->channel;
    if (channel && !channel_is_allowed(channel))
        channel_disconnect(channel, MQTT_NOT_AUTHORIZED);
}

void broker_recheck(struct broker *broker)
{
    session_each(broker, recheck, NULL);
}

/* ---- The disk ---- */

void broker_durable(struct broker *broker, uint64_t seq)
{
    if (seq <= broker->durable_seq)
        return;
    broker->durable_seq = seq;
    bool was_full = acknowledgements_full(broker);
    acknowledgements_release(broker, seq);
    delivery_durable(broker);
    wills_durable(broker);
    if (was_full)
        broker_resume(broker);
}

void broker_state_durable(struct broker *broker, uint64_t ticket)
{
    if (ticket <= broker->durable_ticket)
        return;
    broker->durable_ticket = ticket;
    bool was_full = acknowledgements_full(broker);
    acknowledgements_release_state(broker, ticket);
    if (was_full)
        broker_resume(broker);
}

/* ---- Time ---- */

void broker_tick(struct broker *broker, uint64_t now_ms)
{
    timers_run(&broker->timers, now_ms);
    if (timers_next(&broker->retained_expiry) != TIMERS_NEVER)
        timers_run(&broker->retained_expiry, broker_wall_ms(broker));
}

uint64_t broker_next_deadline(const struct broker *broker)
{
    uint64_t expiry_ms = timers_next(&broker->retained_expiry);
    if (expiry_ms != TIMERS_NEVER && expiry_ms <= broker_wall_ms(broker))
        return 0;
    return timers_next(&broker->timers);
}

/* ---- The gateway's own ---- */

enum sluice_error broker_publish(struct broker *broker, const struct message *view)
{
    if (!topic_name_valid(view->topic) || !publish_topic_acceptable(broker, view->topic))
        return SLUICE_INVALID;
    struct publish_stored stored;
    struct publish_origin origin = {.session = NULL};
    struct message message = *view;
    publish_name_publisher(&message, &(struct identity){.kind = IDENTITY_INTERNAL});
    return publish_messages(broker, &message, 1, &origin, &stored);
}

/* What the gateway publishes itself is no Client's request. */
bool broker_may_receive(const struct broker *broker, const struct message *message, struct span topic)
{
    return message->publisher_kind != IDENTITY_INTERNAL &&
           publish_publisher_may(broker, message, ACCESS_SUBSCRIBE, topic);
}

void broker_publish_status(struct broker *broker, struct span topic, struct span payload)
{
    publish_status(broker, &(struct message){.retain = true,
                                             .received_ms = broker_wall_ms(broker),
                                             .topic = topic,
                                             .payload = payload});
}

static void say_goodbye(void *ctx, struct session *session)
{
    (void)ctx;
    if (session->channel)
        channel_disconnect(session->channel, MQTT_SERVER_SHUTTING_DOWN);
}

void broker_stop(struct broker *broker)
{
    broker->stopping = true;
    session_each(broker, say_goodbye, NULL);
}
