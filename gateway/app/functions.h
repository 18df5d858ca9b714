/*
 * The functions of the service: for each event of the configuration a mapping
 * (Lambda: event source mapping) with its rule and its durable queue, and for
 * each function a pool of workers. A PUBLISH is offered to all mappings at once;
 * what they select is stored by the caller in one journal record and then queued;
 * functions_turn leases what is due, invokes, publishes results, and finishes or
 * retries the messages.
 *
 * The loop's thread only. The configuration outlives the functions. Messages are
 * finished (acknowledged in the journal) only after their result was published or
 * their dead letter is on disk.
 */
#ifndef SLUICE_APP_FUNCTIONS_H
#define SLUICE_APP_FUNCTIONS_H

#include "app/config.h"
#include "base/message.h"
#include "broker/broker.h"
#include "deliver/journal.h"
#include "deliver/state.h"

#include <uv.h>

struct functions;
struct mapping;

/* What functions need of the rest of the gateway. */
struct functions_host {
    void *ctx;
    uv_loop_t *loop;
    struct journal *journal;
    struct state *state;
    /* Publishes a result: the errors of broker_publish. */
    enum sluice_error (*publish)(void *ctx, const struct message *view);
    /* Whether the publisher of this message may subscribe to that topic. */
    bool (*may_receive)(void *ctx, const struct message *message, struct span topic);
    /* A queue that had no room has some again. */
    void (*on_room)(void *ctx);
    uint64_t (*wall_ms)(void *ctx);
    uint32_t (*random)(void *ctx);
};

struct functions_counters {
    uint64_t accepted;     /* messages put into queues: one for each mapping that selects it */
    uint64_t restored;     /* found in the journal at start */
    uint64_t replayed;     /* dead letters put back into their queues */
    uint64_t invocations;  /* requests to workers; a batch is one */
    uint64_t succeeded;    /* messages that their function has handled */
    uint64_t results;      /* published */
    uint64_t empty;        /* results of nothing, where there is a reply topic: the message ends there */
    uint64_t unpublished;  /* results whose reply topic could not be filled */
    uint64_t dead_letters; /* messages given up, whose letter is on disk; until then they are queued */
    uint64_t sent_on;      /* messages given up, whose record their destination has */
    uint64_t discarded;    /* messages given up where the configuration keeps no dead letters */
    uint64_t direct;       /* invocations that come from no message, and are in none of the above */
    /* What there is now: */
    uint64_t queued;
};

/* Starts the pools. `workers` is the folder with the worker programs. On failure the log has a sentence for
 * each thing that is wrong. */
enum sluice_error functions_start(const struct config *config, const char *workers,
                                  const struct functions_host *host, struct functions **ret_functions);
/* Stops the workers, then calls back. What is queued stays in the journal; what then becomes durable (dead
 * letters on their way) is still taken, until all is freed. */
void functions_stop(struct functions *functions, void (*on_stopped)(void *ctx), void *ctx);
void functions_free(struct functions *functions); /* with no worker left; NULL is allowed */

/* The function's files have changed: new workers take what comes. */
void functions_restart(struct functions *functions, struct span name);

/* Certificates and keys may have been replaced: those of whose files one has, begin anew. */
void functions_files_replaced(struct functions *functions);

/* The name of an event's queue, for memory_free: its function's, or from the second event on NAME/2, ...;
 * NULL is what no event brings: NAME/invoke. */
char *functions_queue_name(const struct config_function *function, const struct config_event *event);

/* ---- Restoring at start: the journal's queues, then functions_restored ---- */

/* False: no mapping has this queue any more. */
bool functions_restore_queue(struct functions *functions, uint32_t queue, struct span name,
                             uint64_t next_ordinal);
/* The same for the queue of a schedule. */
bool functions_restore_schedule(struct functions *functions, uint32_t queue, struct span name,
                                uint64_t next_ordinal);
/* The same for the queue of window states. */
bool functions_restore_windows(struct functions *functions, uint32_t queue, struct span name,
                               uint64_t next_ordinal);
void functions_restore_window(struct functions *functions, const struct journal_entry *entry);
void functions_restore_anchor(struct functions *functions, const struct journal_entry *entry);
/* Of the queue that functions_restore_queue took last. */
void functions_restore_entry(struct functions *functions, const struct journal_entry *entry);
/* Declares the queues of new mappings in the journal. */
void functions_restored(struct functions *functions);

/* ---- A PUBLISH: select for each message, then commit or forget ---- */

/* Forgets what was selected and not queued. */
void functions_select_start(struct functions *functions);
/* In which form a mapping takes telemetry frames. */
enum functions_form {
    FUNCTIONS_OF_SAMPLES,
    FUNCTIONS_OF_SENML,
};
/* Whether a mapping takes messages of this topic with frames as SenML. */
bool functions_want_senml(struct functions *functions, struct span topic);
/* Selects the mappings of that form for a message, the `index`-th of its PUBLISH. Returns how many. */
size_t functions_select(struct functions *functions, const struct message *message, size_t index,
                        enum functions_form form);
/* SLUICE_FULL: one of the queues has no room for what was selected; on_room follows. */
enum sluice_error functions_select_fits(struct functions *functions);
/* The journal's target for each selection, in the order of selecting: the message's index and the target. */
size_t functions_selected(const struct functions *functions);
size_t functions_selected_message(const struct functions *functions, size_t selection);
struct journal_target functions_selected_target(const struct functions *functions, size_t selection);
/* When the selection's message is acknowledged to its publisher. */
enum config_acknowledge functions_selected_acknowledge(const struct functions *functions, size_t selection);
/* The selection's message is in the journal at `position`: queues it (it takes a reference). `processing` is
 * to hear when it is processed; NULL: nobody is. */
void functions_selected_queue(struct functions *functions, size_t selection, struct message *message,
                              uint64_t position, struct broker_processing *processing, uint64_t now_ms);

/* ---- Running ---- */

/* At the end of each loop turn and at the deadline: leases and invokes what is due. */
void functions_turn(struct functions *functions, uint64_t now_ms);
uint64_t functions_next_deadline(const struct functions *functions);
/* What the journal was given up to this seq is on disk. */
void functions_journal_durable(struct functions *functions, uint64_t seq);
/* The same of the state, up to this ticket. */
void functions_state_durable(struct functions *functions, uint64_t ticket);

/* `sluice dlq` has purged dead letters or marked them to be put back. */
void functions_letters_changed(struct functions *functions);

struct functions_counters functions_counters(const struct functions *functions);

#endif
