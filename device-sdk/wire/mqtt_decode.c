#include "mqtt_decoding.h"
#include "topic.h"

void decoding_refuse(struct decoding *d, enum mqtt_reason reason)
{
    if (!d->in.failed)
        d->reason = reason;
    reader_fail(&d->in);
}

struct span decoding_string(struct decoding *d)
{
    struct span text = read_u16_bytes(&d->in);
    if (!utf8_valid(text))
        decoding_refuse(d, MQTT_MALFORMED_PACKET); /* [MQTT-1.5.4-1] [MQTT-1.5.4-2] */
    return text;
}

void decoding_refuse_topic(struct decoding *d, struct span topic, enum mqtt_reason reason)
{
    decoding_refuse(d, utf8_valid(topic) ? reason : MQTT_MALFORMED_PACKET);
}

struct span decoding_topic_name(struct decoding *d)
{
    struct span name = read_u16_bytes(&d->in);
    if (!topic_name_valid(name))
        decoding_refuse_topic(d, name, MQTT_TOPIC_NAME_INVALID); /* [MQTT-3.3.2-2] [MQTT-4.7.3-1] */
    return name;
}

uint16_t decoding_packet_id(struct decoding *d)
{
    uint16_t id = read_u16(&d->in);
    if (id == 0)
        decoding_refuse(d, MQTT_PROTOCOL_ERROR); /* [MQTT-2.2.1-3] [MQTT-2.2.1-4] */
    return id;
}

struct mqtt_properties decoding_properties(struct decoding *d, unsigned carrier)
{
    if (d->packet->version != MQTT_5)
        return (struct mqtt_properties){SPAN_EMPTY};
    struct span block = read_bytes(&d->in, read_varint(&d->in));
    if (block.len > 0) {
        enum mqtt_reason reason = mqtt_properties_check(block, carrier, d->role);
        if (reason != MQTT_SUCCESS)
            decoding_refuse(d, reason);
    }
    return (struct mqtt_properties){block};
}

enum mqtt_reason decoding_reason(struct decoding *d)
{
    uint8_t code = read_u8(&d->in);
    if (!mqtt_reason_allowed(code, d->packet->type))
        decoding_refuse(d, MQTT_PROTOCOL_ERROR);
    return (enum mqtt_reason)code;
}

void mqtt_decode_publish(struct decoding *d)
{
    struct mqtt_publish *publish = &d->packet->publish;
    publish->retain = d->flags & 1;
    publish->qos = d->flags >> 1 & 3;
    publish->dup = d->flags >> 3;
    if (publish->qos == 3 || (publish->dup && publish->qos == 0))
        decoding_refuse(d, MQTT_MALFORMED_PACKET); /* [MQTT-3.3.1-2] [MQTT-3.3.1-4] */
    publish->topic = read_u16_bytes(&d->in);
    if (publish->qos > 0)
        d->packet->packet_id = decoding_packet_id(d);
    d->packet->properties = decoding_properties(d, MQTT_PUBLISH);
    publish->payload = read_rest(&d->in);

    struct span topic = publish->topic;
    if (topic_name_valid(topic))
        return;
    if (topic.len > 0 || d->packet->version != MQTT_5)
        decoding_refuse_topic(d, topic, MQTT_TOPIC_NAME_INVALID); /* [MQTT-3.3.2-1] [MQTT-3.3.2-2] */
    else if (mqtt_property_number(d->packet->properties, MQTT_TOPIC_ALIAS, 0) == 0)
        decoding_refuse(d, MQTT_PROTOCOL_ERROR); /* section 3.3.2.1 */
}

/* PUBACK, PUBREC, PUBREL, PUBCOMP. In MQTT 5 the end may be left out (section 3.4.2.1). */
void mqtt_decode_acknowledgement(struct decoding *d)
{
    d->packet->packet_id = decoding_packet_id(d);
    if (d->packet->version == MQTT_5 && reader_left(&d->in) > 0)
        d->packet->reason = decoding_reason(d);
    if (d->packet->version == MQTT_5 && reader_left(&d->in) > 0)
        d->packet->properties = decoding_properties(d, d->packet->type);
}

void mqtt_decode_disconnect(struct decoding *d)
{
    if (d->packet->version == MQTT_5 && reader_left(&d->in) > 0)
        d->packet->reason = decoding_reason(d);
    if (d->packet->version == MQTT_5 && reader_left(&d->in) > 0)
        d->packet->properties = decoding_properties(d, MQTT_DISCONNECT);
}

void mqtt_decode_auth(struct decoding *d)
{
    if (reader_left(&d->in) == 0)
        return; /* section 3.15.2.1: Success without properties */
    d->packet->reason = decoding_reason(d);
    d->packet->properties = decoding_properties(d, MQTT_AUTH);
    struct span method;
    if (!mqtt_property_bytes(d->packet->properties, MQTT_AUTHENTICATION_METHOD, &method))
        decoding_refuse(d, MQTT_PROTOCOL_ERROR); /* section 3.15.2.2.2 */
}

enum sluice_error mqtt_decode_received(const struct mqtt_receiver *receiver, struct span packet,
                                       enum mqtt_version version, struct mqtt_packet *ret_packet,
                                       enum mqtt_reason *ret_reason)
{
    /* The part of each type is left to its decoder: clearing it for CONNECT here is half of a PUBLISH's time.
     */
    struct mqtt_packet decoded;
    struct decoding d = {reader_of(packet), &decoded, receiver->role, MQTT_MALFORMED_PACKET, 0};
    uint8_t first = read_u8(&d.in);
    d.flags = first & 0x0f;
    decoded.type = (enum mqtt_type)(first >> 4);
    decoded.version = version;
    decoded.packet_id = 0;
    decoded.reason = MQTT_SUCCESS;
    decoded.reasons = SPAN_EMPTY;
    decoded.properties.bytes = SPAN_EMPTY;
    const struct mqtt_receiver_row *row = &receiver->rows[decoded.type];

    if (read_varint(&d.in) != reader_left(&d.in))
        decoding_refuse(&d, MQTT_MALFORMED_PACKET);
    if (!(row->versions & DECODING_IN(version)))
        decoding_refuse(&d, MQTT_PROTOCOL_ERROR);
    if (row->flags != DECODING_ANY_FLAGS && row->flags != d.flags)
        decoding_refuse(&d, MQTT_MALFORMED_PACKET);
    if (row->decode)
        row->decode(&d);
    if (reader_left(&d.in) > 0)
        decoding_refuse(&d, MQTT_MALFORMED_PACKET);
    if (d.in.failed) {
        *ret_reason = d.reason;
        return SLUICE_INVALID;
    }
    *ret_packet = decoded;
    return SLUICE_OK;
}
