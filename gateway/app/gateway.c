#include "app/gateway_internal.h"

#include "app/file.h"
#include "app/invoke_api.h"
#include "base/log.h"
#include "base/memory.h"
#include "wire/frame.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

enum {
    FRAME_BYTES_LIMIT = 4 * 1024 * 1024, /* decoded */
    /* The journal's buffer takes the largest packet, or frame, with all its targets, and more while the disk
     * is busy. */
    JOURNAL_BUFFER_PACKETS = 4,
    /* Of its files, for results, or a backlog that fills them would never end: so many that what is done with
     * is more than half of the oldest file, which then goes; but no more than a quarter. */
    JOURNAL_RESERVE_FILES = 2,
    JOURNAL_RESERVE_PART = 4,
    JOURNAL_COMPACT_PART = 8, /* of its files: compaction begins long before they are full */
    /* Of its files, for what waits for sessions: with the garbage that compaction leaves, at most as much,
     * that is half of them. So Clients that do not come back hold up no publisher. */
    JOURNAL_SESSIONS_PART = 4,
};

/* ---- What the parts tell each other ---- */

static void on_durable(void *ctx, uint64_t seq)
{
    struct gateway *gateway = ctx;
    broker_durable(gateway->broker, seq);
    if (gateway->functions)
        functions_journal_durable(gateway->functions, seq);
    invoke_api_durable(gateway->invoke_api, seq);
    broker_resume(gateway->broker); /* whoever was held back for the journal's bounds */
}

static void on_state_durable(void *ctx, uint64_t ticket)
{
    struct gateway *gateway = ctx;
    broker_state_durable(gateway->broker, ticket);
    if (gateway->retained)
        retained_queue_state_durable(gateway->retained, ticket);
    broker_resume(gateway->broker); /* whoever was held back because the state was behind */
    if (gateway->functions)
        functions_state_durable(gateway->functions, ticket);
}

static enum sluice_error publish_result(void *ctx, const struct message *view)
{
    return broker_publish(((struct gateway *)ctx)->broker, view);
}

static bool may_receive(void *ctx, const struct message *message, struct span topic)
{
    return broker_may_receive(((struct gateway *)ctx)->broker, message, topic);
}

static void on_room(void *ctx)
{
    broker_resume(((struct gateway *)ctx)->broker);
}

static uint32_t host_random(void *ctx)
{
    uint32_t value;
    gateway_random(ctx, (uint8_t *)&value, sizeof value);
    return value;
}

/* ---- The loop ---- */

/*
 * The end of a turn: what arrived in it has been decoded and stored in memory. Now functions get their events
 * and the disk its batch; then, before the loop sleeps, each connection and each worker gets one write.
 */
static void run_turn(struct gateway *gateway)
{
    uint64_t now_ms = uv_now(gateway->loop);
    log_settle();
    broker_tick(gateway->broker, now_ms);
    https_tick(gateway->https, now_ms);
    if (gateway->sys)
        sys_turn(gateway->sys, now_ms);
    if (gateway->functions)
        functions_turn(gateway->functions, now_ms);
    if (gateway->storage)
        storage_turn(gateway->storage, now_ms);
}

static void on_turn(uv_check_t *turn)
{
    run_turn(turn->data);
}

static void on_deadline(uv_timer_t *deadline)
{
    run_turn(deadline->data);
}

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void before_sleep(uv_prepare_t *before)
{
    struct gateway *gateway = before->data;
    uint64_t now_ms = uv_now(gateway->loop);
    uint64_t next_ms = lower(broker_next_deadline(gateway->broker), https_next_deadline(gateway->https));
    if (gateway->functions)
        next_ms = lower(next_ms, functions_next_deadline(gateway->functions));
    if (gateway->storage)
        next_ms = lower(next_ms, storage_next_deadline(gateway->storage));
    if (gateway->sys)
        next_ms = lower(next_ms, sys_next_deadline(gateway->sys));
    if (next_ms == UINT64_MAX)
        uv_timer_stop(&gateway->deadline);
    else
        uv_timer_start(&gateway->deadline, on_deadline, next_ms > now_ms ? next_ms - now_ms : 0, 0);
}

