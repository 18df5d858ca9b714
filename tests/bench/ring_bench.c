/*
 * What a device's store writes for each byte of a packet: packets of some sizes,
 * committed one by one or in groups, nothing acknowledged; then a full ring that
 * is thinned out. Counts, not times: one line of JSON each. The medium is memory.
 */
#include "sluice/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEDIUM_BYTES = 1 << 20, PAYLOAD_BYTES = 3 * MEDIUM_BYTES };

static uint8_t bytes[MEDIUM_BYTES];

static enum sluice_error read_bytes(struct sluice_medium *medium, uint64_t offset, void *memory, size_t len)
{
    (void)medium;
    memcpy(memory, bytes + offset, len);
    return SLUICE_OK;
}

static enum sluice_error write_bytes(struct sluice_medium *medium, uint64_t offset, const void *data,
                                     size_t len)
{
    (void)medium;
    memcpy(bytes + offset, data, len);
    return SLUICE_OK;
}

static uint64_t sync_count;

static enum sluice_error sync_bytes(struct sluice_medium *medium)
{
    (void)medium;
    sync_count++;
    return SLUICE_OK;
}

/* Makes room as a device does that drops the oldest or thins out; gives what was dropped. */
static size_t make_room(struct sluice_store *store, bool thins)
{
    uint8_t packet[4096];
    size_t len, dropped_count = 0;
    uint16_t sample_count;
    if (thins && store->thin(store, &dropped_count))
        return dropped_count;
    if (store->read(store, packet, sizeof packet, &len, &sample_count) == SLUICE_OK)
        store->remove(store);
    return 1;
}

static void measure(size_t packet_bytes, unsigned group, bool thins)
{
    struct sluice_medium medium = {MEDIUM_BYTES, read_bytes, write_bytes, sync_bytes};
    struct sluice_ring_config config = {0};
    size_t ring_bytes = sluice_ring_size(MEDIUM_BYTES, &config), dropped_count = 0;
    void *memory = malloc(ring_bytes);
    uint8_t packet[4096] = {0};
    struct sluice_store *store;
    memset(bytes, 0, sizeof bytes);
    sync_count = 0;
    if (!memory || sluice_ring_open(memory, ring_bytes, &medium, &config, &store))
        exit(1);
    size_t held_max = 0, count = PAYLOAD_BYTES / packet_bytes;
    for (size_t i = 1; i <= count; i++) {
        while (store->append(store, packet, packet_bytes, 6) != SLUICE_OK)
            dropped_count += make_room(store, thins);
        if (i % group == 0)
            store->commit(store);
        held_max = store->count > held_max ? store->count : held_max;
    }
    printf("{\"packet_bytes\":%zu,\"in_a_commit\":%u,\"when_full\":\"%s\",\"written_for_each_byte\":%.2f,"
           "\"syncs\":%llu,\"held_max\":%zu,\"held_of_the_medium\":%.2f,\"dropped\":%zu}\n",
           packet_bytes, group, thins ? "thin out" : "drop oldest",
           (double)store->written_bytes / (double)(count * packet_bytes), (unsigned long long)sync_count,
           held_max, (double)(held_max * packet_bytes) / MEDIUM_BYTES, dropped_count);
    free(memory);
}

int main(void)
{
    static const size_t sizes[] = {100, 600, 1300};
    static const unsigned groups[] = {1, 8, 64};
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            measure(sizes[i], groups[j], false);
    for (size_t i = 0; i < 3; i++)
        measure(sizes[i], 64, true);
    return 0;
}
