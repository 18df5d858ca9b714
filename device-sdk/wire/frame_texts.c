#include "frame_coder.h"
#include "topic.h"

/*
 * The texts grow in their place in the frame, and push the body behind them away
 * each time: a text is new seldom, and so the encoder needs no memory but the
 * frame's. Between two samples nothing points into the body but the writer.
 */

static void set_texts_bytes(struct frame_encoder *encoder, size_t bytes)
{
    uint8_t *body = encoder->texts + encoder->texts_bytes;
    uint8_t *to = encoder->texts + bytes;
    size_t body_bytes = (size_t)(encoder->out.at - body);
    memmove(to, body, body_bytes);
    encoder->out.at = to + body_bytes;
    encoder->texts_bytes = bytes;
}

static size_t text_count(const struct frame_encoder *encoder)
{
    return (size_t)encoder->texts[0] << 8 | encoder->texts[1];
}

static void set_text_count(struct frame_encoder *encoder, size_t count)
{
    encoder->texts[0] = (uint8_t)(count >> 8);
    encoder->texts[1] = (uint8_t)count;
}

/* The place of the text in the list, or the count of the list. */
static size_t find(const struct frame_encoder *encoder, struct span text)
{
    size_t count = text_count(encoder), place = 0;
    const uint8_t *at = encoder->texts + FRAME_TEXTS_COUNT_BYTES;
    for (; place < count && !span_equal(span_of(at + 1, *at), text); place++)
        at += 1 + *at;
    return place;
}

static bool append(struct frame_encoder *encoder, struct span text)
{
    size_t count = text_count(encoder), end = encoder->texts_bytes;
    if (count == FRAME_TEXTS_MAX || text.len + 1 > (size_t)(encoder->out.end - encoder->out.at))
        return false;
    set_texts_bytes(encoder, end + 1 + text.len);
    set_text_count(encoder, count + 1);
    struct writer out = writer_of(encoder->texts + end, 1 + text.len);
    write_u8(&out, (uint8_t)text.len);
    write_bytes(&out, text);
    return true;
}

enum sluice_error frame_encode_text(struct frame_encoder *encoder, struct span text,
                                    struct frame_value *ret_value)
{
    if (!encoder->texts || text.len > FRAME_TEXT_BYTES_MAX || !utf8_valid(text))
        return SLUICE_INVALID;
    if (encoder->full)
        return SLUICE_FULL;
    size_t place = find(encoder, text);
    if (place == text_count(encoder) && !append(encoder, text)) {
        encoder->full = true;
        return SLUICE_FULL;
    }
    *ret_value = (struct frame_value){true, (int64_t)place};
    return SLUICE_OK;
}

void frame_drop_texts(struct frame_encoder *encoder)
{
    if (encoder->texts_bytes == encoder->texts_sample_bytes)
        return;
    size_t count = 0;
    const uint8_t *at = encoder->texts + FRAME_TEXTS_COUNT_BYTES;
    for (; at < encoder->texts + encoder->texts_sample_bytes; at += 1 + *at)
        count++;
    set_text_count(encoder, count);
    set_texts_bytes(encoder, encoder->texts_sample_bytes);
}
