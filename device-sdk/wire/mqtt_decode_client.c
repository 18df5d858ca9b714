#include "mqtt_decoding.h"

static enum mqtt_reason read_v3_return_code(struct decoding *d)
{
    uint8_t code = read_u8(&d->in);
    if (code > MQTT_V3_NOT_AUTHORIZED)
        decoding_refuse(d, MQTT_PROTOCOL_ERROR);
    return (enum mqtt_reason)code;
}

static void decode_connack(struct decoding *d)
{
    uint8_t flags = read_u8(&d->in);
    if (flags > 1)
        decoding_refuse(d, MQTT_MALFORMED_PACKET); /* [MQTT-3.2.2-1] */
    d->packet->connack.session_present = flags & 1;
    d->packet->reason = d->packet->version == MQTT_5 ? decoding_reason(d) : read_v3_return_code(d);
    if (flags && d->packet->reason != MQTT_SUCCESS)
        decoding_refuse(d, MQTT_PROTOCOL_ERROR); /* [MQTT-3.2.2-6]; 3.1.1: [MQTT-3.2.2-4] */
    d->packet->properties = decoding_properties(d, MQTT_CONNACK);
}

static bool granted_code_valid(const struct decoding *d, uint8_t code)
{
    if (d->packet->version == MQTT_5)
        return mqtt_reason_allowed(code, d->packet->type);
    return code <= 2 || code == MQTT_UNSPECIFIED_ERROR; /* 3.1.1: [MQTT-3.9.3-2] */
}

/* SUBACK, UNSUBACK: a Reason Code for each filter, which the UNSUBACK of 3.1.1 does not have. */
static void decode_reasons(struct decoding *d)
{
    d->packet->packet_id = decoding_packet_id(d);
    d->packet->properties = decoding_properties(d, d->packet->type);
    if (d->packet->type == MQTT_UNSUBACK && d->packet->version != MQTT_5)
        return;
    struct span reasons = read_rest(&d->in);
    if (reasons.len == 0)
        decoding_refuse(d, MQTT_PROTOCOL_ERROR);
    for (size_t i = 0; i < reasons.len; i++)
        if (!granted_code_valid(d, reasons.data[i]))
            decoding_refuse(d, MQTT_PROTOCOL_ERROR);
    d->packet->reasons = reasons;
}

const struct mqtt_receiver mqtt_client_receives = {
    MQTT_CLIENT,
    {
        [MQTT_CONNACK] = {DECODING_IN_BOTH, 0, decode_connack},
        [MQTT_PUBLISH] = {DECODING_IN_BOTH, DECODING_ANY_FLAGS, mqtt_decode_publish},
        [MQTT_PUBACK] = {DECODING_IN_BOTH, 0, mqtt_decode_acknowledgement},
        [MQTT_PUBREC] = {DECODING_IN_BOTH, 0, mqtt_decode_acknowledgement},
        [MQTT_PUBREL] = {DECODING_IN_BOTH, 2, mqtt_decode_acknowledgement},
        [MQTT_PUBCOMP] = {DECODING_IN_BOTH, 0, mqtt_decode_acknowledgement},
        [MQTT_SUBACK] = {DECODING_IN_BOTH, 0, decode_reasons},
        [MQTT_UNSUBACK] = {DECODING_IN_BOTH, 0, decode_reasons},
        [MQTT_PINGRESP] = {DECODING_IN_BOTH, 0, NULL},
        [MQTT_DISCONNECT] = {DECODING_IN(MQTT_5), 0, mqtt_decode_disconnect},
        [MQTT_AUTH] = {DECODING_IN(MQTT_5), 0, mqtt_decode_auth},
    },
};
