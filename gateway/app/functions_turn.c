/*
 * A turn looks at those mappings that something has happened to, those whose
 * deadline has come, and those that are due and wait for their workers; not at
 * the thousands of others.
 */
#include "app/functions_internal.h"

static void push(struct mapping_list *list, struct mapping *mapping)
{
    mapping->next_listed = NULL;
    *(list->last ? &list->last->next_listed : &list->first) = mapping;
    list->last = mapping;
    mapping->is_listed = true;
}

static struct mapping *pop(struct mapping_list *list)
{
    struct mapping *mapping = list->first;
    if (!mapping)
        return NULL;
    list->first = mapping->next_listed;
    if (!list->first)
        list->last = NULL;
    mapping->is_listed = false;
    return mapping;
}

void mapping_changed(struct mapping *mapping)
{
    if (!mapping->is_listed)
        push(&mapping->function->all->changed, mapping);
}

static void on_deadline(void *owner, uint64_t now_ms)
{
    (void)now_ms;
    mapping_changed(owner);
}

/* What cannot be handed over holds back the queue that it is of, and so in the end those who publish. */
static bool may_run(const struct mapping *mapping)
{
    return mapping->held_count == 0 && invoke_capacity(mapping->function->pool) > 0;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void turn_mapping(struct mapping *mapping, uint64_t now_ms)
{
    struct functions *all = mapping->function->all;
    struct queue_batch *batch;
    replay_turn(mapping, now_ms);
    scheduled_turn(mapping->scheduled, now_ms);
    tumbling_turn(mapping->tumbling, now_ms);
    while (may_run(mapping) && queue_next(mapping->queue, now_ms, &batch) == SLUICE_OK)
        invocation_start(mapping, batch);
    uint64_t deadline_ms =
        lower(scheduled_next_deadline(mapping->scheduled), tumbling_next_deadline(mapping->tumbling));
    uint64_t queue_ms = queue_next_deadline(mapping->queue);
    mapping->timer.owner = mapping;
    mapping->timer.on_expired = on_deadline;
    if (queue_ms > now_ms)
        deadline_ms = lower(deadline_ms, queue_ms);
    else if (!mapping->is_listed)
        push(&all->waiting, mapping);
    timers_set(&all->timers, &mapping->timer, deadline_ms);
}

void functions_turn(struct functions *functions, uint64_t now_ms)
{
    /* Dropped messages have no ticket to wait for. */
    functions_state_durable(functions, 0);
    handovers_turn(functions, now_ms);
    function_logs_turn(functions->logs, now_ms);
    if (functions->stopping)
        return;
    if (functions->any_not_live)
        functions_sweep_versions(functions);
    timers_run(&functions->timers, now_ms);
    struct mapping_list lists[] = {functions->waiting, functions->changed};
    functions->waiting = functions->changed = (struct mapping_list){0}; /* from here on: of the next turn */
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        for (struct mapping *mapping; (mapping = pop(&lists[i]));)
            turn_mapping(mapping, now_ms);
    }
}

uint64_t functions_next_deadline(const struct functions *functions)
{
    if (functions->stopping)
        return UINT64_MAX;
    if (functions->changed.first)
        return 0;
    for (const struct mapping *mapping = functions->waiting.first; mapping; mapping = mapping->next_listed)
        if (may_run(mapping)) /* else the next answer of its workers brings the turn */
            return 0;
    return lower(lower(function_logs_next_deadline(functions->logs), handovers_next_deadline(functions)),
                 timers_next(&functions->timers));
}
