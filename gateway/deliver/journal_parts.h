/*
 * The journal's inside, for its own files: journal.c (appends and loads),
 * replay.c (start), commit.c (writing), compact.c (copying forward), segment.c
 * (what all of them do to files and entries). Loop thread only, but for the
 * members of struct journal_batch while it is in flight.
 */
#ifndef SLUICE_DELIVER_JOURNAL_PARTS_H
#define SLUICE_DELIVER_JOURNAL_PARTS_H

#include "base/buffer.h"
#include "deliver/journal.h"
#include "deliver/live.h"
#include "deliver/record.h"

enum {
    SEGMENT_NAME_BYTES = 32,
    SEGMENT_BYTES_MAX = 1 << 30, /* larger files are read so far only; we never write one */
};

struct segment {
    uint32_t number;
    bool damaged;       /* kept under another name when it is not needed any more */
    bool copied;        /* compact.c has moved what could be read */
    bool closed;        /* of an earlier start: nothing is appended */
    uint64_t bytes;     /* what counts of the file, and what will */
    uint64_t uses;      /* struct stored in it */
    uint64_t use_bytes; /* of these */
    uint64_t left_seq;  /* the last record there was when something in here was finished or copied out */
};

struct segments {
    struct segment *items; /* ascending numbers */
    size_t count, capacity;
    uint64_t bytes;
    uint32_t next_number;
};

/* A run of finished entries that no record says yet. */
struct acknowledged_run {
    uint32_t queue;
    uint64_t first_ordinal, count;
};

enum {
    ACKNOWLEDGED_RUNS = 512, /* so many are written down at the end of a turn, and memory is kept for */
    ACKNOWLEDGED_RUN_COUNT = 1 << 20, /* in one run: what a reader of the file has to believe */
};

/* A file read for journal_load, and the last record read from it. */
struct load_cache {
    struct disk_file *file;
    uint32_t segment; /* 0: none */
    struct buffer record;
    uint32_t record_offset;
    bool has_record;
};

struct removal {
    uint32_t number;
    bool keep; /* as *.damaged */
};

/* Records of one segment, and where they go. In flight it is the running thread's. */
struct journal_batch {
    struct disk *disk;
    struct disk_file *file; /* NULL: create it */
    struct buffer bytes;
    uint32_t segment; /* 0: nothing to write */
    uint64_t offset;
    uint64_t last_seq;
    enum sluice_error result;
    struct removal *removals; /* oldest first */
    size_t removal_count, removed_count;
    enum sluice_error removal_result;
};

/* The last batch that replay found in the newest segment. */
struct tail {
    uint64_t offset; /* 0: the segment's first, with its header */
    uint64_t before_seq;
    bool whole; /* no damage in it */
};

struct journal {
    struct journal_config config;
    struct disk *disk;
    struct live_queues queues;
    struct stored_table stored;
    uint64_t entry_count;
    struct segments segments;
    uint64_t last_seq, durable_seq;
    uint32_t durable_segment; /* of the last batch stored since the start; 0: none */

    struct buffer pending; /* records for the segment below, from this offset on */
    uint32_t pending_segment;
    uint64_t pending_offset;
    uint32_t pending_count; /* records */
    uint64_t pending_since_ms;
    bool pending_timed, pending_urgent;
    struct acknowledged_run *runs;
    size_t run_count, run_capacity;

    struct journal_batch batch;
    bool in_flight;
    unsigned failures; /* of writes in a row */
    enum sluice_error failed;
    uint64_t retry_at_ms;

    struct load_cache cache;
    uint64_t written_bytes, copied_bytes, damaged_bytes;
    struct tail tail;
    struct buffer tail_bytes;    /* until journal_write_tail */
    bool removal_failed;         /* and was logged */
    uint32_t compacting_segment; /* being copied forward; 0: none */
    size_t compacting_offset;
    struct buffer compacting; /* its bytes */
};

/* ---- segment.c ---- */

void segment_name(uint32_t number, bool damaged, char *ret_name); /* of SEGMENT_NAME_BYTES */
/* The number in a file's name; false: the file is not ours. */
bool segment_name_read(const char *name, uint32_t *ret_number, bool *ret_damaged);
struct segment *segment_add(struct segments *segments, uint32_t number);
struct segment *segment_find(struct segments *segments, uint32_t number); /* NULL: there is none */
struct segment *segment_newest(struct segments *segments);                /* NULL: there is none */
void segment_remove(struct segments *segments, struct segment *segment);
void segment_set_bytes(struct segments *segments, struct segment *segment, uint64_t bytes);

/* The file's bytes, at most `limit`. */
enum sluice_error segment_read(struct disk *disk, uint32_t number, uint64_t limit, struct buffer *ret_bytes);

/*
 * The next whole record at or after *offset whose seq is at least `least_seq`,
 * passing over what is none; false: there is no more. *budget bounds the bytes
 * checked on the way, so that bytes made to look like records cost no more.
 */
bool segment_find_record(struct span bytes, uint32_t number, uint64_t least_seq, uint64_t *budget,
                         size_t *offset, struct record *ret_record);

/* A new struct stored for what lies there. It is used by nothing yet. */
uint32_t journal_store(struct journal *journal, uint32_t segment, size_t offset, uint16_t index,
                       size_t bytes);
/* The same message lies elsewhere now. */
void journal_move(struct journal *journal, uint32_t stored, uint32_t segment, size_t offset, uint16_t index);
/* Enters (queue, number), replacing an older entry. */
struct live_entry *journal_enter(struct journal *journal, struct live_queue *queue, uint64_t number,
                                 uint32_t stored);
void journal_enter_target(struct journal *journal, struct live_queue *queue,
                          const struct journal_target *target, uint32_t stored);
void journal_leave(struct journal *journal, struct live_queue *queue, struct live_entry *entry);
/* The unfinished entry of that target, if its message is the one that lies there; else NULL. */
struct live_entry *journal_find_at(struct journal *journal, const struct journal_target *target,
                                   uint32_t segment, size_t offset, uint16_t index);
/* The same for the origin at the start of a RECORD_MESSAGES body, which is read past it. */
struct live_entry *journal_find_origin(struct journal *journal, struct reader *body, uint32_t segment,
                                       size_t offset);
void journal_forget_queue(struct journal *journal, struct live_queue *queue);

/* ---- journal.c ---- */

/* Makes room in `pending` for a record, beginning a new segment if it is time. */
struct writer journal_record_begin(struct journal *journal, size_t body_bytes_max);
/* Closes it. Returns its seq; *ret_offset is where in the segment it lies. */
uint64_t journal_record_end(struct journal *journal, const struct writer *body, enum record_type type,
                            size_t *ret_offset);
/* Writes down what was acknowledged since. */
void journal_flush_runs(struct journal *journal);
/* Begins a segment in `pending`, with a header that seals `previous` (NULL: none) and with what is needed
 * to understand it. */
void journal_segment_begin(struct journal *journal, const struct segment *previous, uint64_t before_seq);

/* ---- load.c ---- */

void journal_cache_drop(struct journal *journal);

/* ---- compact.c ---- */

/* Whether a step would do something. */
bool journal_may_compact(const struct journal *journal);
/* One bounded step of copying the oldest segment forward, if that is worth it. */
void journal_compact(struct journal *journal);
void journal_compact_stop(struct journal *journal);

/* ---- commit.c ---- */

/* Writes the tail once more into a new segment. */
void journal_write_tail(struct journal *journal);

/* ---- replay.c ---- */

enum sluice_error journal_replay(struct journal *journal);

#endif