/* ---- Starting ---- */

static struct broker_config broker_config_of(const struct config *config)
{
    const struct config_limits *limits = &config->limits;
    struct broker_config broker = broker_config_default();
    broker.packet_bytes = (uint32_t)limits->packet_bytes;
    broker.connect_bytes = (uint32_t)limits->connect_bytes;
    broker.client_id_bytes = (uint32_t)limits->client_id_bytes;
    broker.topic_bytes = (uint32_t)limits->topic_bytes;
    broker.topic_levels = (uint32_t)limits->topic_levels;
    broker.connect_timeout_ms = (uint32_t)limits->connect_timeout_ms;
    broker.keep_alive_max_s = (uint16_t)(limits->keep_alive_max_ms / 1000);
    broker.session_expiry_max_s = (uint32_t)(limits->session_expiry_max_ms / 1000);
    broker.receive_maximum = (uint16_t)limits->receive_maximum;
    broker.inflight_maximum = (uint16_t)limits->inflight_maximum;
    broker.topic_alias_maximum = (uint16_t)limits->topic_alias_maximum;
    broker.topic_alias_out_maximum = (uint16_t)limits->topic_alias_out_maximum;
    broker.sessions_count = (uint32_t)limits->sessions_count;
    broker.subscriptions_count = (uint32_t)limits->subscriptions_count;
    broker.subscriptions_total = (uint32_t)limits->subscriptions_total;
    broker.filters_count = (uint32_t)limits->filters_count;
    broker.property_bytes = (uint32_t)limits->property_bytes;
    broker.publish_rate = (struct rate){(uint32_t)limits->publish_rate, limits->publish_rate_bytes};
    broker.queue_bytes_total =
        lower(limits->queue_bytes_total, config->journal.max_bytes / JOURNAL_SESSIONS_PART);
    broker.queue_count = (uint32_t)limits->queue_count;
    broker.queue_bytes = limits->queue_bytes;
    broker.queue_memory_bytes = limits->queue_memory_bytes;
    broker.retained_count = (uint32_t)limits->retained_count;
    broker.retained_bytes = limits->retained_bytes;
    broker.output_bytes = (uint32_t)limits->output_bytes;
    broker.output_bytes_total = limits->output_bytes_total;
    broker.unacknowledged_count = (uint32_t)limits->unacknowledged_count;
    gateway_random(NULL, broker.hash_key, sizeof broker.hash_key);
    return broker;
}

static struct journal_config journal_config_of(const struct config *config)
{
    struct journal_config journal = journal_config_default();
    journal.segment_bytes = (uint32_t)config->journal.segment_bytes;
    journal.max_bytes = config->journal.max_bytes;
    journal.reserve_bytes = lower((uint64_t)journal.segment_bytes * JOURNAL_RESERVE_FILES,
                                  journal.max_bytes / JOURNAL_RESERVE_PART);
    if (journal.compact_bytes > journal.max_bytes / JOURNAL_COMPACT_PART)
        journal.compact_bytes = journal.max_bytes / JOURNAL_COMPACT_PART;
    if (journal.buffer_bytes / JOURNAL_BUFFER_PACKETS < config->limits.packet_bytes)
        journal.buffer_bytes = (uint32_t)config->limits.packet_bytes * JOURNAL_BUFFER_PACKETS;
    journal.commit_delay_ms = (uint32_t)config->journal.commit_delay_ms;
    journal.commit_count = (uint32_t)config->journal.commit_count;
    journal.commit_bytes = (uint32_t)config->journal.commit_bytes;
    return journal;
}

/* The rules were checked when the configuration was loaded. */
struct access *gateway_make_access(const struct config *config)
{
    struct access *access = access_new();
    for (size_t i = 0; i < config->access_count; i++) {
        const struct config_access *rule = &config->access[i];
        for (size_t j = 0; j < rule->publish.count; j++)
            access_allow(access, rule->who, ACCESS_PUBLISH, rule->publish.items[j]);
        for (size_t j = 0; j < rule->subscribe.count; j++)
            access_allow(access, rule->who, ACCESS_SUBSCRIBE, rule->subscribe.items[j]);
        for (size_t j = 0; j < rule->client_ids.count; j++)
            access_allow_client_id(access, rule->who, rule->client_ids.items[j]);
    }
    return access;
}

