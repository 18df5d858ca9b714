#include "app/tumbling.h"

#include "app/functions_internal.h"

#include "base/json_write.h"
#include "base/log.h"
#include "base/memory.h"
#include "deliver/windows.h"
#include "route/json.h"

#include <stdlib.h>
#include <time.h>

enum {
    TIME_BYTES = 32,
    NAMES_BYTES = 256,     /* of an event, around the state and the function's ARN */
    STATE_HEAD_BYTES = 16, /* of a stored state: its window's start, what it includes */
    LOOK_MS = 1000,        /* at the latest: the wall clock may have been set */
    RETRY_MS = 100,        /* after the journal, or the queue, had no room */
};

#define END_TOPIC   SPAN_LITERAL("$window/end")
#define STATE_TOPIC SPAN_LITERAL("$window/state")

/* A state that leaves with its window's end, which was given up, or (0: there is none) when all is restored.
 */
struct leaving {
    uint64_t end, state; /* ordinals */
};

struct tumbling {
    struct mapping *mapping;
    struct windows windows;
    struct leaving *leaving;
    size_t leaving_count, leaving_capacity;
    uint32_t queue; /* of states, in the journal */
    uint64_t next_ordinal;
    uint64_t look_ms; /* when the next may be over, on the loop's clock */
    bool wants_room;  /* somebody was refused a window */
};

struct tumbling *tumbling_new(struct mapping *mapping)
{
    if (mapping->event->tumbling_window_s == 0)
        return NULL;
    struct tumbling *tumbling = memory_new(sizeof *tumbling);
    tumbling->mapping = mapping;
    tumbling->next_ordinal = 1;
    tumbling->look_ms = UINT64_MAX;
    windows_init(&tumbling->windows, mapping->event->tumbling_window_s * 1000);
    return tumbling;
}

void tumbling_free(struct tumbling *tumbling)
{
    if (!tumbling)
        return;
    windows_fini(&tumbling->windows);
    memory_free(tumbling->leaving);
    memory_free(tumbling);
}

static struct journal *journal_of(const struct tumbling *tumbling)
{
    return tumbling->mapping->function->all->host.journal;
}

static uint64_t wall_ms_of(const struct tumbling *tumbling)
{
    const struct functions_host *host = &tumbling->mapping->function->all->host;
    return host->wall_ms(host->ctx);
}

static void drop_state(const struct tumbling *tumbling, uint64_t ordinal)
{
    if (ordinal > 0)
        journal_acknowledge(journal_of(tumbling), tumbling->queue, ordinal);
}

static void drop_later(struct tumbling *tumbling, uint64_t end, uint64_t state)
{
    if (state == 0)
        return;
    if (tumbling->leaving_count == tumbling->leaving_capacity) {
        tumbling->leaving_capacity = tumbling->leaving_capacity ? 2 * tumbling->leaving_capacity : 4;
        tumbling->leaving =
            memory_resize(tumbling->leaving, tumbling->leaving_capacity * sizeof *tumbling->leaving);
    }
    tumbling->leaving[tumbling->leaving_count++] = (struct leaving){end, state};
}

/* ---- What is stored ---- */

