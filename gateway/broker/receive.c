/* A client's PUBLISH and PUBREL: what is checked before a message is taken, and how it is answered. */
#include "base/memory.h"
#include "broker/parts.h"
#include "wire/topic.h"

/* ---- What a message keeps of its packet ---- */

static bool is_forwarded(enum mqtt_property id)
{
    return id != MQTT_TOPIC_ALIAS && id != MQTT_MESSAGE_EXPIRY_INTERVAL && id != MQTT_WILL_DELAY_INTERVAL &&
           id != MQTT_SUBSCRIPTION_IDENTIFIER;
}

struct span publish_forwarded_properties(struct broker *broker, struct mqtt_properties properties)
{
    if (properties.bytes.len == 0)
        return SPAN_EMPTY;
    buffer_consume(&broker->properties, buffer_len(&broker->properties));
    struct reader at = reader_of(properties.bytes);
    struct mqtt_property_value value;
    const uint8_t *start = at.at;
    while (mqtt_property_next(&at, &value)) {
        if (is_forwarded(value.id))
            buffer_append(&broker->properties, span_of(start, (size_t)(at.at - start)));
        start = at.at;
    }
    return buffer_span(&broker->properties);
}

void publish_name_publisher(struct message *message, const struct identity *identity)
{
    struct span topic;
    bool asks =
        message->properties.len > 0 &&
        mqtt_property_bytes((struct mqtt_properties){message->properties}, MQTT_RESPONSE_TOPIC, &topic);
    if (!message->retain && message->qos == 0 && !asks)
        return;
    message->publisher_kind = (uint8_t)identity->kind;
    message->publisher_name = span_from_string(identity->name);
}

static bool copy_text(struct span from, char *to, size_t capacity)
{
    if (from.len >= capacity)
        return false;
    if (from.len > 0)
        memcpy(to, from.data, from.len);
    to[from.len] = '\0';
    return true;
}

bool publish_publisher_may(const struct broker *broker, const struct message *message,
                           enum access_action action, struct span topic)
{
    struct identity publisher = {.kind = message->publisher_kind};
    if (!copy_text(message->publisher_name, publisher.name, sizeof publisher.name) ||
        !copy_text(message->principal, publisher.fingerprint, sizeof publisher.fingerprint))
        return false;
    struct grants *grants = grants_new(broker->access, &publisher, message->client_id);
    bool allowed = grants_topic(grants, action, topic);
    grants_free(grants);
    return allowed;
}

bool publish_still_allowed(const struct broker *broker, const struct message *message)
{
    return publish_publisher_may(broker, message, ACCESS_PUBLISH, message->topic);
}

uint64_t publish_expires_ms(struct mqtt_properties properties, uint64_t wall_ms)
{
    struct reader at = reader_of(properties.bytes);
    struct mqtt_property_value value;
    while (mqtt_property_next(&at, &value)) { /* every number is an interval, so none can mean absence */
        if (value.id == MQTT_MESSAGE_EXPIRY_INTERVAL)
            return wall_ms + value.number * UINT64_C(1000);
    }
    return 0;
}

bool publish_payload_acceptable(struct mqtt_properties properties, struct span payload)
{
    if (properties.bytes.len == 0 || mqtt_property_number(properties, MQTT_PAYLOAD_FORMAT_INDICATOR, 0) == 0)
        return true;
    while (payload.len > 0) { /* from one U+0000, which utf8_valid does not take, to the next */
        const uint8_t *null = memchr(payload.data, 0, payload.len);
        size_t len = null ? (size_t)(null - payload.data) : payload.len;
        if (!utf8_valid(span_of(payload.data, len)))
            return false;
        payload = span_skip(payload, null ? len + 1 : len);
    }
    return true;
}

bool publish_topic_fits(struct broker *broker, struct span topic)
{
    if (topic.len > broker->config.topic_bytes)
        broker_limited(broker, BROKER_LIMIT_TOPIC_BYTES);
    else if (topic_level_count(topic) > broker->config.topic_levels)
        broker_limited(broker, BROKER_LIMIT_TOPIC_LEVELS);
    else
        return true;
    return false;
}

bool publish_topic_acceptable(struct broker *broker, struct span topic)
{
    return topic.data[0] != '$' && publish_topic_fits(broker, topic);
}

/* ---- Topic Aliases ---- */

struct topic_alias {
    uint16_t len; /* 0: not set */
    uint8_t *topic;
};

