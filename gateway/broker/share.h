/*
 * Shared Subscriptions: which member of a group gets a message, and what becomes
 * of the messages of a member that leaves.
 *
 * A message in a session's queue names the Shared Subscription that it came by
 * with its tag, in the journal too. When the member unsubscribes, the others get
 * what was never begun to be sent to it; when its session ends with the
 * subscription, also the QoS 1 messages that it has not acknowledged. A QoS 2 message whose sending has begun
 * goes to nobody else [MQTT-4.8.2-5]; nor does one of which a restart does not
 * know.
 */
#ifndef SLUICE_BROKER_SHARE_H
#define SLUICE_BROKER_SHARE_H

#include "broker/session.h"

/* Never 0, at most BROKER_SHARE_MAX, and the same after a restart; `whole` is `$share/NAME/FILTER`. */
uint32_t share_tag(struct span whole);
/* The next member in turn, but for the session `except` (NULL: none is excepted): one that takes a message
 * now; else one that is connected; else one that has a queue; one without room for `queued_bytes` in its
 * queue (0: a message of QoS 0) only if all are; else NULL. */
struct subscription *share_choose(struct share_group *group, size_t queued_bytes,
                                  const struct session *except);
/* The member unsubscribes. What the journal does not take now stays with it [MQTT-3.10.4-4]. */
void share_unsubscribe(const struct subscription *leaving);
/* The session ends: its oldest messages go to the other members, or are dropped. *budget bounds the step.
 * False: the journal takes no more for now. */
bool share_leave(struct session *session, size_t *budget);

#endif
