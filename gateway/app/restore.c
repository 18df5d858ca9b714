#include "app/gateway_internal.h"

#include "base/buffer.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>

/* ---- Sessions, subscriptions, retained messages: the state ---- */

static struct identity identity_of(const struct state_identity *stored)
{
    struct identity identity = {.kind = (enum identity_kind)stored->kind};
    snprintf(identity.name, sizeof identity.name, "%.*s", (int)stored->name.len,
             (const char *)stored->name.data);
    snprintf(identity.fingerprint, sizeof identity.fingerprint, "%.*s", (int)stored->fingerprint.len,
             (const char *)stored->fingerprint.data);
    return identity;
}

static void on_session(void *ctx, const struct state_session *stored)
{
    struct gateway *gateway = ctx;
    struct identity owner = identity_of(&stored->owner);
    struct broker_session session = {.client_id = stored->client_id,
                                     .owner = &owner,
                                     .expiry_s = stored->expiry_s,
                                     .disconnected_ms = stored->disconnected_ms};
    enum sluice_error error = broker_restore_session(gateway->broker, &session, uv_now(gateway->loop));
    if (error)
        log_warning("a stored session is not restored: %s", sluice_error_text(error));
}

static void on_subscription(void *ctx, const struct state_subscription *stored)
{
    struct gateway *gateway = ctx;
    struct broker_subscription subscription = {.client_id = stored->client_id,
                                               .filter = stored->filter,
                                               .qos = stored->options & 3,
                                               .no_local = stored->options >> 2 & 1,
                                               .retain_as_published = stored->options >> 3 & 1,
                                               .retain_handling = stored->options >> 4 & 3,
                                               .identifier = stored->identifier};
    enum sluice_error error = broker_restore_subscription(gateway->broker, &subscription);
    if (error)
        log_warning("a stored subscription is not restored: %s", sluice_error_text(error));
}

static void on_retained(void *ctx, const struct message *message)
{
    struct gateway *gateway = ctx;
    enum sluice_error error = broker_restore_retained(gateway->broker, message);
    if (error && error != SLUICE_DENIED) /* which the ledger counts, as after a reload */
        log_warning("a stored retained message is not restored: %s", sluice_error_text(error));
}

static void on_will(void *ctx, const struct state_will *stored)
{
    struct gateway *gateway = ctx;
    struct identity owner = identity_of(&stored->owner);
    struct broker_will will = {
        .id = stored->id, .message = stored->message, .owner = &owner, .due_ms = stored->due_ms};
    enum sluice_error error = broker_restore_will(gateway->broker, &will, uv_now(gateway->loop));
    if (error)
        log_warning("a stored will is not restored: %s", sluice_error_text(error));
}

/* ---- Queues: the journal ---- */

struct restoring {
    struct gateway *gateway;
    enum journal_queue_kind kind; /* of the queue whose contents are being shown */
    bool wanted;                  /* somebody of this configuration has it */
    struct buffer dropped;        /* uint32_t: sessions' and schedules' queues that nobody has */
};

static void on_queue(void *ctx, uint32_t queue, enum journal_queue_kind kind, struct span name,
                     uint64_t next_ordinal)
{
    struct restoring *restoring = ctx;
    struct gateway *gateway = restoring->gateway;
    restoring->kind = kind;
    if (kind == JOURNAL_FUNCTION) {
        restoring->wanted = functions_restore_queue(gateway->functions, queue, name, next_ordinal);
        if (!restoring->wanted)
            log_warning(
                "the journal has a queue of function %.*s, which is not configured; what it holds is kept",
                (int)name.len, (const char *)name.data);
        return;
    }
    if (kind == JOURNAL_SCHEDULE) {
        restoring->wanted = functions_restore_schedule(gateway->functions, queue, name, next_ordinal);
        if (!restoring->wanted) /* another configuration's */
            buffer_append(&restoring->dropped, span_of(&queue, sizeof queue));
        return;
    }
    if (kind == JOURNAL_WINDOW) {
        restoring->wanted = functions_restore_windows(gateway->functions, queue, name, next_ordinal);
        if (!restoring->wanted)
            log_warning(
                "the journal has windows of function %.*s, which has none configured; their states are kept",
                (int)name.len, (const char *)name.data);
        return;
    }
    if (kind == JOURNAL_RETAINED) {
        retained_queue_restore(gateway->retained, next_ordinal);
        restoring->wanted = true;
        return;
    }
    restoring->wanted = broker_restore_queue(gateway->broker, name, queue, next_ordinal) == SLUICE_OK;
    /* Its session ended, and the gateway did before it could say so here; or the state was lost. */
    if (!restoring->wanted)
        buffer_append(&restoring->dropped, span_of(&queue, sizeof queue));
}

static void restore_retained(struct gateway *gateway, const struct journal_entry *entry)
{
    struct message *message;
    if (retained_queue_restore_entry(gateway->retained, entry, &message))
        return;
    on_retained(gateway, message);
    message_unref(message);
}

static void on_entry(void *ctx, const struct journal_entry *entry)
{
    struct restoring *restoring = ctx;
    struct gateway *gateway = restoring->gateway;
    if (!restoring->wanted)
        return;
    if (restoring->kind == JOURNAL_FUNCTION) {
        functions_restore_entry(gateway->functions, entry);
        return;
    }
    if (restoring->kind == JOURNAL_SCHEDULE) {
        functions_restore_anchor(gateway->functions, entry);
        return;
    }
    if (restoring->kind == JOURNAL_WINDOW) {
        functions_restore_window(gateway->functions, entry);
        return;
    }
    if (restoring->kind == JOURNAL_RETAINED) {
        restore_retained(gateway, entry);
        return;
    }
    struct broker_target target = {.queue = entry->queue,
                                   .ordinal = entry->ordinal,
                                   .share = entry->share,
                                   .qos = entry->qos,
                                   .retain = entry->retain};
    enum sluice_error error =
        broker_restore_entry(gateway->broker, &target, entry->received, entry->position, entry->bytes);
    if (error)
        log_warning("a stored message of a session is not restored: %s", sluice_error_text(error));
}

static void on_packet_id(void *ctx, uint32_t queue, uint16_t packet_id)
{
    struct restoring *restoring = ctx;
    if (restoring->wanted)
        broker_restore_packet_id(restoring->gateway->broker, queue, packet_id);
}

static void drop_queues(struct journal *journal, struct span queues)
{
    uint32_t queue;
    for (; queues.len > 0; queues = span_skip(queues, sizeof queue)) {
        assert(queues.data);
        memcpy(&queue, queues.data, sizeof queue);
        journal_queue_drop(journal, queue);
    }
}

enum sluice_error gateway_restore(struct gateway *gateway)
{
    uv_update_time(
        gateway->loop); /* reading the journal took a while: what expires would as much too early */
    struct state_visitor visitor = {.ctx = gateway,
                                    .on_session = on_session,
                                    .on_subscription = on_subscription,
                                    .on_retained = on_retained,
                                    .on_will = on_will};
    enum sluice_error error = state_load(storage_state(gateway->storage), &visitor);
    if (error)
        return error;
    struct restoring restoring = {.gateway = gateway};
    struct journal *journal = storage_journal(gateway->storage);
    journal_visit(journal, &(struct journal_visitor){.ctx = &restoring,
                                                     .on_queue = on_queue,
                                                     .on_entry = on_entry,
                                                     .on_packet_id = on_packet_id});
    drop_queues(journal, buffer_span(&restoring.dropped));
    buffer_fini(&restoring.dropped);
    functions_restored(gateway->functions);
    return SLUICE_OK;
}
