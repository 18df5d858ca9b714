#include "broker/session.h"

#include "base/memory.h"
#include "broker/parts.h"
#include "broker/replay.h"
#include "broker/share.h"

#include <assert.h>

enum {
    SMALLEST_BUCKET_COUNT = 64,
    LEAVE_BUDGET = 1024, /* of one step, see share_leave: about a millisecond */
    LEAVE_PAUSE_MS = 1,
    RETRY_MS = 100,
};

static const struct identity anonymous = {.kind = IDENTITY_ANONYMOUS};
static const struct identity unknown = {.kind = IDENTITY_UNKNOWN};

const struct identity *identity_keep(const struct identity *identity)
{
    if (identity->kind == IDENTITY_ANONYMOUS)
        return &anonymous;
    if (identity->kind == IDENTITY_UNKNOWN)
        return &unknown;
    struct identity *copy = memory_new(sizeof *copy);
    *copy = *identity;
    return copy;
}

void identity_release(const struct identity *identity)
{
    if (identity != &anonymous && identity != &unknown)
        memory_free((void *)(uintptr_t)identity);
}

/* ---- The table ---- */

static void table_grow(struct session_table *table)
{
    size_t count = table->bucket_count ? table->bucket_count * 2 : SMALLEST_BUCKET_COUNT;
    struct session **buckets = memory_new_array(count, sizeof(struct session *));
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct session *next;
        for (struct session *session = table->buckets[i]; session; session = next) {
            next = session->next_in_bucket;
            session->next_in_bucket = buckets[session->hash & (count - 1)];
            buckets[session->hash & (count - 1)] = session;
        }
    }
    memory_free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = count;
}

static void table_add(struct session_table *table, struct session *session)
{
    if (table->count == table->bucket_count)
        table_grow(table);
    struct session **bucket = &table->buckets[session->hash & (table->bucket_count - 1)];
    session->next_in_bucket = *bucket;
    *bucket = session;
    table->count++;
}

static void table_remove(struct session_table *table, struct session *session)
{
    struct session **link = &table->buckets[session->hash & (table->bucket_count - 1)];
    while (*link != session)
        link = &(*link)->next_in_bucket;
    *link = session->next_in_bucket;
    table->count--;
}

struct session *session_find(struct broker *broker, struct span client_id)
{
    struct session_table *table = &broker->sessions;
    if (table->count == 0)
        return NULL;
    uint64_t hash = hash_bytes(broker->key, client_id);
    struct session *session = table->buckets[hash & (table->bucket_count - 1)];
    while (session && !(session->hash == hash && span_equal(session_client_id(session), client_id)))
        session = session->next_in_bucket;
    return session;
}

void session_each(struct broker *broker, void (*visit)(void *ctx, struct session *session), void *ctx)
{
    for (size_t i = 0; i < broker->sessions.bucket_count; i++) {
        struct session *next;
        for (struct session *session = broker->sessions.buckets[i]; session; session = next) {
            next = session->next_in_bucket;
            visit(ctx, session);
        }
    }
}

/* ---- One session ---- */

static void count_subscription(const struct subscription *subscription, bool added)
{
    struct broker_counters *counters = &subscription->session->broker->counters;
    uint64_t sign = added ? 1 : UINT64_MAX; /* in the arithmetic of unsigned numbers, -1 */
    counters->subscriptions += sign;
    counters->shared_subscriptions += subscription->group ? sign : 0;
}

static void forget_subscription(struct subscription **link)
{
    struct subscription *subscription = *link;
    struct session *session = subscription->session;
    *link = subscription->next;
    session->subscription_count--;
    replay_cancel(subscription);
    count_subscription(subscription, false);
    subscriptions_remove(&session->broker->subscriptions, subscription);
    memory_free(subscription);
}

