#include "mqtt_internal.h"

enum { FIXED_HEADER_BYTES_MAX = 5 };

enum sluice_error mqtt_frame(struct span input, uint32_t max_bytes, struct span *ret_packet)
{
    if (input.len > 0 && input.data[0] >> 4 == 0)
        return SLUICE_INVALID; /* section 2.1.2: reserved */
    size_t at = 1, remaining = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (at >= input.len) {
            *ret_packet = SPAN_EMPTY;
            return SLUICE_AGAIN;
        }
        uint8_t byte = input.data[at++];
        remaining |= (size_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            if (byte == 0 && shift > 0)
                return SLUICE_INVALID; /* not the shortest form [MQTT-1.5.5-1] */
            break;
        }
        if (at == FIXED_HEADER_BYTES_MAX)
            return SLUICE_INVALID;
    }
    size_t whole = at + remaining;
    if (whole > max_bytes)
        return SLUICE_TOO_LARGE;
    *ret_packet = span_of(input.len < whole ? NULL : input.data, whole);
    return input.len < whole ? SLUICE_AGAIN : SLUICE_OK;
}

enum mqtt_version mqtt_connect_version(struct span packet)
{
    struct reader at = reader_of(packet);
    read_u8(&at);
    read_varint(&at);
    read_u16_bytes(&at);
    return read_u8(&at) < MQTT_5 ? MQTT_3_1_1 : MQTT_5;
}

bool mqtt_filter_next(struct reader *at, enum mqtt_type type, struct mqtt_filter *ret_filter)
{
    if (reader_left(at) == 0)
        return false;
    struct mqtt_filter filter = {.filter = read_u16_bytes(at)};
    if (type == MQTT_SUBSCRIBE) {
        uint8_t options = read_u8(at);
        filter.qos = options & 3;
        filter.no_local = options >> 2 & 1;
        filter.retain_as_published = options >> 3 & 1;
        filter.retain_handling = options >> 4 & 3;
    }
    if (at->failed)
        return false;
    *ret_filter = filter;
    return true;
}

void mqtt_write_filter(struct writer *list, enum mqtt_type type, const struct mqtt_filter *filter)
{
    write_u16_bytes(list, filter->filter);
    if (type == MQTT_SUBSCRIBE)
        write_u8(list, (uint8_t)(filter->qos | filter->no_local << 2 | filter->retain_as_published << 3 |
                                 filter->retain_handling << 4));
}

const char *mqtt_type_name(enum mqtt_type type)
{
    static const char *const names[] = {
        "reserved",  "CONNECT", "CONNACK",     "PUBLISH",  "PUBACK",  "PUBREC",   "PUBREL",     "PUBCOMP",
        "SUBSCRIBE", "SUBACK",  "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
    };
    return (size_t)type < sizeof(names) / sizeof(names[0]) ? names[type] : "unknown";
}

#define BY(type)       (1u << (type))
#define BY_PUBLISH_ACK (BY(MQTT_PUBACK) | BY(MQTT_PUBREC))
#define BY_ANY_ACK     (BY_PUBLISH_ACK | BY(MQTT_SUBACK) | BY(MQTT_UNSUBACK))
#define BY_CONNACK     BY(MQTT_CONNACK)
#define BY_DISCONNECT  BY(MQTT_DISCONNECT)
#define BY_CLOSING     (BY_CONNACK | BY_DISCONNECT)

