/*
 * The way of a PUBLISH: transform, match, store, deliver. Everything that it is
 * for is collected first; only when the world has stored it is anything
 * delivered, so that a refusal leaves no trace. Scratch memory is kept from one
 * PUBLISH to the next.
 */
#ifndef SLUICE_BROKER_PUBLISH_H
#define SLUICE_BROKER_PUBLISH_H

#include "broker/delivery.h"

enum { PUBLISH_TURN_WORK = 64 * 1024 }; /* of publish_scratch.work in one turn: a few milliseconds */

struct publish_delivery;

struct publish_scratch {
    struct subscription_matches matches;
    struct publish_delivery *deliveries;
    struct broker_target *targets;
    struct broker_stored *stored;
    uint32_t *identifiers;
    size_t delivery_count, delivery_capacity;
    size_t target_count, target_capacity;
    size_t stored_capacity;
    size_t identifier_count, identifier_capacity;
    uint64_t stamp; /* counts matched messages */
    uint64_t work;  /* done for packets so far: see channel_input; 1 is a level of a filter looked at, or a
                      byte of what was made of a packet */
};

void publish_scratch_fini(struct publish_scratch *scratch);

/* Who publishes; NULL session: the gateway itself. */
struct publish_origin {
    struct session *session;
    uint16_t packet_id;
    uint8_t qos;
};

/* What the acknowledgement of a PUBLISH waits for. */
struct publish_stored {
    uint64_t seq;
    struct broker_processing *processing; /* lives as long as it is owed; NULL: for no function */
};

/* Stores and delivers `count` messages as one. As broker_hooks.store; nothing was done unless SLUICE_OK. */
enum sluice_error publish_messages(struct broker *broker, const struct message *messages, size_t count,
                                   const struct publish_origin *origin, struct publish_stored *ret_stored);
/* Delivers a message of the Server's own, of QoS 0, and retains it; nothing is stored. */
void publish_status(struct broker *broker, const struct message *message);
/* Says in a message that may be kept, retained, queued or answered, who published it; the message is a view
 * of the identity's name. */
void publish_name_publisher(struct message *message, const struct identity *identity);
/* Whether the rules as they are now let a message's publisher do that. */
bool publish_publisher_may(const struct broker *broker, const struct message *message,
                           enum access_action action, struct span topic);
/* Whether they let it publish the message. */
bool publish_still_allowed(const struct broker *broker, const struct message *message);
/* The properties that are forwarded: without Topic Alias, Message Expiry Interval, Will Delay Interval and
 * Subscription Identifiers. A view, into `properties` or into the broker's scratch until the next call. */
struct span publish_forwarded_properties(struct broker *broker, struct mqtt_properties properties);
/* When a message with these properties expires, on the wall clock; 0: never. */
uint64_t publish_expires_ms(struct mqtt_properties properties, uint64_t wall_ms);
/* Whether the payload is the text that a Payload Format Indicator of 1 says it is. U+0000 may be in it. */
bool publish_payload_acceptable(struct mqtt_properties properties, struct span payload);
/* Whether anybody but the Server itself may publish to this topic: its levels are within the bound, and it
 * does not begin with
 * `$`. */
bool publish_topic_acceptable(struct broker *broker, struct span topic);
/* Whether a Topic Name or Filter keeps to the bounds; counted where it does not. */
bool publish_topic_fits(struct broker *broker, struct span topic);

#endif
