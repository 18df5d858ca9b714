/*
 * What must be taken by somebody before a message may leave its queue (its result, the answer to a
 * request, the record for a destination) and found no room. It is kept here, tried again when the queue that
 * it goes into has room and after a growing while, and its own queue leases nothing meanwhile: so what waits
 * is bounded by what a queue leases at once. The message stays in its queue, so a crash or a stop repeats its
 * invocation.
 *
 * A queue may wait for itself: by functions whose results feed one another, once their queues are full.
 * Then waiting would never end, and what waits is given up: it becomes a dead letter, which makes room.
 */
#include "app/functions_internal.h"

#include "base/log.h"
#include "base/memory.h"

#define RETRY_WITHOUT_ROOM ((struct retry_policy){20, 5000, false})

enum { PARCELS_MAX = 4 };

struct kept_parcel {
    enum parcel_kind kind;
    struct function *function;
    struct message *message;
};

struct handover {
    struct handover *next;
    struct mapping *mapping;
    struct kept_parcel parcels[PARCELS_MAX];
    size_t parcel_count;
    struct invocation *invocation; /* NULL: `dead` is what it is for, with copies of its own */
    struct queue_dead dead;
    bool has_record; /* that somebody has taken, or will */
    uint64_t due_ms;
    uint32_t tries;
};

/* ---- Parcels ---- */

static void refuse(struct mapping *mapping, const struct parcel *parcel, enum sluice_error error)
{
    static const char *const names[] = {
        [PARCEL_RESULT] = "result", [PARCEL_RECORD] = "record", [PARCEL_ANSWER] = "answer"};
    const struct function *function = mapping->function;
    const struct span topic = parcel->message.topic;
    function->all->counters.unpublished++;
    log_warning("function %s: its %s for %s%.*s is not %s: %s", function->config->name, names[parcel->kind],
                parcel->function ? "function " : "",
                parcel->function ? (int)strlen(parcel->function->config->name) : (int)topic.len,
                parcel->function ? parcel->function->config->name : (const char *)topic.data,
                parcel->function ? "taken" : "published",
                error == SLUICE_INVALID ? "that is no Topic Name" : "it is larger than can be stored");
}

enum sluice_error parcel_send(struct mapping *mapping, const struct parcel *parcel, bool *ret_refused)
{
    struct functions *all = mapping->function->all;
    enum sluice_error error;
    all->full = NULL;
    if (parcel->function) {
        char request_id[REQUEST_ID_BYTES];
        uint64_t seq;
        error = function_enqueue(parcel->function, SPAN_EMPTY, parcel->message.payload,
                                 parcel->message.properties, &seq, request_id);
    } else {
        struct message message = parcel->message;
        message.qos = 1;
        message.received_ms = all->host.wall_ms(all->host.ctx);
        error = all->host.publish(all->host.ctx, &message);
    }
    mapping->waits_for = all->full;
    if (error == SLUICE_INVALID || error == SLUICE_TOO_LARGE) {
        refuse(mapping, parcel, error);
        if (ret_refused)
            *ret_refused = true;
        return SLUICE_OK;
    }
    all->counters.results += !error && parcel->kind != PARCEL_RECORD;
    return error;
}

void handover_put(struct handover **handover, struct mapping *mapping, const struct parcel *parcel)
{
    if (!*handover) {
        *handover = memory_new(sizeof **handover);
        (*handover)->mapping = mapping;
    }
    (*handover)->has_record |= parcel->kind == PARCEL_RECORD;
    (*handover)->parcels[(*handover)->parcel_count++] =
        (struct kept_parcel){parcel->kind, parcel->function, message_new(&parcel->message)};
}

/* ---- What they are for ---- */

static void append(struct functions *all, struct handover *handover)
{
    *(all->handovers ? all->handovers_end : &all->handovers) = handover;
    all->handovers_end = &handover->next;
    handover->mapping->held_count++;
}

static void wait_again(struct handover *handover, uint64_t now_ms)
{
    const struct functions_host *host = &handover->mapping->function->all->host;
    handover->due_ms =
        now_ms + retry_delay_ms(RETRY_WITHOUT_ROOM, ++handover->tries, host->random(host->ctx));
}

void handover_hold_invocation(struct handover *handover, struct invocation *invocation, uint64_t now_ms)
{
    const struct mapping *mapping = handover->mapping, *full = mapping->waits_for;
    handover->invocation = invocation;
    log_debug("function %s waits: %s%s has no room for what it made", mapping->function->config->name,
              full ? "the queue of function " : "the journal", full ? full->function->config->name : "");
    wait_again(handover, now_ms);
    append(handover->mapping->function->all, handover);
}

static struct span keep(struct span text)
{
    return span_of(memory_string(text), text.len);
}

