/*
 * The retained messages, by Topic Name. Each keeps who published it, so that it
 * goes when the right to publish it is withdrawn. Bounded by count and bytes: at
 * the bound a new topic is not retained (and counted), an old one is replaced.
 * The Server's own, whose topics begin with `$`, are a fixed number and outside the
 * bound.
 */
#ifndef SLUICE_BROKER_RETAINED_H
#define SLUICE_BROKER_RETAINED_H

#include "broker/broker.h"
#include "broker/topic_tree.h"

struct retained {
    struct topic_node *node;
    struct message *message;
    enum identity_kind publisher_kind;
    size_t publisher_name_len;
    uint8_t publisher_name[];
};

/* Sets, replaces, or (an empty payload) removes the retained message of its topic [MQTT-3.3.1-6], and tells
 * the state's keeper. `publisher` NULL: the gateway itself. */
void retained_publish(struct broker *broker, struct broker_stored *stored, const struct identity *publisher);
/* Sets or replaces one of the Server's own, in memory only. */
void retained_show(struct broker *broker, struct broker_stored *stored);
/* The same as retained_publish at start: tells nobody. SLUICE_FULL: at the bound. SLUICE_DENIED: not allowed
 * any more. */
enum sluice_error retained_restore(struct broker *broker, const struct broker_retained *from);
/* Removes those whose publisher may no longer publish them. */
void retained_check_access(struct broker *broker);
void retained_fini(struct broker *broker);

#endif
