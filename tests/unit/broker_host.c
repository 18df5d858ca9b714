#include "broker_host.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- The journal ---- */

static uint64_t next_seq(struct host *host)
{
    host->seq++;
    if (!host->manual_commit)
        host->durable_seq = host->seq;
    return host->seq;
}

static struct host_entry *free_entry(struct host *host)
{
    for (size_t i = 0; i < HOST_ENTRIES_MAX; i++) {
        if (!host->entries[i].message)
            return &host->entries[i];
    }
    fail_msg("the test stores more than its journal holds");
    return NULL;
}

static struct host_entry *find_entry(struct host *host, uint64_t queue, uint64_t ordinal)
{
    for (size_t i = 0; i < HOST_ENTRIES_MAX; i++) {
        struct host_entry *entry = &host->entries[i];
        if (entry->message && entry->target.queue == queue && entry->target.ordinal == ordinal)
            return entry;
    }
    return NULL;
}

static struct host_packet_id *find_packet_id(struct host *host, uint64_t queue, uint16_t packet_id)
{
    for (size_t i = 0; i < HOST_NAMES_MAX; i++) {
        if (host->packet_ids[i].queue == queue && host->packet_ids[i].packet_id == packet_id)
            return &host->packet_ids[i];
    }
    return NULL;
}

/* ---- Retained messages ---- */

static void forget_retained(struct host *host, size_t place)
{
    message_unref(host->retained[place].message);
    memmove(&host->retained[place], &host->retained[place + 1],
            (HOST_NAMES_MAX - place - 1) * sizeof *host->retained);
    host->retained[HOST_NAMES_MAX - 1] = (struct host_retained){.message = NULL};
}

/* What is replaced by a later change that is durable is nobody's any more. */
static void sweep_retained(struct host *host)
{
    for (size_t later = HOST_NAMES_MAX; later-- > 0;) {
        const struct host_retained *by = &host->retained[later];
        if (!by->message || by->stored_seq > host->durable_seq)
            continue;
        for (size_t i = later; i-- > 0;) {
            if (span_equal(host->retained[i].message->topic, by->message->topic)) {
                forget_retained(host, i);
                by = &host->retained[--later];
            }
        }
    }
}

static void store_retained(struct host *host, struct broker_stored *stored, uint64_t seq)
{
    sweep_retained(host);
    size_t place = 0;
    while (place < HOST_NAMES_MAX && host->retained[place].message)
        place++;
    assert_true(place < HOST_NAMES_MAX);
    host->retained[place] = (struct host_retained){message_ref(broker_stored_keep(stored)), seq};
}

static uint64_t on_retained_removed(void *ctx, struct span topic)
{
    struct host *host = ctx;
    for (size_t i = HOST_NAMES_MAX; i-- > 0;) {
        if (host->retained[i].message && span_equal(host->retained[i].message->topic, topic))
            forget_retained(host, i);
    }
    return ++host->ticket;
}

/* ---- The journal: messages ---- */

static enum sluice_error on_store(void *ctx, struct broker_publish *publish, uint64_t *ret_seq)
{
    struct host *host = ctx;
    if (host->store_answer != SLUICE_OK)
        return host->store_answer;
    bool wanted = publish->origin_queue != 0 && publish->origin_qos == 2;
    for (size_t i = 0; i < publish->message_count; i++)
        wanted |= publish->messages[i].target_count > 0 || publish->messages[i].retained;
    host->stored_count += publish->message_count;
    host->replay_count += publish->replay;
    *ret_seq = wanted || host->manual_commit ? next_seq(host) : 0;
    for (size_t i = 0; i < publish->message_count; i++) {
        struct broker_stored *stored = &publish->messages[i];
        for (size_t j = 0; j < stored->target_count; j++) {
            struct host_entry *entry = free_entry(host);
            assert_null(find_entry(host, stored->targets[j].queue, stored->targets[j].ordinal));
            *entry = (struct host_entry){.target = stored->targets[j],
                                         .message = message_ref(broker_stored_keep(stored)),
                                         .stored_seq = *ret_seq};
            stored->ret_position = (uint64_t)(entry - host->entries) + 1;
        }
        if (stored->retained && !host->keeps_no_retained)
            store_retained(host, stored, *ret_seq);
    }
    if (publish->origin_queue != 0 && publish->origin_qos == 2) {
        struct host_packet_id *place = find_packet_id(host, 0, 0);
        assert_non_null(place);
        assert_null(find_packet_id(host, publish->origin_queue, publish->origin_packet_id));
        *place = (struct host_packet_id){publish->origin_queue, *ret_seq, 0, publish->origin_packet_id};
    }
    for (size_t i = 0; i < host->awaits; i++) {
        assert_true(host->owed_count < HOST_OWED_MAX);
        host->owed[host->owed_count++] = broker_publish_await(publish);
    }
    return SLUICE_OK;
}

