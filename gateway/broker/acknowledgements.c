#include "broker/acknowledgements.h"

#include "base/memory.h"
#include "broker/parts.h"
#include "broker/reason_string.h"
#include "broker/replay.h"

enum { SMALLEST_CAPACITY = 64 };

static struct deferred *at(const struct deferred_ring *ring, size_t place)
{
    return &ring->ring[(ring->start + place) & (ring->capacity - 1)];
}

static void grow(struct deferred_ring *ring)
{
    struct deferred_ring grown = {.capacity = ring->capacity ? ring->capacity * 2 : SMALLEST_CAPACITY,
                                  .count = ring->count};
    grown.ring = memory_new_array(grown.capacity, sizeof *grown.ring);
    for (size_t i = 0; i < ring->count; i++)
        grown.ring[i] = *at(ring, i);
    memory_free(ring->ring);
    *ring = grown;
}

static void append(struct deferred_ring *ring, const struct deferred *deferred)
{
    if (ring->count == ring->capacity)
        grow(ring);
    *at(ring, ring->count++) = *deferred;
}

static struct deferred take_first(struct deferred_ring *ring)
{
    struct deferred deferred = *at(ring, 0);
    ring->start = (ring->start + 1) & (ring->capacity - 1);
    ring->count--;
    return deferred;
}

static void push(struct deferred_ring *ring, const struct deferred *deferred)
{
    append(ring, deferred);
    deferred->channel->deferred_count++;
    deferred->channel->broker->counters.unacknowledged++;
}

static struct deferred pop(struct deferred_ring *ring)
{
    struct deferred deferred = take_first(ring);
    deferred.channel->deferred_count--;
    deferred.channel->broker->counters.unacknowledged--;
    return deferred;
}

static void send(struct channel *channel, enum mqtt_type type, uint16_t packet_id, enum mqtt_reason reason)
{
    struct mqtt_packet packet = {
        .type = type, .version = channel->version, .packet_id = packet_id, .reason = reason};
    uint8_t block[REASON_STRING_BLOCK_BYTES];
    if (reason >= MQTT_UNSPECIFIED_ERROR)
        reason_string_add(channel, &packet, block);
    channel_send(channel, &packet);
}

/*
 * Why nothing that was acknowledged is lost, and no QoS 2 message is taken twice:
 *
 * PUBACK and PUBREC tell a publisher that the message is the Server's now. They
 * wait for the seq of the one journal record that holds the message, the sessions
 * and functions it is for, and, from a durable session at QoS 2, its Packet
 * Identifier. A crash before that record is on disk leaves nothing of the message
 * and no acknowledgement, so the publisher sends it again; a crash after it finds
 * all of it. What was delivered meanwhile from memory may be delivered again,
 * which QoS 1 allows; QoS 2 to a durable subscriber is not sent before that seq.
 *
 * PUBCOMP tells a publisher that the Packet Identifier is free for a new message.
 * It waits for the record that frees it; were it lost, a restart would take that
 * new message for a repetition of the old one.
 *
 * PUBREL tells a subscriber that it may forget the Packet Identifier. It waits
 * for the record that PUBREC came; were that lost, a restart would send PUBLISH
 * again to a subscriber that no longer knows it for a repetition.
 *
 * Where functions must have processed the message first, the seq that is waited
 * for after that is of what came of it: the result that was published, or the
 * message's dead letter. Without a result none of it need be on disk: the function
 * has done its work, and would at worst do it again.
 */
static void wait_for_journal(struct channel *channel, enum mqtt_type type, uint16_t packet_id,
                             enum mqtt_reason reason, uint64_t seq)
{
    struct broker *broker = channel->broker;
    if (channel->waiting_count == 0 && seq <= broker->durable_seq) {
        send(channel, type, packet_id, reason);
        return;
    }
    if (seq > channel->deferred_seq)
        channel->deferred_seq = seq;
    push(&broker->journal_ring, &(struct deferred){.number = channel->deferred_seq,
                                                   .channel = channel,
                                                   .packet_id = packet_id,
                                                   .type = (uint8_t)type,
                                                   .reason = (uint8_t)reason});
    channel->waiting_count++;
    channel->receiving_count += type == MQTT_PUBACK;
}

/* ---- Waiting for functions ---- */

static bool is_full_of_processing(const struct channel *channel)
{
    const struct broker *broker = channel->broker;
    return broker->counters.unprocessed >= broker->config.unacknowledged_count ||
           (channel->version == MQTT_3_1_1 && channel->processing->count >= broker->config.receive_maximum);
}

static void wait_for_functions(struct channel *channel, const struct deferred *deferred)
{
    if (!channel->processing)
        channel->processing = memory_new(sizeof *channel->processing);
    append(channel->processing, deferred);
    channel->broker->counters.unprocessed++;
    channel->receiving_count += deferred->type == MQTT_PUBACK;
    if (deferred->processing)
        deferred->processing->channel = channel;
    if (is_full_of_processing(channel))
        channel_pause(channel, PAUSE_PROCESSING);
}

static struct deferred leave_processing(struct channel *channel)
{
    struct deferred deferred = take_first(channel->processing);
    channel->broker->counters.unprocessed--;
    channel->receiving_count -= deferred.type == MQTT_PUBACK;
    return deferred;
}

