/*
 * mqtt.h: what mqtt_decode refuses, and with which Reason Code. HOSTILE names the
 * numbered lines of the list of hostile inputs. Rows that expect MQTT_SUCCESS are
 * the legal neighbours of those that do not.
 */
#include "mqtt_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static uint8_t packet_bytes[200000];

static enum mqtt_reason outcome(struct span bytes, enum mqtt_role role, enum mqtt_version version)
{
    struct mqtt_packet packet, untouched;
    memset(&packet, 0xA5, sizeof packet);
    memcpy(&untouched, &packet, sizeof packet);
    enum mqtt_reason reason = MQTT_SUCCESS;
    if (mqtt_decode(bytes, role, version, &packet, &reason) == SLUICE_OK)
        return MQTT_SUCCESS;
    assert_memory_equal(&packet, &untouched, sizeof packet);
    assert_int_not_equal(reason, MQTT_SUCCESS);
    return reason;
}

static void expect(const char *name, struct span bytes, enum mqtt_role role, enum mqtt_version version,
                   int expected)
{
    int reason = (int)outcome(bytes, role, version);
    if (reason != expected)
        fail_msg("%s (version %d): 0x%02X, not 0x%02X", name, version, reason, expected);
}

/* A fixed header before `body`. */
static struct span packet_of(uint8_t first, struct span body)
{
    struct writer out = writer_of(packet_bytes, sizeof packet_bytes);
    write_u8(&out, first);
    write_varint(&out, (uint32_t)body.len);
    write_bytes(&out, body);
    return writer_span(&out);
}

struct row {
    const char *name;
    uint8_t first;
    struct span body;
    int v3, v5; /* a Reason Code, or SKIP */
};

enum {
    SKIP = -1, /* the row says nothing about this version */
    OK = MQTT_SUCCESS,
    MALFORMED = MQTT_MALFORMED_PACKET,
    PROTOCOL = MQTT_PROTOCOL_ERROR,
    TOPIC = MQTT_TOPIC_NAME_INVALID,
    FILTER = MQTT_TOPIC_FILTER_INVALID,
    VERSION = MQTT_UNSUPPORTED_PROTOCOL_VERSION,
};

#define BYTES(literal)                                                                                       \
    {                                                                                                        \
        (const uint8_t *)("" literal), sizeof(literal) - 1                                                   \
    }

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum mqtt_role role = mqtt_receiver_of((enum mqtt_type)(rows[i].first >> 4));
        struct span bytes = packet_of(rows[i].first, rows[i].body);
        if (rows[i].v3 != SKIP)
            expect(rows[i].name, bytes, role, MQTT_3_1_1, rows[i].v3);
        if (rows[i].v5 != SKIP)
            expect(rows[i].name, bytes, role, MQTT_5, rows[i].v5);
    }
}

/* The version is in the packet; the connection's is ignored, so both columns agree. The tables are kept out
 * of clang-format's hands: a row a line. */
#define ROW(name, body, reason)                                                                              \
    {                                                                                                        \
        name, 0x10, BYTES(body), reason, reason                                                              \
    }
#define V3(flags) "\x00\x04MQTT\x04" flags "\x00\x3C"
#define V5(flags) "\x00\x04MQTT\x05" flags "\x00\x3C"

