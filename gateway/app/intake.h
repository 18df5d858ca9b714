/*
 * Where an accepted PUBLISH becomes durable: the broker says which sessions its
 * messages are for, the functions say which of them they take, what is retained
 * has a queue of its own, and all of that is one journal record, or nothing is. The
 * broker delivers only after that.
 */
#ifndef SLUICE_APP_INTAKE_H
#define SLUICE_APP_INTAKE_H

#include "app/frames.h"
#include "app/functions.h"
#include "app/retained_queue.h"
#include "broker/broker.h"

struct intake;

struct intake_counters {
    uint64_t frames; /* telemetry frames taken, each as many messages */
    uint64_t stored; /* messages that went to the journal */
};

/* Everything handed in outlives the intake. */
struct intake *intake_new(uv_loop_t *loop, struct journal *journal, struct functions *functions,
                          struct frames *frames, struct retained_queue *retained);
void intake_free(struct intake *intake); /* NULL is allowed */

/* broker_hooks.transform and .store; ctx is a struct intake. */
enum mqtt_reason intake_transform(struct intake *intake, const struct message *view,
                                  const struct message **ret_messages, size_t *ret_count);
enum sluice_error intake_store(struct intake *intake, struct broker_publish *publish, uint64_t *ret_seq);

const struct intake_counters *intake_counters(const struct intake *intake);

#endif
