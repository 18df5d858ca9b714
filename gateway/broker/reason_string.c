#include "broker/reason_string.h"

#include "broker/parts.h"

#include <assert.h>
#include <stdio.h>

enum limit {
    NO_LIMIT,
    CLIENT_ID_BYTES,
    FILTERS,
    PACKET_BYTES,
    PROPERTY_BYTES,
    RECEIVE_MAXIMUM,
    SESSIONS,
    SUBSCRIPTIONS,
    TOPIC_ALIAS_MAXIMUM,
    TOPIC_BYTES,
    TOPIC_LEVELS,
};

static uint32_t value_of(const struct broker_config *config, enum limit limit)
{
    switch (limit) {
    case CLIENT_ID_BYTES: return config->client_id_bytes;
    case FILTERS: return config->filters_count;
    case PACKET_BYTES: return config->packet_bytes;
    case PROPERTY_BYTES: return config->property_bytes;
    case RECEIVE_MAXIMUM: return config->receive_maximum;
    case SESSIONS: return config->sessions_count;
    case SUBSCRIPTIONS: return config->subscriptions_count;
    case TOPIC_ALIAS_MAXIMUM: return config->topic_alias_maximum;
    case TOPIC_BYTES: return config->topic_bytes;
    case TOPIC_LEVELS: return config->topic_levels;
    case NO_LIMIT: break;
    }
    return 0;
}

/* A `%` in a text stands for the value of the next of its limits. */
static const struct reason_row {
    enum mqtt_type type;
    enum mqtt_reason reason;
    const char *text;
    enum limit limits[3];
} rows[] = {
    {MQTT_CONNACK, MQTT_MALFORMED_PACKET, "the CONNECT does not have the form that MQTT prescribes", {0}},
    {MQTT_CONNACK,
     MQTT_PROTOCOL_ERROR,
     "the CONNECT has a property or a value that MQTT does not allow there",
     {0}},
    {MQTT_CONNACK, MQTT_UNSUPPORTED_PROTOCOL_VERSION, "this Server speaks MQTT 3.1.1 and 5", {0}},
    {MQTT_CONNACK,
     MQTT_CLIENT_IDENTIFIER_NOT_VALID,
     "a Client Identifier has at most % bytes, no control characters, and is one that this Client may use",
     {CLIENT_ID_BYTES}},
    {MQTT_CONNACK, MQTT_BAD_USER_NAME_OR_PASSWORD, "there is no such User Name with this Password", {0}},
    {MQTT_CONNACK,
     MQTT_NOT_AUTHORIZED,
     "no access rule allows this Client or its Will Topic, or the Client Identifier is another's",
     {0}},
    {MQTT_CONNACK, MQTT_SERVER_BUSY, "the Server is stopping", {0}},
    {MQTT_CONNACK, MQTT_BAD_AUTHENTICATION_METHOD, "this Authentication Method is not served here", {0}},
    {MQTT_CONNACK,
     MQTT_PAYLOAD_FORMAT_INVALID,
     "the Will Payload is not the UTF-8 text that its Payload Format Indicator says",
     {0}},
    {MQTT_CONNACK,
     MQTT_TOPIC_NAME_INVALID,
     "a Will Topic has at most % levels and % bytes, and does not begin with $",
     {TOPIC_LEVELS, TOPIC_BYTES}},
    {MQTT_CONNACK,
     MQTT_QUOTA_EXCEEDED,
     "the Server holds at most % sessions, and a CONNECT has at most % bytes of properties",
     {SESSIONS, PROPERTY_BYTES}},

    {MQTT_PUBACK,
     MQTT_IMPLEMENTATION_SPECIFIC_ERROR,
     "this message can never be taken: it is too large for what has to store it",
     {0}},
    {MQTT_PUBACK, MQTT_NOT_AUTHORIZED, "no access rule lets this Client publish to this topic", {0}},
    {MQTT_PUBACK,
     MQTT_TOPIC_NAME_INVALID,
     "a Topic Name has at most % levels and % bytes, and does not begin with $",
     {TOPIC_LEVELS, TOPIC_BYTES}},
    {MQTT_PUBACK,
     MQTT_QUOTA_EXCEEDED,
     "a message has at most % bytes of properties, and the disk takes none while it is full",
     {PROPERTY_BYTES}},
    {MQTT_PUBACK,
     MQTT_PAYLOAD_FORMAT_INVALID,
     "the payload is not what its Content Type or Payload Format Indicator says",
     {0}},

    {MQTT_SUBACK,
     MQTT_NOT_AUTHORIZED,
     "no access rule lets this Client subscribe to all that the Topic Filter covers",
     {0}},
    {MQTT_SUBACK,
     MQTT_TOPIC_FILTER_INVALID,
     "a Topic Filter has at most % levels and % bytes, the NAME of $share/NAME/FILTER % bytes",
     {TOPIC_LEVELS, TOPIC_BYTES, CLIENT_ID_BYTES}},
    {MQTT_SUBACK,
     MQTT_QUOTA_EXCEEDED,
     "a SUBSCRIBE has at most % Topic Filters, and a session % subscriptions",
     {FILTERS, SUBSCRIPTIONS}},

    {MQTT_DISCONNECT,
     MQTT_MALFORMED_PACKET,
     "a Control Packet did not have the form that MQTT prescribes",
     {0}},
    {MQTT_DISCONNECT,
     MQTT_PROTOCOL_ERROR,
     "a Control Packet, property or value that MQTT does not allow here",
     {0}},
    {MQTT_DISCONNECT,
     MQTT_IMPLEMENTATION_SPECIFIC_ERROR,
     "the answer is larger than this Client's Maximum Packet Size",
     {0}},
    {MQTT_DISCONNECT,
     MQTT_NOT_AUTHORIZED,
     "the rules, or the time of its credentials, no longer allow this Client",
     {0}},
    {MQTT_DISCONNECT, MQTT_KEEP_ALIVE_TIMEOUT, "nothing came for one and a half times the Keep Alive", {0}},
    {MQTT_DISCONNECT,
     MQTT_SESSION_TAKEN_OVER,
     "another connection has come with the same Client Identifier",
     {0}},
    {MQTT_DISCONNECT,
     MQTT_TOPIC_NAME_INVALID,
     "a Topic Name has no wildcard, and is empty only where a Topic Alias stands for it",
     {0}},
    {MQTT_DISCONNECT,
     MQTT_TOPIC_FILTER_INVALID,
     "a Topic Filter has + and # as whole levels only, # last; a Shared Subscription is $share/NAME/FILTER",
     {0}},
    {MQTT_DISCONNECT,
     MQTT_RECEIVE_MAXIMUM_EXCEEDED,
     "at most % messages of QoS 1 and 2 may be unacknowledged",
     {RECEIVE_MAXIMUM}},
    {MQTT_DISCONNECT, MQTT_TOPIC_ALIAS_INVALID, "a Topic Alias is from 1 to %", {TOPIC_ALIAS_MAXIMUM}},
    {MQTT_DISCONNECT,
     MQTT_QUOTA_EXCEEDED,
     "a Control Packet has at most % bytes of properties, an UNSUBSCRIBE % Topic Filters",
     {PROPERTY_BYTES, FILTERS}},
    {MQTT_DISCONNECT, MQTT_PACKET_TOO_LARGE, "a Control Packet has at most % bytes", {PACKET_BYTES}},
};

