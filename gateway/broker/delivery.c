#include "broker/delivery.h"

#include "base/memory.h"
#include "broker/outgoing_aliases.h"
#include "broker/parts.h"
#include "wire/topic.h"

#include <assert.h>

static bool is_ready(const struct session *session)
{
    return session->channel && session->channel->state == CHANNEL_READY;
}

static uint32_t *keep_identifiers(const uint32_t *identifiers)
{
    if (!identifiers)
        return NULL;
    size_t count = 1;
    while (identifiers[count - 1])
        count++;
    uint32_t *copy = memory_new_array(count, sizeof *copy);
    memcpy(copy, identifiers, count * sizeof *copy);
    return copy;
}

/* ---- Encoding ---- */

static bool has_expired(const struct message *message, uint64_t wall_ms)
{
    return message->expires_ms != 0 && message->expires_ms <= wall_ms;
}

/* The properties of a PUBLISH: what the message brought, its Message Expiry Interval less the time that it
 * waited [MQTT-3.3.2-6], the Subscription Identifiers of whom it is for, and the Topic Alias, if any. */
static struct span properties_for(struct broker *broker, const struct message *message,
                                  const uint32_t *identifiers, uint16_t alias, uint64_t wall_ms)
{
    if (message->expires_ms == 0 && !identifiers && alias == 0)
        return message->properties;
    size_t count = 0;
    while (identifiers && identifiers[count])
        count++;
    size_t capacity = message->properties.len + 3 + 5 + 5 * count;
    buffer_consume(&broker->encoding, buffer_len(&broker->encoding));
    struct writer block = writer_of(buffer_reserve(&broker->encoding, capacity), capacity);
    if (message->expires_ms != 0) {
        uint64_t left_s = has_expired(message, wall_ms) ? 0 : (message->expires_ms - wall_ms + 999) / 1000;
        mqtt_write_number_property(&block, MQTT_MESSAGE_EXPIRY_INTERVAL, (uint32_t)left_s);
    }
    if (alias != 0)
        mqtt_write_number_property(&block, MQTT_TOPIC_ALIAS, alias);
    for (size_t i = 0; i < count; i++)
        mqtt_write_number_property(&block, MQTT_SUBSCRIPTION_IDENTIFIER, identifiers[i]);
    write_bytes(&block, message->properties);
    return writer_span(&block);
}

struct publish_options {
    const uint32_t *identifiers;
    uint64_t wall_ms;
    uint16_t packet_id;
    uint8_t qos;
    bool retain, dup;
};

/* False: it is over the client's Maximum Packet Size. */
static bool send_named(struct channel *channel, const struct message *message,
                       const struct publish_options *options, uint16_t alias, bool by_alias_only)
{
    struct mqtt_packet packet = {.type = MQTT_PUBLISH,
                                 .version = channel->version,
                                 .packet_id = options->packet_id,
                                 .publish = {.topic = by_alias_only ? SPAN_EMPTY : message->topic,
                                             .payload = message->payload,
                                             .qos = options->qos,
                                             .dup = options->dup,
                                             .retain = options->retain}};
    if (channel->version == MQTT_5)
        packet.properties.bytes =
            properties_for(channel->broker, message, options->identifiers, alias, options->wall_ms);
    return channel_send(channel, &packet);
}

/* The client knows a new alias only when that PUBLISH is sent. */
static bool send_aliased(struct channel *channel, const struct message *message,
                         const struct publish_options *options)
{
    if (!channel->outgoing_aliases)
        channel->outgoing_aliases = outgoing_aliases_new(channel->outgoing_alias_maximum);
    bool is_new = false;
    uint16_t alias = outgoing_aliases_use(channel->outgoing_aliases, message->topic,
                                          hash_bytes(channel->broker->key, message->topic), &is_new);
    if (send_named(channel, message, options, alias, alias != 0 && !is_new))
        return true;
    if (!is_new)
        return false;
    outgoing_aliases_undo(channel->outgoing_aliases, alias);
    return send_named(channel, message, options, 0, false);
}

