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

static void write_string(struct writer *out, struct span text)
{
    write_u8(out, '"');
    write_escaped(out, text);
    write_u8(out, '"');
}

static void write_value(struct writer *out, const struct frame_decoder *decoder,
                        const struct frame_channel *channel, const struct frame_value *value)
{
    switch (channel->type) {
    case FRAME_DECIMAL: write_decimal(out, value->number, channel->decimals); break;
    case FRAME_BOOLEAN: write_text(out, value->number ? "true" : "false"); break;
    case FRAME_FLOAT32: write_float(out, float_of(value->number)); break;
    case FRAME_TEXT: write_string(out, frame_text(decoder, value)); break;
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
        write_u8(out, ',');
        write_string(out, channel->name);
        write_u8(out, ':');
        write_value(out, decoder, channel, &values[i]);
    }
    write_u8(out, '}');
}

static void write_record(struct writer *out, const struct frame_decoder *decoder,
                         const struct frame_channel *channel, const struct frame_value *value)
{
    static const char *const labels[] = {[FRAME_DECIMAL] = ",\"v\":",
                                         [FRAME_BOOLEAN] = ",\"vb\":",
                                         [FRAME_FLOAT32] = ",\"v\":",
                                         [FRAME_TEXT] = ",\"vs\":"};
    write_text(out, "\"n\":");
    write_string(out, channel->name);
    if (channel->unit.len > 0) {
        write_text(out, ",\"u\":");
        write_string(out, channel->unit);
    }
    write_text(out, labels[channel->type]);
    write_value(out, decoder, channel, value);
}

static void write_base(struct writer *out, struct span base_name, int64_t base_ms)
{
    if (base_name.len > 0) {
        write_text(out, "\"bn\":");
        write_string(out, base_name);
        write_u8(out, ',');
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
            write_record(out, decoder, &decoder->channels[i], &values[i]);
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

static size_t string_bytes_max(struct span text)
{
    return sizeof "\"\"" + text.len * ESCAPED_BYTES_MAX;
}

static size_t longest_text_bytes_max(const struct frame_decoder *decoder)
{
    size_t bytes = 0;
    for (size_t i = 0; i < decoder->text_count; i++) {
        size_t text_bytes = string_bytes_max(frame_text(decoder, &(struct frame_value){true, (int64_t)i}));
        bytes = text_bytes > bytes ? text_bytes : bytes;
    }
    return bytes;
}

size_t frame_json_bytes_max(const struct frame_decoder *decoder)
{
    size_t bytes = sizeof "{\"time\":}" + NUMBER_BYTES_MAX, text_bytes = longest_text_bytes_max(decoder);
    for (size_t i = 0; i < decoder->channel_count; i++) {
        const struct frame_channel *channel = &decoder->channels[i];
        bytes += sizeof ",:" + string_bytes_max(channel->name) +
                 (channel->type == FRAME_TEXT ? text_bytes : NUMBER_BYTES_MAX);
    }
    return bytes;
}

static size_t record_bytes_max(const struct frame_decoder *decoder, size_t i, const struct frame_value *value)
{
    const struct frame_channel *channel = &decoder->channels[i];
    return sizeof ",{\"n\":,\"u\":,\"vs\":,\"t\":}" + NUMBER_BYTES_MAX + string_bytes_max(channel->name) +
           string_bytes_max(channel->unit) +
           (channel->type == FRAME_TEXT ? string_bytes_max(frame_text(decoder, value)) : NUMBER_BYTES_MAX);
}

/* Of the values that are there: with all of 64 channels and the longest text, a frame of a few hundred bytes
 * would ask for 500 MB. */
size_t frame_senml_bytes_max(struct frame_decoder *decoder, struct span base_name)
{
    struct frame_value values[FRAME_CHANNELS_MAX];
    int64_t time_ms;
    size_t bytes = sizeof "[\"bn\":,\"bt\":,]" + string_bytes_max(base_name) + NUMBER_BYTES_MAX;
    frame_rewind(decoder);
    while (frame_next_sample(decoder, &time_ms, values))
        for (size_t i = 0; i < decoder->channel_count; i++)
            if (values[i].present)
                bytes += record_bytes_max(decoder, i, &values[i]);
    frame_rewind(decoder);
    return bytes;
}
