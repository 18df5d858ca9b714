/*
 * What the files of functions share: functions.c (mappings, queues), functions_turn.c (when each is looked
 * at), functions_select.c and ordering.c (which of them a message feeds, and which partition),
 * direct_invocation.c, scheduled.c and tumbling.c (what feeds them besides), function_pool.c,
 * function_versions.c, rollout.c, uplink.c and lambda.c (workers, and what they need to know), invocation.c
 * and invocation_event.c (one lease from event to outcome), answer.c, destination.c, chain.c and handovers.c
 * (what is made of the outcome), functions_letters.c (dead letters) and replays.c (those that go back); and
 * deploy_submit.c, deploy_command.c and invoke_command.c, which do with one function what the gateway would.
 * Nobody else includes it.
 */
#ifndef SLUICE_APP_FUNCTIONS_INTERNAL_H
#define SLUICE_APP_FUNCTIONS_INTERNAL_H

#include "app/awaited.h"
#include "app/cgroups.h"
#include "app/direct_invocation.h"
#include "app/function_log.h"
#include "app/scheduled.h"
#include "app/tumbling.h"
#include "app/versions.h"
#include "base/buffer.h"
#include "base/timers.h"
#include "deliver/queue.h"
#include "invoke/invoke.h"
#include "route/rule_set.h"

struct invocation;

/* One version of a function that runs, or may (function_versions.c). */
struct function_version {
    struct function_version *next;
    struct function *function;
    uint64_t number; /* 0: $LATEST, as it lies in its folder */
    const struct config_function *config;
    struct config_function own; /* of a number; its strings are in `arena` */
    struct arena arena;
    struct invoke_pool *pool;
    int code; /* its folder, locked so that `sluice deploy` does not delete it; -1: it has none */
    bool is_stopping;
    struct rollout *rollout; /* that is to make it live, or NULL */
    bool is_awaited;         /* by that one: no worker of it has started yet */
};

struct function {
    struct functions *all;
    struct function_log *log;             /* NULL: none is kept */
    const struct config_function *given;  /* by the configuration */
    const struct config_function *config; /* the same with what the live version has of its own */
    struct function_version *versions;
    struct function_version *live;
    struct invoke_pool *pool;      /* of the live version */
    struct invoke_pool *down_pool; /* of an uplink that brings topics down; else NULL */
    struct {
        uint64_t worker, id, seq; /* a publication of it that waits for the disk; id 0: none */
    } coming_down;
    char *arn;
    uint64_t files;         /* sandbox_files, when its workers began */
    struct mapping *direct; /* of asynchronous invocations, which come from no message */
};

/* Whether dead letters of a queue are to go back into it. */
enum replay_state {
    REPLAY_NONE,
    REPLAY_DUE, /* there may be some */
    REPLAY_WAITS_FOR_QUEUE,
    REPLAY_WAITS_FOR_JOURNAL,
};

struct mapping {
    struct function *function;
    const struct config_event *event;
    char *queue_name; /* the function's; then NAME/2, ...; of the direct one NAME/invoke */
    uint32_t queue_id;
    struct queue *queue;
    struct awaited awaited;
    struct scheduled *scheduled; /* NULL: messages are what invokes it */
    struct tumbling *tumbling;   /* NULL: its event has no windows */
    enum replay_state replay;
    size_t replays_under_way;
    struct timer timer; /* when it is to be looked at */
    struct mapping *next_listed;
    bool is_listed;
    size_t running_count;            /* invocations that its pool has */
    size_t held_count;               /* messages that are handled, and wait in handovers.c */
    size_t held_dead_count;          /* of these: that were given up */
    const struct mapping *waits_for; /* whose queue they found full; NULL: the journal or the disk was */
    size_t selected_count;           /* by the PUBLISH under way */
    size_t selected_bytes;
};

struct mapping_list {
    struct mapping *first, *last;
};

