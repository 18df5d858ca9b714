/* Apart from device.c, so that a device that keeps its RAM does not link it. */
#include "client/crc32.h"
#include "client/device_internal.h"

enum {
    MAGIC = 0x534c5331, /* "SLS1" */
    BATCH_NONE = 0,
    BATCH_OPEN = 1,
    BATCH_FINISHED = 2,
    CRC_BYTES = 4,
};

/*
 * What is saved: the magic; the CRC of the filters that the gateway has of us, or 0;
 * the kind of the frame under construction, and it; the packets, each with its
 * length, Packet Identifier, count of samples and state; the CRC-32 of all that.
 */

static uint32_t filters_crc(const struct engine *engine)
{
    return crc32_of(0, engine->filters.list);
}

static void save_batch(struct batch *batch, uint64_t now_ms, struct writer *out)
{
    if (batch->sample_count == 0) {
        write_u8(out, BATCH_NONE);
        return;
    }
    bool finished = batch->finished.len > 0;
    write_u8(out, finished ? BATCH_FINISHED : BATCH_OPEN);
    write_u16(out, (uint16_t)batch->sample_count);
    write_u64(out, now_ms - batch->first_ms);
    if (finished) {
        write_u32(out, (uint32_t)batch->finished.len);
        write_bytes(out, batch->finished);
    } else {
        frame_encode_save(&batch->encoder, out);
    }
}

static void save_packets(const struct outbox *outbox, struct writer *out)
{
    for (struct outbox_entry *entry = outbox_first(outbox); entry; entry = outbox_next(outbox, entry)) {
        if (entry->state == OUTBOX_DONE || entry->stored)
            continue;
        write_u32(out, entry->len);
        write_u16(out, entry->packet_id);
        write_u16(out, entry->sample_count);
        write_u8(out, entry->state == OUTBOX_WAITING ? OUTBOX_WAITING : OUTBOX_AGAIN);
        write_bytes(out, span_of(outbox_packet(entry), entry->len));
    }
}

enum sluice_error sluice_device_save(struct sluice_device *device, uint64_t now_ms, void *memory,
                                     size_t capacity_bytes, size_t *ret_len)
{
    struct engine *engine = &device->engine;
    if (device->batch.sample_count > 0 && !device->batch.has_clock)
        sluice_device_flush(
            device); /* its times mean nothing after the sleep; where it is full, it is finished */
    struct writer out = writer_of(memory, capacity_bytes);
    write_u32(&out, MAGIC);
    write_u32(&out, engine->subscribed ? filters_crc(engine) : 0);
    save_batch(&device->batch, now_ms, &out);
    save_packets(&engine->outbox, &out);
    write_u32(&out, crc32_of(0, writer_span(&out)));
    if (out.failed)
        return SLUICE_TOO_LARGE;
    struct sluice_store *store = device->config.store;
    enum sluice_error error = store ? store->commit(store) : SLUICE_OK;
    if (!error)
        *ret_len = writer_len(&out);
    return error;
}

static bool restore_batch(struct batch *batch, uint64_t now_ms, struct reader *in)
{
    uint8_t kind = read_u8(in);
    if (kind == BATCH_NONE)
        return true;
    uint16_t sample_count = read_u16(in);
    uint64_t age_ms = read_u64(in);
    if (kind == BATCH_FINISHED) {
        struct span frame = read_bytes(in, read_u32(in));
        if (frame.len == 0 || frame.len > batch->capacity_bytes)
            return false;
        memcpy(batch->memory, frame.data, frame.len);
        batch->finished = span_of(batch->memory, frame.len);
    } else if (kind != BATCH_OPEN || batch_check(batch) || !frame_encode_restore(&batch->encoder, in)) {
        return false;
    }
    batch->sample_count = sample_count;
    batch->first_ms = now_ms > age_ms ? now_ms - age_ms : 0;
    return true;
}

/* SLUICE_FULL: the outbox has become smaller. */
static enum sluice_error restore_packet(struct sluice_device *device, struct reader *in)
{
    uint32_t len = read_u32(in);
    uint16_t packet_id = read_u16(in), sample_count = read_u16(in);
    uint8_t state = read_u8(in);
    struct span packet = read_bytes(in, len);
    if (in->failed)
        return SLUICE_INVALID;
    uint8_t *place;
    device->counters.recovered++;
    if (outbox_add(&device->engine.outbox, len, packet_id, sample_count, &place)) {
        device->counters.dropped_too_large++;
        return SLUICE_FULL;
    }
    memcpy(place, packet.data, len);
    outbox_entry_of(place)->state = state == OUTBOX_AGAIN ? OUTBOX_AGAIN : OUTBOX_WAITING;
    return SLUICE_OK;
}

enum sluice_error sluice_device_restore(struct sluice_device *device, uint64_t now_ms, const void *data,
                                        size_t len)
{
    struct engine *engine = &device->engine;
    if (device->batch.sample_count > 0 || outbox_first(&engine->outbox))
        return SLUICE_EXISTS;
    if (len < CRC_BYTES)
        return SLUICE_INVALID;
    struct reader in = reader_of(span_of(data, len - CRC_BYTES));
    struct reader crc = reader_of(span_of((const uint8_t *)data + len - CRC_BYTES, CRC_BYTES));
    if (crc32_of(0, span_of(data, len - CRC_BYTES)) != read_u32(&crc) || read_u32(&in) != MAGIC)
        return SLUICE_INVALID;
    engine->subscribed = read_u32(&in) == filters_crc(engine);
    enum sluice_error result = SLUICE_OK;
    if (device->config.channel_count > 0 ? !restore_batch(&device->batch, now_ms, &in)
                                         : read_u8(&in) != BATCH_NONE)
        result = SLUICE_INVALID;
    device->counters.samples += device->batch.sample_count;
    while (reader_left(&in) > 0 && result != SLUICE_INVALID) {
        enum sluice_error error = restore_packet(device, &in);
        result = error ? error : result;
    }
    return result;
}
