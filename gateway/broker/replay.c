#include "broker/replay.h"

#include "base/memory.h"
#include "broker/parts.h"
#include "broker/retained.h"

enum { STEP_NODES = 1000, PAUSE_MS = 1, AT_ONCE = 0 };

struct replay {
    struct replay *next; /* of the same session */
    struct subscription *subscription;
    struct topic_walk walk; /* begun at its turn: what the tree removes costs a look at each that is begun */
    struct timer timer;
};

enum progress {
    DONE,
    NOT_NOW,   /* the client takes no more: replay_continue */
    TRY_AGAIN, /* soon */
};

static bool is_slow(const struct session *session)
{
    return session->channel && channel_is_slow(session->channel);
}

/* False: the journal takes no more for now. */
static bool send_one(struct replay *replay, struct retained *retained, uint64_t wall_ms)
{
    const struct subscription *subscription = replay->subscription;
    struct session *session = subscription->session;
    struct message *message = retained->message;
    if (message->expires_ms != 0 && message->expires_ms <= wall_ms)
        return true;
    if (subscription->no_local && span_equal(message->client_id, session_client_id(session)))
        return true; /* [MQTT-3.8.3-3] */
    uint32_t identifiers[2] = {subscription->identifier, 0};
    struct delivery delivery = {.session = session,
                                .identifiers = identifiers[0] ? identifiers : NULL,
                                .qos = message->qos < subscription->qos ? message->qos : subscription->qos,
                                .retain = true};
    struct broker_stored stored = {.message = message, .kept = message};
    enum sluice_error error = delivery_store_again(&delivery, &stored);
    if (error == SLUICE_FULL)
        return false;
    if (error == SLUICE_IO)
        broker_dropped(session->broker, BROKER_DROP_NOT_STORED);
    if (error == SLUICE_OK)
        delivery_deliver(&delivery, &stored, &(struct delivery_encoded){.in = NULL});
    return true;
}

static void begin_walk(struct replay *replay)
{
    const struct subscription *subscription = replay->subscription;
    struct span share, filter;
    subscription_take_apart(subscription_filter(subscription), &share, &filter);
    topic_walk_start(&subscription->session->broker->retained, &replay->walk, filter);
}

static enum progress step(struct replay *replay, size_t *budget)
{
    struct session *session = replay->subscription->session;
    if (!replay->walk.tree)
        begin_walk(replay);
    uint64_t wall_ms = broker_wall_ms(session->broker);
    while (!is_slow(session)) {
        struct retained *retained = topic_walk_at(&replay->walk, budget);
        if (!retained)
            return *budget > 0 ? DONE : TRY_AGAIN;
        if (!send_one(replay, retained, wall_ms))
            return TRY_AGAIN;
        topic_walk_skip(&replay->walk);
        --*budget;
    }
    return NOT_NOW;
}

static void end(struct replay **link)
{
    struct replay *replay = *link;
    struct broker *broker = replay->subscription->session->broker;
    *link = replay->next;
    timers_stop(&broker->timers, &replay->timer);
    if (replay->walk.tree)
        topic_walk_stop(&replay->walk);
    memory_free(replay);
}

static void run(struct session *session, uint64_t again_ms)
{
    size_t budget = STEP_NODES; /* of all walks together: the filters of one SUBSCRIBE are many */
    while (session->replays) {
        enum progress progress = step(session->replays, &budget);
        if (progress == TRY_AGAIN)
            timers_set(&session->broker->timers, &session->replays->timer, again_ms);
        if (progress != DONE)
            return;
        end(&session->replays);
    }
}

static void on_timer(void *owner, uint64_t now_ms)
{
    const struct replay *replay = owner;
    run(replay->subscription->session, now_ms + PAUSE_MS);
}

void replay_begin(struct subscription *subscription)
{
    struct session *session = subscription->session;
    replay_cancel(subscription);
    struct replay **end = &session->replays;
    while (*end)
        end = &(*end)->next;
    struct replay *replay = *end = memory_new(sizeof *replay);
    *replay =
        (struct replay){.subscription = subscription, .timer = {.on_expired = on_timer, .owner = replay}};
}

void replay_cancel(const struct subscription *subscription)
{
    struct session *session = subscription->session;
    for (struct replay **link = &session->replays; *link; link = &(*link)->next) {
        if ((*link)->subscription != subscription)
            continue;
        bool was_first = link == &session->replays;
        end(link);
        if (was_first && session->replays) /* whose turn it is now has no timer yet */
            timers_set(&session->broker->timers, &session->replays->timer, AT_ONCE);
        return;
    }
}

void replay_continue(struct session *session)
{
    if (session->replays)
        run(session, AT_ONCE);
}