/* False: the journal takes no more for now. */
static bool leave_shares(struct session *session, size_t *budget)
{
    for (struct subscription **link = &session->subscriptions; *link;) {
        if ((*link)->group)
            link = &(*link)->next;
        else
            forget_subscription(link);
    }
    return !session->subscriptions || session->broker->stopping || share_leave(session, budget);
}

/* Ends the session: when the other members of its Shared Subscriptions have what it leaves, step by step. */
static void leave(struct session *session, uint64_t now_ms)
{
    size_t budget = LEAVE_BUDGET;
    session->expiry_s = 0;
    will_session_ends(session);
    if (!leave_shares(session, &budget))
        timers_set(&session->broker->timers, &session->expiry, now_ms + RETRY_MS);
    else if (budget == 0)
        timers_set(&session->broker->timers, &session->expiry, now_ms + LEAVE_PAUSE_MS);
    else
        session_end(session);
}

static void on_expired(void *owner, uint64_t now_ms)
{
    struct session *session = owner;
    session->broker->counters.sessions_expired += session->expiry_s > 0;
    leave(session, now_ms);
}

struct session *session_new(struct broker *broker, struct span client_id, const struct identity *owner,
                            uint32_t expiry_s, uint64_t queue, uint64_t next_ordinal)
{
    struct session *session = memory_new(sizeof *session + client_id.len);
    memcpy(session->client_id, client_id.data, client_id.len);
    session->client_id_len = (uint16_t)client_id.len;
    session->hash = hash_bytes(broker->key, client_id);
    session->broker = broker;
    session->owner = identity_keep(owner);
    session->grants = grants_new(broker->access, owner, client_id);
    session->expiry_s = expiry_s;
    session->queue = queue;
    session->expiry.on_expired = on_expired;
    session->expiry.owner = session;
    outgoing_init(&session->outgoing, next_ordinal);
    table_add(&broker->sessions, session);
    broker->counters.sessions++;
    return session;
}

void session_count_queue(struct session *session, bool added)
{
    struct broker_counters *counters = &session->broker->counters;
    const struct outgoing *outgoing = &session->outgoing;
    uint64_t sign = added ? 1 : UINT64_MAX; /* in the arithmetic of unsigned numbers, -1 */
    counters->queued += sign * outgoing_count(outgoing);
    counters->queued_bytes += sign * outgoing->bytes;
    counters->inflight += sign * outgoing->inflight_count;
}

uint64_t session_save(struct session *session, uint64_t disconnected_ms)
{
    if (session->queue == 0)
        return 0;
    struct broker_session saved = {session_client_id(session), session->owner, session->expiry_s,
                                   disconnected_ms};
    return session->broker->hooks.session_saved(session->broker->hooks.ctx, &saved);
}

void session_detach(struct session *session, uint64_t now_ms)
{
    struct broker *broker = session->broker;
    session->channel = NULL;
    broker->counters.connected--;
    broker->counters.inflight -= session->outgoing.inflight_count;
    outgoing_rewind(&session->outgoing);
    if (session->expiry_s == 0) {
        leave(session, now_ms);
        return;
    }
    will_connection_lost(session, now_ms);
    if (session->expiry_s != SESSION_NEVER_EXPIRES)
        timers_set(&broker->timers, &session->expiry, now_ms + session->expiry_s * UINT64_C(1000));
    session_save(session, broker_wall_ms(broker));
    replay_continue(session);
}

static void forget(struct session *session)
{
    struct broker *broker = session->broker;
    while (session->subscriptions)
        forget_subscription(&session->subscriptions);
    session_stop_waiting(session);
    will_forget(session);
    timers_stop(&broker->timers, &session->expiry);
    table_remove(&broker->sessions, session);
    broker->counters.sessions--;
    session_count_queue(session, false);
    outgoing_fini(&session->outgoing);
    incoming_fini(&session->incoming);
    grants_free(session->grants);
    identity_release(session->owner);
    memory_free(session);
}

