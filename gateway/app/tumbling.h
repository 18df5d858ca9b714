/*
 * Tumbling windows (`tumblingWindowInSeconds`) of an ordered event, as Lambda has
 * them for streams, where each partition is a shard: an invocation gets the state
 * that the one before has answered with, and the last of a window says so. Joins
 * the table of deliver/windows.h to the function's queue and the journal.
 *
 * The crash argument: the state of a batch is one record of the journal, which also
 * says up to which ordinal messages are in it. It is written before the messages are
 * acknowledged. A crash before it is on disk repeats the invocation with the old
 * state; a crash after it finds the messages unfinished, but below that ordinal,
 * and they are acknowledged without another invocation. So no message below that
 * ordinal may be on its way to the dead letters, from where a crash brings it back:
 * what is given up is in the journal until its dead letter is kept elsewhere, and
 * until then the queue leases nothing, nor what stands behind it in its batch. Then it
 * is acknowledged, an end with its state. Of a window's last invocation no state is
 * left; its messages, its end and its old state are acknowledged in the same turn,
 * which is one record of the journal: a crash finds all of them, and repeats the
 * invocation, or none.
 *
 * The loop's thread. A step is an invocation's. States are in the journal, not in
 * memory; windows that are not finished are at most as many as the function's
 * queueSize, and those that one PUBLISH of several messages opens.
 */
#ifndef SLUICE_APP_TUMBLING_H
#define SLUICE_APP_TUMBLING_H

#include "base/buffer.h"
#include "deliver/journal.h"
#include "deliver/queue.h"
#include "sluice/error.h"

struct mapping;
struct tumbling;

enum { TUMBLING_STATE_BYTES_MAX = 1024 * 1024 };

/* NULL: the mapping's event has no windows. The others take NULL then, and do nothing. */
struct tumbling *tumbling_new(struct mapping *mapping);
void tumbling_free(struct tumbling *tumbling);

/* ---- Restoring ---- */

bool tumbling_restore_queue(struct tumbling *tumbling, uint32_t queue, struct span name,
                            uint64_t next_ordinal);
void tumbling_restore_state(struct tumbling *tumbling, const struct journal_entry *entry);
/* An entry of the function's queue. */
void tumbling_restore_entry(struct tumbling *tumbling, const struct journal_entry *entry, uint32_t partition);
void tumbling_restored(struct tumbling *tumbling);

/* ---- Arriving ---- */

/* Whether a message is the end of a window, and of which partition. */
bool tumbling_is_end(const struct message *message, uint32_t *ret_partition);
/* Before a message of that partition gets its ordinal: what is over by its time ends before it. */
void tumbling_before(struct tumbling *tumbling, uint32_t partition, uint64_t received_ms);
/* Whether a message of that partition may come. Whoever it is false for is asked again when there is room. */
bool tumbling_has_room(struct tumbling *tumbling, uint32_t partition);
/* It is in the queue. */
void tumbling_arrived(struct tumbling *tumbling, uint32_t partition, const struct message *message);
void tumbling_turn(struct tumbling *tumbling, uint64_t now_ms);
uint64_t tumbling_next_deadline(const struct tumbling *tumbling);

/* ---- Handling a lease ---- */

struct tumbling_step {
    uint32_t partition;
    uint64_t start_ms;
    bool is_final;        /* the batch's last item is the end: set by tumbling_write */
    bool is_again;        /* of a dead letter that was put back: it has its own state */
    uint64_t old_ordinal; /* of the state before; 0: none */
    struct buffer state;  /* that goes into the event, then that of the answer */
};

/* Cuts the batch to what belongs to one window. False: all of it is in the state already; it has succeeded.
 */
bool tumbling_begin(struct tumbling *tumbling, struct queue_batch *batch, uint64_t now_ms,
                    struct tumbling_step *ret_step);
/* What stands in the event behind its records; the batch may have been cut once more. */
void tumbling_write(const struct tumbling *tumbling, struct tumbling_step *step,
                    const struct queue_batch *batch, struct buffer *out);
/* Most bytes that it takes, less than an event may have. */
size_t tumbling_bytes_max(const struct tumbling *tumbling, const struct tumbling_step *step);
/* Takes the state out of an answer, when the outcomes are set. False: it has none, although the window is not
 * finished by it, or a larger one than may be. */
bool tumbling_take_answer(struct tumbling_step *step, const struct queue_batch *batch, struct span answer);
/* Stores the state of what has succeeded, before queue_done. The errors of journal_append_messages. */
enum sluice_error tumbling_commit(struct tumbling *tumbling, struct tumbling_step *step,
                                  const struct queue_batch *batch);
/* After queue_done of a batch that was committed. */
void tumbling_done(struct tumbling *tumbling, const struct tumbling_step *step);

/* ---- Giving up ---- */

/* If it is an end that was given up: the message of its dead letter, with the state, which is there until the
 * end has left the function's queue. The caller's reference; NULL: it is none. */
struct message *tumbling_give_up(struct tumbling *tumbling, const struct queue_dead *dead);
/* What stood in the event behind its records, which were none: of a message that tumbling_give_up made. */
void tumbling_write_end(const struct tumbling *tumbling, const struct message *end, struct buffer *out);
/* A message was acknowledged: it has left the function's queue. */
void tumbling_left(struct tumbling *tumbling, uint64_t ordinal);

#endif
