/*
 * The journal: one append-only log on disk for all durable queues, so that one
 * fdatasync commits everything that arrived together. It knows which entries of
 * which queue are still unfinished, gives them back at start, and deletes what
 * nobody needs. FORMAT: see record.h.
 *
 * Words. A queue belongs to a durable session (named by Client Identifier), to a
 * function (named by itself), to the state (retained messages), or to a schedule, or to a function's windows.
 * An entry is one message in one queue, known by the queue's id and an ordinal that its owner counts up,
 * never reused. A record is what one append writes, known by its seq. A record is durable once
 * journal_commit_end has given a durable seq at or above its own; only then may the outside be told (PUBACK,
 * PUBREC, PUBREL, PUBCOMP).
 *
 * A position names a stored message as long as one entry of it is unfinished,
 * wherever it lies: in memory, on disk, or copied forward meanwhile. Positions
 * are of this process: after a restart journal_visit gives new ones.
 *
 * Threads: everything belongs to the loop's thread, except journal_batch_run,
 * which may run on any one other thread at the same time; it touches nothing
 * but the batch and the disk. journal_load and journal_commit_begin may read
 * from the disk on the loop's thread.
 *
 * Memory: at most config.buffer_bytes of messages wait to be written and as
 * many are being written; about 56 bytes for each unfinished entry. Messages
 * and names handed in are copied. The disk outlives the journal.
 *
 * Errors: bytes on disk are never trusted: whatever they are, journal_open
 * succeeds with what can be read, after one log line about each thing that is
 * wrong; only a directory that cannot be read or written refuses.
 */
#ifndef SLUICE_DELIVER_JOURNAL_H
#define SLUICE_DELIVER_JOURNAL_H

#include "base/message.h"
#include "deliver/disk.h"

struct journal;
struct journal_batch;

struct journal_config {
    uint32_t segment_bytes;   /* a new file is begun when one has reached this */
    uint64_t max_bytes;       /* of all files: appends of messages beyond it give SLUICE_FULL */
    uint64_t reserve_bytes;   /* of these: only for appends whose origin may use them */
    uint64_t compact_bytes;   /* of all files: past it, old files are emptied by copying forward */
    uint32_t buffer_bytes;    /* waiting to be written: appends of messages beyond it give SLUICE_FULL */
    uint32_t commit_count;    /* a batch is due at this many records, */
    uint32_t commit_bytes;    /* this many bytes, */
    uint32_t commit_delay_ms; /* or so long after the first, whichever comes first */
    uint32_t retry_ms;        /* a journal whose disk failed tries again this often */
};

struct journal_config journal_config_default(void);

enum journal_queue_kind {
    JOURNAL_SESSION = 1,
    JOURNAL_FUNCTION = 2,
    JOURNAL_RETAINED = 3, /* what waits to be written into the state */
    JOURNAL_SCHEDULE = 4, /* up to when a schedule is settled */
    JOURNAL_WINDOW = 5,   /* the states of a function's tumbling windows */
};

/*
 * Replays, then makes durable what was read, so that all of it counts as stored.
 * SLUICE_DENIED, SLUICE_IO, SLUICE_FULL: the directory cannot be used, and the
 * log says why.
 */
enum sluice_error journal_open(const struct journal_config *config, struct disk *disk,
                               struct journal **ret_journal);
/* What was not committed is dropped. No batch may be in flight. NULL is allowed. */
void journal_free(struct journal *journal);

enum { JOURNAL_SHARE_MAX = (1 << 26) - 1 };

struct journal_entry {
    uint32_t queue;
    uint64_t ordinal;
    uint64_t position;
    size_t bytes;   /* as message_bytes */
    uint32_t share; /* these as in its struct journal_target */
    uint8_t qos;
    bool retain, received;
};

struct journal_visitor {
    void *ctx;
    /* Ordinals at and above next_ordinal are free. `name` is a view. */
    void (*on_queue)(void *ctx, uint32_t queue, enum journal_queue_kind kind, struct span name,
                     uint64_t next_ordinal);
    /* In ascending ordinals of its queue, after on_queue. */
    void (*on_entry)(void *ctx, const struct journal_entry *entry);
    /* A QoS 2 publish of this session was taken in and its PUBREL not yet seen. */
    void (*on_packet_id)(void *ctx, uint32_t queue, uint16_t packet_id);
};

/* Shows all there is, each queue with its contents: what a gateway starts from. The callbacks may
 * journal_load, and change nothing. */
void journal_visit(struct journal *journal, const struct journal_visitor *visitor);

