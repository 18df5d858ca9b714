/*
 * A property block in any place. The first byte is the role (bit 0) and the place
 * (the rest): a packet type or the Will. A block that is accepted is walked to its
 * end, is written again as the same bytes, and what is looked up in it is what the
 * walk finds.
 */
#include "packet_check.h"
#include "wire/mqtt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lookup(struct mqtt_properties properties, const struct mqtt_property_value *value)
{
    struct span bytes;
    if (value->name.data) /* a User Property, of which there may be many */
        return;
    if (value->bytes.data)
        require(mqtt_property_bytes(properties, value->id, &bytes) && span_equal(bytes, value->bytes));
    else if (value->id != MQTT_SUBSCRIPTION_IDENTIFIER) /* many, too */
        require(mqtt_property_number(properties, value->id, ~value->number) == value->number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum mqtt_role role = data[0] & 1 ? MQTT_CLIENT : MQTT_SERVER;
    struct mqtt_properties properties = {span_of(data + 1, size - 1)};
    enum mqtt_reason reason = mqtt_properties_check(properties.bytes, (data[0] >> 1) & 15u, role);
    if (reason != MQTT_SUCCESS) {
        require(reason >= MQTT_UNSPECIFIED_ERROR);
        return 0;
    }
    packet_check_properties(properties);
    struct mqtt_property_value value;
    for (struct reader at = reader_of(properties.bytes); mqtt_property_next(&at, &value);)
        check_lookup(properties, &value);
    return 0;
}
