#include "packet_check.h"

#include <stdlib.h>

void require(bool condition)
{
    if (!condition)
        abort();
}

/* Encodes to memory of exactly the promised size, so that the sanitizer sees a byte too many. */
static struct span encode(const struct mqtt_packet *packet)
{
    size_t size = mqtt_encoded_size(packet);
    require(size > 0);
    struct writer out = writer_of(malloc(size), size);
    mqtt_encode(&out, packet);
    require(!out.failed && writer_len(&out) == size);
    return writer_span(&out);
}

void packet_check_properties(struct mqtt_properties properties)
{
    struct writer again = writer_of(malloc(properties.bytes.len + 1), properties.bytes.len);
    struct mqtt_property_value value;
    struct reader at = reader_of(properties.bytes);
    while (mqtt_property_next(&at, &value)) {
        if (value.name.data)
            mqtt_write_user_property(&again, value.name, value.bytes);
        else if (value.bytes.data)
            mqtt_write_bytes_property(&again, value.id, value.bytes);
        else
            mqtt_write_number_property(&again, value.id, value.number);
    }
    require(!at.failed && span_equal(writer_span(&again), properties.bytes));
    free(again.start);
}

/* The same for the list of filters. */
static void check_filters(const struct mqtt_packet *packet)
{
    struct span list = packet->filters.list;
    struct writer again = writer_of(malloc(list.len), list.len);
    struct mqtt_filter filter;
    struct reader at = reader_of(list);
    while (mqtt_filter_next(&at, packet->type, &filter))
        mqtt_write_filter(&again, packet->type, &filter);
    require(!at.failed && span_equal(writer_span(&again), list));
    free(again.start);
}

void packet_check(struct span bytes, enum mqtt_role role, enum mqtt_version version)
{
    struct mqtt_packet packet, again;
    enum mqtt_reason reason = MQTT_SUCCESS;
    if (mqtt_decode(bytes, role, version, &packet, &reason) != SLUICE_OK) {
        require(reason >= MQTT_UNSPECIFIED_ERROR);
        return;
    }
    packet_check_properties(packet.properties);
    if (packet.type == MQTT_CONNECT)
        packet_check_properties(packet.connect.will.properties);
    if (packet.type == MQTT_SUBSCRIBE || packet.type == MQTT_UNSUBSCRIBE)
        check_filters(&packet);
    struct span first = encode(&packet);
    require(mqtt_decode(first, role, version, &again, &reason) == SLUICE_OK);
    struct span second = encode(&again);
    require(span_equal(first, second));
    free((void *)second.data);
    free((void *)first.data);
}