/* clang-format off */
static const struct row connect_rows[] = {
    ROW("3.1.1", V3("\x02") "\x00\x01" "c", OK),
    ROW("5", V5("\x02") "\x00" "\x00\x01" "c", OK),
    /* HOSTILE 15 */
    ROW("level 2", "\x00\x04MQTT\x02\x02\x00\x3C\x00\x01" "c", VERSION),
    ROW("level 3", "\x00\x06MQIsdp\x03\x02\x00\x3C\x00\x01" "c", VERSION),
    ROW("level 6", "\x00\x04MQTT\x06\x02\x00\x3C\x00\x00\x01" "c", VERSION),
    ROW("level of a bridge", "\x00\x04MQTT\x84\x02\x00\x3C\x00\x01" "c", VERSION),
    ROW("old name, new level", "\x00\x06MQIsdp\x04\x02\x00\x3C\x00\x01" "c", VERSION),
    ROW("name in lower case", "\x00\x04mqtt\x04\x02\x00\x3C\x00\x01" "c", VERSION),
    ROW("name with more behind", "\x00\x05MQTTX\x04\x02\x00\x3C\x00\x01" "c", VERSION),
    ROW("empty name", "\x00\x00\x04\x02\x00\x3C\x00\x01" "c", VERSION),
    ROW("name over the packet's end", "\xFF\xFFMQTT\x04\x02\x00\x3C", MALFORMED),
    ROW("nothing", "", MALFORMED),
    ROW("no level", "\x00\x04MQTT", MALFORMED),
    ROW("no flags", "\x00\x04MQTT\x04", MALFORMED),
    ROW("half a Keep Alive", "\x00\x04MQTT\x04\x02\x00", MALFORMED),
    ROW("no Client Identifier", V3("\x02"), MALFORMED),
    ROW("no properties", V5("\x02"), MALFORMED),
    ROW("Client Identifier over the end", V3("\x02") "\x00\x02" "c", MALFORMED),
    ROW("one byte more", V3("\x02") "\x00\x01" "cc", MALFORMED),
    ROW("reserved flag", V3("\x03") "\x00\x01" "c", MALFORMED),
    ROW("reserved flag in 5", V5("\x03") "\x00" "\x00\x01" "c", MALFORMED),
    ROW("Will QoS 1 without Will", V3("\x0A") "\x00\x01" "c", MALFORMED),
    ROW("Will QoS 2 without Will in 5", V5("\x12") "\x00" "\x00\x01" "c", MALFORMED),
    ROW("Will Retain without Will", V3("\x22") "\x00\x01" "c", MALFORMED),
    ROW("Will QoS 2", V3("\x16") "\x00\x01" "c" "\x00\x01w\x00\x00", OK),
    ROW("Will QoS 3", V3("\x1E") "\x00\x01" "c" "\x00\x01w\x00\x00", MALFORMED),
    /* HOSTILE 19 */
    ROW("Password without User Name in 3.1.1", V3("\x42") "\x00\x01" "c" "\x00\x01p", MALFORMED),
    ROW("Password without User Name in 5", V5("\x42") "\x00" "\x00\x01" "c" "\x00\x01p", OK),
    ROW("User Name missing", V3("\x82") "\x00\x01" "c", MALFORMED),
    ROW("Password missing", V3("\xC2") "\x00\x01" "c" "\x00\x01u", MALFORMED),
    ROW("Password over the end", V3("\xC2") "\x00\x01" "c" "\x00\x01u\x00\x02p", MALFORMED),
    ROW("Will missing", V3("\x06") "\x00\x01" "c", MALFORMED),
    ROW("Will payload missing", V3("\x06") "\x00\x01" "c" "\x00\x01w", MALFORMED),
    ROW("Will Flag without will properties", V5("\x06") "\x00" "\x00\x01" "c" "\x05", MALFORMED),
    /* HOSTILE 16: the identifier is decoded; refusing the session is the Server's */
    ROW("empty Client Identifier, Clean Session 0", V3("\x00") "\x00\x00", OK),
    /* HOSTILE 17: literal bytes, legal in the protocol */
    ROW("wildcards in a Client Identifier", V3("\x02") "\x00\x05+/#$.", OK),
    /* HOSTILE 22 */
    ROW("Will Topic with +", V3("\x06") "\x00\x01" "c" "\x00\x01+\x00\x00", TOPIC),
    ROW("Will Topic with # in 5", V5("\x06") "\x00" "\x00\x01" "c" "\x00" "\x00\x03" "a/#\x00\x00", TOPIC),
    ROW("empty Will Topic", V3("\x06") "\x00\x01" "c" "\x00\x00\x00\x00", TOPIC),
    ROW("Will Topic with U+0000", V3("\x06") "\x00\x01" "c" "\x00\x02w\x00\x00\x00", MALFORMED),
    /* HOSTILE 28 */
    ROW("Client Identifier with U+0000", V3("\x02") "\x00\x02" "c\x00", MALFORMED),
    ROW("Client Identifier with a surrogate", V3("\x02") "\x00\x03\xED\xA0\x80", MALFORMED),
    ROW("User Name in an overlong form", V3("\x82") "\x00\x01" "c" "\x00\x02\xC0\xAF", MALFORMED),
    ROW("Password of any bytes", V3("\xC2") "\x00\x01" "c" "\x00\x01u\x00\x02\x00\xFF", OK),
    /* HOSTILE 20, 26 */
    ROW("Receive Maximum 1", V5("\x02") "\x03\x21\x00\x01" "\x00\x01" "c", OK),
    ROW("Receive Maximum 0", V5("\x02") "\x03\x21\x00\x00" "\x00\x01" "c", PROTOCOL),
    ROW("Maximum Packet Size 0", V5("\x02") "\x05\x27\x00\x00\x00\x00" "\x00\x01" "c", PROTOCOL),
    ROW("Topic Alias Maximum 0", V5("\x02") "\x03\x22\x00\x00" "\x00\x01" "c", OK),
    ROW("Request Problem Information 2", V5("\x02") "\x02\x17\x02" "\x00\x01" "c", PROTOCOL),
    ROW("Request Response Information 2", V5("\x02") "\x02\x19\x02" "\x00\x01" "c", PROTOCOL),
    ROW("Authentication Data alone", V5("\x02") "\x04\x16\x00\x01m" "\x00\x01" "c", PROTOCOL),
    ROW("Authentication Data first", V5("\x02") "\x08\x16\x00\x01m\x15\x00\x01m" "\x00\x01" "c", OK),
    ROW("Will Delay outside the Will", V5("\x02") "\x05\x18\x00\x00\x00\x01" "\x00\x01" "c", MALFORMED),
    ROW("Session Expiry inside the Will", V5("\x06") "\x00" "\x00\x01" "c" "\x05\x11\x00\x00\x00\x01" "\x00\x01w\x00\x00", MALFORMED),
    ROW("Will Delay twice", V5("\x06") "\x00" "\x00\x01" "c" "\x0A\x18\x00\x00\x00\x01\x18\x00\x00\x00\x01" "\x00\x01w\x00\x00", PROTOCOL),
    ROW("Payload Format Indicator 2 in the Will", V5("\x06") "\x00" "\x00\x01" "c" "\x02\x01\x02" "\x00\x01w\x00\x00", PROTOCOL),
};
/* clang-format on */
#undef ROW