static void write_time(struct buffer *out, uint64_t wall_ms)
{
    char text[TIME_BYTES];
    struct tm parts;
    gmtime_r(&(time_t){(time_t)(wall_ms / 1000)}, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    json_write_string(out, span_from_string(text));
}

static void write_window(const struct tumbling *tumbling, uint64_t start_ms, struct buffer *out)
{
    json_write_raw(out, "\"window\":{\"start\":");
    write_time(out, start_ms);
    json_write_raw(out, ",\"end\":");
    write_time(out, start_ms + tumbling->windows.size_ms);
    json_write_raw(out, "}");
}

/* An end as a message, which its dead letter is too: received at the window's end. */
static void write_end(const struct tumbling *tumbling, uint32_t partition, uint64_t start_ms,
                      struct span state, struct buffer *out)
{
    json_write_raw(out, "{");
    write_window(tumbling, start_ms, out);
    json_write_raw(out, ",\"partition\":");
    json_write_u64(out, partition);
    if (state.len > 0) {
        json_write_raw(out, ",\"state\":");
        buffer_append(out, state);
    }
    json_write_raw(out, "}");
}

static bool member_of(struct span text, struct span name, struct span *ret_value)
{
    size_t fault_at;
    return text.len > 0 && json_check(text, &fault_at) && json_member(json_trim(text), name, ret_value);
}

bool tumbling_is_end(const struct message *message, uint32_t *ret_partition)
{
    struct span number;
    if (!span_equal(message->topic, END_TOPIC))
        return false;
    *ret_partition = 0;
    if (member_of(message->payload, SPAN_LITERAL("partition"), &number))
        *ret_partition = (uint32_t)strtoul((const char *)number.data, NULL, 10) & JOURNAL_SHARE_MAX;
    return true;
}

/* ---- Restoring ---- */

bool tumbling_restore_queue(struct tumbling *tumbling, uint32_t queue, struct span name,
                            uint64_t next_ordinal)
{
    if (!tumbling || !span_equal(span_from_string(tumbling->mapping->queue_name), name))
        return false;
    tumbling->queue = queue;
    if (next_ordinal > 0) /* a queue that was never used has 0, which is no state's */
        tumbling->next_ordinal = next_ordinal;
    return true;
}

/* One that cannot be read is dropped too: its window goes on from nothing, and it would stay for ever. */
void tumbling_restore_state(struct tumbling *tumbling, const struct journal_entry *entry)
{
    struct message *message;
    uint64_t dropped = entry->ordinal;
    if (!tumbling || tumbling->queue != entry->queue)
        return;
    if (journal_load(journal_of(tumbling), entry->position, &message) == SLUICE_OK) { /* else it is logged */
        struct reader head = reader_of(message->payload);
        struct window_state state = {
            .ordinal = entry->ordinal, .position = entry->position, .bytes = message->payload.len};
        state.start_ms = read_u64(&head);
        state.included = read_u64(&head);
        if (!head.failed)
            dropped = windows_restore_state(&tumbling->windows, entry->share, &state);
        message_unref(message);
    }
    drop_later(tumbling, 0, dropped); /* the visit changes nothing */
}

void tumbling_restore_entry(struct tumbling *tumbling, const struct journal_entry *entry, uint32_t partition)
{
    struct message *message;
    uint32_t end_partition;
    if (!tumbling || journal_load(journal_of(tumbling), entry->position, &message) != SLUICE_OK)
        return; /* its lease will find that out too, and make it a dead letter */
    if (!tumbling_is_end(message, &end_partition))
        windows_arrived(&tumbling->windows, partition, message->received_ms);
    else if (!member_of(message->payload, SPAN_LITERAL("state"), &(struct span){0}))
        windows_restore_end(&tumbling->windows, partition, entry->ordinal);
    message_unref(message);
}

void tumbling_restored(struct tumbling *tumbling)
{
    if (!tumbling)
        return;
    windows_restored(&tumbling->windows);
    tumbling->look_ms = 0;
    if (tumbling->queue == 0)
        tumbling->queue = journal_queue_open(journal_of(tumbling), JOURNAL_WINDOW,
                                             span_from_string(tumbling->mapping->queue_name));
    while (tumbling->leaving_count > 0)
        drop_state(tumbling, tumbling->leaving[--tumbling->leaving_count].state);
}

/* ---- Arriving ---- */

/* Puts the end of an open window into the function's queue, behind what belongs to it. False: not now. */
static bool end_window(void *ctx, struct window *window)
{
    struct tumbling *tumbling = ctx;
    struct mapping *mapping = tumbling->mapping;
    struct buffer payload = {0};
    write_end(tumbling, window->partition, window->start_ms, SPAN_EMPTY, &payload);
    struct message view = {.qos = 1,
                           .topic = END_TOPIC,
                           .payload = buffer_span(&payload),
                           .received_ms = window->start_ms + tumbling->windows.size_ms};
    struct journal_target target = {.queue = mapping->queue_id,
                                    .ordinal = queue_next_ordinal(mapping->queue),
                                    .share = window->partition,
                                    .qos = 1};
    struct journal_message stored = {.message = &view, .targets = &target, .target_count = 1};
    struct journal_origin makes_room = {.may_use_reserve = true}; /* its state and messages leave with it */
    uint64_t seq;
    enum sluice_error error = journal_append_messages(journal_of(tumbling), makes_room, &stored, 1, &seq);
    if (!error) {
        struct message *message = message_new(&view);
        windows_ended(window, target.ordinal);
        queue_add(mapping->queue, message, window->partition, stored.ret_position,
                  uv_now(mapping->function->all->host.loop));
        mapping->function->all->counters.accepted++;
        message_unref(message);
    }
    buffer_fini(&payload);
    return !error;
}

void tumbling_before(struct tumbling *tumbling, uint32_t partition, uint64_t received_ms)
{
    struct window *window = tumbling ? windows_find(&tumbling->windows, partition) : NULL;
    /* Ordinals that this PUBLISH was given already must stay its own. */
    if (tumbling && tumbling->mapping->selected_count == 0 &&
        windows_is_over(&tumbling->windows, window, received_ms))
        end_window(tumbling, window);
}

static bool is_full(const struct tumbling *tumbling)
{
    return tumbling->windows.count >= tumbling->mapping->function->config->queue_count;
}

bool tumbling_has_room(struct tumbling *tumbling, uint32_t partition)
{
    bool fits = !tumbling || !is_full(tumbling) || windows_find(&tumbling->windows, partition);
    if (!fits)
        tumbling->wants_room = true;
    return fits;
}

void tumbling_arrived(struct tumbling *tumbling, uint32_t partition, const struct message *message)
{
    uint32_t end_partition;
    if (tumbling && !tumbling_is_end(message, &end_partition) &&
        windows_arrived(&tumbling->windows, partition, wall_ms_of(tumbling)))
        tumbling->look_ms = 0;
}

static void tell_room(struct tumbling *tumbling)
{
    if (tumbling->wants_room && !is_full(tumbling)) {
        tumbling->wants_room = false;
        mapping_has_room(tumbling->mapping);
    }
}

void tumbling_turn(struct tumbling *tumbling, uint64_t now_ms)
{
    if (tumbling)
        tell_room(tumbling);
    if (!tumbling || now_ms < tumbling->look_ms)
        return;
    uint64_t wall_ms = wall_ms_of(tumbling), wait_ms = LOOK_MS;
    windows_each_over(&tumbling->windows, wall_ms, end_window, tumbling);
    uint64_t next_ms = tumbling->windows.soonest_end_ms;
    if (next_ms <= wall_ms)
        wait_ms = RETRY_MS;
    else if (next_ms - wall_ms < wait_ms)
        wait_ms = next_ms - wall_ms;
    tumbling->look_ms = next_ms == UINT64_MAX ? UINT64_MAX : now_ms + wait_ms;
}

uint64_t tumbling_next_deadline(const struct tumbling *tumbling)
{
    return tumbling ? tumbling->look_ms : UINT64_MAX;
}

/* ---- Handling ---- */

/* Messages that the state holds already, as a crash leaves them: they are a batch of their own. */
static bool cut_to_included(struct tumbling *tumbling, struct window *window, struct queue_batch *batch,
                            uint64_t now_ms)
{
    size_t count = 0;
    uint32_t partition;
    bool has_state = window && window->state.ordinal > 0;
    while (has_state && count < batch->count && batch->items[count].ordinal <= window->state.included) {
        window->end_count -=
            tumbling_is_end(batch->items[count].message, &partition) && window->end_count > 0;
        batch->items[count++].outcome = QUEUE_SUCCEEDED;
    }
    if (count > 0)
        queue_shorten(tumbling->mapping->queue, batch, count, now_ms);
    return count > 0;
}

/* An end is the last of its batch; one that brings its own state is alone. */
static void cut_at_end(struct tumbling *tumbling, struct queue_batch *batch, uint64_t now_ms,
                       struct tumbling_step *step)
{
    struct span state;
    uint32_t partition;
    size_t at = 0;
    while (at < batch->count && !tumbling_is_end(batch->items[at].message, &partition))
        at++;
    if (at == batch->count)
        return;
    const struct message *end = batch->items[at].message;
    step->is_again = member_of(end->payload, SPAN_LITERAL("state"), &state);
    if (step->is_again && at > 0) {
        step->is_again = false;
        queue_shorten(tumbling->mapping->queue, batch, at, now_ms);
        return;
    }
    step->start_ms = end->received_ms - tumbling->windows.size_ms;
    if (step->is_again)
        buffer_append(&step->state, state);
    queue_shorten(tumbling->mapping->queue, batch, at + 1, now_ms);
}

/* {}: there is none, or it cannot be read (logged), and the window goes on from nothing. */
static void load_state(const struct tumbling *tumbling, const struct window *window, struct buffer *out)
{
    struct message *message;
    if (window && window->state.ordinal > 0 &&
        journal_load(journal_of(tumbling), window->state.position, &message) == SLUICE_OK) {
        buffer_append(out, span_skip(message->payload, STATE_HEAD_BYTES));
        message_unref(message);
    }
    if (buffer_len(out) == 0)
        json_write_raw(out, "{}");
}

bool tumbling_begin(struct tumbling *tumbling, struct queue_batch *batch, uint64_t now_ms,
                    struct tumbling_step *ret_step)
{
    struct window *window = windows_find(&tumbling->windows, batch->partition);
    *ret_step = (struct tumbling_step){.partition = batch->partition};
    if (cut_to_included(tumbling, window, batch, now_ms))
        return false;
    ret_step->start_ms = windows_start_ms(&tumbling->windows, batch->items[0].message->received_ms);
    cut_at_end(tumbling, batch, now_ms, ret_step);
    if (ret_step->is_again)
        return true;
    if (window && window->state.ordinal > 0)
        ret_step->start_ms = window->state.start_ms;
    load_state(tumbling, window, &ret_step->state);
    return true;
}

size_t tumbling_bytes_max(const struct tumbling *tumbling, const struct tumbling_step *step)
{
    size_t bytes = buffer_len(&step->state) + strlen(tumbling->mapping->function->arn) + NAMES_BYTES;
    size_t most = tumbling->mapping->event->maximum_batching_bytes - 1;
    return bytes < most ? bytes : most; /* the rest is then for a single record */
}

static void write_step(const struct tumbling *tumbling, const struct tumbling_step *step, struct buffer *out)
{
    json_write_raw(out, ",");
    write_window(tumbling, step->start_ms, out);
    json_write_raw(out, ",\"state\":");
    buffer_append(out, buffer_span(&step->state));
    json_write_raw(out, ",\"shardId\":\"shardId-");
    json_write_u64(out, step->partition);
    json_write_raw(out, "\",\"eventSourceARN\":");
    json_write_string(out, span_from_string(tumbling->mapping->function->arn));
    if (step->is_final)
        json_write_raw(out, ",\"isFinalInvokeForWindow\":true");
    else
        json_write_raw(out, ",\"isFinalInvokeForWindow\":false");
    json_write_raw(out, ",\"isWindowTerminatedEarly\":false");
}

void tumbling_write(const struct tumbling *tumbling, struct tumbling_step *step,
                    const struct queue_batch *batch, struct buffer *out)
{
    uint32_t partition;
    step->is_final = tumbling_is_end(batch->items[batch->count - 1].message, &partition);
    write_step(tumbling, step, out);
}

void tumbling_write_end(const struct tumbling *tumbling, const struct message *end, struct buffer *out)
{
    struct tumbling_step step = {.start_ms = end->received_ms - tumbling->windows.size_ms, .is_final = true};
    struct span state = SPAN_LITERAL("{}");
    tumbling_is_end(end, &step.partition);
    member_of(end->payload, SPAN_LITERAL("state"), &state);
    buffer_append(&step.state, state);
    write_step(tumbling, &step, out);
    buffer_fini(&step.state);
}

static bool is_finished(const struct tumbling_step *step, const struct queue_batch *batch)
{
    return step->is_final && batch->items[batch->count - 1].outcome == QUEUE_SUCCEEDED;
}

bool tumbling_take_answer(struct tumbling_step *step, const struct queue_batch *batch, struct span answer)
{
    struct span state;
    bool is_there = member_of(answer, SPAN_LITERAL("state"), &state);
    if (!is_there || state.len > TUMBLING_STATE_BYTES_MAX)
        return !is_there && is_finished(step, batch); /* nobody would get it */
    struct buffer taken = {0};
    buffer_append(&taken, state);
    buffer_fini(&step->state);
    step->state = taken;
    return true;
}

/* One that is no larger than what leaves the journal with it makes room there; a larger one could only leave
 * by others that have room. */
static enum sluice_error store_state(struct tumbling *tumbling, const struct tumbling_step *step,
                                     size_t leaving_bytes, struct window_state *state)
{
    struct buffer payload = {0};
    struct writer head = writer_of(buffer_reserve(&payload, STATE_HEAD_BYTES), STATE_HEAD_BYTES);
    write_u64(&head, state->start_ms);
    write_u64(&head, state->included);
    buffer_grown(&payload, STATE_HEAD_BYTES);
    buffer_append(&payload, buffer_span(&step->state));
    state->bytes = buffer_len(&payload);
    struct message view = {.qos = 1,
                           .topic = STATE_TOPIC,
                           .payload = buffer_span(&payload),
                           .received_ms = wall_ms_of(tumbling)};
    struct journal_target target = {
        .queue = tumbling->queue, .ordinal = state->ordinal, .share = step->partition, .qos = 1};
    struct journal_message stored = {.message = &view, .targets = &target, .target_count = 1};
    struct journal_origin origin = {.may_use_reserve = state->bytes <= leaving_bytes};
    uint64_t seq;
    enum sluice_error error = journal_append_messages(journal_of(tumbling), origin, &stored, 1, &seq);
    state->position = stored.ret_position;
    buffer_fini(&payload);
    return error;
}

enum sluice_error tumbling_commit(struct tumbling *tumbling, struct tumbling_step *step,
                                  const struct queue_batch *batch)
{
    if (is_finished(step, batch)) {
        if (!step->is_again)
            step->old_ordinal = windows_finished(&tumbling->windows, step->partition);
        return SLUICE_OK;
    }
    const struct window *window = windows_find(&tumbling->windows, step->partition);
    size_t leaving_bytes = window ? window->state.bytes : 0;
    struct window_state state = {.start_ms = step->start_ms, .ordinal = tumbling->next_ordinal};
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->items[i].outcome != QUEUE_SUCCEEDED)
            continue;
        state.included = batch->items[i].ordinal;
        leaving_bytes += batch->items[i].message->payload.len;
    }
    enum sluice_error error = store_state(tumbling, step, leaving_bytes, &state);
    if (error)
        return error;
    tumbling->next_ordinal++;
    step->old_ordinal = windows_set_state(&tumbling->windows, step->partition, &state);
    return SLUICE_OK;
}

