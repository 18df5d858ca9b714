#include "broker/channel.h"

#include "base/log.h"
#include "base/memory.h"
#include "broker/authenticate.h"
#include "broker/outgoing_aliases.h"
#include "broker/parts.h"
#include "broker/reason_string.h"
#include "broker/replay.h"

#include <assert.h>

/* ---- Output ---- */

bool channel_is_allowed(const struct channel *channel)
{
    const struct broker_hooks *hooks = &channel->broker->hooks;
    return !hooks->allowed || hooks->allowed(hooks->ctx, channel->io.ctx, channel->identity);
}

/* What each connection may have unsent when all of them have as much as they may. */
enum { OUTPUT_SHARE_BYTES = 16 * 1024 };

bool channel_is_slow(const struct channel *channel)
{
    const struct broker *broker = channel->broker;
    size_t unsent = buffer_len(channel->io.out);
    return unsent > broker->config.output_bytes ||
           (broker->counters.output_bytes > broker->config.output_bytes_total && unsent > OUTPUT_SHARE_BYTES);
}

/* Keeps the sum of what is unsent; what leaves in parts is seen with the next packet, or when all is out. */
static void count_output(struct channel *channel, uint64_t unsent)
{
    struct broker *broker = channel->broker;
    uint64_t total = broker->config.output_bytes_total;
    bool was_within = broker->counters.output_bytes <= total;
    broker->counters.output_bytes += unsent - channel->output_bytes;
    channel->output_bytes = unsent;
    if (was_within && broker->counters.output_bytes > total)
        broker_limited(broker, BROKER_LIMIT_OUTPUT_BYTES_TOTAL);
}

void channel_send_bytes(struct channel *channel, struct span bytes)
{
    if (channel->state == CHANNEL_CLOSING)
        return;
    buffer_append(channel->io.out, bytes);
    count_output(channel, buffer_len(channel->io.out));
    channel->broker->counters.packets_sent++;
    channel->io.flush_soon(channel->io.ctx);
}

bool channel_send(struct channel *channel, const struct mqtt_packet *packet)
{
    if (channel->state == CHANNEL_CLOSING)
        return true;
    size_t size = mqtt_encoded_size(packet);
    if (size == 0 || size > channel->maximum_packet_bytes)
        return false;
    struct writer out = writer_of(buffer_reserve(channel->io.out, size), size);
    mqtt_encode(&out, packet);
    assert(!out.failed);
    buffer_grown(channel->io.out, writer_len(&out));
    count_output(channel, buffer_len(channel->io.out));
    channel->broker->counters.packets_sent++;
    channel->io.flush_soon(channel->io.ctx);
    return true;
}

/* ---- The end of a connection ---- */

void channel_abort(struct channel *channel)
{
    if (channel->state == CHANNEL_CLOSING)
        return;
    channel->state = CHANNEL_CLOSING;
    timers_stop(&channel->broker->timers, &channel->timer);
    channel->io.close(channel->io.ctx);
}

void channel_disconnect(struct channel *channel, enum mqtt_reason reason)
{
    if (channel->state == CHANNEL_READY && channel->version == MQTT_5) {
        uint8_t block[REASON_STRING_BLOCK_BYTES];
        struct mqtt_packet packet = {.type = MQTT_DISCONNECT, .version = MQTT_5, .reason = reason};
        reason_string_add(channel, &packet, block);
        channel_send(channel, &packet);
    }
    channel_abort(channel);
}

void channel_fail(struct channel *channel, enum mqtt_reason reason)
{
    channel->broker->counters.protocol_errors++;
    log_debug("closing the connection of %.*s: %s",
              channel->session ? (int)channel->session->client_id_len : 0,
              channel->session ? (const char *)channel->session->client_id : "", mqtt_reason_text(reason));
    channel_disconnect(channel, reason);
}

void channel_release(struct channel *channel)
{
    if (!channel->gone || channel->deferred_count > 0)
        return;
    identity_release(channel->identity);
    memory_free(channel);
}

/* ---- Pauses ---- */

