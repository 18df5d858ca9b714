#include "frame_coder.h"

/* One walk over the state serves both directions, so that the two cannot disagree. */
struct walk {
    struct writer *out; /* saving, else NULL */
    struct reader *in;
};

static uint64_t pass(struct walk *walk, uint64_t value, size_t size)
{
    if (!walk->out)
        return read_integer(walk->in, size);
    write_integer(walk->out, value, size);
    return value;
}

/* Most questions were never asked: they take a byte, as they are after frame_column_init. */
static void pass_odds(struct walk *walk, struct frame_odds *odds)
{
    odds->seen_count = (uint16_t)pass(walk, odds->seen_count, 1);
    if (odds->seen_count > 0)
        odds->no = (uint16_t)pass(walk, odds->no, 2);
}

static void pass_column(struct walk *walk, struct frame_column *column)
{
    column->last = pass(walk, column->last, 8);
    column->step = pass(walk, column->step, 8);
    column->trend = (int8_t)(uint8_t)pass(walk, (uint8_t)column->trend, 1);
    column->sign = (int8_t)(uint8_t)pass(walk, (uint8_t)column->sign, 1);
    column->was_present = pass(walk, column->was_present, 1) != 0;
    column->started = pass(walk, column->started, 1) != 0;
    struct frame_odds *odds = (struct frame_odds *)(void *)&column->odds;
    for (size_t i = 0; i < sizeof column->odds / sizeof *odds; i++)
        pass_odds(walk, &odds[i]);
}

static void pass_encoder(struct walk *walk, struct frame_encoder *encoder)
{
    encoder->coder.low = (uint32_t)pass(walk, encoder->coder.low, 4);
    encoder->coder.range = (uint32_t)pass(walk, encoder->coder.range, 4);
    encoder->sample_count = (uint16_t)pass(walk, encoder->sample_count, 2);
    encoder->full = pass(walk, encoder->full, 1) != 0;
    encoder->texts_bytes = (size_t)pass(walk, encoder->texts_bytes, 4);
    encoder->texts_sample_bytes = (size_t)pass(walk, encoder->texts_sample_bytes, 4);
    pass_column(walk, &encoder->time);
    for (size_t i = 0; i < encoder->channel_count; i++)
        pass_column(walk, &encoder->columns[i]);
}

void frame_encode_save(struct frame_encoder *encoder, struct writer *out)
{
    struct walk walk = {.out = out};
    write_u32(out, (uint32_t)writer_len(&encoder->out));
    write_bytes(out, span_of(encoder->out.start, writer_len(&encoder->out)));
    pass_encoder(&walk, encoder);
}

bool frame_encode_restore(struct frame_encoder *encoder, struct reader *in)
{
    struct walk walk = {.in = in};
    struct span begun = span_of(encoder->out.start, writer_len(&encoder->out));
    if (encoder->texts)
        begun.len = (size_t)(encoder->texts - encoder->out.start);
    struct span frame = read_bytes(in, read_u32(in));
    if (in->failed || !span_starts_with(frame, begun) ||
        frame.len > (size_t)(encoder->out.end - encoder->out.start))
        return false;
    pass_encoder(&walk, encoder);
    if (in->failed || (encoder->texts && (encoder->texts_bytes > frame.len - begun.len ||
                                          encoder->texts_sample_bytes > encoder->texts_bytes)))
        return false;
    memcpy(encoder->out.start, frame.data, frame.len);
    encoder->out.at = encoder->out.start + frame.len;
    return true;
}