void tumbling_done(struct tumbling *tumbling, const struct tumbling_step *step)
{
    drop_state(tumbling, step->old_ordinal);
}

/* ---- Giving up ---- */

void tumbling_left(struct tumbling *tumbling, uint64_t ordinal)
{
    for (size_t i = 0; tumbling && i < tumbling->leaving_count; i++) {
        if (tumbling->leaving[i].end == ordinal) {
            drop_state(tumbling, tumbling->leaving[i].state);
            tumbling->leaving[i] = tumbling->leaving[--tumbling->leaving_count];
            return;
        }
    }
}

struct message *tumbling_give_up(struct tumbling *tumbling, const struct queue_dead *dead)
{
    struct span own;
    struct buffer state = {0}, payload = {0};
    struct message view = *dead->message;
    uint32_t partition;
    if (!tumbling_is_end(&view, &partition))
        return NULL;
    if (member_of(view.payload, SPAN_LITERAL("state"), &own))
        return message_new(&view);
    load_state(tumbling, windows_find(&tumbling->windows, partition), &state);
    write_end(tumbling, partition, view.received_ms - tumbling->windows.size_ms, buffer_span(&state),
              &payload);
    drop_later(tumbling, dead->ordinal, windows_finished(&tumbling->windows, partition));
    view.payload = buffer_span(&payload);
    struct message *letter = message_new(&view);
    buffer_fini(&state);
    buffer_fini(&payload);
    return letter;
}
