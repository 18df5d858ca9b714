#include "mqtt_internal.h"
#include "topic.h"

enum property_kind {
    UNKNOWN = 0,
    FLAG, /* one byte, 0 or 1: no other number of one byte is in the standard */
    TWO_BYTES,
    FOUR_BYTES,
    VARINT,
    STRING,
    TOPIC_NAME, /* a string that has to be one */
    BINARY,
    STRING_PAIR,
};

#define IN(carrier)      (1u << (carrier))
#define IN_SETUP         (IN(MQTT_CONNECT) | IN(MQTT_CONNACK))
#define IN_MESSAGE       (IN(MQTT_PUBLISH) | IN(MQTT_WILL))
#define IN_ACKNOWLEDGE   (IN(MQTT_PUBACK) | IN(MQTT_PUBREC) | IN(MQTT_PUBREL) | IN(MQTT_PUBCOMP))
#define IN_SUBSCRIBE_ACK (IN(MQTT_SUBACK) | IN(MQTT_UNSUBACK))
#define IN_CLOSING       (IN(MQTT_DISCONNECT) | IN(MQTT_AUTH))

/* Section 2.2.2.2 and, for values, the sections of the packets. A number below `minimum` or over what its
 * kind holds is refused with PROTOCOL_ERROR, a Topic Alias with TOPIC_ALIAS_INVALID. */
