#include "mqtt_samples.h"

#include <assert.h>

/* The longest PUBLISH needs a Remaining Length of four bytes. */
static uint8_t payload[2097152];

#define BYTES(literal)                                                                                       \
    {                                                                                                        \
        (const uint8_t *)("" literal), sizeof(literal) - 1                                                   \
    }
#define REPEATED(len)                                                                                        \
    {                                                                                                        \
        payload, len                                                                                         \
    }

static const struct mqtt_sample all[] = {
    {"CONNECT", 0, {.type = MQTT_CONNECT, .connect = {.client_id = BYTES("c"), .clean_start = true}}},
    {"CONNECT without Client Identifier", 0, {.type = MQTT_CONNECT, .connect = {.clean_start = true}}},
    {"CONNECT with everything",
     0,
     {.type = MQTT_CONNECT,
      .connect = {.client_id = BYTES("caf\xC3\xA9"),
                  .keep_alive_s = 65535,
                  .has_will = true,
                  .has_user_name = true,
                  .has_password = true,
                  .will = {.topic = BYTES("farm/c/status"),
                           .payload = BYTES("\x00gone\xFF"),
                           .qos = 2,
                           .retain = true},
                  .user_name = BYTES("user"),
                  .password = BYTES("\x00\xFE")}}},
    {"CONNECT with an empty Will payload",
     0,
     {.type = MQTT_CONNECT,
      .connect = {.client_id = BYTES("c"),
                  .keep_alive_s = 1,
                  .has_will = true,
                  .will = {.topic = BYTES("w"), .qos = 1}}}},
    {"CONNECT with empty User Name and Password",
     0,
     {.type = MQTT_CONNECT,
      .connect = {.client_id = BYTES("c"), .has_user_name = true, .has_password = true}}},
    {"CONNECT with a Password alone",
     MQTT_5,
     {.type = MQTT_CONNECT,
      .connect = {.client_id = BYTES("c"), .has_password = true, .password = BYTES("p")}}},
    {"CONNACK", 0, {.type = MQTT_CONNACK}},
    {"CONNACK with Session Present", 0, {.type = MQTT_CONNACK, .connack = {.session_present = true}}},
    {"CONNACK that refuses", MQTT_3_1_1, {.type = MQTT_CONNACK, .reason = (enum mqtt_reason)5}},
    {"CONNACK that refuses", MQTT_5, {.type = MQTT_CONNACK, .reason = MQTT_NOT_AUTHORIZED}},
    {"PUBLISH", 0, {.type = MQTT_PUBLISH, .publish = {.topic = BYTES("a/b"), .payload = BYTES("21.5")}}},
    {"PUBLISH that clears a retained message",
     0,
     {.type = MQTT_PUBLISH, .publish = {.topic = BYTES("a"), .retain = true}}},
    {"PUBLISH with QoS 1",
     0,
     {.type = MQTT_PUBLISH,
      .packet_id = 1,
      .publish = {.topic = BYTES("/"), .payload = BYTES("\x00"), .qos = 1}}},
    {"PUBLISH with QoS 2, again",
     0,
     {.type = MQTT_PUBLISH,
      .packet_id = 65535,
      .publish = {.topic = BYTES("$x/y"), .payload = BYTES("x"), .qos = 2, .dup = true, .retain = true}}},
    {"PUBLISH with all of a Remaining Length's first byte",
     0,
     {.type = MQTT_PUBLISH, .publish = {.topic = BYTES("a/b"), .payload = REPEATED(127 - 5)}}},
    {"PUBLISH one byte longer",
     0,
     {.type = MQTT_PUBLISH, .publish = {.topic = BYTES("a/b"), .payload = REPEATED(128 - 5)}}},
    {"PUBLISH with all of its second byte",
     0,
     {.type = MQTT_PUBLISH, .publish = {.topic = BYTES("a/b"), .payload = REPEATED(16383 - 5)}}},
    {"PUBLISH one byte longer than that",
     0,
     {.type = MQTT_PUBLISH, .publish = {.topic = BYTES("a/b"), .payload = REPEATED(16384 - 5)}}},
    {"PUBLISH with all four",
     0,
     {.type = MQTT_PUBLISH, .publish = {.topic = BYTES("a/b"), .payload = REPEATED(2097152)}}},
    {"PUBACK", 0, {.type = MQTT_PUBACK, .packet_id = 1}},
    {"PUBACK with a reason", MQTT_5, {.type = MQTT_PUBACK, .packet_id = 2, .reason = MQTT_QUOTA_EXCEEDED}},
    {"PUBREC", 0, {.type = MQTT_PUBREC, .packet_id = 256}},
    {"PUBREC with a reason",
     MQTT_5,
     {.type = MQTT_PUBREC, .packet_id = 3, .reason = MQTT_NO_MATCHING_SUBSCRIBERS}},
    {"PUBREL", 0, {.type = MQTT_PUBREL, .packet_id = 65535}},
    {"PUBREL with a reason",
     MQTT_5,
     {.type = MQTT_PUBREL, .packet_id = 4, .reason = MQTT_PACKET_IDENTIFIER_NOT_FOUND}},
    {"PUBCOMP", 0, {.type = MQTT_PUBCOMP, .packet_id = 1}},
    {"PUBCOMP with a reason",
     MQTT_5,
     {.type = MQTT_PUBCOMP, .packet_id = 5, .reason = MQTT_PACKET_IDENTIFIER_NOT_FOUND}},
    {"SUBSCRIBE", 0, {.type = MQTT_SUBSCRIBE, .packet_id = 1, .filters = {BYTES("\x00\x01#\x00")}}},
    {"SUBSCRIBE to three",
     0,
     {.type = MQTT_SUBSCRIBE,
      .packet_id = 9,
      .filters = {BYTES("\x00\x03"
                        "a/b\x01"
                        "\x00\x03"
                        "+/d\x02"
                        "\x00\x04"
                        "$S/#\x00")}}},
    {"SUBSCRIBE with options",
     MQTT_5,
     {.type = MQTT_SUBSCRIBE,
      .packet_id = 7,
      .filters = {BYTES("\x00\x01"
                        "a\x2E"
                        "\x00\x0B"
                        "$share/g/+/\x19")}}},
    {"SUBACK", 0, {.type = MQTT_SUBACK, .packet_id = 1, .reasons = BYTES("\x00")}},
    {"SUBACK for four", 0, {.type = MQTT_SUBACK, .packet_id = 9, .reasons = BYTES("\x02\x01\x00\x80")}},
    {"SUBACK that refuses",
     MQTT_5,
     {.type = MQTT_SUBACK, .packet_id = 8, .reasons = BYTES("\x83\x87\x8F\x91\x97\x9E\xA1\xA2")}},
    {"UNSUBSCRIBE", 0, {.type = MQTT_UNSUBSCRIBE, .packet_id = 1, .filters = {BYTES("\x00\x01#")}}},
    {"UNSUBSCRIBE from two",
     0,
     {.type = MQTT_UNSUBSCRIBE,
      .packet_id = 9,
      .filters = {BYTES("\x00\x03"
                        "a/b"
                        "\x00\x03"
                        "c/+")}}},
    {"UNSUBACK", MQTT_3_1_1, {.type = MQTT_UNSUBACK, .packet_id = 1}},
    {"UNSUBACK", MQTT_5, {.type = MQTT_UNSUBACK, .packet_id = 1, .reasons = BYTES("\x00")}},
    {"UNSUBACK for seven",
     MQTT_5,
     {.type = MQTT_UNSUBACK, .packet_id = 1, .reasons = BYTES("\x00\x11\x80\x83\x87\x8F\x91")}},
    {"PINGREQ", 0, {.type = MQTT_PINGREQ}},
    {"PINGRESP", 0, {.type = MQTT_PINGRESP}},
    {"DISCONNECT", 0, {.type = MQTT_DISCONNECT}},
    {"DISCONNECT with Will", MQTT_5, {.type = MQTT_DISCONNECT, .reason = MQTT_DISCONNECT_WITH_WILL}},
    {"AUTH", MQTT_5, {.type = MQTT_AUTH}},
    {"AUTH that goes on",
     MQTT_5,
     {.type = MQTT_AUTH,
      .reason = MQTT_CONTINUE_AUTHENTICATION,
      .properties = {BYTES("\x15\x00\x05SCRAM\x16\x00\x02\x00\xFF")}}},
};

size_t mqtt_samples(enum mqtt_version version, struct mqtt_sample ret_samples[MQTT_SAMPLES_MAX])
{
    _Static_assert(sizeof all / sizeof all[0] <= MQTT_SAMPLES_MAX, "room for all");
    memset(payload, 'p', sizeof payload);
    size_t count = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i].only != 0 && all[i].only != version)
            continue;
        ret_samples[count] = all[i];
        ret_samples[count++].packet.version = version;
    }
    return count;
}

struct mqtt_packet mqtt_sample_of(enum mqtt_type type, enum mqtt_version version)
{
    struct mqtt_sample samples[MQTT_SAMPLES_MAX];
    size_t count = mqtt_samples(version, samples), i = 0;
    while (i < count && samples[i].packet.type != type)
        i++;
    assert(i < count);
    return samples[i].packet;
}

enum mqtt_role mqtt_receiver_of(enum mqtt_type type)
{
    switch (type) {
    case MQTT_CONNACK:
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
    case MQTT_PINGRESP: return MQTT_CLIENT;
    default: return MQTT_SERVER;
    }
}
