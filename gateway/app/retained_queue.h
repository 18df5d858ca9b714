/*
 * The journal's queue of retained messages: those that are acknowledged to their
 * publishers and not yet in the state. So PUBACK waits for the journal's group
 * commit alone, and for no transaction of SQLite.
 *
 * The crash argument: each change of a retained message has its target in the one
 * record of its PUBLISH. When the state has it on disk, the target is acknowledged,
 * in the order of the changes; so what a start finds in the queue is the newest
 * changes, all of them, and applied in order over what the state has they give the
 * last acknowledged message of each topic, or a later one.
 *
 * Loop's thread; journal and state outlive it; messages are copied. What waits is bounded by whoever looks at
 * state_pending_bytes.
 */
#ifndef SLUICE_APP_RETAINED_QUEUE_H
#define SLUICE_APP_RETAINED_QUEUE_H

#include "broker/broker.h"
#include "deliver/journal.h"
#include "deliver/state.h"

struct retained_queue;

struct retained_queue *retained_queue_new(struct journal *journal, struct state *state);
void retained_queue_free(struct retained_queue *queue); /* NULL is allowed */

/* The target of the next change but `index`; its RETAIN flag says which change it is. */
struct journal_target retained_queue_target(const struct retained_queue *queue, size_t index,
                                            enum broker_retained change);
/* The journal took the next change. */
void retained_queue_stored(struct retained_queue *queue, const struct message *message,
                           enum broker_retained change);
/* The state is on disk up to this ticket. */
void retained_queue_state_durable(struct retained_queue *queue, uint64_t ticket);

/* At start: the queue's ordinals from next_ordinal on are free; then its entries, in order. */
void retained_queue_restore(struct retained_queue *queue, uint64_t next_ordinal);
/* SLUICE_OK: *ret_message is what is retained, or with an empty payload what is not, and the caller's.
 * Others: it cannot be read, which the journal has logged, and stays in the queue. */
enum sluice_error retained_queue_restore_entry(struct retained_queue *queue,
                                               const struct journal_entry *entry,
                                               struct message **ret_message);

#endif
