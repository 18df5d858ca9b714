#include "app/functions_internal.h"

#include "base/log.h"
#include "base/memory.h"

static const char *dead_reason_text(enum queue_dead_reason reason)
{
    switch (reason) {
    case QUEUE_DEAD_ATTEMPTS: return "attempts";
    case QUEUE_DEAD_AGE: return "age";
    case QUEUE_DEAD_UNREADABLE: return "unreadable";
    case QUEUE_DEAD_REJECTED: return "rejected";
    }
    return "unknown";
}

static uint64_t save_letter(struct mapping *mapping, const struct queue_dead *dead)
{
    struct functions *all = mapping->function->all;
    uint64_t wall_ms = all->host.wall_ms(all->host.ctx);
    uint64_t behind_ms = wall_ms - uv_now(all->host.loop); /* from the queue's clock to the wall's */
    static const struct message nothing;
    struct state_dead_letter letter = {
        .function = span_from_string(mapping->queue_name),
        .ordinal = dead->ordinal,
        .reason = span_from_string(dead_reason_text(dead->reason)),
        .error_type = dead->error_type,
        .error_message = dead->error_message,
        .attempts = dead->attempts,
        .first_ms = dead->first_ms ? dead->first_ms + behind_ms : 0,
        .last_ms = dead->last_ms ? dead->last_ms + behind_ms : 0,
        .stored_ms = wall_ms,
        .message = dead->message ? dead->message : &nothing,
    };
    return state_save_dead_letter(all->host.state, &letter);
}

static void log_given_up(const struct mapping *mapping, const struct queue_dead *dead, const char *what_then)
{
    log_warning("function %s gave up a message after %u attempts (%s): %.*s%s%.*s; %s",
                mapping->function->config->name, dead->attempts, dead_reason_text(dead->reason),
                (int)dead->error_type.len, (const char *)dead->error_type.data,
                dead->error_type.len ? ": " : "", (int)dead->error_message.len,
                (const char *)dead->error_message.data, what_then);
}

void letter_keep(struct mapping *mapping, const struct queue_dead *dead)
{
    struct functions *all = mapping->function->all;
    bool wanted = mapping->function->config->on_failure.kind != CONFIG_TO_NOBODY;
    bool kept = wanted && all->letters_kept < all->config->limits.dead_letters_count;
    log_given_up(mapping, dead,
                 kept     ? "it is in the dead letter queue"
                 : wanted ? "it is dropped: the dead letter queue is at its bound"
                          : "it is dropped");
    all->letters_kept += kept;
    if (all->letter_count == all->letter_capacity) {
        all->letter_capacity = all->letter_capacity ? all->letter_capacity * 2 : 16;
        all->letters = memory_resize(all->letters, all->letter_capacity * sizeof *all->letters);
    }
    uint64_t ticket = kept ? save_letter(mapping, dead) : 0;
    all->letters[all->letter_count++] = (struct pending_letter){mapping, dead->ordinal, ticket};
}

/* What the function got, or would have got; where the rule cannot read the message, its payload. */
static void write_event(const struct mapping *mapping, const struct queue_dead *dead, struct span selected,
                        struct buffer *out)
{
    struct queue_item item = {.ordinal = dead->ordinal,
                              .message = dead->message,
                              .attempt = dead->attempts,
                              .first_ms = dead->first_ms};
    if (selected.len > 0 && mapping->event->batch_size > 0)
        invocation_write_batch_of_one(mapping, &item, selected, out);
    else if (selected.len > 0)
        buffer_append(out, selected);
    else if (dead->message)
        buffer_append(out, dead->message->payload);
}

/* An end has no rule: what it says of its window is there for a topic. */
static void select_values(const struct mapping *mapping, const struct message *message, struct buffer *out)
{
    uint32_t partition;
    if (mapping->tumbling && tumbling_is_end(message, &partition))
        buffer_append(out, message->payload);
    else
        invocation_select(mapping, message, out, NULL);
}

/* The record for the destination. False: no topic can be made for it. */
static bool put_record(struct mapping *mapping, const struct queue_dead *dead, struct handover **handover)
{
    struct buffer selected = {0}, event = {0}, topic = {0}, record = {0}, properties = {0};
    struct destination to;
    if (dead->message)
        select_values(mapping, dead->message, &selected);
    bool found = destination_find(mapping, &mapping->function->config->on_failure, buffer_span(&selected),
                                  dead->message ? dead->message->client_id : SPAN_EMPTY, &topic, &to);
    if (found) {
        write_event(mapping, dead, buffer_span(&selected), &event);
        destination_write_failure(mapping, dead, buffer_span(&event), &record);
        struct parcel parcel = {.kind = PARCEL_RECORD,
                                .function = to.function,
                                .message = {.topic = to.topic, .payload = buffer_span(&record)}};
        chain_continue(dead->message ? chain_depth(dead->message) : 0, &parcel, &properties);
        handover_put(handover, mapping, &parcel);
    }
    buffer_fini(&properties);
    buffer_fini(&record);
    buffer_fini(&topic);
    buffer_fini(&event);
    buffer_fini(&selected);
    return found;
}

static void put_answer(struct mapping *mapping, const struct queue_dead *dead, struct handover **handover)
{
    struct span topic;
    if (!dead->message || !answer_topic(mapping, dead->message, &topic))
        return;
    struct buffer error = {0}, properties = {0};
    struct queue_dead said = *dead;
    if (said.error_type.len == 0) { /* no attempt has ended it */
        said.error_type = destination_condition(dead);
        said.error_message = SPAN_LITERAL("the event was given up before it was handled");
    }
    destination_write_error(&said, &error);
    answer_write_properties(dead->message, &said, &properties);
    handover_put(handover, mapping,
                 &(struct parcel){.kind = PARCEL_ANSWER,
                                  .message = {.topic = topic,
                                              .payload = buffer_span(&error),
                                              .properties = buffer_span(&properties)}});
    buffer_fini(&properties);
    buffer_fini(&error);
}

void mapping_dead(struct mapping *mapping, const struct queue_dead *dead)
{
    enum config_destination_kind kind = mapping->function->config->on_failure.kind;
    struct handover *handover = NULL;
    put_answer(mapping, dead, &handover);
    bool has_destination = kind == CONFIG_TO_TOPIC || kind == CONFIG_TO_FUNCTION;
    if (has_destination && put_record(mapping, dead, &handover))
        log_given_up(mapping, dead, "its record goes to its destination");
    if (handover)
        handover_hold_dead(handover, dead);
    else
        letter_keep(mapping, dead);
}

/* The letters come in the order of their tickets, with dropped ones (0) between them. */
void functions_state_durable(struct functions *functions, uint64_t ticket)
{
    size_t done = 0;
    replays_state_durable(functions, ticket);
    while (done < functions->letter_count && functions->letters[done].ticket <= ticket) {
        struct pending_letter *letter = &functions->letters[done++];
        queue_dead_stored(letter->mapping->queue, letter->ordinal);
        *(letter->ticket > 0 ? &functions->counters.dead_letters : &functions->counters.discarded) += 1;
    }
    if (done == 0)
        return;
    functions->letter_count -= done;
    memmove(functions->letters, functions->letters + done,
            functions->letter_count * sizeof *functions->letters);
}
