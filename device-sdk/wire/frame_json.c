#include "frame.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ESCAPED_BYTES_MAX = 6, /* \u001f for one byte */
    NUMBER_BYTES_MAX = 24, /* a sign, 19 digits, a point, and zeros in front of them; any float32 */
    TIME_DECIMALS = 3,
};

static void write_text(struct writer *out, const char *text)
{
    write_bytes(out, span_from_string(text));
}

/* What stands in a JSON string for these bytes of UTF-8. */
static void write_escaped(struct writer *out, struct span text)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte == '"' || byte == '\\') {
            write_u8(out, '\\');
            write_u8(out, byte);
        } else if (byte < 0x20) {
            write_text(out, "\\u00");
            write_u8(out, (uint8_t)hex[byte >> 4]);
            write_u8(out, (uint8_t)hex[byte & 0xF]);
        } else {
            write_u8(out, byte);
        }
    }
}

/* number * 10^-decimals, exactly, without trailing zeros. */
static void write_decimal(struct writer *out, int64_t number, unsigned decimals)
{
    char digits[NUMBER_BYTES_MAX];
    char *at = digits + sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    for (; decimals > 0 && rest % 10 == 0; decimals--)
        rest /= 10;
    for (unsigned i = 0; i <= decimals || rest > 0; i++, rest /= 10) {
        if (i > 0 && i == decimals)
            *--at = '.';
        *--at = (char)('0' + rest % 10);
    }
    if (number < 0)
        *--at = '-';
    write_bytes(out, span_of(at, (size_t)(digits + sizeof digits - at)));
}

static float float_of(int64_t bits)
{
    uint32_t narrow = (uint32_t)bits;
    float value;
    memcpy(&value, &narrow, sizeof value);
    return value;
}

/* The shortest decimal that reads back as the same float. */
static void write_float(struct writer *out, float value)
{
    char text[NUMBER_BYTES_MAX];
    int precision = 6;
    do
        snprintf(text, sizeof text, "%.*g", precision, (double)value);
    while (strtof(text, NULL) != value && precision++ < 9);
    write_text(out, text);
}

static bool has_json(const struct frame_channel *channel, const struct frame_value *value)
{
    return value->present && (channel->type != FRAME_FLOAT32 || isfinite(float_of(value->number)));
}

static void write_value(struct writer *out, const struct frame_channel *channel,
                        const struct frame_value *value)
{
    switch (channel->type) {
    case FRAME_DECIMAL: write_decimal(out, value->number, channel->decimals); break;
    case FRAME_BOOLEAN: write_text(out, value->number ? "true" : "false"); break;
    case FRAME_FLOAT32: write_float(out, float_of(value->number)); break;
    }
}

void frame_write_json(struct writer *out, const struct frame_decoder *decoder, int64_t time_ms,
                      const struct frame_value values[])
{
    write_text(out, "{\"time\":");
    write_decimal(out, time_ms, TIME_DECIMALS);
    for (size_t i = 0; i < decoder->channel_count; i++) {
        const struct frame_channel *channel = &decoder->channels[i];
        if (!has_json(channel, &values[i]))
            continue;
        write_text(out, ",\"");
        write_escaped(out, channel->name);
        write_text(out, "\":");
        write_value(out, channel, &values[i]);
    }
    write_u8(out, '}');
}

static void write_record(struct writer *out, const struct frame_channel *channel,
                         const struct frame_value *value)
{
    write_text(out, "\"n\":\"");
    write_escaped(out, channel->name);
    if (channel->unit.len > 0) {
        write_text(out, "\",\"u\":\"");
        write_escaped(out, channel->unit);
    }
    write_text(out, channel->type == FRAME_BOOLEAN ? "\",\"vb\":" : "\",\"v\":");
    write_value(out, channel, value);
}

static void write_base(struct writer *out, struct span base_name, int64_t base_ms)
{
    if (base_name.len > 0) {
        write_text(out, "\"bn\":\"");
        write_escaped(out, base_name);
        write_text(out, "\",");
    }
    write_text(out, "\"bt\":");
    write_decimal(out, base_ms, TIME_DECIMALS);
    write_u8(out, ',');
}

void frame_write_senml(struct writer *out, struct frame_decoder *decoder, struct span base_name)
{
    struct frame_value values[FRAME_CHANNELS_MAX];
    int64_t time_ms, base_ms = 0;
    bool is_first = true;
    write_u8(out, '[');
    frame_rewind(decoder);
    while (frame_next_sample(decoder, &time_ms, values)) {
        for (size_t i = 0; i < decoder->channel_count; i++) {
            if (!has_json(&decoder->channels[i], &values[i]))
                continue;
            write_text(out, is_first ? "{" : ",{");
            if (is_first) {
                base_ms = time_ms;
                write_base(out, base_name, base_ms);
                is_first = false;
            }
            write_record(out, &decoder->channels[i], &values[i]);
            if (time_ms != base_ms) {
                write_text(out, ",\"t\":");
                write_decimal(out, (int64_t)((uint64_t)time_ms - (uint64_t)base_ms), TIME_DECIMALS);
            }
            write_u8(out, '}');
        }
    }
    frame_rewind(decoder);
    write_u8(out, ']');
}

size_t frame_json_bytes_max(const struct frame_decoder *decoder)
{
    size_t bytes = sizeof "{\"time\":}" + NUMBER_BYTES_MAX;
    for (size_t i = 0; i < decoder->channel_count; i++)
        bytes += sizeof ",\"\":" + decoder->channels[i].name.len * ESCAPED_BYTES_MAX + NUMBER_BYTES_MAX;
    return bytes;
}

size_t frame_senml_bytes_max(const struct frame_decoder *decoder, struct span base_name)
{
    size_t sample_bytes = 0;
    for (size_t i = 0; i < decoder->channel_count; i++) {
        const struct frame_channel *channel = &decoder->channels[i];
        sample_bytes += sizeof ",{\"n\":\"\",\"u\":\"\",\"vb\":,\"t\":}" + NUMBER_BYTES_MAX +
                        NUMBER_BYTES_MAX + (channel->name.len + channel->unit.len) * ESCAPED_BYTES_MAX;
    }
    return sizeof "[\"bn\":\"\",\"bt\":,]" + base_name.len * ESCAPED_BYTES_MAX + NUMBER_BYTES_MAX +
           sample_bytes * decoder->sample_count;
}
