/*
 * The MQTT codec of both ends: all 15 Control Packets of MQTT 3.1.1 and MQTT 5,
 * decode and encode. No allocation, no I/O, no state.
 *
 * A received packet is decoded in place: every span in struct mqtt_packet points
 * into the bytes that were decoded and lives as long as they do. Lists (User
 * Properties, Topic Filters, Reason Codes) are not copied out: they are walked
 * with the iterators below.
 *
 * Decoding checks what the packet alone can show: flags, lengths, UTF-8, which
 * property may stand in which packet and how often, value ranges, Topic Name and
 * Topic Filter syntax. Direction is a table: a Server refuses what only Clients
 * receive, and the other way round. What needs session state is the caller's.
 * Time is linear in the packet's size, which is the only limit: bound it in
 * mqtt_frame. Encoding trusts its caller: it checks sizes, not topics and flags.
 */
#ifndef SLUICE_WIRE_MQTT_H
#define SLUICE_WIRE_MQTT_H

#include "sluice/error.h"
#include "span.h"

enum mqtt_version {
    MQTT_3_1_1 = 4,
    MQTT_5 = 5,
};

/* Who is decoding. */
enum mqtt_role {
    MQTT_SERVER,
    MQTT_CLIENT,
};

enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK,
    MQTT_PUBLISH,
    MQTT_PUBACK,
    MQTT_PUBREC,
    MQTT_PUBREL,
    MQTT_PUBCOMP,
    MQTT_SUBSCRIBE,
    MQTT_SUBACK,
    MQTT_UNSUBSCRIBE,
    MQTT_UNSUBACK,
    MQTT_PINGREQ,
    MQTT_PINGRESP,
    MQTT_DISCONNECT,
    MQTT_AUTH,
};

/* Reason Codes of MQTT 5, section 2.4. The four meanings of 0x00 share one name. */
enum mqtt_reason {
    MQTT_SUCCESS = 0x00,
    MQTT_GRANTED_QOS_1 = 0x01,
    MQTT_GRANTED_QOS_2 = 0x02,
    MQTT_DISCONNECT_WITH_WILL = 0x04,
    MQTT_NO_MATCHING_SUBSCRIBERS = 0x10,
    MQTT_NO_SUBSCRIPTION_EXISTED = 0x11,
    MQTT_CONTINUE_AUTHENTICATION = 0x18,
    MQTT_REAUTHENTICATE = 0x19,
    MQTT_UNSPECIFIED_ERROR = 0x80,
    MQTT_MALFORMED_PACKET = 0x81,
    MQTT_PROTOCOL_ERROR = 0x82,
    MQTT_IMPLEMENTATION_SPECIFIC_ERROR = 0x83,
    MQTT_UNSUPPORTED_PROTOCOL_VERSION = 0x84,
    MQTT_CLIENT_IDENTIFIER_NOT_VALID = 0x85,
    MQTT_BAD_USER_NAME_OR_PASSWORD = 0x86,
    MQTT_NOT_AUTHORIZED = 0x87,
    MQTT_SERVER_UNAVAILABLE = 0x88,
    MQTT_SERVER_BUSY = 0x89,
    MQTT_BANNED = 0x8A,
    MQTT_SERVER_SHUTTING_DOWN = 0x8B,
    MQTT_BAD_AUTHENTICATION_METHOD = 0x8C,
    MQTT_KEEP_ALIVE_TIMEOUT = 0x8D,
    MQTT_SESSION_TAKEN_OVER = 0x8E,
    MQTT_TOPIC_FILTER_INVALID = 0x8F,
    MQTT_TOPIC_NAME_INVALID = 0x90,
    MQTT_PACKET_IDENTIFIER_IN_USE = 0x91,
    MQTT_PACKET_IDENTIFIER_NOT_FOUND = 0x92,
    MQTT_RECEIVE_MAXIMUM_EXCEEDED = 0x93,
    MQTT_TOPIC_ALIAS_INVALID = 0x94,
    MQTT_PACKET_TOO_LARGE = 0x95,
    MQTT_MESSAGE_RATE_TOO_HIGH = 0x96,
    MQTT_QUOTA_EXCEEDED = 0x97,
    MQTT_ADMINISTRATIVE_ACTION = 0x98,
    MQTT_PAYLOAD_FORMAT_INVALID = 0x99,
    MQTT_RETAIN_NOT_SUPPORTED = 0x9A,
    MQTT_QOS_NOT_SUPPORTED = 0x9B,
    MQTT_USE_ANOTHER_SERVER = 0x9C,
    MQTT_SERVER_MOVED = 0x9D,
    MQTT_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E,
    MQTT_CONNECTION_RATE_EXCEEDED = 0x9F,
    MQTT_MAXIMUM_CONNECT_TIME = 0xA0,
    MQTT_SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xA1,
    MQTT_WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2,
};

