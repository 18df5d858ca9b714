#include "app/functions_internal.h"
#include "app/rollout.h"
#include "app/sandbox.h"

#include "base/log.h"
#include "base/memory.h"
#include "invoke/worker_protocol.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* ---- What a queue asks ---- */

static uint32_t queue_random(void *ctx)
{
    const struct functions_host *host = &((struct mapping *)ctx)->function->all->host;
    return host->random(host->ctx);
}

static enum sluice_error queue_load(void *ctx, uint64_t position, struct message **ret_message)
{
    struct mapping *mapping = ctx;
    return journal_load(mapping->function->all->host.journal, position, ret_message);
}

static void queue_acknowledge(void *ctx, uint64_t ordinal)
{
    struct mapping *mapping = ctx;
    struct journal *journal = mapping->function->all->host.journal;
    journal_acknowledge(journal, mapping->queue_id, ordinal);
    tumbling_left(mapping->tumbling, ordinal);
    /* Its result, if it has one, was published before this: see finish in invocation.c. */
    awaited_processed(&mapping->awaited, ordinal, journal_stats(journal).last_seq);
}

static void queue_on_changed(void *ctx)
{
    mapping_changed(ctx);
}

void mapping_has_room(struct mapping *mapping)
{
    const struct functions_host *host = &mapping->function->all->host;
    if (mapping->replay == REPLAY_WAITS_FOR_QUEUE)
        replay_again(mapping);
    handovers_room(mapping->function->all, mapping);
    host->on_room(host->ctx);
}

static void queue_on_room(void *ctx)
{
    mapping_has_room(ctx);
}

static void queue_dead(void *ctx, const struct queue_dead *dead)
{
    struct mapping *mapping = ctx;
    struct queue_dead given_up = *dead;
    struct message *end = NULL;
    if (mapping->tumbling && dead->message)
        end = tumbling_give_up(mapping->tumbling, dead);
    if (end)
        given_up.message = end;
    mapping_dead(mapping, &given_up);
    message_unref(end);
}

/* ---- Starting ---- */

/* What an iot event has of its own. */
static void set_event_bounds(const struct config_event *event, struct queue_config *config)
{
    config->bisect = event->bisect;
    if (event->maximum_retry_attempts != CONFIG_AS_FUNCTION)
        config->max_attempts = (uint32_t)event->maximum_retry_attempts + 1;
    if (event->maximum_record_age_s != CONFIG_AS_FUNCTION)
        config->max_age_ms = event->maximum_record_age_s * 1000;
    config->delay_ms = (uint32_t)event->delay_ms;
    config->ordered = event->mode == CONFIG_MODE_ORDERED;
    config->one_partition = event->tumbling_window_s > 0;
    if (config->ordered)
        config->concurrency = (uint32_t)event->parallelization_factor;
}

static struct queue *new_queue(struct mapping *mapping, uint64_t next_ordinal)
{
    const struct config_function *function = mapping->function->config;
    const struct config_event *event = mapping->event;
    bool is_asynchronous = mapping == mapping->function->direct;
    struct queue_config config = is_asynchronous ? queue_config_asynchronous() : queue_config_default();
    config.max_count = function->queue_count;
    config.max_bytes = function->queue_bytes;
    config.memory_bytes = function->queue_memory_bytes;
    config.batch_size = event->batch_size ? (uint32_t)event->batch_size : 1;
    config.window_ms = (uint32_t)event->maximum_batching_window_ms;
    config.batch_bytes = event->maximum_batching_bytes;
    config.concurrency = (uint32_t)function->reserved_concurrency;
    config.max_attempts = (uint32_t)function->maximum_retry_attempts + 1;
    if (function->maximum_event_age_ms > 0)
        config.max_age_ms = function->maximum_event_age_ms;
    if (event->rule)
        set_event_bounds(event, &config);
    struct queue_hooks hooks = {.ctx = mapping,
                                .random = queue_random,
                                .load = queue_load,
                                .acknowledge = queue_acknowledge,
                                .dead = queue_dead,
                                .on_room = queue_on_room,
                                .on_changed = queue_on_changed};
    return queue_new(&config, &hooks, next_ordinal);
}

static char *format_string(const char *format, const char *first, const char *second)
{
    size_t bytes = strlen(format) + strlen(first) + strlen(second) + 1;
    char *string = memory_new(bytes);
    snprintf(string, bytes, format, first, second);
    return string;
}

char *functions_queue_name(const struct config_function *function, const struct config_event *event)
{
    char number[24];
    if (!event)
        return format_string("%s%s", function->name, "/invoke");
    snprintf(number, sizeof number, "/%zu", event->number);
    return format_string("%s%s", function->name, event->number > 1 ? number : "");
}