static uint64_t unfinished_count(const struct session *session)
{
    uint64_t count = 0;
    for (uint64_t ordinal = session->outgoing.oldest; ordinal < session->outgoing.next; ordinal++) {
        if (outgoing_at(&session->outgoing, ordinal)->state != OUTGOING_DONE)
            count++;
    }
    return count;
}

void session_end(struct session *session)
{
    struct broker *broker = session->broker;
    size_t budget = SIZE_MAX;
    session->expiry_s = 0;
    will_session_ends(session);
    leave_shares(session, &budget);
    broker->counters.dropped[BROKER_DROP_SESSION_ENDED] += unfinished_count(session);
    if (session->queue != 0) {
        broker->hooks.queue_drop(broker->hooks.ctx, session->queue);
        broker->hooks.session_removed(broker->hooks.ctx, session_client_id(session));
    }
    forget(session);
}

static void forget_one(void *ctx, struct session *session)
{
    (void)ctx;
    assert(!session->channel);
    forget(session);
}

void session_table_fini(struct broker *broker)
{
    session_each(broker, forget_one, NULL);
    memory_free(broker->sessions.buckets);
    broker->sessions = (struct session_table){0};
}

/* ---- Those that wait for the disk ---- */

void session_wait(struct session *session)
{
    struct broker *broker = session->broker;
    if (session->waiting)
        return;
    session->waiting = true;
    session->previous_waiting = NULL;
    session->next_waiting = broker->waiting;
    if (broker->waiting)
        broker->waiting->previous_waiting = session;
    broker->waiting = session;
}

void session_stop_waiting(struct session *session)
{
    if (!session->waiting)
        return;
    session->waiting = false;
    if (session->previous_waiting)
        session->previous_waiting->next_waiting = session->next_waiting;
    else
        session->broker->waiting = session->next_waiting;
    if (session->next_waiting)
        session->next_waiting->previous_waiting = session->previous_waiting;
}

/* ---- Its subscriptions ---- */

/* Walks the shorter of two lists, all to this filter or all of this session, so that neither a popular filter
 * nor a client with many makes it slow. */
struct subscription *session_subscription(const struct session *session, struct span share,
                                          struct span filter)
{
    const struct subscription_list *list = subscriptions_find(&session->broker->subscriptions, share, filter);
    if (!list)
        return NULL;
    if (list->count <= session->subscription_count) {
        for (uint32_t i = 0; i < list->count; i++) {
            if (list->items[i]->session == session)
                return list->items[i];
        }
        return NULL;
    }
    struct subscription *at = session->subscriptions;
    while (at && !(at->place < list->count && list->items[at->place] == at))
        at = at->next;
    return at;
}

struct subscription *session_subscribe(struct session *session, const struct broker_subscription *wanted,
                                       struct span share, struct span filter)
{
    struct broker *broker = session->broker;
    struct subscription *subscription = session_subscription(session, share, filter);
    if (!subscription) {
        subscription = memory_new(sizeof *subscription + wanted->filter.len);
        memcpy(subscription->filter, wanted->filter.data, wanted->filter.len);
        subscription->filter_len = (uint16_t)wanted->filter.len;
        subscription->session = session;
        subscription->share = share.len > 0 ? share_tag(wanted->filter) : 0;
        subscription->next = session->subscriptions;
        session->subscriptions = subscription;
        session->subscription_count++;
        subscriptions_add(&broker->subscriptions, subscription, share, filter);
        count_subscription(subscription, true);
    }
    subscription->identifier = wanted->identifier;
    subscription->qos = wanted->qos;
    subscription->no_local = wanted->no_local;
    subscription->retain_as_published = wanted->retain_as_published;
    subscription->retain_handling = wanted->retain_handling;
    return subscription;
}

void session_unsubscribe(struct session *session, struct subscription *subscription)
{
    if (subscription->group)
        share_unsubscribe(subscription);
    struct subscription **link = &session->subscriptions;
    while (*link != subscription)
        link = &(*link)->next;
    forget_subscription(link);
}
