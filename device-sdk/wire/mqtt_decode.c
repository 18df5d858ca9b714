#include "mqtt_internal.h"
#include "topic.h"

/* One packet under way. Reading goes on to the end after a fault, which `in` remembers. */
struct decoding {
    struct reader in;
    struct mqtt_packet *packet;
    enum mqtt_role role;
    enum mqtt_reason reason; /* of the first fault; MALFORMED_PACKET where the reader found it */
    uint8_t flags;           /* bits 3-0 of the fixed header */
};

static void refuse(struct decoding *d, enum mqtt_reason reason)
{
    if (!d->in.failed)
        d->reason = reason;
    reader_fail(&d->in);
}

static struct span read_string(struct decoding *d)
{
    struct span text = read_u16_bytes(&d->in);
    if (!utf8_valid(text))
        refuse(d, MQTT_MALFORMED_PACKET); /* [MQTT-1.5.4-1] [MQTT-1.5.4-2] */
    return text;
}

static void refuse_topic(struct decoding *d, struct span topic, enum mqtt_reason reason)
{
    refuse(d, utf8_valid(topic) ? reason : MQTT_MALFORMED_PACKET);
}

static struct span read_topic_name(struct decoding *d)
{
    struct span name = read_u16_bytes(&d->in);
    if (!topic_name_valid(name))
        refuse_topic(d, name, MQTT_TOPIC_NAME_INVALID); /* [MQTT-3.3.2-2] [MQTT-4.7.3-1] */
    return name;
}

static uint16_t read_packet_id(struct decoding *d)
{
    uint16_t id = read_u16(&d->in);
    if (id == 0)
        refuse(d, MQTT_PROTOCOL_ERROR); /* [MQTT-2.2.1-3] [MQTT-2.2.1-4] */
    return id;
}

static struct mqtt_properties read_properties(struct decoding *d, unsigned carrier)
{
    if (d->packet->version != MQTT_5)
        return (struct mqtt_properties){SPAN_EMPTY};
    struct span block = read_bytes(&d->in, read_varint(&d->in));
    if (block.len > 0) {
        enum mqtt_reason reason = mqtt_properties_check(block, carrier, d->role);
        if (reason != MQTT_SUCCESS)
            refuse(d, reason);
    }
    return (struct mqtt_properties){block};
}

static enum mqtt_reason read_reason(struct decoding *d)
{
    uint8_t code = read_u8(&d->in);
    if (!mqtt_reason_allowed(code, d->packet->type))
        refuse(d, MQTT_PROTOCOL_ERROR);
    return (enum mqtt_reason)code;
}

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
        refuse(d, MQTT_MALFORMED_PACKET);
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
        refuse(d, MQTT_UNSUPPORTED_PROTOCOL_VERSION); /* [MQTT-3.1.2-1] [MQTT-3.1.2-2] */
    d->packet->version = level == MQTT_5 ? MQTT_5 : MQTT_3_1_1;
    read_connect_flags(d, connect);
    connect->keep_alive_s = read_u16(&d->in);
    d->packet->properties = read_properties(d, MQTT_CONNECT);
    connect->client_id = read_string(d);
    if (connect->has_will) {
        connect->will.properties = read_properties(d, MQTT_WILL);
        connect->will.topic = read_topic_name(d);
        connect->will.payload = read_u16_bytes(&d->in);
    }
    if (connect->has_user_name)
        connect->user_name = read_string(d);
    if (connect->has_password)
        connect->password = read_u16_bytes(&d->in);
}

static enum mqtt_reason read_v3_return_code(struct decoding *d)
{
    uint8_t code = read_u8(&d->in);
    if (code > MQTT_V3_NOT_AUTHORIZED)
        refuse(d, MQTT_PROTOCOL_ERROR);
    return (enum mqtt_reason)code;
}

static void decode_connack(struct decoding *d)
{
    uint8_t flags = read_u8(&d->in);
    if (flags > 1)
        refuse(d, MQTT_MALFORMED_PACKET); /* [MQTT-3.2.2-1] */
    d->packet->connack.session_present = flags & 1;
    d->packet->reason = d->packet->version == MQTT_5 ? read_reason(d) : read_v3_return_code(d);
    if (flags && d->packet->reason != MQTT_SUCCESS)
        refuse(d, MQTT_PROTOCOL_ERROR); /* [MQTT-3.2.2-6]; 3.1.1: [MQTT-3.2.2-4] */
    d->packet->properties = read_properties(d, MQTT_CONNACK);
}