struct selection {
    struct mapping *mapping;
    uint64_t ordinal;
    uint32_t partition;
    size_t message;
    bool payload_is_json; /* a rule has looked, so that no invocation has to */
};

/* A dead letter on its way to the disk; ticket 0: it was dropped, and only its entry is left to finish. */
struct pending_letter {
    struct mapping *mapping;
    uint64_t ordinal;
    uint64_t ticket;
};

/* A dead letter on its way back into its queue. */
struct replay {
    struct mapping *mapping;
    uint64_t letter;
    uint64_t seq;    /* of its message in the journal; 0: it stays a letter, and only its mark goes */
    uint64_t ticket; /* of its end in the state; 0: its message is not on disk yet */
};

struct functions {
    const struct config *config;
    char *workers;             /* folder of the worker programs */
    struct versions *versions; /* what was deployed */
    struct rollout *rollout;   /* that is under way, or NULL */
    bool any_not_live;         /* some version may have nobody left who uses it */
    struct functions_host host;
    struct function_logs *logs; /* NULL: none are kept */
    struct cgroups *cgroups;    /* NULL: workers have none */
    struct function *functions;
    size_t function_count;
    struct mapping *mappings;
    size_t mapping_count;
    struct mapping *restoring; /* at start: whose entries come */
    struct timers timers;
    struct mapping_list changed; /* to be looked at in this turn, */
    struct mapping_list waiting; /* also if they cannot go on yet */
    struct rule_set rules;       /* user: the mapping */
    bool any_senml;              /* some mapping takes whole frames */
    struct selection *selections;
    size_t selection_count, selection_capacity;
    struct pending_letter *letters; /* in order of tickets */
    size_t letter_count, letter_capacity;
    struct replay *replays;
    size_t replay_count, replay_capacity;
    bool replays_wait_for_journal;
    uint64_t letters_kept;                       /* in the state, on their way there included */
    struct handover *handovers, **handovers_end; /* the second is of any */
    const struct mapping *full;                  /* the last whose queue had no room */
    struct functions_counters counters;
    bool stopping;
    size_t pools_running;
    void (*on_stopped)(void *ctx);
    void *stopped_ctx;
};

/* For newuuid() of a rule. */
static inline struct rule_random functions_random(const struct functions *functions)
{
    return (struct rule_random){functions->host.random, functions->host.ctx};
}

/* A message as the functions of a stage see it: without the stage before its topic, where it is there. */
struct message functions_view(const struct functions *functions, const struct message *message);

/* function_pool.c: starts the pool of a version, or with `down` the second one of an uplink, which brings
 * topics down; on failure the log has one sentence. */
enum sluice_error function_pool_start(struct function_version *version, bool down,
                                      struct invoke_pool **ret_pool);
/* Whether a function could be started as it is configured; if not, the log has one sentence. */
enum sluice_error function_pool_check(const struct config_function *function);

/* function_versions.c. Starts a version; NULL is $LATEST. Errors are in the log. */
enum sluice_error function_version_start(struct function *function, const struct version *version,
                                         struct function_version **ret_version);
/* One that has been started; NULL: it is not. */
struct function_version *function_version_find(const struct function *function, uint64_t number);
/* The same, or started now. SLUICE_NOT_FOUND: it is none of the deployed ones, or its code is not there. */
enum sluice_error function_version_obtain(struct function *function, uint64_t number,
                                          struct function_version **ret_version);
/* What no message brought may name a version (function_enqueue): the qualifier, or empty. */
struct span mapping_qualifier(const struct mapping *mapping, const struct message *message);
/* The version that a message is for now; without one (NULL) the live one. */
uint64_t mapping_version(const struct mapping *mapping, const struct message *message);
/* Whose workers it is for. NULL: its version is not kept any more. */
struct invoke_pool *mapping_pool(const struct mapping *mapping, const struct message *message);
/* New invocations go to it. What another one has begun it ends, and then its workers end. */
void function_go_live(struct function_version *version);
/* Starts what is live, by all->versions. */
enum sluice_error function_start_live(struct function *function);
/* Nobody can use it any more; it frees itself in the loop. */
void function_version_stop(struct function_version *version);
/* The same for all that nobody uses. */
void functions_sweep_versions(struct functions *functions);
/* functions_stop's part: each ends in functions_pool_stopped. */
void function_stop_versions(struct function *function);
/* functions.c: one pool is no more. */
void functions_pool_stopped(struct functions *functions);