void channel_pause(struct channel *channel, enum channel_pause why)
{
    if (channel->paused == 0 && channel->state != CHANNEL_CLOSING)
        channel->io.pause(channel->io.ctx, true);
    channel->paused |= (uint8_t)why;
}

void channel_continue(struct channel *channel, enum channel_pause why)
{
    bool was_paused = channel->paused != 0;
    channel->paused &= (uint8_t)~why;
    if (was_paused && channel->paused == 0 && channel->state != CHANNEL_CLOSING)
        channel->io.pause(channel->io.ctx, false);
}

void channel_hold(struct channel *channel)
{
    struct broker *broker = channel->broker;
    if (channel->paused & PAUSE_HELD)
        return;
    channel_pause(channel, PAUSE_HELD);
    channel->previous_held = NULL;
    channel->next_held = broker->held;
    if (broker->held)
        broker->held->previous_held = channel;
    broker->held = channel;
}

static void stop_holding(struct channel *channel)
{
    if (!(channel->paused & PAUSE_HELD))
        return;
    if (channel->previous_held)
        channel->previous_held->next_held = channel->next_held;
    else
        channel->broker->held = channel->next_held;
    if (channel->next_held)
        channel->next_held->previous_held = channel->previous_held;
    channel_continue(channel, PAUSE_HELD);
}

void broker_resume(struct broker *broker)
{
    while (broker->held)
        stop_holding(broker->held);
}

/* ---- Timers ---- */

/* One timer a connection, moved only when it fires: a packet costs no more than noting the time. Time
 * during which the Server itself does not read is not held against the client. */
static void on_timer(void *owner, uint64_t now_ms)
{
    struct channel *channel = owner;
    if (channel->state == CHANNEL_NEW || channel->state == CHANNEL_AUTHENTICATING) {
        channel_abort(channel);
        return;
    }
    uint64_t allowed_ms = channel->keep_alive_s * UINT64_C(1500);
    if (channel->paused)
        channel->last_packet_ms = now_ms;
    channel_continue(channel, PAUSE_RATE);
    channel_continue(channel, PAUSE_TURN);
    if (allowed_ms == 0)
        return;
    if (now_ms - channel->last_packet_ms >= allowed_ms)
        channel_disconnect(channel, MQTT_KEEP_ALIVE_TIMEOUT); /* [MQTT-3.1.2-22] */
    else
        timers_set(&channel->broker->timers, &channel->timer, channel->last_packet_ms + allowed_ms);
}

/* ---- Opening, reading, closing ---- */

struct channel *channel_open(struct broker *broker, const struct channel_io *io,
                             const struct identity *identity, uint64_t now_ms)
{
    struct channel *channel = memory_new(sizeof *channel);
    channel->broker = broker;
    channel->io = *io;
    channel->identity = identity_keep(identity);
    channel->version = MQTT_3_1_1;
    channel->maximum_packet_bytes = UINT32_MAX;
    channel->last_packet_ms = now_ms;
    channel->credit = rate_full(&broker->config.publish_rate, now_ms);
    channel->timer.on_expired = on_timer;
    channel->timer.owner = channel;
    timers_set(&broker->timers, &channel->timer, now_ms + broker->config.connect_timeout_ms);
    broker->counters.channels++;
    return channel;
}

/* The client takes more than before. */
static void take_more(struct session *session)
{
    delivery_pump(session);
    replay_continue(session);
}

void channel_ready(struct channel *channel)
{
    if (channel->state != CHANNEL_CONNECTING)
        return;
    channel->state = CHANNEL_READY;
    channel_continue(channel, PAUSE_CONNACK);
    if (channel->session)
        take_more(channel->session);
}

static enum sluice_error on_pingreq(struct channel *channel, const struct mqtt_packet *packet,
                                    uint64_t now_ms)
{
    (void)now_ms;
    struct mqtt_packet answer = {.type = MQTT_PINGRESP, .version = packet->version};
    channel_send(channel, &answer);
    return SLUICE_OK;
}