static void decode_publish(struct decoding *d)
{
    struct mqtt_publish *publish = &d->packet->publish;
    publish->retain = d->flags & 1;
    publish->qos = d->flags >> 1 & 3;
    publish->dup = d->flags >> 3;
    if (publish->qos == 3 || (publish->dup && publish->qos == 0))
        refuse(d, MQTT_MALFORMED_PACKET); /* [MQTT-3.3.1-2] [MQTT-3.3.1-4] */
    publish->topic = read_u16_bytes(&d->in);
    if (publish->qos > 0)
        d->packet->packet_id = read_packet_id(d);
    d->packet->properties = read_properties(d, MQTT_PUBLISH);
    publish->payload = read_rest(&d->in);

    struct span topic = publish->topic;
    if (topic_name_valid(topic))
        return;
    if (topic.len > 0 || d->packet->version != MQTT_5)
        refuse_topic(d, topic, MQTT_TOPIC_NAME_INVALID); /* [MQTT-3.3.2-1] [MQTT-3.3.2-2] */
    else if (mqtt_property_number(d->packet->properties, MQTT_TOPIC_ALIAS, 0) == 0)
        refuse(d, MQTT_PROTOCOL_ERROR); /* section 3.3.2.1 */
}

/* PUBACK, PUBREC, PUBREL, PUBCOMP. In MQTT 5 the end may be left out (section 3.4.2.1). */
static void decode_acknowledgement(struct decoding *d)
{
    d->packet->packet_id = read_packet_id(d);
    if (d->packet->version == MQTT_5 && reader_left(&d->in) > 0)
        d->packet->reason = read_reason(d);
    if (d->packet->version == MQTT_5 && reader_left(&d->in) > 0)
        d->packet->properties = read_properties(d, d->packet->type);
}

static void check_filter(struct decoding *d, const struct mqtt_filter *filter)
{
    if (!topic_filter_valid(filter->filter)) {
        refuse_topic(d, filter->filter, MQTT_TOPIC_FILTER_INVALID); /* [MQTT-4.7.1-1] [MQTT-4.7.1-2] */
        return;
    }
    struct span name, inner;
    if (d->packet->version != MQTT_5 || !topic_filter_share(filter->filter, &name, &inner))
        return;
    if (name.len == 0)
        refuse(d, MQTT_TOPIC_FILTER_INVALID); /* [MQTT-4.8.2-1] [MQTT-4.8.2-2] */
    if (filter->no_local)
        refuse(d, MQTT_PROTOCOL_ERROR); /* [MQTT-3.8.3-4] */
}

static void check_options(struct decoding *d, uint8_t options)
{
    uint8_t reserved = d->packet->version == MQTT_5 ? 0xC0 : 0xFC;
    if (options & reserved)
        refuse(d, MQTT_MALFORMED_PACKET); /* [MQTT-3.8.3-5]; 3.1.1: [MQTT-3-8.3-4] */
    if ((options & 3) == 3 || options >> 4 == 3)
        refuse(d, MQTT_PROTOCOL_ERROR); /* section 3.8.3.1 */
}

/* SUBSCRIBE, UNSUBSCRIBE */
static void decode_filters(struct decoding *d)
{
    enum mqtt_type type = d->packet->type;
    d->packet->packet_id = read_packet_id(d);
    d->packet->properties = read_properties(d, type);
    d->packet->filters.list = span_of(d->in.at, reader_left(&d->in));
    if (reader_left(&d->in) == 0)
        refuse(d, MQTT_PROTOCOL_ERROR); /* [MQTT-3.8.3-2] [MQTT-3.10.3-2] */
    struct mqtt_filter filter;
    while (mqtt_filter_next(&d->in, type, &filter)) {
        if (type == MQTT_SUBSCRIBE)
            check_options(d, d->in.at[-1]); /* the byte that ends it */
        check_filter(d, &filter);
    }
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
    d->packet->packet_id = read_packet_id(d);
    d->packet->properties = read_properties(d, d->packet->type);
    if (d->packet->type == MQTT_UNSUBACK && d->packet->version != MQTT_5)
        return;
    struct span reasons = read_rest(&d->in);
    if (reasons.len == 0)
        refuse(d, MQTT_PROTOCOL_ERROR);
    for (size_t i = 0; i < reasons.len; i++)
        if (!granted_code_valid(d, reasons.data[i]))
            refuse(d, MQTT_PROTOCOL_ERROR);
    d->packet->reasons = reasons;
}

