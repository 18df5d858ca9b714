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

void mapping_dead(struct mapping *mapping, const struct queue_dead *dead)
{
    struct functions *all = mapping->function->all;
    bool wanted = mapping->function->config->dead_letters;
    bool kept = wanted && all->letters_kept < all->config->limits.dead_letters_count;
    log_warning("function %s gave up a message after %u attempts (%s): %.*s%s%.*s%s",
                mapping->function->config->name, dead->attempts, dead_reason_text(dead->reason),
                (int)dead->error_type.len, (const char *)dead->error_type.data,
                dead->error_type.len ? ": " : "", (int)dead->error_message.len,
                (const char *)dead->error_message.data,
                kept     ? "; it is in the dead letter queue"
                : wanted ? "; it is dropped: the dead letter queue is at its bound"
                         : "; it is dropped");
    all->letters_kept += kept;
    if (all->letter_count == all->letter_capacity) {
        all->letter_capacity = all->letter_capacity ? all->letter_capacity * 2 : 16;
        all->letters = memory_resize(all->letters, all->letter_capacity * sizeof *all->letters);
    }
    uint64_t ticket = kept ? save_letter(mapping, dead) : 0;
    all->letters[all->letter_count++] = (struct pending_letter){mapping, dead->ordinal, ticket};
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
