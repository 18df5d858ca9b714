/*
 * The retained messages that a new subscription gets. They are sent as fast as the
 * client takes them and no faster, so that many of them are neither dropped nor
 * held in memory for a client that does not read; and the walk over the topics is
 * done in bounded steps, so that a filter which matches few of many delays nobody.
 * What changes meanwhile is sent as it is then.
 *
 * A subscription has at most one walk; it ends with the subscription. Walks of one
 * session take their turns. One that a lost connection interrupts goes on without
 * QoS 0, into the session's queue.
 */
#ifndef SLUICE_BROKER_REPLAY_H
#define SLUICE_BROKER_REPLAY_H

#include "broker/session.h"

/* Begins a walk, or begins it again; replay_continue, when the SUBACK has left, starts it. */
void replay_begin(struct subscription *subscription);
/* The subscription goes. */
void replay_cancel(const struct subscription *subscription);
/* The session's client takes more now, or what was begun may start. */
void replay_continue(struct session *session);

#endif
