/*
 * The ring behind sluice_ring_open (sluice/store.h): pages in the slots of a
 * medium. Shared by ring.c (the queue), ring_thin.c and ring_open.c (what an
 * earlier life left).
 *
 * A page has a number, which orders pages and is never used again, and records
 * that lie one after the other behind its header:
 *
 *   page    magic, CRC-32 of the used bytes behind it, page_bytes, used bytes, number, sequence, covers,
 * head's number (4 bytes each), head's record, count of records (2 each) record  CRC-32 of all behind it (4),
 * length (2), sample_count (2), the packet
 *
 * The newest page, the tail, is built in memory. A commit writes it as it is; the
 * next one writes it to another slot, under the same number and with a higher
 * sequence. The head says how far the records are removed; each page that is
 * written carries it.
 *
 * Why a power cut takes nothing that was committed, whatever became of the writes
 * after the last sync: a slot is only written when its page is no longer needed
 * (superseded, or removed), and a sync has since made durable what says so, the
 * superseding page or the head. The page that was written last knows the newest
 * head, and stays until the next sync even where it is empty. So each committed
 * record that was not removed is at any moment in a page that no write touches. A
 * start syncs first, since what it reads may not be durable yet; takes of each
 * number the page with the highest sequence; leaves out what another covers, and
 * what is before the newest head.
 * Whole pages of the uncommitted may be missing between others; records do not
 * cross pages, so the rest is good.
 *
 * Thinning out merges two pages into one that has the number of the first and
 * covers the numbers up to the next page.
 */
#ifndef SLUICE_CLIENT_RING_H
#define SLUICE_CLIENT_RING_H

#include "sluice/store.h"
#include "wire/span.h"

enum {
    RING_PAGE_HEADER_BYTES = 36,
    RING_RECORD_HEADER_BYTES = 8,
    RING_SLOTS_MIN = 8,
    /* The tail may have two slots, its durable version and the next, and a merged page needs one. */
    RING_SLOTS_SPARE = 2,
    RING_NO_SLOT = UINT16_MAX,
};

#define RING_SLOT_FREE     UINT32_C(0)
#define RING_SLOT_RELEASED UINT32_MAX /* free after the next sync */

/* A page's header. */
struct ring_page {
    uint32_t used_bytes; /* the header included */
    uint32_t number, sequence;
    uint32_t covers; /* how many numbers, from its own, it stands for */
    uint32_t head_number;
    uint16_t head_record; /* records of that page that are removed */
    uint16_t record_count;
};

struct ring_record {
    uint32_t crc;
    uint16_t len, sample_count;
};

struct ring {
    struct sluice_store store; /* first: the two addresses are one */
    struct sluice_medium *medium;
    uint32_t page_bytes, slot_count;

    uint32_t *numbers;       /* of the page in each slot, or RING_SLOT_* */
    uint16_t *record_counts; /* of the page in each slot */
    uint16_t *order;         /* the slots of the pages before the tail, the oldest first */
    size_t page_count;       /* in `order` */
    uint32_t free_count;
    uint32_t last_slot; /* that was written */
    uint32_t sequence;  /* of the next write */

    uint8_t *tail; /* its page, as it will be written */
    uint32_t tail_number, tail_bytes;
    uint16_t tail_records;
    uint16_t tail_slot; /* of its newest version, or RING_NO_SLOT */
    bool tail_changed;  /* since that was written */

    uint16_t head_record; /* records of the oldest page that are removed */
    size_t read_page;     /* the next to read: in `order`, or page_count for the tail */
    uint16_t read_record;
    uint32_t read_offset; /* 0: the rest of the page cannot be read */

    size_t fresh_count; /* records at the end that are not committed */
    bool head_stale;    /* committed records were removed since the last commit, */
    bool head_moved;    /* and all of a page */
    bool failed;        /* the medium could not be written: nothing is, any more */
};

static inline struct ring *ring_of(struct sluice_store *store)
{
    return (struct ring *)(void *)store;
}

static inline uint64_t ring_offset(const struct ring *ring, uint32_t slot)
{
    return (uint64_t)slot * ring->page_bytes;
}

/* ---- ring.c ---- */

extern const struct sluice_store ring_functions;
void ring_update(struct ring *ring); /* store.uncommitted, after anything changed */
/* All that was appended, and the head, are durable. */
void ring_committed(struct ring *ring);
/* An empty tail with the next number. */
void ring_start_tail(struct ring *ring);
/* The tail, if it has records, joins the pages in `order`, and a new one begins. */
enum sluice_error ring_close_tail(struct ring *ring);
/* Writes what stands in `tail` as a page, of the number, records and size that are given, into a free slot.
 */
enum sluice_error ring_write_page(struct ring *ring, struct ring_page *page, uint16_t *ret_slot);
/* The slot's page is no longer needed, once what is written now is durable. */
void ring_release(struct ring *ring, uint16_t slot);
enum sluice_error ring_sync(struct ring *ring);
/* A record's header at `offset` of a page in `order` or the tail; then its packet. */
enum sluice_error ring_peek(struct ring *ring, size_t page, uint32_t offset, struct ring_record *ret_record);
enum sluice_error ring_load(struct ring *ring, size_t page, uint32_t offset, const struct ring_record *record,
                            void *memory);
void ring_put_record(uint8_t *at, const struct ring_record *record);
uint16_t ring_record_count(const struct ring *ring, size_t page);

/* ---- ring_thin.c ---- */

bool ring_thin(struct sluice_store *store, size_t *ret_dropped_count);

/* ---- ring_open.c ---- */

void ring_encode_header(const struct ring *ring, const struct ring_page *page, uint8_t *memory);
/* False: this is no page of such a ring, or a damaged one. `memory` has page_bytes. */
bool ring_decode_page(const struct ring *ring, const uint8_t *memory, struct ring_page *ret_page);

#endif
