#include "mqtt_decoding.h"
#include "topic.h"

enum connect_flag {
    CONNECT_RESERVED = 0x01,
    CONNECT_CLEAN_START = 0x02,
    CONNECT_WILL = 0x04,
    CONNECT_WILL_QOS = 0x18,
    CONNECT_WILL_RETAIN = 0x20,
    CONNECT_PASSWORD = 0x40,
    CONNECT_USER_NAME = 0x80,
};

static bool connect_flags_valid(uint8_t flags, enum mqtt_version version)
{
    if (flags & CONNECT_RESERVED)
        return false; /* [MQTT-3.1.2-3] */
    if (!(flags & CONNECT_WILL) && flags & (CONNECT_WILL_QOS | CONNECT_WILL_RETAIN))
        return false; /* [MQTT-3.1.2-11] [MQTT-3.1.2-13] */
    if ((flags & CONNECT_WILL_QOS) == CONNECT_WILL_QOS)
        return false; /* [MQTT-3.1.2-12] */
    /* 3.1.1 only: [MQTT-3.1.2-22] */
    return version == MQTT_5 || !(flags & CONNECT_PASSWORD) || flags & CONNECT_USER_NAME;
}

static void read_connect_flags(struct decoding *d, struct mqtt_connect *connect)
{
    uint8_t flags = read_u8(&d->in);
    if (!connect_flags_valid(flags, d->packet->version))
        decoding_refuse(d, MQTT_MALFORMED_PACKET);
    connect->clean_start = flags & CONNECT_CLEAN_START;
    connect->has_will = flags & CONNECT_WILL;
    connect->has_user_name = flags & CONNECT_USER_NAME;
    connect->has_password = flags & CONNECT_PASSWORD;
    connect->will.qos = flags >> 3 & 3;
    connect->will.retain = flags & CONNECT_WILL_RETAIN;
}

static void decode_connect(struct decoding *d)
{
    struct mqtt_connect *connect = &d->packet->connect;
    *connect = (struct mqtt_connect){0};
    struct span name = read_u16_bytes(&d->in);
    uint8_t level = read_u8(&d->in);
    if (!span_equal(name, SPAN_LITERAL("MQTT")) || (level != MQTT_3_1_1 && level != MQTT_5))
        decoding_refuse(d, MQTT_UNSUPPORTED_PROTOCOL_VERSION); /* [MQTT-3.1.2-1] [MQTT-3.1.2-2] */
    d->packet->version = level == MQTT_5 ? MQTT_5 : MQTT_3_1_1;
    read_connect_flags(d, connect);
    connect->keep_alive_s = read_u16(&d->in);
    d->packet->properties = decoding_properties(d, MQTT_CONNECT);
    connect->client_id = decoding_string(d);
    if (connect->has_will) {
        connect->will.properties = decoding_properties(d, MQTT_WILL);
        connect->will.topic = decoding_topic_name(d);
        connect->will.payload = read_u16_bytes(&d->in);
    }
    if (connect->has_user_name)
        connect->user_name = decoding_string(d);
    if (connect->has_password)
        connect->password = read_u16_bytes(&d->in);
}

static void check_filter(struct decoding *d, const struct mqtt_filter *filter)
{
    if (!topic_filter_valid(filter->filter)) {
        decoding_refuse_topic(d, filter->filter,
                              MQTT_TOPIC_FILTER_INVALID); /* [MQTT-4.7.1-1] [MQTT-4.7.1-2] */
        return;
    }
    struct span name, inner;
    if (d->packet->version != MQTT_5 || !topic_filter_share(filter->filter, &name, &inner))
        return;
    if (name.len == 0)
        decoding_refuse(d, MQTT_TOPIC_FILTER_INVALID); /* [MQTT-4.8.2-1] [MQTT-4.8.2-2] */
    if (filter->no_local)
        decoding_refuse(d, MQTT_PROTOCOL_ERROR); /* [MQTT-3.8.3-4] */
}

static void check_options(struct decoding *d, uint8_t options)
{
    uint8_t reserved = d->packet->version == MQTT_5 ? 0xC0 : 0xFC;
    if (options & reserved)
        decoding_refuse(d, MQTT_MALFORMED_PACKET); /* [MQTT-3.8.3-5]; 3.1.1: [MQTT-3-8.3-4] */
    if ((options & 3) == 3 || options >> 4 == 3)
        decoding_refuse(d, MQTT_PROTOCOL_ERROR); /* section 3.8.3.1 */
}

/* SUBSCRIBE, UNSUBSCRIBE */
static void decode_filters(struct decoding *d)
{
    enum mqtt_type type = d->packet->type;
    d->packet->packet_id = decoding_packet_id(d);
    d->packet->properties = decoding_properties(d, type);
    d->packet->filters.list = span_of(d->in.at, reader_left(&d->in));
    if (reader_left(&d->in) == 0)
        decoding_refuse(d, MQTT_PROTOCOL_ERROR); /* [MQTT-3.8.3-2] [MQTT-3.10.3-2] */
    struct mqtt_filter filter;
    while (mqtt_filter_next(&d->in, type, &filter)) {
        if (type == MQTT_SUBSCRIBE)
            check_options(d, d->in.at[-1]); /* the byte that ends it */
        check_filter(d, &filter);
    }
}

const struct mqtt_receiver mqtt_server_receives = {
    MQTT_SERVER,
    {
        [MQTT_CONNECT] = {DECODING_IN_BOTH, 0, decode_connect},
        [MQTT_PUBLISH] = {DECODING_IN_BOTH, DECODING_ANY_FLAGS, mqtt_decode_publish},
        [MQTT_PUBACK] = {DECODING_IN_BOTH, 0, mqtt_decode_acknowledgement},
        [MQTT_PUBREC] = {DECODING_IN_BOTH, 0, mqtt_decode_acknowledgement},
        [MQTT_PUBREL] = {DECODING_IN_BOTH, 2, mqtt_decode_acknowledgement},
        [MQTT_PUBCOMP] = {DECODING_IN_BOTH, 0, mqtt_decode_acknowledgement},
        [MQTT_SUBSCRIBE] = {DECODING_IN_BOTH, 2, decode_filters},
        [MQTT_UNSUBSCRIBE] = {DECODING_IN_BOTH, 2, decode_filters},
        [MQTT_PINGREQ] = {DECODING_IN_BOTH, 0, NULL},
        [MQTT_DISCONNECT] = {DECODING_IN_BOTH, 0, mqtt_decode_disconnect},
        [MQTT_AUTH] = {DECODING_IN(MQTT_5), 0, mqtt_decode_auth},
    },
};