#define ROW(name, first, body, v3, v5)                                                                       \
    {                                                                                                        \
        name, first, BYTES(body), v3, v5                                                                     \
    }

/* clang-format off */
static const struct row publish_rows[] = {
    ROW("nothing", 0x30, "", MALFORMED, MALFORMED),
    ROW("topic over the end", 0x30, "\x00\x04" "a/b", MALFORMED, MALFORMED),
    ROW("topic alone", 0x30, "\x00\x03" "a/b", OK, MALFORMED),
    ROW("no Packet Identifier", 0x32, "\x00\x03" "a/b\x00", MALFORMED, MALFORMED),
    ROW("Packet Identifier 0", 0x32, "\x00\x03" "a/b\x00\x00\x00", PROTOCOL, PROTOCOL),
    ROW("QoS 3", 0x36, "\x00\x03" "a/b\x00\x01\x00", MALFORMED, MALFORMED),
    ROW("QoS 2 and DUP", 0x3C, "\x00\x03" "a/b\x00\x01\x00", OK, OK),
    ROW("DUP with QoS 0", 0x38, "\x00\x03" "a/b\x00", MALFORMED, MALFORMED),
    /* HOSTILE 28 */
    ROW("topic with U+0000", 0x30, "\x00\x03" "a\x00" "b\x00", MALFORMED, MALFORMED),
    ROW("topic with a surrogate", 0x30, "\x00\x03\xED\xA0\x80\x00", MALFORMED, MALFORMED),
    ROW("topic in an overlong form", 0x30, "\x00\x02\xC0\xAF\x00", MALFORMED, MALFORMED),
    ROW("topic cut in a sequence", 0x30, "\x00\x01\xC3\x00", MALFORMED, MALFORMED),
    ROW("wildcard and bad UTF-8", 0x30, "\x00\x02+\xFF\x00", MALFORMED, MALFORMED),
    /* HOSTILE 29: legal in the protocol */
    ROW("topic with CR and LF", 0x30, "\x00\x04" "a\r\nb\x00", OK, OK),
    /* HOSTILE 30 */
    ROW("topic with +", 0x30, "\x00\x03" "a/+\x00", TOPIC, TOPIC),
    ROW("topic with #", 0x30, "\x00\x01#\x00", TOPIC, TOPIC),
    ROW("wildcard inside a level", 0x30, "\x00\x03" "a+b\x00", TOPIC, TOPIC),
    ROW("empty topic", 0x30, "\x00\x00\x00", TOPIC, PROTOCOL),
    ROW("empty topic with another property", 0x30, "\x00\x00\x02\x01\x01", SKIP, PROTOCOL),
    ROW("empty topic with an alias", 0x30, "\x00\x00\x03\x23\x00\x01", SKIP, OK),
    ROW("Response Topic", 0x30, "\x00\x01" "a\x04\x08\x00\x01r", SKIP, OK),
    ROW("Response Topic with +", 0x30, "\x00\x01" "a\x04\x08\x00\x01+", SKIP, TOPIC),
    ROW("empty Response Topic", 0x30, "\x00\x01" "a\x03\x08\x00\x00", SKIP, TOPIC),
    ROW("Response Topic with bad UTF-8", 0x30, "\x00\x01" "a\x04\x08\x00\x01\xFF", SKIP, MALFORMED),
    /* HOSTILE 31 */
    ROW("Topic Alias 0", 0x30, "\x00\x00\x03\x23\x00\x00", SKIP, MQTT_TOPIC_ALIAS_INVALID),
    ROW("Topic Alias 0 with a topic", 0x30, "\x00\x01" "a\x03\x23\x00\x00", SKIP, MQTT_TOPIC_ALIAS_INVALID),
    ROW("Topic Alias twice", 0x30, "\x00\x00\x06\x23\x00\x01\x23\x00\x01", SKIP, PROTOCOL),
    /* HOSTILE 7, and property blocks that do not add up */
    ROW("property length of five bytes", 0x30, "\x00\x01" "a\xFF\xFF\xFF\xFF\x01", SKIP, MALFORMED),
    ROW("property length in a longer form", 0x30, "\x00\x01" "a\x80\x00", SKIP, MALFORMED),
    ROW("property length over the end", 0x30, "\x00\x01" "a\x03\x01\x01", SKIP, MALFORMED),
    ROW("property cut by the block's end", 0x30, "\x00\x01" "a\x03\x02\x00\x00\x00\x01", SKIP, MALFORMED),
    ROW("identifier alone", 0x30, "\x00\x01" "a\x01\x01", SKIP, MALFORMED),
    ROW("unknown identifier", 0x30, "\x00\x01" "a\x02\x7F\x01", SKIP, MALFORMED),
    ROW("identifier in a gap of the table", 0x30, "\x00\x01" "a\x02\x04\x01", SKIP, MALFORMED),
    ROW("identifier 0", 0x30, "\x00\x01" "a\x02\x00\x01", SKIP, MALFORMED),
    ROW("identifier in a longer form", 0x30, "\x00\x01" "a\x03\x81\x00\x01", SKIP, MALFORMED),
    ROW("identifier of two bytes", 0x30, "\x00\x01" "a\x03\x81\x01\x01", SKIP, MALFORMED),
    ROW("identifier of five bytes", 0x30, "\x00\x01" "a\x06\xFF\xFF\xFF\xFF\x01\x01", SKIP, MALFORMED),
    ROW("Payload Format Indicator 2", 0x30, "\x00\x01" "a\x02\x01\x02", SKIP, PROTOCOL),
    ROW("Payload Format Indicator twice", 0x30, "\x00\x01" "a\x04\x01\x01\x01\x01", SKIP, PROTOCOL),
    ROW("User Property twice", 0x30, "\x00\x01" "a\x0E&\x00\x01k\x00\x01v&\x00\x01k\x00\x01v", SKIP, OK),
    ROW("User Property without value", 0x30, "\x00\x01" "a\x04&\x00\x01k", SKIP, MALFORMED),
    ROW("User Property with a bad name", 0x30, "\x00\x01" "a\x07&\x00\x01\xFF\x00\x01v", SKIP, MALFORMED),
    ROW("User Property with a bad value", 0x30, "\x00\x01" "a\x07&\x00\x01k\x00\x01\x00", SKIP, MALFORMED),
    ROW("Content Type with bad UTF-8", 0x30, "\x00\x01" "a\x04\x03\x00\x01\x80", SKIP, MALFORMED),
    ROW("Correlation Data of any bytes", 0x30, "\x00\x01" "a\x05\x09\x00\x02\x00\xFF", SKIP, OK),
    ROW("Subscription Identifier from a Client", 0x30, "\x00\x01" "a\x02\x0B\x01", SKIP, PROTOCOL),
};
/* clang-format on */

