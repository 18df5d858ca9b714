#include "broker/will.h"

#include "base/memory.h"
#include "broker/parts.h"
#include "wire/topic.h"

#include <assert.h>

enum { RETRY_MS = 1000 };

struct will {
    struct session *session;
    struct message *message;
    uint32_t delay_s;
    uint32_t expiry_s; /* Message Expiry Interval, counted from when it is published; 0: never */
    struct timer timer;
};

enum mqtt_reason will_check(const struct broker *broker, const struct mqtt_will *will,
                            const struct grants *grants)
{
    if (!publish_topic_acceptable(broker, will->topic))
        return MQTT_TOPIC_NAME_INVALID;
    return grants_topic(grants, ACCESS_PUBLISH, will->topic) ? MQTT_SUCCESS : MQTT_NOT_AUTHORIZED;
}

/* Publishes it. SLUICE_FULL: there is no room for it now. */
static enum sluice_error fire(struct will *will)
{
    struct session *session = will->session;
    struct broker *broker = session->broker;
    if (!grants_topic(session->grants, ACCESS_PUBLISH, will->message->topic)) {
        broker_dropped(broker, BROKER_DROP_NOT_ALLOWED);
        return SLUICE_OK;
    }
    struct message view = *will->message;
    publish_name_publisher(&view, session->owner);
    view.received_ms = broker_wall_ms(broker);
    view.expires_ms = will->expiry_s ? view.received_ms + will->expiry_s * UINT64_C(1000) : 0;
    uint64_t seq;
    struct publish_origin origin = {.session = session};
    return publish_messages(broker, &view, 1, &origin, &seq);
}

static void on_due(void *owner, uint64_t now_ms)
{
    struct will *will = owner;
    struct broker *broker = will->session->broker;
    enum sluice_error error = fire(will);
    if (error == SLUICE_OK)
        will_discard(will->session);
    else
        timers_set(&broker->timers, &will->timer, now_ms + RETRY_MS);
}

void will_set(struct session *session, const struct mqtt_will *will)
{
    assert(!session->will);
    struct broker *broker = session->broker;
    struct will *kept = memory_new(sizeof *kept);
    kept->session = session;
    kept->message =
        message_new(&(struct message){.qos = will->qos,
                                      .retain = will->retain,
                                      .topic = will->topic,
                                      .payload = will->payload,
                                      .properties = publish_forwarded_properties(broker, will->properties),
                                      .client_id = session_client_id(session),
                                      .principal = span_from_string(session->owner->fingerprint)});
    kept->delay_s = mqtt_property_number(will->properties, MQTT_WILL_DELAY_INTERVAL, 0);
    kept->expiry_s = mqtt_property_number(will->properties, MQTT_MESSAGE_EXPIRY_INTERVAL, 0);
    kept->timer.on_expired = on_due;
    kept->timer.owner = kept;
    session->will = kept;
}

void will_discard(struct session *session)
{
    struct will *will = session->will;
    if (!will)
        return;
    session->will = NULL;
    timers_stop(&session->broker->timers, &will->timer);
    message_unref(will->message);
    memory_free(will);
}

void will_connection_lost(struct session *session, uint64_t now_ms)
{
    if (!session->will)
        return;
    if (session->will->delay_s == 0)
        on_due(session->will, now_ms);
    else
        timers_set(&session->broker->timers, &session->will->timer,
                   now_ms + session->will->delay_s * UINT64_C(1000));
}

void will_session_ends(struct session *session)
{
    if (!session->will)
        return;
    if (fire(session->will) != SLUICE_OK)
        broker_dropped(session->broker, BROKER_DROP_NOT_STORED);
    will_discard(session);
}
