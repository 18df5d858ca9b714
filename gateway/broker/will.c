#include "broker/will.h"

#include "base/memory.h"
#include "broker/parts.h"
#include "wire/topic.h"

#include <assert.h>

enum { RETRY_MS = 1000, AT_ONCE = 0 };

struct will {
    struct broker *broker;
    struct session *session; /* NULL: it is due */
    struct will *next;       /* of those that are due */
    const struct identity *owner;
    struct message *message; /* with the Will Properties as they came */
    uint64_t id;
    struct timer delay;
    uint64_t fired_seq;
    bool has_fired;
};

enum mqtt_reason will_check(struct broker *broker, const struct mqtt_will *will, const struct grants *grants)
{
    if (!publish_topic_acceptable(broker, will->topic))
        return MQTT_TOPIC_NAME_INVALID;
    if (!grants_topic(grants, ACCESS_PUBLISH, will->topic))
        return MQTT_NOT_AUTHORIZED;
    return publish_payload_acceptable(will->properties, will->payload) ? MQTT_SUCCESS
                                                                       : MQTT_PAYLOAD_FORMAT_INVALID;
}

static void will_free(struct will *will)
{
    timers_stop(&will->broker->timers, &will->delay);
    identity_release(will->owner);
    message_unref(will->message);
    memory_free(will);
}

/* The state need not keep it any more either. */
static void will_end(struct will *will)
{
    will->broker->hooks.will_removed(will->broker->hooks.ctx, will->id);
    will_free(will);
}

/* ---- Those that are due ---- */

static bool is_allowed(const struct will *will)
{
    struct grants *grants = grants_new(will->broker->access, will->owner, will->message->client_id);
    bool allowed = grants_topic(grants, ACCESS_PUBLISH, will->message->topic);
    grants_free(grants);
    return allowed;
}

static enum sluice_error publish(struct will *will)
{
    struct broker *broker = will->broker;
    struct mqtt_properties properties = {will->message->properties};
    struct message view = *will->message;
    publish_name_publisher(&view, will->owner);
    view.received_ms = broker_wall_ms(broker);
    view.expires_ms = publish_expires_ms(properties, view.received_ms);
    view.properties = publish_forwarded_properties(broker, properties);
    struct publish_origin origin = {.session = session_find(broker, view.client_id)};
    struct publish_stored stored = {0};
    enum sluice_error error = publish_messages(broker, &view, 1, &origin, &stored);
    if (!error)
        will->fired_seq = stored.seq;
    return error;
}

/* Publishes it, or gives it up; or it stays as it is, for want of room or of a disk that works. */
static void fire(struct will *will)
{
    struct broker *broker = will->broker;
    if (!is_allowed(will)) {
        broker_dropped(broker, BROKER_DROP_NOT_ALLOWED);
        will->has_fired = true;
        return;
    }
    enum sluice_error error = publish(will);
    will->has_fired = error != SLUICE_FULL && error != SLUICE_IO;
    if (error && will->has_fired)
        broker_dropped(broker, BROKER_DROP_NOT_STORED);
}

static bool is_over(const struct will *will)
{
    return will->has_fired && will->fired_seq <= will->broker->durable_seq;
}

static void take_out(struct broker *broker, struct will **link)
{
    struct will *will = *link;
    *link = will->next;
    if (!will->next)
        broker->wills.end = link;
    will_end(will);
}

static void on_retry(void *owner, uint64_t now_ms)
{
    struct broker *broker = owner;
    bool again = false;
    for (struct will **link = &broker->wills.first; *link;) {
        if (!(*link)->has_fired)
            fire(*link);
        again |= !(*link)->has_fired;
        if (is_over(*link))
            take_out(broker, link);
        else
            link = &(*link)->next;
    }
    if (again)
        timers_set(&broker->timers, &broker->wills.retry, now_ms + RETRY_MS);
}

/* They fired in the order in which they stand here, so the first that is not durable ends it. */
void wills_durable(struct broker *broker)
{
    for (struct will **link = &broker->wills.first; *link;) {
        if (is_over(*link))
            take_out(broker, link);
        else if ((*link)->has_fired)
            return;
        else
            link = &(*link)->next;
    }
}

/* Moves it from its session to those that are due. */
static void become_due(struct will *will)
{
    struct broker *broker = will->broker;
    timers_stop(&broker->timers, &will->delay);
    if (will->session)
        will->session->will = NULL;
    will->session = NULL;
    *broker->wills.end = will;
    broker->wills.end = &will->next;
}

static void due_now(struct will *will)
{
    struct broker *broker = will->broker;
    struct will **link = broker->wills.end;
    become_due(will);
    fire(will);
    if (!will->has_fired)
        timers_set(&broker->timers, &broker->wills.retry, AT_ONCE);
    else if (is_over(will))
        take_out(broker, link);
}

