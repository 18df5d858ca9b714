#include "mqtt_internal.h"

/*
 * Each packet type has two functions that mirror each other: the size of what
 * follows the fixed header, and the writing of it. A part that is over its own
 * limit is counted as BAD_PART, which makes the whole too large for a Remaining
 * Length. A packet has at most seven of these, or two and a payload of less than half
 * of the address space: the sum does not overflow 32 bits.
 */
enum { BAD_PART = REMAINING_LENGTH_MAX + 1 };

static size_t string_size(struct span string)
{
    return string.len > UINT16_MAX ? BAD_PART : 2 + string.len;
}

static size_t properties_size(const struct mqtt_packet *packet, struct mqtt_properties properties)
{
    size_t len = properties.bytes.len;
    if (packet->version != MQTT_5)
        return 0;
    return len > REMAINING_LENGTH_MAX ? BAD_PART : varint_size((uint32_t)len) + len;
}

static void write_properties(struct writer *out, const struct mqtt_packet *packet,
                             struct mqtt_properties properties)
{
    if (packet->version != MQTT_5)
        return;
    write_varint(out, (uint32_t)properties.bytes.len);
    write_bytes(out, properties.bytes);
}

static size_t connect_size(const struct mqtt_packet *packet)
{
    const struct mqtt_connect *connect = &packet->connect;
    size_t size = 10 + properties_size(packet, packet->properties) + string_size(connect->client_id);
    if (connect->has_will)
        size += properties_size(packet, connect->will.properties) + string_size(connect->will.topic) +
                string_size(connect->will.payload);
    if (connect->has_user_name)
        size += string_size(connect->user_name);
    if (connect->has_password)
        size += string_size(connect->password);
    return size;
}

static uint8_t connect_flags(const struct mqtt_connect *connect)
{
    unsigned flags = (unsigned)connect->clean_start << 1 | (unsigned)connect->has_password << 6 |
                     (unsigned)connect->has_user_name << 7;
    if (connect->has_will)
        flags |= 1u << 2 | (unsigned)connect->will.qos << 3 | (unsigned)connect->will.retain << 5;
    return (uint8_t)flags;
}

static void write_connect(struct writer *out, const struct mqtt_packet *packet)
{
    const struct mqtt_connect *connect = &packet->connect;
    write_u16_bytes(out, SPAN_LITERAL("MQTT"));
    write_u8(out, (uint8_t)packet->version);
    write_u8(out, connect_flags(connect));
    write_u16(out, connect->keep_alive_s);
    write_properties(out, packet, packet->properties);
    write_u16_bytes(out, connect->client_id);
    if (connect->has_will) {
        write_properties(out, packet, connect->will.properties);
        write_u16_bytes(out, connect->will.topic);
        write_u16_bytes(out, connect->will.payload);
    }
    if (connect->has_user_name)
        write_u16_bytes(out, connect->user_name);
    if (connect->has_password)
        write_u16_bytes(out, connect->password);
}

static size_t connack_size(const struct mqtt_packet *packet)
{
    return 2 + properties_size(packet, packet->properties);
}

static void write_connack(struct writer *out, const struct mqtt_packet *packet)
{
    write_u8(out, packet->connack.session_present);
    write_u8(out, (uint8_t)packet->reason);
    write_properties(out, packet, packet->properties);
}

static size_t publish_size(const struct mqtt_packet *packet)
{
    const struct mqtt_publish *publish = &packet->publish;
    return string_size(publish->topic) + (publish->qos > 0 ? 2 : 0) +
           properties_size(packet, packet->properties) + publish->payload.len;
}

static void write_publish(struct writer *out, const struct mqtt_packet *packet)
{
    const struct mqtt_publish *publish = &packet->publish;
    write_u16_bytes(out, publish->topic);
    if (publish->qos > 0)
        write_u16(out, packet->packet_id);
    write_properties(out, packet, packet->properties);
    write_bytes(out, publish->payload);
}

/* In MQTT 5 a Reason Code of Success and an empty property block are left out from the end. */
static bool has_reason(const struct mqtt_packet *packet)
{
    return packet->version == MQTT_5 && (packet->reason != MQTT_SUCCESS || packet->properties.bytes.len > 0);
}

static bool has_properties(const struct mqtt_packet *packet)
{
    return packet->version == MQTT_5 && packet->properties.bytes.len > 0;
}

/* DISCONNECT and AUTH; after a Packet Identifier, PUBACK, PUBREC, PUBREL and PUBCOMP. */
static size_t outcome_size(const struct mqtt_packet *packet)
{
    return (has_reason(packet) ? 1 : 0) +
           (has_properties(packet) ? properties_size(packet, packet->properties) : 0);
}