void host_process(struct host *host, size_t place)
{
    assert_true(place < host->owed_count);
    broker_processed(host->owed[place], next_seq(host));
    host->owed[place] = NULL;
}

static uint64_t on_queue_open(void *ctx, struct span client_id)
{
    struct host *host = ctx;
    for (size_t i = 0; i < HOST_NAMES_MAX; i++) {
        const struct host_session *session = &host->sessions[i];
        if (session->queue != 0 && span_equal(span_from_string(session->client_id), client_id))
            return session->queue;
    }
    return host->next_queue++;
}

static void on_queue_drop(void *ctx, uint64_t queue)
{
    struct host *host = ctx;
    for (size_t i = 0; i < HOST_ENTRIES_MAX; i++) {
        if (host->entries[i].message && host->entries[i].target.queue == queue) {
            message_unref(host->entries[i].message);
            host->entries[i] = (struct host_entry){.message = NULL};
        }
    }
    for (size_t i = 0; i < HOST_NAMES_MAX; i++) {
        if (host->packet_ids[i].queue == queue)
            host->packet_ids[i] = (struct host_packet_id){.queue = 0};
        if (host->sessions[i].queue == queue)
            host->sessions[i].queue = 0;
    }
}

/* A finished entry stays until its end is durable: a crash brings it back. */
static void sweep(struct host *host)
{
    for (size_t i = 0; i < HOST_ENTRIES_MAX; i++) {
        struct host_entry *entry = &host->entries[i];
        if (entry->message && entry->finished_seq != 0 && entry->finished_seq <= host->durable_seq) {
            message_unref(entry->message);
            *entry = (struct host_entry){.message = NULL};
        }
    }
    for (size_t i = 0; i < HOST_NAMES_MAX; i++) {
        struct host_packet_id *id = &host->packet_ids[i];
        if (id->freed_seq != 0 && id->freed_seq <= host->durable_seq)
            *id = (struct host_packet_id){.queue = 0};
    }
}

static void on_acknowledged(void *ctx, uint64_t queue, uint64_t ordinal)
{
    struct host *host = ctx;
    struct host_entry *entry = find_entry(host, queue, ordinal);
    assert_non_null(entry);
    assert_int_equal(entry->finished_seq, 0);
    entry->finished_seq = next_seq(host);
    sweep(host);
}

static uint64_t on_received(void *ctx, uint64_t queue, uint64_t ordinal)
{
    struct host *host = ctx;
    struct host_entry *entry = find_entry(host, queue, ordinal);
    assert_non_null(entry);
    return entry->received_seq = next_seq(host);
}

static uint64_t on_packet_id_free(void *ctx, uint64_t queue, uint16_t packet_id)
{
    struct host *host = ctx;
    struct host_packet_id *id = find_packet_id(host, queue, packet_id);
    assert_non_null(id);
    uint64_t seq = id->freed_seq = next_seq(host);
    sweep(host);
    return seq;
}

static enum sluice_error on_load(void *ctx, uint64_t position, struct message **ret_message)
{
    struct host *host = ctx;
    host->load_count++;
    assert_non_null(host->entries[position - 1].message);
    if (host->failing_loads > 0) {
        host->failing_loads--;
        return SLUICE_IO;
    }
    *ret_message = message_ref(host->entries[position - 1].message);
    return SLUICE_OK;
}

/* ---- The state ---- */

static void copy_text(char *to, size_t size, struct span from)
{
    assert_true(from.len < size);
    memcpy(to, from.data, from.len);
    to[from.len] = '\0';
}

static bool on_state_is_full(void *ctx)
{
    return ((const struct host *)ctx)->state_is_full;
}