/* The id, above 0, of the queue of that kind and name; declares it if there is none. */
uint32_t journal_queue_open(struct journal *journal, enum journal_queue_kind kind, struct span name);
/* Forgets the queue with all its entries and Packet Identifiers; unknown ids are ignored. */
void journal_queue_drop(struct journal *journal, uint32_t queue);

struct journal_target {
    uint64_t ordinal;
    uint32_t queue;
    uint32_t share; /* a session's: which of its Shared Subscriptions; an ordered function's: which partition;
                       at most JOURNAL_SHARE_MAX, 0: none */
    uint8_t qos;
    bool retain;   /* the RETAIN flag that a session's subscriber is to see */
    bool received; /* the subscriber's PUBREC is known */
};

struct journal_message {
    const struct message *message; /* a view will do */
    const struct journal_target *targets;
    size_t target_count;
    uint64_t ret_position; /* 0 where there are no targets */
};

/* The QoS 2 publish that the messages come from: 0 for every other. */
struct journal_origin {
    uint32_t queue; /* of the publisher's durable session */
    uint16_t packet_id;
    bool may_use_reserve; /* what it comes of leaves the journal when it is there: it makes room */
};

/*
 * One record for one PUBLISH: all its messages in all their queues and its
 * Packet Identifier are stored together or not at all. SLUICE_FULL: a bound is
 * reached; try again after a commit. SLUICE_IO: the disk fails or has no space,
 * as journal_commit_end has said. SLUICE_TOO_LARGE: over buffer_bytes, or 65,535 messages. Nothing
 * was stored then.
 */
enum sluice_error journal_append_messages(struct journal *journal, struct journal_origin origin,
                                          struct journal_message *messages, size_t message_count,
                                          uint64_t *ret_seq);

/* These always work, also on a full disk: they wait in memory. Unknown entries are ignored. */
/* Finished. All that is between two calls of journal_commit_begin is on disk together or not at all. */
void journal_acknowledge(struct journal *journal, uint32_t queue, uint64_t ordinal);
/* A subscriber's PUBREC: PUBREL may leave once the seq is durable. */
uint64_t journal_received(struct journal *journal, uint32_t queue, uint64_t ordinal);
/* A publisher's PUBREL: PUBCOMP may leave once the seq is durable. */
uint64_t journal_packet_id_free(struct journal *journal, uint32_t queue, uint16_t packet_id);

/*
 * The message at a position, with one reference for the caller, durable or not.
 * SLUICE_NOT_FOUND: all its entries are finished. SLUICE_IO, SLUICE_INVALID: it
 * cannot be read any more (logged).
 */
enum sluice_error journal_load(struct journal *journal, uint64_t position, struct message **ret_message);

/*
 * Group commit. Call journal_commit_begin at the end of each loop turn and at
 * journal_next_deadline: a batch when one is due, NULL when none is, or while
 * one is in flight. Run it (elsewhere), then end it (on the loop's thread).
 */
struct journal_batch *journal_commit_begin(struct journal *journal, uint64_t now_ms);
/* Nothing is to be gained by waiting, as at a shutdown: what is pending is due at the next begin. */
void journal_commit_now(struct journal *journal);
void journal_batch_run(struct journal_batch *batch);
/*
 * SLUICE_OK: everything up to *ret_durable_seq is on disk.
 * SLUICE_AGAIN: the disk refused; the batch is due again at once, in a new file.
 * SLUICE_IO, SLUICE_FULL: it refused that too. Nothing above the last durable
 * seq may be acknowledged; appends of messages give SLUICE_IO, and the
 * batch, kept in memory, is due again after retry_ms; when that is written
 * everything works again.
 */
enum sluice_error journal_commit_end(struct journal *journal, struct journal_batch *batch, uint64_t now_ms,
                                     uint64_t *ret_durable_seq);
/* When journal_commit_begin is worth calling next; UINT64_MAX: not before another append. */
uint64_t journal_next_deadline(const struct journal *journal);

struct journal_stats {
    uint64_t bytes;         /* of all files, and of what waits to be written */
    uint64_t segments;      /* files */
    uint64_t entries;       /* unfinished */
    uint64_t written_bytes; /* since the start, all kinds */
    uint64_t copied_bytes;  /* of these: copied forward */
    uint64_t durable_seq;
    uint64_t last_seq;
    uint64_t damaged_bytes; /* passed over at the start; each damaged file was logged */
};

struct journal_stats journal_stats(const struct journal *journal);

#endif
