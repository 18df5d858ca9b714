#include "client/engine_internal.h"

/* The peer broke the protocol: tell it the Reason Code, tell our side the sentence. */
static enum sluice_error refuse(struct engine *engine, enum mqtt_reason reason, const char *what,
                                const char *detail)
{
    engine_send_short(engine, MQTT_DISCONNECT, 0, reason);
    engine->state = ENGINE_LEAVING;
    return engine_blame(engine, SLUICE_INVALID, what, detail);
}

static void subscribe(struct engine *engine, uint64_t now_ms)
{
    engine->subscribe_id = engine_next_packet_id(engine);
    engine->deadlines_ms[ENGINE_AWAITS_SUBACK] = now_ms + engine->config->answer_ms;
    engine_send_control(engine, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE,
                                                      .version = MQTT_5,
                                                      .packet_id = engine->subscribe_id,
                                                      .filters = engine->filters});
}

static enum sluice_error on_connack(struct engine *engine, const struct mqtt_packet *packet, uint64_t now_ms)
{
    const struct sluice_device_config *config = engine->config;
    if (engine->state != ENGINE_OPENING)
        return refuse(engine, MQTT_PROTOCOL_ERROR, "sent a second CONNACK", "");
    if (packet->reason != MQTT_SUCCESS)
        return engine_blame(engine, SLUICE_DENIED, "refused this device: ", mqtt_reason_text(packet->reason));
    if (mqtt_property_number(packet->properties, MQTT_MAXIMUM_QOS, 2) < 1)
        return refuse(engine, MQTT_QOS_NOT_SUPPORTED, "does not accept QoS 1", "");
    uint32_t receive_maximum = mqtt_property_number(packet->properties, MQTT_RECEIVE_MAXIMUM, UINT16_MAX);
    engine->in_flight_max =
        receive_maximum < config->in_flight_max ? (uint16_t)receive_maximum : config->in_flight_max;
    engine->packet_max_bytes = mqtt_property_number(packet->properties, MQTT_MAXIMUM_PACKET_SIZE, UINT32_MAX);
    engine->retain_available = mqtt_property_number(packet->properties, MQTT_RETAIN_AVAILABLE, 1) != 0;
    engine->keep_alive_ms =
        1000 * mqtt_property_number(packet->properties, MQTT_SERVER_KEEP_ALIVE, config->keep_alive_s);
    engine->deadlines_ms[ENGINE_AWAITS_CONNACK] = ENGINE_NEVER;
    engine->state = ENGINE_ONLINE;
    engine->counters->connects++;
    if (!packet->connack.session_present) {
        outbox_forget(&engine->outbox);
        engine->subscribed = false;
    }
    if (!engine->subscribed && config->filter_count > 0)
        subscribe(engine, now_ms);
    return SLUICE_OK;
}

static enum sluice_error on_publish(struct engine *engine, const struct mqtt_packet *packet, uint64_t now_ms)
{
    (void)now_ms;
    engine->fetch = ENGINE_FETCH_UNKNOWN;
    if (packet->publish.qos == 2)
        return refuse(engine, MQTT_PROTOCOL_ERROR, "sent a message with QoS 2", "");
    if (packet->publish.topic.len == 0 || mqtt_property_number(packet->properties, MQTT_TOPIC_ALIAS, 0) != 0)
        return refuse(engine, MQTT_TOPIC_ALIAS_INVALID, "sent a Topic Alias", "");
    struct span response_topic = SPAN_EMPTY, correlation = SPAN_EMPTY;
    mqtt_property_bytes(packet->properties, MQTT_RESPONSE_TOPIC, &response_topic);
    mqtt_property_bytes(packet->properties, MQTT_CORRELATION_DATA, &correlation);
    if (engine->config->on_message)
        engine->config->on_message(engine->config->context,
                                   &(struct sluice_message){
                                       .topic = engine_bytes(packet->publish.topic),
                                       .payload = engine_bytes(packet->publish.payload),
                                       .response_topic = engine_bytes(response_topic),
                                       .correlation = engine_bytes(correlation),
                                       .retain = packet->publish.retain,
                                   });
    engine->counters->received++;
    if (packet->publish.qos == 1 && !engine_send_short(engine, MQTT_PUBACK, packet->packet_id, MQTT_SUCCESS))
        return refuse(engine, MQTT_RECEIVE_MAXIMUM_EXCEEDED, "exceeded our Receive Maximum", "");
    return SLUICE_OK;
}

