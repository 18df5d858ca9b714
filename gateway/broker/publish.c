#include "broker/publish.h"

#include "base/memory.h"
#include "broker/parts.h"
#include "broker/retained.h"
#include "broker/share.h"
#include "wire/topic.h"

#include <assert.h>

enum { SUBSCRIPTION_WORK = 4 }; /* what serving one costs, in levels of filters looked at */

/* A delivery under construction. Its Subscription Identifiers are a list in scratch->identifiers, two
 * numbers a link: the identifier, and the place of the next link. */
struct publish_delivery {
    struct session *session;
    uint64_t ordinal; /* durable sessions at QoS 1 and 2 */
    uint32_t message; /* which of the PUBLISH */
    uint32_t first_identifier;
    uint32_t share; /* 0: not by a Shared Subscription */
    uint8_t qos;
    bool retain;
};

/* Doubles *capacity until `count` more fit behind *used. */
static void *room_for(void *memory, size_t size, size_t used, size_t count, size_t *capacity)
{
    if (used + count <= *capacity)
        return memory;
    size_t wanted = *capacity ? *capacity : 16;
    while (wanted < used + count)
        wanted *= 2;
    *capacity = wanted;
    return memory_resize(memory, wanted * size);
}

void publish_scratch_fini(struct publish_scratch *scratch)
{
    memory_free(scratch->matches.items);
    memory_free(scratch->deliveries);
    memory_free(scratch->targets);
    memory_free(scratch->stored);
    memory_free(scratch->identifiers);
    *scratch = (struct publish_scratch){0};
}

struct message *broker_stored_keep(struct broker_stored *stored)
{
    if (!stored->kept)
        stored->kept = message_new(stored->message);
    return stored->kept;
}

/* ---- Collecting ---- */

static void add_identifier(struct publish_scratch *scratch, struct publish_delivery *delivery,
                           uint32_t identifier)
{
    if (identifier == 0)
        return;
    scratch->identifiers = room_for(scratch->identifiers, sizeof *scratch->identifiers,
                                    scratch->identifier_count, 2, &scratch->identifier_capacity);
    uint32_t *link = scratch->identifiers + scratch->identifier_count;
    link[0] = identifier;
    link[1] = delivery->first_identifier;
    scratch->identifier_count += 2;
    delivery->first_identifier = (uint32_t)scratch->identifier_count; /* one past the link; 0: none */
}

static struct publish_delivery *new_delivery(struct publish_scratch *scratch, struct session *session,
                                             size_t message)
{
    scratch->deliveries = room_for(scratch->deliveries, sizeof *scratch->deliveries, scratch->delivery_count,
                                   1, &scratch->delivery_capacity);
    struct publish_delivery *delivery = &scratch->deliveries[scratch->delivery_count++];
    *delivery = (struct publish_delivery){.session = session, .message = (uint32_t)message};
    return delivery;
}

/* Overlapping subscriptions of one client get one copy, at the highest QoS among them, with all their
 * Subscription Identifiers [MQTT-3.3.4-2, MQTT-3.3.4-3]. A Shared Subscription's copy is one of its own. */
static void collect(struct publish_scratch *scratch, const struct subscription *subscription,
                    const struct message *message, size_t index)
{
    struct session *session = subscription->session;
    struct publish_delivery *delivery;
    scratch->work += SUBSCRIPTION_WORK;
    if (subscription->group || session->match_stamp != scratch->stamp) {
        delivery = new_delivery(scratch, session, index);
        delivery->share = subscription->share;
        if (!subscription->group) {
            session->match_stamp = scratch->stamp;
            session->match_place = (uint32_t)(scratch->delivery_count - 1);
        }
    } else {
        delivery = &scratch->deliveries[session->match_place];
    }
    uint8_t qos = subscription->qos < message->qos ? subscription->qos : message->qos;
    if (qos > delivery->qos)
        delivery->qos = qos;
    delivery->retain |= subscription->retain_as_published && message->retain;
    add_identifier(scratch, delivery, subscription->identifier);
}

static void collect_message(struct broker *broker, const struct message *message, size_t index,
                            const struct session *publisher)
{
    struct publish_scratch *scratch = &broker->scratch;
    size_t queued_bytes = message->qos > 0 ? message_bytes(message) : 0;
    scratch->stamp++;
    scratch->work += subscriptions_match(&broker->subscriptions, message->topic, &scratch->matches);
    for (size_t i = 0; i < scratch->matches.count; i++) {
        const struct subscribers *subscribers = scratch->matches.items[i];
        for (uint32_t j = 0; j < subscribers->plain.count; j++) {
            const struct subscription *subscription = subscribers->plain.items[j];
            if (!(subscription->no_local && subscription->session == publisher))
                collect(scratch, subscription, message, index);
        }
        for (struct share_group *group = subscribers->groups; group; group = group->next) {
            const struct subscription *member = share_choose(group, queued_bytes, NULL);
            if (member)
                collect(scratch, member, message, index);
        }
    }
}

/* ---- Reserving ---- */

