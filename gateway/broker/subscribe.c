/* SUBSCRIBE and UNSUBSCRIBE. */
#include "base/memory.h"
#include "broker/parts.h"
#include "broker/reason_string.h"
#include "broker/replay.h"
#include "wire/topic.h"

#include <assert.h>

enum { FILTER_WORK = 32 }; /* of one in SUBSCRIBE or UNSUBSCRIBE, the state's part of it included */

/* ---- SUBSCRIBE ---- */

/* Whether there is room for one more. */
static bool is_full(struct session *session)
{
    struct broker *broker = session->broker;
    if (session->subscription_count >= broker->config.subscriptions_count)
        broker_limited(broker, BROKER_LIMIT_SUBSCRIPTIONS);
    else if (broker->counters.subscriptions >= broker->config.subscriptions_total)
        broker_limited(broker, BROKER_LIMIT_SUBSCRIPTIONS_TOTAL);
    else
        return false;
    return true;
}

static enum mqtt_reason check(struct session *session, const struct mqtt_filter *wanted, struct span share,
                              struct span filter, bool is_new)
{
    const struct broker_config *config = &session->broker->config;
    if (!publish_topic_fits(session->broker, filter) || share.len > config->client_id_bytes)
        return MQTT_TOPIC_FILTER_INVALID;
    if (!grants_filter(session->grants, ACCESS_SUBSCRIBE, filter))
        return MQTT_NOT_AUTHORIZED;
    if (is_new && is_full(session))
        return MQTT_QUOTA_EXCEEDED;
    return (enum mqtt_reason)wanted->qos; /* granted as asked for */
}

/* What became of one filter of a SUBSCRIBE. */
struct outcome {
    uint8_t reason;
    bool wants_retained;
};

static struct outcome subscribe(struct channel *channel, const struct mqtt_filter *wanted,
                                uint32_t identifier, uint64_t *ticket)
{
    struct broker *broker = channel->broker;
    struct session *session = channel->session;
    struct span share, filter;
    broker->scratch.work += FILTER_WORK;
    if (!subscription_take_apart(wanted->filter, &share, &filter))
        return (struct outcome){.reason = MQTT_TOPIC_FILTER_INVALID};
    bool is_new = session_subscription(session, share, filter) == NULL;
    enum mqtt_reason reason = check(session, wanted, share, filter, is_new);
    if (reason >= MQTT_UNSPECIFIED_ERROR)
        return (struct outcome){.reason = (uint8_t)reason};
    struct broker_subscription kept = {.client_id = session_client_id(session),
                                       .filter = wanted->filter,
                                       .qos = wanted->qos,
                                       .no_local = wanted->no_local,
                                       .retain_as_published = wanted->retain_as_published,
                                       .retain_handling = wanted->retain_handling,
                                       .identifier = identifier};
    session_subscribe(session, &kept, share, filter);
    if (session->queue != 0)
        *ticket = broker->hooks.subscription_saved(broker->hooks.ctx, &kept);
    bool wants_retained = wanted->retain_handling == 0 || (wanted->retain_handling == 1 && is_new);
    return (struct outcome){(uint8_t)reason, share.len == 0 && wants_retained};
}

static void answer(struct channel *channel, const struct mqtt_packet *packet, enum mqtt_type type,
                   struct span reasons, uint64_t ticket)
{
    struct mqtt_packet answer_packet = {
        .type = type, .version = packet->version, .packet_id = packet->packet_id, .reasons = reasons};
    uint8_t block[REASON_STRING_BLOCK_BYTES];
    reason_string_add(channel, &answer_packet, block);
    size_t size = mqtt_encoded_size(&answer_packet);
    uint8_t *bytes = memory_new(size);
    struct writer out = writer_of(bytes, size);
    mqtt_encode(&out, &answer_packet);
    acknowledge_state(channel, type, writer_span(&out), ticket);
    memory_free(bytes);
}