void receive_forget_aliases(struct channel *channel)
{
    if (!channel->topic_aliases)
        return;
    for (uint16_t i = 0; i < channel->broker->config.topic_alias_maximum; i++)
        memory_free(channel->topic_aliases[i].topic);
    memory_free(channel->topic_aliases);
    channel->topic_aliases = NULL;
}

/* Sets the alias if the packet names a topic, else gives the topic that the alias stands for. */
static enum mqtt_reason resolve_alias(struct channel *channel, const struct mqtt_packet *packet,
                                      struct span *topic)
{
    uint32_t number =
        packet->properties.bytes.len ? mqtt_property_number(packet->properties, MQTT_TOPIC_ALIAS, 0) : 0;
    uint16_t maximum = channel->broker->config.topic_alias_maximum;
    if (number == 0)
        return topic->len > 0 ? MQTT_SUCCESS : MQTT_PROTOCOL_ERROR;
    if (number > maximum)
        return MQTT_TOPIC_ALIAS_INVALID; /* [MQTT-3.3.2-9] */
    if (!channel->topic_aliases)
        channel->topic_aliases = memory_new_array(maximum, sizeof *channel->topic_aliases);
    struct topic_alias *alias = &channel->topic_aliases[number - 1];
    if (topic->len == 0) {
        *topic = span_of(alias->topic, alias->len);
        return alias->len > 0 ? MQTT_SUCCESS : MQTT_PROTOCOL_ERROR;
    }
    alias->topic = memory_resize(alias->topic, topic->len);
    memcpy(alias->topic, topic->data, topic->len);
    alias->len = (uint16_t)topic->len;
    return MQTT_SUCCESS;
}

/* ---- PUBLISH ---- */

static enum mqtt_type answer_to(uint8_t qos)
{
    return qos == 1 ? MQTT_PUBACK : MQTT_PUBREC;
}

/* Refuses one PUBLISH, not the connection, where the protocol can say so; 3.1.1 at QoS 1 and 2 can only
 * acknowledge or close [MQTT-3.3.5-2 of 3.1.1], and what is acknowledged must not be lost. */
static void refuse(struct channel *channel, const struct mqtt_packet *packet, enum mqtt_reason reason,
                   enum broker_drop drop)
{
    broker_dropped(channel->broker, drop);
    if (packet->publish.qos == 0)
        return;
    if (packet->version == MQTT_5)
        acknowledge(channel, answer_to(packet->publish.qos), packet->packet_id, reason, 0);
    else
        channel_abort(channel);
}

/* Whether one more QoS 1 or 2 PUBLISH keeps to our Receive Maximum. */
static bool within_receive_maximum(const struct channel *channel)
{
    if (channel->version != MQTT_5)
        return true;
    uint32_t held = channel->receiving_count + channel->session->incoming.count;
    return held < channel->broker->config.receive_maximum;
}

static enum mqtt_reason check(const struct channel *channel, const struct mqtt_packet *packet,
                              struct span topic)
{
    if (packet->properties.bytes.len > channel->broker->config.property_bytes) {
        broker_limited(channel->broker, BROKER_LIMIT_PROPERTY_BYTES);
        return MQTT_QUOTA_EXCEEDED;
    }
    if (!publish_topic_acceptable(channel->broker, topic))
        return MQTT_TOPIC_NAME_INVALID;
    if (!grants_topic(channel->session->grants, ACCESS_PUBLISH, topic))
        return MQTT_NOT_AUTHORIZED;
    return publish_payload_acceptable(packet->properties, packet->publish.payload)
               ? MQTT_SUCCESS
               : MQTT_PAYLOAD_FORMAT_INVALID;
}

/* What is made of a few bytes may be much, and making it is this connection's work: a unit for each byte. How
 * much was made before a refusal is not known. */
static enum mqtt_reason transform(struct broker *broker, const struct message *view,
                                  const struct message **ret_messages, size_t *ret_count)
{
    *ret_messages = view;
    *ret_count = 1;
    if (!broker->hooks.transform)
        return MQTT_SUCCESS;
    enum mqtt_reason reason = broker->hooks.transform(broker->hooks.ctx, view, ret_messages, ret_count);
    if (reason != MQTT_SUCCESS)
        broker->scratch.work += PUBLISH_TURN_WORK;
    for (size_t i = 0; reason == MQTT_SUCCESS && *ret_messages != view && i < *ret_count; i++)
        broker->scratch.work += (*ret_messages)[i].payload.len;
    return reason;
}

