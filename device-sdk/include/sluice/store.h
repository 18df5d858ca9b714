/*
 * An outbox that survives a power cut: with a store in its configuration
 * (sluice_device_config.store) a device keeps what the gateway has not
 * acknowledged on flash or in a file, and its own memory only holds what is
 * being sent. A store is a queue of records, each of them one PUBLISH packet.
 *
 * sluice_ring_open makes a store out of anything that can be read, written and
 * synced at an offset (struct sluice_medium): a file (sluice_posix_medium_new), a
 * flash partition. A platform that has a queue of its own fills struct
 * sluice_store itself.
 *
 *     static _Alignas(max_align_t) unsigned char ring[8192];
 *     struct sluice_store *store;
 *     struct sluice_ring_config ring_config = {.commit_ms = 10000};
 *     sluice_ring_open(ring, sizeof ring, medium, &ring_config, &store);
 *     ... &(struct sluice_device_config){..., .store = store} ...
 *
 * What is lost in a power cut: samples that are not yet in a frame (see
 * sluice_device_flush), and records that are not yet committed: those of the last
 * commit_ms. What was acknowledged in the last commit_ms is sent again, and of what
 * was before, up to a page.
 *
 * How the ring treats flash: it writes whole pages, always into one that has
 * nothing living in it, and goes round the medium, so that all of it wears alike.
 * The newest page is written anew, elsewhere, by each commit until it is full.
 * A record that is acknowledged before it must be committed is never written:
 * while the gateway is there and answers within commit_ms, nothing is. Else, with
 * pages of 4,096 bytes, so many bytes are written for each byte of a packet
 * (tests/bench/ring_bench.c):
 *
 *   packets in a commit          1     8     64    64, full and thinned out
 *   packets of 100 bytes         41    6.1   1.7   2.5
 *   packets of 600 bytes         6.8   1.7   1.2   2.0
 *   packets of 1,300 bytes       3.2   1.3   1.1   1.8
 *
 * It holds 0.87 to 0.94 of the medium's bytes in packets (of 1 MB).
 *
 * Ownership: stores and media belong to the caller and must outlive the device.
 * Threads: none; the device's calls come from the thread that polls it. Errors:
 * a store that cannot write any more says so with SLUICE_IO; the device goes on in
 * RAM, and what can still be read is still sent. Then packets are out of order: new
 * ones go, and are dropped by SLUICE_DROP_OLDEST, before those that had not yet been
 * read into RAM.
 */
#ifndef SLUICE_STORE_H
#define SLUICE_STORE_H

#include "sluice/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a platform supplies: an area that is read and written at any offset. */
struct sluice_medium {
    uint64_t bytes; /* its size, which stays */
    /* All `len` bytes, or SLUICE_IO. */
    enum sluice_error (*read)(struct sluice_medium *medium, uint64_t offset, void *memory, size_t len);
    /*
     * All `len` bytes, or SLUICE_IO and any part of them. The ring writes whole
     * pages at multiples of page_bytes: a driver of bare flash erases the page first.
     * What is written need not survive a power cut before the next sync, and may
     * get there in any order and in part.
     */
    enum sluice_error (*write)(struct sluice_medium *medium, uint64_t offset, const void *data, size_t len);
    /* Returns when all that was written is durable; after SLUICE_IO it is not known what is. */
    enum sluice_error (*sync)(struct sluice_medium *medium);
};

/* The part of the SDK that works with stores. A store names it, so that it is linked only where there is one.
 */
struct sluice_spool;
extern const struct sluice_spool sluice_spool;

/* A queue of records. The device appends at its end, reads each record once, in order, and removes those at
 * the front that were read. */
struct sluice_store {
    const struct sluice_spool *spool; /* &sluice_spool */

    /* `sample_count`: of a telemetry frame, which may be thinned out; 0: another message. SLUICE_FULL;
     * SLUICE_TOO_LARGE: over record_max_bytes; SLUICE_IO. */
    enum sluice_error (*append)(struct sluice_store *store, const void *data, size_t len,
                                uint16_t sample_count);
    /* The oldest record that was not read yet. SLUICE_AGAIN: there is none; SLUICE_TOO_LARGE: it is over
     * `capacity` and stays unread, until it is passed over by a call with `memory` NULL; SLUICE_INVALID: it
     * is damaged, and counts as read. */
    enum sluice_error (*read)(struct sluice_store *store, void *memory, size_t capacity, size_t *ret_len,
                              uint16_t *ret_sample_count);
    /* Nothing counts as read: the next read gives the oldest record. A device that is opened calls it. */
    void (*rewind)(struct sluice_store *store);
    /* The oldest record goes; it was read. */
    void (*remove)(struct sluice_store *store);
    /* Makes room by dropping every second telemetry frame somewhere among those that were not read yet.
     * False: no room was made. */
    bool (*thin)(struct sluice_store *store, size_t *ret_dropped_count);
    /* Makes durable what was appended and what was removed. The device also calls it when it is closed or
     * sleeps. */
    enum sluice_error (*commit)(struct sluice_store *store);

    /* Kept by the store: */
    size_t record_max_bytes;
    uint32_t commit_ms;     /* the device calls commit so long after `uncommitted` became true; 0: at once */
    bool uncommitted;       /* commit has enough to do: for less, it waits until it has */
    size_t count;           /* records in it */
    uint64_t written_bytes; /* to the medium, for who watches its wear */
};

/* A number left 0 takes the default that stands behind it. */
struct sluice_ring_config {
    uint32_t page_bytes; /* 4,096: the unit of writing, 256 to 65,536. On a file system no less than its
                            blocks, or a torn block takes older records with it; a record must fit into one */
    uint32_t commit_ms;  /* see struct sluice_store; 0: each record is durable before the call that
                            published it returns */
};

/* Memory for a ring of this configuration on a medium of `medium_bytes`: a page, and 8 bytes for each. */
size_t sluice_ring_size(uint64_t medium_bytes, const struct sluice_ring_config *config);

/*
 * Makes a store in `memory`, aligned as malloc aligns, and finds what the medium
 * holds of an earlier life; anything that is no page of a ring counts as empty. So
 * a medium needs no formatting, and may grow later. It must have room for 8 pages,
 * and of more than 65,534 the rest stays unused. SLUICE_INVALID: a size is out of
 * these bounds; SLUICE_NO_MEMORY: memory_bytes is too little; SLUICE_IO: the
 * medium cannot be read.
 */
enum sluice_error sluice_ring_open(void *memory, size_t memory_bytes, struct sluice_medium *medium,
                                   const struct sluice_ring_config *config, struct sluice_store **ret_store);

#ifdef __cplusplus
}
#endif

#endif
