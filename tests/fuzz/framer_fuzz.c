/*
 * A stream of Control Packets from a hostile peer. The first byte of the input
 * picks the role (bit 0) and the version (bit 1). However much of a packet has
 * come, the framer says the same of it: it waits, never beyond the packet's end,
 * and names its size once the header is there.
 */
#include "packet_check.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PACKET_BYTES_MAX = 1 << 20, HEADER_BYTES_MAX = 5 };

/* `part` is a copy of exactly its size, so that the sanitizer sees a read past it. */
static enum sluice_error frame_part(struct span whole, size_t len, struct span *ret_packet)
{
    uint8_t *part = malloc(len + 1);
    memcpy(part, whole.data, len);
    enum sluice_error error = mqtt_frame(span_of(part, len), PACKET_BYTES_MAX, ret_packet);
    free(part);
    return error;
}

static void check_parts(struct span packet)
{
    for (size_t len = 0; len < packet.len; len += len < HEADER_BYTES_MAX ? 1 : 1 + packet.len / 8) {
        struct span part = SPAN_EMPTY;
        require(frame_part(packet, len, &part) == SLUICE_AGAIN);
        require(part.len == 0 || part.len == packet.len);
        require(part.len == packet.len || len < HEADER_BYTES_MAX);
    }
}

/* What is refused is refused by its header alone, and stays refused when more comes. */
static void check_refusal(struct span input, enum sluice_error error)
{
    struct span packet;
    size_t header = input.len < HEADER_BYTES_MAX ? input.len : HEADER_BYTES_MAX;
    if (error == SLUICE_INVALID || error == SLUICE_TOO_LARGE)
        require(frame_part(input, header, &packet) == error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum mqtt_role role = data[0] & 1 ? MQTT_CLIENT : MQTT_SERVER;
    enum mqtt_version version = data[0] & 2 ? MQTT_5 : MQTT_3_1_1;
    struct span input = span_of(data + 1, size - 1), packet;
    enum sluice_error error;
    while ((error = mqtt_frame(input, PACKET_BYTES_MAX, &packet)) == SLUICE_OK) {
        require(packet.len >= 2 && packet.len <= input.len);
        check_parts(packet);
        packet_check(packet, role, version);
        input = span_skip(input, packet.len);
    }
    check_refusal(input, error);
    mqtt_connect_version(input);
    return 0;
}