/* False: dropped, and counted. */
static bool send_publish(struct channel *channel, const struct message *message,
                         const struct publish_options *options)
{
    struct broker *broker = channel->broker;
    bool sent = channel->outgoing_alias_maximum > 0 ? send_aliased(channel, message, options)
                                                    : send_named(channel, message, options, 0, false);
    if (!sent) {
        broker_dropped(broker, BROKER_DROP_PACKET_TOO_BIG);
        return false;
    }
    broker->counters.publishes_sent[options->qos]++;
    broker->counters.payload_bytes_sent += message->payload.len;
    return true;
}

/* ---- QoS 0 ---- */

static void send_at_most_once(const struct delivery *delivery, const struct message *message,
                              struct delivery_encoded *encoded)
{
    struct session *session = delivery->session;
    struct channel *channel = session->channel;
    struct broker *broker = session->broker;
    if (!is_ready(session))
        return; /* QoS 0 is for those who are there */
    if (channel_is_slow(channel)) {
        broker_dropped(broker, BROKER_DROP_TOO_SLOW);
        return;
    }
    struct buffer *out = channel->io.out;
    bool is_own = delivery->identifiers || channel->outgoing_alias_maximum > 0;
    bool same = encoded->in && !is_own && encoded->in != out && encoded->version == channel->version &&
                encoded->retain == delivery->retain && encoded->len <= channel->maximum_packet_bytes;
    if (same) {
        channel_send_bytes(channel, span_of(buffer_span(encoded->in).data + encoded->place, encoded->len));
        broker->counters.publishes_sent[0]++;
        broker->counters.payload_bytes_sent += message->payload.len;
        return;
    }
    size_t before = buffer_len(out);
    struct publish_options options = {.identifiers = delivery->identifiers, .retain = delivery->retain};
    if (message->expires_ms != 0)
        options.wall_ms = broker_wall_ms(broker);
    if (send_publish(channel, message, &options) && !is_own)
        *encoded = (struct delivery_encoded){out, before, buffer_len(out) - before, channel->version,
                                             delivery->retain};
}

/* ---- QoS 1 and 2 ---- */

bool delivery_is_full(const struct session *session, size_t message_bytes)
{
    const struct broker_config *config = &session->broker->config;
    const struct outgoing *outgoing = &session->outgoing;
    return outgoing_count(outgoing) + session->reserved_count >= config->queue_count ||
           outgoing->bytes + session->reserved_bytes + message_bytes > config->queue_bytes;
}

bool delivery_has_room(struct session *session, size_t message_bytes)
{
    struct broker *broker = session->broker;
    if (delivery_is_full(session, message_bytes))
        broker_dropped(broker, BROKER_DROP_QUEUE_FULL);
    else if (broker->counters.queued_bytes + message_bytes > broker->config.queue_bytes_total)
        broker_dropped(broker, BROKER_DROP_QUEUES_FULL);
    else
        return true;
    return false;
}

void delivery_finish(struct session *session, uint64_t ordinal)
{
    struct broker *broker = session->broker;
    struct outgoing *outgoing = &session->outgoing;
    session_count_queue(session, false);
    outgoing_finish(outgoing, ordinal);
    session_count_queue(session, true);
    if (session->queue != 0)
        broker->hooks.acknowledged(broker->hooks.ctx, session->queue, ordinal);
}

static struct outgoing_entry *append(struct session *session, const struct outgoing_entry *entry)
{
    session->broker->counters.queued++;
    session->broker->counters.queued_bytes += entry->bytes;
    return outgoing_append(&session->outgoing, entry);
}

bool delivery_may_send(const struct session *session)
{
    return is_ready(session) && session->outgoing.inflight_count < session->channel->receive_maximum &&
           !channel_is_slow(session->channel);
}

