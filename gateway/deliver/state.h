/*
 * What must survive a restart besides messages, in one SQLite database: durable
 * sessions, their subscriptions, retained messages, wills, and dead letters.
 * Operators may open it with any tool. A database of an earlier version of the
 * program gets what is new when it is opened, and keeps what it holds.
 *
 * Writes are group commits, of the same shape as the journal's: an operation is
 * copied into a queue and gets a ticket; a batch applies all that is queued in
 * one transaction; when that is on disk (WAL, synchronous=FULL) its tickets are
 * durable. What is queued waits in memory until then; state_pending_bytes says
 * how much.
 *
 * Threads: everything belongs to the loop's thread, except state_batch_run,
 * which may run on any one other thread at the same time. Reading uses a
 * connection of its own and sees what is durable.
 *
 * Errors: a database that is damaged, of a later version, or no database at
 * all is moved aside as *.damaged with one log line, and an empty one takes its
 * place: the gateway always starts. A write that fails keeps its operations
 * queued, to be tried again.
 */
#ifndef SLUICE_DELIVER_STATE_H
#define SLUICE_DELIVER_STATE_H

#include "base/message.h"
#include "sluice/error.h"

struct state;
struct state_batch;

/* `path` is the database's file. SLUICE_IO: it cannot be made or written; the log says why. */
enum sluice_error state_open(const char *path, struct state **ret_state);
/* Only for listing and reading dead letters, also while a gateway has it open: changes nothing. SLUICE_IO: it
 * cannot be read, or is of another version; the log says so. */
enum sluice_error state_open_to_read(const char *path, struct state **ret_state);
/* Only for dead letters, also while a gateway has it open: reads them, and marks and purges them at once.
 * SLUICE_IO: as before, or it is of an earlier version. */
enum sluice_error state_open_to_change(const char *path, struct state **ret_state);
/* What is queued is dropped; no batch may be in flight. NULL is allowed. */
void state_close(struct state *state);

/* Who owns something: the peer's identity as the broker knows it, by value. */
struct state_identity {
    uint32_t kind;
    struct span name;
    struct span fingerprint;
};

struct state_session {
    struct span client_id;
    struct state_identity owner;
    uint32_t expiry_s;        /* Session Expiry Interval; UINT32_MAX: never */
    uint64_t disconnected_ms; /* Unix epoch; 0: connected */
};

struct state_subscription {
    struct span client_id;
    struct span filter;
    uint32_t identifier; /* Subscription Identifier; 0: none */
    uint32_t options;    /* the Subscription Options byte of MQTT 5 */
};

struct state_will {
    uint64_t id;
    const struct message *message;
    struct state_identity owner;
    uint64_t due_ms; /* Unix epoch; 0: connected */
};

struct state_dead_letter {
    uint64_t id;          /* the database's; ignored when it is stored */
    struct span function; /* the queue's name: the function's, or from its second event on NAME/2, ... */
    uint64_t ordinal;     /* of its entry in that queue: one letter an entry, however often stored */
    struct span reason;   /* "attempts", "age", "not_json", ... */
    struct span error_type, error_message;
    uint32_t attempts;
    uint64_t first_ms, last_ms; /* Unix epoch, of the first and last attempt; 0: none */
    uint64_t stored_ms;         /* Unix epoch */
    const struct message *message;
};

/* Each queues one write and returns its ticket. */
uint64_t state_save_session(struct state *state, const struct state_session *session);
uint64_t state_remove_session(struct state *state, struct span client_id); /* and its subscriptions */
uint64_t state_save_subscription(struct state *state, const struct state_subscription *subscription);
uint64_t state_remove_subscription(struct state *state, struct span client_id, struct span filter);
uint64_t state_save_retained(struct state *state, const struct message *message);
uint64_t state_remove_retained(struct state *state, struct span topic);
uint64_t state_save_will(struct state *state, const struct state_will *will);
uint64_t state_remove_will(struct state *state, uint64_t id);
uint64_t state_save_dead_letter(struct state *state, const struct state_dead_letter *letter);
uint64_t state_remove_dead_letter(struct state *state, uint64_t id); /* and its mark */
uint64_t state_remove_replay(struct state *state, uint64_t id);      /* its mark alone */

/* Group commit: NULL when nothing is queued, a batch is in flight, or a failed one waits for its retry. */
struct state_batch *state_batch_begin(struct state *state, uint64_t now_ms);
void state_batch_run(struct state_batch *batch);
/* SLUICE_OK: tickets up to *ret_ticket are on disk. SLUICE_IO, SLUICE_FULL: none of it is; it was logged
 * and stays queued. */
enum sluice_error state_batch_end(struct state *state, struct state_batch *batch, uint64_t now_ms,
                                  uint64_t *ret_ticket);
/* When state_batch_begin may have something without a new write; UINT64_MAX: never. */
uint64_t state_next_deadline(const struct state *state);
size_t state_pending_bytes(const struct state *state);

/* Loading at start. The callbacks get views, and may queue writes, but nothing else of this. SLUICE_IO: it
 * could not all be read. */
struct state_visitor {
    void *ctx;
    void (*on_session)(void *ctx, const struct state_session *session);
    void (*on_subscription)(void *ctx, const struct state_subscription *subscription);
    void (*on_retained)(void *ctx, const struct message *message);
    void (*on_will)(void *ctx, const struct state_will *will); /* in ascending ids */
};
enum sluice_error state_load(struct state *state, const struct state_visitor *visitor);

/* ---- Dead letters ---- */

struct state_letters {
    struct span function; /* of this one, with all its events' queues; empty: of every one */
    uint64_t id;          /* only this one; 0: each */
};

typedef void state_on_letter(void *ctx, const struct state_dead_letter *letter);

/* From id `after` on, oldest first, at most `limit`. */
enum sluice_error state_list_dead_letters(struct state *state, struct state_letters which, uint64_t after,
                                          size_t limit, state_on_letter *on_letter, void *ctx);
enum sluice_error state_count_dead_letters(struct state *state, struct state_letters which,
                                           uint64_t *ret_count);

/*
 * A replay is a mark at a dead letter, on disk: the gateway is to put it back into its queue. The letter
 * goes, and its mark with it, when that is durable.
 */
/* The marked letters of that queue, oldest first, at most `limit`. */
enum sluice_error state_list_replays(struct state *state, struct span queue, size_t limit,
                                     state_on_letter *on_letter, void *ctx);
enum sluice_error state_count_replays(struct state *state, struct state_letters which, uint64_t *ret_count);

/* These two are for state_open_to_change. Marks the letters of that queue, or only that id; not those whose
 * message could not be read: there is nothing to put back. */
enum sluice_error state_mark_replays(struct state *state, struct span queue, uint64_t id,
                                     uint64_t *ret_count);
enum sluice_error state_purge_dead_letters(struct state *state, struct state_letters which,
                                           uint64_t *ret_count);

#endif
