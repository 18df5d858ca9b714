/*
 * What the codec costs on the path that every message takes: nanoseconds a PUBLISH
 * to find and decode it in a full receive buffer, and to encode it into a full
 * send buffer. 64 bytes of payload, a topic of 22. Build in Release; the best of
 * several rounds is printed, as other work on the machine only adds.
 */
#include "wire/mqtt.h"
#include "wire/topic.h"

#include <stdio.h>
#include <time.h>

enum { PACKETS = 2000, ROUNDS = 2000, BUFFER_BYTES = 262144 };

static uint8_t buffer[BUFFER_BYTES];

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Keeps the compiler from leaving out work whose result nobody reads. */
static void use(const void *result)
{
    __asm__ volatile("" : : "r"(result) : "memory");
}

static size_t encode_all(const struct mqtt_packet *packet)
{
    struct writer out = writer_of(buffer, sizeof buffer);
    for (int i = 0; i < PACKETS; i++)
        mqtt_encode(&out, packet);
    use(&out);
    return writer_len(&out);
}

static void decode_all(size_t len, enum mqtt_version version)
{
    struct span input = span_of(buffer, len), bytes;
    struct mqtt_packet packet;
    enum mqtt_reason reason;
    while (mqtt_frame(input, BUFFER_BYTES, &bytes) == SLUICE_OK &&
           mqtt_decode(bytes, MQTT_SERVER, version, &packet, &reason) == SLUICE_OK) {
        use(&packet);
        input = span_skip(input, bytes.len);
    }
    if (input.len > 0)
        fprintf(stderr, "decoding stopped early\n");
}

static void measure(const char *name, const struct mqtt_packet *packet)
{
    double encode_ns = 1e18, decode_ns = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        size_t len = encode_all(packet);
        double encoded = now_ns();
        decode_all(len, packet->version);
        double decoded = now_ns();
        encode_ns = encoded - start < encode_ns ? encoded - start : encode_ns;
        decode_ns = decoded - encoded < decode_ns ? decoded - encoded : decode_ns;
    }
    printf("%-36s decode %5.1f ns   encode %5.1f ns\n", name, decode_ns / PACKETS, encode_ns / PACKETS);
}

static void measure_matching(void)
{
    struct span name = SPAN_LITERAL("farm/greenhouse-7/temp"), filter = SPAN_LITERAL("farm/+/temp");
    double best_ns = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < PACKETS; i++) {
            use(&name);
            bool matches = topic_matches(filter, name);
            use(&matches);
        }
        double taken = now_ns() - start;
        best_ns = taken < best_ns ? taken : best_ns;
    }
    printf("%-36s match  %5.1f ns\n", "farm/+/temp", best_ns / PACKETS);
}

int main(void)
{
    static const uint8_t payload[64] = "21.5";
    static const uint8_t properties[] = {0x01, 1, 0x23, 0, 7, 0x26, 0, 1, 'k', 0, 1, 'v'};
    struct mqtt_packet packet = {
        .type = MQTT_PUBLISH,
        .publish = {.topic = SPAN_LITERAL("farm/greenhouse-7/temp"),
                    .payload = span_of(payload, sizeof payload)},
    };
    for (enum mqtt_version version = MQTT_3_1_1; version <= MQTT_5; version++)
        for (uint8_t qos = 0; qos <= 1; qos++) {
            char name[64];
            packet.version = version;
            packet.publish.qos = qos;
            packet.packet_id = qos;
            snprintf(name, sizeof name, "MQTT %s, QoS %d", version == MQTT_5 ? "5" : "3.1.1", qos);
            measure(name, &packet);
        }
    packet.properties.bytes = span_of(properties, sizeof properties);
    measure("MQTT 5, QoS 1, three properties", &packet);
    measure_matching();
    return 0;
}