static void on_delay_over(void *owner, uint64_t now_ms)
{
    (void)now_ms;
    due_now(owner);
}

/* ---- Those of sessions ---- */

static struct will *will_new(struct broker *broker, struct session *session, uint64_t id,
                             const struct identity *owner, const struct message *message)
{
    struct will *will = memory_new(sizeof *will);
    *will = (struct will){.broker = broker,
                          .session = session,
                          .owner = identity_keep(owner),
                          .message = message_new(message),
                          .id = id,
                          .delay = {.on_expired = on_delay_over, .owner = will}};
    return will;
}

static uint64_t save(const struct will *will, uint64_t due_ms)
{
    struct broker *broker = will->broker;
    return broker->hooks.will_saved(broker->hooks.ctx, &(struct broker_will){.id = will->id,
                                                                             .message = will->message,
                                                                             .owner = will->owner,
                                                                             .due_ms = due_ms});
}

uint64_t will_set(struct session *session, const struct mqtt_will *will)
{
    assert(!session->will);
    struct broker *broker = session->broker;
    struct message message = {.qos = will->qos,
                              .retain = will->retain,
                              .topic = will->topic,
                              .payload = will->payload,
                              .properties = will->properties.bytes,
                              .client_id = session_client_id(session),
                              .principal = span_from_string(session->owner->fingerprint)};
    session->will = will_new(broker, session, ++broker->wills.last_id, session->owner, &message);
    return save(session->will, 0);
}

void will_forget(struct session *session)
{
    if (session->will)
        will_free(session->will);
    session->will = NULL;
}

void will_discard(struct session *session)
{
    if (session->will)
        will_end(session->will);
    session->will = NULL;
}

static uint64_t delay_ms(const struct will *will)
{
    struct mqtt_properties properties = {will->message->properties};
    return mqtt_property_number(properties, MQTT_WILL_DELAY_INTERVAL, 0) * UINT64_C(1000);
}

void will_connection_lost(struct session *session, uint64_t now_ms)
{
    struct will *will = session->will;
    if (!will || session->broker->stopping)
        return;
    uint64_t delay = delay_ms(will);
    if (delay == 0) {
        due_now(will);
        return;
    }
    timers_set(&session->broker->timers, &will->delay, now_ms + delay);
    save(will, broker_wall_ms(session->broker) + delay);
}

void will_session_ends(struct session *session)
{
    if (session->will && !session->broker->stopping)
        due_now(session->will);
}

/* ---- All of them ---- */

void wills_init(struct broker *broker)
{
    broker->wills.end = &broker->wills.first;
    broker->wills.retry.on_expired = on_retry;
    broker->wills.retry.owner = broker;
}

void wills_fini(struct broker *broker)
{
    timers_stop(&broker->timers, &broker->wills.retry);
    while (broker->wills.first) {
        struct will *will = broker->wills.first;
        broker->wills.first = will->next;
        will_free(will);
    }
}

/* How long it still waits: of a connection that was there until now its whole delay; else until it was due,
 * by the wall clock, and never longer than its whole delay if that was set back. */
static uint64_t left_ms(const struct will *will, uint64_t due_ms)
{
    uint64_t delay = delay_ms(will), wall_ms = broker_wall_ms(will->broker);
    if (due_ms == 0)
        return delay;
    uint64_t left = due_ms > wall_ms ? due_ms - wall_ms : 0;
    return left < delay ? left : delay;
}

/* One whose session is gone, or has a later will, was due when the gateway died. */
enum sluice_error will_restore(struct broker *broker, const struct broker_will *stored, uint64_t now_ms)
{
    const struct message *message = stored->message;
    if (stored->id <= broker->wills.last_id || !topic_name_valid(message->topic) ||
        !publish_topic_acceptable(broker, message->topic))
        return SLUICE_INVALID;
    broker->wills.last_id = stored->id;
    struct session *session = session_find(broker, message->client_id);
    struct will *will = will_new(broker, session, stored->id, stored->owner, message);
    if (session && session->will)
        become_due(session->will);
    if (session)
        session->will = will;
    uint64_t left = session ? left_ms(will, stored->due_ms) : 0;
    if (left > 0)
        timers_set(&broker->timers, &will->delay, now_ms + left);
    else
        become_due(will);
    if (left > 0 && stored->due_ms == 0)
        save(will, broker_wall_ms(broker) + left);
    if (broker->wills.first)
        timers_set(&broker->timers, &broker->wills.retry, AT_ONCE);
    return SLUICE_OK;
}