/* The same when the message is tried again, also after a restart: RFC 9562, version 8, whose bits are ours.
 */
void invocation_request_id(const struct mapping *mapping, uint64_t ordinal, char ret_id[REQUEST_ID_BYTES]);

/* What the lambda worker needs to know (handlers/lambda/README.md); the caller's. */
char *lambda_settings(const struct config *config, const struct config_function *function);

/* What the uplink worker needs to know (handlers/uplink/README.md), the one that forwards or the one that
 * brings topics down; the caller's. */
char *uplink_settings(const struct config_uplink *uplink, bool down);
/* Whether the message came down by this function: then it does not go up by it again. */
bool uplink_brought(const struct config_function *function, const struct message *message);
/* invoke_hooks.publish of the worker that brings topics down; ctx is the struct function. */
void uplink_publish(void *ctx, const struct invoke_publication *publication);
/* The journal is on disk up to this seq. */
void uplink_durable(struct function *function, uint64_t seq);
/* Appends to an invocation's context what the worker is to publish the event as. SLUICE_INVALID: the topic
 * cannot be filled from this message, or it has expired; nothing is appended. */
enum sluice_error uplink_write_publish(const struct function *function, const struct message *message,
                                       struct span event, uint64_t wall_ms, struct buffer *out,
                                       struct queue_error *ret_error);

/* Appends the start of an invocation's context (handlers/PROTOCOL.md), an object that the caller ends. The
 * qualifier is what named the version, or empty. */
void invocation_begin_context(const struct function *function, struct span qualifier, const char *request_id,
                              struct span trace_id, uint32_t attempt, struct buffer *out);
/* A trace that begins with this request, in ret_text: the same for each attempt that begins at `wall_ms`. */
enum { TRACE_ID_BYTES = 64 };
struct span invocation_trace_id(const char *request_id, uint64_t wall_ms, char ret_text[TRACE_ID_BYTES]);

/* Something happened to it: the next turn looks at it. */
void mapping_changed(struct mapping *mapping);
/* Who found it full is asked again. */
void mapping_has_room(struct mapping *mapping);

/* Invokes the function with a leased batch, which ends by queue_done, now or later. */
void invocation_start(struct mapping *mapping, struct queue_batch *batch);
/* Appends what the mapping's rule selects of the message. False: the rule cannot read it, and *ret_fault, if
 * it is not NULL, says why. */
enum { FAULT_BYTES = 256 };
bool invocation_select(const struct mapping *mapping, const struct message *message, struct buffer *out,
                       char (*ret_fault)[FAULT_BYTES]);
/* Appends the event of a batch of this one message, of which that was selected, or of an end, which is none
 * of its records. */
void invocation_write_batch_of_one(const struct mapping *mapping, const struct queue_item *item,
                                   struct span selected, struct buffer *out);
/* For handovers.c: everything was handed over; or never will be, so that its messages are given up. */
void invocation_end(struct invocation *invocation, const struct queue_error *error);
void invocation_give_up(struct invocation *invocation, const struct queue_error *error);
void invocation_free(struct invocation *invocation);

/* ---- destination.c: the record of what became of an event, as Lambda's destinations have it ---- */

/* Whom it is for. Neither: nobody. The topic is in the caller's buffer. */
struct destination {
    struct function *function;
    struct span topic;
};

/* `values` fill a topic. False: one of its parts has no value there, and the log says so. */
bool destination_find(const struct mapping *mapping, const struct config_destination *config,
                      struct span values, struct span client_id, struct buffer *topic,
                      struct destination *ret_destination);