/* clang-format off */
static const struct row acknowledgement_rows[] = {
    ROW("PUBACK without identifier", 0x40, "", MALFORMED, MALFORMED),
    ROW("PUBACK with half of one", 0x40, "\x00", MALFORMED, MALFORMED),
    ROW("PUBACK 0", 0x40, "\x00\x00", PROTOCOL, PROTOCOL),
    ROW("PUBREC 0", 0x50, "\x00\x00", PROTOCOL, PROTOCOL),
    ROW("PUBREL 0", 0x62, "\x00\x00", PROTOCOL, PROTOCOL),
    ROW("PUBCOMP 0", 0x70, "\x00\x00", PROTOCOL, PROTOCOL),
    ROW("PUBACK with a reason", 0x40, "\x00\x01\x10", MALFORMED, OK),
    ROW("PUBACK with an unknown reason", 0x40, "\x00\x01\x03", MALFORMED, PROTOCOL),
    ROW("PUBACK with a reason of PUBREL", 0x40, "\x00\x01\x92", MALFORMED, PROTOCOL),
    ROW("PUBREL with a reason of PUBACK", 0x62, "\x00\x01\x10", MALFORMED, PROTOCOL),
    ROW("PUBACK with reason and no properties", 0x40, "\x00\x01\x00\x00", MALFORMED, OK),
    ROW("PUBACK with reason 0xFF", 0x40, "\x00\x01\xFF", MALFORMED, PROTOCOL),
    ROW("PUBACK with more behind", 0x40, "\x00\x01\x00\x00\x00", MALFORMED, MALFORMED),
    ROW("PUBACK with half a property", 0x40, "\x00\x01\x00\x02\x1F\x00", MALFORMED, MALFORMED),
    ROW("Reason String twice", 0x40, "\x00\x01\x00\x08\x1F\x00\x01r\x1F\x00\x01r", MALFORMED, PROTOCOL),
    /* HOSTILE 58 */
    ROW("SUBACK without codes", 0x90, "\x00\x01", PROTOCOL, MALFORMED),
    ROW("SUBACK with properties and no codes", 0x90, "\x00\x01\x00", SKIP, PROTOCOL),
    ROW("SUBACK 0", 0x90, "\x00\x00\x00\x00", PROTOCOL, PROTOCOL),
    ROW("SUBACK with an unknown code", 0x90, "\x00\x01\x00\x03", PROTOCOL, PROTOCOL),
    ROW("SUBACK with a code of 5", 0x90, "\x00\x01\x00\x87", PROTOCOL, OK),
    ROW("UNSUBACK with codes", 0xB0, "\x00\x01\x00\x11", MALFORMED, OK),
    ROW("UNSUBACK without codes", 0xB0, "\x00\x01\x00", MALFORMED, PROTOCOL),
    ROW("UNSUBACK with a code of SUBACK", 0xB0, "\x00\x01\x00\x01", MALFORMED, PROTOCOL),
    ROW("CONNACK without code", 0x20, "\x00", MALFORMED, MALFORMED),
    ROW("CONNACK with a reserved flag", 0x20, "\x02\x00\x00", MALFORMED, MALFORMED),
    ROW("CONNACK with an unknown code", 0x20, "\x00\x06", PROTOCOL, PROTOCOL),
    ROW("CONNACK with the last code", 0x20, "\x00\x05", OK, PROTOCOL),
    ROW("CONNACK that refuses and has a session", 0x20, "\x01\x05", PROTOCOL, PROTOCOL),
    ROW("the same in 5", 0x20, "\x01\x87\x00", SKIP, PROTOCOL),
    ROW("CONNACK with Maximum QoS 1", 0x20, "\x00\x00\x02\x24\x01", MALFORMED, OK),
    ROW("CONNACK with Maximum QoS 2", 0x20, "\x00\x00\x02\x24\x02", MALFORMED, PROTOCOL),
    ROW("CONNACK with Retain Available 2", 0x20, "\x00\x00\x02\x25\x02", MALFORMED, PROTOCOL),
    ROW("CONNACK with Receive Maximum 0", 0x20, "\x00\x00\x03\x21\x00\x00", MALFORMED, PROTOCOL),
};
/* clang-format on */

