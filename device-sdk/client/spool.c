#include "client/spool.h"

#include "client/engine_internal.h"

enum { PUBLISH_QOS_1 = 0x32, TYPE_AND_QOS = 0xf6 };

static enum sluice_error spool_open(struct engine *engine)
{
    struct sluice_store *store = engine->config->store;
    if (engine->config->packet_bytes > store->record_max_bytes)
        return SLUICE_INVALID;
    engine->outbox.store = store;
    engine->outbox.commit_at_ms = ENGINE_NEVER;
    engine->counters->recovered = store->count;
    store->rewind(store); /* another device may have read from it */
    return SLUICE_OK;
}

/* `entry`, the last one, is not in the window. */
static void take_back(struct outbox *outbox, const struct outbox_entry *entry)
{
    outbox->tail = (size_t)((const uint8_t *)entry - outbox->memory);
    outbox->count--;
}

/* One sentence for each failure, not for each packet. */
static void name_failure(struct engine *engine)
{
    if (!engine->outbox.store_failed)
        engine_fail(engine, SLUICE_IO, "the store of the outbox cannot be written: packets are kept in RAM",
                    "");
    engine->outbox.store_failed = true;
}

static enum sluice_error spool_commit(struct engine *engine)
{
    struct sluice_store *store = engine->outbox.store;
    enum sluice_error error = store->commit(store);
    if (error)
        name_failure(engine);
    return error;
}

static enum sluice_error keep(struct engine *engine, struct outbox_entry *entry)
{
    struct outbox *outbox = &engine->outbox;
    struct sluice_store *store = outbox->store;
    bool is_next = store->count == outbox->stored_count;
    size_t len;
    uint16_t sample_count;
    enum sluice_error error = store->append(store, outbox_packet(entry), entry->len, entry->sample_count);
    if (error == SLUICE_FULL || error == SLUICE_TOO_LARGE) {
        take_back(outbox, entry);
        return error;
    }
    if (error) {
        name_failure(engine);
        engine->counters->not_stored++;
        return SLUICE_OK;
    }
    if (store->commit_ms == 0 && spool_commit(engine))
        engine->counters->not_stored++;
    bool stays = is_next && outbox->tail - outbox->head <= outbox->capacity_bytes / 2 &&
                 outbox->count <= OUTBOX_COUNT_MAX / 2;
    if (stays && store->read(store, NULL, SIZE_MAX, &len, &sample_count) == SLUICE_OK) {
        entry->stored = true;
        outbox->stored_count++;
    } else {
        take_back(outbox, entry);
    }
    return SLUICE_OK;
}

/* Gives a packet that was read from a store its identifier on this connection; false: it is no PUBLISH. */
static bool set_packet_id(struct engine *engine, struct outbox_entry *entry)
{
    uint8_t *packet = outbox_packet(entry);
    struct reader reader = reader_of(span_of(packet, entry->len));
    uint8_t type = read_u8(&reader);
    size_t rest = read_varint(&reader);
    bool is_whole = rest == reader_left(&reader);
    read_u16_bytes(&reader); /* the Topic Name */
    if ((type & TYPE_AND_QOS) != PUBLISH_QOS_1 || !is_whole || reader_left(&reader) < sizeof(uint16_t))
        return false;
    entry->packet_id = engine_next_packet_id(engine);
    struct writer id = writer_of(packet + (reader.at - packet), sizeof(uint16_t));
    write_u16(&id, entry->packet_id);
    return true;
}

/* The next record into the window; false: there is none, or no room. */
static bool read_next(struct engine *engine)
{
    struct outbox *outbox = &engine->outbox;
    struct sluice_store *store = outbox->store;
    size_t used = outbox->tail - outbox->head + sizeof(struct outbox_entry),
           half = outbox->capacity_bytes / 2;
    if (used >= half || outbox->count >= OUTBOX_COUNT_MAX / 2)
        return false;
    struct outbox_entry *entry = outbox_place(outbox, half);
    size_t len = 0, room = half - used;
    uint16_t sample_count = 0;
    enum sluice_error error = store->read(store, outbox_packet(entry), room, &len, &sample_count);
    if (error == SLUICE_TOO_LARGE && outbox->head == outbox->tail)
        error = store->read(store, NULL, SIZE_MAX, &len, &sample_count) ? SLUICE_INVALID : SLUICE_TOO_LARGE;
    else if (error == SLUICE_AGAIN || error == SLUICE_TOO_LARGE)
        return false;
    outbox->stored_count++;
    *entry =
        (struct outbox_entry){.len = error ? 0 : (uint32_t)len, .sample_count = sample_count, .stored = true};
    outbox->tail += outbox_entry_bytes(entry->len);
    outbox->count++;
    if (!error && set_packet_id(engine, entry))
        return true;
    *(error == SLUICE_TOO_LARGE ? &engine->counters->dropped_too_large
                                : &engine->counters->dropped_damaged) += 1;
    outbox_settle(outbox, entry);
    return true;
}

static void refill(struct engine *engine)
{
    const struct outbox *outbox = &engine->outbox;
    while (outbox->store->count > outbox->stored_count && read_next(engine))
        continue;
}

static uint64_t tick(struct engine *engine, uint64_t now_ms)
{
    struct outbox *outbox = &engine->outbox;
    struct sluice_store *store = outbox->store;
    if (!store->uncommitted)
        return outbox->commit_at_ms = ENGINE_NEVER;
    if (outbox->commit_at_ms == ENGINE_NEVER)
        outbox->commit_at_ms = now_ms + store->commit_ms;
    if (now_ms < outbox->commit_at_ms)
        return outbox->commit_at_ms;
    spool_commit(engine);
    return outbox->commit_at_ms = ENGINE_NEVER;
}

const struct sluice_spool sluice_spool = {
    .open = spool_open, .keep = keep, .refill = refill, .commit = spool_commit, .tick = tick};
