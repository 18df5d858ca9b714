#include "uplink/properties.h"

#include "wire/mqtt.h"

/* Paho's strings are not constant; it copies them. */
static MQTTLenString string_of(struct span bytes)
{
    return (MQTTLenString){(int)bytes.len, (char *)(uintptr_t)bytes.data};
}

static struct span span_of_string(MQTTLenString string)
{
    return span_of(string.data, (size_t)string.len);
}

void properties_read(struct span block, MQTTProperties *out)
{
    struct reader at = reader_of(block);
    struct mqtt_property_value value;
    while (mqtt_property_next(&at, &value)) {
        MQTTProperty property = {.identifier = (enum MQTTPropertyCodes)value.id};
        switch (value.id) {
        case MQTT_PAYLOAD_FORMAT_INDICATOR: property.value.byte = (unsigned char)value.number; break;
        case MQTT_MESSAGE_EXPIRY_INTERVAL: property.value.integer4 = value.number; break;
        case MQTT_USER_PROPERTY:
            property.value.data = string_of(value.name);
            property.value.value = string_of(value.bytes);
            break;
        default: property.value.data = string_of(value.bytes); break;
        }
        MQTTProperties_add(out, &property);
    }
}

static void write_one(const MQTTProperty *property, struct writer *block)
{
    enum mqtt_property id = (enum mqtt_property)property->identifier;
    switch (id) {
    case MQTT_PAYLOAD_FORMAT_INDICATOR: mqtt_write_number_property(block, id, property->value.byte); break;
    case MQTT_MESSAGE_EXPIRY_INTERVAL: mqtt_write_number_property(block, id, property->value.integer4); break;
    case MQTT_CONTENT_TYPE:
    case MQTT_RESPONSE_TOPIC:
    case MQTT_CORRELATION_DATA:
        mqtt_write_bytes_property(block, id, span_of_string(property->value.data));
        break;
    case MQTT_USER_PROPERTY:
        mqtt_write_user_property(block, span_of_string(property->value.data),
                                 span_of_string(property->value.value));
        break;
    default: break;
    }
}

void properties_write(const MQTTProperties *properties, struct buffer *out)
{
    size_t capacity = (size_t)properties->length;
    struct writer block = writer_of(buffer_reserve(out, capacity), capacity);
    for (int i = 0; i < properties->count; i++)
        write_one(&properties->array[i], &block);
    if (!block.failed)
        buffer_grown(out, writer_len(&block));
}