static const struct property_row {
    uint8_t kind; /* enum property_kind */
    uint8_t minimum;
    uint16_t carriers;
} rows[] = {
    [MQTT_PAYLOAD_FORMAT_INDICATOR] = {FLAG, 0, IN_MESSAGE},
    [MQTT_MESSAGE_EXPIRY_INTERVAL] = {FOUR_BYTES, 0, IN_MESSAGE},
    [MQTT_CONTENT_TYPE] = {STRING, 0, IN_MESSAGE},
    [MQTT_RESPONSE_TOPIC] = {TOPIC_NAME, 0, IN_MESSAGE},
    [MQTT_CORRELATION_DATA] = {BINARY, 0, IN_MESSAGE},
    [MQTT_SUBSCRIPTION_IDENTIFIER] = {VARINT, 1, IN(MQTT_PUBLISH) | IN(MQTT_SUBSCRIBE)},
    [MQTT_SESSION_EXPIRY_INTERVAL] = {FOUR_BYTES, 0, IN_SETUP | IN(MQTT_DISCONNECT)},
    [MQTT_ASSIGNED_CLIENT_IDENTIFIER] = {STRING, 0, IN(MQTT_CONNACK)},
    [MQTT_SERVER_KEEP_ALIVE] = {TWO_BYTES, 0, IN(MQTT_CONNACK)},
    [MQTT_AUTHENTICATION_METHOD] = {STRING, 0, IN_SETUP | IN(MQTT_AUTH)},
    [MQTT_AUTHENTICATION_DATA] = {BINARY, 0, IN_SETUP | IN(MQTT_AUTH)},
    [MQTT_REQUEST_PROBLEM_INFORMATION] = {FLAG, 0, IN(MQTT_CONNECT)},
    [MQTT_WILL_DELAY_INTERVAL] = {FOUR_BYTES, 0, IN(MQTT_WILL)},
    [MQTT_REQUEST_RESPONSE_INFORMATION] = {FLAG, 0, IN(MQTT_CONNECT)},
    [MQTT_RESPONSE_INFORMATION] = {STRING, 0, IN(MQTT_CONNACK)},
    [MQTT_SERVER_REFERENCE] = {STRING, 0, IN(MQTT_CONNACK) | IN(MQTT_DISCONNECT)},
    [MQTT_REASON_STRING] = {STRING, 0, IN(MQTT_CONNACK) | IN_ACKNOWLEDGE | IN_SUBSCRIBE_ACK | IN_CLOSING},
    [MQTT_RECEIVE_MAXIMUM] = {TWO_BYTES, 1, IN_SETUP},
    [MQTT_TOPIC_ALIAS_MAXIMUM] = {TWO_BYTES, 0, IN_SETUP},
    [MQTT_TOPIC_ALIAS] = {TWO_BYTES, 1, IN(MQTT_PUBLISH)}, /* [MQTT-3.3.2-8] */
    [MQTT_MAXIMUM_QOS] = {FLAG, 0, IN(MQTT_CONNACK)},
    [MQTT_RETAIN_AVAILABLE] = {FLAG, 0, IN(MQTT_CONNACK)},
    [MQTT_USER_PROPERTY] = {STRING_PAIR, 0, UINT16_MAX},
    [MQTT_MAXIMUM_PACKET_SIZE] = {FOUR_BYTES, 1, IN_SETUP},
    [MQTT_WILDCARD_SUBSCRIPTION_AVAILABLE] = {FLAG, 0, IN(MQTT_CONNACK)},
    [MQTT_SUBSCRIPTION_IDENTIFIER_AVAILABLE] = {FLAG, 0, IN(MQTT_CONNACK)},
    [MQTT_SHARED_SUBSCRIPTION_AVAILABLE] = {FLAG, 0, IN(MQTT_CONNACK)},
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

static uint32_t read_number(struct reader *at, enum property_kind kind)
{
    switch (kind) {
    case FLAG: return read_u8(at);
    case TWO_BYTES: return read_u16(at);
    case FOUR_BYTES: return read_u32(at);
    default: return read_varint(at);
    }
}

bool mqtt_property_next(struct reader *at, struct mqtt_property_value *ret_value)
{
    if (reader_left(at) == 0)
        return false;
    uint32_t id = read_varint(at);
    enum property_kind kind = id < ROW_COUNT ? rows[id].kind : UNKNOWN;
    struct mqtt_property_value value = {.id = (enum mqtt_property)id};
    if (kind == UNKNOWN)
        reader_fail(at);
    else if (kind <= VARINT)
        value.number = read_number(at, kind);
    else if (kind == STRING_PAIR)
        value.name = read_u16_bytes(at);
    if (kind >= STRING)
        value.bytes = read_u16_bytes(at);
    if (at->failed)
        return false;
    *ret_value = value;
    return true;
}

uint32_t mqtt_property_number(struct mqtt_properties properties, enum mqtt_property id, uint32_t otherwise)
{
    struct mqtt_property_value value;
    for (struct reader at = reader_of(properties.bytes); mqtt_property_next(&at, &value);)
        if (value.id == id)
            return value.number;
    return otherwise;
}

bool mqtt_property_bytes(struct mqtt_properties properties, enum mqtt_property id, struct span *ret_value)
{
    struct mqtt_property_value value;
    for (struct reader at = reader_of(properties.bytes); mqtt_property_next(&at, &value);)
        if (value.id == id) {
            *ret_value = value.bytes;
            return true;
        }
    return false;
}

/* Whether the property may stand where it was found: a wrong carrier makes the packet malformed (section
 * 2.2.2.2), the wrong sender is a Protocol Error. */
static enum mqtt_reason check_place(enum mqtt_property id, unsigned carrier, enum mqtt_role role)
{
    if (!(rows[id].carriers & IN(carrier)))
        return MQTT_MALFORMED_PACKET;
    if (id == MQTT_SUBSCRIPTION_IDENTIFIER && carrier == MQTT_PUBLISH && role == MQTT_SERVER)
        return MQTT_PROTOCOL_ERROR; /* [MQTT-3.3.4-6] */
    if (id == MQTT_SESSION_EXPIRY_INTERVAL && carrier == MQTT_DISCONNECT && role == MQTT_CLIENT)
        return MQTT_PROTOCOL_ERROR; /* [MQTT-3.14.2-2] */
    return MQTT_SUCCESS;
}

/* A message has a Subscription Identifier of each subscription that it matched. */
static bool may_repeat(enum mqtt_property id, unsigned carrier)
{
    return id == MQTT_USER_PROPERTY || (id == MQTT_SUBSCRIPTION_IDENTIFIER && carrier == MQTT_PUBLISH);
}

static bool number_valid(const struct property_row *row, uint32_t number)
{
    static const uint32_t maxima[] = {
        [FLAG] = 1, [TWO_BYTES] = UINT16_MAX, [FOUR_BYTES] = UINT32_MAX, [VARINT] = REMAINING_LENGTH_MAX};
    return number >= row->minimum && number <= maxima[row->kind];
}

static enum mqtt_reason check_value(const struct property_row *row, const struct mqtt_property_value *value)
{
    if (row->kind <= VARINT) {
        if (number_valid(row, value->number))
            return MQTT_SUCCESS;
        return value->id == MQTT_TOPIC_ALIAS ? MQTT_TOPIC_ALIAS_INVALID : MQTT_PROTOCOL_ERROR;
    }
    if (row->kind == BINARY)
        return MQTT_SUCCESS;
    if (!utf8_valid(value->bytes) || !utf8_valid(value->name))
        return MQTT_MALFORMED_PACKET; /* [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.7-1] */
    if (row->kind == TOPIC_NAME && !topic_name_valid(value->bytes))
        return MQTT_TOPIC_NAME_INVALID; /* [MQTT-3.3.2-14] */
    return MQTT_SUCCESS;
}

enum mqtt_reason mqtt_properties_check(struct span block, unsigned carrier, enum mqtt_role role)
{
    _Static_assert(ROW_COUNT <= 64, "a bit for each property");
    struct mqtt_property_value value;
    struct reader at = reader_of(block);
    uint64_t seen = 0;
    while (mqtt_property_next(&at, &value)) {
        enum mqtt_reason reason = check_place(value.id, carrier, role);
        if (reason == MQTT_SUCCESS && (seen >> value.id & 1) && !may_repeat(value.id, carrier))
            reason = MQTT_PROTOCOL_ERROR;
        if (reason == MQTT_SUCCESS)
            reason = check_value(&rows[value.id], &value);
        if (reason != MQTT_SUCCESS)
            return reason;
        seen |= (uint64_t)1 << value.id;
    }
    if (at.failed)
        return MQTT_MALFORMED_PACKET;
    bool has_data = seen >> MQTT_AUTHENTICATION_DATA & 1, has_method = seen >> MQTT_AUTHENTICATION_METHOD & 1;
    if (carrier == MQTT_CONNECT && has_data && !has_method)
        return MQTT_PROTOCOL_ERROR; /* section 3.1.2.11.10 */
    return MQTT_SUCCESS;
}

void mqtt_write_number_property(struct writer *block, enum mqtt_property id, uint32_t value)
{
    if (!number_valid(&rows[id], value)) {
        block->failed = true;
        return;
    }
    write_varint(block, id);
    switch (rows[id].kind) {
    case FLAG: write_u8(block, (uint8_t)value); break;
    case TWO_BYTES: write_u16(block, (uint16_t)value); break;
    case FOUR_BYTES: write_u32(block, value); break;
    default: write_varint(block, value); break;
    }
}

void mqtt_write_bytes_property(struct writer *block, enum mqtt_property id, struct span value)
{
    write_varint(block, id);
    write_u16_bytes(block, value);
}

void mqtt_write_user_property(struct writer *block, struct span name, struct span value)
{
    mqtt_write_bytes_property(block, MQTT_USER_PROPERTY, name);
    write_u16_bytes(block, value);
}