typedef enum sluice_error packet_handler(struct channel *channel, const struct mqtt_packet *packet,
                                         uint64_t now_ms);

/* What only a Server sends is refused by the decoder. */
static packet_handler *const handlers[] = {
    [MQTT_CONNECT] = connect_on_connect,
    [MQTT_PUBLISH] = receive_on_publish,
    [MQTT_PUBACK] = delivery_on_puback,
    [MQTT_PUBREC] = delivery_on_pubrec,
    [MQTT_PUBREL] = receive_on_pubrel,
    [MQTT_PUBCOMP] = delivery_on_pubcomp,
    [MQTT_SUBSCRIBE] = subscribe_on_subscribe,
    [MQTT_UNSUBSCRIBE] = subscribe_on_unsubscribe,
    [MQTT_PINGREQ] = on_pingreq,
    [MQTT_DISCONNECT] = connect_on_disconnect,
    [MQTT_AUTH] = authenticate_on_auth,
};

/* Whether the state is to keep something of it. */
static bool is_for_state(const struct mqtt_packet *packet)
{
    switch (packet->type) {
    case MQTT_CONNECT:
        return packet->connect.has_will ||
               (packet->version == MQTT_5
                    ? mqtt_property_number(packet->properties, MQTT_SESSION_EXPIRY_INTERVAL, 0) > 0
                    : !packet->connect.clean_start);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE: return true;
    default: return false;
    }
}

/* Whether its answer may wait for the disk. */
static bool is_for_disk(const struct mqtt_packet *packet)
{
    switch (packet->type) {
    case MQTT_PUBLISH: return packet->publish.qos > 0;
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE: return true;
    default: return false;
    }
}

/* Whether as much waits as may of what it would add to. */
static bool must_wait(const struct broker *broker, const struct mqtt_packet *packet)
{
    const struct broker_hooks *hooks = &broker->hooks;
    return (acknowledgements_full(broker) && is_for_disk(packet)) ||
           (hooks->state_is_full && is_for_state(packet) && hooks->state_is_full(hooks->ctx));
}

/* Before its CONNACK a Client may only go on with the authentication, or leave [MQTT-3.1.2-30]. */
static bool is_out_of_place(const struct channel *channel, const struct mqtt_packet *packet)
{
    return channel->state == CHANNEL_AUTHENTICATING && packet->type != MQTT_AUTH &&
           packet->type != MQTT_DISCONNECT;
}

/* Whether it publishes faster than it may; then it is read again when its credit has grown. */
static bool is_too_fast(struct channel *channel, uint64_t now_ms)
{
    struct broker *broker = channel->broker;
    const struct rate *rate = &broker->config.publish_rate;
    if (rate_allows(rate, &channel->credit, now_ms))
        return false;
    broker_limited(broker, BROKER_LIMIT_PUBLISH_RATE);
    channel_pause(channel, PAUSE_RATE);
    timers_set(&broker->timers, &channel->timer, rate_continues_ms(rate, &channel->credit));
    return true;
}

/* One that is not PUBLISH or CONNECT, which are answered for themselves. */
static bool has_too_many_properties(const struct channel *channel, const struct mqtt_packet *packet)
{
    return packet->properties.bytes.len > channel->broker->config.property_bytes &&
           packet->type != MQTT_PUBLISH && packet->type != MQTT_CONNECT;
}

/* Hands it to whom it is for. False: it was held back. */
static bool handle_packet(struct channel *channel, const struct mqtt_packet *packet, uint64_t now_ms)
{
    if (is_out_of_place(channel, packet)) {
        channel_fail(channel, MQTT_PROTOCOL_ERROR);
        return true;
    }
    if (has_too_many_properties(channel, packet)) {
        broker_limited(channel->broker, BROKER_LIMIT_PROPERTY_BYTES);
        channel_fail(channel, MQTT_QUOTA_EXCEEDED);
        return true;
    }
    if (packet->type == MQTT_PUBLISH && is_too_fast(channel, now_ms))
        return false;
    if (must_wait(channel->broker, packet)) {
        channel_hold(channel);
        return false;
    }
    return handlers[packet->type](channel, packet, now_ms) != SLUICE_AGAIN;
}