/* Section 2.4: what a Reason Code is called, and which packets may give it. */
#define REASONS(ROW)                                                                                         \
    ROW(MQTT_SUCCESS, "Success",                                                                             \
        BY_CLOSING | BY_ANY_ACK | BY(MQTT_PUBREL) | BY(MQTT_PUBCOMP) | BY(MQTT_AUTH))                        \
    ROW(MQTT_GRANTED_QOS_1, "Granted QoS 1", BY(MQTT_SUBACK))                                                \
    ROW(MQTT_GRANTED_QOS_2, "Granted QoS 2", BY(MQTT_SUBACK))                                                \
    ROW(MQTT_DISCONNECT_WITH_WILL, "Disconnect with Will Message", BY_DISCONNECT)                            \
    ROW(MQTT_NO_MATCHING_SUBSCRIBERS, "No matching subscribers", BY_PUBLISH_ACK)                             \
    ROW(MQTT_NO_SUBSCRIPTION_EXISTED, "No subscription existed", BY(MQTT_UNSUBACK))                          \
    ROW(MQTT_CONTINUE_AUTHENTICATION, "Continue authentication", BY(MQTT_AUTH))                              \
    ROW(MQTT_REAUTHENTICATE, "Re-authenticate", BY(MQTT_AUTH))                                               \
    ROW(MQTT_UNSPECIFIED_ERROR, "Unspecified error", BY_CLOSING | BY_ANY_ACK)                                \
    ROW(MQTT_MALFORMED_PACKET, "Malformed Packet", BY_CLOSING)                                               \
    ROW(MQTT_PROTOCOL_ERROR, "Protocol Error", BY_CLOSING)                                                   \
    ROW(MQTT_IMPLEMENTATION_SPECIFIC_ERROR, "Implementation specific error", BY_CLOSING | BY_ANY_ACK)        \
    ROW(MQTT_UNSUPPORTED_PROTOCOL_VERSION, "Unsupported Protocol Version", BY_CONNACK)                       \
    ROW(MQTT_CLIENT_IDENTIFIER_NOT_VALID, "Client Identifier not valid", BY_CONNACK)                         \
    ROW(MQTT_BAD_USER_NAME_OR_PASSWORD, "Bad User Name or Password", BY_CONNACK)                             \
    ROW(MQTT_NOT_AUTHORIZED, "Not authorized", BY_CLOSING | BY_ANY_ACK)                                      \
    ROW(MQTT_SERVER_UNAVAILABLE, "Server unavailable", BY_CONNACK)                                           \
    ROW(MQTT_SERVER_BUSY, "Server busy", BY_CLOSING)                                                         \
    ROW(MQTT_BANNED, "Banned", BY_CONNACK)                                                                   \
    ROW(MQTT_SERVER_SHUTTING_DOWN, "Server shutting down", BY_DISCONNECT)                                    \
    ROW(MQTT_BAD_AUTHENTICATION_METHOD, "Bad authentication method", BY_CLOSING)                             \
    ROW(MQTT_KEEP_ALIVE_TIMEOUT, "Keep Alive timeout", BY_DISCONNECT)                                        \
    ROW(MQTT_SESSION_TAKEN_OVER, "Session taken over", BY_DISCONNECT)                                        \
    ROW(MQTT_TOPIC_FILTER_INVALID, "Topic Filter invalid",                                                   \
        BY(MQTT_SUBACK) | BY(MQTT_UNSUBACK) | BY_DISCONNECT)                                                 \
    ROW(MQTT_TOPIC_NAME_INVALID, "Topic Name invalid", BY_CLOSING | BY_PUBLISH_ACK)                          \
    ROW(MQTT_PACKET_IDENTIFIER_IN_USE, "Packet Identifier in use", BY_ANY_ACK)                               \
    ROW(MQTT_PACKET_IDENTIFIER_NOT_FOUND, "Packet Identifier not found", BY(MQTT_PUBREL) | BY(MQTT_PUBCOMP)) \
    ROW(MQTT_RECEIVE_MAXIMUM_EXCEEDED, "Receive Maximum exceeded", BY_DISCONNECT)                            \
    ROW(MQTT_TOPIC_ALIAS_INVALID, "Topic Alias invalid", BY_DISCONNECT)                                      \
    ROW(MQTT_PACKET_TOO_LARGE, "Packet too large", BY_CLOSING)                                               \
    ROW(MQTT_MESSAGE_RATE_TOO_HIGH, "Message rate too high", BY_DISCONNECT)                                  \
    ROW(MQTT_QUOTA_EXCEEDED, "Quota exceeded", BY_CLOSING | BY_PUBLISH_ACK | BY(MQTT_SUBACK))                \
    ROW(MQTT_ADMINISTRATIVE_ACTION, "Administrative action", BY_DISCONNECT)                                  \
    ROW(MQTT_PAYLOAD_FORMAT_INVALID, "Payload format invalid", BY_CLOSING | BY_PUBLISH_ACK)                  \
    ROW(MQTT_RETAIN_NOT_SUPPORTED, "Retain not supported", BY_CLOSING)                                       \
    ROW(MQTT_QOS_NOT_SUPPORTED, "QoS not supported", BY_CLOSING)                                             \
    ROW(MQTT_USE_ANOTHER_SERVER, "Use another server", BY_CLOSING)                                           \
    ROW(MQTT_SERVER_MOVED, "Server moved", BY_CLOSING)                                                       \
    ROW(MQTT_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED, "Shared Subscriptions not supported",                       \
        BY(MQTT_SUBACK) | BY_DISCONNECT)                                                                     \
    ROW(MQTT_CONNECTION_RATE_EXCEEDED, "Connection rate exceeded", BY_CLOSING)                               \
    ROW(MQTT_MAXIMUM_CONNECT_TIME, "Maximum connect time", BY_DISCONNECT)                                    \
    ROW(MQTT_SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED, "Subscription Identifiers not supported",               \
        BY(MQTT_SUBACK) | BY_DISCONNECT)                                                                     \
    ROW(MQTT_WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED, "Wildcard Subscriptions not supported",                   \
        BY(MQTT_SUBACK) | BY_DISCONNECT)

#define AS_ROW(code, text, packets)  {code, (uint16_t)(packets)},
#define AS_TEXT(code, text, packets) text "\0"

/* In the order of their codes: what is frequent is found at once. */
static const struct reason_row {
    uint8_t code;
    uint16_t packets;
} reasons[] = {REASONS(AS_ROW)};

/* One after the other: pointers to them would take half as much again on a small device. */
static const char texts[] = REASONS(AS_TEXT);

enum { REASON_COUNT = sizeof(reasons) / sizeof(reasons[0]) };

bool mqtt_reason_allowed(uint8_t code, enum mqtt_type type)
{
    for (size_t i = 0; i < REASON_COUNT && reasons[i].code <= code; i++)
        if (reasons[i].code == code)
            return reasons[i].packets & BY(type);
    return false;
}

const char *mqtt_reason_text(enum mqtt_reason reason)
{
    const char *text = texts;
    for (size_t i = 0; i < REASON_COUNT; i++, text += strlen(text) + 1)
        if (reasons[i].code == reason)
            return text;
    return "Unknown reason";
}

enum mqtt_v3_return_code mqtt_v3_return_code(enum mqtt_reason reason)
{
    switch (reason) {
    case MQTT_SUCCESS: return MQTT_V3_ACCEPTED;
    case MQTT_UNSUPPORTED_PROTOCOL_VERSION: return MQTT_V3_UNACCEPTABLE_PROTOCOL_VERSION;
    case MQTT_CLIENT_IDENTIFIER_NOT_VALID: return MQTT_V3_IDENTIFIER_REJECTED;
    case MQTT_BAD_USER_NAME_OR_PASSWORD:
    case MQTT_BAD_AUTHENTICATION_METHOD: return MQTT_V3_BAD_USER_NAME_OR_PASSWORD;
    case MQTT_NOT_AUTHORIZED:
    case MQTT_BANNED: return MQTT_V3_NOT_AUTHORIZED;
    default: return MQTT_V3_SERVER_UNAVAILABLE;
    }
}