/* PUBREL and PUBCOMP have an order of their own, and wait for no function. */
static bool is_behind_processing(const struct channel *channel, enum mqtt_type type)
{
    return channel->processing && channel->processing->count > 0 &&
           (type == MQTT_PUBACK || type == MQTT_PUBREC);
}

static void go_on_to_journal(const struct deferred *deferred)
{
    uint64_t seq = deferred->number;
    if (deferred->processing && deferred->processing->seq > seq)
        seq = deferred->processing->seq;
    wait_for_journal(deferred->channel, deferred->type, deferred->packet_id, deferred->reason, seq);
}

static void defer(const struct deferred *deferred)
{
    if (processing_is_over(deferred->processing) &&
        !is_behind_processing(deferred->channel, deferred->type)) {
        go_on_to_journal(deferred);
        return;
    }
    processing_ref(deferred->processing);
    wait_for_functions(deferred->channel, deferred);
}

void acknowledge(struct channel *channel, enum mqtt_type type, uint16_t packet_id, enum mqtt_reason reason,
                 uint64_t seq)
{
    defer(&(struct deferred){.number = seq,
                             .channel = channel,
                             .packet_id = packet_id,
                             .type = (uint8_t)type,
                             .reason = (uint8_t)reason});
}

void acknowledge_processed(struct channel *channel, enum mqtt_type type, uint16_t packet_id, uint64_t seq,
                           struct broker_processing *processing)
{
    defer(&(struct deferred){.number = seq,
                             .channel = channel,
                             .processing = processing,
                             .packet_id = packet_id,
                             .type = (uint8_t)type,
                             .reason = MQTT_SUCCESS});
}

void acknowledgements_release_processed(struct channel *channel)
{
    struct deferred_ring *ring = channel->processing;
    while (ring->count > 0 && processing_is_over(at(ring, 0)->processing)) {
        struct deferred first = leave_processing(channel);
        go_on_to_journal(&first);
        processing_unref(first.processing);
    }
    /* With none waiting it may have one, whatever others have; and nothing of it would call this again. */
    if (ring->count == 0 || !is_full_of_processing(channel))
        channel_continue(channel, PAUSE_PROCESSING);
}

void acknowledgements_forget_processing(struct channel *channel)
{
    if (!channel->processing)
        return;
    while (channel->processing->count > 0) {
        struct broker_processing *processing = leave_processing(channel).processing;
        if (processing && processing->channel == channel)
            processing->channel = NULL;
        processing_unref(processing);
    }
    memory_free(channel->processing->ring);
    memory_free(channel->processing);
    channel->processing = NULL;
}

/* ---- The disk ---- */

bool acknowledgements_full(const struct broker *broker)
{
    return broker->counters.unacknowledged >= broker->config.unacknowledged_count;
}

void acknowledgements_release(struct broker *broker, uint64_t seq)
{
    struct deferred_ring *ring = &broker->journal_ring;
    while (ring->count > 0 && at(ring, 0)->number <= seq) {
        struct deferred deferred = pop(ring);
        struct channel *channel = deferred.channel;
        channel->waiting_count--;
        channel->receiving_count -= deferred.type == MQTT_PUBACK;
        send(channel, deferred.type, deferred.packet_id, deferred.reason);
        channel_release(channel);
    }
}

static void send_encoded(struct channel *channel, enum mqtt_type type, struct span packet)
{
    channel_send_bytes(channel, packet);
    if (type == MQTT_CONNACK)
        channel_ready(channel);
    if (type == MQTT_SUBACK && channel->session)
        replay_continue(channel->session);
}

void acknowledge_state(struct channel *channel, enum mqtt_type type, struct span packet, uint64_t ticket)
{
    struct broker *broker = channel->broker;
    if (packet.len > channel->maximum_packet_bytes) { /* [MQTT-3.1.2-24]: it would be waited for in vain */
        channel_disconnect(channel, MQTT_IMPLEMENTATION_SPECIFIC_ERROR);
        return;
    }
    if (ticket <= broker->durable_ticket) {
        send_encoded(channel, type, packet);
        return;
    }
    struct deferred deferred = {
        .number = ticket, .channel = channel, .type = (uint8_t)type, .packet_bytes = (uint32_t)packet.len};
    deferred.packet = memory_new(packet.len);
    memcpy(deferred.packet, packet.data, packet.len);
    push(&broker->state_ring, &deferred);
}

void acknowledgements_release_state(struct broker *broker, uint64_t ticket)
{
    struct deferred_ring *ring = &broker->state_ring;
    while (ring->count > 0 && at(ring, 0)->number <= ticket) {
        struct deferred deferred = pop(ring);
        send_encoded(deferred.channel, deferred.type, span_of(deferred.packet, deferred.packet_bytes));
        memory_free(deferred.packet);
        channel_release(deferred.channel);
    }
}

void deferred_ring_fini(struct deferred_ring *ring)
{
    while (ring->count > 0) {
        struct deferred deferred = pop(ring);
        memory_free(deferred.packet);
        channel_release(deferred.channel);
    }
    memory_free(ring->ring);
    *ring = (struct deferred_ring){0};
}