static void begin_replays(struct session *session, const struct mqtt_packet *packet,
                          const struct outcome *outcomes)
{
    struct reader at = reader_of(packet->filters.list);
    struct mqtt_filter wanted;
    assert(outcomes); /* a SUBSCRIBE has a filter [MQTT-3.8.3-2] */
    for (size_t i = 0; mqtt_filter_next(&at, MQTT_SUBSCRIBE, &wanted); i++) {
        if (outcomes[i].wants_retained) /* and so it is no Shared Subscription */
            replay_begin(session_subscription(session, SPAN_EMPTY, wanted.filter));
    }
}

enum sluice_error subscribe_on_subscribe(struct channel *channel, const struct mqtt_packet *packet,
                                         uint64_t now_ms)
{
    (void)now_ms;
    uint32_t identifier = mqtt_property_number(packet->properties, MQTT_SUBSCRIPTION_IDENTIFIER, 0);
    struct buffer reasons = {0}, outcomes = {0};
    struct reader at = reader_of(packet->filters.list);
    struct mqtt_filter wanted;
    uint64_t ticket = 0;
    for (uint32_t count = 0; mqtt_filter_next(&at, MQTT_SUBSCRIBE, &wanted); count++) {
        struct outcome outcome = {.reason = MQTT_QUOTA_EXCEEDED};
        if (count < channel->broker->config.filters_count)
            outcome = subscribe(channel, &wanted, identifier, &ticket);
        else
            broker_limited(channel->broker, BROKER_LIMIT_FILTERS);
        buffer_append(&outcomes, span_of(&outcome, sizeof outcome));
        if (outcome.reason >= MQTT_UNSPECIFIED_ERROR && packet->version == MQTT_3_1_1)
            outcome.reason = MQTT_UNSPECIFIED_ERROR; /* the one failure that 3.1.1 has */
        buffer_append(&reasons, span_of(&outcome.reason, 1));
    }
    begin_replays(channel->session, packet,
                  (const struct outcome *)(const void *)buffer_span(&outcomes).data);
    answer(channel, packet, MQTT_SUBACK, buffer_span(&reasons), ticket);
    buffer_fini(&reasons);
    buffer_fini(&outcomes);
    return SLUICE_OK;
}

static uint8_t unsubscribe(struct session *session, struct span whole, uint64_t *ticket)
{
    const struct broker_hooks *hooks = &session->broker->hooks;
    struct span share, filter;
    session->broker->scratch.work += FILTER_WORK;
    struct subscription *subscription =
        subscription_take_apart(whole, &share, &filter) ? session_subscription(session, share, filter) : NULL;
    if (!subscription)
        return MQTT_NO_SUBSCRIPTION_EXISTED;
    session_unsubscribe(session, subscription);
    if (session->queue != 0)
        *ticket = hooks->subscription_removed(hooks->ctx, session_client_id(session), whole);
    return MQTT_SUCCESS;
}

enum sluice_error subscribe_on_unsubscribe(struct channel *channel, const struct mqtt_packet *packet,
                                           uint64_t now_ms)
{
    (void)now_ms;
    struct broker *broker = channel->broker;
    struct buffer reasons = {0};
    struct reader at = reader_of(packet->filters.list);
    struct mqtt_filter unwanted;
    uint64_t ticket = 0;
    uint32_t count = 0;
    for (; count < broker->config.filters_count && mqtt_filter_next(&at, MQTT_UNSUBSCRIBE, &unwanted);
         count++) {
        uint8_t reason = unsubscribe(channel->session, unwanted.filter, &ticket);
        buffer_append(&reasons, span_of(&reason, 1));
    }
    if (reader_left(&at) > 0) { /* UNSUBACK has no code that says so */
        broker_limited(broker, BROKER_LIMIT_FILTERS);
        channel_fail(channel, MQTT_QUOTA_EXCEEDED);
    } else {
        answer(channel, packet, MQTT_UNSUBACK, packet->version == MQTT_5 ? buffer_span(&reasons) : SPAN_EMPTY,
               ticket);
    }
    buffer_fini(&reasons);
    return SLUICE_OK;
}
