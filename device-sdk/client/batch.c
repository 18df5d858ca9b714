#include "client/batch.h"

void batch_declare(struct batch *batch, const struct sluice_channel *channels)
{
    static const enum frame_type types[] = {
        [SLUICE_DECIMAL] = FRAME_DECIMAL, [SLUICE_BOOLEAN] = FRAME_BOOLEAN, [SLUICE_FLOAT] = FRAME_FLOAT32};
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

enum sluice_error batch_add(struct batch *batch, uint64_t now_ms, uint64_t time_ms, const double *values)
{
    bool has_clock = time_ms != 0;
    uint64_t stamp_ms = has_clock ? time_ms : now_ms;
    if (stamp_ms > INT64_MAX)
        return SLUICE_INVALID;
    if (batch->finished.len > 0 || batch->sample_count == FRAME_SAMPLES_TAKEN ||
        (batch->sample_count > 0 && batch->has_clock != has_clock))
        return SLUICE_FULL;
    if (batch->sample_count == 0) {
        enum sluice_error error = start(batch, has_clock);
        if (error)
            return error;
        batch->first_ms = now_ms;
    }
    struct frame_value row[FRAME_CHANNELS_MAX];
    for (size_t i = 0; i < batch->channel_count; i++)
        row[i] = frame_value_of(values[i], &batch->channels[i]);
    enum sluice_error error = frame_encode_sample(&batch->encoder, (int64_t)stamp_ms, row);
    if (!error)
        batch->sample_count++;
    return error;
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