static void write_outcome(struct writer *out, const struct mqtt_packet *packet)
{
    if (has_reason(packet))
        write_u8(out, (uint8_t)packet->reason);
    if (has_properties(packet))
        write_properties(out, packet, packet->properties);
}

static size_t acknowledgement_size(const struct mqtt_packet *packet)
{
    return 2 + outcome_size(packet);
}

static void write_acknowledgement(struct writer *out, const struct mqtt_packet *packet)
{
    write_u16(out, packet->packet_id);
    write_outcome(out, packet);
}

/* SUBSCRIBE and UNSUBSCRIBE carry filters, SUBACK and UNSUBACK (not that of 3.1.1) Reason Codes. */
static struct span list_of(const struct mqtt_packet *packet)
{
    if (packet->type == MQTT_SUBSCRIBE || packet->type == MQTT_UNSUBSCRIBE)
        return packet->filters.list;
    return packet->type == MQTT_UNSUBACK && packet->version != MQTT_5 ? SPAN_EMPTY : packet->reasons;
}

static size_t list_size(const struct mqtt_packet *packet)
{
    return 2 + properties_size(packet, packet->properties) + list_of(packet).len;
}

static void write_list(struct writer *out, const struct mqtt_packet *packet)
{
    write_u16(out, packet->packet_id);
    write_properties(out, packet, packet->properties);
    write_bytes(out, list_of(packet));
}

static size_t nothing_size(const struct mqtt_packet *packet)
{
    (void)packet;
    return 0;
}

static void write_nothing(struct writer *out, const struct mqtt_packet *packet)
{
    (void)out, (void)packet;
}

static const struct packet_row {
    uint8_t flags; /* those of PUBLISH are added */
    size_t (*size)(const struct mqtt_packet *packet);
    void (*write)(struct writer *out, const struct mqtt_packet *packet);
} rows[] = {
    [MQTT_CONNECT] = {0, connect_size, write_connect},
    [MQTT_CONNACK] = {0, connack_size, write_connack},
    [MQTT_PUBLISH] = {0, publish_size, write_publish},
    [MQTT_PUBACK] = {0, acknowledgement_size, write_acknowledgement},
    [MQTT_PUBREC] = {0, acknowledgement_size, write_acknowledgement},
    [MQTT_PUBREL] = {2, acknowledgement_size, write_acknowledgement},
    [MQTT_PUBCOMP] = {0, acknowledgement_size, write_acknowledgement},
    [MQTT_SUBSCRIBE] = {2, list_size, write_list},
    [MQTT_SUBACK] = {0, list_size, write_list},
    [MQTT_UNSUBSCRIBE] = {2, list_size, write_list},
    [MQTT_UNSUBACK] = {0, list_size, write_list},
    [MQTT_PINGREQ] = {0, nothing_size, write_nothing},
    [MQTT_PINGRESP] = {0, nothing_size, write_nothing},
    [MQTT_DISCONNECT] = {0, outcome_size, write_outcome},
    [MQTT_AUTH] = {0, outcome_size, write_outcome},
};

static uint8_t first_byte(const struct mqtt_packet *packet)
{
    unsigned flags = rows[packet->type].flags;
    if (packet->type == MQTT_PUBLISH)
        flags = (unsigned)packet->publish.dup << 3 | (unsigned)packet->publish.qos << 1 |
                (unsigned)packet->publish.retain;
    return (uint8_t)((unsigned)packet->type << 4 | flags);
}

/* Its Remaining Length, or BAD_PART or more for what cannot be encoded. */
static size_t remaining_length(const struct mqtt_packet *packet)
{
    return rows[packet->type].size(packet) +
           (packet->type == MQTT_AUTH && packet->version != MQTT_5 ? BAD_PART : 0);
}

size_t mqtt_encoded_size(const struct mqtt_packet *packet)
{
    size_t remaining = remaining_length(packet);
    if (remaining > REMAINING_LENGTH_MAX)
        return 0;
    return 1 + varint_size((uint32_t)remaining) + remaining;
}

void mqtt_encode(struct writer *out, const struct mqtt_packet *packet)
{
    size_t remaining = remaining_length(packet);
    if (remaining > REMAINING_LENGTH_MAX) {
        out->failed = true;
        return;
    }
    write_u8(out, first_byte(packet));
    write_varint(out, (uint32_t)remaining);
    rows[packet->type].write(out, packet);
}
