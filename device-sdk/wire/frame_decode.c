#include "frame_coder.h"
#include "topic.h"

static struct span read_text(struct reader *reader)
{
    uint8_t len = read_u8(reader);
    if (len < FRAME_COMMON_TEXT)
        return read_bytes(reader, len);
    struct span text = frame_common_text(len - FRAME_COMMON_TEXT);
    if (text.len == 0)
        reader_fail(reader);
    return text;
}

static enum sluice_error read_texts(struct reader *reader, struct frame_decoder *decoder)
{
    decoder->text_count = 0;
    if (!frame_has_texts(decoder->channels, decoder->channel_count))
        return SLUICE_OK;
    size_t count = read_u16(reader);
    if (count > FRAME_TEXTS_MAX)
        return SLUICE_INVALID;
    while (decoder->text_count < count) {
        decoder->texts[decoder->text_count++] = reader->at;
        struct span text = read_bytes(reader, read_u8(reader));
        if (reader->failed || !utf8_valid(text))
            return SLUICE_INVALID;
    }
    return reader->failed ? SLUICE_INVALID : SLUICE_OK;
}

static enum sluice_error read_header(struct reader *reader, const struct frame_limits *limits,
                                     struct frame_decoder *decoder)
{
    uint8_t version = read_u8(reader);
    if (version >> 4 != FRAME_VERSION || (version & 0xF & ~FRAME_FLAG_HAS_CLOCK))
        return SLUICE_INVALID;
    decoder->has_clock = version & FRAME_FLAG_HAS_CLOCK;
    decoder->channel_count = read_u8(reader);
    if (decoder->channel_count > FRAME_CHANNELS_MAX)
        return SLUICE_INVALID;
    if (decoder->channel_count > limits->max_channels ||
        decoder->channel_count * (uint64_t)decoder->sample_count > limits->max_values)
        return SLUICE_TOO_LARGE;
    for (size_t i = 0; i < decoder->channel_count; i++) {
        struct frame_channel *channel = &decoder->channels[i];
        uint8_t type = read_u8(reader);
        channel->type = (enum frame_type)(type >> 4);
        channel->decimals = type & 0xF;
        channel->name = read_text(reader);
        channel->unit = read_text(reader);
    }
    if (reader->failed || !frame_channels_valid(decoder->channels, decoder->channel_count))
        return SLUICE_INVALID;
    return read_texts(reader, decoder);
}

void frame_rewind(struct frame_decoder *decoder)
{
    frame_coder_init_decoder(&decoder->coder, decoder->body);
    frame_column_init(&decoder->time, 1);
    for (size_t i = 0; i < decoder->channel_count; i++)
        frame_column_init(&decoder->columns[i], 0);
    decoder->left_count = decoder->sample_count;
}

bool frame_next_sample(struct frame_decoder *decoder, int64_t *ret_time_ms, struct frame_value ret_values[])
{
    if (decoder->left_count == 0)
        return false;
    decoder->left_count--;
    uint64_t time_ms = frame_code_number(&decoder->coder, &decoder->time, 0);
    for (size_t i = 0; i < decoder->channel_count; i++) {
        ret_values[i] = (struct frame_value){0}; /* a coder reads what it does not use */
        frame_code_value(&decoder->coder, decoder->channels[i].type, &decoder->columns[i], &ret_values[i]);
    }
    *ret_time_ms = (int64_t)(decoder->origin_ms + time_ms);
    return true;
}

struct span frame_text(const struct frame_decoder *decoder, const struct frame_value *value)
{
    const uint8_t *text = decoder->texts[value->number];
    return span_of(text + 1, *text);
}

static bool texts_exist(const struct frame_decoder *decoder, const struct frame_value values[])
{
    for (size_t i = 0; i < decoder->channel_count; i++)
        if (decoder->channels[i].type == FRAME_TEXT && values[i].present &&
            (uint64_t)values[i].number >= decoder->text_count)
            return false;
    return true;
}

/* Decodes every sample, to know that the body is the right length, that it names texts which there are, and
 * when it ends. */
static enum sluice_error check_body(struct frame_decoder *decoder, int64_t *ret_last_ms)
{
    struct frame_value values[FRAME_CHANNELS_MAX];
    int64_t time_ms = 0;
    frame_rewind(decoder);
    while (decoder->coder.past_end_count <= FRAME_PAST_END_COUNT &&
           frame_next_sample(decoder, &time_ms, values))
        if (!texts_exist(decoder, values))
            return SLUICE_INVALID;
    if (decoder->left_count > 0 || decoder->coder.past_end_count != FRAME_PAST_END_COUNT)
        return SLUICE_INVALID;
    *ret_last_ms = time_ms;
    return SLUICE_OK;
}

enum sluice_error frame_decode_open(struct frame_decoder *decoder, struct span frame,
                                    const struct frame_limits *limits, uint64_t received_ms)
{
    if (!frame_is(frame) || frame.len <= FRAME_MAGIC.len + FRAME_TRAILER_BYTES)
        return SLUICE_INVALID;
    struct reader trailer = reader_of(span_skip(frame, frame.len - FRAME_TRAILER_BYTES));
    decoder->sample_count = read_u16(&trailer);
    if (decoder->sample_count == 0 ||
        read_u16(&trailer) != frame_checksum(span_of(frame.data, frame.len - 2)))
        return SLUICE_INVALID;
    if (decoder->sample_count > limits->max_samples)
        return SLUICE_TOO_LARGE;
    struct span inside = span_skip(frame, FRAME_MAGIC.len);
    struct reader reader = reader_of(span_of(inside.data, inside.len - FRAME_TRAILER_BYTES));
    enum sluice_error error = read_header(&reader, limits, decoder);
    if (error)
        return error;
    decoder->body = read_rest(&reader);
    decoder->origin_ms = 0;
    int64_t last_ms;
    error = check_body(decoder, &last_ms);
    if (error)
        return error;
    if (!decoder->has_clock)
        decoder->origin_ms = received_ms - (uint64_t)last_ms;
    frame_rewind(decoder);
    return SLUICE_OK;
}
