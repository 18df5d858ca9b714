/*
 * One Control Packet of a family, FUZZ_TYPES, with arbitrary content. The first
 * byte picks the role (bit 0), the version (bit 1) and the type (the rest), the
 * second the fixed header's flags; what follows gets the Remaining Length that it
 * has, so that no input is lost on the framing.
 */
#include "packet_check.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum mqtt_type types[] = {FUZZ_TYPES};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum mqtt_role role = data[0] & 1 ? MQTT_CLIENT : MQTT_SERVER;
    enum mqtt_version version = data[0] & 2 ? MQTT_5 : MQTT_3_1_1;
    enum mqtt_type type = types[(data[0] >> 2) % (sizeof types / sizeof *types)];
    struct span content = span_of(data + 2, size - 2);
    size_t bytes = content.len + 5;
    struct writer out = writer_of(malloc(bytes), bytes);
    write_u8(&out, (uint8_t)((unsigned)type << 4 | (data[1] & 15u)));
    write_varint(&out, (uint32_t)content.len);
    write_bytes(&out, content);
    packet_check(writer_span(&out), role, version);
    free(out.start);
    return 0;
}