/* Gives each durable delivery its ordinal and the journal its target; one without room is dropped here. */
static void reserve(struct broker *broker, const struct message *messages, size_t count)
{
    struct publish_scratch *scratch = &broker->scratch;
    scratch->targets = room_for(scratch->targets, sizeof *scratch->targets, 0, scratch->delivery_count,
                                &scratch->target_capacity);
    scratch->stored = room_for(scratch->stored, sizeof *scratch->stored, 0, count, &scratch->stored_capacity);
    for (size_t i = 0; i < count; i++)
        scratch->stored[i] = (struct broker_stored){
            .message = &messages[i],
            .retained = messages[i].retain ? retained_change(broker, &messages[i]) : BROKER_RETAINED_SAME};
    scratch->target_count = 0;
    for (size_t i = 0; i < scratch->delivery_count; i++) {
        struct publish_delivery *delivery = &scratch->deliveries[i];
        struct session *session = delivery->session;
        struct broker_stored *stored = &scratch->stored[delivery->message];
        if (delivery->qos == 0 || session->queue == 0)
            continue;
        size_t bytes = message_bytes(stored->message);
        if (!delivery_has_room(session, bytes)) {
            delivery->session = NULL;
            continue;
        }
        delivery->ordinal = session->outgoing.next + session->reserved_count++;
        session->reserved_bytes += bytes;
        struct broker_target *target = &scratch->targets[scratch->target_count++];
        *target = (struct broker_target){session->queue, delivery->ordinal, delivery->share, delivery->qos,
                                         delivery->retain};
        if (stored->target_count++ == 0)
            stored->targets = target;
    }
}

static void unreserve(struct publish_scratch *scratch)
{
    for (size_t i = 0; i < scratch->delivery_count; i++) {
        struct session *session = scratch->deliveries[i].session;
        if (session) {
            session->reserved_count = 0;
            session->reserved_bytes = 0;
        }
    }
}

/* ---- Delivering ---- */

/* The delivery's identifiers as an array ended by 0, behind the links in scratch->identifiers. */
static const uint32_t *list_identifiers(struct publish_scratch *scratch,
                                        const struct publish_delivery *delivery)
{
    if (delivery->first_identifier == 0)
        return NULL;
    size_t count = 1;
    for (uint32_t link = delivery->first_identifier; link; link = scratch->identifiers[link - 1])
        count++;
    scratch->identifiers = room_for(scratch->identifiers, sizeof *scratch->identifiers,
                                    scratch->identifier_count, count, &scratch->identifier_capacity);
    uint32_t *list = scratch->identifiers + scratch->identifier_count, *at = list;
    for (uint32_t link = delivery->first_identifier; link; link = scratch->identifiers[link - 1])
        *at++ = scratch->identifiers[link - 2];
    *at = 0;
    return list;
}

static void deliver_all(struct broker *broker, uint64_t seq)
{
    struct publish_scratch *scratch = &broker->scratch;
    struct delivery_encoded encoded = {.in = NULL};
    uint32_t message = 0;
    for (size_t i = 0; i < scratch->delivery_count; i++) {
        const struct publish_delivery *planned = &scratch->deliveries[i];
        if (!planned->session)
            continue;
        if (planned->message != message)
            encoded.in = NULL;
        message = planned->message;
        struct delivery delivery = {.session = planned->session,
                                    .identifiers = list_identifiers(scratch, planned),
                                    .seq = planned->session->queue ? seq : 0,
                                    .share = planned->share,
                                    .qos = planned->qos,
                                    .retain = planned->retain};
        delivery_deliver(&delivery, &scratch->stored[message], &encoded);
    }
}

void publish_status(struct broker *broker, const struct message *message)
{
    struct publish_scratch *scratch = &broker->scratch;
    scratch->delivery_count = scratch->identifier_count = 0;
    collect_message(broker, message, 0, NULL);
    reserve(broker, message, 1);
    deliver_all(broker, 0);
    retained_show(broker, scratch->stored);
    message_unref(scratch->stored->kept);
}

enum sluice_error publish_messages(struct broker *broker, const struct message *messages, size_t count,
                                   const struct publish_origin *origin, struct publish_stored *ret_stored)
{
    struct publish_scratch *scratch = &broker->scratch;
    scratch->delivery_count = scratch->identifier_count = 0;
    for (size_t i = 0; i < count; i++)
        collect_message(broker, &messages[i], i, origin->session);
    reserve(broker, messages, count);
    struct broker_publish publish = {.messages = scratch->stored,
                                     .message_count = count,
                                     .origin_queue = origin->session ? origin->session->queue : 0,
                                     .origin_packet_id = origin->packet_id,
                                     .origin_qos = origin->qos};
    uint64_t seq = 0;
    enum sluice_error error = broker->hooks.store(broker->hooks.ctx, &publish, &seq);
    unreserve(scratch);
    if (error == SLUICE_OK) {
        broker->counters.messages += count;
        deliver_all(broker, seq);
        for (size_t i = 0; i < count; i++) {
            if (messages[i].retain)
                retained_publish(broker, &scratch->stored[i]);
        }
        *ret_stored = (struct publish_stored){seq, publish.processing};
    }
    for (size_t i = 0; i < count; i++)
        message_unref(scratch->stored[i].kept);
    return error;
}
