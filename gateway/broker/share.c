#include "broker/share.h"

#include "base/crc32c.h"
#include "broker/parts.h"

uint32_t share_tag(struct span whole)
{
    return crc32c(0, whole) % BROKER_SHARE_MAX + 1;
}

/* ---- Choosing ---- */

enum rank { TAKES_IT_NOW, IS_CONNECTED, HAS_QUEUE, CANNOT };

static enum rank rank_of(const struct session *session)
{
    if (delivery_may_send(session))
        return TAKES_IT_NOW;
    if (session->channel)
        return IS_CONNECTED;
    return session->queue != 0 ? HAS_QUEUE : CANNOT;
}

struct subscription *share_choose(struct share_group *group, const struct session *except)
{
    struct subscription *best = NULL;
    enum rank best_rank = CANNOT;
    for (uint32_t i = 0; i < group->members.count && best_rank != TAKES_IT_NOW; i++) {
        uint32_t place = (group->turn + i) % group->members.count;
        struct subscription *member = group->members.items[place];
        enum rank rank = rank_of(member->session);
        if (rank < best_rank && member->session != except) {
            best = member;
            best_rank = rank;
        }
    }
    if (best)
        group->turn = best->place + 1;
    return best;
}

/* ---- Leaving ---- */

static bool may_be_handed_over(const struct outgoing_entry *entry, bool session_ends)
{
    bool never_begun = entry->state == OUTGOING_QUEUED && !entry->restored;
    bool unacknowledged = entry->qos == 1 && entry->state != OUTGOING_DONE;
    return never_begun || (session_ends && unacknowledged);
}

/* False: it cannot be stored for now. */
static bool give(struct share_group *group, const struct session *from, struct message *message)
{
    const struct subscription *member = share_choose(group, from);
    uint32_t identifiers[2] = {member->identifier, 0};
    struct delivery delivery = {.session = member->session,
                                .identifiers = identifiers[0] ? identifiers : NULL,
                                .share = member->share,
                                .qos = member->qos < message->qos ? member->qos : message->qos,
                                .retain = member->retain_as_published && message->retain};
    struct broker_stored stored = {.message = message, .kept = message};
    enum sluice_error error = delivery_store_again(&delivery, &stored);
    if (error == SLUICE_FULL || error == SLUICE_IO)
        return false;
    if (error == SLUICE_OK)
        delivery_deliver(&delivery, &stored, &(struct delivery_encoded){.in = NULL});
    return true;
}

/*
 * The crash argument: what the new member has is stored before the entry of the old one is finished, in the
 * same journal; so a crash in between leaves the message twice and never not at all.
 */
bool share_hand_over(struct subscription *leaving, bool session_ends)
{
    struct session *session = leaving->session;
    struct outgoing *outgoing = &session->outgoing;
    uint64_t next;
    for (uint64_t ordinal = outgoing->oldest; ordinal < outgoing->next; ordinal = next) {
        next = ordinal + 1;
        struct outgoing_entry *entry = outgoing_at(outgoing, ordinal);
        if (entry->share != leaving->share || !may_be_handed_over(entry, session_ends))
            continue;
        if (!share_choose(leaving->group, session))
            return true;
        if (!delivery_load(session, entry))
            continue;
        struct message *message = message_ref(entry->message);
        bool given = give(leaving->group, session, message);
        if (given)
            delivery_finish(session, ordinal);
        message_unref(message);
        if (!given)
            return false;
        if (outgoing->oldest > next)
            next = outgoing->oldest;
    }
    return true;
}
