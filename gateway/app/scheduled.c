#include "app/functions_internal.h"

#include "base/json_write.h"
#include "base/log.h"
#include "base/memory.h"
#include "route/transform.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum {
    LOOK_MS = 10 * 1000, /* so often at least, as nobody says when the wall clock is set */
    RETRY_MS = 1000,     /* where the queue or the journal had no room */
    NAME_BYTES = 256,
};

struct clock {
    const struct schedule *schedule;
    char *name;         /* of its queue in the journal: the mapping's, and the expression */
    uint32_t queue;     /* 0: not in the journal yet */
    uint64_t ordinal;   /* of the anchor's entry; 0: none */
    uint64_t oldest;    /* of those before it that a crash left; 0: none */
    uint64_t anchor_ms; /* Unix epoch */
};

struct scheduled {
    struct mapping *mapping;
    uint64_t look_ms; /* the loop's clock: when something may be due */
    size_t clock_count;
    struct clock clocks[];
};

struct scheduled *scheduled_new(struct mapping *mapping)
{
    size_t count = mapping->event->rates.count;
    struct scheduled *scheduled = memory_new(sizeof *scheduled + count * sizeof *scheduled->clocks);
    scheduled->mapping = mapping;
    scheduled->clock_count = count;
    for (size_t i = 0; i < count; i++) {
        struct clock *clock = &scheduled->clocks[i];
        clock->schedule = &mapping->event->schedules[i];
        const char *rate = mapping->event->rates.items[i];
        size_t bytes = strlen(mapping->queue_name) + strlen(rate) + 2;
        clock->name = memory_new(bytes);
        snprintf(clock->name, bytes, "%s %s", mapping->queue_name, rate);
    }
    return scheduled;
}

void scheduled_free(struct scheduled *scheduled)
{
    for (size_t i = 0; scheduled && i < scheduled->clock_count; i++)
        memory_free(scheduled->clocks[i].name);
    memory_free(scheduled);
}

/* ---- The anchor in the journal ---- */

static struct journal *journal_of(const struct scheduled *scheduled)
{
    return scheduled->mapping->function->all->host.journal;
}

/*
 * Stores `message`, whose time is the new anchor, in the clock's queue, and in the function's where it is a
 * run; then the anchor before it is no longer needed.
 */
static enum sluice_error store(struct scheduled *scheduled, struct clock *clock,
                               const struct message *message, bool is_run, uint64_t *ret_position)
{
    struct mapping *mapping = scheduled->mapping;
    struct journal_target targets[] = {
        {.queue = clock->queue, .ordinal = clock->ordinal + 1, .qos = 1},
        {.queue = mapping->queue_id, .ordinal = queue_next_ordinal(mapping->queue), .qos = 1},
    };
    struct journal_message stored = {.message = message, .targets = targets, .target_count = is_run ? 2 : 1};
    uint64_t seq;
    enum sluice_error error = SLUICE_OK;
    if (is_run && !queue_has_room(mapping->queue, 1, message_bytes(message)))
        error = SLUICE_FULL;
    if (!error)
        error = journal_append_messages(journal_of(scheduled), (struct journal_origin){0}, &stored, 1, &seq);
    if (error)
        return error;
    journal_acknowledge(journal_of(scheduled), clock->queue, clock->ordinal);
    clock->ordinal++;
    clock->anchor_ms = message->received_ms;
    *ret_position = stored.ret_position;
    return SLUICE_OK;
}

/* A schedule that is new is settled up to now: so a later start knows what was missed since. */
static enum sluice_error begin(struct scheduled *scheduled, struct clock *clock, uint64_t wall_ms)
{
    struct message message = {.topic = SPAN_LITERAL("$schedule"), .received_ms = wall_ms};
    uint64_t position;
    return store(scheduled, clock, &message, false, &position);
}

bool scheduled_restore_queue(struct scheduled *scheduled, uint32_t queue, struct span name,
                             uint64_t next_ordinal)
{
    for (size_t i = 0; scheduled && i < scheduled->clock_count; i++) {
        struct clock *clock = &scheduled->clocks[i];
        if (!span_equal(span_from_string(clock->name), name))
            continue;
        clock->queue = queue;
        clock->ordinal = next_ordinal - 1;
        return true;
    }
    return false;
}

void scheduled_restore_entry(struct scheduled *scheduled, const struct journal_entry *entry)
{
    for (size_t i = 0; scheduled && i < scheduled->clock_count; i++) {
        struct clock *clock = &scheduled->clocks[i];
        struct message *message;
        if (clock->queue != entry->queue || journal_load(journal_of(scheduled), entry->position, &message))
            continue;
        clock->anchor_ms = message->received_ms; /* the newest comes last */
        clock->oldest = clock->oldest ? clock->oldest : entry->ordinal;
        message_unref(message);
    }
}

void scheduled_restored(struct scheduled *scheduled)
{
    for (size_t i = 0; scheduled && i < scheduled->clock_count; i++) {
        struct clock *clock = &scheduled->clocks[i];
        for (; clock->oldest > 0 && clock->oldest < clock->ordinal; clock->oldest++)
            journal_acknowledge(journal_of(scheduled), clock->queue, clock->oldest);
        if (clock->queue == 0)
            clock->queue =
                journal_queue_open(journal_of(scheduled), JOURNAL_SCHEDULE, span_from_string(clock->name));
    }
}