static uint64_t on_session_saved(void *ctx, const struct broker_session *session)
{
    struct host *host = ctx;
    struct host_session *place = NULL;
    for (size_t i = 0; i < HOST_NAMES_MAX; i++) {
        struct host_session *at = &host->sessions[i];
        if (at->saved && span_equal(span_from_string(at->client_id), session->client_id)) {
            place = at;
            break;
        }
        if (!at->saved && !place)
            place = at;
    }
    assert_non_null(place);
    copy_text(place->client_id, sizeof place->client_id, session->client_id);
    place->owner = *session->owner;
    place->expiry_s = session->expiry_s;
    place->disconnected_ms = session->disconnected_ms;
    place->saved = true;
    if (place->queue == 0)
        place->queue = host->next_queue - 1;
    return ++host->ticket;
}

static uint64_t on_session_removed(void *ctx, struct span client_id)
{
    struct host *host = ctx;
    for (size_t i = 0; i < HOST_NAMES_MAX; i++) {
        if (span_equal(span_from_string(host->sessions[i].client_id), client_id))
            host->sessions[i] = (struct host_session){.saved = false};
        if (span_equal(span_from_string(host->subscriptions[i].client_id), client_id))
            host->subscriptions[i] = (struct host_subscription){.client_id = ""};
    }
    return ++host->ticket;
}

static uint64_t on_subscription_removed(void *ctx, struct span client_id, struct span filter)
{
    struct host *host = ctx;
    for (size_t i = 0; i < HOST_NAMES_MAX; i++) {
        struct host_subscription *at = &host->subscriptions[i];
        if (span_equal(span_from_string(at->client_id), client_id) &&
            span_equal(span_from_string(at->filter), filter))
            *at = (struct host_subscription){.client_id = ""};
    }
    return ++host->ticket;
}

static uint64_t on_subscription_saved(void *ctx, const struct broker_subscription *subscription)
{
    struct host *host = ctx;
    on_subscription_removed(ctx, subscription->client_id, subscription->filter);
    for (size_t i = 0; i < HOST_NAMES_MAX; i++) {
        struct host_subscription *at = &host->subscriptions[i];
        if (at->client_id[0])
            continue;
        copy_text(at->client_id, sizeof at->client_id, subscription->client_id);
        copy_text(at->filter, sizeof at->filter, subscription->filter);
        at->wanted = *subscription;
        at->wanted.client_id = span_from_string(at->client_id);
        at->wanted.filter = span_from_string(at->filter);
        return ++host->ticket;
    }
    fail();
    return 0;
}

static uint64_t on_will_removed(void *ctx, uint64_t id)
{
    struct host *host = ctx;
    for (size_t i = 0; i < HOST_NAMES_MAX; i++) {
        if (host->wills[i].id == id) {
            message_unref(host->wills[i].message);
            host->wills[i] = (struct host_will){.id = 0};
        }
    }
    return ++host->ticket;
}

static uint64_t on_will_saved(void *ctx, const struct broker_will *will)
{
    struct host *host = ctx;
    on_will_removed(ctx, will->id);
    size_t place = 0;
    while (place < HOST_NAMES_MAX && host->wills[place].id != 0)
        place++;
    assert_true(place < HOST_NAMES_MAX);
    host->wills[place] = (struct host_will){will->id, message_new(will->message), *will->owner, will->due_ms};
    return ++host->ticket;
}

/* ---- The rest of the hooks ---- */

static uint64_t on_wall_ms(void *ctx)
{
    const struct host *host = ctx;
    return host->wall_ms;
}

static void on_random(void *ctx, uint8_t *bytes, size_t len)
{
    struct host *host = ctx;
    for (size_t i = 0; i < len; i++) {
        host->random = host->random * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(host->random >> 56);
    }
}

static enum mqtt_reason on_transform(void *ctx, const struct message *view,
                                     const struct message **ret_messages, size_t *ret_count)
{
    static struct message copies[8];
    const struct host *host = ctx;
    if (host->transform_answer != MQTT_SUCCESS)
        return host->transform_answer;
    if (host->copies == 1 && host->made.len == 0) {
        *ret_messages = view;
        *ret_count = 1;
        return MQTT_SUCCESS;
    }
    for (size_t i = 0; i < host->copies; i++) {
        copies[i] = *view;
        copies[i].payload = host->made;
        if (host->copies > 1)
            copies[i].topic = copies[i].payload = span_of(&"01234567"[i], 1);
    }
    *ret_messages = copies;
    *ret_count = host->copies;
    return MQTT_SUCCESS;
}