static const struct reason_row *find(enum mqtt_type type, enum mqtt_reason reason)
{
    if (type == MQTT_PUBREC) /* it refuses a message as PUBACK does */
        type = MQTT_PUBACK;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].type == type && rows[i].reason == reason)
            return &rows[i];
    }
    return NULL;
}

/* The first refusal where there is one for each filter. */
static enum mqtt_reason reason_of(const struct mqtt_packet *packet)
{
    for (size_t i = 0; i < packet->reasons.len; i++) {
        if (packet->reasons.data[i] >= MQTT_UNSPECIFIED_ERROR)
            return (enum mqtt_reason)packet->reasons.data[i];
    }
    return packet->reason;
}

static void write_text(struct writer *out, const struct reason_row *row, const struct broker_config *config)
{
    const enum limit *limit = row->limits;
    for (const char *at = row->text; *at; at++) {
        char number[12];
        if (*at == '%') {
            snprintf(number, sizeof number, "%u", (unsigned)value_of(config, *limit++));
            write_bytes(out, span_from_string(number));
        } else {
            write_u8(out, (uint8_t)*at);
        }
    }
}

void reason_string_add(const struct channel *channel, struct mqtt_packet *packet,
                       uint8_t block[static REASON_STRING_BLOCK_BYTES])
{
    enum mqtt_reason reason = reason_of(packet);
    if (packet->version != MQTT_5 || reason < MQTT_UNSPECIFIED_ERROR)
        return;
    if (!channel->problem_information && packet->type != MQTT_CONNACK && packet->type != MQTT_DISCONNECT)
        return;
    const struct reason_row *row = find(packet->type, reason);
    if (!row)
        return;
    uint8_t bytes[REASON_STRING_BLOCK_BYTES - 8];
    struct writer text = writer_of(bytes, sizeof bytes);
    struct writer out = writer_of(block, REASON_STRING_BLOCK_BYTES);
    write_text(&text, row, &channel->broker->config);
    mqtt_write_bytes_property(&out, MQTT_REASON_STRING, writer_span(&text));
    assert(!text.failed && !out.failed); /* the table's texts are short */
    struct mqtt_packet with = *packet;
    with.properties.bytes = writer_span(&out);
    if (mqtt_encoded_size(&with) <= channel->maximum_packet_bytes)
        *packet = with;
}
