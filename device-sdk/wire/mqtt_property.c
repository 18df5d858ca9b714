#include "mqtt_internal.h"
#include "topic.h"

#include <assert.h>

enum property_kind {
    UNKNOWN = 0,
    BYTE,
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

/* Section 2.2.2.2 and, for values and repetition, the sections of the packets. A number below `minimum` or
 * above `maximum` is refused with PROTOCOL_ERROR, a Topic Alias with TOPIC_ALIAS_INVALID. */
static const struct property_row {
    enum property_kind kind;
    uint32_t minimum, maximum;
    uint16_t carriers;
    uint16_t repeats;        /* the carriers in which it may stand more than once */
    uint16_t only_to_server; /* of the carriers, those in which a Server never sends it, ... */
    uint16_t only_to_client; /* ... and a Client never does */
} rows[] = {
    [MQTT_PAYLOAD_FORMAT_INDICATOR] = {BYTE, 0, 1, IN_MESSAGE, 0, 0, 0},
    [MQTT_MESSAGE_EXPIRY_INTERVAL] = {FOUR_BYTES, 0, UINT32_MAX, IN_MESSAGE, 0, 0, 0},
    [MQTT_CONTENT_TYPE] = {STRING, 0, 0, IN_MESSAGE, 0, 0, 0},
    [MQTT_RESPONSE_TOPIC] = {TOPIC_NAME, 0, 0, IN_MESSAGE, 0, 0, 0},
    [MQTT_CORRELATION_DATA] = {BINARY, 0, 0, IN_MESSAGE, 0, 0, 0},
    /* One for each subscription that matched, and only from the Server [MQTT-3.3.4-6]. */
    [MQTT_SUBSCRIPTION_IDENTIFIER] = {VARINT, 1, REMAINING_LENGTH_MAX, IN(MQTT_PUBLISH) | IN(MQTT_SUBSCRIBE),
                                      IN(MQTT_PUBLISH), 0, IN(MQTT_PUBLISH)},
    /* [MQTT-3.14.2-2] */
    [MQTT_SESSION_EXPIRY_INTERVAL] = {FOUR_BYTES, 0, UINT32_MAX, IN_SETUP | IN(MQTT_DISCONNECT), 0,
                                      IN(MQTT_DISCONNECT), 0},
    [MQTT_ASSIGNED_CLIENT_IDENTIFIER] = {STRING, 0, 0, IN(MQTT_CONNACK), 0, 0, 0},
    [MQTT_SERVER_KEEP_ALIVE] = {TWO_BYTES, 0, UINT16_MAX, IN(MQTT_CONNACK), 0, 0, 0},
    [MQTT_AUTHENTICATION_METHOD] = {STRING, 0, 0, IN_SETUP | IN(MQTT_AUTH), 0, 0, 0},
    [MQTT_AUTHENTICATION_DATA] = {BINARY, 0, 0, IN_SETUP | IN(MQTT_AUTH), 0, 0, 0},
    [MQTT_REQUEST_PROBLEM_INFORMATION] = {BYTE, 0, 1, IN(MQTT_CONNECT), 0, 0, 0},
    [MQTT_WILL_DELAY_INTERVAL] = {FOUR_BYTES, 0, UINT32_MAX, IN(MQTT_WILL), 0, 0, 0},
    [MQTT_REQUEST_RESPONSE_INFORMATION] = {BYTE, 0, 1, IN(MQTT_CONNECT), 0, 0, 0},
    [MQTT_RESPONSE_INFORMATION] = {STRING, 0, 0, IN(MQTT_CONNACK), 0, 0, 0},
    [MQTT_SERVER_REFERENCE] = {STRING, 0, 0, IN(MQTT_CONNACK) | IN(MQTT_DISCONNECT), 0, 0, 0},
    [MQTT_REASON_STRING] = {STRING, 0, 0, IN(MQTT_CONNACK) | IN_ACKNOWLEDGE | IN_SUBSCRIBE_ACK | IN_CLOSING,
                            0, 0, 0},
    [MQTT_RECEIVE_MAXIMUM] = {TWO_BYTES, 1, UINT16_MAX, IN_SETUP, 0, 0, 0},
    [MQTT_TOPIC_ALIAS_MAXIMUM] = {TWO_BYTES, 0, UINT16_MAX, IN_SETUP, 0, 0, 0},
    [MQTT_TOPIC_ALIAS] = {TWO_BYTES, 1, UINT16_MAX, IN(MQTT_PUBLISH), 0, 0, 0}, /* [MQTT-3.3.2-8] */
    [MQTT_MAXIMUM_QOS] = {BYTE, 0, 1, IN(MQTT_CONNACK), 0, 0, 0},
    [MQTT_RETAIN_AVAILABLE] = {BYTE, 0, 1, IN(MQTT_CONNACK), 0, 0, 0},
    [MQTT_USER_PROPERTY] = {STRING_PAIR, 0, 0, UINT16_MAX, UINT16_MAX, 0, 0},
    [MQTT_MAXIMUM_PACKET_SIZE] = {FOUR_BYTES, 1, UINT32_MAX, IN_SETUP, 0, 0, 0},
    [MQTT_WILDCARD_SUBSCRIPTION_AVAILABLE] = {BYTE, 0, 1, IN(MQTT_CONNACK), 0, 0, 0},
    [MQTT_SUBSCRIPTION_IDENTIFIER_AVAILABLE] = {BYTE, 0, 1, IN(MQTT_CONNACK), 0, 0, 0},
    [MQTT_SHARED_SUBSCRIPTION_AVAILABLE] = {BYTE, 0, 1, IN(MQTT_CONNACK), 0, 0, 0},
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

static uint32_t read_number(struct reader *at, enum property_kind kind)
{
    switch (kind) {
    case BYTE: return read_u8(at);
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
static enum mqtt_reason check_place(const struct property_row *row, unsigned carrier, enum mqtt_role role)
{
    if (!(row->carriers & IN(carrier)))
        return MQTT_MALFORMED_PACKET;
    unsigned excluded = role == MQTT_SERVER ? row->only_to_client : row->only_to_server;
    return excluded & IN(carrier) ? MQTT_PROTOCOL_ERROR : MQTT_SUCCESS;
}

static enum mqtt_reason check_value(const struct property_row *row, const struct mqtt_property_value *value)
{
    if (row->kind <= VARINT) {
        if (value->number >= row->minimum && value->number <= row->maximum)
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
        const struct property_row *row = &rows[value.id];
        enum mqtt_reason reason = check_place(row, carrier, role);
        if (reason == MQTT_SUCCESS && (seen >> value.id & 1) && !(row->repeats & IN(carrier)))
            reason = MQTT_PROTOCOL_ERROR;
        if (reason == MQTT_SUCCESS)
            reason = check_value(row, &value);
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
    assert((size_t)id < ROW_COUNT && rows[id].kind != UNKNOWN && rows[id].kind <= VARINT);
    if (value < rows[id].minimum || value > rows[id].maximum) {
        block->failed = true;
        return;
    }
    write_varint(block, id);
    switch (rows[id].kind) {
    case BYTE: write_u8(block, (uint8_t)value); break;
    case TWO_BYTES: write_u16(block, (uint16_t)value); break;
    case FOUR_BYTES: write_u32(block, value); break;
    default: write_varint(block, value); break;
    }
}

void mqtt_write_bytes_property(struct writer *block, enum mqtt_property id, struct span value)
{
    assert((size_t)id < ROW_COUNT && rows[id].kind >= STRING && rows[id].kind != STRING_PAIR);
    write_varint(block, id);
    write_u16_bytes(block, value);
}

void mqtt_write_user_property(struct writer *block, struct span name, struct span value)
{
    write_varint(block, MQTT_USER_PROPERTY);
    write_u16_bytes(block, name);
    write_u16_bytes(block, value);
}