/* The message was checked. SLUICE_AGAIN: it has to wait for room, or for the disk to work again. */
static enum sluice_error take(struct channel *channel, const struct mqtt_packet *packet, struct span topic)
{
    struct broker *broker = channel->broker;
    const struct mqtt_publish *publish = &packet->publish;
    uint64_t wall_ms = broker_wall_ms(broker);
    struct message view = {.qos = publish->qos,
                           .retain = publish->retain,
                           .received_ms = wall_ms,
                           .expires_ms = publish_expires_ms(packet->properties, wall_ms),
                           .topic = topic,
                           .payload = publish->payload,
                           .properties = publish_forwarded_properties(broker, packet->properties),
                           .client_id = session_client_id(channel->session),
                           .principal = span_from_string(channel->identity->fingerprint)};
    publish_name_publisher(&view, channel->identity);
    const struct message *messages;
    size_t count;
    enum mqtt_reason reason = transform(broker, &view, &messages, &count);
    if (reason != MQTT_SUCCESS) {
        refuse(channel, packet, reason, BROKER_DROP_REFUSED);
        return SLUICE_OK;
    }
    struct publish_stored stored;
    struct publish_origin origin = {channel->session, packet->packet_id, publish->qos};
    enum sluice_error error = publish_messages(broker, messages, count, &origin, &stored);
    bool must_wait = error == SLUICE_IO && publish->qos > 0 && packet->version == MQTT_3_1_1;
    if (error == SLUICE_FULL || must_wait) {
        channel_hold(channel);
        return SLUICE_AGAIN;
    }
    if (error != SLUICE_OK) {
        refuse(channel, packet, error == SLUICE_IO ? MQTT_QUOTA_EXCEEDED : MQTT_IMPLEMENTATION_SPECIFIC_ERROR,
               BROKER_DROP_NOT_STORED);
        return SLUICE_OK;
    }
    broker->counters.publishes_received[publish->qos]++;
    broker->counters.payload_bytes_received += publish->payload.len;
    if (publish->qos == 2)
        incoming_add(&channel->session->incoming, packet->packet_id, stored.seq, stored.processing);
    if (publish->qos > 0)
        acknowledge_processed(channel, answer_to(publish->qos), packet->packet_id, stored.seq,
                              stored.processing);
    return SLUICE_OK;
}

enum sluice_error receive_on_publish(struct channel *channel, const struct mqtt_packet *packet,
                                     uint64_t now_ms)
{
    (void)now_ms;
    struct broker *broker = channel->broker;
    const struct mqtt_publish *publish = &packet->publish;
    struct span topic = publish->topic;
    enum mqtt_reason reason =
        packet->version == MQTT_5 ? resolve_alias(channel, packet, &topic) : MQTT_SUCCESS;
    if (reason != MQTT_SUCCESS) {
        channel_fail(channel, reason);
        return SLUICE_OK;
    }
    if (publish->qos == 2) {
        const struct incoming_id *held = incoming_find(&channel->session->incoming, packet->packet_id);
        if (held) { /* a repetition: answered, not taken again [MQTT-4.3.3-10] */
            broker->counters.duplicates_received++;
            acknowledge_processed(channel, MQTT_PUBREC, packet->packet_id, held->seq, held->processing);
            return SLUICE_OK;
        }
    }
    if (publish->qos > 0 && !within_receive_maximum(channel)) {
        broker_limited(broker, BROKER_LIMIT_RECEIVE_MAXIMUM);
        channel_fail(channel, MQTT_RECEIVE_MAXIMUM_EXCEEDED);
        return SLUICE_OK;
    }
    reason = check(channel, packet, topic);
    if (reason != MQTT_SUCCESS) {
        refuse(channel, packet, reason,
               reason == MQTT_NOT_AUTHORIZED ? BROKER_DROP_NOT_ALLOWED : BROKER_DROP_REFUSED);
        return SLUICE_OK;
    }
    return take(channel, packet, topic);
}

enum sluice_error receive_on_pubrel(struct channel *channel, const struct mqtt_packet *packet,
                                    uint64_t now_ms)
{
    (void)now_ms;
    struct broker *broker = channel->broker;
    struct session *session = channel->session;
    enum mqtt_reason reason = MQTT_PACKET_IDENTIFIER_NOT_FOUND;
    if (incoming_remove(&session->incoming, packet->packet_id)) {
        reason = MQTT_SUCCESS;
        if (session->queue != 0)
            session->freed_seq =
                broker->hooks.packet_id_free(broker->hooks.ctx, session->queue, packet->packet_id);
    }
    /* One that is not there may have been freed on the connection before this, and not be on disk yet. */
    acknowledge(channel, MQTT_PUBCOMP, packet->packet_id, reason, session->freed_seq);
    return SLUICE_OK;
}