static enum sluice_error start_authenticator(struct gateway *gateway)
{
    char text[CREDENTIALS_TEXT_BYTES];
    struct credentials *credentials;
    enum sluice_error error = credentials_new(gateway->config, &credentials, text);
    if (error) {
        log_error("%s", text);
        return error;
    }
    struct authenticator_host host = {.ctx = gateway,
                                      .loop = gateway->loop,
                                      .wall_ms = gateway_wall_ms,
                                      .random = gateway_random,
                                      .checks_count =
                                          (unsigned)gateway->config->limits.credential_checks_count};
    gateway->authenticator = authenticator_new(&host, credentials);
    credentials_unref(credentials);
    return SLUICE_OK;
}

/* The same after each restart, from a file of the data folder. */
static void keep_fake_key(struct gateway *gateway)
{
    char path[PATH_MAX];
    uint8_t key[AUTHENTICATOR_KEY_BYTES];
    struct buffer kept = {0};
    snprintf(path, sizeof path, "%s/unknown-users.key", gateway->started->data);
    file_read(path, sizeof key, &kept);
    struct span bytes = buffer_span(&kept);
    gateway_random(NULL, key, sizeof key);
    if (bytes.data && bytes.len == sizeof key)
        memcpy(key, bytes.data, sizeof key);
    else if (file_replace(path, 0600, span_of(key, sizeof key)) != SLUICE_OK)
        log_warning("%s cannot be written: %s", path, strerror(errno));
    authenticator_set_fake_key(gateway->authenticator, key);
    buffer_fini(&kept);
}

static void start_broker(struct gateway *gateway)
{
    struct broker_config config = broker_config_of(gateway->config);
    struct broker_hooks hooks = gateway_broker_hooks(gateway);
    gateway->broker = broker_new(&config, &hooks);
    broker_set_access(gateway->broker, gateway_make_access(gateway->config));
}

static enum sluice_error open_storage(struct gateway *gateway)
{
    struct journal_config config = journal_config_of(gateway->config);
    struct storage_hooks hooks = {
        .ctx = gateway, .on_durable = on_durable, .on_state_durable = on_state_durable};
    return storage_open(gateway->loop, gateway->config->data, &config, &hooks, &gateway->storage);
}

static enum sluice_error start_functions(struct gateway *gateway, const char *workers)
{
    struct functions_host host = {.ctx = gateway,
                                  .loop = gateway->loop,
                                  .journal = storage_journal(gateway->storage),
                                  .state = storage_state(gateway->storage),
                                  .publish = publish_result,
                                  .may_receive = may_receive,
                                  .on_room = on_room,
                                  .wall_ms = gateway_wall_ms,
                                  .random = host_random};
    return functions_start(gateway->config, workers, &host, &gateway->functions);
}

/* Before net's: of two prepare handles the loop runs first what was started last. What net's end of a turn
 * presents, input of a connection that was held back, may be work that must not wait for an event. */
static void start_turns(struct gateway *gateway)
{
    uv_check_init(gateway->loop, &gateway->turn);
    uv_prepare_init(gateway->loop, &gateway->before);
    uv_timer_init(gateway->loop, &gateway->deadline);
    gateway_start_expiry(gateway);
    gateway->turn.data = gateway->before.data = gateway->deadline.data = gateway;
    uv_check_start(&gateway->turn, on_turn);
    uv_prepare_start(&gateway->before, before_sleep);
}