static void decode_disconnect(struct decoding *d)
{
    if (d->packet->version == MQTT_5 && reader_left(&d->in) > 0)
        d->packet->reason = read_reason(d);
    if (d->packet->version == MQTT_5 && reader_left(&d->in) > 0)
        d->packet->properties = read_properties(d, MQTT_DISCONNECT);
}

static void decode_auth(struct decoding *d)
{
    if (reader_left(&d->in) == 0)
        return; /* section 3.15.2.1: Success without properties */
    d->packet->reason = read_reason(d);
    d->packet->properties = read_properties(d, MQTT_AUTH);
    struct span method;
    if (!mqtt_property_bytes(d->packet->properties, MQTT_AUTHENTICATION_METHOD, &method))
        refuse(d, MQTT_PROTOCOL_ERROR); /* section 3.15.2.2.2 */
}

static void decode_nothing(struct decoding *d)
{
    (void)d; /* what is left over is refused by the caller */
}

enum receivers {
    NEITHER = 0,
    SERVER = 1 << MQTT_SERVER,
    CLIENT = 1 << MQTT_CLIENT,
    BOTH = SERVER | CLIENT,
};

enum { ANY_FLAGS = 0xff };

/* Section 2.1: who receives the packet in 3.1.1 and in 5, and the flags it has to have [MQTT-2.1.3-1]. */
static const struct packet_row {
    enum receivers v3_receivers, v5_receivers;
    uint8_t flags;
    void (*decode)(struct decoding *d);
} rows[] = {
    [0] = {NEITHER, NEITHER, 0, decode_nothing},
    [MQTT_CONNECT] = {SERVER, SERVER, 0, decode_connect},
    [MQTT_CONNACK] = {CLIENT, CLIENT, 0, decode_connack},
    [MQTT_PUBLISH] = {BOTH, BOTH, ANY_FLAGS, decode_publish},
    [MQTT_PUBACK] = {BOTH, BOTH, 0, decode_acknowledgement},
    [MQTT_PUBREC] = {BOTH, BOTH, 0, decode_acknowledgement},
    [MQTT_PUBREL] = {BOTH, BOTH, 2, decode_acknowledgement},
    [MQTT_PUBCOMP] = {BOTH, BOTH, 0, decode_acknowledgement},
    [MQTT_SUBSCRIBE] = {SERVER, SERVER, 2, decode_filters},
    [MQTT_SUBACK] = {CLIENT, CLIENT, 0, decode_reasons},
    [MQTT_UNSUBSCRIBE] = {SERVER, SERVER, 2, decode_filters},
    [MQTT_UNSUBACK] = {CLIENT, CLIENT, 0, decode_reasons},
    [MQTT_PINGREQ] = {SERVER, SERVER, 0, decode_nothing},
    [MQTT_PINGRESP] = {CLIENT, CLIENT, 0, decode_nothing},
    [MQTT_DISCONNECT] = {SERVER, BOTH, 0, decode_disconnect},
    [MQTT_AUTH] = {NEITHER, BOTH, 0, decode_auth},
};

enum sluice_error mqtt_decode(struct span packet, enum mqtt_role role, enum mqtt_version version,
                              struct mqtt_packet *ret_packet, enum mqtt_reason *ret_reason)
{
    /* The part of each type is left to its decoder: clearing it for CONNECT here is half of a PUBLISH's time.
     */
    struct mqtt_packet decoded;
    struct decoding d = {reader_of(packet), &decoded, role, MQTT_MALFORMED_PACKET, 0};
    uint8_t first = read_u8(&d.in);
    d.flags = first & 0x0f;
    decoded.type = (enum mqtt_type)(first >> 4);
    decoded.version = version;
    decoded.packet_id = 0;
    decoded.reason = MQTT_SUCCESS;
    decoded.reasons = SPAN_EMPTY;
    decoded.properties.bytes = SPAN_EMPTY;
    const struct packet_row *row = &rows[decoded.type];

    if (read_varint(&d.in) != reader_left(&d.in))
        refuse(&d, MQTT_MALFORMED_PACKET);
    if (!((version == MQTT_5 ? row->v5_receivers : row->v3_receivers) & 1u << role))
        refuse(&d, MQTT_PROTOCOL_ERROR);
    if (row->flags != ANY_FLAGS && row->flags != d.flags)
        refuse(&d, MQTT_MALFORMED_PACKET);
    row->decode(&d);
    if (reader_left(&d.in) > 0)
        refuse(&d, MQTT_MALFORMED_PACKET);
    if (d.in.failed) {
        *ret_reason = d.reason;
        return SLUICE_INVALID;
    }
    *ret_packet = decoded;
    return SLUICE_OK;
}