/* False: the packet was held back. */
static bool take_packet(struct channel *channel, struct span bytes, uint64_t now_ms)
{
    struct mqtt_packet packet;
    enum mqtt_reason reason;
    if (mqtt_decode(bytes, MQTT_SERVER, channel->version, &packet, &reason) != SLUICE_OK) {
        if (channel->state == CHANNEL_NEW)
            connect_on_undecodable(channel, bytes, reason);
        else
            channel_fail(channel, reason);
        return true;
    }
    channel->last_packet_ms = now_ms;
    if (!handle_packet(channel, &packet, now_ms))
        return false;
    channel->broker->counters.packets_received++;
    if (packet.type == MQTT_PUBLISH)
        rate_take(&channel->credit, bytes.len);
    return true;
}

/* What is left of the input waits until everybody else had a turn: a quarter of a megabyte of small PUBLISHes
 * that match thousands of filters each would be seconds, and so would one of telemetry frames; of SUBSCRIBEs
 * tenths of one. */
static void end_turn(struct channel *channel, uint64_t now_ms)
{
    channel_pause(channel, PAUSE_TURN);
    timers_set(&channel->broker->timers, &channel->timer, now_ms);
}

/* The first packet must be CONNECT [MQTT-3.1.0-1]: its first byte already tells what is none. */
static bool may_begin_connect(struct span input)
{
    return input.data[0] == MQTT_CONNECT << 4;
}

size_t channel_input(struct channel *channel, struct span input, uint64_t now_ms)
{
    const struct broker_config *config = &channel->broker->config;
    const uint64_t turn_end = channel->broker->scratch.work + PUBLISH_TURN_WORK;
    size_t used = 0;
    while (channel->state != CHANNEL_CLOSING && channel->paused == 0 && used < input.len) {
        struct span packet, rest = span_skip(input, used);
        if (channel->state == CHANNEL_NEW && !may_begin_connect(rest)) {
            channel_fail(channel, MQTT_PROTOCOL_ERROR);
            break;
        }
        enum sluice_error error =
            mqtt_frame(rest, channel->session ? config->packet_bytes : config->connect_bytes, &packet);
        if (error == SLUICE_AGAIN)
            break;
        if (error == SLUICE_TOO_LARGE)
            broker_limited(channel->broker, BROKER_LIMIT_PACKET_BYTES);
        if (error != SLUICE_OK)
            channel_fail(channel, error == SLUICE_TOO_LARGE ? MQTT_PACKET_TOO_LARGE : MQTT_MALFORMED_PACKET);
        else if (take_packet(channel, packet, now_ms))
            used += packet.len;
        if (channel_is_slow(channel))
            channel_pause(channel, PAUSE_OUTPUT);
        if (channel->broker->scratch.work >= turn_end && used < input.len && channel->paused == 0)
            end_turn(channel, now_ms);
    }
    return channel->state == CHANNEL_CLOSING ? input.len : used;
}

void channel_drained(struct channel *channel)
{
    count_output(channel, buffer_len(channel->io.out));
    if (channel_is_slow(channel))
        return;
    channel_continue(channel, PAUSE_OUTPUT);
    if (channel->state == CHANNEL_READY && channel->session)
        take_more(channel->session);
}

void channel_closed(struct channel *channel, uint64_t now_ms)
{
    struct broker *broker = channel->broker;
    struct session *session = channel->session;
    channel->state = CHANNEL_CLOSING;
    channel->session = NULL;
    channel->gone = true;
    count_output(channel, 0);
    timers_stop(&broker->timers, &channel->timer);
    stop_holding(channel);
    acknowledgements_forget_processing(channel);
    receive_forget_aliases(channel);
    outgoing_aliases_free(channel->outgoing_aliases);
    authenticate_forget(channel);
    broker->counters.channels--;
    if (session)
        session_detach(session, now_ms);
    channel_release(channel);
}