/* ---- Runs ---- */

/* As EventBridge writes it; the id is the same for the same run: RFC 9562, version 8, whose bits are ours. */
static void write_event(const struct scheduled *scheduled, const struct clock *clock, uint64_t due_ms,
                        struct buffer *out)
{
    const struct mapping *mapping = scheduled->mapping;
    const char *region = mapping->function->all->config->region;
    time_t due_s = (time_t)(due_ms / 1000);
    struct tm due;
    char time[32], id[40], arn[128 + NAME_BYTES];
    gmtime_r(&due_s, &due);
    strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", &due);
    snprintf(id, sizeof id, "%08" PRIx32 "-0000-8000-8001-%012" PRIx64, clock->queue,
             due_ms & UINT64_C(0xffffffffffff));
    const char *name = mapping->event->schedule_name ? mapping->event->schedule_name : mapping->queue_name;
    snprintf(arn, sizeof arn, "arn:aws:events:%s:000000000000:rule/%s", region, name);
    json_write_raw(out, "{\"version\":\"0\",\"id\":");
    json_write_string(out, span_from_string(id));
    json_write_raw(out, ",\"detail-type\":\"Scheduled Event\",\"source\":\"aws.events\","
                        "\"account\":\"000000000000\",\"time\":");
    json_write_string(out, span_from_string(time));
    json_write_raw(out, ",\"region\":");
    json_write_string(out, span_from_string(region));
    json_write_raw(out, ",\"resources\":[");
    json_write_string(out, span_from_string(arn));
    json_write_raw(out, "],\"detail\":{}}");
}

/* What the function gets: the input that is given, or what is to be made of the event, or that itself. */
static void write_input(const struct scheduled *scheduled, const struct clock *clock, uint64_t due_ms,
                        struct buffer *out)
{
    const struct config_event *config = scheduled->mapping->event;
    struct transform transform = {config->input_template, config->input_paths.items,
                                  config->input_paths.count};
    struct buffer event = {0};
    struct span part = SPAN_LITERAL("null");
    if (config->input) {
        buffer_append(out, span_from_string(config->input));
        return;
    }
    write_event(scheduled, clock, due_ms, &event);
    if (config->input_template) {
        transform_apply(&transform, buffer_span(&event), out);
    } else {
        struct span path = config->input_path ? span_from_string(config->input_path) : SPAN_LITERAL("$");
        transform_find(buffer_span(&event), path, &part);
        buffer_append(out, part);
    }
    buffer_fini(&event);
}

static enum sluice_error run(struct scheduled *scheduled, struct clock *clock, uint64_t due_ms,
                             uint64_t wall_ms, uint64_t now_ms)
{
    struct mapping *mapping = scheduled->mapping;
    struct buffer event = {0};
    char topic[NAME_BYTES];
    write_input(scheduled, clock, due_ms, &event);
    snprintf(topic, sizeof topic, "$schedule/%s", mapping->queue_name);
    struct message view = {
        .qos = 1, .topic = span_from_string(topic), .payload = buffer_span(&event), .received_ms = wall_ms};
    uint64_t position;
    enum sluice_error error = store(scheduled, clock, &view, true, &position);
    if (!error) {
        struct message *message = message_new(&view);
        queue_add(mapping->queue, message, 0, position, now_ms);
        message_unref(message);
        mapping->function->all->counters.accepted++;
        if (schedule_next(clock->schedule, due_ms) <= wall_ms)
            log_warning("schedule %s: runs were missed; the first of them is made up for", clock->name);
    }
    buffer_fini(&event);
    return error;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Runs the schedule if it is due. Returns in how many ms it is worth looking at again. */
static uint64_t look(struct scheduled *scheduled, struct clock *clock, uint64_t wall_ms, uint64_t now_ms)
{
    uint64_t due_ms;
    enum sluice_error error = SLUICE_OK;
    if (clock->anchor_ms == 0)
        error = begin(scheduled, clock, wall_ms);
    else if (schedule_due(clock->schedule, &clock->anchor_ms, wall_ms, &due_ms))
        error = run(scheduled, clock, due_ms, wall_ms, now_ms);
    if (error)
        return RETRY_MS;
    uint64_t next_ms = schedule_next(clock->schedule, clock->anchor_ms);
    return next_ms > wall_ms ? lower(next_ms - wall_ms, LOOK_MS) : LOOK_MS;
}

void scheduled_turn(struct scheduled *scheduled, uint64_t now_ms)
{
    if (!scheduled || now_ms < scheduled->look_ms)
        return;
    const struct functions_host *host = &scheduled->mapping->function->all->host;
    uint64_t wall_ms = host->wall_ms(host->ctx), wait_ms = LOOK_MS;
    for (size_t i = 0; i < scheduled->clock_count; i++)
        wait_ms = lower(wait_ms, look(scheduled, &scheduled->clocks[i], wall_ms, now_ms));
    scheduled->look_ms = now_ms + wait_ms;
}

uint64_t scheduled_next_deadline(const struct scheduled *scheduled)
{
    return scheduled ? scheduled->look_ms : UINT64_MAX;
}
