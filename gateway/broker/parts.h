/* What a broker is made of. For the files that join its parts; a part that stands alone does not include it.
 */
#ifndef SLUICE_BROKER_PARTS_H
#define SLUICE_BROKER_PARTS_H

#include "broker/acknowledgements.h"
#include "broker/publish.h"
#include "broker/will.h"

struct broker {
    struct broker_config config;
    struct broker_hooks hooks;
    struct broker_counters counters;
    struct hash_key key;
    struct timers timers;
    struct access *access;
    struct session_table sessions;
    struct session *waiting; /* for the disk */
    struct channel *held;
    struct will_queue wills;
    struct topic_tree subscriptions;
    struct topic_tree retained;
    struct timers retained_expiry; /* on the wall clock, as Message Expiry is */
    struct deferred_ring journal_ring, state_ring;
    uint64_t durable_seq, durable_ticket;
    struct publish_scratch scratch;
    struct buffer properties;  /* scratch: what is forwarded of the packet in hand */
    struct buffer encoding;    /* scratch: the properties of the packet that is being encoded */
    struct session *restoring; /* whose queue is being restored */
    bool stopping;
};

static inline void broker_dropped(struct broker *broker, enum broker_drop reason)
{
    broker->counters.dropped[reason]++;
}

static inline void broker_limited(struct broker *broker, enum broker_limit limit)
{
    broker->counters.limited[limit]++;
}

static inline uint64_t broker_wall_ms(const struct broker *broker)
{
    return broker->hooks.wall_ms(broker->hooks.ctx);
}

#endif
