/*
 * Shared Subscriptions: which member of a group gets a message, and what becomes
 * of the messages of a member that leaves.
 *
 * A message in a session's queue names the Shared Subscription that it came by
 * with its tag, in the journal too. When the member unsubscribes, the others get
 * what was never begun to be sent to it; when its session ends, also the QoS 1
 * messages that it has not acknowledged. A QoS 2 message whose sending has begun
 * goes to nobody else [MQTT-4.8.2-5]; nor does one of which a restart does not
 * know.
 */
#ifndef SLUICE_BROKER_SHARE_H
#define SLUICE_BROKER_SHARE_H

#include "broker/session.h"

/* Never 0, at most BROKER_SHARE_MAX, and the same after a restart; `whole` is `$share/NAME/FILTER`. */
uint32_t share_tag(struct span whole);
/* The next member in turn, but for the session `except` (NULL: none is excepted): one that takes a message
 * now; else one that is connected; else one that has a queue; else NULL. */
struct subscription *share_choose(struct share_group *group, const struct session *except);
/* The session leaves the group, by the end of the session or of the subscription alone. False: the journal
 * takes no more for now, and the rest is still there; call it again. */
bool share_hand_over(struct subscription *leaving, bool session_ends);

#endif
