/*
 * What was taken from the gateway and not yet acknowledged by the remote Server:
 * sends it in order, answers each invocation when its PUBACK is there, and says
 * by READY how many more may come: as many as the configuration and the remote's
 * Receive Maximum allow, none while there is no connection.
 *
 * When a connection ends, what is open stays here and is sent again, in order and
 * first, on the next; the remote may see it twice. It goes back to the gateway's
 * queue, without the loss of an attempt, when an invocation's deadline passes
 * before there is one. A PUBACK that refuses a message is that message's attempt;
 * so is a connection that the remote closes when nothing else was in flight.
 *
 * One thread. Owns copies of what is open: at most `inflight` messages.
 */
#ifndef SLUICE_UPLINK_FORWARD_H
#define SLUICE_UPLINK_FORWARD_H

#include "uplink/remote.h"
#include "worker/complaints.h"

#define FORWARD_NEVER UINT64_MAX

struct forward;

/* All of them outlive it. */
struct forward *forward_new(const struct settings *settings, struct worker *worker, struct remote *remote);
void forward_free(struct forward *forward);

/* What both clocks say: the monotonic one for waiting, the wall's for deadlines. */
struct forward_now {
    uint64_t monotonic_ms;
    uint64_t wall_ms; /* Unix epoch */
};

/* An INVOKE frame. */
void forward_take(struct forward *forward, const struct worker_frame *invoke, const struct forward_now *now);
void forward_on_event(struct forward *forward, const struct remote_event *event, uint64_t now_ms);
/* No INVOKE follows; what can be finished is. */
void forward_stop(struct forward *forward);
size_t forward_open_count(const struct forward *forward);

/* Does what is due: connects, gives up waiting. */
void forward_run(struct forward *forward, uint64_t now_ms);
/* When forward_run has something to do; FORWARD_NEVER: not before something happens. */
uint64_t forward_next_deadline_ms(const struct forward *forward);

#endif