struct access *host_everything(void)
{
    struct access *access = access_new();
    const char *const everybody[] = {"anonymous", "device:*"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(access_allow(access, everybody[i], ACCESS_PUBLISH, "#"), SLUICE_OK);
        assert_int_equal(access_allow(access, everybody[i], ACCESS_SUBSCRIBE, "#"), SLUICE_OK);
    }
    return access;
}

static void start(struct host *host)
{
    struct broker_hooks hooks = {.ctx = host,
                                 .wall_ms = on_wall_ms,
                                 .random = on_random,
                                 .authenticate = host->authenticate,
                                 .authentication_ended = host->authentication_ended,
                                 .allowed = host->allowed,
                                 .transform = on_transform,
                                 .store = on_store,
                                 .queue_open = on_queue_open,
                                 .queue_drop = on_queue_drop,
                                 .acknowledged = on_acknowledged,
                                 .received = on_received,
                                 .packet_id_free = on_packet_id_free,
                                 .load = on_load,
                                 .state_is_full = on_state_is_full,
                                 .session_saved = on_session_saved,
                                 .session_removed = on_session_removed,
                                 .subscription_saved = on_subscription_saved,
                                 .subscription_removed = on_subscription_removed,
                                 .will_saved = on_will_saved,
                                 .will_removed = on_will_removed,
                                 .retained_removed = on_retained_removed};
    host->broker = broker_new(&host->config, &hooks);
    broker_set_access(host->broker, host_everything());
}

struct host *host_new(void)
{
    struct host *host = memory_new(sizeof *host);
    host->config = broker_config_default();
    host->now_ms = 1000;
    host->wall_ms = 1700000000000;
    host->next_queue = 1;
    host->copies = 1;
    start(host);
    return host;
}

static void forget_owed(struct host *host)
{
    for (size_t i = 0; i < host->owed_count; i++) {
        if (host->owed[i])
            broker_processed(host->owed[i], 0);
    }
    host->owed_count = 0;
}

void host_restart_with_config(struct host *host)
{
    broker_free(host->broker);
    start(host);
}

void host_free(struct host *host)
{
    forget_owed(host);
    broker_free(host->broker);
    for (size_t i = 0; i < HOST_ENTRIES_MAX; i++)
        message_unref(host->entries[i].message);
    for (size_t i = 0; i < HOST_NAMES_MAX; i++)
        message_unref(host->retained[i].message);
    for (size_t i = 0; i < HOST_NAMES_MAX; i++)
        message_unref(host->wills[i].message);
    memory_free(host);
}

/* Time passes in steps, so that each timer fires near its own time. */
void host_advance(struct host *host, uint64_t ms)
{
    uint64_t end_ms = host->now_ms + ms;
    while (host->now_ms < end_ms) {
        uint64_t deadline_ms = broker_next_deadline(host->broker);
        uint64_t to_ms = deadline_ms < end_ms ? deadline_ms : end_ms;
        to_ms = to_ms < host->now_ms ? host->now_ms : to_ms;
        host->wall_ms += to_ms - host->now_ms;
        host->now_ms = to_ms;
        broker_tick(host->broker, host->now_ms);
    }
}

void host_commit(struct host *host)
{
    host->durable_seq = host->seq;
    sweep(host);
    broker_state_durable(host->broker, host->ticket);
    broker_durable(host->broker, host->durable_seq);
}

static void lose_what_is_not_durable(struct host *host)
{
    for (size_t i = 0; i < HOST_ENTRIES_MAX; i++) {
        struct host_entry *entry = &host->entries[i];
        if (!entry->message)
            continue;
        if (entry->finished_seq > host->durable_seq)
            entry->finished_seq = 0;
        if (entry->received_seq > host->durable_seq)
            entry->received_seq = 0;
        if (entry->stored_seq > host->durable_seq) {
            message_unref(entry->message);
            *entry = (struct host_entry){.message = NULL};
        }
    }
    for (size_t i = 0; i < HOST_NAMES_MAX; i++) {
        struct host_packet_id *id = &host->packet_ids[i];
        if (id->held_seq > host->durable_seq)
            *id = (struct host_packet_id){.queue = 0};
        else if (id->freed_seq > host->durable_seq)
            id->freed_seq = 0;
    }
    for (size_t i = HOST_NAMES_MAX; i-- > 0;) {
        if (host->retained[i].message && host->retained[i].stored_seq > host->durable_seq)
            forget_retained(host, i);
    }
}