/* It is due at once, and not sent here: the queue that gave the message up must not be called from there. */
void handover_hold_dead(struct handover *handover, const struct queue_dead *dead)
{
    handover->dead = *dead;
    handover->dead.message = dead->message ? message_ref(dead->message) : NULL;
    handover->dead.error_type = keep(dead->error_type);
    handover->dead.error_message = keep(dead->error_message);
    handover->dead.error_payload = SPAN_EMPTY; /* it is in the record */
    handover->mapping->held_dead_count++;
    append(handover->mapping->function->all, handover);
}

static void handover_free(struct handover *handover)
{
    for (size_t i = 0; i < handover->parcel_count; i++)
        message_unref(handover->parcels[i].message);
    if (!handover->invocation) {
        message_unref(handover->dead.message);
        memory_free((void *)handover->dead.error_type.data);
        memory_free((void *)handover->dead.error_message.data);
    }
    memory_free(handover);
}

static void unlink_first(struct handover **at)
{
    struct handover *handover = *at;
    *at = handover->next;
    if (!handover->next)
        handover->mapping->function->all->handovers_end = at;
    handover->mapping->held_count--;
    handover->mapping->held_dead_count -= handover->invocation == NULL;
}

/* All of it was taken, or can never be. */
static void end(struct handover **at)
{
    struct handover *handover = *at;
    struct mapping *mapping = handover->mapping;
    unlink_first(at);
    if (handover->invocation) {
        invocation_end(handover->invocation, NULL);
    } else if (handover->has_record) {
        queue_dead_stored(mapping->queue, handover->dead.ordinal);
        mapping->function->all->counters.sent_on++;
    } else {
        letter_keep(mapping, &handover->dead);
    }
    handover_free(handover);
}

static void give_up(struct handover **at)
{
    struct handover *handover = *at;
    char text[256];
    snprintf(text, sizeof text, "the queue of function %s, which it feeds, is full and waits for its own",
             handover->mapping->waits_for->function->config->name);
    unlink_first(at);
    if (handover->invocation) {
        invocation_give_up(handover->invocation, &(struct queue_error){.type = SPAN_LITERAL("ResultLoop"),
                                                                       .message = span_from_string(text)});
    } else {
        log_warning("function %s: what it made has no room: %s", handover->mapping->function->config->name,
                    text);
        letter_keep(handover->mapping, &handover->dead);
    }
    handover_free(handover);
}

/* ---- Trying again ---- */

/* Whether nothing will leave its queue until what it holds is handed over. */
static bool is_stuck(const struct mapping *mapping)
{
    return mapping->held_count > 0 && mapping->running_count == 0 &&
           queue_stats(mapping->queue).dead_count == mapping->held_dead_count;
}

static bool waits_for_itself(const struct mapping *mapping)
{
    const struct mapping *at = mapping;
    for (size_t i = 0; i < mapping->function->all->mapping_count && is_stuck(at); i++) {
        at = at->waits_for;
        if (!at || at == mapping)
            return at != NULL;
    }
    return false;
}

/* False: something of it has no room. */
static bool send_all(struct handover *handover)
{
    while (handover->parcel_count > 0) {
        const struct kept_parcel *first = &handover->parcels[0];
        struct parcel parcel = {first->kind, first->function, *first->message};
        bool is_refused = false;
        if (parcel_send(handover->mapping, &parcel, &is_refused) != SLUICE_OK)
            return false;
        if (is_refused && parcel.kind == PARCEL_RECORD)
            handover->has_record = false;
        message_unref(first->message);
        handover->parcel_count--;
        memmove(handover->parcels, handover->parcels + 1, handover->parcel_count * sizeof *handover->parcels);
    }
    return true;
}

void handovers_turn(struct functions *functions, uint64_t now_ms)
{
    struct handover **at = &functions->handovers;
    while (*at) {
        struct handover *handover = *at;
        if (handover->due_ms > now_ms) {
            at = &handover->next;
        } else if (send_all(handover)) {
            end(at);
        } else if (waits_for_itself(handover->mapping)) {
            give_up(at);
        } else {
            wait_again(handover, now_ms);
            at = &handover->next;
        }
    }
}

uint64_t handovers_next_deadline(const struct functions *functions)
{
    uint64_t soonest_ms = UINT64_MAX;
    for (const struct handover *at = functions->handovers; at; at = at->next)
        soonest_ms = at->due_ms < soonest_ms ? at->due_ms : soonest_ms;
    return soonest_ms;
}

void handovers_room(struct functions *functions, const struct mapping *mapping)
{
    for (struct handover *at = functions->handovers; at; at = at->next) {
        if (at->mapping->waits_for == mapping)
            at->due_ms = 0;
    }
}

void handovers_free(struct functions *functions)
{
    while (functions->handovers) {
        struct handover *handover = functions->handovers;
        unlink_first(&functions->handovers);
        if (handover->invocation)
            invocation_free(handover->invocation);
        handover_free(handover);
    }
}