/* Of an invocation that succeeded, whose first item this is, in that version. */
void destination_write_success(const struct mapping *mapping, uint64_t version,
                               const struct queue_item *first, struct span event, struct span answer,
                               struct buffer *out);
/* Of a message that was given up; `event` is what the function got, or would have got. */
void destination_write_failure(const struct mapping *mapping, const struct queue_dead *dead,
                               struct span event, struct buffer *out);
/* Why a message was given up, in Lambda's words; and its error document: the function's own where it gave
 * one. */
struct span destination_condition(const struct queue_dead *dead);
void destination_write_error(const struct queue_dead *dead, struct buffer *out);

/* ---- answer.c: MQTT 5 request/response ---- */

/* False: the message asks for no answer, or may not get one there, which is logged. */
bool answer_topic(const struct mapping *mapping, const struct message *request, struct span *ret_topic);
/* Appends the answer's property block. `dead`: NULL, or how it failed. */
void answer_write_properties(const struct message *request, const struct queue_dead *dead,
                             struct buffer *out);

/* ---- handovers.c: what must be taken before a message may leave its queue ---- */

enum parcel_kind {
    PARCEL_RESULT,
    PARCEL_RECORD, /* for a destination */
    PARCEL_ANSWER, /* for the Response Topic of a request */
};

struct parcel {
    enum parcel_kind kind;
    struct function *function; /* into whose queue the payload goes; NULL: the message is published */
    struct message message;    /* a view */
};

/* ---- chain.c: functions that feed one another ---- */

/* How many functions the message has passed. */
uint32_t chain_depth(const struct message *message);
/* Says in the parcel that it has passed one more than that; the property block is in the caller's buffer. */
void chain_continue(uint32_t depth, struct parcel *parcel, struct buffer *out_properties);

struct handover;

/* SLUICE_OK: it was taken; or it never can be, was logged, and *ret_refused (NULL is allowed) is set. Others:
 * it cannot be taken now. */
enum sluice_error parcel_send(struct mapping *mapping, const struct parcel *parcel, bool *ret_refused);
/* Keeps a copy, to be sent by handovers_turn; *handover is made with the first. */
void handover_put(struct handover **handover, struct mapping *mapping, const struct parcel *parcel);
/* What the handover is for: it ends with invocation_end or _give_up, or with letter_keep where it has no
 * record, or nobody takes that. */
void handover_hold_invocation(struct handover *handover, struct invocation *invocation, uint64_t now_ms);
void handover_hold_dead(struct handover *handover, const struct queue_dead *dead);
void handovers_turn(struct functions *functions, uint64_t now_ms);
uint64_t handovers_next_deadline(const struct functions *functions);
/* That queue has room again, or with NULL the journal may have: those who wait for it are due. */
void handovers_room(struct functions *functions, const struct mapping *mapping);
void handovers_free(struct functions *functions);

/* ordering.c: of an ordered queue, from 1 to JOURNAL_SHARE_MAX, as the journal keeps it; 0: it is none. */
uint32_t mapping_partition(const struct mapping *mapping, const struct message *message);
/* The same of an entry of the journal, whose queue may not have been ordered before; and, where the event has
 * a delay, how long ago it was taken in. */
uint32_t mapping_restored_partition(const struct mapping *mapping, const struct journal_entry *entry,
                                    uint64_t *ret_waited_ms);

/* The queue gave a message up: it goes where onFailure says. */
void mapping_dead(struct mapping *mapping, const struct queue_dead *dead);
/* It becomes a dead letter, or is dropped where none are kept. */
void letter_keep(struct mapping *mapping, const struct queue_dead *dead);

/* Puts back what is marked and has room. */
void replay_turn(struct mapping *mapping, uint64_t now_ms);
void replay_again(struct mapping *mapping);
void replays_state_durable(struct functions *functions, uint64_t ticket);

#endif