/* Return codes of a 3.1.1 CONNACK, section 3.2.2.3; its SUBACK failure is 0x80. */
enum mqtt_v3_return_code {
    MQTT_V3_ACCEPTED = 0,
    MQTT_V3_UNACCEPTABLE_PROTOCOL_VERSION = 1,
    MQTT_V3_IDENTIFIER_REJECTED = 2,
    MQTT_V3_SERVER_UNAVAILABLE = 3,
    MQTT_V3_BAD_USER_NAME_OR_PASSWORD = 4,
    MQTT_V3_NOT_AUTHORIZED = 5,
};

/* Property identifiers, section 2.2.2.2. */
enum mqtt_property {
    MQTT_PAYLOAD_FORMAT_INDICATOR = 0x01,
    MQTT_MESSAGE_EXPIRY_INTERVAL = 0x02,
    MQTT_CONTENT_TYPE = 0x03,
    MQTT_RESPONSE_TOPIC = 0x08,
    MQTT_CORRELATION_DATA = 0x09,
    MQTT_SUBSCRIPTION_IDENTIFIER = 0x0B,
    MQTT_SESSION_EXPIRY_INTERVAL = 0x11,
    MQTT_ASSIGNED_CLIENT_IDENTIFIER = 0x12,
    MQTT_SERVER_KEEP_ALIVE = 0x13,
    MQTT_AUTHENTICATION_METHOD = 0x15,
    MQTT_AUTHENTICATION_DATA = 0x16,
    MQTT_REQUEST_PROBLEM_INFORMATION = 0x17,
    MQTT_WILL_DELAY_INTERVAL = 0x18,
    MQTT_REQUEST_RESPONSE_INFORMATION = 0x19,
    MQTT_RESPONSE_INFORMATION = 0x1A,
    MQTT_SERVER_REFERENCE = 0x1C,
    MQTT_REASON_STRING = 0x1F,
    MQTT_RECEIVE_MAXIMUM = 0x21,
    MQTT_TOPIC_ALIAS_MAXIMUM = 0x22,
    MQTT_TOPIC_ALIAS = 0x23,
    MQTT_MAXIMUM_QOS = 0x24,
    MQTT_RETAIN_AVAILABLE = 0x25,
    MQTT_USER_PROPERTY = 0x26,
    MQTT_MAXIMUM_PACKET_SIZE = 0x27,
    MQTT_WILDCARD_SUBSCRIPTION_AVAILABLE = 0x28,
    MQTT_SUBSCRIPTION_IDENTIFIER_AVAILABLE = 0x29,
    MQTT_SHARED_SUBSCRIPTION_AVAILABLE = 0x2A,
};

/*
 * A checked property block, kept as its encoded bytes (without the length in
 * front). Most packets carry none, and a forwarded PUBLISH passes most of it on
 * as it is, so single properties are looked up when they are wanted.
 */
struct mqtt_properties {
    struct span bytes;
};

/* The value of a number property (Byte, Two/Four Byte Integer, Variable Byte Integer), or `otherwise`. */
uint32_t mqtt_property_number(struct mqtt_properties properties, enum mqtt_property id, uint32_t otherwise);
/* Whether a string or binary property is present; then *ret_value. */
bool mqtt_property_bytes(struct mqtt_properties properties, enum mqtt_property id, struct span *ret_value);

struct mqtt_property_value {
    enum mqtt_property id;
    uint32_t number;   /* number properties */
    struct span bytes; /* string and binary properties; the value of a User Property */
    struct span name;  /* the name of a User Property */
};

/* Walks the block in order: start with reader_of(properties.bytes); false at its end. */
bool mqtt_property_next(struct reader *at, struct mqtt_property_value *ret_value);

/* Where properties may stand: in a packet, by its type, or in the Will of a CONNECT. */
enum { MQTT_WILL = 0 };

/* The first fault of a property block received in `carrier` (a type or MQTT_WILL), or MQTT_SUCCESS; for a
 * block that did not come by mqtt_decode, which has checked its own. */
enum mqtt_reason mqtt_properties_check(struct span block, unsigned carrier, enum mqtt_role role);

/* Appends one property to a block under construction; a number outside its range fails the writer. */
void mqtt_write_number_property(struct writer *block, enum mqtt_property id, uint32_t value);
void mqtt_write_bytes_property(struct writer *block, enum mqtt_property id, struct span value);
void mqtt_write_user_property(struct writer *block, struct span name, struct span value);

struct mqtt_will {
    struct span topic;
    struct span payload;
    uint8_t qos;
    bool retain;
    struct mqtt_properties properties;
};