static void mark_sent(struct session *session, struct outgoing_entry *entry)
{
    struct outgoing *outgoing = &session->outgoing;
    outgoing->cursor++;
    outgoing->inflight_count++;
    session->broker->counters.inflight++;
    if (entry->state == OUTGOING_QUEUED)
        entry->state = OUTGOING_SENT;
}

/* A session that is not durable has nobody to send it to again, so what can be sent at once is not kept:
 * the entry only stands for its Packet Identifier. */
static void send_unkept(const struct delivery *delivery, const struct message *message)
{
    struct session *session = delivery->session;
    struct publish_options options = {.identifiers = delivery->identifiers,
                                      .packet_id = outgoing_packet_id(session->outgoing.next),
                                      .qos = delivery->qos,
                                      .retain = delivery->retain};
    if (message->expires_ms != 0)
        options.wall_ms = broker_wall_ms(session->broker);
    if (send_publish(session->channel, message, &options))
        mark_sent(session, append(session, &(struct outgoing_entry){.qos = delivery->qos & 3u}));
}

/* Of a Shared Subscription whose session is not durable: were it to leave, another member gets it. */
static bool is_kept_unacknowledged(const struct session *session, uint32_t share, unsigned qos)
{
    return session->queue == 0 && share != 0 && qos == 1;
}

static void enqueue(const struct delivery *delivery, struct broker_stored *stored)
{
    struct session *session = delivery->session;
    size_t bytes = message_bytes(stored->message);
    if (session->queue == 0 && !delivery_has_room(session, bytes))
        return;
    append(session, &(struct outgoing_entry){.message = message_ref(broker_stored_keep(stored)),
                                             .identifiers = keep_identifiers(delivery->identifiers),
                                             .position = stored->ret_position,
                                             .seq = delivery->seq,
                                             .bytes = (uint32_t)bytes,
                                             .share = delivery->share & BROKER_SHARE_MAX,
                                             .qos = delivery->qos & 3u,
                                             .retain = delivery->retain});
    delivery_pump(session);
}

enum sluice_error delivery_store_again(struct delivery *delivery, struct broker_stored *stored)
{
    struct session *session = delivery->session;
    struct broker *broker = session->broker;
    if (delivery->qos == 0 || session->queue == 0)
        return SLUICE_OK;
    if (!delivery_has_room(session, message_bytes(stored->message)))
        return SLUICE_DENIED;
    struct broker_target target = {session->queue, session->outgoing.next, delivery->share, delivery->qos,
                                   delivery->retain};
    stored->targets = &target;
    stored->target_count = 1;
    struct broker_publish publish = {.messages = stored, .message_count = 1, .replay = true};
    enum sluice_error error = broker->hooks.store(broker->hooks.ctx, &publish, &delivery->seq);
    stored->targets = NULL;
    stored->target_count = 0;
    if (error && error != SLUICE_FULL && error != SLUICE_IO)
        broker_dropped(broker, BROKER_DROP_NOT_STORED);
    return error;
}

void delivery_deliver(const struct delivery *delivery, struct broker_stored *stored,
                      struct delivery_encoded *encoded)
{
    struct session *session = delivery->session;
    const struct outgoing *outgoing = &session->outgoing;
    if (delivery->qos == 0)
        send_at_most_once(delivery, stored->message, encoded);
    else if (session->queue == 0 && outgoing->cursor == outgoing->next && delivery_may_send(session) &&
             outgoing_count(outgoing) < session->broker->config.queue_count &&
             outgoing_count(outgoing) < PACKET_ID_COUNT &&
             !is_kept_unacknowledged(session, delivery->share, delivery->qos))
        send_unkept(delivery, stored->message);
    else
        enqueue(delivery, stored);
}

/* The journal keeps who a message is for, not by which subscription: its identifiers are found again. */
static uint32_t *identifiers_of(const struct session *session, struct span topic)
{
    uint32_t *identifiers = NULL;
    size_t count = 0;
    for (const struct subscription *at = session->subscriptions; at; at = at->next) {
        struct span share, filter;
        subscription_take_apart(subscription_filter(at), &share, &filter);
        if (at->identifier == 0 || !topic_matches(filter, topic))
            continue;
        identifiers = memory_resize(identifiers, (count + 2) * sizeof *identifiers);
        identifiers[count++] = at->identifier;
        identifiers[count] = 0;
    }
    return identifiers;
}