static void add_mappings(struct functions *all, struct function *function, size_t *at)
{
    const struct config_function *config = function->config;
    for (size_t i = 0; i < config->event_count; i++) {
        struct mapping *mapping = &all->mappings[(*at)++];
        mapping->function = function;
        mapping->event = &config->events[i];
        mapping->queue_name = functions_queue_name(config, mapping->event);
        mapping->replay = REPLAY_DUE; /* of before this start */
        mapping->tumbling = tumbling_new(mapping);
        if (mapping->event->rule)
            rule_set_add(&all->rules, mapping->event->rule, mapping);
        else
            mapping->scheduled = scheduled_new(mapping);
        all->any_senml = all->any_senml || mapping->event->frames == CONFIG_FRAMES_SENML;
    }
}

/* What is asked for directly has no rule: its payload is the event. */
static void add_direct_mapping(struct functions *all, struct function *function, size_t *at)
{
    static const struct config_event direct_event = {.maximum_batching_bytes = WORKER_PAYLOAD_BYTES_MAX};
    struct mapping *mapping = &all->mappings[(*at)++];
    mapping->function = function;
    mapping->event = &direct_event;
    mapping->queue_name = functions_queue_name(function->config, NULL);
    mapping->replay = REPLAY_DUE;
    function->direct = mapping;
}

void functions_free(struct functions *functions)
{
    if (!functions)
        return;
    handovers_free(functions);
    for (size_t i = 0; i < functions->mapping_count; i++) {
        queue_free(functions->mappings[i].queue);
        awaited_fini(&functions->mappings[i].awaited);
        tumbling_free(functions->mappings[i].tumbling);
        scheduled_free(functions->mappings[i].scheduled);
        memory_free(functions->mappings[i].queue_name);
    }
    for (size_t i = 0; i < functions->function_count; i++)
        memory_free(functions->functions[i].arn);
    rule_set_fini(&functions->rules);
    timers_fini(&functions->timers);
    function_logs_stop(functions->logs);
    cgroups_close(functions->cgroups);
    versions_free(functions->versions);
    memory_free(functions->workers);
    memory_free(functions->functions);
    memory_free(functions->mappings);
    memory_free(functions->selections);
    memory_free(functions->letters);
    memory_free(functions->replays);
    memory_free(functions);
}

/* What is not as it was written is put aside, and functions run from their folders. What is only not to be
 * read now is no reason to run other code than what is live: then nothing starts. */
static enum sluice_error load_versions(const char *data, struct versions **ret_versions)
{
    char path[PATH_MAX], aside[PATH_MAX + 16], text[VERSIONS_TEXT_BYTES];
    versions_path(data, VERSIONS_NOW, path);
    enum sluice_error error = versions_read(path, ret_versions, text);
    if (!error || error == SLUICE_NOT_FOUND)
        return SLUICE_OK;
    *ret_versions = memory_new(sizeof **ret_versions);
    if (error != SLUICE_INVALID) {
        log_error("%s", text);
        return error;
    }
    snprintf(aside, sizeof aside, "%s.damaged", path);
    if (rename(path, aside) == 0)
        log_error("%s; it is now %s, and functions run as they lie in their folders", text, aside);
    else
        log_error("%s; it cannot be renamed to %s (%s), and functions run as they lie in their folders", text,
                  aside, strerror(errno));
    return SLUICE_OK;
}

enum sluice_error functions_start(const struct config *config, const char *workers,
                                  const struct functions_host *host, struct functions **ret_functions)
{
    struct functions *all = memory_new(sizeof *all);
    size_t mapping_max = 0;
    for (size_t i = 0; i < config->function_count; i++)
        mapping_max += config->functions[i].event_count + 1;
    all->config = config;
    all->host = *host;
    all->workers = memory_string(span_from_string(workers));
    all->function_count = config->function_count;
    if (state_count_dead_letters(host->state, (struct state_letters){0}, &all->letters_kept) != SLUICE_OK)
        log_warning("the dead letters of before cannot be counted");
    all->functions = memory_new_array(config->function_count, sizeof *all->functions);
    all->mappings = memory_new_array(mapping_max, sizeof *all->mappings);
    all->logs = function_logs_start(config, host->wall_ms, host->ctx);
    enum sluice_error error = sandbox_check(config, workers);
    if (!error)
        error = cgroups_open(config, &all->cgroups);
    if (!error)
        error = load_versions(config->data, &all->versions);
    for (size_t i = 0; i < config->function_count; i++) {
        struct function *function = &all->functions[i];
        function->all = all;
        function->given = function->config = &config->functions[i];
        function->arn = format_string("arn:aws:lambda:%s:000000000000:function:%s", config->region,
                                      function->config->name);
        function->log = function_logs_add(all->logs, function->config);
        add_mappings(all, function, &all->mapping_count);
        add_direct_mapping(all, function, &all->mapping_count);
        enum sluice_error failed = function_start_live(function);
        if (failed)
            error = failed;
    }
    *ret_functions = all;
    return error;
}