struct mqtt_connect {
    struct span client_id;
    bool clean_start; /* 3.1.1: Clean Session */
    uint16_t keep_alive_s;
    bool has_will, has_user_name, has_password;
    struct mqtt_will will;
    struct span user_name;
    struct span password;
};

struct mqtt_connack {
    bool session_present;
};

struct mqtt_publish {
    struct span topic; /* empty only where a v5 Topic Alias stands for it */
    struct span payload;
    uint8_t qos;
    bool dup, retain;
};

/* SUBSCRIBE and UNSUBSCRIBE: the raw list, walked with mqtt_filter_next. */
struct mqtt_filters {
    struct span list;
};

struct mqtt_filter {
    struct span filter;
    uint8_t qos; /* this and the rest: SUBSCRIBE only */
    bool no_local, retain_as_published;
    uint8_t retain_handling;
};

struct mqtt_packet {
    enum mqtt_type type;
    enum mqtt_version version;
    uint16_t packet_id;                /* where the type has one, else 0 */
    enum mqtt_reason reason;           /* CONNACK (3.1.1: its return code), PUBACK.., DISCONNECT, AUTH */
    struct span reasons;               /* SUBACK, UNSUBACK: a byte a filter */
    struct mqtt_properties properties; /* v5, else empty */
    union {
        struct mqtt_connect connect;
        struct mqtt_connack connack;
        struct mqtt_publish publish;
        struct mqtt_filters filters;
    };
};

/*
 * Finds the next packet at the start of `input`. SLUICE_OK: it is complete and
 * *ret_packet spans all of it. SLUICE_AGAIN: more bytes are needed; *ret_packet
 * has .len set to the packet's whole size once that is known, else 0 (and .data
 * NULL). SLUICE_INVALID: a bad Remaining Length or a reserved type.
 * SLUICE_TOO_LARGE: over `max_bytes`, known from the header alone.
 */
enum sluice_error mqtt_frame(struct span input, uint32_t max_bytes, struct span *ret_packet);

/* The decoders of what one role receives. */
struct mqtt_receiver;
extern const struct mqtt_receiver mqtt_server_receives, mqtt_client_receives;
enum sluice_error mqtt_decode_received(const struct mqtt_receiver *receiver, struct span packet,
                                       enum mqtt_version version, struct mqtt_packet *ret_packet,
                                       enum mqtt_reason *ret_reason);

/*
 * Decodes one whole packet as framed by mqtt_frame. `version` is that of the
 * connection; for CONNECT it is ignored and found in the packet. On
 * SLUICE_INVALID *ret_reason is the Reason Code to close with (MALFORMED_PACKET,
 * PROTOCOL_ERROR, TOPIC_NAME_INVALID, UNSUPPORTED_PROTOCOL_VERSION, ...).
 * Inline, so that a device, whose role is a constant, does not link a Server's decoders.
 */
static inline enum sluice_error mqtt_decode(struct span packet, enum mqtt_role role,
                                            enum mqtt_version version, struct mqtt_packet *ret_packet,
                                            enum mqtt_reason *ret_reason)
{
    return mqtt_decode_received(role == MQTT_SERVER ? &mqtt_server_receives : &mqtt_client_receives, packet,
                                version, ret_packet, ret_reason);
}

/*
 * The version in which to answer a CONNECT packet that mqtt_decode refused, so
 * that the peer can read the CONNACK: the one it asked for, or the nearest.
 */
enum mqtt_version mqtt_connect_version(struct span packet);

/* Walks the filters of a decoded SUBSCRIBE or UNSUBSCRIBE (`type`): start with reader_of(filters.list). */
bool mqtt_filter_next(struct reader *at, enum mqtt_type type, struct mqtt_filter *ret_filter);
/* Appends one to a list under construction, for mqtt_encode. */
void mqtt_write_filter(struct writer *list, enum mqtt_type type, const struct mqtt_filter *filter);

/* Bytes that mqtt_encode will write, or 0 if the packet cannot be encoded: a part is over its size, or it is
 * an AUTH of 3.1.1. What 3.1.1 has no place for (properties, most Reason Codes) is left out. */
size_t mqtt_encoded_size(const struct mqtt_packet *packet);

/* Encodes `packet` whole; a writer too small fails and the packet must not be sent. */
void mqtt_encode(struct writer *out, const struct mqtt_packet *packet);

const char *mqtt_type_name(enum mqtt_type type);       /* "PUBLISH" */
const char *mqtt_reason_text(enum mqtt_reason reason); /* "Packet too large" */
/* The 3.1.1 CONNACK return code that says the same as a v5 Reason Code. */
enum mqtt_v3_return_code mqtt_v3_return_code(enum mqtt_reason reason);

#endif