bool delivery_load(struct session *session, struct outgoing_entry *entry)
{
    struct broker *broker = session->broker;
    if (entry->message)
        return true;
    if (broker->hooks.load(broker->hooks.ctx, entry->position, &entry->message) != SLUICE_OK) {
        broker_dropped(broker, BROKER_DROP_UNREADABLE);
        return false;
    }
    session->outgoing.memory_bytes += entry->bytes;
    if (entry->restored && !entry->identifiers)
        entry->identifiers = identifiers_of(session, entry->message->topic);
    return true;
}

/* Whether the message may still go out, right before it does. A right that is gone, the subscriber's or the
 * publisher's, ends it at any time; an expiry only what was not begun [MQTT-4.3.3-7]. */
static bool still_wanted(struct session *session, const struct outgoing_entry *entry, uint64_t wall_ms)
{
    const struct message *message = entry->message;
    if (!grants_topic(session->grants, ACCESS_SUBSCRIBE, message->topic) ||
        (entry->old_rules && !publish_still_allowed(session->broker, message))) {
        broker_dropped(session->broker, BROKER_DROP_NOT_ALLOWED);
        return false;
    }
    bool begun = entry->state == OUTGOING_SENT || (entry->restored && entry->qos == 2);
    if (!begun && has_expired(message, wall_ms)) {
        broker_dropped(session->broker, BROKER_DROP_EXPIRED);
        return false;
    }
    return true;
}

/* Sends the PUBLISH of the entry at the cursor, or drops it. */
static void send_entry(struct session *session, struct outgoing_entry *entry, uint64_t wall_ms)
{
    uint64_t ordinal = session->outgoing.cursor;
    if (!delivery_load(session, entry) || !still_wanted(session, entry, wall_ms)) {
        delivery_finish(session, ordinal);
        return;
    }
    struct publish_options options = {.identifiers = entry->identifiers,
                                      .wall_ms = wall_ms,
                                      .packet_id = outgoing_packet_id(ordinal),
                                      .qos = entry->qos,
                                      .retain = entry->retain,
                                      .dup = entry->state == OUTGOING_SENT || entry->restored};
    if (!send_publish(session->channel, entry->message, &options)) {
        delivery_finish(session, ordinal);
        return;
    }
    session->broker->counters.publishes_repeated += options.dup;
    mark_sent(session, entry);
    if (!is_kept_unacknowledged(session, entry->share, entry->qos))
        outgoing_forget_message(&session->outgoing, entry);
}

void delivery_pump(struct session *session)
{
    struct broker *broker = session->broker;
    struct outgoing *outgoing = &session->outgoing;
    uint64_t wall_ms = 0;
    struct outgoing_entry *entry;
    while (is_ready(session) && (entry = outgoing_sendable(outgoing)) != NULL) {
        if (entry->state == OUTGOING_DONE) {
            outgoing->cursor++;
        } else if (entry->state == OUTGOING_RECEIVED) {
            acknowledge(session->channel, MQTT_PUBREL, outgoing_packet_id(outgoing->cursor), MQTT_SUCCESS,
                        entry->seq);
            mark_sent(session, entry);
        } else if (entry->seq > broker->durable_seq || !delivery_may_send(session)) {
            break;
        } else {
            wall_ms = wall_ms ? wall_ms : broker_wall_ms(broker);
            send_entry(session, entry, wall_ms);
        }
    }
    if (outgoing->next > outgoing->oldest &&
        outgoing_at(outgoing, outgoing->next - 1)->seq > broker->durable_seq)
        session_wait(session);
}

/* Over its memory bound a durable session keeps what is newest only in the journal, from where it is read
 * again when its turn comes. What is not durable yet cannot be read there. */