/* clang-format off */
static const struct row subscribe_rows[] = {
    ROW("SUBSCRIBE 0", 0x82, "\x00\x00\x00\x00\x01" "a\x00", PROTOCOL, PROTOCOL),
    /* HOSTILE 34 */
    ROW("SUBSCRIBE to nothing", 0x82, "\x00\x01", PROTOCOL, MALFORMED),
    ROW("SUBSCRIBE with properties to nothing", 0x82, "\x00\x01\x00", SKIP, PROTOCOL),
    ROW("UNSUBSCRIBE from nothing", 0xA2, "\x00\x01", PROTOCOL, MALFORMED),
    ROW("UNSUBSCRIBE with properties from nothing", 0xA2, "\x00\x01\x00", SKIP, PROTOCOL),
    ROW("SUBSCRIBE", 0x82, "\x00\x01\x00\x01" "a\x02", OK, SKIP),
    ROW("SUBSCRIBE with QoS 3", 0x82, "\x00\x01\x00\x01" "a\x03", PROTOCOL, SKIP),
    ROW("SUBSCRIBE with a reserved bit", 0x82, "\x00\x01\x00\x01" "a\x04", MALFORMED, SKIP),
    ROW("SUBSCRIBE without options", 0x82, "\x00\x01\x00\x01" "a", MALFORMED, SKIP),
    ROW("SUBSCRIBE in 5", 0x82, "\x00\x01\x00\x00\x01" "a\x2E", SKIP, OK),
    ROW("SUBSCRIBE in 5 with QoS 3", 0x82, "\x00\x01\x00\x00\x01" "a\x03", SKIP, PROTOCOL),
    ROW("SUBSCRIBE with Retain Handling 3", 0x82, "\x00\x01\x00\x00\x01" "a\x30", SKIP, PROTOCOL),
    ROW("SUBSCRIBE with bit 6", 0x82, "\x00\x01\x00\x00\x01" "a\x40", SKIP, MALFORMED),
    ROW("SUBSCRIBE with bit 7", 0x82, "\x00\x01\x00\x00\x01" "a\x80", SKIP, MALFORMED),
    ROW("empty filter", 0x82, "\x00\x01\x00\x00\x00\x00", SKIP, FILTER),
    ROW("# inside", 0x82, "\x00\x01\x00\x00\x03#/a\x00", SKIP, FILTER),
    ROW("+ within a level", 0x82, "\x00\x01\x00\x00\x02" "a+\x00", SKIP, FILTER),
    ROW("the second filter is bad", 0x82, "\x00\x01\x00\x00\x01" "a\x00\x00\x02##\x00", SKIP, FILTER),
    ROW("bad filter in 3.1.1", 0x82, "\x00\x01\x00\x02" "a#\x00", FILTER, SKIP),
    ROW("bad filter to unsubscribe", 0xA2, "\x00\x01\x00\x02" "a#", FILTER, SKIP),
    ROW("bad filter to unsubscribe in 5", 0xA2, "\x00\x01\x00\x00\x02" "a#", SKIP, FILTER),
    /* HOSTILE 28 */
    ROW("filter with U+0000", 0x82, "\x00\x01\x00\x00\x02" "a\x00\x00", SKIP, MALFORMED),
    ROW("filter with bad UTF-8", 0x82, "\x00\x01\x00\x00\x01\xFF\x00", SKIP, MALFORMED),
    /* HOSTILE 32 */
    ROW("$share/", 0x82, "\x00\x01\x00\x00\x07$share/\x00", SKIP, FILTER),
    ROW("$share//t", 0x82, "\x00\x01\x00\x00\x09$share//t\x00", SKIP, FILTER),
    ROW("$share/g", 0x82, "\x00\x01\x00\x00\x08$share/g\x00", SKIP, FILTER),
    ROW("$share/g+/t", 0x82, "\x00\x01\x00\x00\x0B$share/g+/t\x00", SKIP, FILTER),
    ROW("$share/g/t", 0x82, "\x00\x01\x00\x00\x0A$share/g/t\x00", SKIP, OK),
    ROW("$share/g/t with No Local", 0x82, "\x00\x01\x00\x00\x0A$share/g/t\x04", SKIP, PROTOCOL),
    ROW("3.1.1 has no shares", 0x82, "\x00\x01\x00\x08$share/g\x00", OK, SKIP),
    ROW("$share/g unsubscribed", 0xA2, "\x00\x01\x00\x00\x08$share/g", SKIP, FILTER),
    /* HOSTILE 7 */
    ROW("Subscription Identifier", 0x82, "\x00\x01\x05\x0B\xFF\xFF\xFF\x7F\x00\x01" "a\x00", SKIP, OK),
    ROW("Subscription Identifier 0", 0x82, "\x00\x01\x02\x0B\x00\x00\x01" "a\x00", SKIP, PROTOCOL),
    ROW("Subscription Identifier of five bytes", 0x82, "\x00\x01\x06\x0B\xFF\xFF\xFF\xFF\x01\x00\x01" "a\x00", SKIP, MALFORMED),
    ROW("Subscription Identifier twice", 0x82, "\x00\x01\x04\x0B\x01\x0B\x02\x00\x01" "a\x00", SKIP, PROTOCOL),
};
/* clang-format on */

