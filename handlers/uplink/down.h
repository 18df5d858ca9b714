/*
 * Brings topics of the remote Server down: each message becomes a PUBLISH frame to
 * the gateway, and the remote gets its PUBACK when the gateway answers that it has
 * it on disk. One message at a time, in order; what the gateway has no room for now
 * is offered again, and meanwhile waits at the remote.
 *
 * One thread.
 */
#ifndef SLUICE_UPLINK_DOWN_H
#define SLUICE_UPLINK_DOWN_H

#include "uplink/remote.h"
#include "worker/complaints.h"

struct down;

/* All of them outlive it. */
struct down *down_new(const struct settings *settings, struct worker *worker, struct remote *remote);
void down_free(struct down *down);

void down_on_event(struct down *down, const struct remote_event *event, uint64_t now_ms);
/* The gateway's answer. */
void down_on_published(struct down *down, enum worker_published outcome, uint64_t now_ms);
/* Does what is due: connects, offers again. */
void down_run(struct down *down, uint64_t now_ms);
/* When down_run has something to do; UINT64_MAX: not before something happens. */
uint64_t down_next_deadline_ms(const struct down *down);

#endif
