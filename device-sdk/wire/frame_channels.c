#include "frame_coder.h"
#include "topic.h"

/* Units as SenML has them, then names that many devices use. Frames carry places in this list: it is a part
 * of version 1 and changes only at its end. */
static const char common_texts[] =
    "Cel K %RH Pa hPa V mV A mA W kW Wh kWh J Ah VA var Ohm Hz % / m mm m/s m/s2 deg rad lat lon lx "
    "W/m2 kg g l l/s m3 N s ms min h MB B MB/s B/s bit/s count 1/min dB dBm ppm ug/m3 pH "
    "temperature humidity pressure battery voltage current power energy frequency illuminance co2 level "
    "flow speed distance state counter signal load memory cpu disk uptime";

static bool next_common(const char **at, struct span *ret_text)
{
    size_t len = strcspn(*at, " ");
    if (len == 0)
        return false;
    *ret_text = span_of(*at, len);
    *at += (*at)[len] == ' ' ? len + 1 : len;
    return true;
}

struct span frame_common_text(unsigned place)
{
    const char *at = common_texts;
    struct span text;
    for (unsigned i = 0; next_common(&at, &text); i++)
        if (i == place)
            return text;
    return SPAN_EMPTY;
}

bool frame_common_place(struct span wanted, unsigned *ret_place)
{
    const char *at = common_texts;
    struct span text;
    for (unsigned i = 0; next_common(&at, &text); i++) {
        if (span_equal(text, wanted)) {
            *ret_place = i;
            return true;
        }
    }
    return false;
}

bool frame_has_texts(const struct frame_channel channels[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (channels[i].type == FRAME_TEXT)
            return true;
    return false;
}

static bool text_valid(struct span text, size_t max_bytes)
{
    return text.len <= max_bytes && utf8_valid(text);
}

static bool channel_valid(const struct frame_channel *channel)
{
    switch (channel->type) {
    case FRAME_DECIMAL:
        if (channel->decimals > FRAME_DECIMALS_MAX)
            return false;
        break;
    case FRAME_BOOLEAN:
    case FRAME_FLOAT32:
    case FRAME_TEXT:
        if (channel->decimals != 0)
            return false;
        break;
    default: return false;
    }
    return channel->name.len > 0 && text_valid(channel->name, FRAME_NAME_BYTES_MAX) &&
           text_valid(channel->unit, FRAME_UNIT_BYTES_MAX) &&
           !span_equal(channel->name, SPAN_LITERAL("time"));
}

bool frame_channels_valid(const struct frame_channel channels[], size_t count)
{
    if (count == 0 || count > FRAME_CHANNELS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!channel_valid(&channels[i]))
            return false;
        for (size_t j = 0; j < i; j++)
            if (span_equal(channels[i].name, channels[j].name))
                return false;
    }
    return true;
}