/* clang-format off */
static const struct row other_rows[] = {
    ROW("PINGREQ with content", 0xC0, "\x00", MALFORMED, MALFORMED),
    ROW("PINGRESP with content", 0xD0, "\x00", MALFORMED, MALFORMED),
    ROW("DISCONNECT with a reason", 0xE0, "\x04", MALFORMED, OK),
    ROW("DISCONNECT with a reason of CONNACK", 0xE0, "\x84", MALFORMED, PROTOCOL),
    ROW("DISCONNECT with more behind", 0xE0, "\x00\x00\x00", MALFORMED, MALFORMED),
    ROW("DISCONNECT with Session Expiry", 0xE0, "\x00\x05\x11\x00\x00\x00\x01", MALFORMED, OK),
    ROW("AUTH", 0xF0, "", PROTOCOL, OK),
    ROW("AUTH with a reason alone", 0xF0, "\x18", PROTOCOL, MALFORMED),
    ROW("AUTH without a method", 0xF0, "\x18\x00", PROTOCOL, PROTOCOL),
    ROW("AUTH with data alone", 0xF0, "\x18\x04\x16\x00\x01" "d", PROTOCOL, PROTOCOL),
    ROW("AUTH with a method", 0xF0, "\x18\x04\x15\x00\x01m", PROTOCOL, OK),
    ROW("AUTH with a reason of DISCONNECT", 0xF0, "\x80\x04\x15\x00\x01m", PROTOCOL, PROTOCOL),
    ROW("reserved type 0", 0x00, "", PROTOCOL, PROTOCOL),
};
/* clang-format on */

