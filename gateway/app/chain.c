/*
 * How many functions a message has passed by their results and records, one after another. Functions that
 * feed each other, or themselves, would pass a message round for ever; so there is a bound, as in Lambda.
 *
 * The depth is a User Property, so that it goes along through the journal and over uplinks; a result of the
 * first function needs none, since the gateway is its publisher.
 */
#include "app/functions_internal.h"

#include "base/digits.h"
#include "broker/access.h"
#include "wire/mqtt.h"

#define DEPTH_PROPERTY SPAN_LITERAL("sluice-depth")

enum { DEPTH_DIGITS = 6, PROPERTY_BYTES = 64 };

static uint32_t read_depth(struct span digits)
{
    uint32_t depth = 0;
    for (size_t i = 0; i < digits.len && i < DEPTH_DIGITS; i++) {
        if (digits.data[i] >= '0' && digits.data[i] <= '9')
            depth = depth * 10 + (uint32_t)(digits.data[i] - '0');
    }
    return depth;
}

uint32_t chain_depth(const struct message *message)
{
    struct reader at = reader_of(message->properties);
    struct mqtt_property_value value;
    while (mqtt_property_next(&at, &value)) {
        if (value.id == MQTT_USER_PROPERTY && span_equal(value.name, DEPTH_PROPERTY))
            return read_depth(value.bytes);
    }
    return message->publisher_kind == IDENTITY_INTERNAL && message->client_id.len == 0;
}

void chain_continue(uint32_t depth, struct parcel *parcel, struct buffer *out_properties)
{
    if (depth == 0 && !parcel->function)
        return;
    char digits[DECIMAL_BYTES];
    struct writer block = writer_of(buffer_reserve(out_properties, PROPERTY_BYTES), PROPERTY_BYTES);
    mqtt_write_user_property(&block, DEPTH_PROPERTY, decimal_write(depth + 1, digits));
    buffer_grown(out_properties, writer_len(&block));
    parcel->message.properties = buffer_span(out_properties);
}
