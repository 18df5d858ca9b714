/*
 * The retained messages, by Topic Name. Each keeps who published it, so that it
 * goes when the right to publish it is withdrawn, and goes when its Message Expiry
 * Interval has passed. Bounded by count and bytes: what finds no room is not
 * retained (and counted). The Server's own, whose topics begin with `$`, are a fixed
 * number and outside the bound.
 */
#ifndef SLUICE_BROKER_RETAINED_H
#define SLUICE_BROKER_RETAINED_H

#include "base/timers.h"
#include "base/topic_tree.h"
#include "broker/broker.h"

struct retained {
    struct broker *broker;
    struct topic_node *node;
    struct message *message;
    struct timer expiry; /* broker->retained_expiry */
};

/* What this message, with RETAIN set, does to the retained message of its topic: it takes its place, or with
 * an empty payload removes it [MQTT-3.3.1-6]. One that finds no room ends the old one too [MQTT-3.3.1-5]. */
enum broker_retained retained_change(const struct broker *broker, const struct message *message);
/* Does it, when it is stored. */
void retained_publish(struct broker *broker, struct broker_stored *stored);
/* Sets or replaces one of the Server's own, in memory only. */
void retained_show(struct broker *broker, struct broker_stored *stored);
/* The same at start. SLUICE_FULL: at the bound. SLUICE_DENIED: not allowed any more. */
enum sluice_error retained_restore(struct broker *broker, const struct message *message);
/* Removes those whose publisher may no longer publish them. */
void retained_check_access(struct broker *broker);
void retained_fini(struct broker *broker);

#endif
