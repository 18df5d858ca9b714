#include "client/batch.h"

void batch_declare(struct batch *batch, const struct sluice_channel *channels)
{
    static const enum frame_type types[] = {[SLUICE_DECIMAL] = FRAME_DECIMAL,
                                            [SLUICE_BOOLEAN] = FRAME_BOOLEAN,
                                            [SLUICE_FLOAT] = FRAME_FLOAT32,
                                            [SLUICE_TEXT] = FRAME_TEXT};
    for (size_t i = 0; i < batch->channel_count; i++)
        batch->channels[i] = (struct frame_channel){
            .name = span_from_string(channels[i].name),
            .unit = span_from_string(channels[i].unit),
            .type = types[channels[i].type],
            .decimals = channels[i].type == SLUICE_DECIMAL ? channels[i].decimals : 0,
        };
}

static enum sluice_error start(struct batch *batch, bool has_clock)
{
    batch->has_clock = has_clock;
    return frame_encode_start(&batch->encoder, batch->channels, batch->columns, batch->channel_count,
                              has_clock, batch->memory, batch->capacity_bytes);
}

enum sluice_error batch_check(struct batch *batch)
{
    return start(batch, true);
}

/* Makes sure that there is a frame for the sample, and rounds its numbers to the channels. */
static enum sluice_error begin(struct batch *batch, const struct batch_sample *sample,
                               struct frame_value ret_row[])
{
    bool has_clock = sample->time_ms != 0;
    if ((has_clock ? sample->time_ms : sample->now_ms) > INT64_MAX)
        return SLUICE_INVALID;
    if (batch->finished.len > 0 || batch->sample_count == FRAME_SAMPLES_TAKEN ||
        (batch->sample_count + 1) * batch->channel_count > FRAME_VALUES_TAKEN ||
        (batch->sample_count > 0 && batch->has_clock != has_clock))
        return SLUICE_FULL;
    if (batch->sample_count == 0) {
        enum sluice_error error = start(batch, has_clock);
        if (error)
            return error;
        batch->first_ms = sample->now_ms;
    }
    for (size_t i = 0; i < batch->channel_count; i++)
        ret_row[i] = frame_value_of(sample->values[i], &batch->channels[i]);
    return SLUICE_OK;
}

static enum sluice_error encode(struct batch *batch, const struct batch_sample *sample,
                                const struct frame_value row[])
{
    int64_t time_ms = (int64_t)(batch->has_clock ? sample->time_ms : sample->now_ms);
    enum sluice_error error = frame_encode_sample(&batch->encoder, time_ms, row);
    if (!error)
        batch->sample_count++;
    return error;
}

enum sluice_error batch_add(struct batch *batch, const struct batch_sample *sample)
{
    struct frame_value row[FRAME_CHANNELS_MAX];
    enum sluice_error error = begin(batch, sample, row);
    return error ? error : encode(batch, sample, row);
}

enum sluice_error batch_add_texts(struct batch *batch, const struct batch_sample *sample)
{
    struct frame_value row[FRAME_CHANNELS_MAX];
    enum sluice_error error = begin(batch, sample, row);
    if (error)
        return error;
    for (size_t i = 0; i < batch->channel_count && !error; i++)
        if (batch->channels[i].type == FRAME_TEXT && sample->texts[i])
            error = frame_encode_text(&batch->encoder, span_from_string(sample->texts[i]), &row[i]);
    if (!error)
        error = encode(batch, sample, row);
    if (error)
        frame_drop_texts(&batch->encoder);
    return error == SLUICE_FULL && batch->sample_count == 0 ? SLUICE_TOO_LARGE : error;
}

struct span batch_finish(struct batch *batch)
{
    if (batch->finished.len == 0 && batch->sample_count > 0)
        batch->finished = frame_encode_finish(&batch->encoder);
    return batch->finished;
}

void batch_clear(struct batch *batch)
{
    batch->finished = SPAN_EMPTY;
    batch->sample_count = 0;
}
