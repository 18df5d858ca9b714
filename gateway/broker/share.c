#include "broker/share.h"

#include "base/crc32c.h"
#include "broker/parts.h"

uint32_t share_tag(struct span whole)
{
    return crc32c(0, whole) % BROKER_SHARE_MAX + 1;
}

/* ---- Choosing ---- */

enum rank { TAKES_IT_NOW, IS_CONNECTED, HAS_QUEUE, IS_FULL, CANNOT };

static enum rank rank_of(const struct subscription *member, size_t queued_bytes)
{
    const struct session *session = member->session;
    if (session_is_leaving(session) || (!session->channel && session->queue == 0))
        return CANNOT;
    if (queued_bytes > 0 && member->qos > 0 && delivery_is_full(session, queued_bytes))
        return IS_FULL;
    if (delivery_may_send(session))
        return TAKES_IT_NOW;
    return session->channel ? IS_CONNECTED : HAS_QUEUE;
}

struct subscription *share_choose(struct share_group *group, size_t queued_bytes,
                                  const struct session *except)
{
    struct subscription *best = NULL;
    enum rank best_rank = CANNOT;
    uint32_t i = 0;
    for (; i < group->members.count && best_rank != TAKES_IT_NOW; i++) {
        uint32_t place = (group->turn + i) % group->members.count;
        struct subscription *member = group->members.items[place];
        enum rank rank = rank_of(member, queued_bytes);
        if (rank < best_rank && member->session != except) {
            best = member;
            best_rank = rank;
        }
    }
    if (best) {
        group->turn = best->place + 1;
        best->session->broker->scratch.work += i;
    }
    return best;
}

/* ---- Leaving ---- */

enum outcome {
    GONE,    /* it is another member's now, or was dropped and counted */
    NOBODYS, /* there is nobody else */
    NOT_NOW, /* the journal takes no more */
};

static enum outcome give(const struct subscription *member, struct message *message)
{
    uint32_t identifiers[2] = {member->identifier, 0};
    struct delivery delivery = {.session = member->session,
                                .identifiers = identifiers[0] ? identifiers : NULL,
                                .share = member->share,
                                .qos = member->qos < message->qos ? member->qos : message->qos,
                                .retain = member->retain_as_published && message->retain};
    struct broker_stored stored = {.message = message, .kept = message};
    enum sluice_error error = delivery_store_again(&delivery, &stored);
    if (error == SLUICE_FULL || error == SLUICE_IO)
        return NOT_NOW;
    if (error == SLUICE_OK)
        delivery_deliver(&delivery, &stored, &(struct delivery_encoded){.in = NULL});
    return GONE;
}

/*
 * The crash argument: what the new member has is stored before the entry of the old one is finished, in the
 * same journal; so a crash in between leaves the message twice and never not at all.
 */
static enum outcome hand_over(const struct subscription *leaving, uint64_t ordinal)
{
    struct session *session = leaving->session;
    struct outgoing_entry *entry = outgoing_at(&session->outgoing, ordinal);
    const struct subscription *member = share_choose(leaving->group, entry->bytes, session);
    if (!member)
        return NOBODYS;
    enum outcome outcome = GONE;
    if (delivery_load(session, entry)) {
        struct message *message = message_ref(entry->message);
        if (entry->old_rules && !publish_still_allowed(session->broker, message))
            broker_dropped(session->broker, BROKER_DROP_NOT_ALLOWED);
        else
            outcome = give(member, message);
        message_unref(message);
    }
    if (outcome == GONE)
        delivery_finish(session, ordinal);
    return outcome;
}

/* Never sent to the member, as far as is known; after a restart a QoS 2 message may have been. */
static bool is_unbegun(const struct outgoing_entry *entry)
{
    return entry->state == OUTGOING_QUEUED && (!entry->restored || entry->qos == 1);
}

enum { ENTRIES_OF_WORK = 8 }; /* that are only looked at cost as much as a level of a filter */

void share_unsubscribe(const struct subscription *leaving)
{
    const struct outgoing *outgoing = &leaving->session->outgoing;
    uint64_t ordinal = leaving->group->members.count > 1 ? outgoing->oldest : outgoing->next;
    leaving->session->broker->scratch.work += (outgoing->next - ordinal) / ENTRIES_OF_WORK;
    while (ordinal < outgoing->next) {
        const struct outgoing_entry *entry = outgoing_at(outgoing, ordinal);
        if (entry->share == leaving->share && is_unbegun(entry) && hand_over(leaving, ordinal) == NOT_NOW)
            return;
        ordinal = ordinal < outgoing->oldest ? outgoing->oldest : ordinal + 1;
    }
}

/* The subscription that a message came by; each one that is looked at costs. */
static const struct subscription *find_share(const struct session *session, uint32_t share, size_t *budget)
{
    const struct subscription *at = session->subscriptions;
    for (; at && at->share != share; at = at->next)
        *budget -= *budget > 0;
    return at;
}

bool share_leave(struct session *session, size_t *budget)
{
    const struct outgoing *outgoing = &session->outgoing;
    while (outgoing_count(outgoing) > 0 && *budget > 0) {
        --*budget;
        uint64_t ordinal = outgoing->oldest;
        const struct outgoing_entry *entry = outgoing_at(outgoing, ordinal); /* the oldest is unfinished */
        bool may_go = entry->share != 0 && (is_unbegun(entry) || entry->qos == 1);
        const struct subscription *leaving = may_go ? find_share(session, entry->share, budget) : NULL;
        enum outcome outcome = leaving ? hand_over(leaving, ordinal) : NOBODYS;
        if (outcome == NOT_NOW)
            return false;
        if (outcome == NOBODYS) {
            broker_dropped(session->broker, BROKER_DROP_SESSION_ENDED);
            delivery_finish(session, ordinal);
        }
    }
    return true;
}