static void connect_packets_are_checked(void **state)
{
    (void)state;
    check_rows(connect_rows, COUNT(connect_rows));
}

static void publish_packets_are_checked(void **state)
{
    (void)state;
    check_rows(publish_rows, COUNT(publish_rows));
}

static void acknowledgements_are_checked(void **state)
{
    (void)state;
    check_rows(acknowledgement_rows, COUNT(acknowledgement_rows));
}

static void subscriptions_are_checked(void **state)
{
    (void)state;
    check_rows(subscribe_rows, COUNT(subscribe_rows));
}

static void the_other_packets_are_checked(void **state)
{
    (void)state;
    check_rows(other_rows, COUNT(other_rows));
}

static struct span encoded(const struct mqtt_packet *packet)
{
    struct writer out = writer_of(packet_bytes, sizeof packet_bytes);
    mqtt_encode(&out, packet);
    assert_false(out.failed);
    return writer_span(&out);
}

/* HOSTILE 9: each type has one right set of flags, PUBLISH excepted. */
static void wrong_flags_are_malformed(void **state)
{
    (void)state;
    for (unsigned type = MQTT_CONNECT; type <= MQTT_AUTH; type++) {
        struct mqtt_packet sample = mqtt_sample_of((enum mqtt_type)type, MQTT_5);
        struct span bytes = encoded(&sample);
        uint8_t first = bytes.data[0];
        for (uint8_t flags = 0; flags < 16 && type != MQTT_PUBLISH; flags++) {
            packet_bytes[0] = (uint8_t)(first & 0xF0) | flags;
            int expected = packet_bytes[0] == first ? OK : MALFORMED;
            expect(mqtt_type_name(sample.type), bytes, mqtt_receiver_of(sample.type), MQTT_5, expected);
        }
    }
}

/* HOSTILE 8: a Remaining Length that the content does not fill, or overfills, in every type and version. A
 * PUBLISH only has a shorter payload then. */
static void a_remaining_length_off_by_one_is_malformed(void **state)
{
    (void)state;
    for (enum mqtt_version version = MQTT_3_1_1; version <= MQTT_5; version++)
        for (unsigned type = MQTT_CONNECT; type <= MQTT_AUTH; type++) {
            if (type == MQTT_AUTH && version == MQTT_3_1_1)
                continue;
            struct mqtt_packet sample = mqtt_sample_of((enum mqtt_type)type, version);
            struct span bytes = encoded(&sample);
            enum mqtt_role role = mqtt_receiver_of(sample.type);
            for (int by = -1; by <= 1; by += 2) { /* what was framed is as long as before */
                packet_bytes[1] = (uint8_t)(packet_bytes[1] + by);
                expect("framed otherwise", bytes, role, version, MQTT_MALFORMED_PACKET);
                packet_bytes[1] = (uint8_t)(packet_bytes[1] - by);
            }
            if (packet_bytes[1] == 0 || type == MQTT_PUBLISH)
                continue;
            packet_bytes[1]--; /* what was framed is one byte shorter */
            enum mqtt_reason reason = outcome(span_of(bytes.data, bytes.len - 1), role, version);
            if (reason != MQTT_MALFORMED_PACKET && reason != MQTT_PROTOCOL_ERROR)
                fail_msg("%s cut by one byte: 0x%02X", mqtt_type_name(sample.type), reason);
        }
}