static void spill(struct session *session)
{
    struct broker *broker = session->broker;
    struct outgoing *outgoing = &session->outgoing;
    for (uint64_t ordinal = outgoing->next;
         ordinal > outgoing->oldest && outgoing->memory_bytes > broker->config.queue_memory_bytes;
         ordinal--) {
        struct outgoing_entry *entry = outgoing_at(outgoing, ordinal - 1);
        if (entry->seq <= broker->durable_seq)
            outgoing_forget_message(outgoing, entry);
    }
}

void delivery_durable(struct broker *broker)
{
    struct session *next, *session = broker->waiting;
    broker->waiting = NULL;
    for (; session; session = next) {
        next = session->next_waiting;
        session->waiting = false;
        delivery_pump(session);
        spill(session);
        const struct outgoing *outgoing = &session->outgoing;
        if (outgoing_count(outgoing) > 0 &&
            outgoing_at(outgoing, outgoing->next - 1)->seq > broker->durable_seq)
            session_wait(session);
    }
}

/* ---- The subscriber's acknowledgements ---- */

enum sluice_error delivery_on_puback(struct channel *channel, const struct mqtt_packet *packet,
                                     uint64_t now_ms)
{
    (void)now_ms;
    struct session *session = channel->session;
    uint64_t ordinal;
    struct outgoing_entry *entry = outgoing_find(&session->outgoing, packet->packet_id, &ordinal);
    if (!entry)
        return SLUICE_OK; /* PUBACK has no answer in which to say that it was unexpected */
    if (entry->qos != 1) {
        channel_fail(channel, MQTT_PROTOCOL_ERROR);
        return SLUICE_OK;
    }
    delivery_finish(session, ordinal);
    delivery_pump(session);
    return SLUICE_OK;
}

enum sluice_error delivery_on_pubrec(struct channel *channel, const struct mqtt_packet *packet,
                                     uint64_t now_ms)
{
    (void)now_ms;
    struct broker *broker = channel->broker;
    struct session *session = channel->session;
    uint64_t ordinal;
    struct outgoing_entry *entry = outgoing_find(&session->outgoing, packet->packet_id, &ordinal);
    if (!entry) {
        if (packet->reason < MQTT_UNSPECIFIED_ERROR)
            acknowledge(channel, MQTT_PUBREL, packet->packet_id, MQTT_PACKET_IDENTIFIER_NOT_FOUND, 0);
        return SLUICE_OK;
    }
    if (entry->qos != 2) {
        channel_fail(channel, MQTT_PROTOCOL_ERROR);
        return SLUICE_OK;
    }
    if (packet->reason >= MQTT_UNSPECIFIED_ERROR) { /* refused: that ends it */
        delivery_finish(session, ordinal);
        delivery_pump(session);
        return SLUICE_OK;
    }
    if (entry->state != OUTGOING_RECEIVED) {
        entry->state = OUTGOING_RECEIVED;
        entry->seq = session->queue ? broker->hooks.received(broker->hooks.ctx, session->queue, ordinal) : 0;
    }
    acknowledge(channel, MQTT_PUBREL, packet->packet_id, MQTT_SUCCESS, entry->seq);
    return SLUICE_OK;
}

enum sluice_error delivery_on_pubcomp(struct channel *channel, const struct mqtt_packet *packet,
                                      uint64_t now_ms)
{
    (void)now_ms;
    struct session *session = channel->session;
    uint64_t ordinal;
    struct outgoing_entry *entry = outgoing_find(&session->outgoing, packet->packet_id, &ordinal);
    if (!entry || entry->qos != 2)
        return SLUICE_OK; /* PUBCOMP has no answer either */
    if (entry->state != OUTGOING_RECEIVED) {
        channel_fail(channel, MQTT_PROTOCOL_ERROR);
        return SLUICE_OK;
    }
    delivery_finish(session, ordinal);
    delivery_pump(session);
    return SLUICE_OK;
}
