#include "app/retained_queue.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <assert.h>

struct retained_queue {
    struct journal *journal;
    struct state *state;
    uint32_t id; /* the journal's */
    uint64_t next_ordinal;
    struct buffer written; /* struct change: in the state, and waiting for its ticket */
};

struct change {
    uint64_t ordinal, ticket;
};

struct retained_queue *retained_queue_new(struct journal *journal, struct state *state)
{
    struct retained_queue *queue = memory_new(sizeof *queue);
    queue->journal = journal;
    queue->state = state;
    queue->id = journal_queue_open(journal, JOURNAL_RETAINED, SPAN_LITERAL("retained"));
    return queue;
}

void retained_queue_free(struct retained_queue *queue)
{
    if (!queue)
        return;
    buffer_fini(&queue->written);
    memory_free(queue);
}

struct journal_target retained_queue_target(const struct retained_queue *queue, size_t index,
                                            enum broker_retained change)
{
    return (struct journal_target){
        .queue = queue->id, .ordinal = queue->next_ordinal + index, .retain = change == BROKER_RETAINED_SET};
}

static void write_change(struct retained_queue *queue, uint64_t ordinal, const struct message *message,
                         bool is_set)
{
    uint64_t ticket = is_set ? state_save_retained(queue->state, message)
                             : state_remove_retained(queue->state, message->topic);
    struct change change = {ordinal, ticket};
    buffer_append(&queue->written, span_of(&change, sizeof change));
}

void retained_queue_stored(struct retained_queue *queue, const struct message *message,
                           enum broker_retained change)
{
    write_change(queue, queue->next_ordinal++, message, change == BROKER_RETAINED_SET);
}

void retained_queue_state_durable(struct retained_queue *queue, uint64_t ticket)
{
    while (buffer_len(&queue->written) > 0) {
        struct change first;
        struct span written = buffer_span(&queue->written);
        assert(written.data);
        memcpy(&first, written.data, sizeof first);
        if (first.ticket > ticket)
            return;
        journal_acknowledge(queue->journal, queue->id, first.ordinal);
        buffer_consume(&queue->written, sizeof first);
    }
}

void retained_queue_restore(struct retained_queue *queue, uint64_t next_ordinal)
{
    queue->next_ordinal = next_ordinal;
}

enum sluice_error retained_queue_restore_entry(struct retained_queue *queue,
                                               const struct journal_entry *entry,
                                               struct message **ret_message)
{
    struct message *message;
    enum sluice_error error = journal_load(queue->journal, entry->position, &message);
    if (error)
        return error;
    write_change(queue, entry->ordinal, message, entry->retain);
    if (!entry->retain)
        message->payload = SPAN_EMPTY;
    *ret_message = message;
    return SLUICE_OK;
}