void functions_pool_stopped(struct functions *functions)
{
    if (--functions->pools_running == 0 && functions->stopping)
        functions->on_stopped(functions->stopped_ctx);
}

void functions_stop(struct functions *functions, void (*on_stopped)(void *ctx), void *ctx)
{
    functions->stopping = true;
    functions->on_stopped = on_stopped;
    functions->stopped_ctx = ctx;
    rollout_stop(functions);
    if (functions->pools_running == 0) {
        on_stopped(ctx);
        return;
    }
    for (size_t i = 0; i < functions->function_count; i++)
        function_stop_versions(&functions->functions[i]);
}

void functions_restart(struct functions *functions, struct span name)
{
    struct function *function = functions_find(functions, name);
    struct function_version *latest = function ? function_version_find(function, 0) : NULL;
    if (!latest || functions->stopping)
        return;
    invoke_pool_restart(latest->pool);
    if (function->live != latest)
        log_info("function %s: version %" PRIu64 " is live, and stays it until `sluice deploy`",
                 function->config->name, function->live->number);
}

void functions_files_replaced(struct functions *functions)
{
    for (size_t i = 0; i < functions->function_count && !functions->stopping; i++) {
        struct function *function = &functions->functions[i];
        uint64_t files = sandbox_files(functions->config, function->config);
        if (files == function->files)
            continue;
        function->files = files;
        invoke_pool_restart(function->pool);
        if (function->down_pool)
            invoke_pool_restart(function->down_pool);
    }
}

/* ---- Restoring ---- */

bool functions_restore_queue(struct functions *functions, uint32_t queue, struct span name,
                             uint64_t next_ordinal)
{
    for (size_t i = 0; i < functions->mapping_count; i++) {
        struct mapping *mapping = &functions->mappings[i];
        if (span_equal(span_from_string(mapping->queue_name), name)) {
            mapping->queue_id = queue;
            mapping->queue = new_queue(mapping, next_ordinal);
            functions->restoring = mapping;
            return true;
        }
    }
    return false;
}

bool functions_restore_schedule(struct functions *functions, uint32_t queue, struct span name,
                                uint64_t next_ordinal)
{
    bool is_taken = false;
    for (size_t i = 0; i < functions->mapping_count && !is_taken; i++)
        is_taken = scheduled_restore_queue(functions->mappings[i].scheduled, queue, name, next_ordinal);
    return is_taken;
}

bool functions_restore_windows(struct functions *functions, uint32_t queue, struct span name,
                               uint64_t next_ordinal)
{
    bool is_taken = false;
    for (size_t i = 0; i < functions->mapping_count && !is_taken; i++)
        is_taken = tumbling_restore_queue(functions->mappings[i].tumbling, queue, name, next_ordinal);
    return is_taken;
}

void functions_restore_window(struct functions *functions, const struct journal_entry *entry)
{
    for (size_t i = 0; i < functions->mapping_count; i++)
        tumbling_restore_state(functions->mappings[i].tumbling, entry);
}

void functions_restore_anchor(struct functions *functions, const struct journal_entry *entry)
{
    for (size_t i = 0; i < functions->mapping_count; i++)
        scheduled_restore_entry(functions->mappings[i].scheduled, entry);
}

void functions_restore_entry(struct functions *functions, const struct journal_entry *entry)
{
    struct mapping *mapping = functions->restoring;
    functions->counters.restored++;
    uint64_t waited_ms;
    uint32_t partition = mapping_restored_partition(mapping, entry, &waited_ms);
    tumbling_restore_entry(mapping->tumbling, entry, partition);
    if (waited_ms > 0) /* up to now, not to the start of restoring: its delay would end as much too early */
        uv_update_time(functions->host.loop);
    queue_restore(mapping->queue, entry->ordinal, entry->bytes, partition, entry->position, waited_ms,
                  uv_now(functions->host.loop));
}

void functions_restored(struct functions *functions)
{
    for (size_t i = 0; i < functions->mapping_count; i++) {
        struct mapping *mapping = &functions->mappings[i];
        scheduled_restored(mapping->scheduled);
        tumbling_restored(mapping->tumbling);
        mapping_changed(mapping); /* each is looked at once */
        if (mapping->queue)
            continue;
        mapping->queue_id = journal_queue_open(functions->host.journal, JOURNAL_FUNCTION,
                                               span_from_string(mapping->queue_name));
        mapping->queue = new_queue(mapping, 1);
    }
}

struct functions_counters functions_counters(const struct functions *functions)
{
    struct functions_counters counters = functions->counters;
    counters.queued = 0;
    for (size_t i = 0; i < functions->mapping_count; i++) {
        const struct queue *queue = functions->mappings[i].queue;
        counters.queued += queue ? queue_stats(queue).count : 0; /* none where starting has failed */
    }
    return counters;
}