static enum sluice_error on_puback(struct engine *engine, const struct mqtt_packet *packet, uint64_t now_ms)
{
    struct outbox_entry *entry = outbox_find(&engine->outbox, packet->packet_id);
    if (engine->in_flight > 0)
        engine->in_flight--;
    engine->deadlines_ms[ENGINE_AWAITS_PUBACK] =
        engine->in_flight ? now_ms + engine->config->puback_ms : ENGINE_NEVER;
    if (!entry || entry->state != OUTBOX_SENT)
        return SLUICE_OK; /* dropped meanwhile to make room */
    if (packet->reason == MQTT_QUOTA_EXCEEDED) {
        entry->state = OUTBOX_WAITING;
        engine->paused_until_ms = now_ms + engine->config->backoff_max_ms;
        engine_blame(engine, SLUICE_FULL, "has no room for messages now: ", mqtt_reason_text(packet->reason));
        return SLUICE_OK;
    }
    if (packet->reason >= MQTT_UNSPECIFIED_ERROR) {
        engine->counters->dropped_rejected++;
        engine_blame(engine, SLUICE_DENIED, "rejected a message: ", mqtt_reason_text(packet->reason));
    } else {
        engine->counters->acknowledged++;
        engine->told_full = false;
        engine->counters->samples_acknowledged += entry->sample_count;
    }
    outbox_settle(&engine->outbox, entry);
    return SLUICE_OK;
}

static enum sluice_error on_suback(struct engine *engine, const struct mqtt_packet *packet, uint64_t now_ms)
{
    (void)now_ms;
    const struct sluice_device_config *config = engine->config;
    if (!engine->subscribe_id || packet->packet_id != engine->subscribe_id ||
        packet->reasons.len != config->filter_count)
        return refuse(engine, MQTT_PROTOCOL_ERROR, "sent a SUBACK that answers nothing", "");
    for (size_t i = 0; i < packet->reasons.len; i++)
        if (packet->reasons.data[i] >= MQTT_UNSPECIFIED_ERROR)
            engine_blame(engine, SLUICE_DENIED, "refused the subscription to ", config->filters[i]);
    engine->subscribe_id = 0;
    engine->deadlines_ms[ENGINE_AWAITS_SUBACK] = ENGINE_NEVER;
    engine->subscribed = true;
    return SLUICE_OK;
}

static enum sluice_error on_pingresp(struct engine *engine, const struct mqtt_packet *packet, uint64_t now_ms)
{
    (void)packet;
    (void)now_ms;
    engine->deadlines_ms[ENGINE_AWAITS_PINGRESP] = ENGINE_NEVER;
    if (engine->fetch == ENGINE_FETCH_ASKED)
        engine->fetch = ENGINE_FETCH_DONE;
    return SLUICE_OK;
}

static enum sluice_error on_disconnect(struct engine *engine, const struct mqtt_packet *packet,
                                       uint64_t now_ms)
{
    (void)now_ms;
    return engine_blame(engine, SLUICE_CLOSED, "ended the connection: ", mqtt_reason_text(packet->reason));
}

static enum sluice_error on_packet(struct engine *engine, struct span bytes, uint64_t now_ms)
{
    static enum sluice_error (*const handlers[16])(struct engine *, const struct mqtt_packet *, uint64_t) = {
        [MQTT_CONNACK] = on_connack, [MQTT_PUBLISH] = on_publish,   [MQTT_PUBACK] = on_puback,
        [MQTT_SUBACK] = on_suback,   [MQTT_PINGRESP] = on_pingresp, [MQTT_DISCONNECT] = on_disconnect,
    };
    struct mqtt_packet packet;
    enum mqtt_reason reason;
    if (mqtt_decode(bytes, MQTT_CLIENT, MQTT_5, &packet, &reason))
        return refuse(engine, reason, "broke the protocol: ", mqtt_reason_text(reason));
    if (!handlers[packet.type] || (engine->state == ENGINE_OPENING && packet.type != MQTT_CONNACK))
        return refuse(engine, MQTT_PROTOCOL_ERROR, "sent an unexpected ", mqtt_type_name(packet.type));
    engine->answered |= packet.type != MQTT_CONNACK && packet.type != MQTT_DISCONNECT;
    return handlers[packet.type](engine, &packet, now_ms);
}

uint8_t *engine_input(struct engine *engine, size_t *ret_capacity)
{
    *ret_capacity = engine->config->receive_bytes - engine->received_bytes;
    return engine->receive_memory + engine->received_bytes;
}

enum sluice_error engine_received(struct engine *engine, size_t len, uint64_t now_ms)
{
    engine->counters->bytes_received += len;
    if (engine->state == ENGINE_LEAVING) /* nothing could be answered after our DISCONNECT [MQTT-3.14.4-1] */
        return SLUICE_OK;
    engine->received_bytes += len;
    struct span rest = span_of(engine->receive_memory, engine->received_bytes), packet;
    enum sluice_error error;
    while ((error = mqtt_frame(rest, engine->config->receive_bytes, &packet)) == SLUICE_OK) {
        if ((error = on_packet(engine, packet, now_ms)))
            return error;
        rest = span_skip(rest, packet.len);
    }
    if (error == SLUICE_TOO_LARGE)
        return refuse(engine, MQTT_PACKET_TOO_LARGE, "sent a packet over receive_bytes", "");
    if (error == SLUICE_INVALID)
        return refuse(engine, MQTT_MALFORMED_PACKET, "sent what is no MQTT", "");
    memmove(engine->receive_memory, rest.data, rest.len);
    engine->received_bytes = rest.len;
    return SLUICE_OK;
}