enum sluice_error gateway_start(uv_loop_t *loop, const struct config *config, const char *workers,
                                struct gateway **ret_gateway)
{
    struct gateway *gateway = memory_new(sizeof *gateway);
    gateway->loop = loop;
    gateway->config = gateway->started = config;
    start_turns(gateway);
    gateway->net = net_new(loop);
    gateway->https = https_new(gateway);
    gateway->invoke_api = invoke_api_new(gateway);
    gateway->frames =
        frames_new(&(struct frame_limits){FRAME_CHANNELS_MAX, FRAME_SAMPLES_TAKEN, FRAME_VALUES_TAKEN},
                   FRAME_BYTES_LIMIT);
    enum sluice_error error = start_authenticator(gateway);
    start_broker(gateway);
    /* Ports and certificates first: until they are there, nothing is written. Nobody is served before the
     * loop runs. */
    if (!error)
        error = gateway_listen(gateway);
    if (!error)
        error = open_storage(gateway);
    if (!error)
        gateway_refuse_rollout(gateway);
    if (!error)
        error = start_functions(gateway, workers);
    if (!error) {
        gateway_keep_tls_sessions(gateway);
        keep_fake_key(gateway);
        struct journal *journal = storage_journal(gateway->storage);
        gateway->retained = retained_queue_new(journal, storage_state(gateway->storage));
        gateway->intake = intake_new(loop, journal, gateway->functions, gateway->frames, gateway->retained);
        error = gateway_restore(gateway);
    }
    if (error) {
        gateway->failed = true; /* there will be nothing to account for */
        gateway_stop(gateway);
        return error;
    }
    gateway_start_status(gateway);
    gateway_warn_of_expiry(gateway);
    *ret_gateway = gateway;
    return SLUICE_OK;
}

void gateway_letters_changed(struct gateway *gateway)
{
    if (!gateway->stopping)
        functions_letters_changed(gateway->functions);
}

/* ---- Stopping: clients, workers, disk; each may still need what stops after it ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct gateway *gateway = handle->data;
    if (--gateway->handles_open == 0)
        memory_free(gateway);
}

static void on_storage_stopped(void *ctx)
{
    struct gateway *gateway = ctx;
    gateway->storage = NULL;
    if (gateway->functions)
        gateway->function_counters = functions_counters(gateway->functions);
    functions_free(gateway->functions);
    gateway->functions = NULL;
    if (!gateway->failed)
        gateway_print_ledger(gateway);
    net_stop(gateway->net);
    https_free(gateway->https);
    invoke_api_free(gateway->invoke_api);
    intake_free(gateway->intake);
    retained_queue_free(gateway->retained);
    frames_free(gateway->frames);
    broker_free(gateway->broker);
    authenticator_free(gateway->authenticator);
    config_free(gateway->reloaded);
    gateway->handles_open = 5;
    uv_close((uv_handle_t *)&gateway->turn, on_handle_closed);
    uv_close((uv_handle_t *)&gateway->before, on_handle_closed);
    uv_close((uv_handle_t *)&gateway->deadline, on_handle_closed);
    uv_close((uv_handle_t *)&gateway->daily, on_handle_closed);
    uv_close((uv_handle_t *)&gateway->each_minute, on_handle_closed);
}

static void on_functions_stopped(void *ctx)
{
    struct gateway *gateway = ctx;
    if (gateway->storage)
        storage_stop(gateway->storage, on_storage_stopped, gateway);
    else
        on_storage_stopped(gateway);
}

static void stop_after_clients(struct gateway *gateway)
{
    if (!gateway->stopping || gateway->client_count > 0)
        return;
    if (gateway->functions)
        functions_stop(gateway->functions, on_functions_stopped, gateway);
    else
        on_functions_stopped(gateway);
}

void gateway_client_gone(struct gateway *gateway)
{
    gateway->client_count--;
    stop_after_clients(gateway);
}

void gateway_restart_function(struct gateway *gateway, const char *name)
{
    if (!gateway->stopping)
        functions_restart(gateway->functions, span_from_string(name));
}

void gateway_stop(struct gateway *gateway)
{
    if (gateway->stopping)
        return;
    gateway->stopping = true;
    sys_free(gateway->sys); /* it reads the listeners, which go now */
    gateway->sys = NULL;
    broker_stop(gateway->broker);
    for (size_t i = 0; i < gateway->listener_count; i++)
        net_listener_stop(gateway->listeners[i]);
    gateway->listener_count = 0; /* each goes with its last connection */
    stop_after_clients(gateway);
}