static int by_ordinal(const void *a, const void *b)
{
    const struct host_entry *const *left = a, *const *right = b;
    return (*left)->target.ordinal < (*right)->target.ordinal ? -1 : 1;
}

static void restore_queue(struct host *host, const struct host_session *session)
{
    struct host_entry *entries[HOST_ENTRIES_MAX];
    size_t count = 0;
    uint64_t next_ordinal = 100000; /* above all that a test uses */
    for (size_t i = 0; i < HOST_ENTRIES_MAX; i++) {
        if (host->entries[i].message && host->entries[i].target.queue == session->queue)
            entries[count++] = &host->entries[i];
    }
    qsort(entries, count, sizeof *entries, by_ordinal);
    if (count > 0)
        next_ordinal = entries[count - 1]->target.ordinal + 1;
    assert_int_equal(broker_restore_queue(host->broker, span_from_string(session->client_id), session->queue,
                                          next_ordinal),
                     SLUICE_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(broker_restore_entry(
                             host->broker, &entries[i]->target, entries[i]->received_seq != 0,
                             (uint64_t)(entries[i] - host->entries) + 1, message_bytes(entries[i]->message)),
                         SLUICE_OK);
    for (size_t i = 0; i < HOST_NAMES_MAX; i++) {
        if (host->packet_ids[i].queue == session->queue && session->queue != 0)
            assert_int_equal(
                broker_restore_packet_id(host->broker, session->queue, host->packet_ids[i].packet_id),
                SLUICE_OK);
    }
}

/* In ascending ids. */
static void restore_wills(struct host *host)
{
    uint64_t done = 0;
    for (;;) {
        const struct host_will *next = NULL;
        for (size_t i = 0; i < HOST_NAMES_MAX; i++) {
            const struct host_will *at = &host->wills[i];
            if (at->id > done && (!next || at->id < next->id))
                next = at;
        }
        if (!next)
            return;
        done = next->id;
        struct broker_will will = {next->id, next->message, &next->owner, next->due_ms};
        assert_int_equal(broker_restore_will(host->broker, &will, host->now_ms), SLUICE_OK);
    }
}

void host_crash(struct host *host)
{
    forget_owed(host);
    broker_free(host->broker);
    lose_what_is_not_durable(host);
    start(host);
    broker_durable(host->broker, host->durable_seq);
    for (size_t i = 0; i < HOST_NAMES_MAX; i++) {
        const struct host_session *session = &host->sessions[i];
        struct broker_session restored = {span_from_string(session->client_id), &session->owner,
                                          session->expiry_s, session->disconnected_ms};
        if (session->saved)
            assert_int_equal(broker_restore_session(host->broker, &restored, host->now_ms), SLUICE_OK);
    }
    for (size_t i = 0; i < HOST_NAMES_MAX; i++) {
        if (host->subscriptions[i].client_id[0])
            assert_int_equal(broker_restore_subscription(host->broker, &host->subscriptions[i].wanted),
                             SLUICE_OK);
        if (host->retained[i].message)
            assert_int_equal(broker_restore_retained(host->broker, host->retained[i].message), SLUICE_OK);
    }
    restore_wills(host);
    for (size_t i = 0; i < HOST_NAMES_MAX; i++) {
        if (host->sessions[i].saved)
            restore_queue(host, &host->sessions[i]);
    }
}

struct identity host_certificate(const char *name)
{
    struct identity identity = {.kind = IDENTITY_CERTIFICATE};
    snprintf(identity.name, sizeof identity.name, "%s", name);
    snprintf(identity.fingerprint, sizeof identity.fingerprint, "%064x", (unsigned)strlen(name));
    return identity;
}

size_t host_unfinished_count(const struct host *host)
{
    size_t count = 0;
    for (size_t i = 0; i < HOST_ENTRIES_MAX; i++)
        count += host->entries[i].message && host->entries[i].finished_seq == 0;
    return count;
}

uint64_t host_dropped(const struct host *host, enum broker_drop reason)
{
    return broker_counters(host->broker)->dropped[reason];
}