/* HOSTILE 10: who receives what, from the table in section 2.1.2. */
static void packets_in_the_wrong_direction_are_protocol_errors(void **state)
{
    (void)state;
    static const struct {
        enum mqtt_type type;
        bool v3_server, v3_client, v5_server, v5_client;
    } rows[] = {
        {MQTT_CONNECT, true, false, true, false},  {MQTT_CONNACK, false, true, false, true},
        {MQTT_PUBLISH, true, true, true, true},    {MQTT_PUBACK, true, true, true, true},
        {MQTT_PUBREC, true, true, true, true},     {MQTT_PUBREL, true, true, true, true},
        {MQTT_PUBCOMP, true, true, true, true},    {MQTT_SUBSCRIBE, true, false, true, false},
        {MQTT_SUBACK, false, true, false, true},   {MQTT_UNSUBSCRIBE, true, false, true, false},
        {MQTT_UNSUBACK, false, true, false, true}, {MQTT_PINGREQ, true, false, true, false},
        {MQTT_PINGRESP, false, true, false, true}, {MQTT_DISCONNECT, true, false, true, true},
        {MQTT_AUTH, false, false, true, true},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *name = mqtt_type_name(rows[i].type);
        struct mqtt_packet v5 = mqtt_sample_of(rows[i].type, MQTT_5);
        expect(name, encoded(&v5), MQTT_SERVER, MQTT_5, rows[i].v5_server ? OK : PROTOCOL);
        expect(name, encoded(&v5), MQTT_CLIENT, MQTT_5, rows[i].v5_client ? OK : PROTOCOL);
        if (rows[i].type == MQTT_AUTH)
            continue;
        struct mqtt_packet v3 = mqtt_sample_of(rows[i].type, MQTT_3_1_1);
        expect(name, encoded(&v3), MQTT_SERVER, MQTT_3_1_1, rows[i].v3_server ? OK : PROTOCOL);
        expect(name, encoded(&v3), MQTT_CLIENT, MQTT_3_1_1, rows[i].v3_client ? OK : PROTOCOL);
    }
    expect("AUTH in 3.1.1", SPAN_LITERAL("\xF0\x00"), MQTT_SERVER, MQTT_3_1_1, MQTT_PROTOCOL_ERROR);
}

/* HOSTILE 27 and 21: time must not grow with the square of a packet. */
static void the_longest_topics_and_property_blocks_are_decoded(void **state)
{
    (void)state;
    static uint8_t body[140000], slashes[65500];
    memset(slashes, '/', sizeof slashes);
    struct writer publish = writer_of(body, sizeof body);
    write_u16_bytes(&publish, span_of(slashes, sizeof slashes));
    expect("65,500 slashes", packet_of(0x30, writer_span(&publish)), MQTT_SERVER, MQTT_3_1_1, MQTT_SUCCESS);
    slashes[sizeof slashes - 1] = '+';
    struct writer subscribe = writer_of(body, sizeof body);
    write_u16(&subscribe, 1);
    write_u16_bytes(&subscribe, span_of(slashes, sizeof slashes));
    write_u8(&subscribe, 0);
    expect("and a +", packet_of(0x82, writer_span(&subscribe)), MQTT_SERVER, MQTT_3_1_1, MQTT_SUCCESS);

    static uint8_t block[131000];
    struct writer properties = writer_of(block, sizeof block);
    for (int i = 0; i < 26000; i++)
        mqtt_write_user_property(&properties, SPAN_EMPTY, SPAN_EMPTY);
    struct writer long_block = writer_of(body, sizeof body);
    write_u16_bytes(&long_block, SPAN_LITERAL("a"));
    write_varint(&long_block, (uint32_t)writer_len(&properties));
    write_bytes(&long_block, writer_span(&properties));
    expect("26,000 properties", packet_of(0x30, writer_span(&long_block)), MQTT_SERVER, MQTT_5, MQTT_SUCCESS);
}

static void a_refused_connect_is_answered_in_its_version(void **state)
{
    (void)state;
    const struct {
        struct span body;
        enum mqtt_version version;
    } rows[] = {
        {SPAN_LITERAL(V3("\x03") "\x00\x01"
                                 "c"),
         MQTT_3_1_1},
        {SPAN_LITERAL(V5("\x03") "\x00"
                                 "\x00\x01"
                                 "c"),
         MQTT_5},
        {SPAN_LITERAL("\x00\x06MQIsdp\x03\x02\x00\x3C\x00\x01"
                      "c"),
         MQTT_3_1_1},
        {SPAN_LITERAL("\x00\x04MQTT\x06\x02\x00\x3C\x00\x00\x01"
                      "c"),
         MQTT_5},
        {SPAN_LITERAL("\x00\x04MQTT"), MQTT_3_1_1},
        {SPAN_EMPTY, MQTT_3_1_1},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(mqtt_connect_version(packet_of(0x10, rows[i].body)), rows[i].version);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_packets_are_checked),
        cmocka_unit_test(publish_packets_are_checked),
        cmocka_unit_test(acknowledgements_are_checked),
        cmocka_unit_test(subscriptions_are_checked),
        cmocka_unit_test(the_other_packets_are_checked),
        cmocka_unit_test(wrong_flags_are_malformed),
        cmocka_unit_test(a_remaining_length_off_by_one_is_malformed),
        cmocka_unit_test(packets_in_the_wrong_direction_are_protocol_errors),
        cmocka_unit_test(the_longest_topics_and_property_blocks_are_decoded),
        cmocka_unit_test(a_refused_connect_is_answered_in_its_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
